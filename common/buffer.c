#include "common/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buffer_init(struct buffer *b, size_t limit)
{
	*b = (struct buffer){ .limit = limit };
}

void
buffer_clear(struct buffer *b)
{
	int saved = errno;

	free(b->data);
	buffer_init(b, b->limit);
	errno = saved;
}

void
buffer_reset(struct buffer *b)
{
	b->head = 0;
	b->len = 0;
	b->failed = false;
}

static bool
grow(struct buffer *b, size_t need)
{
	size_t size = b->size ? b->size : 256;

	while (size < need)
		size *= 2;
	if (size > b->limit)
		size = b->limit;
	uint8_t *data = realloc(b->data, size);
	if (!data)
		return false;
	b->data = data;
	b->size = size;
	return true;
}

uint8_t *
buffer_make_room(struct buffer *b, size_t n)
{
	if (b->failed || n > b->limit - b->len) {
		b->failed = true;
		return NULL;
	}
	/* The front is reclaimed when it is the larger part, so that each byte moves at most once
	 * on average. */
	if (b->head && b->head + b->len + n > b->size && b->head >= b->len) {
		memmove(b->data, b->data + b->head, b->len);
		b->head = 0;
	}
	if (b->head + b->len + n > b->size) {
		if (b->head) {
			memmove(b->data, b->data + b->head, b->len);
			b->head = 0;
		}
		if (b->len + n > b->size && !grow(b, b->len + n)) {
			b->failed = true;
			return NULL;
		}
	}
	return b->data + b->head + b->len;
}

void
buffer_append_str(struct buffer *b, const char *s)
{
	buffer_append(b, s, strlen(s));
}

void
buffer_printf(struct buffer *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n < sizeof(text)) {
		buffer_append(b, text, (size_t)n);
		return;
	}
	uint8_t *room = buffer_reserve(b, (size_t)n + 1);
	if (!room)
		return;
	va_start(ap, fmt);
	vsnprintf((char *)room, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buffer_le(struct buffer *b, uint64_t v, size_t n)
{
	uint8_t *room = buffer_reserve(b, n);

	if (!room)
		return;
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)(v >> (8 * i));
	b->len += n;
}

void
buffer_be(struct buffer *b, uint64_t v, size_t n)
{
	uint8_t *room = buffer_reserve(b, n);

	if (!room)
		return;
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	b->len += n;
}

void
buffer_consume(struct buffer *b, size_t n)
{
	b->head += n;
	b->len -= n;
	if (b->len == 0)
		b->head = 0;
}

void
buffer_truncate(struct buffer *b, size_t len)
{
	b->len = len;
}
