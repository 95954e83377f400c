/* What a process uses, as the kernel says. For daemons; each answers -1 where it is not known. */
#ifndef COMMON_DAEMON_USAGE_H
#define COMMON_DAEMON_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* CPU time so far, in microseconds. One system call. */
int64_t usage_cpu_us(pid_t pid);
/* Resident memory, in bytes. Costs about 5 us: a file of /proc. */
int64_t usage_memory(pid_t pid);
/* Open descriptors of this process. One system call, but before Linux 6.2, where it counts them. */
int64_t usage_open_files(void);
/* Counts them. Costs about 0.1 us for each that there is room for; to list /proc/self/fd costs 20
 * times that. */
int64_t usage_count_open_files(void);

#endif
