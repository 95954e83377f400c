#include "tests/vectors/lib/hat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_NODES = 4 << 20, MAX_FILE = 64 << 20 };

struct vec_tally vec_tally;

void
vec_put_hex(struct buffer *b, const char *hex)
{
	char pair[3] = { 0 };

	for (; hex && hex[0] && hex[1]; hex += 2) {
		memcpy(pair, hex, 2);
		buffer_u8(b, (uint8_t)strtoul(pair, NULL, 16));
	}
}

struct buffer
vec_from_hex(const struct json *j)
{
	struct buffer b;

	buffer_init(&b, MAX_BYTES);
	vec_put_hex(&b, json_str(j));
	return b;
}

struct sbs_str
vec_view(const struct buffer *b)
{
	return (struct sbs_str){ b->len ? (const char *)buffer_data(b) : "", b->len };
}

bool
vec_same(const struct buffer *a, const struct buffer *b)
{
	return !a->failed && !b->failed && sbs_str_eq(vec_view(a), vec_view(b));
}

bool
vec_as_int(const struct json *j, int64_t *v)
{
	const char *text = json_str(json_get(j, "$int"));

	if (!text)
		return json_int(j, INT64_MIN, INT64_MAX, v);
	errno = 0;
	*v = strtoll(text, NULL, 10);
	return errno == 0;
}

int64_t
vec_int(const struct json *j)
{
	int64_t v = 0;

	vec_as_int(j, &v);
	return v;
}

struct sbs_str
vec_str(const struct json *j)
{
	return (struct sbs_str){ j->text, j->len };
}

double
vec_float(const struct json *j)
{
	const char *special = json_str(json_get(j, "$float"));
	double v = 0;

	if (special)
		return strtod(special, NULL);
	json_double(j, &v);
	return v;
}

/* The value of an Optional, or NULL for none. */
const struct json *
vec_optional(const struct json *j)
{
	const char *choice = json_str(json_get(j, "$choice"));

	return choice && strcmp(choice, "value") == 0 ? json_get(j, "value") : NULL;
}

void
vec_count(bool good, const char *file, const char *what)
{
	if (good) {
		vec_tally.passed++;
		return;
	}
	vec_tally.failed++;
	printf("%s: FAILED %s\n", file, what);
}

struct json_doc *
vec_load(const char *dir, const char *file)
{
	char path[4096], err[200];
	struct json_doc *doc = NULL;
	char *text = malloc(MAX_FILE);

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "rb");
	if (f && text)
		doc = json_parse(text, fread(text, 1, MAX_FILE, f), MAX_NODES, err, sizeof(err));
	if (f)
		fclose(f);
	free(text);
	return doc;
}

const struct json *
vec_list(const struct json_doc *doc, const char *key)
{
	static const struct json empty = { .type = JSON_ARRAY };
	const struct json *list = json_get(json_root(doc), key);

	return list ? list : &empty;
}
