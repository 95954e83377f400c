/* Sends to the Event Server: each message passes the gate. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/engine/engine_private.h"

/* A message of the engine's own or of an operator. */
struct engine_message {
	struct gate_party party;
	struct engine *engine;
	struct engine_message *next; /* in the list of all */
	bool is_query, sent;
	size_t count;		    /* of events */
	struct eventer_query query; /* its types are in bytes */
	struct buffer bytes;	    /* encoded events or types; empty when sent */
	engine_answer_cb *cb;	    /* NULL: nobody waits for the answer */
	void *arg;
	struct monotime since; /* it was sent */
	ev_timer limit;
};

static const char link_lost[] = "the link to the Event Server was lost";

/* --- messages of the engine and of operators --- */

static void
message_free(struct engine_message *m)
{
	struct engine_message **at = &m->engine->out.messages;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	gate_forget(&m->engine->out.gate, &m->party);
	ev_timer_stop(m->engine->loop, &m->limit);
	buffer_clear(&m->bytes);
	free(m);
}

/* The one who waits is told, once. */
static void
tell(struct engine_message *m, struct eventer_events_iter *events, const char *error)
{
	engine_answer_cb *cb = m->cb;

	m->cb = NULL;
	ev_timer_stop(m->engine->loop, &m->limit);
	if (cb)
		cb(m->arg, events, error);
}

static void
on_message_answer(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct engine_message *m = arg;

	if (events && m->is_query && eventer_events_more(events)) {
		if (m->cb)
			m->cb(m->arg, events, error);
		return;
	}
	if (m->is_query && m->party.asking)
		gate_answered(&m->engine->out.gate, &m->party, m->since, monotime_now());
	tell(m, events, error);
	message_free(m);
}

/* A message that waits is withdrawn; the server may still act on one that was sent. */
static void
on_message_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct engine_message *m = w->data;

	(void)loop, (void)revents;
	tell(m, NULL,
	    m->sent ? "the Event Server did not answer in time"
		    : "the Event Server does not read: it was not sent");
	if (!m->sent)
		message_free(m);
}

/* Takes bytes, also on failure. query: NULL for events. */
static int
message_add(struct engine *e, const struct eventer_query *query, size_t count, struct buffer *bytes,
    engine_answer_cb *cb, void *arg, enum gate_ring ring)
{
	struct engine_message *m = calloc(1, sizeof(*m));

	if (!m || buffer_failed(bytes) || eventlink_state(&e->link) != LINK_UP) {
		int error = !m ? ENOMEM : buffer_failed(bytes) ? EMSGSIZE : ENOTCONN;
		free(m);
		buffer_clear(bytes);
		return errno = error, -1;
	}
	*m = (struct engine_message){ .party = { .owner = m },
		.engine = e,
		.next = e->out.messages,
		.is_query = query,
		.count = count,
		.bytes = *bytes,
		.cb = cb,
		.arg = arg };
	if (query)
		m->query = *query;
	e->out.messages = m;
	ev_timer_init(&m->limit, on_message_limit, ENGINE_ANSWER_MS / 1e3, 0.);
	m->limit.data = m;
	if (cb && !query)
		ev_timer_start(e->loop, &m->limit);
	gate_enter(&e->out.gate, &m->party, ring);
	return 0;
}

int
engine_register(
    struct engine *e, size_t count, struct buffer *events, engine_answer_cb *cb, void *arg)
{
	return message_add(e, NULL, count, events, cb, arg, GATE_OWN);
}

static struct eventer_query
latest(size_t count)
{
	return (struct eventer_query){
		.kind = EVENTER_QUERY_LATEST, .has_types = true, .types.count = count
	};
}

int
engine_query(struct engine *e, const struct eventer_query *query, struct buffer *types,
    engine_answer_cb *cb, void *arg)
{
	return message_add(e, query, 0, types, cb, arg, GATE_QUERIES);
}

int
engine_query_own(
    struct engine *e, size_t count, struct buffer *types, engine_answer_cb *cb, void *arg)
{
	const struct eventer_query query = latest(count);

	return message_add(e, &query, 0, types, cb, arg, GATE_OWN);
}

