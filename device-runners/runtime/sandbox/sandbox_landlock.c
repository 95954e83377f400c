/* Landlock with no rule at all, in a runner. */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-runners/runtime/sandbox/sandbox_private.h"

/* As the newest kernels lay it out; an older one takes its own, shorter size. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* What each ABI version added. Rights of the file system are consecutive bits. */
static const struct {
	int fs_rights;
	uint64_t net, scoped;
	size_t size;
} abis[] = {
	[1] = { 13, 0, 0, 8 },
	[2] = { 14, 0, 0, 8 },	    /* refer */
	[3] = { 15, 0, 0, 8 },	    /* truncate: Debian 12 has 2, or 4 with a backported kernel */
	[4] = { 15, 0x3, 0, 16 },   /* TCP bind, connect */
	[5] = { 16, 0x3, 0, 16 },   /* ioctl of devices */
	[6] = { 16, 0x3, 0x3, 24 }, /* abstract Unix sockets, signals */
};

enum { NEWEST = sizeof(abis) / sizeof(abis[0]) - 1 };

int
sandbox_landlock_lock(void)
{
	int abi =
	    (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return -1;
	if (abi < 1)
		return errno = EOPNOTSUPP, -1;
	if (abi > NEWEST)
		abi = NEWEST;
	const struct ruleset r = { (UINT64_C(1) << abis[abi].fs_rights) - 1, abis[abi].net,
		abis[abi].scoped };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &r, abis[abi].size, 0);
	if (fd < 0)
		return -1;
	int result = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	int saved = errno;
	close(fd);
	errno = saved;
	return result < 0 ? -1 : 0;
}
