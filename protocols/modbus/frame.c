#include "protocols/modbus/frame.h"

#include "common/hex.h"

enum {
	MBAP_HEADER = 7,
	RTU_MIN = 4, /* unit, fc, CRC */
	ASCII_MAX_BYTES = 1 + MODBUS_MAX_PDU + 1,
};

/* CRC-16/MODBUS (0xa001 reflected, start 0xffff), four bits a step. */
uint16_t
modbus_crc(const uint8_t *p, size_t len)
{
	static const uint16_t nibble[16] = { 0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800,
		0xe401, 0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400 };
	uint16_t crc = 0xffff;

	for (size_t i = 0; i < len; i++) {
		crc = (uint16_t)(crc >> 4 ^ nibble[(crc ^ p[i]) & 15]);
		crc = (uint16_t)(crc >> 4 ^ nibble[(crc ^ p[i] >> 4) & 15]);
	}
	return crc;
}

static size_t
encode_tcp(uint16_t transaction, uint8_t unit, const uint8_t *pdu, size_t len, uint8_t *out)
{
	const uint8_t header[MBAP_HEADER] = { (uint8_t)(transaction >> 8), (uint8_t)transaction, 0,
		0, (uint8_t)((len + 1) >> 8), (uint8_t)(len + 1), unit };

	memcpy(out, header, sizeof(header));
	memcpy(out + sizeof(header), pdu, len);
	return sizeof(header) + len;
}

static size_t
encode_rtu(uint8_t unit, const uint8_t *pdu, size_t len, uint8_t *out)
{
	out[0] = unit;
	memcpy(out + 1, pdu, len);
	uint16_t crc = modbus_crc(out, len + 1);
	out[len + 1] = (uint8_t)crc;
	out[len + 2] = (uint8_t)(crc >> 8);
	return len + 3;
}

static uint8_t *
put_hex(uint8_t *p, uint8_t v)
{
	static const char digits[] = "0123456789ABCDEF";

	p[0] = (uint8_t)digits[v >> 4];
	p[1] = (uint8_t)digits[v & 15];
	return p + 2;
}

static size_t
encode_ascii(uint8_t unit, const uint8_t *pdu, size_t len, uint8_t *out)
{
	uint8_t *p = out, sum = unit;

	*p++ = ':';
	p = put_hex(p, unit);
	for (size_t i = 0; i < len; i++) {
		sum = (uint8_t)(sum + pdu[i]);
		p = put_hex(p, pdu[i]);
	}
	p = put_hex(p, (uint8_t)-sum);
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - out);
}

size_t
modbus_frame_encode(enum modbus_framing framing, uint16_t transaction, uint8_t unit,
    const uint8_t *pdu, size_t len, uint8_t out[MODBUS_MAX_FRAME])
{
	switch (framing) {
	case MODBUS_TCP:
		return encode_tcp(transaction, unit, pdu, len, out);
	case MODBUS_RTU:
		return encode_rtu(unit, pdu, len, out);
	case MODBUS_ASCII:
		return encode_ascii(unit, pdu, len, out);
	}
	return 0;
}

void
modbus_stream_init(struct modbus_stream *s, enum modbus_framing framing, enum modbus_direction dir)
{
	s->framing = framing;
	s->dir = dir;
	s->skipped = 0;
	s->head = 0;
	s->len = 0;
}

static void
consume(struct modbus_stream *s, size_t n)
{
	s->head += n;
	s->len -= n;
	if (s->len == 0)
		s->head = 0;
}

static void
skip(struct modbus_stream *s, size_t n)
{
	s->skipped += n;
	consume(s, n);
}

void
modbus_stream_drop(struct modbus_stream *s, size_t n)
{
	consume(s, n);
}

void
modbus_stream_reset(struct modbus_stream *s)
{
	skip(s, s->len);
}

uint8_t *
modbus_stream_room(struct modbus_stream *s, size_t *room)
{
	/* Longer than any frame and still none: noise. */
	if (s->len > MODBUS_STREAM_SIZE - MODBUS_MAX_FRAME / 2)
		modbus_stream_reset(s);
	if (s->head) {
		memmove(s->buf, s->buf + s->head, s->len);
		s->head = 0;
	}
	*room = MODBUS_STREAM_SIZE - s->len;
	return s->buf + s->len;
}

