/*
 * The latest events of all that a device is configured with, however many: the
 * start of a slave. They are asked for by one pattern. Where the Event Server
 * refuses that, or its answer is cut or too long, each is asked for by its type, 64
 * at a time, which a server finds without looking at the others.
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
};

/* l's callbacks are set, and it lives until cb is called with NULL. pattern matches all types. */
void latest_ask(struct latest *l, struct runner *r, const struct runner_type *pattern);

#endif
