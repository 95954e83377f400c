/* The runtime's traffic of events: batches, credit, queries. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/runtime/runner_private.h"
#include "ipc/event.h"

void
runner_events_init(struct runner *r)
{
	buffer_init(&r->batch, 2 * IPC_MAX_MESSAGE);
	buffer_init(&r->waiting, RUNNER_MAX_WAITING);
	buffer_init(&r->payload, IPC_MAX_EVENT);
}

void
runner_events_clear(struct runner *r)
{
	buffer_clear(&r->batch);
	buffer_clear(&r->waiting);
	buffer_clear(&r->payload);
}

static uint64_t
batch_cost(size_t len, uint32_t count)
{
	return len + (uint64_t)count * IPC_EVENT_COST;
}

/* Sends a REGISTER of count packed events when the credit allows it. */
static bool
send_batch(struct runner *r, const void *events, size_t len, uint32_t count)
{
	uint64_t cost = batch_cost(len, count);

	if (cost > r->credit)
		return false;
	r->credit -= cost;
	msgpack_pack_array(channel_begin(&r->channel, IPC_REGISTER, 0), count);
	buffer_append(&r->channel.out, events, len);
	runner_sent(r, channel_send(&r->channel, -1));
	return true;
}

static uint32_t
read_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void
send_waiting(struct runner *r)
{
	while (r->waiting.len) {
		const uint8_t *p = buffer_data(&r->waiting);
		uint32_t len = read_u32(p);
		if (!send_batch(r, p + 8, len, read_u32(p + 4)))
			return;
		buffer_consume(&r->waiting, 8 + len);
	}
}

/* The batch leaves, or joins the queue behind what waits. */
static void
end_batch(struct runner *r)
{
	uint32_t head[2] = { (uint32_t)r->batch.len, r->batch_count };

	if (r->batch_count == 0)
		return;
	if (r->waiting.len ||
	    !send_batch(r, buffer_data(&r->batch), r->batch.len, r->batch_count)) {
		size_t before = r->waiting.len;
		buffer_append(&r->waiting, head, sizeof(head));
		buffer_append(&r->waiting, buffer_data(&r->batch), r->batch.len);
		if (buffer_failed(&r->waiting)) {
			/* The end flushes too: nothing may be left to fail again. */
			r->waiting.failed = false;
			buffer_truncate(&r->waiting, before);
			buffer_reset(&r->batch);
			r->batch_count = 0;
			runner_fail(r, "registered more than %d bytes of events without credit",
			    RUNNER_MAX_WAITING);
		}
	}
	buffer_reset(&r->batch);
	r->batch_count = 0;
}

void
runner_events_flush(struct runner *r)
{
	end_batch(r);
	if (r->waiting.len)
		r->was_congested = true;
}

void
runner_on_credit(struct runner *r, uint32_t credit)
{
	/* Events may have begun to wait in this turn of the loop, and the device to pause. */
	r->was_congested |= r->waiting.len > 0;
	r->credit += credit;
	send_waiting(r);
	if (r->was_congested && r->waiting.len == 0) {
		r->was_congested = false;
		if (r->type->on_credit && r->started && !r->stopping)
			r->type->on_credit(r->device);
	}
}

bool
runner_congested(const struct runner *r)
{
	return r->waiting.len > 0;
}

/* Sends the events before `start` first where both parts do not fit into one message. */
static void
split_batch(struct runner *r, size_t start)
{
	struct buffer last;
	size_t size = r->batch.len - start;

	if (start == 0 || batch_cost(r->batch.len, r->batch_count + 1) <= RUNNER_BATCH_COST)
		return;
	buffer_init(&last, IPC_MAX_EVENT);
	buffer_append(&last, buffer_data(&r->batch) + start, size);
	buffer_truncate(&r->batch, start);
	end_batch(r);
	buffer_append(&r->batch, buffer_data(&last), last.len);
	buffer_clear(&last);
}

