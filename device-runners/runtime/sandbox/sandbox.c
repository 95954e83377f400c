#include "device-runners/runtime/sandbox/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/ids.h"
#include "common/kernel.h"
#include "common/log.h"
#include "common/sanitized.h"
#include "device-runners/runtime/sandbox/sandbox_private.h"

enum { FIRST_FOREIGN_FD = 4 };

#ifdef __SANITIZE_ADDRESS__
static bool is_locked;

/* The leak check needs ptrace: in the sandbox it fails, and every orderly exit with it. The
 * supervisor's lock, which denies it too, comes with no_new_privs. */
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return is_locked || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}
#endif

static int
set_limit(int resource, uint64_t value)
{
	const struct rlimit limit = { value, value };

	return setrlimit(resource, &limit);
}

int
sandbox_enter(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	/* A parent that died before the call above shows as the end of fd 3. */
	if (set_limit(RLIMIT_CORE, 0) < 0)
		return -1;
	return kernel_close_from(FIRST_FOREIGN_FD);
}

/* A debugger's runner: as it was started, but for its budget. */
static int
set_budget(const struct sandbox *s)
{
	if (!SANITIZED && set_limit(RLIMIT_AS, s->memory) < 0)
		return -1;
	return set_limit(RLIMIT_NOFILE, s->files);
}

static int
drop_ids(const struct sandbox *s)
{
	(void)s;
	return ids_drop();
}

/* In the new user namespace "nobody" has all capabilities: they are dropped again. */
static int
leave_namespaces(const struct sandbox *s)
{
	if (s->level != IPC_SANDBOX_NAMESPACES)
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
		    CLONE_NEWCGROUP) < 0)
		return -1;
	return ids_drop();
}

static int
forbid_privileges(const struct sandbox *s)
{
	(void)s;
	/* A change of ids undoes the other two. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	return prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int
forbid_growth(const struct sandbox *s)
{
	static const int none[] = { RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE };

	(void)s;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (set_limit(none[i], 0) < 0)
			return -1;
	return 0;
}

static int
lock_landlock(const struct sandbox *s)
{
	(void)s;
	int rules = kernel_landlock_open();
	if (rules < 0)
		return -1;
	int result = kernel_landlock_restrict(rules), saved = errno;
	close(rules);
	errno = saved;
	return result;
}

static int
lock_seccomp(const struct sandbox *s)
{
	return SANITIZED ? 0 : sandbox_seccomp_lock(s);
}

/* In this order: the last two need no_new_privs, and nothing can be set up after the last. Landlock
 * is a second barrier behind seccomp: gatewayd logs at its start that a kernel lacks it, and runs.
 */
static const struct {
	const char *name;
	int (*lock)(const struct sandbox *s);
	bool may_lack;
} steps[] = {
	{ .name = "ids and capabilities", .lock = drop_ids },
	{ .name = "namespaces", .lock = leave_namespaces },
	{ .name = "no_new_privs", .lock = forbid_privileges },
	{ .name = "resource limits", .lock = forbid_growth },
	{ .name = "Landlock", .lock = lock_landlock, .may_lack = true },
	{ .name = "seccomp", .lock = lock_seccomp },
};

int
sandbox_lock(const struct sandbox *s, const char **why)
{
	if (set_budget(s) < 0) {
		*why = "memory and file limits";
		return -1;
	}
	if (s->level == IPC_SANDBOX_OFF)
		return prctl(PR_SET_DUMPABLE, 1);
#ifdef __SANITIZE_ADDRESS__
	is_locked = true;
#endif
	bool best_effort = s->level == IPC_SANDBOX_BEST_EFFORT;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].lock(s) == 0)
			continue;
		bool lacks = errno == ENOSYS || errno == EOPNOTSUPP;
		if (!best_effort && !(steps[i].may_lack && lacks)) {
			*why = steps[i].name;
			return -1;
		}
		log_write(best_effort ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, NULL, "sandbox",
		    "continuing without %s: %s", steps[i].name, strerror(errno));
	}
	return 0;
}
