/*
 * One planned resource that a device keeps open, in runner processes: a serial line or a connection
 * over TCP. Asks the supervisor for it, sets a tty up, and asks again after a failure or a loss, as
 * reconnect.h says. The bytes are the device's business (line.h, stream.h).
 *
 * An attempt has one step or two: what is open is CONNECTED, or becomes so when the protocol on it
 * has begun (TLS, bind, STARTDT).
 */
#ifndef DEVICE_RUNNERS_ENDPOINT_H
#define DEVICE_RUNNERS_ENDPOINT_H

#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/reconnect.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tty.h"

struct health_end;

struct endpoint_conf {
	int resource;  /* index in the plan; of the first address, ... */
	int addresses; /* ... with so many in a row, which an attempt tries in turn; 0: one */
	const struct tty_params *tty; /* its settings, borrowed; NULL: no serial line */
	int64_t delay_ns, lived_ns;   /* see reconnect_init() */
	int64_t timeout_ns;	      /* to open one address; 0: the supervisor's */
	struct health_end *health;    /* of the one peer: it is up and down with this; or NULL */
	bool stays_connecting; /* DISCONNECTED tells a loss only, not that an attempt failed */
};

struct endpoint_ops {
	/* The status changed, or a next attempt is CONNECTING. fd: of CONNECTED, which the callee
	 * takes, where there is one step; else -1. Never called from within endpoint_start() for
	 * CONNECTED. */
	void (*status)(void *arg, enum connection_status status, int fd);
	/* An attempt to open it failed; status() follows where it is new. May be NULL. */
	void (*failed)(void *arg, const char *why);
	/* The first of two steps: an address (0 is the first) is open. Takes fd; endpoint_usable()
	 * or endpoint_lost() follows. NULL: there is one step. */
	void (*opened)(void *arg, int address, int fd);
	/* The time-out passed before the second step: calls endpoint_usable() or endpoint_lost().
	 * NULL: the time-out is for the first one. */
	void (*late)(void *arg);
};

struct endpoint {
	struct runner *r;
	const struct endpoint_ops *ops;
	void *arg;
	struct endpoint_conf conf;
	enum connection_status status;
	int address;
	uint32_t opening; /* id of the request under way, or 0 */
	bool beginning;	  /* between the two steps */
	ev_timer timer;	  /* ends an attempt, or begins the next one */
	struct reconnect reconnect;
	bool failing;  /* the last attempt failed */
	char why[160]; /* as the log has it: each other reason is a line */
	struct limit losses, failures;
};

/* Borrows ops, arg. It is DISCONNECTED, and nothing has told so. */
void endpoint_init(struct endpoint *e, struct runner *r, const struct endpoint_conf *conf,
    const struct endpoint_ops *ops, void *arg);
/* Opens it, again and again, until endpoint_stop(). */
void endpoint_start(struct endpoint *e);
enum connection_status endpoint_status(const struct endpoint *e);
/* Why it was lost, or could not be opened, last; "" where neither happened. */
const char *endpoint_why(const struct endpoint *e);
/* The second step is done: CONNECTED. */
void endpoint_usable(struct endpoint *e);
/* The device lost the connection and closed its descriptor; why for people, answered as in
 * reconnect_lost(). Tells DISCONNECTED, or, before the second step, goes on as after a failure; the
 * next attempt follows by itself. */
void endpoint_lost(struct endpoint *e, bool answered, const char *why);
/* The device has closed its descriptor. Tells DISCONNECTED where it was not. Fine when never
 * started. */
void endpoint_stop(struct endpoint *e);

#endif
