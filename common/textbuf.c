#include "common/textbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char ellipsis[] = "...";

struct textbuf
textbuf_make(char *p, size_t size)
{
	*p = '\0';
	return (struct textbuf){ .p = p, .size = size };
}

void
textbuf_add(struct textbuf *t, const char *fmt, ...)
{
	va_list ap;

	if (t->cut)
		return;
	/* Room for the ellipsis is kept. */
	size_t room = t->size - t->len - (sizeof(ellipsis) - 1);
	va_start(ap, fmt);
	int n = vsnprintf(t->p + t->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		t->cut = true;
	else
		t->len += (size_t)n;
}

void
textbuf_quote(struct textbuf *t, const void *bytes, size_t len, size_t most)
{
	const uint8_t *p = bytes;

	textbuf_add(t, "\"");
	for (size_t i = 0; i < len && i < most && !t->cut; i++) {
		bool plain = p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\';
		textbuf_add(t, plain ? "%c" : "\\x%02x", p[i]);
	}
	textbuf_add(t, len > most ? "\"..." : "\"");
}

const char *
textbuf_end(struct textbuf *t)
{
	memcpy(t->p + t->len, ellipsis, t->cut ? sizeof(ellipsis) : 0);
	t->p[t->len + (t->cut ? sizeof(ellipsis) - 1 : 0)] = '\0';
	return t->p;
}
