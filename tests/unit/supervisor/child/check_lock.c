#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/kernel.h"
#include "common/sanitized.h"
#include "supervisor/child/lock.h"
#include "supervisor/child/sandbox_view.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

/* Runs try() in a process that is locked so; its exit code. */
static int
locked(enum lock_level level, int (*try)(void))
{
	int status;
	struct lock lock = { .level = level, .files = 40 };

	ck_assert_int_eq(lock_prepare(&lock, "/bin/sh"), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(lock_self(&lock) == 0 ? try() : 100);
	lock_clear(&lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status %d", status);
	return WEXITSTATUS(status);
}

/* Returns the row that was not denied, from 1, or 0. */
static int
try_what_is_denied(void)
{
	static const struct {
		long nr, a, b;
	} rows[] = {
		{ SYS_socket, AF_UNIX, SOCK_STREAM },
		{ SYS_connect, 0, 0 },
		{ SYS_bind, 0, 0 },
		{ SYS_ptrace, PTRACE_TRACEME, 0 },
		{ SYS_process_vm_readv, 1, 0 },
		{ SYS_pidfd_open, 1, 0 },
		{ SYS_pidfd_getfd, 0, 0 },
		{ SYS_io_uring_setup, 1, 0 },
		{ SYS_mount, 0, 0 },
		{ SYS_unshare, 0, 0 },
		{ SYS_setns, 0, 0 },
		{ SYS_keyctl, 0, 0 },
		{ SYS_clone, SIGCHLD, 0 },
		{ SYS_kill, 1, 0 },
		{ SYS_kill, -1, 0 },
		{ SYS_kill, 0, 0 },
		{ SYS_tgkill, 1, 1 },
		{ SYS_tkill, 1, 0 },
		{ SYS_bpf, 0, 0 },
		{ SYS_perf_event_open, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (syscall(rows[i].nr, rows[i].a, rows[i].b, 0, 0, 0) != -1 || errno != EPERM)
			return (int)i + 1;
	return 0;
}

START_TEST(what_is_denied_fails)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(locked(LOCK_STRICT, try_what_is_denied), 0);
	ck_assert_int_eq(locked(LOCK_BEST_EFFORT, try_what_is_denied), 0);
}
END_TEST

static void *
run_thread(void *arg)
{
	return arg;
}

static int
try_what_is_allowed(void)
{
	pthread_t thread;
	int fds[2];
	void *result = NULL;

	if (pthread_create(&thread, NULL, run_thread, fds) != 0)
		return 1;
	if (pthread_join(thread, &result) != 0 || result != fds)
		return 2;
	if (kill(getpid(), 0) < 0 || tgkill(getpid(), gettid(), 0) < 0)
		return 3;
	if (pipe(fds) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return 4;
	return fork() < 0 && errno == EPERM ? 0 : 5;
}

START_TEST(threads_and_signals_to_itself_are_allowed)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(locked(LOCK_STRICT, try_what_is_allowed), 0);
}
END_TEST

static int
look_at_itself(void)
{
	struct rlimit core;
	int death = 0;

	prctl(PR_GET_PDEATHSIG, &death);
	getrlimit(RLIMIT_CORE, &core);
	if (death != SIGKILL || core.rlim_max != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	return 0;
}

START_TEST(no_core_no_privileges_an_end_with_its_parent)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(locked(LOCK_STRICT, look_at_itself), 0);
}
END_TEST

/* Returns the row that was not denied, from 1, or 0. */
static int
try_files(void)
{
	static const struct {
		const char *path;
		int flags;
	} rows[] = {
		{ "/etc/shadow", O_RDONLY },
		{ "/etc/passwd", O_RDONLY },
		{ "/proc/self/mem", O_RDWR },
		{ "/proc/1/status", O_RDONLY },
		{ "/tmp", O_RDONLY },
		{ "/tmp/check_lock-made", O_WRONLY | O_CREAT },
		{ "/root", O_RDONLY },
		{ "/usr/check_lock-made", O_WRONLY | O_CREAT },
		{ "/dev/null", O_RDWR },
		{ "/sys/kernel", O_RDONLY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (open(rows[i].path, rows[i].flags, 0600) >= 0)
			return (int)i + 1;
	return open("/usr", O_RDONLY) < 0 || open("/bin/sh", O_RDONLY) < 0 ? 100 : 0;
}

START_TEST(files_are_those_of_the_system_to_read)
{
	SKIP_WITHOUT_FILTERS;
	if (!SANITIZED && kernel_landlock_abi() > 0)
		ck_assert_int_eq(locked(LOCK_STRICT, try_files), 0);
}
END_TEST

static int
look_at_ids(void)
{
	gid_t groups[8];

	if (getuid() == 0 || geteuid() == 0 || getegid() == 0 || setuid(0) == 0)
		return 1;
	if (open("/proc/self/status", O_RDONLY) >= 0)
		return 2;
	return getgroups(8, groups) == 0 ? 0 : 3;
}

START_TEST(root_becomes_nobody)
{
	SKIP_WITHOUT_FILTERS;
	if (!SANITIZED && geteuid() == 0 && kernel_landlock_abi() > 0)
		ck_assert_int_eq(locked(LOCK_STRICT, look_at_ids), 0);
}
END_TEST

START_TEST(nobody_runs_what_he_cannot_reach_by_its_descriptor)
{
	char folder[] = "/tmp/check_lock-XXXXXX", path[64];
	struct lock lock = { .level = LOCK_STRICT };

	if (geteuid() != 0)
		return;
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/program", folder);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(lock_prepare(&lock, path), 0);
	ck_assert(lock.program >= 0 && !lock.keeps_ids);
	lock_clear(&lock);
	lock.own = true;
	ck_assert_int_eq(lock_prepare(&lock, path), 0);
	ck_assert(lock.program < 0 && lock.keeps_ids);
	lock_clear(&lock);
	chmod(folder, 0755);
	ck_assert_int_eq(lock_prepare(&lock, path), 0);
	ck_assert(lock.program < 0 && !lock.keeps_ids);
	lock_clear(&lock);
	remove(path);
	remove(folder);
}
END_TEST

static int
try_unshare(void)
{
	return unshare(0) < 0;
}

START_TEST(namespaces_are_allowed_at_their_level)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(locked(LOCK_NAMESPACES, try_unshare), 0);
	ck_assert_int_eq(locked(LOCK_STRICT, try_unshare), 1);
}
END_TEST

static int
is_unlocked(void)
{
	return sandbox_view_missing(getpid()) != NULL;
}

START_TEST(off_is_off)
{
	ck_assert_int_eq(locked(LOCK_OFF, is_unlocked), 1);
}
END_TEST

START_TEST(a_parent_that_is_gone_is_noticed)
{
	struct lock lock = { .level = LOCK_STRICT };
	int status;

	ck_assert_int_eq(lock_prepare(&lock, "/bin/sh"), 0);
	lock.parent = 1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(lock_self(&lock) < 0 && errno == ESRCH ? 0 : 1);
	lock_clear(&lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static char site[] = "/tmp/check_lock-XXXXXX";

static char whole[200]; /* a program in it that has no loader */

static void
make_whole(void)
{
	static char bytes[4 << 20];
	ElfW(Ehdr) *head = (ElfW(Ehdr) *)bytes;
	FILE *f = fopen("/bin/sh", "r");
	size_t n = fread(bytes, 1, sizeof(bytes), f);

	fclose(f);
	ElfW(Phdr) *rows = (ElfW(Phdr) *)(bytes + head->e_phoff);
	for (int i = 0; i < head->e_phnum; i++)
		if (rows[i].p_type == PT_INTERP)
			rows[i].p_type = PT_NULL;
	ck_assert_ptr_nonnull(mkdtemp(site));
	ck_assert_int_eq(chmod(site, 0755), 0);
	snprintf(whole, sizeof(whole), "%s/program", site);
	f = fopen(whole, "w");
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fchmod(fileno(f), 0755), 0);
	fclose(f);
}

static bool
can_read(const char *path)
{
	return open(path, O_RDONLY) >= 0;
}

/* The row that is not as it should be, from 1. */
static int
read_as_whole(void)
{
	if (!can_read(whole) || !can_read("/usr/share/zoneinfo"))
		return 1;
	if (can_read("/usr/bin") || can_read("/bin/sh") || can_read("/dev/null") || can_read(site))
		return 2;
	return 0;
}

static int
read_as_loader(void)
{
	return can_read("/usr/bin") && can_read("/bin/sh") && can_read("/dev/null") ? 0 : 1;
}

/* try() with the lock of a program. */
static int
locked_as(const char *program, bool own, int (*try)(void))
{
	struct lock lock = { .level = LOCK_STRICT, .own = own, .files = 40 };
	int status;

	ck_assert_int_eq(lock_prepare(&lock, program), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(lock_self(&lock) == 0 ? try() : 100);
	lock_clear(&lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

START_TEST(a_program_of_ours_that_is_whole_reads_time_zones)
{
	make_whole();
	if (kernel_landlock_abi() > 0)
		ck_assert_int_eq(locked_as(whole, true, read_as_whole), 0);
	ck_assert_int_eq(locked_as(whole, false, read_as_loader), 0);
	ck_assert_int_eq(locked_as("/bin/sh", true, read_as_loader), 0);
	unlink(whole);
	rmdir(site);
}
END_TEST

static bool
makes(const char *folder, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return rename(path, path) == 0 && unlink(path) == 0;
}

/* Runs try() in a process with the lock of gateway-eventd, whose folder is the site. */
static int
locked_server(int (*try)(void))
{
	const char *const writes[] = { site, NULL };
	struct lock lock = { .level = LOCK_STRICT, .writes = writes };
	int status;

	ck_assert_int_eq(lock_prepare(&lock, "/bin/sh"), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(lock_self(&lock) == 0 ? try() : 100);
	lock_clear(&lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int
serve(void)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;
	bool confined = kernel_landlock_abi() > 0;

	snprintf(path.sun_path, sizeof(path.sun_path), "%s/socket", site);
	if (fd < 0 || bind(fd, (struct sockaddr *)&path, sizeof(path)) < 0 || listen(fd, 1) < 0 ||
	    unlink(path.sun_path) < 0)
		return 1;
	if (!makes(site, "data"))
		return 2;
	if (confined && (makes("/tmp", "check_lock-made") || open("/etc/shadow", O_RDONLY) >= 0 ||
			    open("/dev/null", O_RDWR) >= 0))
		return 3;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	if (waitpid(child, &status, 0) != child)
		return 4;
	if (kill(getppid(), 0) == 0 || syscall(SYS_pidfd_open, getppid(), 0) >= 0 ||
	    syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) == 0 || chmod(site, 0777) == 0 ||
	    unshare(0) == 0)
		return 5;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 6;
}

/* Bits of what may be done as root. */
static int
count_capabilities(void)
{
	int count = 0;

	for (int c = 0; c < 64; c++)
		count += prctl(PR_CAPBSET_READ, c) == 1;
	return count;
}

START_TEST(a_server_may_serve_and_write_its_folder)
{
	SKIP_WITHOUT_FILTERS;
	if (SANITIZED)
		return;
	memcpy(site + sizeof(site) - 7, "XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(site));
	ck_assert_int_eq(locked_server(serve), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(locked_server(count_capabilities), 0);
	rmdir(site);
}
END_TEST

/* The supervisor's; in a process of its own, as there is no way back. */
static int
supervise(void)
{
	const char *const writes[] = { site, NULL };
	char path[200];
	bool confined = kernel_landlock_abi() > 0;

	if (lock_supervisor(writes) < 0)
		return 1;
	if (lock_confines() != confined || !makes(site, "made") || open("/dev/null", O_RDWR) < 0 ||
	    open("/etc/passwd", O_RDONLY) < 0)
		return 2;
	if (confined && (makes("/tmp", "check_lock-made") || makes("/var/tmp", "check_lock-made")))
		return 3;
	snprintf(path, sizeof(path), "%s/device", site);
	if (confined && mknod(path, S_IFCHR | 0600, 0x103) == 0)
		return 4;
	snprintf(path, sizeof(path), "%s/../%s/new", site, strrchr(site, '/') + 1);
	if (!lock_can_write(path) || !lock_can_write(site))
		return 5;
	snprintf(path, sizeof(path), "%sx", site);
	if (confined && (lock_can_write(path) || lock_can_write("/tmp") || lock_can_write("/x")))
		return 6;
	return execl("/bin/sh", "sh", "-c", "exec 2>/dev/null; : >/tmp/check_lock-made", NULL);
}

START_TEST(the_supervisor_and_its_children_write_where_they_must)
{
	SKIP_WITHOUT_FILTERS;
	int status;

	if (SANITIZED)
		return;
	memcpy(site + sizeof(site) - 7, "XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(site));
	pid_t pid = fork();
	if (pid == 0)
		_exit(supervise());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	rmdir(site);
	/* The shell, which could not. */
	ck_assert_int_eq(WEXITSTATUS(status), kernel_landlock_abi() > 0 ? 2 : 0);
	ck_assert(access("/tmp/check_lock-made", F_OK) < 0 || kernel_landlock_abi() <= 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, what_is_denied_fails);
	tcase_add_test(tc, threads_and_signals_to_itself_are_allowed);
	tcase_add_test(tc, no_core_no_privileges_an_end_with_its_parent);
	tcase_add_test(tc, namespaces_are_allowed_at_their_level);
	tcase_add_test(tc, off_is_off);
	tcase_add_test(tc, a_program_of_ours_that_is_whole_reads_time_zones);
	tcase_add_test(tc, files_are_those_of_the_system_to_read);
	tcase_add_test(tc, root_becomes_nobody);
	tcase_add_test(tc, nobody_runs_what_he_cannot_reach_by_its_descriptor);
	tcase_add_test(tc, a_parent_that_is_gone_is_noticed);
	tcase_add_test(tc, a_server_may_serve_and_write_its_folder);
	tcase_add_test(tc, the_supervisor_and_its_children_write_where_they_must);
}

UNIT_MAIN("outer lock")
