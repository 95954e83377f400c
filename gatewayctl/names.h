/* Names of devices in gatewayctl's arguments: patterns, and what may be meant by a wrong one. */
#ifndef GATEWAYCTL_NAMES_H
#define GATEWAYCTL_NAMES_H

#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

struct names {
	char **list; /* owned, as are its texts */
	int count;
};

/* The arguments with each pattern ('*', '?', '[') replaced by the devices that it fits. Asks
 * gatewayd only where there is one. Returns 0, or -1 having said why. */
int names_expand(struct names *n, struct session *client, const struct options *o,
    enum command_names which, int argc, char **argv);
/* For each argument that is no device, says the nearest that is. */
void names_suggest(struct session *client, enum command_names which, int argc, char **argv);
/* Whether each of these (event types, or names of devices) is a device where it can be nothing
 * else. Says what is none. */
bool names_exist(struct session *client, int argc, char **argv);
void names_clear(struct names *n);

#endif
