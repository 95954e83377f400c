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
	/* A message that is no ping; borrowed; cut where it is longer than CHATTER_MAX_FRAME. The
	 * connection may be closed in here, not freed. */
	void (*on_message)(void *arg, const struct chatter_msg *msg);
	/* The connection is over and already closed; why for people. */
	void (*on_closed)(void *arg, const char *why);
	/* All waiting bytes are written; bytes appended in here follow at once. May be NULL. */
	void (*on_drained)(void *arg);
};

struct conn {
	struct ev_loop *loop;
	int fd;	    /* -1 when closed */
	bool ended; /* by conn_end() */
	bool held;  /* by conn_hold() */
	ev_io readable, writable;
	ev_timer timer;
	struct chatter chatter;
	struct buffer out;
	uint64_t bytes_in, bytes_out; /* of all its connections */
	struct monotime heard;	      /* when the peer sent something last; ns 0: never */
	const struct conn_handler *handler;
	void *arg;
};

/* A closed connection. */
void conn_init(struct conn *c, struct ev_loop *loop, const struct conn_handler *handler, void *arg);
/* Takes fd (connected, non-blocking). */
void conn_open(struct conn *c, int fd);
/* Frees everything; on_closed does not come. May be called twice. */
void conn_close(struct conn *c);
/* In on_message(): what the message borrows from stays, and no other one is read, until
 * conn_resume(). Only for a moment: pings are not answered. */
void conn_hold(struct conn *c);
/* From the loop, not from a callback of the connection. */
void conn_resume(struct conn *c);
/* Writes as many waiting bytes as the socket accepts; the rest follows by itself. Call it once a
 * turn, after the last append. */
void conn_flush(struct conn *c);
/* Ends the sending side and drops what the peer sends; on_closed comes when the peer closes. Call
 * it only when everything is written: data that reach a closed socket reset the connection, and
 * bytes in flight to the peer are lost. */
void conn_end(struct conn *c);
bool conn_is_open(const struct conn *c);
/* Bytes that wait to be written. */
size_t conn_unsent(const struct conn *c);

#endif
