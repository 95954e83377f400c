#include "supervisor/engine/eventlink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/remedy.h"
#include "common/trust.h"

static void connect_now(struct eventlink *l);

const char *
eventlink_state_name(enum eventlink_state state)
{
	static const char *const names[] = { "off", "waiting", "connecting", "connected" };

	return names[state];
}

static void
set_state(struct eventlink *l, enum eventlink_state state)
{
	l->state = state;
	l->since = monotime_now();
}

static void
set_timer(struct eventlink *l, int64_t ms)
{
	ev_timer_stop(l->loop, &l->timer);
	ev_timer_set(&l->timer, (double)ms / 1e3, 0.);
	ev_timer_start(l->loop, &l->timer);
}

static void
stop_giving(struct eventlink *l)
{
	l->given.on = false;
	ev_timer_stop(l->loop, &l->given.timer);
}

/* Closes the connection and waits, longer each time, with a quarter of jitter. */
static void
back_off(struct eventlink *l, const char *why)
{
	enum eventlink_state was = l->state;

	broker_cancel(l->connecting);
	l->connecting = NULL;
	conn_close(&l->conn);
	l->asked_count = 0;
	l->wants_room = false;
	stop_giving(l);
	if (was == LINK_UP && monotime_diff_ms(monotime_now(), l->since) >= LINK_SETTLED_MS)
		l->backoff_ms = LINK_BACKOFF_FIRST_MS;
	snprintf(l->last_error, sizeof(l->last_error), "%s", why);
	set_state(l, LINK_WAITING);
	int64_t ms = l->backoff_ms * 3 / 4 + random() % (l->backoff_ms / 2 + 1);
	log_write(was == LINK_UP ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, NULL, "link_down",
	    "Event Server: %s; next try in %.1f s", why, (double)ms / 1e3);
	l->backoff_ms =
	    l->backoff_ms * 2 < LINK_BACKOFF_MAX_MS ? l->backoff_ms * 2 : LINK_BACKOFF_MAX_MS;
	set_timer(l, ms);
	if (was == LINK_UP)
		l->handler->on_down(l->arg, l->last_error);
}

/* The connection was made, and the server has not said that it is one. */
static void
doubt(struct eventlink *l, const char *why)
{
	char text[sizeof(l->last_error)];

	snprintf(text, sizeof(text), "%.120s%s", why,
	    l->state == LINK_CONNECTING && !l->target.unix_path
		? remedy_text(REMEDY_EVENT_SERVER, REMEDY_SERVER_IS_NONE)
		: "");
	back_off(l, text);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct eventlink *l = w->data;

	(void)loop, (void)revents;
	if (l->state == LINK_CONNECTING && !l->connecting)
		l->unanswered++;
	if (l->state == LINK_CONNECTING && l->connecting)
		back_off(l, "no connection in time");
	else if (l->state == LINK_CONNECTING)
		doubt(l, "no answer to init in time");
	else if (l->state == LINK_WAITING)
		connect_now(l);
}

static void
on_init_res(struct eventlink *l, const struct chatter_msg *msg)
{
	struct eventer_init_res res;

	if (l->state != LINK_CONNECTING || msg->owner || msg->first != l->init_conversation ||
	    eventer_init_res_decode(msg->data, &res) != DEC_OK) {
		doubt(l, "a wrong answer to init");
		return;
	}
	if (!res.success) {
		char why[sizeof(l->last_error)];
		snprintf(why, sizeof(why), "the server refused the connection: %.*s%s",
		    res.error.len < 80 ? (int)res.error.len : 80, res.error.p,
		    remedy_text(REMEDY_EVENT_SERVER, REMEDY_SERVER_REFUSES));
		back_off(l, why);
		return;
	}
	ev_timer_stop(l->loop, &l->timer);
	l->unanswered = 0;
	l->status = res.status;
	l->connects++;
	set_state(l, LINK_UP);
	log_write(LOG_LEVEL_NOTICE, NULL, "link_up", "Event Server: connected, %s",
	    eventer_status_name(l->status));
	l->handler->on_up(l->arg);
}

static void
on_status(struct eventlink *l, const struct chatter_msg *msg)
{
	if (l->state != LINK_UP || eventer_status_decode(msg->data, &l->status) != DEC_OK) {
		back_off(l, "a malformed status");
		return;
	}
	log_write(LOG_LEVEL_NOTICE, NULL, "link_status", "Event Server: %s",
	    eventer_status_name(l->status));
	l->handler->on_status(l->arg, l->status);
}

