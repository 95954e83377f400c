/* The tree: its memory and its readers. */
#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_BLOCK = 1024,
	LAST_BLOCK = 256 * 1024,
	SHORT_NUMBER = 15, /* digits: less than JSON_MAX_EXACT */
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

/* An integer may be written as 8.0 or 8e0 where binary64 tells it from its neighbours. */
static bool
read_integer(const char *text, long long *n)
{
	char *end;

	errno = 0;
	*n = strtoll(text, &end, 10);
	if (errno == 0 && *end == '\0')
		return true;
	double d = strtod(text, &end);
	if (*end || !(d >= -JSON_MAX_EXACT && d <= JSON_MAX_EXACT) || d != (double)(long long)d)
		return false;
	*n = (long long)d;
	return true;
}

bool
json_int(const struct json *j, int64_t min, int64_t max, int64_t *v)
{
	long long n;

	if (!j || j->type != JSON_NUMBER || j->len == 0 || !read_integer(j->text, &n) || n < min ||
	    n > max)
		return false;
	*v = n;
	return true;
}

/* Digits alone, that a binary64 tells from their neighbours. */
static bool
read_short(const char *text, long long *n)
{
	for (*n = 0; *text >= '0' && *text <= '9'; text++)
		*n = 10 * *n + (*text - '0');
	return *text == '\0';
}

bool
json_double(const struct json *j, double *v)
{
	long long n;

	if (!j || j->type != JSON_NUMBER)
		return false;
	/* Most are short and whole: those strtod() would take twice the time for. */
	if (j->len <= SHORT_NUMBER && read_short(j->text, &n)) {
		*v = (double)n;
		return true;
	}
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
