#include "protocols/iso/transport.h"

#include <stdio.h>

enum {
	TPKT_VERSION = 3,
	PARAMETER_SIZE = 0xc0,
	PARAMETER_CALLING = 0xc1,
	PARAMETER_CALLED = 0xc2,
	DT_LAST = 0x80,
	FIXED_CR = 6, /* octets behind the length indicator, without parameters */
};

enum dec
tpkt_frame(const void *data, size_t len, size_t *size)
{
	const uint8_t *p = data;

	if (len > 0 && p[0] != TPKT_VERSION)
		return DEC_BAD;
	if (len < TPKT_HEADER)
		return DEC_MORE;
	*size = (size_t)p[2] << 8 | p[3];
	if (*size < TPKT_MIN)
		return DEC_BAD;
	return len < *size ? DEC_MORE : DEC_OK;
}

/* Variable part (13.2.3): a code, a length, a value each. Those that are not known are skipped. */
static bool
read_parameters(struct cotp_tpdu *t, struct cursor *c)
{
	while (cursor_ok(c) && cursor_left(c) > 0) {
		uint8_t code = cursor_u8(c), len = cursor_u8(c);
		const uint8_t *value = cursor_bytes(c, len);
		if (value && code == PARAMETER_SIZE && len == 1)
			t->size_code = value[0];
	}
	return cursor_ok(c);
}

static bool
read_connection(struct cotp_tpdu *t, struct cursor *c)
{
	t->destination = cursor_u16be(c);
	t->source = cursor_u16be(c);
	t->protocol_class = cursor_u8(c) >> 4;
	return read_parameters(t, c);
}

static bool
read_disconnect(struct cotp_tpdu *t, struct cursor *c)
{
	t->destination = cursor_u16be(c);
	t->source = cursor_u16be(c);
	t->reason = cursor_u8(c);
	return cursor_ok(c);
}

static bool
read_error(struct cotp_tpdu *t, struct cursor *c)
{
	t->destination = cursor_u16be(c);
	t->reason = cursor_u8(c);
	return cursor_ok(c);
}

static bool
read_data(struct cotp_tpdu *t, struct cursor *c)
{
	t->last = cursor_u8(c) & DT_LAST;
	return cursor_done(c);
}

static const struct {
	enum cotp_type type;
	bool (*read)(struct cotp_tpdu *t, struct cursor *c);
} types[] = {
	{ .type = COTP_CR, .read = read_connection },
	{ .type = COTP_CC, .read = read_connection },
	{ .type = COTP_DR, .read = read_disconnect },
	{ .type = COTP_DT, .read = read_data },
	{ .type = COTP_ER, .read = read_error },
};

enum dec
cotp_decode(struct cotp_tpdu *t, const void *tpkt, size_t size)
{
	struct cursor c = cursor_make(tpkt, size);

	*t = (struct cotp_tpdu){ 0 };
	cursor_bytes(&c, TPKT_HEADER);
	uint8_t header = cursor_u8(&c);
	struct cursor h = cursor_make(cursor_bytes(&c, header), header);
	uint8_t code = cursor_u8(&h);
	if (!cursor_ok(&c) || !cursor_ok(&h))
		return DEC_BAD;
	t->data = c.p;
	t->len = cursor_left(&c);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		t->type = types[i].type;
		if ((code & 0xf0) == t->type)
			return types[i].read(t, &h) ? DEC_OK : DEC_BAD;
	}
	return DEC_UNSUP;
}

static void
put_tpkt(struct buffer *b, size_t len)
{
	buffer_be(b, TPKT_VERSION << 8, 2);
	buffer_be(b, TPKT_HEADER + len, 2);
}

static void
put_parameter(struct buffer *b, uint8_t code, const uint8_t *value, uint8_t len)
{
	buffer_u8(b, code);
	buffer_u8(b, len);
	buffer_append(b, value, len);
}

static size_t
selector_octets(const struct iso_selector *s)
{
	return s->len ? 2 + s->len : 0;
}

void
cotp_encode_request(struct buffer *b, uint16_t source, uint8_t size_code,
    const struct iso_selector *calling, const struct iso_selector *called)
{
	size_t header = FIXED_CR + 3 + selector_octets(calling) + selector_octets(called);

	put_tpkt(b, 1 + header);
	buffer_u8(b, (uint8_t)header);
	buffer_u8(b, COTP_CR);
	buffer_be(b, 0, 2);
	buffer_be(b, source, 2);
	buffer_u8(b, 0);
	put_parameter(b, PARAMETER_SIZE, &size_code, 1);
	if (calling->len)
		put_parameter(b, PARAMETER_CALLING, calling->octets, calling->len);
	if (called->len)
		put_parameter(b, PARAMETER_CALLED, called->octets, called->len);
}

void
cotp_encode_data(struct buffer *b, size_t tpdu_size, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t most = tpdu_size - COTP_DT_HEADER;

	do {
		size_t part = len < most ? len : most;
		put_tpkt(b, COTP_DT_HEADER + part);
		buffer_u8(b, COTP_DT_HEADER - 1);
		buffer_u8(b, COTP_DT);
		buffer_u8(b, part == len ? DT_LAST : 0);
		buffer_append(b, p, part);
		p += part;
		len -= part;
	} while (len > 0);
}

/* Clause 13.5.3, and 13.2.1 of ISO/IEC 8073. */
static const struct {
	uint8_t reason;
	const char *name;
} reasons[] = {
	{ .reason = 0, .name = "no reason given" },
	{ .reason = 1, .name = "congestion" },
	{ .reason = 2, .name = "no session entity at that selector" },
	{ .reason = 3, .name = "address unknown" },
	{ .reason = 0x80, .name = "normal disconnect" },
	{ .reason = 0x81, .name = "congestion at connection time" },
	{ .reason = 0x82, .name = "negotiation failed" },
	{ .reason = 0x83, .name = "duplicate source reference" },
	{ .reason = 0x84, .name = "mismatched references" },
	{ .reason = 0x85, .name = "protocol error" },
	{ .reason = 0x87, .name = "reference overflow" },
	{ .reason = 0x88, .name = "connection request refused" },
	{ .reason = 0x8a, .name = "invalid length" },
};

const char *
cotp_reason_text(uint8_t reason, char text[32])
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	snprintf(text, 32, "reason %u", reason);
	return text;
}
