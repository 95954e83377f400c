/*
 * One planned resource that a device keeps open, in runner processes: a serial
 * line or a connection over TCP. Asks the supervisor for it, sets a tty up, and
 * asks again after a failure or a loss, as reconnect.h says. The bytes are the
 * device's business (line.h, stream.h).
 */
#ifndef DEVICE_RUNNERS_ENDPOINT_H
#define DEVICE_RUNNERS_ENDPOINT_H

#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/reconnect.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tty.h"

struct endpoint_conf {
	int resource;		      /* index in the plan */
	const struct tty_params *tty; /* its settings, borrowed; NULL: no serial line */
	int64_t delay_ns, lived_ns;   /* see reconnect_init() */
	int64_t timeout_ns;	      /* for one attempt to open it; 0: the supervisor's */
};

struct endpoint_ops {
	/* The status changed. fd: of CONNECTED, which the callee takes; else -1. Never called from
	 * within endpoint_start() for CONNECTED. */
	void (*status)(void *arg, enum connection_status status, int fd);
};

struct endpoint {
	struct runner *r;
	const struct endpoint_ops *ops;
	void *arg;
	struct endpoint_conf conf;
	enum connection_status status;
	uint32_t opening; /* id of the request under way, or 0 */
	ev_timer timer;	  /* ends an attempt, or begins the next one */
	struct reconnect reconnect;
	bool failing; /* the last attempt failed: one line says so */
	struct limit losses;
};

/* Borrows ops, arg. It is DISCONNECTED, and nothing has told so. */
void endpoint_init(struct endpoint *e, struct runner *r, const struct endpoint_conf *conf,
    const struct endpoint_ops *ops, void *arg);
/* Opens it, again and again, until endpoint_stop(). */
void endpoint_start(struct endpoint *e);
/* The device lost the connection and closed its descriptor; why for people, answered as in
 * reconnect_lost(). Tells DISCONNECTED; the next attempt follows by itself. */
void endpoint_lost(struct endpoint *e, bool answered, const char *why);
/* The device has closed its descriptor. Tells DISCONNECTED where it was not. Fine when never
 * started. */
void endpoint_stop(struct endpoint *e);

#endif
