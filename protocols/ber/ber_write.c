#include "protocols/ber/ber.h"

enum {
	HIGH_NUMBER = 31,
	LONG_FORM = 0x80,
	MAX_HEAD = 5, /* octets of a tag, and of a length */
};

void
ber_writer_init(struct ber_writer *w, void *data, size_t size)
{
	w->data = data;
	w->len = 0;
	w->size = size;
	w->failed = false;
	w->depth = 0;
	w->hole = 0;
}

size_t
ber_writer_done(const struct ber_writer *w)
{
	return w->failed || w->depth ? 0 : w->len;
}

static bool
has_room(struct ber_writer *w, size_t n)
{
	w->failed |= n > w->size - w->len;
	return !w->failed;
}

void
ber_put_raw(struct ber_writer *w, const void *data, size_t len)
{
	if (len == 0 || !has_room(w, len))
		return;
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

static size_t
tag_octets(uint32_t tag, uint8_t out[MAX_HEAD])
{
	uint32_t number = tag & BER_MAX_NUMBER;
	uint8_t first = (uint8_t)(tag >> 24 & 0xe0);
	size_t n = 0, septets = 1;

	if (number < HIGH_NUMBER) {
		out[0] = (uint8_t)(first | number);
		return 1;
	}
	out[n++] = first | HIGH_NUMBER;
	while (number >> 7 * septets)
		septets++;
	for (size_t i = septets; i > 0; i--)
		out[n++] = (uint8_t)((number >> 7 * (i - 1) & 0x7f) | (i > 1 ? 0x80 : 0));
	return n;
}

static size_t
length_octets(size_t len, uint8_t out[MAX_HEAD])
{
	size_t n = 0, octets = 1;

	if (len < LONG_FORM) {
		out[0] = (uint8_t)len;
		return 1;
	}
	while (octets < MAX_HEAD - 1 && len >> 8 * octets)
		octets++;
	out[n++] = (uint8_t)(LONG_FORM | octets);
	for (size_t i = octets; i > 0; i--)
		out[n++] = (uint8_t)(len >> 8 * (i - 1));
	return n;
}

static void
put_tag(struct ber_writer *w, uint32_t tag)
{
	uint8_t head[MAX_HEAD];

	ber_put_raw(w, head, tag_octets(tag, head));
}

static void
put_head(struct ber_writer *w, uint32_t tag, size_t len)
{
	uint8_t head[MAX_HEAD];

	w->failed |= len > UINT32_MAX;
	put_tag(w, tag);
	ber_put_raw(w, head, length_octets(len, head));
}

void
ber_begin(struct ber_writer *w, uint32_t tag)
{
	w->failed |= w->depth == BER_MAX_DEPTH;
	put_tag(w, tag);
	if (!has_room(w, 1))
		return;
	w->len++;
	w->begins[w->depth++] = w->len;
}

/* The length takes one octet until it is known; where it needs more, the content moves. */
void
ber_end(struct ber_writer *w)
{
	uint8_t head[MAX_HEAD];

	w->failed |= w->depth == 0;
	if (w->failed)
		return;
	size_t begin = w->begins[--w->depth], len = w->len - begin;
	size_t more = length_octets(len, head) - 1;
	w->failed |= len > UINT32_MAX;
	if (!has_room(w, more))
		return;
	if (more)
		memmove(w->data + begin + more, w->data + begin, len);
	memcpy(w->data + begin - 1, head, more + 1);
	w->len += more;
	if (w->hole >= begin)
		w->hole += more;
}

void
ber_put_bytes(struct ber_writer *w, uint32_t tag, const void *data, size_t len)
{
	put_head(w, tag, len);
	ber_put_raw(w, data, len);
}

void
ber_put_hole(struct ber_writer *w, uint32_t tag, size_t len)
{
	put_head(w, tag, len);
	if (!has_room(w, len))
		return;
	memset(w->data + w->len, 0, len);
	w->hole = w->len;
	w->len += len;
}

void
ber_put_int(struct ber_writer *w, uint32_t tag, int64_t v)
{
	uint8_t out[8];
	size_t at = 0;

	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)((uint64_t)v >> 8 * (7 - i));
	while (at < 7 &&
	       ((out[at] == 0 && !(out[at + 1] & 0x80)) || (out[at] == 0xff && out[at + 1] & 0x80)))
		at++;
	ber_put_bytes(w, tag, out + at, 8 - at);
}

void
ber_put_uint(struct ber_writer *w, uint32_t tag, uint64_t v)
{
	uint8_t out[9] = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < 8; i++)
		out[i + 1] = (uint8_t)(v >> 8 * (7 - i));
	while (at < 8 && out[at] == 0 && !(out[at + 1] & 0x80))
		at++;
	ber_put_bytes(w, tag, out + at, 9 - at);
}

void
ber_put_bool(struct ber_writer *w, uint32_t tag, bool v)
{
	ber_put_bytes(w, tag, v ? "\xff" : "\0", 1);
}

void
ber_put_null(struct ber_writer *w, uint32_t tag)
{
	put_head(w, tag, 0);
}

void
ber_put_oid(struct ber_writer *w, uint32_t tag, const struct ber_oid *oid)
{
	ber_put_bytes(w, tag, oid->octets, oid->len);
}

void
ber_put_bits(struct ber_writer *w, uint32_t tag, const uint8_t *data, size_t bits)
{
	size_t octets = (bits + 7) / 8;
	uint8_t unused = (uint8_t)(octets * 8 - bits);

	put_head(w, tag, octets + 1);
	ber_put_raw(w, &unused, 1);
	ber_put_raw(w, data, octets);
	if (!w->failed && unused)
		w->data[w->len - 1] &= (uint8_t)(0xff << unused);
}
