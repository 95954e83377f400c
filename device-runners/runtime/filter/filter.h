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

/* The rights of a runner beyond those of all, by its plan: bits of the index into filters. */
enum {
	FILTER_TTY = 1,	      /* a tty: its termios calls */
	FILTER_ADDRESSES = 2, /* a bound datagram socket: send to an address */
	FILTER_COUNT = 4,
};

extern const struct filter filters[FILTER_COUNT];

enum { FILTER_NAME = 28 };

/* By system call number; "" where there is none. Without pointers: these would be private pages of
 * each process. */
extern const char filter_call_names[][FILTER_NAME];
extern const size_t filter_call_count;

#endif
