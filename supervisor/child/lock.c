#include "supervisor/child/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/ids.h"
#include "common/kernel.h"
#include "common/sanitized.h"
#include "supervisor/child/lock_filter.h"

enum { MAX_FILTER = 512 };

/* A program that loads libraries needs these to begin, an interpreter of the system's too. */
static const char *const system_reads[] = {
	"/usr",
	"/lib",
	"/lib32",
	"/lib64",
	"/bin",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/dev/null",
	"/dev/urandom",
#ifdef __SANITIZE_ADDRESS__
	"/proc", /* AddressSanitizer reads its own mappings */
#endif
	NULL,
};

/* A program of ours that is whole reads nothing but the time zone. */
static const char *const own_reads[] = { "/etc/localtime", "/usr/share/zoneinfo", NULL };

/* --- before the fork --- */

/* Whether every folder above the file lets others pass. */
static bool
others_can_reach(const char *program)
{
	char path[PATH_MAX];
	struct stat st;

	if (!realpath(program, path))
		return true; /* execve() says what it is */
	for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

static int
allow_all(int rules, const char *const *paths, int (*allow)(int rules, const char *path))
{
	for (; paths && *paths; paths++)
		if (allow(rules, *paths) < 0)
			return -1;
	return 0;
}

/* A program of ours finds what it loads beside it. */
static int
allow_program(int rules, const char *program, bool folder)
{
	char path[PATH_MAX];
	const char *slash = strrchr(program, '/');

	if (!folder || !slash || slash == program || slash - program >= PATH_MAX)
		return kernel_landlock_allow_read(rules, program);
	memcpy(path, program, (size_t)(slash - program));
	path[slash - program] = '\0';
	return kernel_landlock_allow_read(rules, path);
}

/* Whether the kernel starts the program itself, without the loader of libraries. */
static bool
is_static(const char *program)
{
	union {
		ElfW(Ehdr) head;
		char bytes[4096];
	} file;
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, file.bytes, sizeof(file.bytes));
	bool found =
	    n > (ssize_t)sizeof(file.head) && memcmp(file.head.e_ident, ELFMAG, SELFMAG) == 0 &&
	    file.head.e_phentsize == sizeof(ElfW(Phdr)) && file.head.e_phoff <= (size_t)n &&
	    file.head.e_phnum <= ((size_t)n - file.head.e_phoff) / sizeof(ElfW(Phdr));

	fd_close(fd);
	for (size_t i = 0; found && i < file.head.e_phnum; i++) {
		ElfW(Phdr) row;
		memcpy(&row, file.bytes + file.head.e_phoff + i * sizeof(row), sizeof(row));
		if (row.p_type == PT_INTERP)
			return false;
	}
	return found;
}

static int
prepare_rules(struct lock *l, const char *program)
{
	bool whole = l->own && is_static(program);

	l->rules = kernel_landlock_open();
	if (l->rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	if (allow_program(l->rules, program, l->own && !whole) < 0 ||
	    allow_all(l->rules, whole ? own_reads : system_reads, kernel_landlock_allow_read) < 0 ||
	    allow_all(l->rules, l->reads, kernel_landlock_allow_read) < 0 ||
	    allow_all(l->rules, l->writes, kernel_landlock_allow_read) < 0)
		return -1;
	return allow_all(l->rules, l->writes, kernel_landlock_allow_write);
}

bool
lock_is_strict(const struct lock *l)
{
	return l->level == LOCK_STRICT || l->level == LOCK_NAMESPACES;
}

int
lock_prepare(struct lock *l, const char *program)
{
	l->rules = l->program = -1;
	l->parent = getpid();
	if (l->level == LOCK_OFF)
		return 0;
	bool hidden = geteuid() == 0 && !l->writes && !others_can_reach(program);
	l->keeps_ids = hidden && l->own;
	if (hidden && !l->own && (l->program = open(program, O_PATH | O_CLOEXEC)) < 0)
		return -1;
	int result = prepare_rules(l, program);
	return l->level == LOCK_BEST_EFFORT ? 0 : result;
}

void
lock_clear(struct lock *l)
{
	fd_close(l->rules);
	fd_close(l->program);
	l->rules = l->program = -1;
}

/* --- in the child --- */

static int
limit(int resource, uint64_t value)
{
	const struct rlimit r = { value, value };

	return setrlimit(resource, &r);
}

static int
limit_all(const struct lock *l)
{
	if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_MSGQUEUE, 0) < 0 ||
	    limit(RLIMIT_MEMLOCK, 0) < 0 || (!l->writes && limit(RLIMIT_FSIZE, 0) < 0))
		return -1;
	if (l->memory && !SANITIZED && limit(RLIMIT_AS, l->memory) < 0)
		return -1;
	return l->files ? limit(RLIMIT_NOFILE, l->files) : 0;
}

