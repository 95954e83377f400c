#include "event-server/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/fdutil.h"
#include "common/log.h"

static void
watch(struct peer *c)
{
	struct ev_loop *loop = c->server->loop;

	if (c->state == PEER_DEAD)
		return;
	bool listens = c->state == PEER_NEW || c->state == PEER_READY;
	if (listens && c->out.len <= PEER_HIGH_WATER && !c->again)
		ev_io_start(loop, &c->readable);
	else
		ev_io_stop(loop, &c->readable);
	if (c->out.len)
		ev_io_start(loop, &c->writable);
	else
		ev_io_stop(loop, &c->writable);
}

static void
shrink(struct buffer *b)
{
	if (b->len == 0 && b->size > PEER_IDLE_BUFFER)
		buffer_clear(b);
}

void
peer_flush(struct peer *c)
{
	if (c->state == PEER_DEAD)
		return;
	if (buffer_failed(&c->out)) {
		peer_close(c, "does not read what is sent to it");
		return;
	}
	while (c->out.len) {
		ssize_t n = send(c->fd, buffer_data(&c->out), c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			c->deaf = true;
			break;
		}
		if (n < 0) {
			peer_close(c, NULL);
			return;
		}
		buffer_consume(&c->out, (size_t)n);
	}
	if (c->deaf)
		buffer_reset(&c->out);
	shrink(&c->out);
	if (c->paused && c->out.len <= PEER_HIGH_WATER) {
		c->paused = false;
		c->again = true;
		server_again(c->server);
	}
	if (c->state == PEER_LEAVING && c->out.len == 0)
		peer_close(c, NULL);
	watch(c);
}

/* Whether events are for it. */
static bool
is_notified(const struct peer *c)
{
	return c->subscription_count && !c->foreign;
}

static void
unsubscribe(struct peer *c)
{
	struct subscribers *s = &c->server->subscribers;

	if (c->slot >= 0) {
		s->slots[c->slot] = NULL;
		c->slot = -1;
		s->epoch++;
	} else if (is_notified(c)) {
		s->unslotted--;
	}
	s->subscriptions -= c->subscription_count;
	c->subscription_count = 0;
}

void
peer_close(struct peer *c, const char *reason)
{
	struct server *s = c->server;

	if (c->state == PEER_DEAD)
		return;
	if (reason)
		server_warn(s, "client %lld (%s) %s: closing its connection", (long long)c->id,
		    c->name ? c->name : "unnamed", reason);
	ev_io_stop(s->loop, &c->readable);
	ev_io_stop(s->loop, &c->writable);
	ev_timer_stop(s->loop, &c->timer);
	fd_close(c->fd);
	c->fd = -1;
	bool was_ready = c->state == PEER_READY;
	c->state = PEER_DEAD;
	unsubscribe(c);
	for (size_t i = 0; i < s->request_count; i++)
		if (s->requests[i].client == c)
			s->requests[i].client = NULL;
	if (was_ready && s->status != EVENTER_STOPPING) {
		struct sbs_str name = sbs_str(c->name);
		log_debug("client %lld (%s) left", (long long)c->id, c->name);
		server_register_own(s, "eventer", &name, "\"DISCONNECTED\"");
	}
	server_again(s); /* so that it is freed */
}

static void end_walk(struct peer *c);

void
peer_free(struct peer *c)
{
	if (!c)
		return;
	end_walk(c);
	chatter_clear(&c->chatter);
	buffer_clear(&c->out);
	subs_clear(&c->subscriptions);
	free(c->name);
	free(c);
}

static void
answer_refusal(struct peer *c, struct chatter_conv conv, const char *why)
{
	struct eventer_init_res res = { .success = false, .error = sbs_str(why) };

	c->state = PEER_LEAVING;
	eventer_send_init_res(&c->chatter, conv, &res);
}

