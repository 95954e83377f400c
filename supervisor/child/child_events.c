/* The events of a child between its runner and the link. */
#include <errno.h>
#include <string.h>

#include "ipc/event.h"
#include "supervisor/child/child_private.h"

/* --- to the runner --- */

bool
child_owns_event(const struct child *c, const struct eventer_event *e)
{
	return uplink_owns_event(&c->uplink, e);
}

static bool
add_event(struct child *c, const struct eventer_event *e)
{
	const char *why = uplink_add(&c->uplink, e);

	if (!why)
		return true;
	c->stats.dropped++;
	log_write(LOG_LEVEL_WARNING, c->conf->label, "event_dropped",
	    "dropped an event for the runner: %s", why);
	return false;
}

void
child_put_event(struct child *c, const struct eventer_event *e)
{
	if (!child_is_alive(c) || c->gone || !(c->channel.phase & PHASE_RUN)) {
		c->stats.dropped++;
		return;
	}
	if (uplink_is_full(&c->uplink, e))
		child_flush_events(c);
	if (add_event(c, e))
		c->stats.delivered++;
}

void
child_flush_events(struct child *c)
{
	if (c->uplink.events_count == 0)
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_EVENTS, 0);
	uplink_pack_events(&c->uplink, p, &c->channel.out);
	child_sent(c, channel_send(&c->channel, -1));
}

/* --- queries --- */

/* Sends the events that wait for the runner as a page of a query's answer. error: of the last page,
 * or NULL. */
static void
send_query_page(struct child *c, uint32_t id, bool more, const char *error)
{
	msgpack_packer *p = channel_begin(&c->channel, IPC_QUERY_RESULT, id);

	msgpack_pack_array(p, 3);
	if (more)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	uplink_pack_events(&c->uplink, p, &c->channel.out);
	if (error)
		ipc_pack_reason(p, error);
	else
		msgpack_pack_nil(p);
	channel_is_answer(&c->channel);
	child_sent(c, channel_send(&c->channel, -1));
}

void
child_answer_query(struct child_query *q, struct eventer_events_iter *events, const char *error)
{
	struct child *c = q->child;
	uint32_t id = q->id;
	bool more = events && eventer_events_more(events);
	struct eventer_event e;

	if (!more)
		uplink_end_query(q);
	if (!c || !child_is_alive(c))
		return;
	child_flush_events(c);
	while (events && eventer_events_next(events, &e)) {
		if (!child_owns_event(c, &e))
			continue;
		if (uplink_is_full(&c->uplink, &e))
			send_query_page(c, id, true, NULL);
		add_event(c, &e);
	}
	/* What is notified meanwhile is none of the answer. */
	send_query_page(c, id, more, more ? NULL : error);
	if (more)
		return;
	process_step(c->process, uplink_query_bytes(&c->uplink) ? CHILD_ASKED : CHILD_ANSWERED);
}

struct child_query *
child_peek_query(struct child *c, struct eventer_types *types)
{
	struct child_query *q = uplink_waiting_query(&c->uplink);

	if (q)
		*types = (struct eventer_types){ q->count,
			{ (const char *)buffer_data(&q->types), q->types.len } };
	return q;
}

void
child_sent_query(struct child_query *q)
{
	buffer_clear(&q->types);
	q->sent = true;
}

static void
put_query_types(const struct child *c, struct buffer *b, const msgpack_object *body)
{
	for (uint32_t i = 0; i < body->via.array.size; i++) {
		const msgpack_object_array *type = &body->via.array.ptr[i].via.array;
		sbs_put_int(b, (int64_t)(c->prefix.count + type->size));
		buffer_append(b, c->prefix.bytes.p, c->prefix.bytes.len);
		for (uint32_t k = 0; k < type->size; k++)
			sbs_put_str(b, (struct sbs_str){
					   type->ptr[k].via.str.ptr, type->ptr[k].via.str.size });
	}
}

