/*
 * The features of this kernel for the sandbox of the runners (gateway-sandbox(7)),
 * asked once at the supervisor's start: what is missing is named there
 * and not by each runner alone.
 */
#ifndef SUPERVISOR_KERNEL_FEATURES_H
#define SUPERVISOR_KERNEL_FEATURES_H

#include <stdbool.h>

#include "supervisor/config/config.h"

enum { KERNEL_LANDLOCK_NEWEST = 6 }; /* the newest Landlock ABI that the runners use */

struct kernel_features {
	bool seccomp;	  /* filters that trap */
	int landlock_abi; /* 0: none */
	bool pidfd;
};

struct kernel_features kernel_features_read(void);

/* Logs what there is and, each with its consequence, what there is not. Returns 0, or -1 when a
 * device of the configuration can not be started here in the sandbox that it asks for. */
int kernel_features_check(const struct kernel_features *k, const struct config *config);

#endif
