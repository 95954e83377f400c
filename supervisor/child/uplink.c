#include "supervisor/child/uplink.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/event.h"

/* Bytes that may be pending beyond the runner's credit: our own events, and the prefix of each. */
enum { PENDING_SLACK = 64 * 1024, PENDING_FACTOR = 8 };
/* Bytes from which a chunk is not added to: what one device puts onto the link in its turn. */
enum { UPLINK_CHUNK = 8 * 1024 };

struct chunk {
	uint32_t count, len;
	uint64_t cost;
};

static int
events_write(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0;
}

static size_t
pending_limit(uint32_t window)
{
	return (size_t)window * PENDING_FACTOR + PENDING_SLACK;
}

void
uplink_init(struct uplink *u, const struct eventer_prefix *prefix, uint32_t window)
{
	*u = (struct uplink){ .prefix = prefix, .window = window, .max_types = SIZE_MAX };
	buffer_init(&u->pending, pending_limit(window));
	buffer_init(&u->events, IPC_MAX_MESSAGE);
	msgpack_packer_init(&u->packer, &u->events, events_write);
}

void
uplink_clear(struct uplink *u)
{
	buffer_clear(&u->pending);
	buffer_clear(&u->events);
	hash_set_clear(&u->types);
	while (u->queries)
		uplink_end_query(u->queries);
}

void
uplink_set_window(struct uplink *u, uint32_t window)
{
	if (window > u->window)
		u->to_return += window - u->window;
	u->window = window;
	/* Never below what it holds. */
	if (pending_limit(window) > u->pending.limit)
		u->pending.limit = pending_limit(window);
}

void
uplink_set_types(struct uplink *u, size_t max)
{
	u->max_types = max;
}

uint32_t
uplink_begin(struct uplink *u)
{
	/* A reload may have made the window smaller than what is pending. */
	u->credit = u->outstanding < u->window ? (int64_t)(u->window - u->outstanding) : 0;
	u->to_return = 0;
	return (uint32_t)u->credit;
}

/* --- from the runner --- */

/* Room for a chunk's head; its bytes follow, then end_chunk(). */
static size_t
begin_chunk(struct uplink *u)
{
	struct chunk head = { 0 };

	buffer_append(&u->pending, &head, sizeof(head));
	return u->pending.len;
}

/* Out of room or memory: as it was. */
static void
undo_chunk(struct uplink *u, size_t before)
{
	u->pending.failed = false;
	buffer_truncate(&u->pending, before);
}

static void
end_chunk(struct uplink *u, size_t start, uint32_t count, uint64_t cost)
{
	struct chunk head = { count, (uint32_t)(u->pending.len - start), cost };

	memcpy(buffer_data(&u->pending) + start - sizeof(head), &head, sizeof(head));
	u->outstanding += cost;
}

bool
uplink_put(struct uplink *u, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json)
{
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON, .data = sbs_str(json) };
	size_t before = u->pending.len, start = begin_chunk(u);

	eventer_put_register_event(&u->pending, u->prefix, segments, count, source, &payload);
	if (buffer_failed(&u->pending)) {
		undo_chunk(u, before);
		return false;
	}
	end_chunk(u, start, 1, 0);
	return true;
}

static bool
has_nul(const struct sbs_str *segments, size_t count)
{
	bool nul = false;

	for (size_t i = 0; i < count; i++)
		nul |= memchr(segments[i].p, '\0', segments[i].len) != NULL;
	return nul;
}

/* The fault in the type of an event that a runner registers, or NULL; its segments for the Event
 * Server. Subscribers would take the segments '?' and '*' for patterns, and programs in C cut a
 * segment at a NUL. */
static const char *
check_type(const struct ipc_event *e, struct sbs_str *segments)
{
	bool pattern = false;

	for (size_t i = 0; i < e->count; i++) {
		const struct ipc_text *s = &e->segments[i];
		segments[i] = (struct sbs_str){ s->p, s->len };
		pattern |= s->len == 1 && (s->p[0] == '?' || s->p[0] == '*');
	}
	if (!sbs_str_eq(segments[0], sbs_str("gateway")))
		return "an event that is not of source 'gateway'";
	if (e->count == 2 && sbs_str_eq(segments[1], sbs_str("running")))
		return "the event gateway/running, which only the gateway registers";
	if (pattern)
		return "an event type with a segment '?' or '*'";
	return e->plain || !has_nul(segments, e->count) ? NULL : "an event type with a NUL";
}

/* One event of a REGISTER, known: the payload of an earlier one; what is wrong with it, or NULL. */
static const char *
take_event(struct uplink *u, struct cursor *in, struct ipc_text *known, uint32_t *kept)
{
	/* Static: the compiler would clear them for each event. */
	static struct ipc_event e;
	static struct sbs_str segments[IPC_MAX_SEGMENTS];
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_NONE };
	const char *why = ipc_event_read(&e, in, known);

	if (why || (why = check_type(&e, segments)))
		return why;
	uint64_t hash = hash_add(hash_begin(), e.type.p, e.type.len);
	if (!hash_set_admit(&u->types, hash, u->max_types))
		return NULL;
	++*kept;
	if (e.payload == IPC_PAYLOAD_JSON) {
		payload.kind = EVENTER_PAYLOAD_JSON;
	} else if (e.payload == IPC_PAYLOAD_BINARY) {
		payload.kind = EVENTER_PAYLOAD_BINARY;
		payload.type = (struct sbs_str){ e.payload_type.p, e.payload_type.len };
	}
	if (e.payload != IPC_PAYLOAD_NONE)
		payload.data = (struct sbs_str){ e.data.p, e.data.len };
	eventer_put_register_event(
	    &u->pending, u->prefix, segments, e.count, e.has_source ? &e.source : NULL, &payload);
	return NULL;
}