void
engine_forget(struct engine *e, void *arg)
{
	for (struct engine_message *m = e->out.messages, *next; m; m = next) {
		next = m->next;
		if (m->arg != arg || !m->cb)
			continue;
		m->cb = NULL;
		ev_timer_stop(e->loop, &m->limit);
		/* A register is done all the same. */
		if (m->is_query && !m->sent)
			message_free(m);
	}
}

static void
send_message(struct engine *e, struct engine_message *m, enum gate_ring ring)
{
	struct sbs_str bytes = { (const char *)buffer_data(&m->bytes), m->bytes.len };
	bool awaited = m->is_query || m->cb;

	m->query.types.bytes = bytes;
	int r = m->is_query ? eventlink_query(&e->link, &m->query, on_message_answer, m)
			    : eventlink_register(&e->link, m->count, bytes.p, bytes.len,
				  awaited ? on_message_answer : NULL, m);

	if (r < 0) {
		tell(m, NULL, "too much waits for the Event Server already");
		message_free(m);
		return;
	}
	m->sent = true;
	m->since = monotime_now();
	if (ring == GATE_QUERIES)
		gate_asked(&e->out.gate, &m->party);
	if (awaited)
		buffer_clear(&m->bytes);
	else
		message_free(m);
}

/* --- what devices register --- */

void
engine_on_pending(struct engine *e, struct engine_device *d)
{
	gate_enter(&e->out.gate, &d->party, GATE_EVENTS);
}

static void
send_events(struct engine *e, struct engine_device *d)
{
	uint32_t count;
	const void *events;
	size_t len;

	if (!child_peek(d->child, &count, &events, &len))
		return;
	if (eventlink_register(&e->link, count, events, len, NULL, NULL) < 0)
		child_violate(d->child, "registered more than the link holds", NULL, 0);
	else if (e->watch.on_registered)
		e->watch.on_registered(e->watch.arg, d->child, count, events, len);
	child_took(d->child);
	if (child_has_pending(d->child))
		gate_enter(&e->out.gate, &d->party, GATE_EVENTS);
}

/* --- what devices ask --- */

static void
enter_query(struct engine *e, struct engine_device *d)
{
	struct eventer_types types;

	if (!d->party.asking && child_peek_query(d->child, &types))
		gate_enter(&e->out.gate, &d->party, GATE_QUERIES);
}

void
engine_on_query(struct engine *e, struct engine_device *d)
{
	struct eventer_types types;
	struct child_query *q;

	if (eventlink_state(&e->link) == LINK_UP)
		enter_query(e, d);
	else
		while ((q = child_peek_query(d->child, &types)))
			child_answer_query(q, NULL, link_lost);
}

static void
on_device_answer(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct engine_asked *a = arg;
	struct engine *e = a->engine;
	struct engine_device *d = a->device;
	struct child_query *q = a->query;

	if (events && eventer_events_more(events)) {
		if (q)
			child_answer_query(q, events, error);
		return;
	}
	gate_answered(&e->out.gate, d ? &d->party : NULL, a->since, monotime_now());
	*a = (struct engine_asked){ 0 };
	if (q)
		child_answer_query(q, events, error);
	if (d)
		enter_query(e, d);
}

void
engine_forget_query(struct engine *e, struct child_query *q)
{
	for (size_t i = 0; i < GATE_MAX_ASKED; i++)
		if (e->out.asked[i].query == q)
			e->out.asked[i].query = NULL;
}

static void
send_query(struct engine *e, struct engine_device *d)
{
	struct engine_asked *a = e->out.asked;
	struct eventer_types types;
	struct child_query *q = child_peek_query(d->child, &types);

	if (!q)
		return;
	while (a->engine)
		a++;
	struct eventer_query query = latest(types.count);
	query.types.bytes = types.bytes;
	if (eventlink_query(&e->link, &query, on_device_answer, a) < 0) {
		child_answer_query(q, NULL, strerror(errno));
		enter_query(e, d);
		return;
	}
	*a = (struct engine_asked){ e, d, q, monotime_now() };
	child_sent_query(q);
	gate_asked(&e->out.gate, &d->party);
}

/* --- the gate --- */

