/* gatewayctl send: whether a device takes an event, before it is sent. */
#ifndef GATEWAYCTL_CHECK_SEND_H
#define GATEWAYCTL_CHECK_SEND_H

#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

/* Whether a device takes this event: says what is wrong with it otherwise, and what is nearest.
 * argv: NAME TYPE [JSON], or TYPE [JSON] with a whole type. What a running device takes is known by
 * its description; a device that is not running, or has none, is not asked. */
bool send_accepts(struct session *s, const struct options *o, int argc, char **argv);

#endif
