#include "ipc/event.h"

#include "common/json.h"
#include "common/utf8.h"
#include "common/words.h"
#include "ipc/item.h"

enum {
	MAX_HEAD = 5, /* bytes before a text, bytes or an array's elements */
	MAX_TIME = 1 + 9 + 5,
	NIL = 0xc0,
	STR_8 = 0xd9, /* a text whose length is one byte */
};

static const char cut_short[] = "cut short";
static const char not_utf8[] = "not UTF-8";
static const char bad_text[] = "not a text, or too long";
static const char bad_payload[] = "not a payload";
static const char bad_time[] = "not a timestamp";

static const char *
read_bytes(struct cursor *c, struct ipc_item it, struct ipc_text *t)
{
	const uint8_t *p = cursor_bytes(c, it.n);

	*t = (struct ipc_text){ (const char *)p, p ? (size_t)it.n : 0 };
	return p ? NULL : cut_short;
}

static __attribute__((noinline)) const char *
read_odd_text(struct ipc_event *e, struct cursor *c, struct ipc_text *t)
{
	struct ipc_item it = ipc_item_read(c);

	if (!cursor_ok(c))
		return cut_short;
	if (it.kind != IPC_STR || it.n > IPC_MAX_TEXT)
		return bad_text;
	const char *why = read_bytes(c, it, t);
	if (why || utf8_is_plain(t->p, t->len))
		return why;
	e->plain = false;
	return utf8_valid_odd(t->p, t->len) ? NULL : not_utf8;
}

/* Most texts are shorter than 32 bytes, and plain. */
static inline const char *
read_text(struct ipc_event *e, struct cursor *c, struct ipc_text *t)
{
	const uint8_t *p = c->p;
	size_t len = p < c->end ? *p ^ 0xa0u : SIZE_MAX;

	if (len >= 32 || len >= cursor_left(c) || !utf8_is_plain(p + 1, len))
		return read_odd_text(e, c, t);
	*t = (struct ipc_text){ (const char *)p + 1, len };
	c->p = p + 1 + len;
	return NULL;
}

static const char *
read_type(struct ipc_event *e, struct cursor *c)
{
	const uint8_t *start = c->p;
	struct ipc_item it = ipc_item_read(c);
	const char *why = NULL;

	if (!cursor_ok(c))
		return cut_short;
	if (it.kind != IPC_ARRAY || it.n > IPC_MAX_SEGMENTS)
		return "not an event type";
	if (it.n == 0)
		return "empty event type";
	e->count = (size_t)it.n;
	e->plain = true;
	for (size_t i = 0; i < e->count && !why; i++)
		why = read_text(e, c, &e->segments[i]);
	e->type = (struct ipc_text){ (const char *)start, (size_t)(c->p - start) };
	return why;
}

static const char *
read_source(struct ipc_event *e, struct cursor *c)
{
	e->has_source = c->p == c->end || *c->p != NIL;
	if (!e->has_source) {
		c->p++;
		return NULL;
	}
	struct ipc_item it = ipc_item_read(c);
	if (!cursor_ok(c))
		return cut_short;
	if (it.kind != IPC_ARRAY || it.n != 2)
		return bad_time;
	struct ipc_item s = ipc_item_read(c), us = ipc_item_read(c);
	if (!cursor_ok(c))
		return cut_short;
	if (s.kind != IPC_INT && (s.kind != IPC_UINT || s.n > INT64_MAX))
		return bad_time;
	if (us.kind != IPC_UINT || us.n > 999999)
		return "microseconds out of range";
	e->source = (struct timestamp){ (int64_t)s.n, (uint32_t)us.n };
	return NULL;
}

/* The only look at the text on its way to the Event Server: JSON, and with it UTF-8. Events of one
 * message mostly differ in a few values. */
static const char *
read_json(struct ipc_event *e, struct cursor *c, struct ipc_item it, struct ipc_text *known)
{
	e->payload = IPC_PAYLOAD_JSON;
	if (it.n > IPC_MAX_EVENT)
		return bad_text;
	const char *why = read_bytes(c, it, &e->data);
	if (why)
		return why;
	if (!json_valid_like(e->data.p, e->data.len, known->p, known->len) &&
	    !json_valid(e->data.p, e->data.len))
		return "a payload that is not JSON";
	*known = e->data;
	return NULL;
}

/* Most payloads are texts of 32 to 255 bytes. */
static inline struct ipc_item
read_payload_item(struct cursor *c)
{
	const uint8_t *p = c->p;

	if (cursor_left(c) < 2 || *p != STR_8)
		return ipc_item_read(c);
	c->p = p + 2;
	return (struct ipc_item){ IPC_STR, p[1] };
}

