#include "web/sandbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/daemon/call_filter.h"
#include "common/fdutil.h"
#include "common/ids.h"
#include "common/kernel.h"
#include "common/log.h"
#include "common/sanitized.h"

enum {
	MAX_FILES = 256,
	MAX_MEMORY = 128 * 1024 * 1024, /* of addresses */
};

/* gatewayd */
static const int allowed[] = { SCMP_SYS(connect) };

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
lock_calls(void)
{
	scmp_filter_ctx filter = call_filter_new(allowed, sizeof(allowed) / sizeof(allowed[0]));

	if (!filter)
		return -1;
	int error = seccomp_rule_add(
	    filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, 1 /* AF_UNIX */, 0));
	/* No memory that can be written and executed, or was. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	return call_filter_load(filter, error);
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
	if (SANITIZED)
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
