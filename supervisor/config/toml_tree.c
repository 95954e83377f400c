#include "supervisor/config/toml_tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "common/utf8.h"
#include "supervisor/config/text_place.h"
#include "supervisor/config/yaml_scalar.h"

#define TOO_DEEP "nested too deep (32 levels at most)"
#define NUMBER_TOO_LONG "a number that is too long"

enum { NUMBER_MAX = 1000 }; /* characters of one */

/* Values of a container's len, which JSON does not use, while the file is read. */
enum {
	OPEN = 0,      /* a header may still define it, keys with dots extend it */
	DEFINED = 1,   /* by a header: no other may, and no dots from outside reach into it */
	FROZEN = 2,    /* a value: nothing may be added */
	SECTION_0 = 3, /* and more: by keys with dots, below the header of that number: as DEFINED
			* below all others */
};

struct toml {
	const char *text, *p, *end;
	struct text_place located; /* the last of those asked for */
	struct json_doc *doc;
	size_t section;		     /* headers read */
	size_t compared;	     /* keys, with those sought */
	struct buffer parts;	     /* of keys, each with a NUL */
	struct buffer value, number; /* of strings and numbers */
	yaml_report *report;
	void *arg;
};

/* A table that keys go to, and how deep it is; the document's is 1. */
struct place {
	struct json *table;
	uint32_t depth;
};

struct key {
	const char *at;
	uint32_t count;
	size_t offset[JSON_MAX_DEPTH]; /* of each part in struct toml's parts */
};

/* Finds line and column of `at`, which mostly moves on. */
static void
locate(struct toml *t, const char *at)
{
	if (at < t->located.at)
		t->located = (struct text_place){ t->text, 1, 1 };
	text_place_move(&t->located, at);
}

static bool fault(struct toml *t, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns false. */
static bool
fault(struct toml *t, const char *at, const char *fmt, ...)
{
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	locate(t, at);
	t->report(t->arg, SCHEMA_ERROR, t->located.line, t->located.column, "", message);
	return false;
}

static bool
unexpected(struct toml *t, const char *expected)
{
	if (t->p == t->end)
		return fault(t, t->p, "not TOML: expected %s, found the end", expected);
	if (*t->p == '\n' || *t->p == '\r')
		return fault(t, t->p, "not TOML: expected %s, found the end of the line", expected);
	if (isprint((unsigned char)*t->p))
		return fault(t, t->p, "not TOML: expected %s, found '%c'", expected, *t->p);
	return fault(t, t->p, "not TOML: expected %s", expected);
}

static bool
is_next(const struct toml *t, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(t->end - t->p) >= n && memcmp(t->p, word, n) == 0;
}

static bool
take(struct toml *t, const char *word)
{
	if (!is_next(t, word))
		return false;
	t->p += strlen(word);
	return true;
}

static bool
take_newline(struct toml *t)
{
	return take(t, "\n") || take(t, "\r\n");
}

static void
skip_blanks(struct toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

/* Control characters stand nowhere, tabs and line ends excepted. */
static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static bool
skip_comment(struct toml *t)
{
	if (!take(t, "#"))
		return true;
	while (t->p < t->end && *t->p != '\n' && !is_next(t, "\r\n")) {
		if (is_control(*t->p))
			return unexpected(t, "no control characters");
		t->p++;
	}
	return true;
}

/* Blanks, line ends and comments. */
static bool
skip_lines(struct toml *t)
{
	do {
		skip_blanks(t);
		if (!skip_comment(t))
			return false;
	} while (take_newline(t));
	return true;
}

/* --- strings, appended to a buffer --- */

static void
put_utf8(struct buffer *b, uint32_t c)
{
	static const uint8_t first[] = { 0, 0xc0, 0xe0, 0xf0 };
	int more = (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);

	buffer_u8(b, (uint8_t)(first[more] | c >> 6 * more));
	while (more-- > 0)
		buffer_u8(b, (uint8_t)(0x80 | (c >> 6 * more & 0x3f)));
}

/* Behind "\u" or "\U". */
static bool
read_hex(struct toml *t, int digits, struct buffer *b)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++, t->p++) {
		int digit = t->p == t->end ? -1 : hex_digit(*t->p);
		if (digit < 0)
			return unexpected(t,
			    digits == 4 ? "four hexadecimal digits" : "eight hexadecimal digits");
		c = c << 4 | (uint32_t)digit;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return fault(t, t->p - digits, "not TOML: no character of Unicode");
	put_utf8(b, c);
	return true;
}

static bool
read_escape(struct toml *t, bool lines, struct buffer *b)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	const char *at = t->p++;
	const char *name = t->p < t->end ? memchr(names, *t->p, sizeof(names) - 1) : NULL;

	if (name) {
		t->p++;
		buffer_u8(b, (uint8_t)values[name - names]);
		return true;
	}
	if (take(t, "u"))
		return read_hex(t, 4, b);
	if (take(t, "U"))
		return read_hex(t, 8, b);
	/* A line that ends with it goes on at the next character. */
	skip_blanks(t);
	if (!lines || !take_newline(t))
		return fault(t, at, "not TOML: an unknown escape");
	do
		skip_blanks(t);
	while (take_newline(t));
	return true;
}