static const char *
read_payload(struct ipc_event *e, struct cursor *c, struct ipc_text *known)
{
	struct ipc_item it = read_payload_item(c);

	e->payload = IPC_PAYLOAD_NONE;
	if (!cursor_ok(c))
		return cut_short;
	if (it.kind == IPC_NIL)
		return NULL;
	if (it.kind == IPC_STR)
		return read_json(e, c, it, known);
	if (it.kind != IPC_ARRAY || it.n != 2)
		return bad_payload;
	e->payload = IPC_PAYLOAD_BINARY;
	const char *why = read_text(e, c, &e->payload_type);
	if (why)
		return why;
	it = ipc_item_read(c);
	if (!cursor_ok(c))
		return cut_short;
	return it.kind != IPC_BIN || it.n > IPC_MAX_EVENT ? "not bytes"
							  : read_bytes(c, it, &e->data);
}

const char *
ipc_event_read(struct ipc_event *e, struct cursor *c, struct ipc_text *known)
{
	const uint8_t *start = c->p;
	struct ipc_item it = ipc_item_read(c);
	const char *why;

	if (!cursor_ok(c))
		return cut_short;
	if (it.kind != IPC_ARRAY || it.n != 3)
		return "wrong number of fields";
	if ((why = read_type(e, c)) || (why = read_source(e, c)) ||
	    (why = read_payload(e, c, known)))
		return why;
	return c->p - start > IPC_MAX_EVENT ? "an event is too long" : NULL;
}

uint32_t
ipc_events_begin(struct cursor *c)
{
	struct ipc_item it = ipc_item_read(c);

	return it.kind == IPC_ARRAY && it.n <= IPC_MAX_COUNT ? (uint32_t)it.n : 0;
}

size_t
ipc_event_bound(const struct ipc_event *e)
{
	size_t size = 2 * MAX_HEAD + MAX_TIME + MAX_HEAD;

	for (size_t i = 0; i < e->count; i++)
		size += MAX_HEAD + e->segments[i].len;
	if (e->payload == IPC_PAYLOAD_BINARY)
		size += MAX_HEAD + e->payload_type.len;
	if (e->payload != IPC_PAYLOAD_NONE)
		size += MAX_HEAD + e->data.len;
	return size;
}

static uint8_t *
put_be(uint8_t *p, uint8_t format, uint64_t v, unsigned n)
{
	*p++ = format;
	while (n > 0)
		*p++ = (uint8_t)(v >> 8 * --n);
	return p;
}

static uint8_t *
put_bytes(uint8_t *p, struct ipc_text t)
{
	words_copy(p, t.p, t.len);
	return p + t.len;
}

static uint8_t *
put_text(uint8_t *p, struct ipc_text t)
{
	if (t.len < 32)
		*p++ = (uint8_t)(0xa0 | t.len);
	else if (t.len <= UINT8_MAX)
		p = put_be(p, STR_8, t.len, 1);
	else if (t.len <= UINT16_MAX)
		p = put_be(p, 0xda, t.len, 2);
	else
		p = put_be(p, 0xdb, t.len, 4);
	return put_bytes(p, t);
}

static uint8_t *
put_time(uint8_t *p, const struct timestamp *t)
{
	*p++ = 0x92;
	if (t->s >= 0 && t->s <= UINT32_MAX)
		p = put_be(p, 0xce, (uint64_t)t->s, 4);
	else
		p = put_be(p, 0xd3, (uint64_t)t->s, 8);
	return put_be(p, 0xce, t->us, 4);
}

uint8_t *
ipc_event_write(const struct ipc_event *e, uint8_t *p)
{
	*p++ = 0x93;
	if (e->count < 16)
		*p++ = (uint8_t)(0x90 | e->count);
	else
		p = put_be(p, 0xdc, e->count, 2);
	for (size_t i = 0; i < e->count; i++)
		p = put_text(p, e->segments[i]);
	if (e->has_source)
		p = put_time(p, &e->source);
	else
		*p++ = NIL;
	if (e->payload == IPC_PAYLOAD_JSON)
		return put_text(p, e->data);
	if (e->payload == IPC_PAYLOAD_NONE) {
		*p++ = NIL;
		return p;
	}
	*p++ = 0x92;
	p = put_text(p, e->payload_type);
	return put_bytes(put_be(p, 0xc6, e->data.len, 4), e->data);
}
