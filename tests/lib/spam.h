/*
 * Bodies of messages made from their shapes in the table of ipc/message.h, so that a new message
 * has one without a word about it: well-formed, and as large as `many` elements of each array and
 * the longest texts make it.
 */
#ifndef SPAM_H
#define SPAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc/message.h"

struct spam {
	uint8_t *p, *end;
	unsigned many;
	bool full; /* not everything fitted */
};

static inline void
spam_put(struct spam *s, const void *bytes, size_t len)
{
	s->full |= (size_t)(s->end - s->p) < len;
	if (s->full)
		return;
	memcpy(s->p, bytes, len);
	s->p += len;
}

/* A text of so many bytes. */
static inline void
spam_text(struct spam *s, size_t len)
{
	char text[IPC_MAX_TEXT];
	const uint8_t head[] = { 0xda, (uint8_t)(len >> 8), (uint8_t)len };

	memset(text, 'x', sizeof(text));
	spam_put(s, head, sizeof(head));
	spam_put(s, text, len);
}

static inline const char *spam_shape(struct spam *s, const char *shape);

/* What follows an element of a shape, of which nothing is written. */
static inline const char *
spam_skip(const char *shape)
{
	uint8_t scrap[1];
	struct spam none = { scrap, scrap, 1, false };

	return spam_shape(&none, shape);
}

static inline const char *
spam_group(struct spam *s, const char *shape)
{
	uint8_t *head = s->p, n = 0;

	spam_put(s, "\x90", 1);
	for (shape++; *shape != ']'; n++)
		shape = spam_shape(s, shape);
	if (!s->full)
		*head = 0x90 | n;
	return shape + 1;
}

/* One element of a shape; returns what follows it. */
static inline const char *
spam_shape(struct spam *s, const char *shape)
{
	const uint8_t array[] = { 0xdc, (uint8_t)(s->many >> 8), (uint8_t)s->many };

	switch (*shape) {
	case '[':
		return spam_group(s, shape);
	case '*':
		spam_put(s, array, sizeof(array));
		for (unsigned i = 0; i < s->many; i++)
			spam_shape(s, shape + 1);
		return spam_skip(shape + 1);
	case '?':
		return spam_shape(s, shape + 1);
	case 's':
		spam_text(s, IPC_MAX_TEXT);
		break;
	case 'b':
		spam_put(s, "\xc3", 1);
		break;
	case 'B':
		spam_put(s, "\xc4\x01x", 3);
		break;
	case 'N':
		spam_put(s, "\x92\xa7gateway", 9);
		spam_text(s, 100);
		break;
	case 'T':
		spam_put(s, "\x92\x01\x02", 3);
		break;
	case 'P':
		spam_put(s,
		    "\xa1"
		    "1",
		    2);
		break;
	case 'E':
		spam_shape(s, "*[NTP]");
		break;
	default: /* u, U */
		spam_put(s, "\x00", 1);
	}
	return shape + 1;
}

/* The body of a message into out, of fewer elements where it would not fit; returns its length. */
static inline size_t
spam_body(const char *shape, unsigned many, uint8_t *out, size_t size)
{
	struct spam s;

	do {
		s = (struct spam){ out, out + size, many, false };
		spam_shape(&s, shape);
		many /= 2;
	} while (s.full);
	return (size_t)(s.p - out);
}

#endif