/* One character of a string between quotes of kind `quote`. */
static bool
read_character(struct toml *t, char quote, bool lines, struct buffer *b)
{
	if (*t->p == '\\' && quote == '"')
		return read_escape(t, lines, b);
	if (lines && take_newline(t)) {
		buffer_u8(b, '\n');
		return true;
	}
	if (is_control(*t->p))
		return unexpected(t, "the end of the string");
	buffer_u8(b, (uint8_t)*t->p++);
	return true;
}

static bool
read_string(struct toml *t, bool may_have_lines, struct buffer *b)
{
	char quote = *t->p, three[] = { quote, quote, quote, '\0' };
	bool lines = may_have_lines && take(t, three);

	if (!lines)
		t->p++;
	else
		take_newline(t);
	while (t->p < t->end && !(lines ? is_next(t, three) : *t->p == quote))
		if (!read_character(t, quote, lines, b))
			return false;
	if (t->p == t->end)
		return unexpected(t, "the end of the string");
	/* Up to two quotes of the text may stand before the three. */
	for (int i = 0; lines && i < 2 && t->end - t->p > 3 && t->p[3] == quote; i++)
		buffer_u8(b, (uint8_t)*t->p++);
	t->p += lines ? 3 : 1;
	return true;
}

/* --- keys and tables --- */

static bool
is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static const char *
part(const struct toml *t, const struct key *k, uint32_t i)
{
	return (const char *)buffer_data(&t->parts) + k->offset[i];
}

static bool
read_part(struct toml *t, struct key *k)
{
	const char *at = t->p;
	size_t offset = t->parts.len;

	if (t->p < t->end && (*t->p == '"' || *t->p == '\'')) {
		if (!read_string(t, false, &t->parts))
			return false;
	} else {
		while (t->p < t->end && is_bare(*t->p))
			buffer_u8(&t->parts, (uint8_t)*t->p++);
		if (t->p == at)
			return unexpected(t, "a key");
	}
	if (k->count == JSON_MAX_DEPTH)
		return fault(t, at, TOO_DEEP);
	buffer_u8(&t->parts, 0);
	if (buffer_failed(&t->parts))
		return fault(t, at, "out of memory");
	k->offset[k->count++] = offset;
	if (strlen(part(t, k, k->count - 1)) + 1 != t->parts.len - offset)
		return fault(t, at, "a NUL in a key");
	return true;
}

/* Appends to `parts`. */
static bool
read_key(struct toml *t, struct key *k)
{
	skip_blanks(t);
	*k = (struct key){ .at = t->p };
	if (t->compared > TOML_MAX_COMPARED)
		return fault(t, t->p, "too many keys in too large tables");
	do {
		skip_blanks(t);
		if (!read_part(t, k))
			return false;
		skip_blanks(t);
	} while (take(t, "."));
	return true;
}

static struct json *
find(struct toml *t, const struct json *table, const char *name)
{
	t->compared += table->count;
	return (struct json *)json_get(table, name);
}

