#include "gatewayctl/check/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

enum { MAX_NODES = 10000, MAX_WORD = 200, MAX_PATH = 80 };

static const char *
str_of(const struct json *o, const char *key)
{
	const char *text = json_str(json_get(o, key));

	return text ? text : "";
}

/* --- kinds --- */

/* "GROUP01..16" */
static bool
range_fits(const char *word, const char *text)
{
	const char *dots = strstr(word, "..");
	size_t digits = dots ? strlen(dots + 2) : 0;
	size_t stem = dots ? (size_t)(dots - word) - digits : 0;

	if (!dots || strncmp(word, text, stem) != 0 || strlen(text) != stem + digits ||
	    strspn(text + stem, "0123456789") != digits)
		return false;
	long n = strtol(text + stem, NULL, 10);
	return n >= strtol(word + stem, NULL, 10) && n <= strtol(dots + 2, NULL, 10);
}

static bool
is_keyword(const char *kind)
{
	static const char *const keywords[] = { "integer", "number", "boolean", "text", "json",
		"null", "oid" };
	size_t len = strcspn(kind, " ");

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strlen(keywords[i]) == len && strncmp(kind, keywords[i], len) == 0)
			return true;
	return false;
}

static bool
alternative_fits(const char *kind, const struct json *v)
{
	char why[DESCRIPTION_WHY];
	const char *text = json_str(v);

	if (strcmp(kind, "null") == 0)
		return v->type == JSON_NULL;
	if (strcmp(kind, "oid") == 0)
		return text && strchr(text, '.') && strspn(text, "0123456789.") == v->len;
	if (strcmp(kind, "number") == 0)
		return v->type == JSON_NUMBER;
	if (is_keyword(kind))
		return description_value_fits(kind, v, why);
	return text && (strcmp(kind, text) == 0 || range_fits(kind, text));
}

/* kinds: with '|' between them. */
static bool
kinds_fit(const char *kinds, const struct json *v, char why[DESCRIPTION_WHY])
{
	const char *text = json_str(v);
	struct nearest near = nearest_begin(text ? text : "");
	char kind[MAX_WORD], best[MAX_WORD] = "";

	for (const char *p = kinds; *p; p += strcspn(p, "|"), p += *p == '|') {
		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(p, "|"), p);
		if (alternative_fits(kind, v))
			return true;
		if (text && !is_keyword(kind))
			nearest_offer(&near, kind);
		if (near.best == kind) {
			memcpy(best, kind, sizeof(best));
			near.best = best;
		}
	}
	if (!strchr(kinds, '|') && is_keyword(kinds) && !description_value_fits(kinds, v, why))
		return false;
	snprintf(why, DESCRIPTION_WHY, "expected %s%.120s, found %.60s%s%.50s%s",
	    strchr(kinds, '|') ? "one of " : "", kinds,
	    v->type == JSON_NUMBER || text ? v->text : json_type_name(v->type),
	    *best ? "; did you mean '" : "", best, *best ? "'?" : "");
	return false;
}

/* --- payloads --- */

/* A request in place of a form: marks stand for the value and an identifier; all else shows its
 * type. */
struct form {
	bool derived;
	const char *value; /* its kind */
};

static const char id_mark[] = "\"\\u0001id\"", value_mark[] = "\"\\u0001value\"";

static bool
takes_leaf(const struct form *f, const struct json *form, const struct json *have,
    char why[DESCRIPTION_WHY])
{
	bool marked = f->derived && form->type == JSON_STRING && form->text[0] == '\1';

	if (marked && form->text[1] == 'i')
		return true;
	if (marked)
		return !*f->value || description_value_fits(f->value, have, why);
	if (!f->derived && form->type == JSON_STRING)
		return kinds_fit(form->text, have, why);
	if (form->type == have->type)
		return true;
	snprintf(why, DESCRIPTION_WHY, "expected %s, found %s", json_type_name(form->type),
	    json_type_name(have->type));
	return false;
}

