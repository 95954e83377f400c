/* The events of a child: to its runner, and from it until the link takes them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "ipc/event.h"
#include "supervisor/child/child.h"

struct chunk {
	uint32_t count, len;
	uint64_t cost;
};

/* --- events to the runner --- */

static void
pack_event(msgpack_packer *p, const struct eventer_event *e, size_t prefix_count)
{
	msgpack_pack_array(p, 4);
	msgpack_pack_array(p, e->type.count - prefix_count);
	for (size_t i = prefix_count; i < e->type.count; i++)
		ipc_pack_text(p, e->type.segments[i].p, e->type.segments[i].len);
	ipc_pack_timestamp(p, &e->timestamp);
	ipc_pack_timestamp(p, e->source.set ? &e->source.t : NULL);
	if (e->payload.kind == EVENTER_PAYLOAD_JSON) {
		ipc_pack_text(p, e->payload.data.p, e->payload.data.len);
	} else if (e->payload.kind == EVENTER_PAYLOAD_BINARY) {
		msgpack_pack_array(p, 2);
		ipc_pack_text(p, e->payload.type.p, e->payload.type.len);
		msgpack_pack_bin(p, e->payload.data.len);
		msgpack_pack_bin_body(p, e->payload.data.p, e->payload.data.len);
	} else {
		msgpack_pack_nil(p);
	}
}

/* What the contract's limits do not let through to a runner. */
static const char *
event_refused(const struct eventer_event *e, size_t prefix_count)
{
	if (e->type.cut || e->type.count <= prefix_count ||
	    e->type.count - prefix_count > IPC_MAX_SEGMENTS)
		return "too many segments in its type";
	for (size_t i = prefix_count; i < e->type.count; i++)
		if (e->type.segments[i].len > IPC_MAX_TEXT)
			return "a segment of its type is too long";
	if (e->payload.type.len > IPC_MAX_TEXT ||
	    e->rest.len + e->type.raw.len > IPC_MAX_EVENT - 64)
		return "too long";
	return NULL;
}

static bool
append_event(struct child *c, const struct eventer_event *e)
{
	const char *why = event_refused(e, c->prefix.count);

	if (why) {
		c->dropped++;
		log_write(LOG_LEVEL_WARNING, c->conf->label, "event_dropped",
		    "an event for it was dropped: %s", why);
		return false;
	}
	pack_event(&c->events_packer, e, c->prefix.count);
	c->events_count++;
	return true;
}

bool
child_owns_event(const struct child *c, const struct eventer_event *e)
{
	size_t skip = sbs_int_size((int64_t)e->type.count);

	return e->type.count > c->prefix.count && e->type.raw.len > skip + c->prefix.bytes.len &&
	       memcmp(e->type.raw.p + skip, c->prefix.bytes.p, c->prefix.bytes.len) == 0;
}

void
child_put_event(struct child *c, const struct eventer_event *e)
{
	if (!c->pid || c->gone || !(c->channel.phase & PHASE_RUN)) {
		c->dropped++;
		return;
	}
	if (c->events.len + e->rest.len + e->type.raw.len + 64 > CHILD_EVENTS_MESSAGE)
		child_flush_events(c);
	if (append_event(c, e))
		c->delivered++;
}

static void
send_or_kill(struct child *c)
{
	if (channel_send(&c->channel, -1) == 0 || errno == EPIPE)
		return;
	snprintf(c->violation, sizeof(c->violation), "%s",
	    errno == ENOBUFS ? "does not read its socket" : strerror(errno));
	child_step(c, CHILD_VIOLATION);
}

void
child_flush_events(struct child *c)
{
	if (c->events_count == 0)
		return;
	msgpack_pack_array(channel_begin(&c->channel, IPC_EVENTS, 0), c->events_count);
	buffer_append(&c->channel.out, buffer_data(&c->events), c->events.len);
	buffer_reset(&c->events);
	c->events_count = 0;
	send_or_kill(c);
}

void
child_send_query_page(struct child *c, uint32_t id, bool more)
{
	msgpack_packer *p = channel_begin(&c->channel, IPC_QUERY_RESULT, id);

	msgpack_pack_array(p, 2);
	if (more)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	msgpack_pack_array(p, c->events_count);
	buffer_append(&c->channel.out, buffer_data(&c->events), c->events.len);
	buffer_reset(&c->events);
	c->events_count = 0;
	channel_is_answer(&c->channel);
	send_or_kill(c);
}

void
child_answer_query(struct child_query *q, struct eventer_events_iter *events)
{
	struct child *c = q->child;
	struct eventer_event e;

	q->child = NULL;
	if (!c || !c->pid)
		return;
	child_flush_events(c);
	while (eventer_events_next(events, &e)) {
		if (!child_owns_event(c, &e))
			continue;
		if (c->events.len + e.rest.len + e.type.raw.len + 64 > CHILD_EVENTS_MESSAGE)
			child_send_query_page(c, q->id, true);
		append_event(c, &e);
	}
	child_send_query_page(c, q->id, false);
}

/* --- events from the runner --- */

/* Room for a chunk's head; its bytes follow, then end_chunk(). */
static size_t
begin_chunk(struct child *c)
{
	struct chunk head = { 0 };

	buffer_append(&c->pending, &head, sizeof(head));
	return c->pending.len;
}