void
modbus_stream_commit(struct modbus_stream *s, size_t n)
{
	s->len += n;
}

/* The three below look at the bytes from p for one frame: DEC_OK with what it takes in *used. */

static enum dec
try_tcp(const uint8_t *p, size_t len, struct modbus_frame *f, size_t *used)
{
	struct cursor c = cursor_make(p, len < MBAP_HEADER ? len : MBAP_HEADER);

	f->transaction = cursor_u16be(&c);
	uint16_t protocol = cursor_u16be(&c);
	uint16_t length = cursor_u16be(&c);
	f->unit = cursor_u8(&c);
	/* The part of a header that has come must fit as well. */
	if (protocol != 0 || (len >= 5 && p[4] != 0))
		return DEC_BAD;
	if (len >= 6 && (length < 2 || length > MODBUS_MAX_LOOSE_PDU + 1))
		return DEC_BAD;
	if (!cursor_ok(&c) || len < 6 + (size_t)length)
		return DEC_MORE;
	f->pdu = p + MBAP_HEADER;
	f->len = length - 1U;
	*used = 6 + (size_t)length;
	return DEC_OK;
}

static enum dec
try_rtu(
    enum modbus_direction dir, const uint8_t *p, size_t len, struct modbus_frame *f, size_t *used)
{
	size_t size;

	if (len < 1)
		return DEC_MORE;
	enum dec d = modbus_pdu_size(dir, p + 1, len - 1, &size);
	/* A request of a function that we do not know ends with silence. */
	if (d == DEC_MORE || (d == DEC_UNSUP && dir == MODBUS_REQUEST))
		return DEC_MORE;
	if (d != DEC_OK)
		return DEC_BAD;
	if (len < size + 3)
		return DEC_MORE;
	if (modbus_crc(p, size + 1) != (p[size + 1] | p[size + 2] << 8))
		return DEC_BAD;
	*f = (struct modbus_frame){ .unit = p[0], .pdu = p + 1, .len = size };
	*used = size + 3;
	return DEC_OK;
}

static enum dec
try_ascii(
    struct modbus_stream *s, const uint8_t *p, size_t len, struct modbus_frame *f, size_t *used)
{
	uint8_t sum = 0;
	size_t n = 0, i;

	if (len < 1)
		return DEC_MORE;
	if (p[0] != ':')
		return DEC_BAD;
	for (i = 1; i < len && p[i] != '\r'; i += 2) {
		if (hex_digit(p[i]) < 0 || n == ASCII_MAX_BYTES)
			return DEC_BAD;
		if (i + 1 == len)
			return DEC_MORE;
		if (hex_digit(p[i + 1]) < 0)
			return DEC_BAD;
		s->pdu[n] = (uint8_t)(hex_digit(p[i]) << 4 | hex_digit(p[i + 1]));
		sum = (uint8_t)(sum + s->pdu[n++]);
	}
	if (i + 1 >= len)
		return DEC_MORE;
	if (p[i + 1] != '\n' || sum != 0 || n < 3)
		return DEC_BAD;
	*f = (struct modbus_frame){ .unit = s->pdu[0], .pdu = s->pdu + 1, .len = n - 2 };
	*used = i + 2;
	return DEC_OK;
}

static enum dec
try_at(struct modbus_stream *s, size_t at, struct modbus_frame *f, size_t *used)
{
	const uint8_t *p = s->buf + s->head + at;
	size_t len = s->len - at;

	switch (s->framing) {
	case MODBUS_TCP:
		return try_tcp(p, len, f, used);
	case MODBUS_RTU:
		return try_rtu(s->dir, p, len, f, used);
	case MODBUS_ASCII:
		return try_ascii(s, p, len, f, used);
	}
	return DEC_BAD;
}

bool
modbus_expected(
    enum modbus_framing framing, const struct modbus_expect *e, const struct modbus_frame *f)
{
	if (f->unit != e->unit || f->len < 2 || (f->pdu[0] & 0x7f) != e->fc)
		return false;
	return framing != MODBUS_TCP || f->transaction == e->transaction ||
	       (e->or_zero && f->transaction == 0);
}

/* Behind bytes that are no frame, or not yet: only what is waited for counts, as any other right
 * checksum may be chance. Returns DEC_OK when it was found, and then *at says where; else *at is
 * the first place where a frame may still be starting. */
