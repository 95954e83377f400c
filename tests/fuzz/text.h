/* What every line that is made of foreign bytes must be: bounded, not empty, plain ASCII. */
#ifndef FUZZ_TEXT_H
#define FUZZ_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "common/textbuf.h"

enum { FUZZ_TEXT = 480 };

static inline void
fuzz_check_text(struct textbuf *t)
{
	const char *p = textbuf_end(t);

	if (!*p || strlen(p) >= t->size)
		abort();
	for (; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
}

#endif
