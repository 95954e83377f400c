#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "common/number.h"
#include "common/utf8.h"

enum {
	FIRST_BLOCK = 1024,
	LAST_BLOCK = 256 * 1024,
};

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(max_align_t) uint8_t data[];
};

struct json_doc {
	struct block *blocks;
	struct json *root;
	size_t nodes, max_nodes;
};

static void *
doc_alloc(struct json_doc *doc, size_t n)
{
	struct block *b = doc->blocks;

	n = (n + 7) & ~(size_t)7;
	if (!b || b->size - b->used < n) {
		size_t size = b ? b->size * 2 : FIRST_BLOCK;
		if (size > LAST_BLOCK)
			size = LAST_BLOCK;
		if (size < n)
			size = n;
		b = malloc(sizeof(*b) + size);
		if (!b)
			return NULL;
		*b = (struct block){ .next = doc->blocks, .size = size };
		doc->blocks = b;
	}
	void *p = b->data + b->used;
	b->used += n;
	return p;
}

static const char *
doc_text(struct json_doc *doc, const char *text, size_t len)
{
	char *copy = doc_alloc(doc, len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

struct json_doc *
json_doc_new(size_t max_nodes)
{
	struct json_doc *doc = calloc(1, sizeof(*doc));

	if (doc)
		doc->max_nodes = max_nodes;
	return doc;
}

void
json_free(struct json_doc *doc)
{
	if (!doc)
		return;
	int saved = errno;
	while (doc->blocks) {
		struct block *next = doc->blocks->next;
		free(doc->blocks);
		doc->blocks = next;
	}
	free(doc);
	errno = saved;
}

const struct json *
json_root(const struct json_doc *doc)
{
	return doc->root;
}

struct json *
json_add(struct json_doc *doc, struct json *parent, enum json_type type, const char *key,
    const char *text, size_t len)
{
	if (doc->nodes >= doc->max_nodes)
		return NULL;
	struct json *j = doc_alloc(doc, sizeof(*j));
	if (!j)
		return NULL;
	*j = (struct json){ .type = type, .len = len };
	if (text && !(j->text = doc_text(doc, text, len)))
		return NULL;
	if (key && !(j->key = doc_text(doc, key, strlen(key))))
		return NULL;
	doc->nodes++;
	if (!parent) {
		doc->root = j;
		return j;
	}
	if (parent->last)
		parent->last->next = j;
	else
		parent->child = j;
	parent->last = j;
	parent->count++;
	return j;
}

/* The parser: yajl's callbacks add to the innermost open container. */
struct parse {
	struct json_doc *doc;
	struct json *open[JSON_MAX_DEPTH];
	size_t depth;
	char *key; /* of the next member */
	const char *why;
};

static struct json *
parse_add(struct parse *p, enum json_type type, const char *text, size_t len)
{
	struct json *parent = p->depth ? p->open[p->depth - 1] : NULL;
	struct json *j = json_add(p->doc, parent, type, p->key, text, len);

	free(p->key);
	p->key = NULL;
	if (!j)
		p->why = "too many values";
	return j;
}

static int
on_null(void *ctx)
{
	return parse_add(ctx, JSON_NULL, NULL, 0) != NULL;
}

static int
on_boolean(void *ctx, int v)
{
	struct json *j = parse_add(ctx, JSON_BOOL, NULL, 0);

	if (j)
		j->boolean = v;
	return j != NULL;
}

static int
on_number(void *ctx, const char *text, size_t len)
{
	return parse_add(ctx, JSON_NUMBER, text, len) != NULL;
}

/* yajl lets overlong forms and surrogates pass, and makes the latter of escapes. */
static bool
parse_utf8(struct parse *p, const unsigned char *text, size_t len)
{
	if (utf8_valid(text, len))
		return true;
	p->why = "not UTF-8";
	return false;
}

static int
on_string(void *ctx, const unsigned char *text, size_t len)
{
	if (!parse_utf8(ctx, text, len))
		return 0;
	return parse_add(ctx, JSON_STRING, (const char *)text, len) != NULL;
}

static int
on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parse *p = ctx;

	if (!parse_utf8(p, text, len))
		return 0;
	if (memchr(text, '\0', len)) {
		p->why = "a NUL in a key";
		return 0;
	}
	p->key = strndup((const char *)text, len);
	return p->key != NULL;
}

static int
open_container(struct parse *p, enum json_type type)
{
	if (p->depth == JSON_MAX_DEPTH) {
		p->why = "nested too deep";
		return 0;
	}
	struct json *j = parse_add(p, type, NULL, 0);
	if (j)
		p->open[p->depth++] = j;
	return j != NULL;
}

static int
on_start_map(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int
on_start_array(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int
on_end(void *ctx)
{
	((struct parse *)ctx)->depth--;
	return 1;
}

static const yajl_callbacks tree_callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};

/* Ends what a text may leave open: a number, and a string that began after the value, which yajl
 * would wait for and otherwise not complain of (in a string, a line feed is an error). */
static const unsigned char at_rest[] = "\n";

/* One line for a person: ours where we stopped it, else yajl's first line. */
static void
describe(yajl_handle h, const struct parse *p, const char *text, size_t len, char *err, size_t size)
{
	if (p->why) {
		snprintf(err, size, "%s", p->why);
		return;
	}
	unsigned char *msg = yajl_get_error(h, 0, (const unsigned char *)text, len);
	snprintf(err, size, "%s", msg ? (const char *)msg : "not JSON");
	err[strcspn(err, "\n")] = '\0';
	yajl_free_error(h, msg);
}

struct json_doc *
json_parse(const char *text, size_t len, size_t max_nodes, char *err, size_t err_size)
{
	struct parse p = { .doc = json_doc_new(max_nodes) };
	yajl_handle h = p.doc ? yajl_alloc(&tree_callbacks, NULL, &p) : NULL;

	if (!h) {
		snprintf(err, err_size, "out of memory");
		goto fail;
	}
	if (yajl_parse(h, (const unsigned char *)text, len) != yajl_status_ok ||
	    yajl_parse(h, at_rest, 1) != yajl_status_ok ||
	    yajl_complete_parse(h) != yajl_status_ok || !p.doc->root) {
		describe(h, &p, text, len, err, err_size);
		goto fail;
	}
	/* yajl takes other white space, and makes '?' of half a surrogate pair. */
	if (!json_valid(text, len)) {
		p.why = "not JSON";
		describe(h, &p, text, len, err, err_size);
		goto fail;
	}
	yajl_free(h);
	return p.doc;
fail:
	free(p.key);
	if (h)
		yajl_free(h);
	json_free(p.doc);
	return NULL;
}

const struct json *
json_get(const struct json *o, const char *key)
{
	const struct json *found = NULL;

	if (!o || o->type != JSON_OBJECT)
		return NULL;
	json_foreach (m, o)
		if (strcmp(m->key, key) == 0)
			found = m;
	return found;
}

bool
json_int(const struct json *j, int64_t min, int64_t max, int64_t *v)
{
	if (!j || j->type != JSON_NUMBER || j->len == 0)
		return false;
	char *end;
	errno = 0;
	long long n = strtoll(j->text, &end, 10);
	if (errno || *end || n < min || n > max)
		return false;
	*v = n;
	return true;
}

bool
json_double(const struct json *j, double *v)
{
	if (!j || j->type != JSON_NUMBER)
		return false;
	double d = strtod(j->text, NULL);
	if (!isfinite(d))
		return false;
	*v = d;
	return true;
}

const char *
json_str(const struct json *j)
{
	return j && j->type == JSON_STRING && strlen(j->text) == j->len ? j->text : NULL;
}

bool
json_is_true(const struct json *j)
{
	return j && j->type == JSON_BOOL && j->boolean;
}

bool
json_bool(const struct json *j, bool *v)
{
	if (!j || j->type != JSON_BOOL)
		return false;
	*v = j->boolean;
	return true;
}

int
json_enum(const struct json *j, const char *const names[])
{
	const char *s = json_str(j);

	for (int i = 0; s && names[i]; i++)
		if (strcmp(s, names[i]) == 0)
			return i;
	return -1;
}

const char *
json_type_name(enum json_type type)
{
	static const char *const names[] = { "null", "a boolean", "a number", "a string",
		"an array", "an object" };

	return names[type];
}

static void
put_quoted(struct buffer *b, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buffer_u8(b, '"');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buffer_append(b, s + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\') {
			buffer_append(b, (char[]){ '\\', (char)c }, 2);
		} else {
			char esc[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
			buffer_append(b, esc, sizeof(esc));
		}
	}
	buffer_append(b, s + start, len - start);
	buffer_u8(b, '"');
}

static void
put_key(struct json_writer *w, const char *key)
{
	if (w->comma)
		buffer_u8(w->b, ',');
	w->comma = true;
	if (key) {
		put_quoted(w->b, key, strlen(key));
		buffer_u8(w->b, ':');
	}
}

static void
begin(struct json_writer *w, const char *key, uint8_t c)
{
	put_key(w, key);
	buffer_u8(w->b, c);
	w->comma = false;
}

static void
end(struct json_writer *w, uint8_t c)
{
	buffer_u8(w->b, c);
	w->comma = true;
}

void
json_begin_object(struct json_writer *w, const char *key)
{
	begin(w, key, '{');
}

void
json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void
json_begin_array(struct json_writer *w, const char *key)
{
	begin(w, key, '[');
}

void
json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void
json_put_raw(struct json_writer *w, const char *key, const char *v, size_t len)
{
	put_key(w, key);
	buffer_append(w->b, v, len);
}

void
json_put_null(struct json_writer *w, const char *key)
{
	json_put_raw(w, key, "null", 4);
}

void
json_put_bool(struct json_writer *w, const char *key, bool v)
{
	json_put_raw(w, key, v ? "true" : "false", v ? 4 : 5);
}

void
json_put_int(struct json_writer *w, const char *key, int64_t v)
{
	char text[NUMBER_MAX_INT];

	json_put_raw(w, key, text, (size_t)(number_put_int(text, v) - text));
}

void
json_put_double(struct json_writer *w, const char *key, double v)
{
	char text[NUMBER_MAX_DOUBLE];

	if (isfinite(v))
		json_put_raw(w, key, text, (size_t)(number_put_double(text, v) - text));
	else
		json_put_null(w, key);
}

void
json_put_strn(struct json_writer *w, const char *key, const char *v, size_t len)
{
	put_key(w, key);
	if (utf8_valid(v, len)) {
		put_quoted(w->b, v, len);
		return;
	}
	struct buffer clean;
	buffer_init(&clean, len * 3);
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)v[i] < 0x80)
			buffer_u8(&clean, (uint8_t)v[i]);
		else
			buffer_append(&clean, "\xef\xbf\xbd", 3);
	}
	put_quoted(w->b, (const char *)buffer_data(&clean), clean.len);
	buffer_clear(&clean);
}

void
json_put_str(struct json_writer *w, const char *key, const char *v)
{
	if (v)
		json_put_strn(w, key, v, strlen(v));
	else
		json_put_null(w, key);
}

void
json_put_tree(struct json_writer *w, const char *key, const struct json *j)
{
	switch (j->type) {
	case JSON_NULL:
		json_put_null(w, key);
		break;
	case JSON_BOOL:
		json_put_bool(w, key, j->boolean);
		break;
	case JSON_NUMBER:
		json_put_raw(w, key, j->text, j->len);
		break;
	case JSON_STRING:
		json_put_strn(w, key, j->text, j->len);
		break;
	case JSON_ARRAY:
		json_begin_array(w, key);
		json_foreach (item, j)
			json_put_tree(w, NULL, item);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w, key);
		json_foreach (item, j)
			json_put_tree(w, item->key, item);
		json_end_object(w);
		break;
	}
}
