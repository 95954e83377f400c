#include "supervisor/child/kernel_features.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/kernel.h"
#include "common/log.h"
#include "supervisor/child/sandbox_view.h"

/* --- the questions --- */

static bool
can_wait(void)
{
	siginfo_t info;
	int pidfd = pidfd_open(getpid(), 0);

	/* This process is not its own child: a kernel that knows the question says so. */
	bool can = pidfd >= 0 &&
		   (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 || errno != EINVAL);
	fd_close(pidfd);
	return can;
}

/* Each asks for what is refused, by a kernel that knows the call, with another error. */
static bool
can_openat2(void)
{
	return syscall(SYS_openat2, -1, "", NULL, (size_t)0) >= 0 || errno != ENOSYS;
}

static bool
can_close_range(void)
{
	return syscall(SYS_close_range, ~0U, 0U, 0U) >= 0 || errno != ENOSYS;
}

static bool
counts_filters(void)
{
	struct sandbox_view own;

	return sandbox_view_read(getpid(), &own) < 0 || own.seccomp_filters >= 0;
}

static const struct {
	bool (*has)(void);
	enum log_level level;
	const char *lacks; /* the whole line */
} features[KERNEL_FEATURES] = {
	[KERNEL_WAIT] = {
		.has = can_wait,
		.level = LOG_LEVEL_ERROR,
		.lacks = "this kernel cannot wait for a process by a pidfd (Linux 5.4): gatewayd "
			 "does not run on it",
	},
	[KERNEL_OPENAT2] = {
		.has = can_openat2,
		.level = LOG_LEVEL_WARNING,
		.lacks = "this kernel has no openat2 (Linux 5.6): a certificate's path may lead "
			 "through /proc to a file that another process has open",
	},
	[KERNEL_CLOSE_RANGE] = {
		.has = can_close_range,
		.level = LOG_LEVEL_NOTICE,
		.lacks = "this kernel has no close_range (Linux 5.9): runners close their "
			 "descriptors one by one, for which they need /proc",
	},
	[KERNEL_FILTER_COUNT] = {
		.has = counts_filters,
		.level = LOG_LEVEL_NOTICE,
		.lacks = "this kernel does not count filters of system calls (Linux 5.9): whether a "
			 "runner has more of them than gatewayd is not checked",
	},
};

struct kernel_features
kernel_features_read(void)
{
	uint32_t action = SECCOMP_RET_TRAP;
	int abi = kernel_landlock_abi();
	struct kernel_features k = {
		.seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0,
		.landlock_abi = abi > 0 ? abi : 0,
	};

	for (unsigned i = 0; i < KERNEL_FEATURES; i++)
		if (!features[i].has())
			k.lacks |= 1U << i;
	return k;
}

/* --- the consequences --- */

static bool
is_strict(enum ipc_sandbox level)
{
	return level == IPC_SANDBOX_STRICT || level == IPC_SANDBOX_NAMESPACES;
}

static int
refuse(const char *device, const char *whose)
{
	log_write(LOG_LEVEL_ERROR, device, "sandbox_missing",
	    "%s sandbox is to be strict, and this kernel has no system call filters (seccomp): "
	    "'sandbox: best-effort' runs without them",
	    whose);
	return -1;
}

static int
refuse_strict(const struct config *config)
{
	int result = is_strict(config->built_in.sandbox) ? refuse(NULL, "gatewayd's own") : 0;

	for (size_t i = 0; i < config->device_count; i++)
		if (is_strict(config->devices[i].sandbox))
			result = refuse(config->devices[i].name, "its");
	return result;
}

static void
log_seccomp(const struct kernel_features *k)
{
	if (!k->seccomp)
		log_write(LOG_LEVEL_WARNING, NULL, "kernel",
		    "this kernel has no system call filters (seccomp): no call of a runner is "
		    "denied");
}

static void
log_landlock(const struct kernel_features *k)
{
	if (k->landlock_abi == 0)
		log_write(LOG_LEVEL_WARNING, NULL, "kernel",
		    "this kernel has no Landlock (Linux 5.13)%s",
		    k->seccomp ? ": only seccomp confines the runners" : "");
	else if (k->landlock_abi < KERNEL_LANDLOCK_NEWEST)
		log_write(LOG_LEVEL_INFO, NULL, "kernel",
		    "Landlock ABI %d does not cover %s: only seccomp does", k->landlock_abi,
		    k->landlock_abi < 4 ? "TCP ports and signals" : "signals");
}

int
kernel_features_check(const struct kernel_features *k, const struct config *config)
{
	if (k->landlock_abi)
		log_write(LOG_LEVEL_INFO, NULL, "kernel", "sandbox: seccomp %s, Landlock ABI %d",
		    k->seccomp ? "yes" : "no", k->landlock_abi);
	log_seccomp(k);
	log_landlock(k);
	for (unsigned i = 0; i < KERNEL_FEATURES; i++)
		if (k->lacks >> i & 1)
			log_write(features[i].level, NULL, "kernel", "%s", features[i].lacks);
	if (k->lacks >> KERNEL_WAIT & 1)
		return -1;
	return k->seccomp ? 0 : refuse_strict(config);
}
