/*
 * gateway-eventd's loop: listeners, clients, and one commit per turn. What
 * clients register in a turn of the loop is staged; before the loop sleeps it
 * is committed together, then notified, then answered. Nobody is waited for:
 * a client that does not read what is sent to it is cut off.
 */
#ifndef EVENT_SERVER_SERVER_H
#define EVENT_SERVER_SERVER_H

#include <ev.h>

#include "common/daemon/numbers.h"
#include "event-server/access.h"
#include "event-server/query.h"
#include "event-server/store.h"
#include "protocols/hat/eventer.h"

enum {
	SERVER_MAX_CLIENTS = 1024,
	SERVER_MAX_STRANGERS = 64, /* clients that have not shown the token that they need */
	SERVER_MAX_LISTENERS = 2,
	SERVER_MAX_SUBSCRIPTIONS = 1 << 17, /* of all clients */
	SERVER_MAX_BUFFERS =
	    512 << 20,		       /* bytes of all clients' buffers; over it the largest goes */
	SERVER_SLOTS = STORE_WATCHERS, /* subscribers whose match is remembered per event type */
	SERVER_MAX_WALKS = 8,	       /* queries that are answered in steps at a time */
	SERVER_MAX_STAGED = 65536,     /* events that are staged before a turn is over */
	SERVER_MAX_STAGED_BYTES = 16 << 20,
	SERVER_MAX_NOTIFY = 1 << 20, /* bytes of events in one MsgEventsNotify, about */
	SERVER_RETAIN_S = 10,
	SERVER_SAVE_S = 1,
	SERVER_STOP_MS = 500, /* what clients get to read the last words */
};

struct peer;

/* A MsgRegisterReq that waits for the commit: the staged events from first on. */
struct request {
	struct peer *client; /* NULL: nobody waits for an answer */
	struct chatter_conv conv;
	size_t first, count;
	bool failed;
};

/* Log lines about faults of clients, which are limited in rate. */
struct warnings {
	double last; /* when one was logged */
	unsigned long suppressed;
};

/* The clients that want to be notified. */
struct subscribers {
	struct peer *slots[SERVER_SLOTS];
	size_t unslotted;     /* clients beyond the slots */
	size_t subscriptions; /* of all clients */
	uint64_t epoch;	      /* grows whenever they change */
	bool new;	      /* some came after events that are staged */
};

/* Indices of staged events for one client. */
struct picked {
	size_t *at; /* owned */
	size_t size;
};

/* What happened since the start, and the page where it is shown; NULL: nowhere. */
struct counts {
	uint64_t events, commits, queries, refused_quota, refused_full;
	uint64_t *page;
};

struct listeners {
	ev_io io[SERVER_MAX_LISTENERS];
	size_t count;
	ev_io handed;	/* another process sends some over it */
	ev_timer again; /* after running out of descriptors */
};

struct server {
	struct ev_loop *loop;
	struct store store;
	struct query query;
	struct access access;
	enum eventer_status status;
	struct peer *clients;
	size_t client_count;
	int64_t next_client;
	struct subscribers subscribers;
	struct request *requests;
	size_t request_count, request_size;
	struct picked picked;
	struct counts counts;
	struct listeners listeners;
	const char *unix_path; /* borrowed */
	ev_prepare before_sleep;
	ev_timer again; /* clients with more to do */
	ev_timer stop;
	ev_timer save;	   /* tries to write what the db lacks */
	ev_timer retain;   /* looks what has become too old */
	ev_signal ends[2]; /* SIGTERM, SIGINT */
	bool broken;	   /* the db is */
	struct warnings warnings;
	size_t walks; /* of clients, under way */
};

/* Takes db, copies access. 0, or -1 with a message. */
int server_init(struct server *s, struct db *db, int64_t server_id, size_t series_max,
    const struct access *access, char *err, size_t err_size);
/* Bounds of the time series by type; before it runs. */
void server_set_retention(struct server *s, const struct retention *r);
/* "HOST:PORT" or "[HOST]:PORT"; port 0 takes a free one. Returns the port, or -1 with a message. */
int server_listen_tcp(struct server *s, const char *address, char *err, size_t err_size);
/* Takes listening sockets of TCP that come over the Unix socket fd, which it takes, while it runs.
 */
void server_take_listeners(struct server *s, int fd);
/* Replaces a socket that nobody listens on. path is borrowed. 0, or -1 with a message. */
int server_listen_unix(struct server *s, const char *path, char *err, size_t err_size);
/* Until SIGTERM or SIGINT: 0; or -1 where a new process must go on, as the db is broken. */
int server_run(struct server *s);
/* Shows what it counts at the end of each turn. Borrows the page. */
void server_show_numbers(struct server *s, uint64_t *page);
void server_clear(struct server *s);

/* For clients. */
/* Commits, notifies and answers what is staged. */
void server_commit(struct server *s);
/* Stages the events of one request. client: who waits for the answer, or NULL. */
void server_register(struct server *s, struct peer *client, struct chatter_conv conv,
    struct eventer_events_iter *events);
/* Registers one of the server's own events: event/<server id>/<kind>[/<name>] with a JSON string.
 */
void server_register_own(
    struct server *s, const char *kind, const struct sbs_str *name, const char *text);
/* Runs the client again in the next turn. */
void server_again(struct server *s);
/* A client's fault, at most one line a second. */
void server_warn(struct server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
