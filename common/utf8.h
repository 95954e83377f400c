/* UTF-8 as RFC 3629 has it: shortest form, no surrogates, at most U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The words of a short text, the last of them over what the one before may have seen. */
static inline bool
utf8_is_ascii(const void *text, size_t len)
{
	const uint8_t *p = text;
	uint64_t all = 0, last = 0;
	uint32_t first = 0, second = 0;

	if (len >= 8) {
		for (size_t i = 0; i + 8 < len; i += 8) {
			memcpy(&last, p + i, 8);
			all |= last;
		}
		memcpy(&last, p + len - 8, 8);
		return !((all | last) & UINT64_C(0x8080808080808080));
	}
	if (len >= 4) {
		memcpy(&first, p, 4);
		memcpy(&second, p + len - 4, 4);
		return !((first | second) & 0x80808080);
	}
	return len == 0 || !((p[0] | p[len / 2] | p[len - 1]) & 0x80);
}

/* Bytes that are not plain ASCII. */
bool utf8_valid_odd(const void *text, size_t len);

static inline bool
utf8_valid(const void *text, size_t len)
{
	return utf8_is_ascii(text, len) || utf8_valid_odd(text, len);
}
/* Bytes before the first that is not, len where all are. */
size_t utf8_valid_until(const void *text, size_t len);
/* Bytes (2 to 4) of the sequence of several bytes that p, left bytes long, starts with; 0 where it
 * starts with none. */
size_t utf8_length(const uint8_t *p, size_t left);

#endif
