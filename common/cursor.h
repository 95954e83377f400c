/*
 * A bounded read position over borrowed bytes, in any process. Reads past the
 * end return 0 or NULL and set a sticky error; read freely, check once at the
 * end (and each turn inside a loop whose count came from the bytes).
 */
#ifndef COMMON_CURSOR_H
#define COMMON_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The result of every decoder. */
enum dec {
	DEC_OK,	   /* decoded whole */
	DEC_MORE,  /* a valid beginning: more bytes are needed */
	DEC_BAD,   /* can not become valid, whatever follows */
	DEC_UNSUP, /* well formed, but of a kind that is not supported */
};

struct cursor {
	const uint8_t *p;   /* next byte, borrowed */
	const uint8_t *end; /* one past the last byte */
	bool bad;	    /* sticky: something was read past the end or refused */
};

/* Borrows data for the life of the cursor. data may be NULL when len is 0. */
static inline struct cursor
cursor_make(const void *data, size_t len)
{
	const uint8_t *p = data ? data : (const uint8_t *)"";
	return (struct cursor){ p, p + (data ? len : 0), false };
}

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* Marks the input as refused and moves to its end, so that loops stop. */
static inline void
cursor_fail(struct cursor *c)
{
	c->bad = true;
	c->p = c->end;
}

static inline bool
cursor_ok(const struct cursor *c)
{
	return !c->bad;
}

/* Everything was read, nothing was missing. */
static inline bool
cursor_done(const struct cursor *c)
{
	return !c->bad && c->p == c->end;
}

/* Returns n borrowed bytes, or NULL with the sticky error. */
static inline const uint8_t *
cursor_bytes(struct cursor *c, size_t n)
{
	if (n > cursor_left(c)) {
		cursor_fail(c);
		return NULL;
	}
	const uint8_t *p = c->p;
	c->p += n;
	return p;
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
	if (c->p == c->end) {
		c->bad = true;
		return 0;
	}
	return *c->p++;
}

/* n little or big endian bytes, n <= 8. */
static inline uint64_t
cursor_le(struct cursor *c, size_t n)
{
	const uint8_t *p = cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = n; p && i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

static inline uint64_t
cursor_be(struct cursor *c, size_t n)
{
	const uint8_t *p = cursor_bytes(c, n);
	uint64_t v = 0;
	uint32_t word;

	if (p && n == sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		return be32toh(word);
	}
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint16_t
cursor_u16le(struct cursor *c)
{
	return (uint16_t)cursor_le(c, 2);
}

static inline uint16_t
cursor_u16be(struct cursor *c)
{
	return (uint16_t)cursor_be(c, 2);
}

static inline uint32_t
cursor_u24le(struct cursor *c)
{
	return (uint32_t)cursor_le(c, 3);
}

static inline uint32_t
cursor_u32le(struct cursor *c)
{
	return (uint32_t)cursor_le(c, 4);
}

static inline uint32_t
cursor_u32be(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 4);
}

#endif
