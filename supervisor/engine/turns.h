/*
 * How long the supervisor's turns of the loop take, from the end of one wait to
 * the beginning of the next: while one lasts, everybody else waits. Measured
 * always, and beside it the processor time, which is what the turn did itself
 * where other processes want the processor too. turns_record() and what reads it
 * are pure.
 */
#ifndef SUPERVISOR_TURNS_H
#define SUPERVISOR_TURNS_H

#include <ev.h>

#include "common/monotime.h"

enum { TURNS_SECONDS = 60 };

struct turns_longest {
	int64_t ns; /* since the start */
	/* The longest one of each of the last seconds; seconds of the monotonic clock. */
	struct {
		int64_t second, longest_ns;
	} seconds[TURNS_SECONDS];
};

struct turns {
	ev_check after_wait;
	ev_prepare before_wait;
	struct monotime began; /* of this turn; ns 0: unknown */
	int64_t cpu_ns;	       /* of the thread, at the end of the last turn */
	struct turns_longest wall, cpu;
};

void turns_start(struct turns *t, struct ev_loop *loop);
void turns_stop(struct turns *t, struct ev_loop *loop);

/* A turn that ended now took so long. */
void turns_record(struct turns_longest *t, struct monotime now, int64_t ns);
/* In microseconds: since the start, and in the last minute. */
int64_t turns_longest_us(const struct turns_longest *t);
int64_t turns_last_minute_us(const struct turns_longest *t, struct monotime now);

#endif
