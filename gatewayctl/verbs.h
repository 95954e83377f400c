/* gatewayctl's commands that know the device by its description: describe, read, write, command,
 * interrogate, and the check of send. Each returns an exit code. */
#ifndef GATEWAYCTL_VERBS_H
#define GATEWAYCTL_VERBS_H

#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

/* Whether a running device takes this event; says what is wrong with it otherwise. argv: NAME TYPE
 * [JSON]. A device that is not running, or has no description, is not asked. */
bool verbs_accepts(struct session *s, const struct options *o, int argc, char **argv);

#endif
