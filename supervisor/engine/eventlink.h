/*
 * The link to the Event Server: HatEventer's client on the supervisor's loop.
 * It connects, subscribes, and reconnects for ever with backoff. The engine decides
 * what happens while it is up.
 */
#ifndef SUPERVISOR_EVENTLINK_H
#define SUPERVISOR_EVENTLINK_H

#include <ev.h>
#include <stdbool.h>

#include "protocols/hat/eventer.h"
#include "supervisor/net/broker.h"
#include "supervisor/net/conn.h"

enum {
	LINK_CONNECT_MS = 10000, /* from the start of a connect to the answer of init */
	LINK_BACKOFF_FIRST_MS = 100,
	LINK_BACKOFF_MAX_MS = 10000,
	LINK_SETTLED_MS = 1000,	     /* after this long the backoff is reset */
	LINK_KERNEL_LOW = 32 * 1024, /* unsent bytes in the kernel: those cannot be shared out */
	LINK_MAX_ASKED = 1024,	     /* answers that are awaited */
	LINK_MAX_QUERY = 512,	     /* bytes of a query besides its types */
	LINK_PART = 64 * 1024,	     /* bytes of events that are given out at once */
	LINK_TURN_MS = 4,	     /* of a turn, after which no further part is given out in it */
};

enum eventlink_state { LINK_OFF, LINK_WAITING, LINK_CONNECTING, LINK_UP };

/* The address of the Event Server; texts are borrowed while the link is on. */
struct eventlink_target {
	const char *unix_path; /* or NULL */
	const char *host;
	uint16_t port;
	const char *client_name; /* "gateway/<name>" */
	const char *token;	 /* or NULL */
	bool has_server_id;
	int64_t server_id;
	struct eventer_types subscriptions;
};

struct eventlink_handler {
	/* Registered and subscribed. */
	void (*on_up)(void *arg);
	/* The connection is over. Callbacks of awaited answers do not come. */
	void (*on_down)(void *arg, const char *why);
	void (*on_status)(void *arg, enum eventer_status status);
	/* Notified events, to be iterated over; borrowed. Many are given out in parts. */
	void (*on_events)(void *arg, struct eventer_events_iter *events);
	/* All is written, after eventlink_want_room(). */
	void (*on_room)(void *arg);
};

/* The answer of the Event Server. events: of a query, or what it registered; NULL where it refused.
 * error: what is wrong with the answer, or missing in it, for people; NULL: nothing. The answer to
 * a query is given out in parts, in several turns: while eventer_events_more(events) it is called
 * again. */
typedef void eventlink_answer_cb(void *arg, struct eventer_events_iter *events, const char *error);

struct eventlink_asked {
	int64_t conversation;
	enum eventer_msg answer; /* EVENTER_REGISTER_RES or EVENTER_QUERY_RES */
	bool in_parts;		 /* more may follow */
	eventlink_answer_cb *cb;
	void *arg;
};

/* Events that are given out in parts; the connection is held meanwhile, so that what came later
 * stays later. */
struct eventlink_given {
	bool on;
	struct eventer_events_iter events;
	struct eventlink_asked asked; /* cb NULL: notified events */
	const char *error;
	bool ack; /* with MsgEventsAck in conv, at the end */
	struct chatter_conv conv;
	ev_timer timer;
};

struct eventlink {
	struct ev_loop *loop;
	struct broker *broker;
	const struct eventlink_handler *handler;
	void *arg;
	struct eventlink_target target;
	enum eventlink_state state;
	enum eventer_status status;
	struct monotime since;
	struct conn conn;
	struct broker_request *connecting;
	ev_timer timer;
	int64_t backoff_ms;
	uint32_t unanswered; /* connections in a row on which the server sent nothing */
	int64_t init_conversation;
	bool wants_room;
	char last_error[256];
	uint64_t connects, events_out, messages_out, events_in;
	struct eventlink_asked *asked; /* LINK_MAX_ASKED at most, owned */
	size_t asked_count;
	struct eventlink_given given;
};

void eventlink_init(struct eventlink *l, struct ev_loop *loop, struct broker *broker,
    const struct eventlink_handler *handler, void *arg);
/* Starts connecting to target (its texts and subscriptions are borrowed while on). */
void eventlink_on(struct eventlink *l, const struct eventlink_target *target);
/* The same target with other texts, and other subscriptions from the next connect on. */
void eventlink_retarget(struct eventlink *l, const struct eventlink_target *target);
/* Closes; on_down does not come. */
void eventlink_off(struct eventlink *l);
/* Closes in order: everything is written, nothing more is sent or read, and the link is off when
 * the server has read everything and closed. eventlink_off() closes at once. on_down does not come.
 */
void eventlink_end(struct eventlink *l);
bool eventlink_is_ending(const struct eventlink *l);
/* Writes what was put, now. */
void eventlink_flush(struct eventlink *l);

/* on_room is to come when all is written. */
void eventlink_want_room(struct eventlink *l);
/* Puts count encoded RegisterEvents of len bytes into one message. Copied. cb: called with the
 * answer, where one is wanted; or NULL. Returns 0, or -1 with errno: ENOTCONN, ENOBUFS (nothing was
 * put, and the link is as it was). */
int eventlink_register(struct eventlink *l, size_t count, const void *events, size_t len,
    eventlink_answer_cb *cb, void *arg);
/* Asks for events. An answer about latest events is complete, or an error; one from the time series
 * may be the first part of what there is. Returns as above. */
int eventlink_query(
    struct eventlink *l, const struct eventer_query *query, eventlink_answer_cb *cb, void *arg);

enum eventlink_state eventlink_state(const struct eventlink *l);
/* The last status that the server sent. */
enum eventer_status eventlink_status(const struct eventlink *l);
/* Bytes that were put and are not written yet. */
size_t eventlink_unsent(const struct eventlink *l);
/* Bytes that were ever put, written or not. */
uint64_t eventlink_put(const struct eventlink *l);
/* Whether the server said nothing on so many connections in a row; then counting begins again. */
bool eventlink_hangs(struct eventlink *l, uint32_t connections);
/* Its numbers, to show. */
struct eventlink_stats {
	const struct eventlink_target *target;
	struct monotime since;	/* of the state */
	const char *last_error; /* "": none */
	uint64_t connects, events_out, messages_out, events_in, bytes_in, bytes_out;
	struct monotime heard; /* when the server sent something last; ns 0: never */
};
struct eventlink_stats eventlink_stats(const struct eventlink *l);

const char *eventlink_state_name(enum eventlink_state state);

#endif
