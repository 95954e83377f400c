/* A runner is the user nobody, without capabilities. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-runners/runtime/sandbox/sandbox_private.h"

/* "nobody" and "nogroup", by number: looking a name up takes files and libraries. */
enum { NOBODY = 65534, MAX_CAPABILITY = 63 };

static int
drop_bounding_set(void)
{
	for (int c = 0; c <= MAX_CAPABILITY; c++)
		if (prctl(PR_CAPBSET_DROP, c) < 0)
			return errno == EINVAL ? 0 : -1;
	return 0;
}

static int
become_nobody(void)
{
	/* A user namespace that forbids setgroups() has no groups to leave, or the kernel would say
	 * so. */
	if (setgroups(0, NULL) < 0 && getgroups(0, NULL) != 0)
		return -1;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -1;
	/* There must be no way back. */
	if (setuid(0) == 0 || setgid(0) == 0)
		return errno = EPERM, -1;
	return 0;
}

int
sandbox_ids_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	struct __user_cap_data_struct have[2];

	/* Without CAP_SETPCAP the set stays; with no_new_privs nothing can be taken from it. */
	if (drop_bounding_set() < 0 && errno != EPERM)
		return -1;
	if (geteuid() == 0 && become_nobody() < 0)
		return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -1;
	/* Where there is none the call may be forbidden from outside. */
	if (syscall(SYS_capget, &head, have) == 0 && memcmp(have, none, sizeof(none)) == 0)
		return 0;
	return (int)syscall(SYS_capset, &head, none);
}
