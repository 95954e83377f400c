/*
 * The one reader of JSON (RFC 8259), UTF-8 included: a pass over the bytes that tells a sink what
 * it finds. Two files include it and each makes its own copy: json_valid.c without a sink, so that
 * nothing but the check is left, and json_parse.c with one that builds the tree.
 */
#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "common/hex.h"
#include "common/json.h"
#include "common/utf8.h"

#define JSON_INLINE static inline __attribute__((always_inline))

/* The values of the text, in its order. Each function returns NULL, or why the scan has to end.
 * Texts are as written, strings and keys without their quotes; escaped: a backslash is in it. */
struct json_sink {
	const char *(*open)(void *arg, enum json_type type);
	void (*close)(void *arg);
	const char *(*key)(void *arg, const uint8_t *text, size_t len, bool escaped);
	const char *(*scalar)(
	    void *arg, enum json_type type, const uint8_t *text, size_t len, bool escaped);
};

struct json_scan {
	const uint8_t *start, *p, *end; /* after a failure p is where it is wrong */
	const struct json_sink *sink;
	void *arg;
	const char *why; /* it failed, for a person */
	uint32_t
	    objects; /* a bit per open container, the innermost lowest: an object, not an array */
	unsigned depth;
};

static_assert(JSON_MAX_DEPTH <= 32, "a bit per level");

/* The next byte; 0, which is never right, at the end. */
JSON_INLINE uint8_t
json_scan_peek(const struct json_scan *s)
{
	return s->p < s->end ? *s->p : 0;
}

JSON_INLINE uint8_t
json_scan_peek_behind_space(struct json_scan *s)
{
	uint8_t c = json_scan_peek(s);

	while (c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
		s->p++;
		c = json_scan_peek(s);
	}
	return c;
}

JSON_INLINE bool
json_scan_fail(struct json_scan *s, const char *why)
{
	s->why = s->p < s->end ? why : "the text ends too early";
	return false;
}

/* A scalar that starts at start and ends at p; a refusal points to its start. */
JSON_INLINE bool
json_scan_tell(
    struct json_scan *s, enum json_type type, const uint8_t *start, size_t len, bool escaped)
{
	if (s->sink)
		s->why = s->sink->scalar(s->arg, type, start, len, escaped);
	if (s->why)
		s->p = start;
	return !s->why;
}

/* Four hexadecimal digits of [p, end), or -1. */
static inline int
json_scan_hex(const uint8_t *p, const uint8_t *end)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int digit = p + i < end ? hex_digit(p[i]) : -1;
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* Behind \u: the code point, a pair of surrogates taken as one; *used: bytes of it. -1: none. */
static inline int32_t
json_scan_code_point(const uint8_t *p, const uint8_t *end, size_t *used)
{
	int v = json_scan_hex(p, end);

	*used = 4;
	if (v < 0xd800 || v > 0xdfff)
		return v;
	if (v > 0xdbff || end - p < 6 || p[4] != '\\' || p[5] != 'u')
		return -1;
	int low = json_scan_hex(p + 6, end);
	*used = 10;
	return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
}

/* Bytes of an escape or of a character of several bytes at p, which is in a string; 0 and why where
 * it is wrong. */
static __attribute__((noinline, unused)) size_t
json_scan_odd(const uint8_t *p, const uint8_t *end, bool key, const char **why)
{
	size_t n;

	if (*p < 0x20) {
		*why = "a control character in a string";
		return 0;
	}
	if (*p != '\\') {
		*why = "not UTF-8";
		return utf8_length(p, (size_t)(end - p));
	}
	*why = "an unknown escape";
	if (end - p < 2 || p[1] == 0 || !strchr("\"\\/bfnrtu", p[1]))
		return 0;
	if (p[1] != 'u')
		return 2;
	int32_t c = json_scan_code_point(p + 2, end, &n);
	*why = c == 0 ? "a NUL in a key" : "no character behind \\u";
	return c < 0 || (c == 0 && key) ? 0 : 2 + n;
}

/* Eight bytes of a string, the first lowest. A high bit for each that ends it, is odd or no
 * character; the lowest bit is right, those above it need not be. */
JSON_INLINE uint64_t
json_scan_marks(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t marks = (v - ones * 0x20) | ((v ^ ones * '"') - ones) | ((v ^ ones * '\\') - ones);

	return (marks | v) & ones * 0x80;
}

