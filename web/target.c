#include "web/target.h"

#include <string.h>

#include "common/utf8.h"

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 'a' - 'A' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool
target_decode(const char *text, char *out)
{
	size_t n = 0;

	if (strnlen(text, TARGET_MAX + 1) > TARGET_MAX)
		return false;
	for (; *text; text++) {
		int c = (unsigned char)*text;
		if (c == '%') {
			int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);
			if (low < 0)
				return false;
			c = high * 16 + low;
			text += 2;
		}
		if (c == 0)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return utf8_valid(out, n);
}

const char *
target_below(const char *path, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(path, name, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return "";
	return path[len] == '/' && path[len + 1] ? path + len + 1 : NULL;
}

uint32_t
target_number(const char *text, uint32_t max)
{
	uint64_t v = 0;

	for (; *text >= '0' && *text <= '9' && v <= max; text++)
		v = v * 10 + (uint64_t)(*text - '0');
	return *text || v > max ? 0 : (uint32_t)v;
}