/* With a text: of a string or number, else NULL. NULL after a fault. */
static struct json *
add(struct toml *t, struct json *parent, enum json_type type, const char *key,
    const struct buffer *text, const char *at)
{
	const char *data = text && text->len ? (const char *)buffer_data(text) : text ? "" : NULL;

	struct json *j = json_add(t->doc, parent, type, key, data, text ? text->len : 0);
	if (!j) {
		fault(t, at, "too many values");
		return NULL;
	}
	locate(t, at);
	j->line = t->located.line;
	j->column = t->located.column;
	return j;
}

static bool
is_tables(const struct json *j)
{
	return j->type == JSON_ARRAY && j->len == DEFINED;
}

/* From a table to the one of that name in it, which is new where there is none; the last one of an
 * array of tables. */
static bool
step(struct toml *t, struct place *p, const char *name, const char *at)
{
	struct json *j = find(t, p->table, name);

	if (!j && !(j = add(t, p->table, JSON_OBJECT, name, NULL, at)))
		return false;
	p->depth++;
	if (is_tables(j)) {
		j = j->last;
		p->depth++;
	}
	if (j->type != JSON_OBJECT || j->len == FROZEN)
		return fault(t, at, "not TOML: '%.100s' has its value already", name);
	if (p->depth > JSON_MAX_DEPTH)
		return fault(t, at, TOO_DEEP);
	p->table = j;
	return true;
}

/* Steps to the place of the key's last part, for a key with dots in front of a value. */
static bool
step_by_dots(struct toml *t, struct place *p, const struct key *k)
{
	for (uint32_t i = 0; i + 1 < k->count; i++) {
		const char *name = part(t, k, i);
		size_t here = SECTION_0 + t->section;
		if (!step(t, p, name, k->at))
			return false;
		if (p->table->len != OPEN && p->table->len != here)
			return fault(t, k->at, "not TOML: '%.100s' is defined elsewhere", name);
		p->table->len = here;
	}
	return true;
}

static bool read_value(struct toml *t, struct place p, const char *key);

static bool
read_pair(struct toml *t, struct place p)
{
	struct key k;
	size_t parts = t->parts.len;

	if (!read_key(t, &k))
		return false;
	if (!take(t, "="))
		return unexpected(t, "'='");
	if (!step_by_dots(t, &p, &k))
		return false;
	skip_blanks(t);
	const char *name = part(t, &k, k.count - 1);
	if (find(t, p.table, name))
		return fault(t, k.at, "not TOML: '%.100s' has its value already", name);
	if (!read_value(t, p, name))
		return false;
	buffer_truncate(&t->parts, parts);
	return true;
}

/* --- values --- */

static bool
is_date(const struct toml *t)
{
	size_t n = 0;

	while (t->p + n < t->end && isdigit((unsigned char)t->p[n]))
		n++;
	return (n == 4 || n == 2) && t->p + n < t->end && t->p[n] == (n == 4 ? '-' : ':');
}

/* Digits of base with single '_' between, without them to `number`. false: there are none. */
static bool
take_digits(struct toml *t, int base)
{
	static const char digits[] = "0123456789abcdef";
	bool any = false;

	for (; t->p < t->end; t->p++) {
		const char *c = t->p + (any && *t->p == '_');
		if (c == t->end || !memchr(digits, tolower((unsigned char)*c), (size_t)base))
			break;
		buffer_u8(&t->number, (uint8_t)*c);
		t->p = c;
		any = true;
	}
	return any;
}

static bool
read_prefixed(struct toml *t, int base)
{
	const char *at = t->p;
	char *end;

	t->p += 2;
	if (!take_digits(t, base))
		return unexpected(t, "a digit");
	buffer_u8(&t->number, 0);
	if (buffer_failed(&t->number))
		return fault(t, at, NUMBER_TOO_LONG);
	errno = 0;
	unsigned long long v = strtoull((const char *)buffer_data(&t->number), &end, base);
	if (errno)
		return fault(t, at, "an integer of more than 64 bits");
	buffer_reset(&t->number);
	buffer_printf(&t->number, "%llu", v);
	return true;
}