/* Whether all events were well-formed, skipped ones too, and nothing follows them. */
static bool
ended_well(struct eventer_events_iter *it)
{
	struct eventer_event e;

	while (eventer_events_next(it, &e))
		;
	return eventer_events_end(it) == DEC_OK;
}

/* Returns false when the link went down in there. */
static bool
give_part(struct eventlink *l)
{
	struct eventlink_given *g = &l->given;
	struct eventer_event e;

	eventer_events_part(&g->events, LINK_PART);
	if (g->asked.cb)
		g->asked.cb(g->asked.arg, &g->events, g->error);
	else
		l->handler->on_events(l->arg, &g->events);
	if (!g->on)
		return false;
	while (eventer_events_next(&g->events, &e))
		;
	return true;
}

/* Gives out as much as fits into the turn. Returns true when more is left for the next one. */
static bool
give(struct eventlink *l)
{
	struct eventlink_given *g = &l->given;

	do {
		if (!give_part(l))
			return false;
		if (!eventer_events_more(&g->events)) {
			g->on = false;
			if (!ended_well(&g->events))
				back_off(l, g->asked.cb ? "malformed events in an answer"
							: "malformed events");
			else if (g->ack)
				eventer_send_events_ack(&l->conn.chatter, g->conv);
			return false;
		}
	} while (ev_time() - ev_now(l->loop) < LINK_TURN_MS / 1e3);
	return true;
}

static void
give_later(struct eventlink *l)
{
	ev_timer_set(&l->given.timer, 0., 0.);
	ev_timer_start(l->loop, &l->given.timer);
}

static void
on_give(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct eventlink *l = w->data;

	(void)loop, (void)revents;
	if (give(l))
		give_later(l);
	else
		conn_resume(&l->conn);
}

static void
begin_giving(struct eventlink *l, const struct eventlink_given *given)
{
	ev_timer timer = l->given.timer;

	l->given = *given;
	l->given.timer = timer;
	l->given.on = true;
	if (!give(l))
		return;
	conn_hold(&l->conn);
	give_later(l);
}

static void
on_events(struct eventlink *l, const struct chatter_msg *msg)
{
	struct eventlink_given given = { .ack = !msg->last, .conv = chatter_msg_conv(msg) };

	if (l->state != LINK_UP ||
	    eventer_events_notify_decode(msg->data, &given.events) != DEC_OK) {
		back_off(l, "malformed events");
		return;
	}
	l->events_in += given.events.left;
	begin_giving(l, &given);
}

/* Finds who asked for this answer, which is awaited no longer. */
static bool
take_asked(struct eventlink *l, const struct chatter_msg *msg, enum eventer_msg answer,
    struct eventlink_asked *asked)
{
	size_t i = 0;

	while (i < l->asked_count && (msg->owner || l->asked[i].conversation != msg->first))
		i++;
	if (i == l->asked_count || l->asked[i].answer != answer)
		return false;
	*asked = l->asked[i];
	l->asked_count--;
	memmove(&l->asked[i], &l->asked[i + 1], (l->asked_count - i) * sizeof(l->asked[0]));
	return true;
}

static void
give_answer(struct eventlink *l, const struct eventlink_asked *q, struct eventer_events_iter *it,
    const char *error)
{
	q->cb(q->arg, it, error);
	if (l->state == LINK_UP && it && !ended_well(it))
		back_off(l, "malformed events in an answer");
}

static void
on_query_res(struct eventlink *l, const struct chatter_msg *msg)
{
	struct eventer_events_iter it;
	struct eventlink_asked q;

	if (!take_asked(l, msg, EVENTER_QUERY_RES, &q) ||
	    (!msg->cut && eventer_query_res_decode(msg->data, &it) != DEC_OK)) {
		back_off(l, "an unexpected or malformed query answer");
		return;
	}
	if (msg->cut)
		give_answer(l, &q, NULL, "the answer is longer than 32 MiB");
	else if (q.in_parts || !eventer_query_res_more(&it))
		begin_giving(l, &(struct eventlink_given){ .events = it, .asked = q });
	else if (it.left)
		begin_giving(l, &(struct eventlink_given){ .events = it,
				    .asked = q,
				    .error = "the answer is not complete: the server cut it" });
	else
		give_answer(l, &q, NULL, "the server refused it: it costs too much");
}