static int
load_filter(const struct sock_filter *source, size_t count)
{
	struct sock_filter filter[MAX_FILTER];
	const struct sock_fprog program = { (unsigned short)count, filter };

	if (count > MAX_FILTER)
		return errno = E2BIG, -1;
	memcpy(filter, source, count * sizeof(filter[0]));
	for (size_t i = 0; i < count; i++)
		if (BPF_CLASS(filter[i].code) == BPF_JMP && filter[i].k == lock_filter_own_pid)
			filter[i].k = (unsigned)getpid();
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int
filter_calls(const struct lock *l)
{
	if (l->writes)
		return load_filter(lock_filter_server, lock_filter_server_count);
	return l->level == LOCK_NAMESPACES
		   ? load_filter(lock_filter_namespaces, lock_filter_namespaces_count)
		   : load_filter(lock_filter, lock_filter_count);
}

static int
drop_rights(const struct lock *l)
{
	if (l->writes)
		return ids_drop_capabilities();
	return l->keeps_ids ? 0 : ids_drop();
}

int
lock_self(const struct lock *l)
{
	bool strict = l->level != LOCK_BEST_EFFORT;

	if (l->level == LOCK_OFF)
		return 0;
	if (limit_all(l) < 0 || drop_rights(l) < 0)
		return -1;
	/* A change of ids undoes it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	/* It may have ended before that. */
	if (getppid() != l->parent)
		return errno = ESRCH, -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (l->rules >= 0 && kernel_landlock_restrict(l->rules) < 0 && strict)
		return -1;
	return filter_calls(l) < 0 && strict ? -1 : 0;
}

/* A script's interpreter opens it by its descriptor, which for that stays open. */
void
lock_exec(const struct lock *l, const char *path, const char *const argv[])
{
	char *envp[] = { NULL };

	if (l->program < 0)
		execve(path, (char **)argv, envp);
	else if (fcntl(l->program, F_SETFD, 0) == 0)
		execveat(l->program, "", (char **)argv, envp, AT_EMPTY_PATH);
}

/* --- the supervisor itself --- */

enum { MAX_WRITES = 8 };

/* Terminals and serial lines, and the groups that are delegated. */
static const char *const system_writes[] = { "/dev", "/sys/fs/cgroup", NULL };

static char *own_writes[MAX_WRITES + 1]; /* without symbolic links; owned, until the end */

/* The path without symbolic links; of one that does not exist, that of the folder it is in and its
 * name. The caller's, or NULL. */
static char *
real_path(const char *path)
{
	char folder[PATH_MAX], *real = realpath(path, NULL);
	const char *slash = strrchr(path, '/');

	if (real || !slash || slash == path || slash - path >= PATH_MAX)
		return real;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	char *parent = realpath(folder, NULL);
	if (parent && asprintf(&real, "%s%s", parent, slash) < 0)
		real = NULL;
	free(parent);
	return real;
}

static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool
lock_confines(void)
{
	return own_writes[0];
}

bool
lock_can_write(const char *path)
{
	char *real = lock_confines() ? real_path(path) : NULL;
	bool can = !lock_confines();

	for (size_t i = 0; real && own_writes[i] && !can; i++)
		can = is_below(real, own_writes[i]);
	free(real);
	return can;
}

static int
confine_writes(const char *const *writes)
{
	int rules = kernel_landlock_open_writes();

	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	int result = allow_all(rules, system_writes, kernel_landlock_allow_write) < 0 ||
			     allow_all(rules, writes, kernel_landlock_allow_write) < 0 ||
			     kernel_landlock_restrict(rules) < 0
			 ? -1
			 : 0;
	fd_close(rules);
	for (size_t i = 0, n = 0; result == 0 && writes[i] && n < MAX_WRITES; i++)
		if ((own_writes[n] = real_path(writes[i])))
			n++;
	return result;
}

int
lock_supervisor(const char *const *writes)
{
	if (SANITIZED) /* whose search for leaks traces the process */
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_writes(writes) < 0)
		return -1;
	return load_filter(lock_filter_supervisor, lock_filter_supervisor_count);
}