/* Puts the event behind the batch; false when it is over the limit. */
static bool
append_event(struct runner *r, const struct ipc_event *e)
{
	uint8_t *room = buffer_reserve(&r->batch, ipc_event_bound(e));

	if (!room) {
		r->batch.failed = false;
		return false;
	}
	size_t size = (size_t)(ipc_event_write(e, room) - room);
	if (size > IPC_MAX_EVENT)
		return false;
	buffer_commit(&r->batch, size);
	return true;
}

/* Fills in the type; false for a segment that subscribers take for a pattern. */
static bool
put_type(struct ipc_event *e, const char *const type[], size_t type_len)
{
	e->count = type_len;
	for (size_t i = 0; i < type_len && i < IPC_MAX_SEGMENTS; i++) {
		e->segments[i] = (struct ipc_text){ type[i], strlen(type[i]) };
		if ((type[i][0] == '?' || type[i][0] == '*') && type[i][1] == '\0')
			return false;
	}
	return true;
}

void
runner_register(struct runner *r, const char *const type[], size_t type_len,
    const struct timestamp *source_ts, const char *json, size_t len)
{
	size_t start = r->batch.len;
	/* What ipc_event_write() reads of it is set below: to clear all of it, for each event,
	 * would cost more than the rest. */
	__attribute__((uninitialized)) struct ipc_event e;

	if (!put_type(&e, type, type_len)) {
		log_warning("dropped an event of type %s/%s/...: a segment of it is '?' or '*'",
		    type[0], type_len > 1 ? type[1] : "");
		return;
	}
	e.has_source = source_ts != NULL;
	e.payload = json ? IPC_PAYLOAD_JSON : IPC_PAYLOAD_NONE;
	e.data = (struct ipc_text){ json, json ? len : 0 };
	if (source_ts)
		e.source = *source_ts;
	if (type_len == 0 || type_len > IPC_MAX_SEGMENTS || !append_event(r, &e)) {
		log_warning(
		    "dropped an event of type %s/%s/...: it has %zu bytes and %zu segments, "
		    "%d and %d are allowed",
		    type_len > 0 ? type[0] : "", type_len > 1 ? type[1] : "", e.data.len, type_len,
		    IPC_MAX_EVENT, IPC_MAX_SEGMENTS);
		return;
	}
	split_batch(r, start);
	r->batch_count++;
}

struct json_writer *
runner_payload(struct runner *r)
{
	buffer_reset(&r->payload);
	r->payload_writer = (struct json_writer){ &r->payload, false };
	return &r->payload_writer;
}

void
runner_register_payload(
    struct runner *r, const char *const type[], size_t type_len, const struct timestamp *source_ts)
{
	if (buffer_failed(&r->payload)) {
		log_warning("dropped an event of type %s/%s/...: more than %d bytes", type[0],
		    type_len > 1 ? type[1] : "", IPC_MAX_EVENT);
		return;
	}
	runner_register(
	    r, type, type_len, source_ts, (const char *)buffer_data(&r->payload), r->payload.len);
}

/* Texts of an event with their NULs; static, as one event is looked at at a time. */
static bool
copy_type(const msgpack_object *type, struct runner_event *e)
{
	static char text[IPC_MAX_SEGMENTS][IPC_MAX_TEXT + 1];
	static const char *segments[IPC_MAX_SEGMENTS];

	e->type = segments;
	e->type_len = type->via.array.size;
	for (size_t i = 0; i < e->type_len; i++) {
		const msgpack_object_str *s = &type->via.array.ptr[i].via.str;
		if (s->size && memchr(s->ptr, '\0', s->size))
			return false;
		ipc_copy_text(text[i], sizeof(text[i]), s);
		segments[i] = text[i];
	}
	return true;
}

