/*
 * Short texts by words, in any process: two loads that may overlap take any length from one word
 * to two, where a call of memcpy() costs more than the bytes.
 */
#ifndef COMMON_WORDS_H
#define COMMON_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes, in the machine's order. */
static inline uint64_t
words_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
words_load_half(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* All len < 8 bytes at p: different for different texts of one length. */
static inline uint64_t
words_load_short(const uint8_t *p, size_t len)
{
	if (len >= 4)
		return words_load_half(p) | (uint64_t)words_load_half(p + len - 4) << 32;
	return len ? p[0] | (uint64_t)p[len / 2] << 8 | (uint64_t)p[len - 1] << 16 : 0;
}

/* As memcpy(). */
static inline void
words_copy(uint8_t *to, const void *from, size_t len)
{
	const uint8_t *p = from;

	if (len > 16) {
		memcpy(to, p, len);
	} else if (len >= 8) {
		memcpy(to, p, 8);
		memcpy(to + len - 8, p + len - 8, 8);
	} else if (len >= 4) {
		memcpy(to, p, 4);
		memcpy(to + len - 4, p + len - 4, 4);
	} else if (len) {
		to[0] = p[0];
		to[len / 2] = p[len / 2];
		to[len - 1] = p[len - 1];
	}
}

/* Writes a literal at p, which is a char *; the end of it. */
#define WORDS_PUT(p, literal)                                                                      \
	((char *)memcpy(p, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

#endif