/* The events of a REGISTER, in chunks of which the last one is open from *start on, after *ended
 * events; or what is wrong with one. */
static const char *
take_events(struct uplink *u, struct cursor *in, uint32_t sent, uint32_t *kept, size_t *start,
    uint32_t *ended)
{
	struct ipc_text known = { 0 };
	const char *why = NULL;

	for (uint32_t i = 0; i < sent && !why; i++) {
		if (u->pending.len - *start >= UPLINK_CHUNK && !buffer_failed(&u->pending)) {
			end_chunk(u, *start, *kept - *ended, 0);
			*ended = *kept;
			*start = begin_chunk(u);
		}
		why = take_event(u, in, &known, kept);
	}
	return why;
}

const char *
uplink_take(struct uplink *u, const void *body, size_t len, uint32_t *count)
{
	struct cursor in = cursor_make(body, len);

	/* The same sum as the runner's: the count is not part of it. */
	uint32_t sent = ipc_events_begin(&in), ended = 0;
	uint64_t cost = cursor_left(&in) + (uint64_t)sent * IPC_EVENT_COST;
	size_t before = u->pending.len, start = begin_chunk(u);
	*count = 0;
	const char *why = take_events(u, &in, sent, count, &start, &ended);
	if (!why && !cursor_done(&in))
		why = "bytes after the message";
	u->credit -= (int64_t)cost;
	if (!why && u->credit < 0)
		why = "registered more than its credit";
	if (!why && buffer_failed(&u->pending))
		why = "events larger than its credit";
	if (why || *count == 0)
		undo_chunk(u, before);
	else
		end_chunk(u, start, *count - ended, cost);
	if (!why && *count == 0)
		u->to_return += cost;
	return why;
}

bool
uplink_peek(const struct uplink *u, uint32_t *count, const void **events, size_t *len)
{
	struct chunk head;

	if (u->pending.len == 0)
		return false;
	memcpy(&head, buffer_data(&u->pending), sizeof(head));
	*count = head.count;
	*events = buffer_data(&u->pending) + sizeof(head);
	*len = head.len;
	return true;
}

/* The most that the runner may get back: a reload may have made the window smaller. */
static uint64_t
free_credit(const struct uplink *u)
{
	uint64_t held = u->outstanding + u->to_return + (u->credit > 0 ? (uint64_t)u->credit : 0);

	return held < u->window ? u->window - held : 0;
}

uint32_t
uplink_took(struct uplink *u)
{
	struct chunk head;

	memcpy(&head, buffer_data(&u->pending), sizeof(head));
	buffer_consume(&u->pending, sizeof(head) + head.len);
	u->outstanding -= head.cost;
	uint64_t room = free_credit(u);
	u->to_return += head.cost < room ? head.cost : room;
	return head.count;
}

uint32_t
uplink_return_credit(struct uplink *u)
{
	/* A runner may wait for the credit of one whole message. */
	bool wanted =
	    u->to_return >= u->window / 4 || (u->pending.len == 0 && u->credit < IPC_MAX_MESSAGE);
	uint32_t credit = (uint32_t)u->to_return;

	if (!wanted)
		return 0;
	u->credit += credit;
	u->to_return = 0;
	return credit;
}

/* --- to the runner --- */

bool
uplink_owns_event(const struct uplink *u, const struct eventer_event *e)
{
	size_t skip = sbs_int_size((int64_t)e->type.count);

	return e->type.count > u->prefix->count && e->type.raw.len > skip + u->prefix->bytes.len &&
	       memcmp(e->type.raw.p + skip, u->prefix->bytes.p, u->prefix->bytes.len) == 0;
}

bool
uplink_is_full(const struct uplink *u, const struct eventer_event *e)
{
	return u->events.len + e->rest.len + e->type.raw.len + 64 > UPLINK_EVENTS_MESSAGE;
}

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

/* Why the limits of the contract do not let an event through to a runner, or NULL. */
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

const char *
uplink_add(struct uplink *u, const struct eventer_event *e)
{
	const char *why = event_refused(e, u->prefix->count);

	if (why)
		return why;
	pack_event(&u->packer, e, u->prefix->count);
	u->events_count++;
	return NULL;
}

void
uplink_pack_events(struct uplink *u, msgpack_packer *p, struct buffer *out)
{
	msgpack_pack_array(p, u->events_count);
	buffer_append(out, buffer_data(&u->events), u->events.len);
	uplink_drop_events(u);
}

void
uplink_drop_events(struct uplink *u)
{
	buffer_reset(&u->events);
	u->events_count = 0;
}

/* --- queries --- */

struct child_query *
uplink_begin_query(struct uplink *u, struct child *child, uint32_t id)
{
	struct child_query **at = &u->queries;
	size_t count = 0;

	for (; *at; at = &(*at)->next)
		count++;
	struct child_query *q = count < IPC_MAX_ASKED ? malloc(sizeof(*q)) : NULL;
	if (!q)
		return NULL;
	*q = (struct child_query){ .child = child, .uplink = u, .id = id };
	buffer_init(&q->types, IPC_MAX_QUERY_BYTES);
	return *at = q;
}

struct child_query *
uplink_waiting_query(struct uplink *u)
{
	struct child_query *q = u->queries;

	while (q && q->sent)
		q = q->next;
	return q;
}

size_t
uplink_query_bytes(const struct uplink *u)
{
	size_t sum = 0;

	for (const struct child_query *q = u->queries; q; q = q->next)
		sum += q->size;
	return sum;
}

void
uplink_end_query(struct child_query *q)
{
	struct child_query **at = &q->uplink->queries;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	buffer_clear(&q->types);
	free(q);
}