static void
on_register_res(struct eventlink *l, const struct chatter_msg *msg)
{
	struct eventer_register_res res = { .success = true };
	struct eventlink_asked q;

	if (!take_asked(l, msg, EVENTER_REGISTER_RES, &q) ||
	    (!msg->cut && eventer_register_res_decode(msg->data, &res) != DEC_OK)) {
		back_off(l, "an unexpected or malformed register answer");
		return;
	}
	if (res.success)
		give_answer(l, &q, msg->cut ? NULL : &res.events, NULL);
	else
		give_answer(l, &q, NULL, "the Event Server refused it");
}

static void
on_message(void *arg, const struct chatter_msg *msg)
{
	static void (*const handlers[EVENTER_MSG_COUNT])(
	    struct eventlink *, const struct chatter_msg *) = {
		[EVENTER_INIT_RES] = on_init_res,
		[EVENTER_STATUS_NOTIFY] = on_status,
		[EVENTER_EVENTS_NOTIFY] = on_events,
		[EVENTER_QUERY_RES] = on_query_res,
		[EVENTER_REGISTER_RES] = on_register_res,
	};
	struct eventlink *l = arg;
	int type = eventer_msg_parse(msg->type);

	if (type < 0 || !handlers[type]) {
		back_off(l, "an unexpected message type");
		return;
	}
	if (msg->cut && type != EVENTER_QUERY_RES && type != EVENTER_REGISTER_RES) {
		back_off(l, "a message of more than 32 MiB");
		return;
	}
	handlers[type](l, msg);
}

static void
on_closed(void *arg, const char *why)
{
	struct eventlink *l = arg;

	if (l->state != LINK_OFF)
		doubt(l, why);
}

static void
on_drained(void *arg)
{
	struct eventlink *l = arg;

	if (l->wants_room && l->state == LINK_UP) {
		l->wants_room = false;
		l->handler->on_room(l->arg);
	}
}

/* A Unix socket is that of our own Event Server: whoever makes a folder that vanished could put
 * one of theirs there. False: the connection is closed. */
static bool
is_ours(struct eventlink *l, int fd)
{
	struct ucred peer;
	char why[sizeof(l->last_error)];

	if (!l->target.unix_path || trust_peer(fd, geteuid(), &peer))
		return true;
	close(fd);
	snprintf(why, sizeof(why), "%.80s belongs to user id %u, process %d: it is not used",
	    l->target.unix_path, (unsigned)peer.uid, (int)peer.pid);
	back_off(l, why);
	return false;
}