const char *
child_on_query(struct child *c, uint32_t id, const msgpack_object *body)
{
	if (body->via.array.size > IPC_MAX_QUERY_TYPES)
		return "a query of more than 64 types";
	struct child_query *q = uplink_begin_query(&c->uplink, c, id);
	if (!q)
		return "too many queries at once";
	if (child_state(c) == CHILD_STOPPING) {
		uplink_end_query(q);
		return NULL;
	}
	put_query_types(c, &q->types, body);
	q->count = body->via.array.size;
	q->size = q->types.len;
	if (buffer_failed(&q->types) || uplink_query_bytes(&c->uplink) > IPC_MAX_QUERY_BYTES) {
		uplink_end_query(q);
		return "queries of more than 128 KiB at once";
	}
	process_step(c->process, CHILD_ASKED);
	if (c->host->ops->on_query)
		c->host->ops->on_query(c->host->arg, c);
	else
		child_answer_query(q, NULL, "no queries during a check");
	return NULL;
}

/* --- from the runner --- */

static void
count_pending(struct child *c, uint32_t count, bool was_empty)
{
	c->stats.registered += count;
	if (was_empty)
		c->host->ops->on_pending(c->host->arg, c);
}

static void return_credit(struct child *c);

/* Once for the device. */
static void
note_refused(struct child *c, uint64_t refused)
{
	if (refused == 0)
		return;
	if (c->uplink.types.refused == refused)
		log_write(LOG_LEVEL_WARNING, c->conf->label, "types",
		    "it has registered %zu event types (limits.types): events of others are "
		    "dropped",
		    c->uplink.types.count);
	c->stats.dropped += refused;
	return_credit(c);
}

void
child_on_register(void *arg, const void *body, size_t len)
{
	struct child *c = arg;
	struct cursor in = cursor_make(body, len);
	bool was_empty = !child_has_pending(c);
	uint64_t refused = c->uplink.types.refused;
	uint32_t count = 0;
	const char *why = NULL;

	/* Messages that cost credit are paid for. */
	if (ipc_events_begin(&in) == 0 && child_is_flood(c, len))
		why = "a flood of messages";
	else
		why = uplink_take(&c->uplink, body, len, &count);
	note_refused(c, c->uplink.types.refused - refused);
	if (why) {
		child_violate(c, why, body, len);
	} else if (count) {
		c->stats.registered_in_life += count;
		count_pending(c, count, was_empty);
	}
}

void
child_register(struct child *c, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json)
{
	bool was_empty = !child_has_pending(c);

	if (uplink_put(&c->uplink, segments, count, source, json)) {
		count_pending(c, 1, was_empty);
		return;
	}
	c->stats.dropped++;
	log_write(LOG_LEVEL_ERROR, c->conf->label, "event_dropped",
	    "dropped an event of the gateway: %zu bytes wait for the Event Server",
	    c->uplink.pending.len);
}

void
child_count_registered(struct child *c)
{
	c->stats.registered++;
}

bool
child_has_pending(const struct child *c)
{
	return c->uplink.pending.len != 0;
}

bool
child_peek(const struct child *c, uint32_t *count, const void **events, size_t *len)
{
	return uplink_peek(&c->uplink, count, events, len);
}

static void
return_credit(struct child *c)
{
	if (!child_is_alive(c) || c->gone || !(c->channel.phase & PHASE_LATER))
		return;
	uint32_t credit = uplink_return_credit(&c->uplink);
	if (credit == 0)
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_CREDIT, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, credit);
	child_sent(c, channel_send(&c->channel, -1));
}

void
child_took(struct child *c)
{
	uplink_took(&c->uplink);
	return_credit(c);
}

void
child_drop_pending(struct child *c)
{
	while (child_has_pending(c)) {
		c->stats.dropped += uplink_took(&c->uplink);
		return_credit(c);
	}
}
