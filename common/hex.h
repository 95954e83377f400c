/* Hexadecimal digits, in any process. */
#ifndef COMMON_HEX_H
#define COMMON_HEX_H

#include <stddef.h>
#include <stdint.h>

/* The value of a digit, or -1. */
static inline int
hex_digit(int c)
{
	return c >= '0' && c <= '9'			? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* Reads pairs of digits, at most size, up to the first that is none; returns how many. */
static inline size_t
hex_read(const char *text, size_t len, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < len && n < size; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			break;
		out[n++] = (uint8_t)(high << 4 | low);
	}
	return n;
}

#endif