static void
on_connected(void *arg, int fd, int error, const char *why)
{
	struct eventlink *l = arg;
	const struct eventlink_target *t = &l->target;

	l->connecting = NULL;
	if (fd < 0) {
		back_off(l, error == ECANCELED ? "cancelled" : why);
		return;
	}
	if (!is_ours(l, fd))
		return;
	/* A Unix socket does not have this option. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ LINK_KERNEL_LOW }, sizeof(int));
	conn_open(&l->conn, fd);
	struct eventer_init_req req = {
		.client_name = sbs_str(t->client_name),
		.has_token = t->token != NULL,
		.token = t->token ? sbs_str(t->token) : (struct sbs_str){ 0 },
		.subscriptions = t->subscriptions,
		.has_server_id = t->has_server_id,
		.server_id = t->server_id,
		.persisted = false,
	};
	l->init_conversation = eventer_send_init_req(&l->conn.chatter, &req);
	conn_flush(&l->conn);
}

static void
connect_now(struct eventlink *l)
{
	const struct eventlink_target *t = &l->target;

	set_state(l, LINK_CONNECTING);
	set_timer(l, LINK_CONNECT_MS);
	l->connecting = t->unix_path ? broker_connect_unix(l->broker, t->unix_path, on_connected, l)
				     : broker_open(l->broker, IPC_RESOURCE_CONNECT, t->host,
					   t->port, on_connected, l);
	if (!l->connecting)
		back_off(l, "out of memory");
}

void
eventlink_init(struct eventlink *l, struct ev_loop *loop, struct broker *broker,
    const struct eventlink_handler *handler, void *arg)
{
	static const struct conn_handler conn_handler = { on_message, on_closed, on_drained };

	*l = (struct eventlink){ .loop = loop,
		.broker = broker,
		.handler = handler,
		.arg = arg,
		.backoff_ms = LINK_BACKOFF_FIRST_MS };
	conn_init(&l->conn, loop, &conn_handler, l);
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	l->timer.data = l;
	ev_timer_init(&l->given.timer, on_give, 0., 0.);
	l->given.timer.data = l;
}

void
eventlink_on(struct eventlink *l, const struct eventlink_target *target)
{
	l->target = *target;
	l->unanswered = 0;
	l->backoff_ms = LINK_BACKOFF_FIRST_MS;
	l->last_error[0] = '\0';
	connect_now(l);
}

void
eventlink_retarget(struct eventlink *l, const struct eventlink_target *target)
{
	l->target = *target;
}

static void
set_off(struct eventlink *l)
{
	stop_giving(l);
	free(l->asked);
	l->asked = NULL;
	l->asked_count = 0;
	l->wants_room = false;
	l->last_error[0] = '\0';
	set_state(l, LINK_OFF);
}

void
eventlink_off(struct eventlink *l)
{
	broker_cancel(l->connecting);
	l->connecting = NULL;
	ev_timer_stop(l->loop, &l->timer);
	conn_close(&l->conn);
	set_off(l);
}

void
eventlink_end(struct eventlink *l)
{
	set_off(l);
	conn_end(&l->conn);
}

bool
eventlink_is_ending(const struct eventlink *l)
{
	return l->state == LINK_OFF && conn_is_open(&l->conn);
}

void
eventlink_flush(struct eventlink *l)
{
	conn_flush(&l->conn);
}

void
eventlink_want_room(struct eventlink *l)
{
	l->wants_room = true;
}

/* Whether a message with so many bytes of data may be put, whose answer is awaited or not. What
 * does not fit must not be tried: the output's failure would end the link. */
static int
may_put(struct eventlink *l, size_t len, bool awaited)
{
	if (l->state != LINK_UP)
		return errno = ENOTCONN, -1;
	if (awaited && !l->asked)
		l->asked = calloc(LINK_MAX_ASKED, sizeof(*l->asked));
	if ((awaited && (!l->asked || l->asked_count == LINK_MAX_ASKED)) ||
	    conn_unsent(&l->conn) + len + CHATTER_MAX_HEADER > CONN_MAX_OUT)
		return errno = ENOBUFS, -1;
	return 0;
}

static void
await(struct eventlink *l, const struct eventlink_asked *asked)
{
	l->asked[l->asked_count++] = *asked;
}

int
eventlink_register(struct eventlink *l, size_t count, const void *events, size_t len,
    eventlink_answer_cb *cb, void *arg)
{
	if (may_put(l, len, cb != NULL) < 0)
		return -1;
	int64_t conversation = eventer_put_register_req(
	    &l->conn.chatter, count, (struct sbs_str){ events, len }, cb != NULL);
	if (conversation < 0)
		return errno = ENOBUFS, -1;
	if (cb)
		await(l, &(struct eventlink_asked){ .conversation = conversation,
			     .answer = EVENTER_REGISTER_RES,
			     .cb = cb,
			     .arg = arg });
	l->events_out += count;
	l->messages_out++;
	return 0;
}

int
eventlink_query(
    struct eventlink *l, const struct eventer_query *query, eventlink_answer_cb *cb, void *arg)
{
	if (may_put(l, query->types.bytes.len + LINK_MAX_QUERY, true) < 0)
		return -1;
	int64_t conversation = eventer_send_query_req(&l->conn.chatter, query);
	if (conversation < 0)
		return errno = ENOBUFS, -1;
	await(l, &(struct eventlink_asked){ .conversation = conversation,
		     .answer = EVENTER_QUERY_RES,
		     .in_parts = query->kind == EVENTER_QUERY_TIMESERIES,
		     .cb = cb,
		     .arg = arg });
	return 0;
}

enum eventlink_state
eventlink_state(const struct eventlink *l)
{
	return l->state;
}

enum eventer_status
eventlink_status(const struct eventlink *l)
{
	return l->status;
}

size_t
eventlink_unsent(const struct eventlink *l)
{
	return conn_unsent(&l->conn);
}

uint64_t
eventlink_put(const struct eventlink *l)
{
	return l->conn.bytes_out + conn_unsent(&l->conn);
}

bool
eventlink_hangs(struct eventlink *l, uint32_t connections)
{
	if (l->unanswered < connections)
		return false;
	l->unanswered = 0;
	return true;
}

struct eventlink_stats
eventlink_stats(const struct eventlink *l)
{
	return (struct eventlink_stats){ .target = &l->target,
		.since = l->since,
		.last_error = l->last_error,
		.connects = l->connects,
		.events_out = l->events_out,
		.messages_out = l->messages_out,
		.events_in = l->events_in,
		.bytes_in = l->conn.bytes_in,
		.bytes_out = l->conn.bytes_out,
		.heard = l->conn.heard };
}
