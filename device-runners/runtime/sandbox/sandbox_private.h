/* The mechanisms of the sandbox, one file each; only for sandbox.c. */
#ifndef DEVICE_RUNNERS_SANDBOX_PRIVATE_H
#define DEVICE_RUNNERS_SANDBOX_PRIVATE_H

#include "device-runners/runtime/sandbox/sandbox.h"

/* Each: 0, or -1 with errno (ENOSYS, EOPNOTSUPP: the kernel has none). */

/* The allow-list of system calls; a denied call is named in the last line. Needs no_new_privs. */
int sandbox_seccomp_lock(const struct sandbox *s);

#endif
