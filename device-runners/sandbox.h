/*
 * The runner's cage, in two steps: what can go before the configuration is
 * read, and the door itself, locked before the first byte from a device.
 * gateway-sandbox(7) says what is left after it.
 */
#ifndef DEVICE_RUNNERS_SANDBOX_H
#define DEVICE_RUNNERS_SANDBOX_H

#include <stdbool.h>

#include "ipc/message.h"

/* Right after exec: death signal, file descriptors, no core. Returns 0, or -1 with errno. */
int sandbox_enter(void);

/* Locks the door. tty: termios calls stay allowed. In IPC_SANDBOX_STRICT anything missing is a
 * failure (-1, why says what, constant); in BEST_EFFORT it is logged. */
int sandbox_lock(enum ipc_sandbox level, bool tty, const char **why);

#endif
