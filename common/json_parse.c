/* json_parse(): the scan with a sink that builds the tree. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json_scan.h"

static const char too_many[] = "too many values";

struct parse {
	struct json_doc *doc;
	struct json *open[JSON_MAX_DEPTH];
	size_t depth;
	struct buffer key;  /* of the next member, NUL-terminated; without bytes: none */
	struct buffer text; /* of a string with escapes */
};

static void
put_code_point(struct buffer *b, uint32_t c)
{
	if (c < 0x80) {
		buffer_u8(b, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buffer_u8(b, (uint8_t)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buffer_u8(b, (uint8_t)(0xe0 | c >> 12));
		} else {
			buffer_u8(b, (uint8_t)(0xf0 | c >> 18));
			buffer_u8(b, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		}
		buffer_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	}
	buffer_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
}

/* The escape behind a backslash, which the scan found right; returns its end. */
static const uint8_t *
put_escape(struct buffer *b, const uint8_t *p, const uint8_t *end)
{
	static const uint8_t meaning[] = { ['b'] = '\b',
		['f'] = '\f',
		['n'] = '\n',
		['r'] = '\r',
		['t'] = '\t',
		['"'] = '"',
		['\\'] = '\\',
		['/'] = '/' };
	size_t used;

	if (*p != 'u') {
		buffer_u8(b, meaning[*p]);
		return p + 1;
	}
	put_code_point(b, (uint32_t)json_scan_code_point(p + 1, end, &used));
	return p + 1 + used;
}

static void
put_unescaped(struct buffer *b, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len, *slash;

	while ((slash = memchr(p, '\\', (size_t)(end - p)))) {
		buffer_append(b, p, (size_t)(slash - p));
		p = put_escape(b, slash + 1, end);
	}
	buffer_append(b, p, (size_t)(end - p));
}

/* Below the innermost open container. NULL: too many, or out of memory. */
static struct json *
add(struct parse *p, enum json_type type, const void *text, size_t len)
{
	struct json *parent = p->depth ? p->open[p->depth - 1] : NULL;
	const char *key = p->key.len ? (const char *)buffer_data(&p->key) : NULL;
	struct json *j = json_add(p->doc, parent, type, key, text, len);

	buffer_reset(&p->key);
	return j;
}

static const char *
on_open(void *arg, enum json_type type)
{
	struct parse *p = arg;
	struct json *j = add(p, type, NULL, 0);

	if (j)
		p->open[p->depth++] = j;
	return j ? NULL : too_many;
}

static void
on_close(void *arg)
{
	((struct parse *)arg)->depth--;
}

static const char *
on_key(void *arg, const uint8_t *text, size_t len, bool escaped)
{
	struct parse *p = arg;

	if (escaped)
		put_unescaped(&p->key, text, len);
	else
		buffer_append(&p->key, text, len);
	buffer_u8(&p->key, '\0');
	return buffer_failed(&p->key) ? "out of memory" : NULL;
}

static const char *
on_scalar(void *arg, enum json_type type, const uint8_t *text, size_t len, bool escaped)
{
	struct parse *p = arg;
	bool has_text = type == JSON_NUMBER || type == JSON_STRING;
	struct json *j;

	if (escaped) {
		buffer_reset(&p->text);
		put_unescaped(&p->text, text, len);
		if (buffer_failed(&p->text))
			return "out of memory";
		j = add(p, type, buffer_data(&p->text), p->text.len);
	} else {
		j = add(p, type, has_text ? text : NULL, has_text ? len : 0);
	}
	if (j)
		j->boolean = type == JSON_BOOL && *text == 't';
	return j ? NULL : too_many;
}

static const struct json_sink tree_sink = {
	.open = on_open,
	.close = on_close,
	.key = on_key,
	.scalar = on_scalar,
};

struct json_doc *
json_parse(const char *text, size_t len, size_t max_nodes, char *err, size_t err_size)
{
	struct parse p = { .doc = json_doc_new(max_nodes) };
	struct json_scan s = { .sink = &tree_sink, .arg = &p };

	if (!p.doc) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	buffer_init(&p.key, len + 1);
	buffer_init(&p.text, len + 1);
	if (!json_scan(&s, text, len)) {
		snprintf(err, err_size, "%s (byte %zu)", s.why, (size_t)(s.p - s.start) + 1);
		json_free(p.doc);
		p.doc = NULL;
	}
	buffer_clear(&p.key);
	buffer_clear(&p.text);
	return p.doc;
}