static void
read_payload(const msgpack_object *o, struct runner_event *e)
{
	if (o->type == MSGPACK_OBJECT_STR) {
		e->payload = RUNNER_PAYLOAD_JSON;
		e->data = o->via.str.ptr;
		e->len = o->via.str.size;
	} else if (o->type == MSGPACK_OBJECT_ARRAY) {
		e->payload = RUNNER_PAYLOAD_BINARY;
		e->data = o->via.array.ptr[1].via.bin.ptr;
		e->len = o->via.array.ptr[1].via.bin.size;
	}
}

bool
runner_event_is_true(const struct runner_event *event)
{
	const char *space = " \t\r\n";
	size_t from = 0, to = event->len;

	if (event->payload != RUNNER_PAYLOAD_JSON)
		return false;
	while (from < to && strchr(space, event->data[from]))
		from++;
	while (to > from && strchr(space, event->data[to - 1]))
		to--;
	return to - from == 4 && memcmp(event->data + from, "true", 4) == 0;
}

void
runner_each_event(const msgpack_object *events, runner_query_cb *cb, void *arg)
{
	for (uint32_t i = 0; i < events->via.array.size; i++) {
		const msgpack_object *f = events->via.array.ptr[i].via.array.ptr;
		struct runner_event e = { .timestamp = ipc_timestamp(&f[1]) };
		if (!copy_type(&f[0], &e)) {
			log_warning("dropped an event: its type has a NUL");
			continue;
		}
		e.has_source_timestamp = f[2].type == MSGPACK_OBJECT_ARRAY;
		if (e.has_source_timestamp)
			e.source_timestamp = ipc_timestamp(&f[2]);
		read_payload(&f[3], &e);
		cb(arg, &e);
	}
}

void
runner_query(struct runner *r, const struct runner_type types[], size_t count, runner_query_cb *cb,
    void *arg)
{
	runner_query_or(r, types, count, cb, NULL, arg);
}

void
runner_query_or(struct runner *r, const struct runner_type types[], size_t count,
    runner_query_cb *cb, runner_query_failed *failed, void *arg)
{
	size_t slot = 0;

	if (count > IPC_MAX_QUERY_TYPES)
		runner_fail(r, "a query of more than %d types", IPC_MAX_QUERY_TYPES);
	while (slot < IPC_MAX_ASKED && r->queries[slot].id)
		slot++;
	if (slot == IPC_MAX_ASKED)
		runner_fail(r, "more than %d queries at once", IPC_MAX_ASKED);
	r->queries[slot] = (struct query_request){ ++r->last_id, cb, failed, arg };
	msgpack_packer *p = channel_begin(&r->channel, IPC_QUERY, r->last_id);
	msgpack_pack_array(p, count);
	for (size_t i = 0; i < count; i++) {
		msgpack_pack_array(p, types[i].len);
		for (size_t k = 0; k < types[i].len; k++)
			ipc_pack_str(p, types[i].segments[k]);
	}
	if (channel_length(&r->channel) > IPC_MAX_MESSAGE)
		runner_fail(r, "a query of more than %d bytes", IPC_MAX_MESSAGE);
	runner_sent(r, channel_send(&r->channel, -1));
}

static void
end_query(struct runner *r, const struct query_request *q, const msgpack_object *error)
{
	char why[IPC_MAX_TEXT + 1];

	if (error->type != MSGPACK_OBJECT_STR) {
		q->cb(q->arg, NULL);
		return;
	}
	ipc_copy_text(why, sizeof(why), &error->via.str);
	if (!q->failed)
		runner_fail(r, "the query of the latest events failed: %s", why);
	q->failed(q->arg, why);
}

void
runner_on_query_result(struct runner *r, uint32_t id, const msgpack_object *body)
{
	const msgpack_object *f = body->via.array.ptr;

	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		struct query_request q = r->queries[i];
		if (q.id != id || id == 0)
			continue;
		runner_each_event(&f[1], q.cb, q.arg);
		if (f[0].via.boolean)
			return;
		r->queries[i].id = 0;
		end_query(r, &q, &f[2]);
		return;
	}
}
