/* The parts that HatEventer's messages are made of: event types, times, ids, payloads, events. */
#include "protocols/hat/eventer_private.h"

enum {
	MIN_REGISTER_EVENT = 3, /* bytes of the shortest one: no segment, no time, no payload */
	MIN_EVENT = 8,
	MAX_US = 999999,
};

static bool
match_one(struct sbs_str segment, struct sbs_str pattern)
{
	return (pattern.len == 1 && pattern.p[0] == '?') || sbs_str_eq(segment, pattern);
}

bool
eventer_type_match(const struct sbs_str *type, size_t type_count, const struct sbs_str *pattern,
    size_t pattern_count)
{
	bool rest = pattern_count && pattern[pattern_count - 1].len == 1 &&
		    pattern[pattern_count - 1].p[0] == '*';
	size_t n = pattern_count - rest;

	if (rest ? type_count < n : type_count != n)
		return false;
	/* From the end: event types of a system differ there. */
	for (size_t i = n; i > 0; i--)
		if (!match_one(type[i - 1], pattern[i - 1]))
			return false;
	return true;
}

int
eventer_time_cmp(const struct timestamp *a, const struct timestamp *b)
{
	if (a->s != b->s)
		return a->s < b->s ? -1 : 1;
	return (a->us > b->us) - (a->us < b->us);
}

int
eventer_id_cmp(const struct eventer_id *a, const struct eventer_id *b)
{
	if (a->server != b->server)
		return a->server < b->server ? -1 : 1;
	if (a->session != b->session)
		return a->session < b->session ? -1 : 1;
	return (a->instance > b->instance) - (a->instance < b->instance);
}

static struct sbs_str
span(const uint8_t *from, const struct cursor *c)
{
	return (struct sbs_str){ (const char *)from, (size_t)(c->p - from) };
}

static void
get_type(struct cursor *c, struct eventer_type *type)
{
	const uint8_t *start = c->p;
	size_t n = sbs_get_count(c, 1);

	type->count = n < EVENTER_MAX_SEGMENTS ? n : EVENTER_MAX_SEGMENTS;
	type->cut = n > EVENTER_MAX_SEGMENTS;
	for (size_t i = 0; i < type->count; i++)
		type->segments[i] = sbs_get_str(c);
	for (size_t i = type->count; i < n && cursor_ok(c); i++)
		sbs_get_str(c);
	type->raw = span(start, c);
}

static void
skip_type(struct cursor *c)
{
	size_t n = sbs_get_count(c, 1);

	for (size_t i = 0; i < n && cursor_ok(c); i++)
		sbs_get_str(c);
}

struct eventer_types
eventer_get_types(struct cursor *c)
{
	struct eventer_types types = { .count = sbs_get_count(c, 1) };
	const uint8_t *start = c->p;

	for (size_t i = 0; i < types.count && cursor_ok(c); i++)
		skip_type(c);
	types.bytes = span(start, c);
	if (!cursor_ok(c))
		types = (struct eventer_types){ 0 };
	return types;
}

void
eventer_put_types(struct buffer *b, const struct eventer_types *types)
{
	sbs_put_int(b, (int64_t)types->count);
	buffer_append(b, types->bytes.p, types->bytes.len);
}

struct eventer_types_iter
eventer_types_begin(const struct eventer_types *types)
{
	return (struct eventer_types_iter){ cursor_make(types->bytes.p, types->bytes.len),
		types->count };
}

bool
eventer_types_next(struct eventer_types_iter *it, struct eventer_type *type)
{
	if (it->left == 0)
		return false;
	it->left--;
	get_type(&it->c, type);
	return cursor_ok(&it->c);
}

void
eventer_put_segments(struct buffer *b, const struct sbs_str *segments, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sbs_put_str(b, segments[i]);
}

void
eventer_put_type(struct buffer *b, const struct sbs_str *segments, size_t count)
{
	sbs_put_int(b, (int64_t)count);
	eventer_put_segments(b, segments, count);
}

