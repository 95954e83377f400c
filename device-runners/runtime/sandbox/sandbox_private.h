/* The mechanisms of the sandbox, one file each; only for sandbox.c. */
#ifndef DEVICE_RUNNERS_SANDBOX_PRIVATE_H
#define DEVICE_RUNNERS_SANDBOX_PRIVATE_H

#include "device-runners/runtime/sandbox/sandbox.h"

/* Each: 0, or -1 with errno (ENOSYS, EOPNOTSUPP: the kernel has none). */

/* No path can be opened, made or removed, no TCP port bound or connected to, no signal sent to a
 * process outside, as far as the running kernel's Landlock goes. Needs no_new_privs. */
int sandbox_landlock_lock(void);
/* The allow-list of system calls; a denied call is named in the last line. Needs no_new_privs. */
int sandbox_seccomp_lock(const struct sandbox *s);
/* Groups, ids and capabilities, the bounding set among them. */
int sandbox_ids_drop(void);

#endif
