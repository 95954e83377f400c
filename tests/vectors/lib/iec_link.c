#include "tests/vectors/lib/iec_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20, NODES_MAX = 4 << 20 };

struct json_doc *
veclink_load(const char *dir, const char *name)
{
	char path[4096], err[200] = "";
	char *text = malloc(FILE_MAX);

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	size_t len = f && text ? fread(text, 1, FILE_MAX, f) : 0;
	struct json_doc *doc = len ? json_parse(text, len, NODES_MAX, err, sizeof(err)) : NULL;
	if (!doc)
		fprintf(stderr, "%s: not read %s\n", path, err);
	if (f)
		fclose(f);
	free(text);
	return doc;
}

const struct json *
veclink_list(const struct json_doc *doc, const char *key)
{
	static const struct json empty = { .type = JSON_ARRAY };
	const struct json *list = json_get(json_root(doc), key);

	return list ? list : &empty;
}

size_t
veclink_unhex(const struct json *hex, uint8_t *out, size_t max)
{
	const char *s = json_str(hex);
	size_t n = 0;

	for (; s && s[0] && s[1] && n < max; s += 2)
		out[n++] = (uint8_t)strtoul((char[]){ s[0], s[1], 0 }, NULL, 16);
	return n;
}

bool
veclink_is(const struct json *o, const char *key, int64_t v)
{
	const struct json *j = json_get(o, key);
	int64_t n;
	bool b;

	if (!j || j->type == JSON_NULL)
		return v == 0;
	if (json_bool(j, &b))
		return v == b;
	return json_int(j, INT64_MIN, INT64_MAX, &n) && n == v;
}

bool
veclink_text(const struct json *o, const char *key, const char *v)
{
	const char *s = json_str(json_get(o, key));

	return s && v && !strcmp(s, v);
}
