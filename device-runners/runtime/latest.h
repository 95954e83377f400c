/*
 * The latest events of all that a device is configured with, however many: the
 * start of a slave. A few are asked for by one pattern. Many are asked for by their
 * types, 64 at a time, so that no answer is long; also where the Event Server
 * refuses the pattern, cuts its answer, or makes it too long. A server that takes
 * long for 64 types looks at all that it has: it is asked by the pattern then.
 */
#ifndef DEVICE_RUNNERS_LATEST_H
#define DEVICE_RUNNERS_LATEST_H

#include "device-runners/runtime/runner.h"

struct latest_type {
	struct runner_type type;
	char text[2][16]; /* for the numbers that are segments of it */
};

struct latest {
	struct runner *runner;
	/* The type of what is configured in place i, from 0; false: there is none. Other texts than
	 * those in *t must live on. */
	bool (*type)(void *arg, size_t i, struct latest_type *t);
	/* As of runner_query(). An event may come twice. */
	runner_query_cb *cb;
	void *arg;
	size_t next; /* place to ask for */
	bool pattern_failed;
	struct monotime since; /* the first part was asked for */
	const struct runner_type *pattern;
};

/* l's callbacks are set; it and pattern, which matches all types, live until cb is called with
 * NULL.
 */
void latest_ask(struct latest *l, struct runner *r, const struct runner_type *pattern);

#endif
