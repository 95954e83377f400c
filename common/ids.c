#include "common/ids.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_CAPABILITY = 63, NONE = -1 };

/* The C library's functions would change every thread of a parent that shares our memory. On 32-bit
 * machines the plain names are those of 16-bit ids. */
#ifdef SYS_setresuid32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_GETGROUPS SYS_getgroups32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_GETGROUPS SYS_getgroups
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETRESUID SYS_setresuid
#endif

/* Without CAP_SETPCAP the set stays; with no_new_privs nothing can be taken from it. */
static int
drop_bounding_set(int but)
{
	for (int c = 0; c <= MAX_CAPABILITY; c++)
		if (c != but && prctl(PR_CAPBSET_DROP, c) < 0)
			return errno == EINVAL || errno == EPERM ? 0 : -1;
	return 0;
}

static int
drop_own_sets(int but)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	struct __user_cap_data_struct have[2], left[2] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -1;
	/* With no capability left there is nothing to drop, and the call may be forbidden. */
	if (syscall(SYS_capget, &head, have) == 0 && memcmp(have, none, sizeof(none)) == 0)
		return 0;
	if (but != NONE)
		left[but / 32].permitted = left[but / 32].effective =
		    have[but / 32].permitted & 1U << but % 32;
	return (int)syscall(SYS_capset, &head, left);
}

static int
become_nobody(void)
{
	const long id = IDS_NOBODY;

	/* A user namespace that forbids setgroups() has no groups to leave, or the kernel would say
	 * so. */
	if (syscall(CALL_SETGROUPS, 0, NULL) < 0 && syscall(CALL_GETGROUPS, 0, NULL) != 0)
		return -1;
	if (syscall(CALL_SETRESGID, id, id, id) < 0 || syscall(CALL_SETRESUID, id, id, id) < 0)
		return -1;
	/* There must be no way back. */
	if (syscall(CALL_SETRESUID, 0L, 0L, 0L) == 0 || syscall(CALL_SETRESGID, 0L, 0L, 0L) == 0)
		return errno = EPERM, -1;
	return 0;
}

int
ids_drop_capabilities_but(int capability)
{
	return drop_bounding_set(capability) < 0 ? -1 : drop_own_sets(capability);
}

int
ids_drop_capabilities(void)
{
	return ids_drop_capabilities_but(NONE);
}

int
ids_drop(void)
{
	if (drop_bounding_set(NONE) < 0 || (geteuid() == 0 && become_nobody() < 0))
		return -1;
	return drop_own_sets(NONE);
}
