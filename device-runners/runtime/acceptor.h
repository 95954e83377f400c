/*
 * The listening side of a slave, in runner processes: accepts the masters that
 * `remote_hosts` names, up to `max_connections`, and closes the others. Accepts
 * nothing while the device is congested, and pauses when descriptors run out.
 *
 * No address keeps the others out. When all connections are taken, a new one takes
 * the place of one that is not engaged: it has not finished TLS, STARTDT or its
 * first request. It is the oldest of the address that has most. If all
 * are engaged, an address that has more than three quarters of them gives its newest
 * one for another address.
 */
#ifndef DEVICE_RUNNERS_ACCEPTOR_H
#define DEVICE_RUNNERS_ACCEPTOR_H

#include "common/json.h"
#include "common/schema/schema.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/peer_address.h"
#include "device-runners/runtime/runner.h"

enum {
	ACCEPTOR_MAX_HOSTS = 4096,
	ACCEPTOR_BURST = 16,	 /* connections in one turn of the loop */
	ACCEPTOR_REST_MS = 1000, /* after accept() failed for lack of descriptors or memory */
};

struct acceptor_ops {
	/* It listens: masters come from now on. */
	void (*listening)(void *arg);
	/* A master; takes fd. Returns its id, unique and not 0: it counts until acceptor_left().
	 * Nothing of it may be said in here. */
	int64_t (*admit)(
	    void *arg, int fd, const struct peer_address *local, const struct peer_address *remote);
	/* Closes the connection of this id, which calls acceptor_left(). */
	void (*evict)(void *arg, int64_t id);
};

/* A connection. */
struct acceptor_slot {
	int64_t id;
	bool engaged;
	struct peer_address remote;
};

struct acceptor {
	struct runner *runner;
	const struct acceptor_ops *ops; /* borrowed */
	void *arg;
	char **hosts; /* owned; NULL: all are allowed */
	size_t host_count;
	size_t max, count;	     /* connections */
	struct acceptor_slot *slots; /* owned, of max; the oldest first */
	int resource;		     /* in the plan */
	uint32_t open_id;	     /* of the request for the socket */
	int fd;			     /* -1: none */
	ev_io acceptable;
	ev_timer rest;
	struct limit refused;
};

/* For the schema of the object that acceptor_configure() reads. */
extern const struct schema acceptor_host_schema;
#define ACCEPTOR_SCHEMA_FIELDS                                                                     \
	{ .key = "remote_hosts",                                                                   \
		.required = true,                                                                  \
		.is = { .kind = SCHEMA_ARRAY,                                                      \
		    .nullable = true,                                                              \
		    .items = &acceptor_host_schema,                                                \
		    .max = ACCEPTOR_MAX_HOSTS } },                                                 \
	{                                                                                          \
		.key = "max_connections", .required = true,                                        \
		.is = {.kind = SCHEMA_INT,                                                         \
			.nullable = true,                                                          \
			.min = 0,                                                                  \
			.max = INT32_MAX }                                                         \
	}

void acceptor_init(struct acceptor *a, struct runner *r, const struct acceptor_ops *ops, void *arg);
/* Reads remote_hosts and max_connections of conf (checked; each may be missing) and plans to listen
 * on its local_host and local_port. prefix: of the keys in warnings. most: an upper limit of
 * max_connections. In create(). */
void acceptor_configure(
    struct acceptor *a, const struct json *conf, const char *prefix, size_t most);
/* Opens the planned socket and calls listening(), from the loop; the device fails where it cannot
 * be opened. */
void acceptor_start(struct acceptor *a);
/* Takes a listening socket. */
void acceptor_listen(struct acceptor *a, int fd);
/* The connection of this id has got so far that no other takes its place. */
void acceptor_engaged(struct acceptor *a, int64_t id);
/* A connection that was admitted is over. */
void acceptor_left(struct acceptor *a, int64_t id);
/* The device is not congested any more. */
void acceptor_resume(struct acceptor *a);
/* Closes the socket, or gives up asking for it. */
void acceptor_stop(struct acceptor *a);
void acceptor_clear(struct acceptor *a);

#endif
