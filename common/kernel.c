#include "common/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers of this age are the same on every architecture. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

enum { LANDLOCK_VERSION = 1 }; /* LANDLOCK_CREATE_RULESET_VERSION */

/* The descriptor of the folder itself is closed last: by closedir(). */
static int
close_listed(int first)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!folder)
		return -1;
	while ((entry = readdir(folder))) {
		char *end;
		long fd = strtol(entry->d_name, &end, 10);
		if (end != entry->d_name && fd >= first && fd != dirfd(folder))
			close((int)fd);
	}
	return closedir(folder);
}

int
kernel_close_from(int first)
{
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return 0;
	return errno == ENOSYS ? close_listed(first) : -1;
}

int
kernel_landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
}

int
kernel_landlock_create(const void *attributes, size_t size)
{
	return (int)syscall(SYS_landlock_create_ruleset, attributes, size, 0U);
}

int
kernel_landlock_restrict(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0U);
}
