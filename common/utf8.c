#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

/* RFC 3629 section 4. */
size_t
utf8_length(const uint8_t *p, size_t left)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (left == 0)
		return 0;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			lo = 0xa0;
		if (p[0] == 0xed)
			hi = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		if (p[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n > left || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static uint64_t
load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/* In words, the last of them over what the one before may have seen. */
static bool
is_ascii(const uint8_t *p, size_t len)
{
	uint64_t all = 0;

	if (len >= 8) {
		for (size_t i = 0; i + 8 < len; i += 8)
			all |= load(p + i, 8);
		all |= load(p + len - 8, 8);
	} else if (len >= 4) {
		all = load(p, 4) | load(p + len - 4, 4);
	} else {
		for (size_t i = 0; i < len; i++)
			all |= p[i];
	}
	return !(all & UINT64_C(0x8080808080808080));
}

size_t
utf8_valid_until(const void *text, size_t len)
{
	const uint8_t *p = text;
	size_t i = 0;

	while (i < len) {
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		size_t n = utf8_length(p + i, len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

bool
utf8_valid(const void *text, size_t len)
{
	return is_ascii(text, len) || utf8_valid_until(text, len) == len;
}