size_t
eventer_put_segments_text(struct buffer *b, const char *text)
{
	size_t count = 0;

	while (*text || count) {
		size_t len = strcspn(text, "/");
		sbs_put_str(b, (struct sbs_str){ text, len });
		count++;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	return count;
}

void
eventer_put_type_text(struct buffer *b, const char *text)
{
	size_t count = *text ? 1 : 0;

	for (const char *p = text; *p; p++)
		count += *p == '/';
	sbs_put_int(b, (int64_t)count);
	eventer_put_segments_text(b, text);
}

static struct timestamp
get_time(struct cursor *c)
{
	struct timestamp t = { .s = sbs_get_int(c) };

	t.us = (uint32_t)sbs_get_int_in(c, 0, MAX_US);
	return t;
}

static uint8_t *
write_time(uint8_t *p, const struct timestamp *t)
{
	return sbs_write_int(sbs_write_int(p, t->s), t->us);
}

struct eventer_time
eventer_get_optional_time(struct cursor *c)
{
	struct eventer_time t = { .set = sbs_get_optional(c) };

	if (t.set)
		t.t = get_time(c);
	return t;
}

void
eventer_put_optional_time(struct buffer *b, const struct eventer_time *t)
{
	sbs_put_optional(b, t->set);
	if (t->set) {
		sbs_put_int(b, t->t.s);
		sbs_put_int(b, t->t.us);
	}
}

struct eventer_id
eventer_get_id(struct cursor *c)
{
	struct eventer_id id = { .server = sbs_get_int(c) };

	id.session = sbs_get_int(c);
	id.instance = sbs_get_int(c);
	return id;
}

static uint8_t *
write_id(uint8_t *p, const struct eventer_id *id)
{
	return sbs_write_int(
	    sbs_write_int(sbs_write_int(p, id->server), id->session), id->instance);
}

void
eventer_put_id(struct buffer *b, const struct eventer_id *id)
{
	uint8_t bytes[3 * SBS_MAX_INT];

	buffer_append(b, bytes, (size_t)(write_id(bytes, id) - bytes));
}

static void
get_payload(struct cursor *c, struct eventer_payload *payload)
{
	*payload = (struct eventer_payload){ .kind = EVENTER_PAYLOAD_NONE };
	if (!sbs_get_optional(c))
		return;
	if (sbs_get_choice(c, 2) == 0) {
		payload->kind = EVENTER_PAYLOAD_BINARY;
		payload->type = sbs_get_str(c);
		payload->data = sbs_get_bytes(c);
	} else {
		payload->kind = EVENTER_PAYLOAD_JSON;
		payload->data = sbs_get_str(c);
	}
}

static size_t
rest_size(const struct timestamp *source, const struct eventer_payload *payload)
{
	size_t size = 2 + (source ? 2 * SBS_MAX_INT : 0);

	if (payload && payload->kind != EVENTER_PAYLOAD_NONE)
		size += 1 + 2 * SBS_MAX_INT + payload->type.len + payload->data.len;
	return size;
}

static uint8_t *
write_rest(uint8_t *p, const struct timestamp *source, const struct eventer_payload *payload)
{
	p = sbs_write_int(p, source != NULL);
	if (source)
		p = write_time(p, source);
	if (!payload || payload->kind == EVENTER_PAYLOAD_NONE)
		return sbs_write_int(p, 0);
	p = sbs_write_int(p, 1);
	p = sbs_write_int(p, payload->kind == EVENTER_PAYLOAD_JSON);
	if (payload->kind == EVENTER_PAYLOAD_BINARY)
		p = sbs_write_str(p, payload->type);
	return sbs_write_str(p, payload->data);
}

void
eventer_put_rest(
    struct buffer *b, const struct timestamp *source, const struct eventer_payload *payload)
{
	uint8_t *p = buffer_reserve(b, rest_size(source, payload));

	if (p)
		buffer_commit(b, (size_t)(write_rest(p, source, payload) - p));
}

void
eventer_put_register_event(struct buffer *b, const struct eventer_prefix *prefix,
    const struct sbs_str *segments, size_t count, const struct timestamp *source,
    const struct eventer_payload *payload)
{
	size_t size = SBS_MAX_INT + prefix->bytes.len + rest_size(source, payload);

	for (size_t i = 0; i < count; i++)
		size += SBS_MAX_INT + segments[i].len;
	uint8_t *start = buffer_reserve(b, size);
	if (!start)
		return;
	uint8_t *p = sbs_write_int(start, (int64_t)(prefix->count + count));
	if (prefix->bytes.len)
		memcpy(p, prefix->bytes.p, prefix->bytes.len);
	p += prefix->bytes.len;
	for (size_t i = 0; i < count; i++)
		p = sbs_write_str(p, segments[i]);
	buffer_commit(b, (size_t)(write_rest(p, source, payload) - start));
}

void
eventer_put_event(struct buffer *b, const struct eventer_id *id, struct sbs_str type,
    const struct timestamp *timestamp, struct sbs_str rest)
{
	uint8_t *start = buffer_reserve(b, 5 * SBS_MAX_INT + type.len + rest.len);

	if (!start)
		return;
	uint8_t *p = write_id(start, id);
	memcpy(p, type.p, type.len);
	p = write_time(p + type.len, timestamp);
	memcpy(p, rest.p, rest.len);
	buffer_commit(b, (size_t)(p + rest.len - start));
}

static void
get_event(struct cursor *c, bool registered, struct eventer_event *event)
{
	const uint8_t *start = c->p;

	if (!registered)
		event->id = eventer_get_id(c);
	get_type(c, &event->type);
	if (!registered)
		event->timestamp = get_time(c);
	const uint8_t *rest = c->p;
	event->source = eventer_get_optional_time(c);
	get_payload(c, &event->payload);
	event->rest = span(rest, c);
	event->raw = span(start, c);
}

struct eventer_events_iter
eventer_get_events(struct cursor *c, bool registered)
{
	struct eventer_events_iter it = { .registered = registered };

	it.left = sbs_get_count(c, registered ? MIN_REGISTER_EVENT : MIN_EVENT);
	it.c = *c;
	return it;
}

void
eventer_events_part(struct eventer_events_iter *it, size_t len)
{
	size_t left = cursor_left(&it->c);

	it->keep = it->left && cursor_ok(&it->c) && left > len ? left - len : 0;
}

bool
eventer_events_more(const struct eventer_events_iter *it)
{
	return it->keep;
}

bool
eventer_events_next(struct eventer_events_iter *it, struct eventer_event *event)
{
	if (it->left == 0 || (it->keep && cursor_left(&it->c) <= it->keep))
		return false;
	get_event(&it->c, it->registered, event);
	if (!cursor_ok(&it->c))
		return false;
	it->left--;
	return true;
}

enum dec
eventer_events_end(const struct eventer_events_iter *it)
{
	return it->left == 0 && cursor_done(&it->c) ? DEC_OK : DEC_BAD;
}

enum dec
eventer_event_decode(struct sbs_str bytes, struct eventer_event *event)
{
	struct cursor c = cursor_make(bytes.p, bytes.len);

	get_event(&c, false, event);
	return cursor_done(&c) ? DEC_OK : DEC_BAD;
}
