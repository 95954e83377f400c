/*
 * A growable byte queue with a hard limit, in any process: append at the end,
 * consume at the front. A failed append (limit, out of memory) is sticky and
 * leaves the content as it was before it; check buffer_failed() once.
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer {
	uint8_t *data; /* owned; content is data[head .. head + len) */
	size_t head;
	size_t len;
	size_t size;  /* allocated */
	size_t limit; /* most bytes of content, ever */
	bool failed;
};

/* An empty buffer; allocates nothing. */
void buffer_init(struct buffer *b, size_t limit);
/* Frees the memory; the buffer is empty and usable again. Keeps errno. */
void buffer_clear(struct buffer *b);
/* Empties and forgets the failure; keeps the memory. */
void buffer_reset(struct buffer *b);

/* Room for n more bytes at the end, or NULL (sticky failure). The room becomes
 * content with buffer_commit(n'), n' <= n; the pointer dies with the next call. */
static inline uint8_t *buffer_reserve(struct buffer *b, size_t n);
static inline void buffer_commit(struct buffer *b, size_t n);

/* Copies n bytes to the end. */
static inline void buffer_append(struct buffer *b, const void *p, size_t n);
/* A NUL-terminated text without its NUL. */
void buffer_append_str(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void buffer_u8(struct buffer *b, uint8_t v);
/* The n low bytes of v, n <= 8. */
void buffer_le(struct buffer *b, uint64_t v, size_t n);
void buffer_be(struct buffer *b, uint64_t v, size_t n);

/* Drops n <= len bytes at the front. */
void buffer_consume(struct buffer *b, size_t n);
/* Cuts the content back to len <= b->len bytes. */
void buffer_truncate(struct buffer *b, size_t len);

/* For the functions of this header alone: buffer_reserve() when the buffer must grow. */
uint8_t *buffer_make_room(struct buffer *b, size_t n);

static inline uint8_t *
buffer_reserve(struct buffer *b, size_t n)
{
	if (b->failed || n > b->size - b->head - b->len)
		return buffer_make_room(b, n);
	return b->data + b->head + b->len;
}

static inline void
buffer_commit(struct buffer *b, size_t n)
{
	b->len += n;
}

static inline void
buffer_append(struct buffer *b, const void *p, size_t n)
{
	uint8_t *room = n ? buffer_reserve(b, n) : NULL;

	if (!room)
		return;
	memcpy(room, p, n);
	b->len += n;
}

static inline void
buffer_u8(struct buffer *b, uint8_t v)
{
	buffer_append(b, &v, 1);
}

static inline uint8_t *
buffer_data(const struct buffer *b)
{
	/* Not NULL + 0 for an empty one. */
	return b->head ? b->data + b->head : b->data;
}

static inline bool
buffer_failed(const struct buffer *b)
{
	return b->failed;
}

#endif
