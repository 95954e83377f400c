#include "protocols/ber/ber.h"

enum {
	HIGH_NUMBER = 31, /* in the first octet: the number follows */
	LONG_FORM = 0x80,
};

void
ber_reader_init(struct ber_reader *r, const void *data, size_t len, unsigned max_depth)
{
	r->c = cursor_make(data, len);
	r->depth = 0;
	r->max_depth = max_depth < BER_MAX_DEPTH ? max_depth : BER_MAX_DEPTH;
}

void
ber_fail(struct ber_reader *r)
{
	cursor_fail(&r->c);
}

/* Identifier octets (8.1.2): a number of 31 and more stands behind the first octet, shortest form.
 */
static uint32_t
read_tag(struct cursor *c)
{
	uint8_t first = cursor_u8(c), octet;
	uint32_t tag = (uint32_t)(first & 0xc0) << 24 | (uint32_t)(first & 0x20) << 24;
	uint32_t number = first & 0x1f;

	if (number != HIGH_NUMBER)
		return tag | number;
	number = 0;
	do {
		octet = cursor_u8(c);
		if (number > BER_MAX_NUMBER >> 7 || (number == 0 && octet == 0x80))
			cursor_fail(c);
		number = number << 7 | (octet & 0x7f);
	} while (octet & 0x80 && cursor_ok(c));
	if (number < HIGH_NUMBER)
		cursor_fail(c);
	return tag | (number & BER_MAX_NUMBER);
}

/* Length octets (8.1.3), definite forms. */
static size_t
read_length(struct cursor *c)
{
	uint8_t first = cursor_u8(c);

	if (first < LONG_FORM)
		return first;
	size_t octets = first & 0x7f;
	if (octets == 0 || octets > BER_MAX_LENGTH_OCTETS) {
		cursor_fail(c);
		return 0;
	}
	return (size_t)cursor_be(c, octets);
}

static bool
read_element(struct cursor *c, struct ber_element *e)
{
	e->tag = read_tag(c);
	e->len = read_length(c);
	e->data = cursor_bytes(c, e->len);
	return cursor_ok(c);
}

bool
ber_peek(const struct ber_reader *r, uint32_t *tag)
{
	struct cursor c = r->c;

	if (!ber_more(r))
		return false;
	*tag = read_tag(&c);
	return cursor_ok(&c);
}

bool
ber_is(const struct ber_reader *r, uint32_t tag)
{
	uint32_t t;

	return ber_peek(r, &t) && t == tag;
}

bool
ber_next(struct ber_reader *r, struct ber_element *e)
{
	if (!ber_ok(r) || !read_element(&r->c, e)) {
		*e = (struct ber_element){ 0 };
		ber_fail(r);
		return false;
	}
	return true;
}

static bool
next_of(struct ber_reader *r, uint32_t tag, struct ber_element *e)
{
	if (!ber_next(r, e))
		return false;
	if (e->tag == tag)
		return true;
	ber_fail(r);
	return false;
}

bool
ber_enter(struct ber_reader *r, uint32_t tag)
{
	struct ber_element e;

	if (!next_of(r, tag, &e))
		return false;
	if (r->depth == r->max_depth) {
		ber_fail(r);
		return false;
	}
	r->ends[r->depth++] = r->c.end;
	r->c.p = e.data;
	r->c.end = e.data + e.len;
	return true;
}

void
ber_leave_rest(struct ber_reader *r)
{
	if (!ber_ok(r))
		return;
	if (r->depth == 0) {
		ber_fail(r);
		return;
	}
	r->c.p = r->c.end;
	r->c.end = r->ends[--r->depth];
}

void
ber_leave(struct ber_reader *r)
{
	if (ber_more(r))
		ber_fail(r);
	ber_leave_rest(r);
}

const uint8_t *
ber_bytes(struct ber_reader *r, uint32_t tag, size_t *len)
{
	struct ber_element e;

	*len = 0;
	if (!next_of(r, tag, &e))
		return NULL;
	*len = e.len;
	return e.data;
}

bool
ber_element_int(const struct ber_element *e, int64_t *v)
{
	bool negative = e->len && e->data[0] & 0x80;
	uint8_t fill = negative ? 0xff : 0;
	size_t at = 0;

	while (e->len - at > sizeof(*v) && e->data[at] == fill)
		at++;
	if (e->len - at > sizeof(*v) || (at && (e->data[at] & 0x80) != (fill & 0x80)))
		return false;
	uint64_t bits = negative ? UINT64_MAX : 0;
	for (; at < e->len; at++)
		bits = bits << 8 | e->data[at];
	*v = (int64_t)bits;
	return true;
}

bool
ber_element_uint(const struct ber_element *e, size_t octets, uint64_t *v)
{
	size_t at = 0;

	while (e->len - at > octets && e->data[at] == 0)
		at++;
	if (e->len - at > octets)
		return false;
	for (*v = 0; at < e->len; at++)
		*v = *v << 8 | e->data[at];
	return true;
}

bool
ber_element_bits(const struct ber_element *e, const uint8_t **data, size_t *bits)
{
	if (e->len == 0 || e->data[0] > 7 || (e->len == 1 && e->data[0] > 0))
		return false;
	*data = e->data + 1;
	*bits = (e->len - 1) * 8 - e->data[0];
	return true;
}

int64_t
ber_int(struct ber_reader *r, uint32_t tag)
{
	struct ber_element e;
	int64_t v = 0;

	if (next_of(r, tag, &e) && !ber_element_int(&e, &v))
		ber_fail(r);
	return v;
}

uint64_t
ber_uint(struct ber_reader *r, uint32_t tag, size_t octets)
{
	struct ber_element e;
	uint64_t v = 0;

	if (next_of(r, tag, &e) && !ber_element_uint(&e, octets, &v))
		ber_fail(r);
	return v;
}

bool
ber_bool(struct ber_reader *r, uint32_t tag)
{
	struct ber_element e;

	if (!next_of(r, tag, &e))
		return false;
	if (e.len != 1)
		ber_fail(r);
	return e.len == 1 && e.data[0];
}

void
ber_null(struct ber_reader *r, uint32_t tag)
{
	struct ber_element e;

	if (next_of(r, tag, &e) && e.len)
		ber_fail(r);
}

void
ber_oid(struct ber_reader *r, uint32_t tag, struct ber_oid *oid)
{
	struct ber_element e;

	oid->len = 0;
	if (next_of(r, tag, &e) && !ber_oid_read(oid, e.data, e.len))
		ber_fail(r);
}

const uint8_t *
ber_bits(struct ber_reader *r, uint32_t tag, size_t *bits)
{
	const uint8_t *data = NULL;
	struct ber_element e;

	*bits = 0;
	if (next_of(r, tag, &e) && !ber_element_bits(&e, &data, bits))
		ber_fail(r);
	return data;
}
