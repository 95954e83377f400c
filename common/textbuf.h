/*
 * A line for people put together in an array of the caller's, in any process:
 * what does not fit is cut, and the end says so. Foreign bytes get in if they are plain
 * ASCII.
 */
#ifndef COMMON_TEXTBUF_H
#define COMMON_TEXTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct textbuf {
	char *p; /* borrowed */
	size_t size, len;
	bool cut; /* sticky: nothing is added any more */
};

/* size is at least 4: "..." and a NUL. */
struct textbuf textbuf_make(char *p, size_t size);
/* Adds the whole, or nothing, and then nothing else ever. */
void textbuf_add(struct textbuf *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Foreign bytes in double quotes: what is not printable ASCII, a quote and a backslash as \xNN, and
 * of more than `most` bytes the first, with "..." behind them. */
void textbuf_quote(struct textbuf *t, const void *bytes, size_t len, size_t most);
/* Whether more would be in vain; a loop over foreign elements stops then. */
static inline bool
textbuf_is_full(const struct textbuf *t)
{
	return t->cut;
}
/* The text, with a NUL; "..." at its end where something was cut. Add nothing after it. */
const char *textbuf_end(struct textbuf *t);

#endif