static void
refuse(struct peer *c, struct chatter_conv conv, const char *why)
{
	server_warn(c->server, "client %lld refused: %s", (long long)c->id, why);
	answer_refusal(c, conv, why);
}

static void arm(struct peer *c, struct monotime now);

/* A wrong token is answered after a while, so that tokens cannot be tried quickly. */
static void
refuse_later(struct peer *c, struct chatter_conv conv)
{
	struct monotime now = monotime_now();

	c->state = PEER_REFUSED;
	c->init = conv;
	c->init_deadline = monotime_add_ms(now, PEER_REFUSAL_MS);
	arm(c, now);
}

/* NULL, or why the client is refused. */
static const char *
check_init(const struct peer *c, const struct eventer_init_req *req)
{
	struct eventer_types_iter it = eventer_types_begin(&req->subscriptions);
	struct eventer_type type;

	if (req->client_name.len > PEER_MAX_NAME ||
	    memchr(req->client_name.p, '\0', req->client_name.len))
		return "invalid client name";
	if (req->subscriptions.count > PEER_MAX_SUBSCRIPTIONS ||
	    req->subscriptions.count + c->server->subscribers.subscriptions >
		SERVER_MAX_SUBSCRIPTIONS ||
	    req->subscriptions.bytes.len > PEER_MAX_SUBSCRIPTION_BYTES)
		return "too many subscriptions";
	while (eventer_types_next(&it, &type))
		if (type.cut)
			return "too many segments in a subscription";
	return NULL;
}

static int
subscribe(struct peer *c, const struct eventer_init_req *req)
{
	struct subscribers *s = &c->server->subscribers;

	if (subs_init(&c->subscriptions, &req->subscriptions) < 0)
		return -1;
	c->subscription_count = req->subscriptions.count;
	s->subscriptions += c->subscription_count;
	c->foreign = req->has_server_id && req->server_id != c->server->store.state.server;
	if (!is_notified(c))
		return 0;
	for (int i = 0; i < SERVER_SLOTS && c->slot < 0; i++)
		if (!s->slots[i])
			c->slot = i;
	if (c->slot < 0) {
		s->unslotted++;
		return 0;
	}
	s->slots[c->slot] = c;
	s->epoch++;
	return 0;
}

static bool
on_init_req(struct peer *c, const struct chatter_msg *msg)
{
	struct eventer_init_res res = { .success = true, .status = c->server->status };
	struct eventer_init_req req;

	if (eventer_init_req_decode(msg->data, &req) != DEC_OK)
		return false;
	if (!access_admit(&c->server->access, &c->who, &req, ev_now(c->server->loop))) {
		refuse_later(c, chatter_msg_conv(msg));
		return true;
	}
	const char *why = check_init(c, &req);
	if (why) {
		refuse(c, chatter_msg_conv(msg), why);
		return true;
	}
	c->name = strndup(req.client_name.p, req.client_name.len);
	if (!c->name || subscribe(c, &req) < 0) {
		peer_close(c, "found no memory");
		return true;
	}
	c->state = PEER_READY;
	chatter_raise_max_frame(&c->chatter, PEER_MAX_FRAME);
	log_debug("client %lld is %s, with %zu subscriptions", (long long)c->id, c->name,
	    c->subscription_count);
	struct sbs_str name = sbs_str(c->name);
	server_register_own(c->server, "eventer", &name, "\"CONNECTED\"");
	c->from = c->server->store.staged_count;
	c->server->subscribers.new = true;
	eventer_send_init_res(&c->chatter, chatter_msg_conv(msg), &res);
	return true;
}

static bool
on_register_req(struct peer *c, const struct chatter_msg *msg)
{
	struct eventer_events_iter events;

	if (eventer_register_req_decode(msg->data, &events) != DEC_OK)
		return false;
	server_register(c->server, msg->last ? NULL : c, chatter_msg_conv(msg), &events);
	if (eventer_events_end(&events) != DEC_OK)
		return false;
	if (c->server->store.staged_count >= SERVER_MAX_STAGED ||
	    c->server->store.staged_bytes >= SERVER_MAX_STAGED_BYTES)
		server_commit(c->server);
	return true;
}

