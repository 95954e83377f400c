/*
 * The features of this kernel that the supervisor and the sandbox of the runners
 * use (gateway-sandbox(7)), asked once at the supervisor's start: what is missing
 * is named there, with what that means, and not by each runner alone.
 */
#ifndef SUPERVISOR_KERNEL_FEATURES_H
#define SUPERVISOR_KERNEL_FEATURES_H

#include <stdbool.h>

#include "supervisor/config/config.h"

enum { KERNEL_LANDLOCK_NEWEST = 6 }; /* the newest Landlock ABI that the runners use */

/* What kernels from Linux 5.4 on may lack. */
enum kernel_feature {
	KERNEL_WAIT,	     /* waitid(2) by a pidfd: 5.4. gatewayd does not run without it. */
	KERNEL_OPENAT2,	     /* 5.6 */
	KERNEL_CLOSE_RANGE,  /* 5.9 */
	KERNEL_FILTER_COUNT, /* how many filters a process has: 5.9 */
	KERNEL_FEATURES,
};

struct kernel_features {
	bool seccomp;	  /* filters that trap: 4.14 */
	int landlock_abi; /* 0: none. 5.13 has 1 */
	unsigned lacks;	  /* bits: 1 << enum kernel_feature */
};

struct kernel_features kernel_features_read(void);

/* Logs what there is and, each with its consequence, what there is not. Returns 0, or -1 when
 * gatewayd cannot run on this kernel, or a device of the configuration cannot be started here in
 * the sandbox that it asks for. */
int kernel_features_check(const struct kernel_features *k, const struct config *config);

#endif
