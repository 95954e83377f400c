#include "supervisor/child/kernel_features.h"

#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/kernel.h"
#include "common/log.h"

struct kernel_features
kernel_features_read(void)
{
	uint32_t action = SECCOMP_RET_TRAP;
	int pidfd = pidfd_open(getpid(), 0);
	long abi = kernel_landlock_abi();
	struct kernel_features k = {
		.seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0,
		.landlock_abi = abi > 0 ? (int)abi : 0,
		.pidfd = pidfd >= 0,
	};

	fd_close(pidfd);
	return k;
}

static bool
is_strict(const struct config_device *d)
{
	return d->sandbox == IPC_SANDBOX_STRICT || d->sandbox == IPC_SANDBOX_NAMESPACES;
}

static int
refuse_strict(const struct config *config)
{
	int result = 0;

	for (size_t i = 0; i < config->device_count; i++) {
		if (!is_strict(&config->devices[i]))
			continue;
		log_write(LOG_LEVEL_ERROR, config->devices[i].name, "sandbox_missing",
		    "its sandbox is to be strict, and this kernel has no system call filters "
		    "(seccomp)");
		result = -1;
	}
	return result;
}

int
kernel_features_check(const struct kernel_features *k, const struct config *config)
{
	if (k->landlock_abi)
		log_write(LOG_LEVEL_INFO, NULL, "kernel", "sandbox: seccomp %s, Landlock ABI %d",
		    k->seccomp ? "yes" : "no", k->landlock_abi);
	if (k->landlock_abi == 0)
		log_write(LOG_LEVEL_WARNING, NULL, "kernel",
		    "this kernel has no Landlock: only seccomp confines the runners");
	else if (k->landlock_abi < KERNEL_LANDLOCK_NEWEST)
		log_write(LOG_LEVEL_INFO, NULL, "kernel",
		    "Landlock ABI %d does not cover %s: only seccomp does", k->landlock_abi,
		    k->landlock_abi < 4 ? "TCP ports and signals" : "signals");
	if (!k->pidfd) {
		log_write(
		    LOG_LEVEL_ERROR, NULL, "kernel", "this kernel has no pidfd_open (Linux 5.3)");
		return -1;
	}
	return k->seccomp ? 0 : refuse_strict(config);
}