/* A decimal number, as the scalar of YAML that it is too. */
static bool
read_decimal(struct toml *t)
{
	const char *at = t->p;
	bool digits;

	if (take(t, "-"))
		buffer_u8(&t->number, '-');
	else
		take(t, "+");
	if (is_next(t, "inf") || is_next(t, "nan"))
		return fault(t, at, "expected a number of JSON, found infinity or NaN");
	bool zero = is_next(t, "0");
	digits = take_digits(t, 10);
	if (zero && t->number.len > 1 + (*at == '-'))
		return fault(t, at, "not TOML: a number that begins with 0");
	if (digits && take(t, ".")) {
		buffer_u8(&t->number, '.');
		digits = take_digits(t, 10);
	}
	if (digits && (take(t, "e") || take(t, "E"))) {
		buffer_u8(&t->number, 'e');
		buffer_u8(&t->number, take(t, "-") ? '-' : '+');
		take(t, "+");
		digits = take_digits(t, 10);
	}
	if (!digits)
		return unexpected(t, "a digit");
	return true;
}

static bool
read_number(struct toml *t, struct place p, const char *key)
{
	const char *at = t->p;
	bool ok;

	buffer_reset(&t->number);
	if (is_date(t))
		return fault(t, at, "expected a value of JSON, found a date or a time");
	ok = is_next(t, "0x")	? read_prefixed(t, 16)
	     : is_next(t, "0o") ? read_prefixed(t, 8)
	     : is_next(t, "0b") ? read_prefixed(t, 2)
				: read_decimal(t);
	if (!ok)
		return false;
	if (buffer_failed(&t->number))
		return fault(t, at, NUMBER_TOO_LONG);
	struct yaml_scalar s = yaml_scalar_resolve(
	    (const char *)buffer_data(&t->number), t->number.len, true, &t->value);
	if (s.error || s.type != JSON_NUMBER)
		return fault(t, at, "%s", s.error ? s.error : NUMBER_TOO_LONG);
	if (s.text == (const char *)buffer_data(&t->number))
		return add(t, p.table, JSON_NUMBER, key, &t->number, at);
	return add(t, p.table, JSON_NUMBER, key, &t->value, at);
}

static bool
read_array(struct toml *t, struct place p, const char *key)
{
	struct json *array = add(t, p.table, JSON_ARRAY, key, NULL, t->p++);
	struct place inner = { array, p.depth + 1 };

	if (!array)
		return false;
	array->len = FROZEN;
	for (;;) {
		if (!skip_lines(t))
			return false;
		if (take(t, "]"))
			return true;
		if (!read_value(t, inner, NULL) || !skip_lines(t))
			return false;
		if (!take(t, ",") && !is_next(t, "]"))
			return unexpected(t, "',' or ']'");
	}
}

static bool
read_inline_table(struct toml *t, struct place p, const char *key)
{
	struct json *table = add(t, p.table, JSON_OBJECT, key, NULL, t->p++);
	struct place inner = { table, p.depth + 1 };

	if (!table)
		return false;
	skip_blanks(t);
	if (!is_next(t, "}")) {
		do {
			if (!read_pair(t, inner))
				return false;
			skip_blanks(t);
		} while (take(t, ","));
	}
	table->len = FROZEN;
	return take(t, "}") || unexpected(t, "',' or '}'");
}

/* The next value of the table or array p. */
static bool
read_value(struct toml *t, struct place p, const char *key)
{
	const char *at = t->p;
	bool yes = take(t, "true");

	if (yes || take(t, "false")) {
		struct json *j = add(t, p.table, JSON_BOOL, key, NULL, at);
		if (j)
			j->boolean = yes;
		return j;
	}
	if (is_next(t, "\"") || is_next(t, "'")) {
		buffer_reset(&t->value);
		if (!read_string(t, true, &t->value))
			return false;
		if (buffer_failed(&t->value))
			return fault(t, at, "out of memory");
		return add(t, p.table, JSON_STRING, key, &t->value, at);
	}
	if (is_next(t, "[") || is_next(t, "{")) {
		if (p.depth == JSON_MAX_DEPTH)
			return fault(t, at, TOO_DEEP);
		return *at == '[' ? read_array(t, p, key) : read_inline_table(t, p, key);
	}
	if (t->p < t->end && (isdigit((unsigned char)*at) || *at == '+' || *at == '-'))
		return read_number(t, p, key);
	if (is_next(t, "inf") || is_next(t, "nan"))
		return read_number(t, p, key);
	return unexpected(t, "a value");
}

