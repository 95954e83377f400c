/*
 * The outer lock of a process: put on between fork and exec, whoever's program
 * it is (gateway-sandbox(7)). Everything here is async-signal-safe, as it runs
 * in a child that shares the supervisor's memory.
 */
#ifndef SUPERVISOR_LOCK_H
#define SUPERVISOR_LOCK_H

#include <sys/types.h>

enum lock_level {
	LOCK_OFF,
	LOCK_STRICT,
	LOCK_NAMESPACES,  /* the program may move itself into namespaces */
	LOCK_BEST_EFFORT, /* without a filter where the kernel has none */
};

/* No new privileges, no core, SIGKILL at the end of parent, and a filter of system calls: none that
 * makes a socket or a process, looks into or signals others, mounts, or reaches keys or io_uring.
 * What is denied fails with EPERM. Returns 0, or -1 with errno. */
int lock_self(enum lock_level level, pid_t parent);

#endif
