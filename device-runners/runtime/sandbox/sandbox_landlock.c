/* Landlock with no rule at all, in a runner. */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "common/kernel.h"
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
	[1] = { .fs_rights = 13, .size = 8 },
	[2] = { .fs_rights = 14, .size = 8 }, /* refer */
	/* truncate: Debian 12 has 2, or 4 with a backported kernel */
	[3] = { .fs_rights = 15, .size = 8 },
	[4] = { .fs_rights = 15, .net = 0x3, .size = 16 }, /* TCP bind, connect */
	[5] = { .fs_rights = 16, .net = 0x3, .size = 16 }, /* ioctl of devices */
	/* abstract Unix sockets, signals */
	[6] = { .fs_rights = 16, .net = 0x3, .scoped = 0x3, .size = 24 },
};

enum { NEWEST = sizeof(abis) / sizeof(abis[0]) - 1 };

int
sandbox_landlock_lock(void)
{
	int abi = kernel_landlock_abi();

	if (abi < 0)
		return -1;
	if (abi < 1)
		return errno = EOPNOTSUPP, -1;
	if (abi > NEWEST)
		abi = NEWEST;
	const struct ruleset r = { (UINT64_C(1) << abis[abi].fs_rights) - 1, abis[abi].net,
		abis[abi].scoped };
	int fd = kernel_landlock_create(&r, abis[abi].size);
	if (fd < 0)
		return -1;
	int result = kernel_landlock_restrict(fd);
	int saved = errno;
	close(fd);
	errno = saved;
	return result < 0 ? -1 : 0;
}
