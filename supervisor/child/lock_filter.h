/* The filters of the outer lock and of the supervisor (lock.h), which mkfilter computes when the
 * project is built. */
#ifndef SUPERVISOR_LOCK_FILTER_H
#define SUPERVISOR_LOCK_FILTER_H

#include <stddef.h>

struct sock_filter;

extern const struct sock_filter lock_filter[], lock_filter_namespaces[], lock_filter_server[],
    lock_filter_supervisor[];
extern const size_t lock_filter_count, lock_filter_namespaces_count, lock_filter_server_count,
    lock_filter_supervisor_count;
/* Stands in them for the number of the process that loads one. */
extern const unsigned lock_filter_own_pid;

#endif
