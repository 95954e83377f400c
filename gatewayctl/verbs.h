/* gatewayctl's commands that know the device by its description: describe, read, write, command,
 * interrogate. Each returns an exit code. */
#ifndef GATEWAYCTL_VERBS_H
#define GATEWAYCTL_VERBS_H

#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

#endif
