#include "web/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/ids.h"
#include "common/kernel.h"
#include "common/log.h"

enum {
	MAX_FILES = 256,
	MAX_MEMORY = 128 * 1024 * 1024, /* of addresses */
};

static const int allowed[] = {
	/* clients, and gatewayd */
	SCMP_SYS(ppoll),
	SCMP_SYS(poll),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(fcntl),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	/* memory, time, signals, the end */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* AddressSanitizer reserves terabytes of addresses, and reports through what is denied here. */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static int
set_limit(int resource, rlim_t value)
{
	const struct rlimit limit = { value, value };

	return setrlimit(resource, &limit);
}

static int
set_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || set_limit(RLIMIT_CORE, 0) < 0)
		return -1;
	if (files.rlim_max > MAX_FILES && set_limit(RLIMIT_NOFILE, MAX_FILES) < 0)
		return -1;
	return set_limit(RLIMIT_AS, MAX_MEMORY) < 0 ? -1 : set_limit(RLIMIT_NPROC, 0);
}

/* The user stays: gatewayd knows us by it. */
static int
lock_landlock(void)
{
	int rules = kernel_landlock_open();

	if (rules < 0) {
		log_warning("Landlock: %s: files are guarded by the system call filter alone",
		    strerror(errno));
		return 0;
	}
	int result = kernel_landlock_restrict(rules);
	fd_close(rules);
	return result;
}

static int
add_rules(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && error == 0; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, 1 /* AF_UNIX */));
	/* No memory that can be written and executed, or was. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	return error;
}

static int
lock_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? add_rules(filter) : -ENOMEM;
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	errno = -error;
	return error == 0 ? 0 : -1;
}

static const struct {
	const char *what;
	int (*lock)(void);
} locks[] = {
	{ .what = "limits", .lock = set_limits },
	{ .what = "capabilities", .lock = ids_drop_capabilities },
	{ .what = "Landlock", .lock = lock_landlock },
	{ .what = "the system call filter", .lock = lock_calls },
};

int
web_sandbox_lock(char *err, size_t err_size)
{
	if (sanitized)
		return 0;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		snprintf(err, err_size, "cannot lock this process: %s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
		if (locks[i].lock() == 0)
			continue;
		snprintf(err, err_size, "cannot lock this process: %s: %s", locks[i].what,
		    strerror(errno));
		return -1;
	}
	return 0;
}
