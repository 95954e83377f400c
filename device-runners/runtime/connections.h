/*
 * The event {"gateway", "connections"} of a slave: the list of its masters, in runner processes. It
 * is registered at once while changes are rare, else once in CONNECTIONS_LATE_MS, so that peers
 * that connect and disconnect fast do not flood the Event Server. The last state is always
 * registered.
 */
#ifndef DEVICE_RUNNERS_RUNTIME_CONNECTIONS_H
#define DEVICE_RUNNERS_RUNTIME_CONNECTIONS_H

#include "device-runners/runtime/runner.h"

enum {
	CONNECTIONS_A_SECOND = 20, /* events at once */
	CONNECTIONS_LATE_MS = 200,
};

struct connections {
	struct runner *runner;
	/* Writes an object for each connection; returns how many it wrote. */
	size_t (*list)(void *arg, struct json_writer *w);
	void *arg;
	struct monotime since; /* of the second that is counted; 0: none yet */
	uint32_t events;       /* in it */
	size_t listed;	       /* connections in the last event */
	ev_timer late;
};

/* Borrows arg. */
void connections_init(struct connections *c, struct runner *r,
    size_t (*list)(void *arg, struct json_writer *w), void *arg);
/* The list has changed: it is registered now or later, once for all changes until then. */
void connections_changed(struct connections *c);
/* All connections end now: registers the empty list where the last one was not, and nothing after
 * it. Fine when never initialised, and twice. */
void connections_stop(struct connections *c);

#endif
