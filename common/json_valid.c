/* json_valid(): RFC 8259 in one pass over the bytes. */
#include <assert.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"

struct scan {
	const uint8_t *p, *end;
	unsigned depth;
	uint32_t
	    objects; /* a bit per open container, the innermost lowest: an object, not an array */
};

static_assert(JSON_MAX_DEPTH <= 32, "a bit per level");

/* The next byte; 0, which is never right, at the end. */
static uint8_t
peek(const struct scan *s)
{
	return s->p < s->end ? *s->p : 0;
}

static uint8_t
peek_behind_space(struct scan *s)
{
	uint8_t c;

	while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		s->p++;
	return c;
}

static bool
take(struct scan *s, uint8_t c)
{
	if (peek(s) != c)
		return false;
	s->p++;
	return true;
}

/* Four hexadecimal digits, or -1. */
static int
take_hex(struct scan *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t c = peek(s);
		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
		s->p++;
	}
	return v;
}

/* Behind the backslash. */
static bool
take_escape(struct scan *s, bool key)
{
	uint8_t c = peek(s);

	if (c == 0 || !strchr("\"\\/bfnrtu", c))
		return false;
	s->p++;
	if (c != 'u')
		return true;
	int v = take_hex(s);
	if (v < 0 || (v == 0 && key) || (v >= 0xdc00 && v <= 0xdfff))
		return false;
	if (v < 0xd800 || v > 0xdbff)
		return true;
	if (!take(s, '\\') || !take(s, 'u'))
		return false;
	v = take_hex(s);
	return v >= 0xdc00 && v <= 0xdfff;
}

/* Behind the opening quote. */
static bool
take_string(struct scan *s, bool key)
{
	static const bool plain[256] = {
		[0x20 ... 0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0x7f] = true
	};

	for (;;) {
		while (s->p < s->end && plain[*s->p])
			s->p++;
		uint8_t c = peek(s);
		if (c == '"' || c == '\\')
			s->p++;
		if (c == '"')
			return true;
		if (c == '\\') {
			if (!take_escape(s, key))
				return false;
			continue;
		}
		size_t n = c < 0x80 ? 0 : utf8_length(s->p, (size_t)(s->end - s->p));
		if (n == 0)
			return false;
		s->p += n;
	}
}

static bool
take_digits(struct scan *s)
{
	const uint8_t *start = s->p;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->p++;
	return s->p > start;
}

static bool
take_number(struct scan *s)
{
	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (!take(s, 'e') && !take(s, 'E'))
		return true;
	if (!take(s, '+'))
		take(s, '-');
	return take_digits(s);
}

static bool
take_word(struct scan *s, const char *word, size_t len)
{
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static bool
take_scalar(struct scan *s, uint8_t c)
{
	switch (c) {
	case '"':
		s->p++;
		return take_string(s, false);
	case 't':
		return take_word(s, "true", 4);
	case 'f':
		return take_word(s, "false", 5);
	case 'n':
		return take_word(s, "null", 4);
	default:
		return take_number(s);
	}
}

/* A member's key and its colon. */
static bool
take_key(struct scan *s)
{
	if (peek_behind_space(s) != '"')
		return false;
	s->p++;
	return take_string(s, true) && peek_behind_space(s) == ':' && take(s, ':');
}

/* Before a value: goes down to the first scalar or empty container. */
static bool
take_value(struct scan *s)
{
	for (;;) {
		uint8_t c = peek_behind_space(s);
		if (c != '{' && c != '[')
			return take_scalar(s, c);
		s->p++;
		if (peek_behind_space(s) == (c == '{' ? '}' : ']')) {
			s->p++;
			return s->depth < JSON_MAX_DEPTH;
		}
		if (s->depth++ == JSON_MAX_DEPTH)
			return false;
		s->objects = s->objects << 1 | (c == '{');
		if (c == '{' && !take_key(s))
			return false;
	}
}

bool
json_valid(const char *text, size_t len)
{
	struct scan s = { .p = (const uint8_t *)text, .end = (const uint8_t *)text + len };

	while (take_value(&s)) {
		uint8_t c = peek_behind_space(&s);
		while (s.depth && c == (s.objects & 1 ? '}' : ']')) {
			s.p++;
			s.depth--;
			s.objects >>= 1;
			c = peek_behind_space(&s);
		}
		if (s.depth == 0)
			return s.p == s.end;
		if (!take(&s, ',') || (s.objects & 1 && !take_key(&s)))
			return false;
	}
	return false;
}
