/*
 * When a lost or refused connection is tried again. The first attempt after a loss is made at once,
 * later ones after the configured delay. The delay is reset when a connection has lived: it has
 * answered a request and stood for long enough. So a device that closes the connection on every
 * request costs one connection per delay. Pure. In runner processes.
 */
#ifndef DEVICE_RUNNERS_RECONNECT_H
#define DEVICE_RUNNERS_RECONNECT_H

#include <stdbool.h>

#include "common/monotime.h"

enum {
	RECONNECT_MIN_MS = 50, /* a configured delay of 0 means this */
	/* A request of a predecessor may be answered on a new connection. If an answer does not
	 * say to what, nothing is asked for its time-out, and no longer than this: time-outs are
	 * set far above what devices take, and the line would stand still. */
	RECONNECT_QUIET_MAX_MS = 5000,
};

struct reconnect {
	int64_t delay_ns, lived_ns;
	bool spent;	       /* the attempt that needs no delay was made */
	struct monotime since; /* the connection stands since */
};

/* lived_ns: how long a connection stands that has lived; 0: as long as the delay. */
void reconnect_init(struct reconnect *r, int64_t delay_ns, int64_t lived_ns);
void reconnect_connected(struct reconnect *r, struct monotime now);
/* The attempt failed; returns nanoseconds to wait. */
int64_t reconnect_failed(struct reconnect *r);
/* The connection ended; answered: it did what it is for. Returns nanoseconds to wait, perhaps
 * 0. */
int64_t reconnect_lost(struct reconnect *r, bool answered, struct monotime now);

#endif
