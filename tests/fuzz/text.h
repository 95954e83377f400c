/* The target of a program that makes a line of foreign bytes. Every line must be bounded, not
 * empty, plain ASCII. */
#ifndef FUZZ_TEXT_H
#define FUZZ_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "common/textbuf.h"

enum { FUZZ_TEXT = 480 };

/* The program's own: makes the line. size > 0. */
static void fuzz_line(struct textbuf *t, const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[FUZZ_TEXT];
	struct textbuf t = textbuf_make(line, sizeof(line));

	if (size < 1)
		return 0;
	fuzz_line(&t, data, size);
	const char *p = textbuf_end(&t);
	if (!*p || strlen(p) >= sizeof(line))
		abort();
	for (; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
	return 0;
}

#endif
