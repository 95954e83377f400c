/* Lines and columns of a text, for messages about a file; in the supervisor. */
#ifndef SUPERVISOR_TEXT_PLACE_H
#define SUPERVISOR_TEXT_PLACE_H

#include <stdint.h>

struct text_place {
	const char *at;
	uint32_t line, column; /* from 1, in characters of UTF-8 */
};

/* Moves on to `to`, which is at or behind p->at in the same text. */
static inline void
text_place_move(struct text_place *p, const char *to)
{
	for (; p->at < to; p->at++) {
		if (*p->at == '\n') {
			p->line++;
			p->column = 1;
		} else if (((uint8_t)*p->at & 0xc0) != 0x80) {
			p->column++;
		}
	}
}

#endif
