#include "supervisor/config/yaml_scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"

static const struct {
	const char *word;
	enum json_type type;
	bool boolean;
} words[] = {
	{ .word = "", .type = JSON_NULL },
	{ .word = "~", .type = JSON_NULL },
	{ .word = "null", .type = JSON_NULL },
	{ .word = "Null", .type = JSON_NULL },
	{ .word = "NULL", .type = JSON_NULL },
	{ .word = "true", .type = JSON_BOOL, .boolean = true },
	{ .word = "True", .type = JSON_BOOL, .boolean = true },
	{ .word = "TRUE", .type = JSON_BOOL, .boolean = true },
	{ .word = "yes", .type = JSON_BOOL, .boolean = true },
	{ .word = "Yes", .type = JSON_BOOL, .boolean = true },
	{ .word = "YES", .type = JSON_BOOL, .boolean = true },
	{ .word = "on", .type = JSON_BOOL, .boolean = true },
	{ .word = "On", .type = JSON_BOOL, .boolean = true },
	{ .word = "ON", .type = JSON_BOOL, .boolean = true },
	{ .word = "false", .type = JSON_BOOL },
	{ .word = "False", .type = JSON_BOOL },
	{ .word = "FALSE", .type = JSON_BOOL },
	{ .word = "no", .type = JSON_BOOL },
	{ .word = "No", .type = JSON_BOOL },
	{ .word = "NO", .type = JSON_BOOL },
	{ .word = "off", .type = JSON_BOOL },
	{ .word = "Off", .type = JSON_BOOL },
	{ .word = "OFF", .type = JSON_BOOL },
};

static bool
resolve_word(const char *text, size_t len, struct yaml_scalar *s)
{
	for (size_t i = 0; len <= 5 && i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == len && memcmp(words[i].word, text, len) == 0) {
			s->type = words[i].type;
			s->boolean = words[i].boolean;
			return true;
		}
	return false;
}

/* A number under the eyes: [sign] digits, read from p to end. */
struct number {
	const char *p, *end;
	bool minus;
	struct buffer *out;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Value of c as a digit of the base, or -1. */
static int
digit_value(char c, unsigned base)
{
	int v = hex_digit(c);

	return v < (int)base ? v : -1;
}

static void
put_sign(struct number *n)
{
	if (n->minus)
		buffer_u8(n->out, '-');
}

/* Digits and underscores of the base to the end; at least one digit. */
static bool
based_integer(struct number *n, unsigned base, const char **error)
{
	uint64_t v = 0;
	bool any = false, over = false;

	for (const char *p = n->p; p < n->end; p++) {
		int d = digit_value(*p, base);
		if (*p == '_')
			continue;
		if (d < 0)
			return false;
		over |= __builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, (uint64_t)d, &v);
		any = true;
	}
	if (!any)
		return false;
	put_sign(n);
	buffer_printf(n->out, "%llu", (unsigned long long)v);
	if (over)
		*error = "an integer of this notation that does not fit 64 bits";
	return true;
}

/* 190:20:30, the base 60 of YAML 1.1; with a fraction it is a float. */
static bool
sexagesimal(struct number *n, bool *is_float, const char **error)
{
	uint64_t v = 0, part = 0;
	const char *p = n->p;
	bool over = false;
	int colons = 0, digits = 0;

	for (; p < n->end && *p != '.'; p++) {
		if (*p == ':') {
			if (!digits)
				return false;
			over |= __builtin_mul_overflow(v + part, UINT64_C(60), &v) ||
				v > UINT64_MAX / 2;
			colons++;
			digits = 0;
			part = 0;
		} else if (is_digit(*p)) {
			if (colons && (++digits > 2 || part * 10 + (uint64_t)(*p - '0') > 59))
				return false;
			over |= part > UINT64_MAX / 20;
			part = part * 10 + (uint64_t)(*p - '0');
			digits += colons == 0;
		} else if (*p != '_' || colons) {
			return false;
		}
	}
	if (!colons || !digits || (n->p[0] == '0' && p == n->end))
		return false;
	*is_float = p < n->end;
	put_sign(n);
	buffer_printf(n->out, "%llu", (unsigned long long)(v + part));
	if (*is_float)
		buffer_append(n->out, ".", 1);
	for (const char *q = p + 1; q < n->end; q++) {
		if (!is_digit(*q) && *q != '_')
			return false;
		if (*q != '_')
			buffer_u8(n->out, (uint8_t)*q);
	}
	if (*is_float)
		buffer_u8(n->out, '0');
	if (over)
		*error = "an integer of this notation that does not fit 64 bits";
	return true;
}

