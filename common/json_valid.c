/* json_valid(): the scan alone; and the comparison that mostly makes it unnecessary. */
#include "common/json_scan.h"

bool
json_valid(const char *text, size_t len)
{
	struct json_scan s = { 0 };

	return json_scan(&s, text, len);
}

/* How many of the first n bytes are the same. */
static inline size_t
same_bytes(const uint8_t *p, const uint8_t *q, size_t n)
{
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t other = json_scan_load(p + i) ^ json_scan_load(q + i);
		if (other)
			return i + ((size_t)__builtin_ctzll(other) >> 3);
	}
	while (i < n && p[i] == q[i])
		i++;
	return i;
}

/* Bytes of a word, which is a number, a literal or what a simple string has between its quotes; and
 * those beside a value that has no space around it. */
enum { IN_WORD = 1, BEFORE_VALUE = 2, BEHIND_VALUE = 4 };

static const uint8_t classes[256] = {
	['0' ... '9'] = IN_WORD,
	['A' ... 'Z'] = IN_WORD,
	['a' ... 'z'] = IN_WORD,
	['-'] = IN_WORD,
	['+'] = IN_WORD,
	['.'] = IN_WORD,
	['_'] = IN_WORD,
	['['] = BEFORE_VALUE,
	[':'] = BEFORE_VALUE,
	[','] = BEFORE_VALUE | BEHIND_VALUE,
	[']'] = BEHIND_VALUE,
	['}'] = BEHIND_VALUE,
};

static inline const uint8_t *
skip_word(const uint8_t *p, const uint8_t *end)
{
	while (p < end && classes[*p] & IN_WORD)
		p++;
	return p;
}

/* A number or a literal; p where there is none. */
static inline const uint8_t *
skip_scalar(const uint8_t *p, const uint8_t *end)
{
	struct json_scan s = { .start = p, .p = p, .end = end };
	bool some = p < end && classes[*p] & IN_WORD && json_scan_scalar(&s, *p);

	return some ? s.p : p;
}

/* Whether a value ends at p; behind a closing quote where it is quoted. */
static inline bool
ends_value(const uint8_t **p, const uint8_t *end, bool quoted)
{
	if (quoted && (*p == end || *(*p)++ != '"'))
		return false;
	return *p < end && classes[**p] & BEHIND_VALUE;
}

/*
 * If known has a word between a delimiter before and one behind a value, it goes on in the same
 * state with any scalar there: both are values, or both are part of a string. If a quote stands
 * on either side of the word, the first one begins a string, as no word follows the end of one.
 */
static inline bool
is_like(const uint8_t *p, const uint8_t *end, const uint8_t *q, const uint8_t *known_end)
{
	for (;;) {
		size_t left = (size_t)(end - p), known_left = (size_t)(known_end - q);
		size_t same = same_bytes(p, q, left < known_left ? left : known_left);
		if (same == left || same == known_left)
			return left == known_left;
		while (same > 0 && classes[p[same - 1]] & IN_WORD)
			same--;
		bool quoted = same > 1 && p[same - 1] == '"';
		if (same == 0 || !(classes[p[same - 1 - quoted]] & BEFORE_VALUE))
			return false;
		const uint8_t *word = p + same, *known_word = q + same;
		p = quoted ? skip_word(word, end) : skip_scalar(word, end);
		q = skip_word(known_word, known_end);
		if (q == known_word || (!quoted && p == word) || !ends_value(&p, end, quoted) ||
		    !ends_value(&q, known_end, quoted))
			return false;
	}
}

bool
json_valid_like(const char *text, size_t len, const char *known, size_t known_len)
{
	const uint8_t *p = (const uint8_t *)text, *q = (const uint8_t *)known;

	return known_len && is_like(p, p + len, q, q + known_len);
}
