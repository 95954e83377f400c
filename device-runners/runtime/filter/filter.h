/* The filters that mkfilter computes when the project is built; in runners. */
#ifndef DEVICE_RUNNERS_FILTER_FILTER_H
#define DEVICE_RUNNERS_FILTER_FILTER_H

#include <stddef.h>

struct sock_filter;

/* Stands in a filter for the number of the process that loads it: no process has it. */
#define FILTER_OWN_PID 0x7fedcba9u

struct filter {
	const struct sock_filter *code;
	size_t count;
};

extern const struct filter filter_plain; /* no tty in the plan */
extern const struct filter filter_tty;

/* By system call number; NULL where there is none. */
extern const char *const filter_call_names[];
extern const size_t filter_call_count;

#endif