/* --- headers --- */

static bool
define_table(struct toml *t, struct place *p, const char *name, const char *at)
{
	if (!step(t, p, name, at))
		return false;
	if (p->table->len != OPEN)
		return fault(t, at, "not TOML: '%.100s' is defined already", name);
	p->table->len = DEFINED;
	return true;
}

/* One more table in the array of that name. */
static bool
append_table(struct toml *t, struct place *p, const char *name, const char *at)
{
	struct json *array = find(t, p->table, name);

	if (array && !is_tables(array))
		return fault(t, at, "not TOML: '%.100s' is defined already", name);
	if (!array && !(array = add(t, p->table, JSON_ARRAY, name, NULL, at)))
		return false;
	array->len = DEFINED;
	p->depth += 2;
	if (p->depth > JSON_MAX_DEPTH)
		return fault(t, at, TOO_DEEP);
	p->table = add(t, array, JSON_OBJECT, NULL, NULL, at);
	if (p->table)
		p->table->len = DEFINED;
	return p->table;
}

/* *p becomes the table of the header. */
static bool
read_header(struct toml *t, struct place *p)
{
	const char *at = t->p;
	bool tables = take(t, "[[");
	struct key k;

	*p = (struct place){ (struct json *)json_root(t->doc), 1 };
	t->section++;
	buffer_reset(&t->parts);
	if (!tables)
		t->p++;
	if (!read_key(t, &k))
		return false;
	for (uint32_t i = 0; i + 1 < k.count; i++)
		if (!step(t, p, part(t, &k, i), at))
			return false;
	if (!take(t, tables ? "]]" : "]"))
		return unexpected(t, tables ? "']]'" : "']'");
	return (tables ? append_table : define_table)(t, p, part(t, &k, k.count - 1), at);
}

static bool
read_document(struct toml *t)
{
	struct place p = { add(t, NULL, JSON_OBJECT, NULL, NULL, t->p), 1 };

	if (!p.table)
		return false;
	for (;;) {
		if (!skip_lines(t))
			return false;
		if (t->p == t->end)
			return true;
		if (!(*t->p == '[' ? read_header(t, &p) : read_pair(t, p)))
			return false;
		skip_blanks(t);
		if (!skip_comment(t))
			return false;
		if (t->p < t->end && !take_newline(t))
			return unexpected(t, "the end of the line");
	}
}

/* len is JSON's again. */
static void
forget(struct json *j)
{
	if (j->type != JSON_OBJECT && j->type != JSON_ARRAY)
		return;
	j->len = 0;
	for (struct json *m = j->child; m; m = m->next)
		forget(m);
}

struct json_doc *
toml_tree_parse(const char *text, size_t len, size_t max_nodes, yaml_report *report, void *arg)
{
	struct toml t = { .text = text,
		.p = text,
		.end = text + len,
		.located = { text, 1, 1 },
		.doc = json_doc_new(max_nodes),
		.report = report,
		.arg = arg };
	size_t valid = utf8_valid_until(text, len);
	bool ok = false;

	buffer_init(&t.parts, len + JSON_MAX_DEPTH);
	buffer_init(&t.value, len + NUMBER_MAX);
	buffer_init(&t.number, NUMBER_MAX);
	/* Editors of other systems begin files with a byte order mark. */
	if (take(&t, "\xef\xbb\xbf"))
		t.text = t.located.at = t.p;
	if (!t.doc)
		fault(&t, text, "out of memory");
	else if (valid < len)
		fault(&t, text + valid, "expected UTF-8, found other bytes");
	else
		ok = read_document(&t);
	buffer_clear(&t.parts);
	buffer_clear(&t.value);
	buffer_clear(&t.number);
	if (ok) {
		forget((struct json *)json_root(t.doc));
		return t.doc;
	}
	json_free(t.doc);
	return NULL;
}