/* The protocol has no error for a query: an answer that is empty and says that more follows. */
static void
answer_query(struct peer *c, struct chatter_conv conv, int result)
{
	struct query *q = &c->server->query;

	if (result < 0 && !q->more) {
		peer_close(c, "found no memory");
		return;
	}
	if (result < 0)
		server_warn(c->server,
		    "client %lld (%s) sent a query with too many patterns: answered with no events",
		    (long long)c->id, c->name);
	eventer_begin_query_res(&c->chatter, conv, q->count, q->bytes);
	for (size_t i = 0; i < q->count; i++)
		buffer_append(&c->out, q->results[i]->bytes, q->results[i]->len);
	eventer_put_query_more(&c->chatter, q->more);
	c->again = true;
}

static void
end_walk(struct peer *c)
{
	if (!c->walk)
		return;
	query_walk_clear(c->walk);
	free(c->walk);
	c->walk = NULL;
	c->server->walks--;
}

/* Whether the query goes on in steps. */
static bool
begin_walk(struct peer *c, struct chatter_conv conv, const struct eventer_query *params)
{
	struct server *s = c->server;

	if (s->walks == SERVER_MAX_WALKS || !query_is_long(&s->store, params))
		return false;
	struct query_walk *w = calloc(1, sizeof(*w));
	if (!w || query_walk_begin(w, &s->store, params) < 0) {
		free(w);
		return false;
	}
	c->walk = w;
	c->asked = conv;
	c->again = true;
	s->walks++;
	return true;
}

static void
walk_on(struct peer *c)
{
	int r = query_walk_step(c->walk, &c->server->store);

	c->again = true;
	if (r > 0)
		return;
	/* What was registered until now is in the answer, and in no notification behind it. */
	server_commit(c->server);
	c->server->query.more = false;
	r = r < 0 ? r : query_walk_end(c->walk, &c->server->query);
	end_walk(c);
	answer_query(c, c->asked, r);
}

static bool
on_query_req(struct peer *c, const struct chatter_msg *msg)
{
	struct eventer_query params;

	if (eventer_query_req_decode(msg->data, &params) != DEC_OK)
		return false;
	/* Events that were registered before the query are found by it. */
	server_commit(c->server);
	c->server->counts.queries++;
	if (!begin_walk(c, chatter_msg_conv(msg), &params))
		answer_query(c, chatter_msg_conv(msg),
		    query_run(&c->server->query, &c->server->store, &params));
	return true;
}

static bool
on_events_ack(struct peer *c, const struct chatter_msg *msg)
{
	(void)c;
	return msg->data.len == 0;
}

/* The messages that a client may send, and the state that each needs. */
static const struct {
	enum peer_state state;
	bool (*on)(struct peer *c, const struct chatter_msg *msg); /* false: malformed */
} handlers[EVENTER_MSG_COUNT] = {
	[EVENTER_INIT_REQ] = { .state = PEER_NEW, .on = on_init_req },
	[EVENTER_REGISTER_REQ] = { .state = PEER_READY, .on = on_register_req },
	[EVENTER_QUERY_REQ] = { .state = PEER_READY, .on = on_query_req },
	[EVENTER_EVENTS_ACK] = { .state = PEER_READY, .on = on_events_ack },
};

static void
handle(struct peer *c, const struct chatter_msg *msg)
{
	int type = eventer_msg_parse(msg->type);

	if (type < 0 || !handlers[type].on || handlers[type].state != c->state)
		peer_close(c, "sent an unexpected message");
	else if (!handlers[type].on(c, msg))
		peer_close(c, "sent a malformed message");
}

static bool
may_go_on(struct peer *c)
{
	c->paused = c->out.len > PEER_HIGH_WATER;
	return !c->paused && !c->again && (c->state == PEER_NEW || c->state == PEER_READY);
}

