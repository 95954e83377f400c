/*
 * The runner's sandbox, closed in two steps: a part before the configuration
 * is read, the rest before the first byte from a device. gateway-sandbox(7)
 * says what a runner can do after that.
 */
#ifndef DEVICE_RUNNERS_SANDBOX_H
#define DEVICE_RUNNERS_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/message.h"

/* Right after exec: death signal, file descriptors, no core. Returns 0, or -1 with errno. */
int sandbox_enter(void);

struct sandbox {
	enum ipc_sandbox level;
	bool tty;	 /* termios calls stay allowed */
	bool addresses;	 /* a datagram may be sent to an address */
	uint64_t memory; /* bytes of address space */
	uint32_t files;	 /* open file descriptors */
};

/* Closes the sandbox. Returns 0, or -1 with errno and the name of the missing mechanism in why (a
 * constant). With IPC_SANDBOX_STRICT and _NAMESPACES every missing mechanism is a failure, except
 * Landlock on a kernel without it; with _BEST_EFFORT it is logged. _OFF sets the limits of memory
 * and files only. */
int sandbox_lock(const struct sandbox *s, const char **why);

#endif
