/*
 * A chatter connection on the supervisor's loop: socket, pings, buffers. The
 * Event Server's link and the Monitor Server's client are built on it.
 */
#ifndef SUPERVISOR_CONN_H
#define SUPERVISOR_CONN_H

#include <ev.h>
#include <stdbool.h>

#include "common/buffer.h"
#include "protocols/hat/chatter.h"

enum {
	CONN_READ = 64 * 1024, /* bytes asked for at once */
	CONN_BURST = 16,       /* reads in one turn of the loop */
	CONN_MAX_OUT =
	    16 * 1024 * 1024, /* bytes that wait for the peer; beyond it, it is too slow */
};

struct conn_handler {
	/* A message that is no ping; borrowed. The connection may be closed in here, not freed. */
	void (*on_message)(void *arg, const struct chatter_msg *msg);
	/* The connection is over and already closed; why for people. */
	void (*on_closed)(void *arg, const char *why);
	/* All that waited was written; what is appended in here follows at once. May be NULL. */
	void (*on_drained)(void *arg);
};

struct conn {
	struct ev_loop *loop;
	int fd;	    /* -1 when closed */
	bool ended; /* by conn_end() */
	ev_io readable, writable;
	ev_timer timer;
	struct chatter chatter;
	struct buffer out;
	const struct conn_handler *handler;
	void *arg;
};

/* A closed connection. */
void conn_init(struct conn *c, struct ev_loop *loop, const struct conn_handler *handler, void *arg);
/* Takes fd (connected, non-blocking). */
void conn_open(struct conn *c, int fd);
/* Frees everything; on_closed does not come. May be called twice. */
void conn_close(struct conn *c);
/* Writes what waits, as far as it goes; the rest follows by itself. Call it once after whatever was
 * appended in a turn. */
void conn_flush(struct conn *c);
/* Nothing more is sent, and what the peer says is dropped; on_closed comes when it closes. Only
 * when all was written: data that meet a closed socket would reset the connection, and what is
 * still under way to the peer with it. */
void conn_end(struct conn *c);
bool conn_is_open(const struct conn *c);
/* Bytes that wait to be written. */
size_t conn_unsent(const struct conn *c);

#endif
