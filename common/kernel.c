#include "common/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fdutil.h"

enum { UNSHARE = 1 << 1 }; /* CLOSE_RANGE_UNSHARE */

/* Numbers of this age are the same on every architecture. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
	LANDLOCK_VERSION = 1,	   /* LANDLOCK_CREATE_RULESET_VERSION */
	LANDLOCK_PATH_BENEATH = 1, /* LANDLOCK_RULE_PATH_BENEATH */
};

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
kernel_unshare_below(int first)
{
	return (int)syscall(SYS_close_range, (unsigned)first, ~0U, UNSHARE);
}

int
kernel_landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
}

static int
allow_rights(int ruleset, int fd, uint64_t rights)
{
	const struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights, fd };

	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0U);
}

int
kernel_landlock_restrict(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0U);
}

/* As the newest kernels lay it out; an older one takes its own, shorter size. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* The additions of each ABI version. Rights of the file system are consecutive bits. */
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

/* Rights by ABI: from WRITE to MAKE_SYM 1, REFER 2, TRUNCATE 3. */
enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	MAKE_CHAR = 1 << 6,
	MAKE_BLOCK = 1 << 11,
	REFER = 1 << 13,
	TRUNCATE = 1 << 14,
	/* REMOVE_DIR to MAKE_SYM */
	WRITES = WRITE_FILE | 0x1ff << 4 | REFER | TRUNCATE,
};

/* The newest version of the ABI that both know, or -1 with errno. */
static int
known_abi(void)
{
	int abi = kernel_landlock_abi();

	if (abi < 0)
		return -1;
	if (abi < 1)
		return errno = EOPNOTSUPP, -1;
	return abi < NEWEST ? abi : NEWEST;
}

static uint64_t
known_rights(int abi)
{
	return (UINT64_C(1) << abis[abi].fs_rights) - 1;
}

static int
open_ruleset(const struct ruleset *r, int abi)
{
	return (int)syscall(SYS_landlock_create_ruleset, r, abis[abi].size, 0U);
}

int
kernel_landlock_open(void)
{
	int abi = known_abi();

	if (abi < 0)
		return -1;
	const struct ruleset r = { known_rights(abi), abis[abi].net, abis[abi].scoped };
	return open_ruleset(&r, abi);
}

static int
open_rights(uint64_t rights)
{
	int abi = known_abi();

	if (abi < 0)
		return -1;
	const struct ruleset r = { .fs = known_rights(abi) & rights };
	return open_ruleset(&r, abi);
}

int
kernel_landlock_open_writes(void)
{
	return open_rights(WRITES);
}

int
kernel_landlock_open_writes_and_execute(void)
{
	return open_rights(WRITES | EXECUTE);
}

/* file: which of the rights a file can have. */
static int
allow(int rules, const char *path, uint64_t rights, uint64_t file)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	int result = fstat(fd, &st);
	if (result == 0)
		result = allow_rights(rules, fd, S_ISDIR(st.st_mode) ? rights : rights & file);
	fd_close(fd);
	return result;
}

int
kernel_landlock_allow_read(int rules, const char *path)
{
	return allow(rules, path, EXECUTE | READ_FILE | READ_DIR, EXECUTE | READ_FILE);
}

int
kernel_landlock_allow_write(int rules, const char *path)
{
	int abi = known_abi();
	uint64_t rights = WRITES & ~(uint64_t)(MAKE_CHAR | MAKE_BLOCK);

	return abi < 0 ? -1 : allow(rules, path, rights & known_rights(abi), WRITE_FILE | TRUNCATE);
}