/* Out of room or memory: as it was. */
static void
undo_chunk(struct child *c, size_t before)
{
	c->pending.failed = false;
	buffer_truncate(&c->pending, before);
}

static void
end_chunk(struct child *c, size_t start, uint32_t count, uint64_t cost)
{
	struct chunk head = { count, (uint32_t)(c->pending.len - start), cost };

	memcpy(buffer_data(&c->pending) + start - sizeof(head), &head, sizeof(head));
	c->registered += count;
	c->outstanding += cost;
	if (start == sizeof(head))
		c->host->ops->on_pending(c->host->arg, c);
}

void
child_register(struct child *c, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json)
{
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON, .data = sbs_str(json) };
	size_t before = c->pending.len, start = begin_chunk(c);

	eventer_put_register_event(&c->pending, &c->prefix, segments, count, source, &payload);
	if (buffer_failed(&c->pending)) {
		undo_chunk(c, before);
		c->dropped++;
		log_write(LOG_LEVEL_ERROR, c->conf->label, "event_dropped",
		    "an event of ours was dropped: %zu bytes wait for the Event Server",
		    c->pending.len);
		return;
	}
	end_chunk(c, start, 1, 0);
}

bool
child_peek(struct child *c, uint32_t *count, const void **events, size_t *len)
{
	struct chunk head;

	if (c->pending.len == 0)
		return false;
	memcpy(&head, buffer_data(&c->pending), sizeof(head));
	*count = head.count;
	*events = buffer_data(&c->pending) + sizeof(head);
	*len = head.len;
	return true;
}

/* Credit goes back in quarters of the window, so that it costs no message an event. */
static void
return_credit(struct child *c, uint64_t cost)
{
	c->outstanding -= cost;
	c->to_return += cost;
	/* A runner may wait for the credit of one whole message. */
	bool wanted = c->to_return >= c->conf->limits.credit / 4 ||
		      (c->pending.len == 0 && c->credit < IPC_MAX_MESSAGE);
	if (!wanted || !c->pid || c->gone || !(c->channel.phase & PHASE_LATER))
		return;
	c->credit += (int64_t)c->to_return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_CREDIT, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, (uint32_t)c->to_return);
	c->to_return = 0;
	send_or_kill(c);
}

void
child_took(struct child *c)
{
	struct chunk head;

	memcpy(&head, buffer_data(&c->pending), sizeof(head));
	buffer_consume(&c->pending, sizeof(head) + head.len);
	return_credit(c, head.cost);
}

void
child_drop_pending(struct child *c)
{
	struct chunk head;

	while (c->pending.len) {
		memcpy(&head, buffer_data(&c->pending), sizeof(head));
		c->dropped += head.count;
		buffer_consume(&c->pending, sizeof(head) + head.len);
		return_credit(c, head.cost);
	}
}

/* One event of a REGISTER; what is wrong with it, or NULL. */
static const char *
take_event(struct child *c, struct cursor *in)
{
	struct ipc_event e;
	struct sbs_str segments[IPC_MAX_SEGMENTS];
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_NONE };
	const char *why = ipc_event_read(&e, in);

	if (why)
		return why;
	for (size_t i = 0; i < e.count; i++)
		segments[i] = (struct sbs_str){ e.segments[i].p, e.segments[i].len };
	if (!sbs_str_eq(segments[0], sbs_str("gateway")))
		return "an event that is not of source 'gateway'";
	if (e.payload == IPC_PAYLOAD_JSON) {
		payload.kind = EVENTER_PAYLOAD_JSON;
	} else if (e.payload == IPC_PAYLOAD_BINARY) {
		payload.kind = EVENTER_PAYLOAD_BINARY;
		payload.type = (struct sbs_str){ e.payload_type.p, e.payload_type.len };
	}
	if (e.payload != IPC_PAYLOAD_NONE)
		payload.data = (struct sbs_str){ e.data.p, e.data.len };
	eventer_put_register_event(
	    &c->pending, &c->prefix, segments, e.count, e.has_source ? &e.source : NULL, &payload);
	return NULL;
}

static const char *
take_events(struct child *c, const void *body, size_t len)
{
	struct cursor in = cursor_make(body, len);
	uint32_t count = ipc_events_begin(&in);
	/* The same sum as the runner's: the count is not part of it. */
	uint64_t cost = cursor_left(&in) + (uint64_t)count * IPC_EVENT_COST;
	const char *why = NULL;

	size_t before = c->pending.len, start = begin_chunk(c);
	for (uint32_t i = 0; i < count && !why; i++)
		why = take_event(c, &in);
	if (!why && !cursor_done(&in))
		why = "bytes after the message";
	c->credit -= (int64_t)cost;
	if (!why && c->credit < 0)
		why = "registered more than its credit";
	if (!why && buffer_failed(&c->pending))
		why = "events that outgrow their credit";
	if (why || count == 0) {
		undo_chunk(c, before);
		return why;
	}
	c->events_since_spawn += count;
	end_chunk(c, start, count, cost);
	return NULL;
}

void
child_on_register(void *arg, const void *body, size_t len)
{
	struct cursor in = cursor_make(body, len);
	const char *why = NULL;

	/* What costs credit is paid for. */
	if (ipc_events_begin(&in) == 0 && child_is_flood(arg, len))
		why = "a flood of messages";
	else
		why = take_events(arg, body, len);
	if (why)
		child_violate(arg, why, body, len);
}