static bool takes(const struct form *f, const struct json *form, const struct json *have,
    const char *path, char why[DESCRIPTION_WHY]);

static bool
takes_member(const struct form *f, const struct json *form, const struct json *object,
    const char *path, char why[DESCRIPTION_WHY])
{
	char key[MAX_PATH], inner[MAX_PATH];
	size_t len = strlen(form->key);
	bool optional = len && form->key[len - 1] == '?';

	snprintf(key, sizeof(key), "%.*s", (int)(len - optional), form->key);
	snprintf(inner, sizeof(inner), "%.40s%s%.36s", path, *path ? "." : "", key);
	const struct json *have = json_get(object, key);
	if (optional && (!have || have->type == JSON_NULL))
		return true;
	if (have)
		return takes(f, form, have, inner, why);
	snprintf(why, DESCRIPTION_WHY, "the payload has no '%.100s'", inner);
	return false;
}

static bool
takes_items(const struct form *f, const struct json *form, const struct json *have,
    const char *path, char why[DESCRIPTION_WHY])
{
	const struct json *kind = form->child, *count = kind ? kind->next : NULL;
	int64_t n = 0;

	if (count && json_int(count, 0, MAX_NODES, &n) && (size_t)n != have->count) {
		snprintf(why, DESCRIPTION_WHY, "%.80s: expected %d elements, found %zu", path,
		    (int)n, have->count);
		return false;
	}
	json_foreach (item, have)
		if (kind && !takes(f, kind, item, path, why))
			return false;
	return true;
}

static bool
takes(const struct form *f, const struct json *form, const struct json *have, const char *path,
    char why[DESCRIPTION_WHY])
{
	char inner[DESCRIPTION_WHY] = "";
	bool is_tree = form->type == JSON_OBJECT || form->type == JSON_ARRAY;
	bool good = takes_leaf(f, form, have, inner);

	if (!good)
		snprintf(why, DESCRIPTION_WHY, "%.80s%s%.210s", path, *path ? ": " : "", inner);
	if (!good || !is_tree)
		return good;
	if (form->type == JSON_ARRAY)
		return takes_items(f, form, have, path, why);
	json_foreach (m, form)
		if (!takes_member(f, m, have, path, why))
			return false;
	return true;
}

bool
form_takes(const struct json *row, const struct json *verb, const struct json *payload,
    char why[DESCRIPTION_WHY])
{
	const char *given = str_of(verb, "form");
	struct form f = { .derived = !*given, .value = str_of(row, "value") };
	char text[DESCRIPTION_TEXT], err[80];

	if (f.derived)
		description_fill(str_of(verb, "request"), id_mark, value_mark, text);
	const char *form = f.derived ? text : given;
	struct json_doc *doc = json_parse(form, strlen(form), MAX_NODES, err, sizeof(err));
	if (!doc) /* no payload is asked for */
		return true;
	bool good = payload && takes(&f, json_root(doc), payload, "", why);
	if (!payload)
		snprintf(why, DESCRIPTION_WHY, "a payload is missing");
	json_free(doc);
	return good;
}

/* --- types --- */

/* A segment of a type as the value that its kind is of. */
static bool
part_fits(const char *kind, const char *segment, char why[DESCRIPTION_WHY])
{
	bool digits = *segment && segment[strspn(segment, "0123456789")] == '\0';
	const struct json v = { .type =
				    digits && strcmp(kind, "oid") != 0 ? JSON_NUMBER : JSON_STRING,
		.text = segment,
		.len = strlen(segment) };

	return kinds_fit(kind, &v, why);
}

bool
form_takes_parts(const struct json *row, const struct described *wild, char why[DESCRIPTION_WHY])
{
	const struct json *parts = json_get(row, "parts");
	size_t i = 0;

	if (!parts || parts->type != JSON_ARRAY)
		return true;
	json_foreach (kind, parts) {
		if (i < wild->wilds && !part_fits(kind->text, wild->wild[i], why))
			return false;
		i++;
	}
	return true;
}
