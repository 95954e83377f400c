/*
 * SBS, the encoding of the Event Server's and the Monitor Server's messages:
 * reads from a cursor, writes to a buffer. Pure; used by gatewayd and
 * gateway-eventd. Read values borrow from the cursor's bytes. What is
 * malformed, cut short or beyond 64 bits makes the cursor's sticky error.
 */
#ifndef PROTOCOLS_HAT_SBS_H
#define PROTOCOLS_HAT_SBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buffer.h"
#include "common/cursor.h"
#include "common/words.h"

enum {
	SBS_MAX_INT = 10, /* bytes of an int64: 7 bits a byte; longer forms are refused */
};

/* Text (UTF-8, may hold NULs, not terminated) or bytes, borrowed. */
struct sbs_str {
	const char *p;
	size_t len;
};

static inline struct sbs_str
sbs_str(const char *text)
{
	return (struct sbs_str){ text, strlen(text) };
}

static inline bool
sbs_str_eq(struct sbs_str a, struct sbs_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* By bytes; of two that begin the same the shorter one first. */
static inline int
sbs_str_cmp(struct sbs_str a, struct sbs_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Two's complement, most significant group first; the last byte has its top bit set. Longer forms
 * than the shortest are taken, as the reference writes none but reads them. */
int64_t sbs_get_int(struct cursor *c);
/* An Integer from min to max, else the sticky error and min. */
int64_t sbs_get_int_in(struct cursor *c, int64_t min, int64_t max);
/* The count of an Array whose elements take at least min_size >= 1 bytes each: never more than the
 * bytes that are left can hold. */
size_t sbs_get_count(struct cursor *c, size_t min_size);
/* 00 or 01; anything else is refused. */
bool sbs_get_bool(struct cursor *c);
double sbs_get_float(struct cursor *c);
struct sbs_str sbs_get_bytes(struct cursor *c);
/* Refuses what is not UTF-8. */
struct sbs_str sbs_get_str(struct cursor *c);
/* Index of a Choice of n alternatives. */
unsigned sbs_get_choice(struct cursor *c, unsigned n);
/* Whether an Optional has its value, which is read next. */
bool sbs_get_optional(struct cursor *c);

/* Bytes that sbs_put_int takes, 1 .. SBS_MAX_INT: seven bits each, the sign among them. */
static inline size_t
sbs_int_size(int64_t v)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll((uint64_t)(v ^ v >> 63) | 1);

	return bits / 7 + 1;
}

/* The slow path of sbs_write_int(): any integer. */
uint8_t *sbs_write_long_int(uint8_t *p, int64_t v);

/* Writes the shortest form at p, which has room for SBS_MAX_INT bytes; returns the end of it. */
static inline uint8_t *
sbs_write_int(uint8_t *p, int64_t v)
{
	if (v < -64 || v > 63)
		return sbs_write_long_int(p, v);
	*p = (uint8_t)(0x80 | (v & 0x7f));
	return p + 1;
}

/* Integer length and the bytes, at p, which has room for SBS_MAX_INT + s.len bytes. */
static inline uint8_t *
sbs_write_str(uint8_t *p, struct sbs_str s)
{
	p = sbs_write_int(p, (int64_t)s.len);
	words_copy(p, s.p, s.len);
	return p + s.len;
}

void sbs_put_int(struct buffer *b, int64_t v);
void sbs_put_bool(struct buffer *b, bool v);
void sbs_put_float(struct buffer *b, double v);
/* The caller vouches for UTF-8 where the schema says String. */
void sbs_put_str(struct buffer *b, struct sbs_str s);
void sbs_put_optional(struct buffer *b, bool set);

#endif