/* Copies digits, without underscores and leading zeros, "0" where none is left. */
static const char *
copy_digits(struct number *n, const char *p, bool integer)
{
	size_t before = n->out->len;

	for (; p < n->end && (is_digit(*p) || *p == '_'); p++)
		if (*p != '_' && (!integer || *p != '0' || n->out->len > before))
			buffer_u8(n->out, (uint8_t)*p);
	if (n->out->len == before)
		buffer_u8(n->out, '0');
	return p;
}

/* e+5: YAML 1.1 wants the sign, JSON does not. */
static bool
exponent(struct number *n, const char *p, bool json)
{
	if (p == n->end)
		return true;
	if ((*p | 0x20) != 'e')
		return false;
	const char *digits = p + 1;
	if (digits < n->end && (*digits == '+' || *digits == '-'))
		digits++;
	else if (!json)
		return false;
	for (const char *q = digits; q < n->end; q++)
		if (!is_digit(*q))
			return false;
	buffer_append(n->out, p, (size_t)(n->end - p));
	return digits < n->end;
}

/* 1_000.5e+3, 1., .5 (which takes no sign). */
static bool
decimal_float(struct number *n, bool is_signed, bool json)
{
	const char *p = n->p;

	put_sign(n);
	if (*p == '.' && (is_signed || n->end - p < 2 || !is_digit(p[1])))
		return false;
	if (*p != '.' && !is_digit(*p))
		return false;
	if (*p == '0' && n->end - p > 1 && is_digit(p[1]) && !memchr(p, '.', (size_t)(n->end - p)))
		return false; /* 08 */
	p = copy_digits(n, p, true);
	if (p < n->end && *p == '.') {
		buffer_u8(n->out, '.');
		p = copy_digits(n, p + 1, false);
	} else if (!json) {
		return false;
	}
	return exponent(n, p, json);
}

/* A number without a fraction is an integer, as in JSON Schema: 9600.0 becomes 9600. Returns
 * NULL, or what is wrong with the number. */
static const char *
drop_fraction(struct buffer *out)
{
	buffer_u8(out, 0);
	if (buffer_failed(out))
		return NULL;
	double v = strtod((const char *)buffer_data(out), NULL);
	buffer_truncate(out, out->len - 1);
	if (isinf(v))
		return "a number that no 64-bit floating point number can hold";
	if (v != rint(v) || fabs(v) > 0x1p53 || (v == 0 && signbit(v)))
		return NULL;
	buffer_reset(out);
	buffer_printf(out, "%.0f", v);
	return NULL;
}

static bool
decimal_integer(struct number *n)
{
	const char *p = n->p;

	if (*p == '0' ? n->end - p > 1 : !is_digit(*p))
		return false;
	put_sign(n);
	return copy_digits(n, p, true) == n->end;
}

static bool
prefixed_integer(struct number *n, const char **error)
{
	if (n->p[0] != '0' || n->end - n->p < 2)
		return false;
	unsigned base = n->p[1] == 'x' ? 16 : n->p[1] == 'b' ? 2 : 8;
	n->p += base == 8 ? 1 : 2;
	return based_integer(n, base, error);
}

