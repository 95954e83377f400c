/*
 * The runner's cage, in two steps: what can go before the configuration is
 * read, and the door itself, locked before the first byte from a device.
 * gateway-sandbox(7) says what is left after it.
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

/* Locks the door. In IPC_SANDBOX_STRICT (and _NAMESPACES) anything missing is a failure (-1 with
 * errno, why says what, constant), but for Landlock on a kernel that has none; in BEST_EFFORT it is
 * logged; IPC_SANDBOX_OFF sets memory and files alone. */
int sandbox_lock(const struct sandbox *s, const char **why);

#endif