JSON_INLINE uint64_t
json_scan_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* The last bytes of the text, fewer than eight, with NULs behind them. */
JSON_INLINE uint64_t
json_scan_load_last(const struct json_scan *s, const uint8_t *p, size_t left)
{
	uint64_t v = 0;

	if (s->end - s->start >= 8)
		return left ? json_scan_load(s->end - 8) >> 8 * (8 - left) : 0;
	for (size_t i = 0; i < left; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* The first byte of a string from p on that is not simply one of its characters, or the end. */
JSON_INLINE const uint8_t *
json_scan_plain(const struct json_scan *s, const uint8_t *p)
{
	uint64_t marks = 0;

	while (s->end - p >= 8 && !(marks = json_scan_marks(json_scan_load(p))))
		p += 8;
	if (!marks)
		marks = json_scan_marks(json_scan_load_last(s, p, (size_t)(s->end - p)));
	return p + (__builtin_ctzll(marks) >> 3);
}

/* At the opening quote; moves behind the closing one. */
JSON_INLINE bool
json_scan_string(struct json_scan *s, bool key)
{
	const uint8_t *start = ++s->p;
	bool escaped = false;

	for (;;) {
		s->p = json_scan_plain(s, s->p);
		if (s->p >= s->end)
			return json_scan_fail(s, NULL);
		if (*s->p == '"')
			break;
		const char *why;
		size_t n = json_scan_odd(s->p, s->end, key, &why);
		if (n == 0)
			return json_scan_fail(s, why);
		escaped |= *s->p == '\\';
		s->p += n;
	}
	size_t len = (size_t)(s->p++ - start);
	if (!key)
		return json_scan_tell(s, JSON_STRING, start, len, escaped);
	if (s->sink)
		s->why = s->sink->key(s->arg, start, len, escaped);
	return !s->why;
}

JSON_INLINE bool
json_scan_digits(struct json_scan *s)
{
	const uint8_t *p = s->p;

	while (p < s->end && (uint8_t)(*p - '0') <= 9)
		p++;
	bool some = p > s->p;
	s->p = p;
	return some || json_scan_fail(s, "expected a digit");
}

JSON_INLINE bool
json_scan_number(struct json_scan *s, uint8_t c)
{
	const uint8_t *start = s->p;

	if (c == '-') {
		s->p++;
		c = json_scan_peek(s);
	}
	if (c == '0')
		s->p++;
	else if (!json_scan_digits(s))
		return false;
	c = json_scan_peek(s);
	if (c == '.') {
		s->p++;
		if (!json_scan_digits(s))
			return false;
		c = json_scan_peek(s);
	}
	if (c == 'e' || c == 'E') {
		s->p++;
		c = json_scan_peek(s);
		s->p += c == '+' || c == '-';
		if (!json_scan_digits(s))
			return false;
	}
	return json_scan_tell(s, JSON_NUMBER, start, (size_t)(s->p - start), false);
}

JSON_INLINE bool
json_scan_word(struct json_scan *s, enum json_type type, const char *word, size_t len)
{
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return json_scan_fail(s, "expected a value");
	s->p += len;
	return json_scan_tell(s, type, s->p - len, len, false);
}

JSON_INLINE bool
json_scan_scalar(struct json_scan *s, uint8_t c)
{
	switch (c) {
	case '"':
		return json_scan_string(s, false);
	case 't':
		return json_scan_word(s, JSON_BOOL, "true", 4);
	case 'f':
		return json_scan_word(s, JSON_BOOL, "false", 5);
	case 'n':
		return json_scan_word(s, JSON_NULL, "null", 4);
	case '-':
	case '0' ... '9':
		return json_scan_number(s, c);
	default:
		return json_scan_fail(s, "expected a value");
	}
}

/* A member's key and its colon. */
JSON_INLINE bool
json_scan_key(struct json_scan *s)
{
	if (json_scan_peek_behind_space(s) != '"')
		return json_scan_fail(s, "expected a key in quotes");
	if (!json_scan_string(s, true))
		return false;
	if (json_scan_peek_behind_space(s) != ':')
		return json_scan_fail(s, "expected ':'");
	s->p++;
	return true;
}

JSON_INLINE bool
json_scan_open(struct json_scan *s, bool object)
{
	if (s->depth == JSON_MAX_DEPTH)
		return json_scan_fail(s, "nested too deep");
	if (s->sink)
		s->why = s->sink->open(s->arg, object ? JSON_OBJECT : JSON_ARRAY);
	s->depth++;
	s->objects = s->objects << 1 | object;
	s->p++;
	return !s->why;
}

/* The ends of containers behind a value; then the next byte. */
JSON_INLINE uint8_t
json_scan_close(struct json_scan *s)
{
	uint8_t c = json_scan_peek_behind_space(s);

	while ((c | 0x20) == '}' && s->depth && c == (s->objects & 1 ? '}' : ']')) {
		if (s->sink)
			s->sink->close(s->arg);
		s->p++;
		s->depth--;
		s->objects >>= 1;
		c = json_scan_peek_behind_space(s);
	}
	return c;
}

/* From a container's open bracket to its first scalar, or behind an empty one. */
JSON_INLINE bool
json_scan_value(struct json_scan *s)
{
	for (;;) {
		uint8_t c = json_scan_peek_behind_space(s);
		if (c != '{' && c != '[')
			return json_scan_scalar(s, c);
		if (!json_scan_open(s, c == '{'))
			return false;
		if (json_scan_peek_behind_space(s) == (c == '{' ? '}' : ']'))
			return true;
		if (c == '{' && !json_scan_key(s))
			return false;
	}
}

/* The whole text is one value; else p and why. */
JSON_INLINE bool
json_scan(struct json_scan *s, const void *text, size_t len)
{
	s->start = s->p = text;
	s->end = s->start + len;
	for (;;) {
		if (!json_scan_value(s))
			return false;
		uint8_t c = json_scan_close(s);
		if (s->depth == 0) {
			s->why = s->p < s->end ? "more than one value" : NULL;
			return !s->why;
		}
		if (c != ',')
			return json_scan_fail(
			    s, s->objects & 1 ? "expected ',' or '}'" : "expected ',' or ']'");
		s->p++;
		if (s->objects & 1 && !json_scan_key(s))
			return false;
	}
}

#endif
