/*
 * Monotonic time as a type, in any process; wall clock time only as the
 * timestamp of an event. Never add to one by hand.
 */
#ifndef COMMON_MONOTIME_H
#define COMMON_MONOTIME_H

#include <stdint.h>
#include <time.h>

struct monotime {
	int64_t ns; /* since an arbitrary start; 0 is "never" */
};

/* Wall clock time of an event: us in 0 .. 999999, s may be negative. */
struct timestamp {
	int64_t s;
	uint32_t us;
};

static inline struct monotime
monotime_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct monotime){ ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec };
}

static inline struct monotime
monotime_add_ms(struct monotime t, int64_t ms)
{
	return (struct monotime){ t.ns + ms * 1000000 };
}

/* a - b in milliseconds, rounded down. */
static inline int64_t
monotime_diff_ms(struct monotime a, struct monotime b)
{
	int64_t d = a.ns - b.ns;

	return d >= 0 ? d / 1000000 : -((-d + 999999) / 1000000);
}

/* -1, 0, 1 as a is before, at or after b. */
static inline int
monotime_cmp(struct monotime a, struct monotime b)
{
	return (a.ns > b.ns) - (a.ns < b.ns);
}

static inline struct timestamp
timestamp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct timestamp){ ts.tv_sec, (uint32_t)(ts.tv_nsec / 1000) };
}

#endif