/* A server that reads as fast as devices register would hold up everybody else. */
static bool
has_time(struct engine *e)
{
	struct engine_out *out = &e->out;

	if (ev_iteration(e->loop) != out->iteration || out->until.ns == 0) {
		out->iteration = ev_iteration(e->loop);
		out->until = monotime_add_ms(monotime_now(), ENGINE_PUMP_MS);
		return true;
	}
	return monotime_cmp(monotime_now(), out->until) < 0;
}

/* A failure is an answer too: the server read all that was before it. */
static void
on_mark_answer(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct engine *e = arg;

	(void)events, (void)error;
	window_answered(&e->out.window, monotime_now());
}

static void
put_mark(struct engine *e)
{
	struct window *w = &e->out.window;

	if (window_wants_mark(w, eventlink_put(&e->link)) &&
	    eventlink_register(&e->link, 0, "", 0, on_mark_answer, e) == 0)
		window_marked(w, eventlink_put(&e->link), monotime_now());
}

/* What the gate may count on: a window that is full is a link without room for devices. */
static size_t
unsent(struct engine *e)
{
	size_t bytes = eventlink_unsent(&e->link);

	put_mark(e);
	return bytes < GATE_ROOM && !window_has_room(&e->out.window, eventlink_put(&e->link))
		   ? GATE_ROOM
		   : bytes;
}

void
engine_out_open(struct engine *e)
{
	window_open(&e->out.window, eventlink_put(&e->link));
}

void
engine_pump(struct engine *e)
{
	struct engine_out *out = &e->out;
	struct gate_party *p;
	enum gate_ring ring;
	bool late = false;

	while (eventlink_state(&e->link) == LINK_UP && !(late = !has_time(e)) &&
	       (p = gate_next(&out->gate, unsent(e), monotime_now(), &ring))) {
		if (!p->is_device)
			send_message(e, p->owner, ring);
		else if (ring == GATE_EVENTS)
			send_events(e, p->owner);
		else
			send_query(e, p->owner);
	}
	if (gate_wants_room(&out->gate, eventlink_unsent(&e->link)))
		eventlink_want_room(&e->link);
	struct monotime wakes = gate_wakes(&out->gate);
	ev_timer_stop(e->loop, &out->wake);
	if (late && gate_waits(&out->gate)) {
		ev_timer_set(&out->wake, 0., 0.);
		ev_timer_start(e->loop, &out->wake);
	} else if (wakes.ns) {
		int64_t ms = monotime_diff_ms(wakes, monotime_now());
		ev_timer_set(&out->wake, ms < 0 ? 0. : (double)(ms + 1) / 1e3, 0.);
		ev_timer_start(e->loop, &out->wake);
	}
}

/* The loop wakes, and pumps before it waits again. */
static void
on_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
}

bool
engine_out_is_empty(const struct engine *e)
{
	return !gate_waits(&e->out.gate);
}

void
engine_out_init(struct engine *e)
{
	ev_timer_init(&e->out.wake, on_wake, 0., 0.);
}

static void
drop_device(struct engine *e, struct engine_device *d)
{
	gate_forget(&e->out.gate, &d->party);
	child_drop_pending(d->child);
	d->party.asking = false;
}

/* Drops the pending events of removed devices too: such a device may come back, and it enters the
 * ring only with its first pending event. */
void
engine_out_drop(struct engine *e)
{
	struct engine_asked asked[GATE_MAX_ASKED];

	ev_timer_stop(e->loop, &e->out.wake);
	gate_reset(&e->out.gate);
	for (size_t i = 0; i < e->device_count; i++)
		drop_device(e, e->devices[i]);
	for (struct engine_device *d = e->removed; d; d = d->next_removed)
		drop_device(e, d);
	memcpy(asked, e->out.asked, sizeof(asked));
	memset(e->out.asked, 0, sizeof(e->out.asked));
	for (size_t i = 0; i < GATE_MAX_ASKED; i++)
		if (asked[i].query)
			child_answer_query(asked[i].query, NULL, link_lost);
	while (e->out.messages) {
		tell(e->out.messages, NULL, link_lost);
		message_free(e->out.messages);
	}
}

void
engine_out_forget(struct engine *e, struct engine_device *d)
{
	gate_forget(&e->out.gate, &d->party);
	for (size_t i = 0; i < GATE_MAX_ASKED; i++)
		if (e->out.asked[i].device == d)
			e->out.asked[i].device = NULL;
}