static bool
not_finite(const struct number *n, bool is_signed)
{
	static const char *const names[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };

	for (size_t i = 0; i < 6; i++)
		if (n->end - n->p == 4 && memcmp(n->p, names[i], 4) == 0)
			return i < 3 || !is_signed;
	return false;
}

/* Most numbers look like this: there is nothing to rewrite. */
static bool
is_plain_integer(const char *text, size_t len)
{
	size_t i = text[0] == '-';

	if (i == len || (text[i] == '0' && len > i + 1))
		return false;
	for (; i < len; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

static bool
resolve_number(const char *text, size_t len, bool json, struct buffer *out, struct yaml_scalar *s)
{
	bool is_signed = text[0] == '-' || text[0] == '+';
	struct number start = { text + is_signed, text + len, text[0] == '-', out }, n = start;

	if (start.p == start.end)
		return false;
	if (not_finite(&n, is_signed)) {
		s->error = "infinity and NaN can not be used in a configuration";
		s->is_float = true;
		return true;
	}
	if (decimal_integer(&n))
		return true;
	buffer_reset(out);
	n = start;
	if (prefixed_integer(&n, &s->error))
		return true;
	buffer_reset(out);
	n = start;
	if (decimal_float(&n, is_signed, json)) {
		s->error = drop_fraction(out);
		s->is_float = true;
		return true;
	}
	buffer_reset(out);
	n = start;
	return is_digit(n.p[0]) && sexagesimal(&n, &s->is_float, &s->error);
}

/* Digits from p on, at most max; the end of them, or NULL where there are fewer than min. */
static const char *
skip_digits(const char *p, const char *end, int min, int max)
{
	int n = 0;

	for (; p < end && n < max && is_digit(*p); p++)
		n++;
	return n < min ? NULL : p;
}

static const char *
skip_char(const char *p, const char *end, char c)
{
	return p && p < end && *p == c ? p + 1 : NULL;
}

/* 2001-12-14, 2001-12-14t21:59:43.10-05:00: what stands behind the date is not looked at. */
static bool
is_timestamp(const char *text, size_t len)
{
	const char *end = text + len, *p = skip_char(skip_digits(text, end, 4, 4), end, '-');

	p = p ? skip_char(skip_digits(p, end, 1, 2), end, '-') : NULL;
	p = p ? skip_digits(p, end, 1, 2) : NULL;
	return p && (p == end || *p == 't' || *p == 'T' || *p == ' ' || *p == '\t');
}

/* Texts that YAML 1.1 reads as something that JSON does not have. */
static void
judge_text(struct yaml_scalar *s)
{
	if (s->len == 1 && s->text[0] == '=')
		s->error = "'=' alone is no text in YAML: write it in quotes";
	else if (s->len == 2 && memcmp(s->text, "<<", 2) == 0)
		s->error = "'<<' alone is no text in YAML: write it in quotes";
	else if (s->len >= 8 && is_digit(s->text[0]) && is_timestamp(s->text, s->len))
		s->warning = "YAML reads a date here; it is taken as text: write it in quotes";
}

struct yaml_scalar
yaml_scalar_resolve(const char *text, size_t len, bool json, struct buffer *scratch)
{
	struct yaml_scalar s = { .type = JSON_STRING, .text = text, .len = len };

	if (resolve_word(text, len, &s))
		return s;
	if (!is_digit(text[0]) && text[0] != '-' && text[0] != '+' && text[0] != '.') {
		judge_text(&s);
		return s;
	}
	if (is_plain_integer(text, len)) {
		s.type = JSON_NUMBER;
		return s;
	}
	buffer_reset(scratch);
	if (!resolve_number(text, len, json, scratch, &s)) {
		s.error = NULL;
		s.is_float = false;
		judge_text(&s);
		return s;
	}
	s.type = JSON_NUMBER;
	if (!s.error) {
		s.text = (const char *)buffer_data(scratch);
		s.len = scratch->len;
	}
	return s;
}