static enum dec
search(struct modbus_stream *s, const struct modbus_expect *expect, struct modbus_frame *f,
    size_t *at, size_t *used)
{
	size_t partial = s->len;

	for (size_t i = *at; i < s->len; i++) {
		enum dec d = try_at(s, i, f, used);
		if (d == DEC_OK && expect && modbus_expected(s->framing, expect, f)) {
			*at = i;
			return DEC_OK;
		}
		/* A master knows whom it asked; a slave takes any start. */
		if ((d == DEC_MORE || (d == DEC_OK && !expect)) && partial == s->len)
			partial = i;
	}
	*at = partial;
	return DEC_MORE;
}

enum dec
modbus_stream_next(
    struct modbus_stream *s, const struct modbus_expect *expect, struct modbus_frame *frame)
{
	while (s->len > 0) {
		size_t used = 0, at = 1;
		enum dec d = try_at(s, 0, frame, &used);
		if (d == DEC_OK) {
			consume(s, used);
			return DEC_OK;
		}
		if (d == DEC_BAD && s->framing == MODBUS_TCP && !expect) {
			modbus_stream_reset(s);
			return DEC_BAD;
		}
		if (d == DEC_MORE && !expect)
			return DEC_MORE;
		if (search(s, expect, frame, &at, &used) == DEC_OK) {
			skip(s, at);
			consume(s, used);
			return DEC_OK;
		}
		if (d == DEC_MORE)
			return DEC_MORE;
		skip(s, at);
		if (expect)
			return DEC_MORE;
	}
	return DEC_MORE;
}

/* All of the content as one RTU frame, whatever its function. */
static enum dec
take_all(struct modbus_stream *s, struct modbus_frame *frame)
{
	const uint8_t *p = s->buf + s->head;
	size_t len = s->len;

	if (s->framing != MODBUS_RTU || len < RTU_MIN || len > MODBUS_MAX_PDU + 3 ||
	    modbus_crc(p, len) != 0)
		return DEC_MORE;
	*frame = (struct modbus_frame){ .unit = p[0], .pdu = p + 1, .len = len - 3 };
	consume(s, len);
	return DEC_OK;
}

enum dec
modbus_stream_unknown(struct modbus_stream *s, struct modbus_frame *frame)
{
	size_t size;

	if (s->len < RTU_MIN ||
	    modbus_pdu_size(s->dir, s->buf + s->head + 1, s->len - 1, &size) != DEC_UNSUP)
		return DEC_MORE;
	return take_all(s, frame);
}

enum dec
modbus_stream_pass(struct modbus_stream *s, const struct modbus_expect *of)
{
	const uint8_t *p = s->buf + s->head;
	struct modbus_frame f;
	size_t used;

	if (s->framing != MODBUS_RTU || (s->len > 0 && p[0] != of->unit) ||
	    (s->len > 1 && (p[1] & 0x7f) != of->fc))
		return DEC_BAD;
	if (try_rtu(MODBUS_REQUEST, p, s->len, &f, &used) == DEC_OK)
		return DEC_BAD;
	enum dec d = try_rtu(MODBUS_RESPONSE, p, s->len, &f, &used);
	if (d == DEC_OK)
		consume(s, used);
	return d;
}

enum dec
modbus_stream_find(struct modbus_stream *s, bool (*ours)(const void *arg, uint8_t unit),
    const void *arg, struct modbus_frame *frame)
{
	const uint8_t *p = s->buf + s->head;
	size_t used;

	for (size_t at = 1; s->framing == MODBUS_RTU && at + RTU_MIN <= s->len; at++) {
		if (!ours(arg, p[at]) ||
		    try_rtu(MODBUS_REQUEST, p + at, s->len - at, frame, &used) != DEC_OK ||
		    at + used != s->len)
			continue;
		skip(s, at);
		consume(s, used);
		return DEC_OK;
	}
	return DEC_MORE;
}

enum dec
modbus_stream_silence(struct modbus_stream *s, struct modbus_frame *frame)
{
	if (take_all(s, frame) == DEC_OK)
		return DEC_OK;
	for (size_t at = 0, used; at < s->len; at++) {
		if (try_at(s, at, frame, &used) != DEC_OK)
			continue;
		skip(s, at);
		consume(s, used);
		return DEC_OK;
	}
	modbus_stream_reset(s);
	return DEC_MORE;
}