void
peer_work(struct peer *c)
{
	struct chatter_msg msg;
	enum dec r = DEC_OK;

	c->again = false;
	if (c->walk)
		walk_on(c);
	while (r == DEC_OK && may_go_on(c)) {
		r = chatter_next(&c->chatter, &msg);
		if (r == DEC_OK)
			handle(c, &msg);
		else if (r == DEC_BAD)
			peer_close(c, "sent a malformed frame");
	}
	if (c->again)
		server_again(c->server);
	if (r == DEC_MORE)
		shrink(&c->chatter.in);
	peer_flush(c);
}

/* Reads on while reads fill their room, up to a bound; more comes in the next turn. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct peer *c = w->data;
	size_t total = 0, size = 0;
	ssize_t n;

	(void)loop, (void)revents;
	do {
		uint8_t *room = chatter_room(&c->chatter, c->want, &size);
		if (!room) {
			peer_close(c, "sent more data than allowed");
			return;
		}
		n = recv(c->fd, room, size, 0);
		if (n <= 0)
			break;
		chatter_fed(&c->chatter, (size_t)n, monotime_now());
		total += (size_t)n;
		if ((size_t)n == size && c->want < PEER_READ_MAX)
			c->want *= 2;
	} while ((size_t)n == size && total < PEER_READ_MAX);
	/* Messages sent before the client left still count and may take more than one turn. The
	 * next read reports the end again. */
	if (total == 0 &&
	    (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))) {
		peer_close(c, NULL);
		return;
	}
	peer_work(c);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	peer_flush(w->data);
}

static void
arm(struct peer *c, struct monotime now)
{
	struct monotime at = chatter_deadline(&c->chatter);

	if (c->state != PEER_READY && monotime_cmp(c->init_deadline, at) < 0)
		at = c->init_deadline;
	int64_t ms = monotime_diff_ms(at, now) + 1;
	ev_timer_stop(c->server->loop, &c->timer);
	ev_timer_set(&c->timer, ms > 0 ? (double)ms / 1000 : 0, 0);
	ev_timer_start(c->server->loop, &c->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct peer *c = w->data;
	struct monotime now = monotime_now();

	(void)revents;
	/* Its messages are read first, in case it is us who are late: the disk may take its time.
	 */
	if (ev_is_active(&c->readable))
		on_readable(loop, &c->readable, EV_READ);
	if (c->state == PEER_DEAD)
		return;
	bool late = c->state != PEER_READY && monotime_cmp(now, c->init_deadline) >= 0;
	if (late && c->state == PEER_REFUSED) {
		c->init_deadline = monotime_add_ms(now, PEER_REFUSAL_MS);
		answer_refusal(c, c->init, "invalid client token");
	} else if (late) {
		peer_close(c, "sent no init request in time");
		return;
	}
	if (!chatter_tick(&c->chatter, now)) {
		peer_close(c, "does not answer");
		return;
	}
	peer_flush(c);
	if (c->state != PEER_DEAD)
		arm(c, now);
}

struct peer *
peer_new(struct server *s, int fd, const struct access_client *who)
{
	struct peer *c = calloc(1, sizeof(*c));
	struct monotime now = monotime_now();

	if (!c) {
		fd_close(fd);
		return NULL;
	}
	c->server = s;
	c->id = ++s->next_client;
	c->fd = fd;
	c->who = *who;
	c->slot = -1;
	c->want = PEER_READ_MIN;
	c->init_deadline = monotime_add_ms(now, PEER_INIT_MS);
	buffer_init(&c->out, PEER_MAX_OUT);
	chatter_init(&c->chatter, &c->out, PEER_MAX_INIT_FRAME, now);
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0, 0);
	c->readable.data = c->writable.data = c->timer.data = c;
	watch(c);
	arm(c, now);
	return c;
}
