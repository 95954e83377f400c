/*
 * Limits how often an event about a state is registered, such as a slave's
 * 'connections', in runner processes: at once while changes are rare, else once
 * in PACED_LATE_MS, so that peers that connect and disconnect fast do not flood
 * the Event Server. The last state is always registered.
 */
#ifndef DEVICE_RUNNERS_PACED_H
#define DEVICE_RUNNERS_PACED_H

#include <ev.h>
#include <stdint.h>

#include "common/monotime.h"

enum {
	PACED_A_SECOND = 20, /* told at once */
	PACED_LATE_MS = 200,
};

struct paced {
	struct ev_loop *loop;
	void (*tell)(void *arg);
	void *arg;
	struct monotime since; /* of the second that is counted; 0: none yet */
	uint32_t told;	       /* in it */
	ev_timer late;
};

void paced_init(struct paced *p, struct ev_loop *loop, void (*tell)(void *arg), void *arg);
/* Things changed: calls tell() now or later, once for all changes until then. */
void paced_changed(struct paced *p);
/* Nothing is told any more. Fine when never initialised. */
void paced_stop(struct paced *p);

#endif
