#include "protocols/hat/sbs.h"

#include "common/utf8.h"

int64_t
sbs_get_int(struct cursor *c)
{
	uint8_t byte = cursor_u8(c);
	/* The sign fills what the groups leave. */
	uint64_t v = byte & 0x40 ? ~UINT64_C(0) : 0;

	for (size_t n = 1;; n++) {
		uint64_t top = v >> 57;
		v = v << 7 | (byte & 0x7f);
		/* The seven bits that fell off, and the new top bit, must be copies of the sign. */
		if (n == SBS_MAX_INT && (top != (v >> 63 ? 0x7f : 0))) {
			cursor_fail(c);
			return 0;
		}
		if (byte & 0x80)
			return (int64_t)v;
		if (n == SBS_MAX_INT || cursor_left(c) == 0) {
			cursor_fail(c);
			return 0;
		}
		byte = cursor_u8(c);
	}
}

int64_t
sbs_get_int_in(struct cursor *c, int64_t min, int64_t max)
{
	int64_t v = sbs_get_int(c);

	if (v < min || v > max) {
		cursor_fail(c);
		return min;
	}
	return v;
}

size_t
sbs_get_count(struct cursor *c, size_t min_size)
{
	int64_t v = sbs_get_int(c);

	if (v < 0 || (uint64_t)v > cursor_left(c) / min_size) {
		cursor_fail(c);
		return 0;
	}
	return (size_t)v;
}

bool
sbs_get_bool(struct cursor *c)
{
	uint8_t v = cursor_u8(c);

	if (v > 1)
		cursor_fail(c);
	return v == 1;
}

double
sbs_get_float(struct cursor *c)
{
	uint64_t bits = cursor_be(c, 8);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

struct sbs_str
sbs_get_bytes(struct cursor *c)
{
	size_t len = sbs_get_count(c, 1);
	const uint8_t *p = cursor_bytes(c, len);

	return (struct sbs_str){ (const char *)p, p ? len : 0 };
}

struct sbs_str
sbs_get_str(struct cursor *c)
{
	struct sbs_str s = sbs_get_bytes(c);

	if (!utf8_valid(s.p, s.len)) {
		cursor_fail(c);
		s.len = 0;
	}
	return s;
}

unsigned
sbs_get_choice(struct cursor *c, unsigned n)
{
	return (unsigned)sbs_get_int_in(c, 0, n - 1);
}

bool
sbs_get_optional(struct cursor *c)
{
	return sbs_get_choice(c, 2) == 1;
}

uint8_t *
sbs_write_long_int(uint8_t *p, int64_t v)
{
	size_t n = sbs_int_size(v);

	for (size_t i = n; i > 0; i--, v >>= 7)
		p[i - 1] = (uint8_t)(v & 0x7f);
	p[n - 1] |= 0x80;
	return p + n;
}

void
sbs_put_int(struct buffer *b, int64_t v)
{
	size_t n = sbs_int_size(v);
	uint8_t *room = buffer_reserve(b, n);

	if (!room)
		return;
	sbs_write_int(room, v);
	buffer_commit(b, n);
}

void
sbs_put_bool(struct buffer *b, bool v)
{
	buffer_u8(b, v);
}

void
sbs_put_float(struct buffer *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	buffer_be(b, bits, 8);
}

void
sbs_put_str(struct buffer *b, struct sbs_str s)
{
	uint8_t *room = buffer_reserve(b, SBS_MAX_INT + s.len);

	if (room)
		buffer_commit(b, (size_t)(sbs_write_str(room, s) - room));
}

void
sbs_put_optional(struct buffer *b, bool set)
{
	sbs_put_int(b, set);
}
