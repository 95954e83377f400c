/* `gatewayctl top`: devices by what they cost, again and again on a terminal, or once. */
#ifndef GATEWAYCTL_TOP_H
#define GATEWAYCTL_TOP_H

#include <signal.h>

#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

/* names: of devices, all where there are none. stop: ends it when it becomes true. Returns the exit
 * code. */
int top_run(struct session *client, const struct options *o, int count, char **names,
    const volatile sig_atomic_t *stop);

#endif
