/* UTF-8 as RFC 3629 has it: shortest form, no surrogates, at most U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/words.h"

/* Not 0 where a byte of the word is 0 or above 127. */
static inline uint64_t
utf8_odd_bits(uint64_t word)
{
	return (word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080);
}

/* ASCII without a NUL, by words, the last of them over what the one before may have seen. */
static inline bool
utf8_is_plain(const void *text, size_t len)
{
	const uint8_t *p = text;
	uint64_t odd = 0;

	if (len >= 8) {
		for (size_t i = 0; i + 8 < len; i += 8)
			odd |= utf8_odd_bits(words_load(p + i));
		return !(odd | utf8_odd_bits(words_load(p + len - 8)));
	}
	if (len >= 4)
		return !utf8_odd_bits(words_load_short(p, len));
	return len == 0 || !(utf8_odd_bits(words_load_short(p, len)) & 0x808080);
}

/* Bytes that are not plain. */
bool utf8_valid_odd(const void *text, size_t len);

static inline bool
utf8_valid(const void *text, size_t len)
{
	return utf8_is_plain(text, len) || utf8_valid_odd(text, len);
}
/* Bytes before the first that is not, len where all are. */
size_t utf8_valid_until(const void *text, size_t len);
/* Bytes (2 to 4) of the sequence of several bytes that p, left bytes long, starts with; 0 where it
 * starts with none. */
size_t utf8_length(const uint8_t *p, size_t left);

#endif
