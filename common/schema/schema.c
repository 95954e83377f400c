#include "common/schema/schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

enum {
	PATH_MAX_TEXT = 512,
	HINT_SIZE = NEAREST_MAX_LENGTH + 32,
};

struct check {
	schema_report *report;
	void *arg;
	int errors;
};

/* The place of the check. It becomes text only in a message: most configurations have none. */
struct path {
	const struct path *above; /* NULL: key is the caller's path */
	const char *key;	  /* or NULL: index */
	size_t index;
};

static size_t
path_text(const struct path *p, char *text, size_t size)
{
	size_t used = p->above ? path_text(p->above, text, size) : 0;

	if (used < size)
		used += (size_t)(p->key ? snprintf(text + used, size - used, "%s%s",
					      used ? "." : "", p->key)
					: snprintf(text + used, size - used, "[%zu]", p->index));
	return used;
}

static void report_fault(struct check *c, enum schema_severity severity, const struct json *j,
    const struct path *p, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void
report_fault(struct check *c, enum schema_severity severity, const struct json *j,
    const struct path *p, const char *fmt, ...)
{
	char message[256], path[PATH_MAX_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (severity == SCHEMA_ERROR)
		c->errors++;
	path_text(p, path, sizeof(path));
	c->report(c->arg, severity, j, path, message);
}

static void check_node(
    struct check *, const struct json *, const struct schema *, const struct path *);

static void
check_type(struct check *c, const struct json *j, const struct schema *s, const struct path *path,
    enum json_type type)
{
	if (j->type != type)
		report_fault(c, SCHEMA_ERROR, j, path, "expected %s%s, found %s",
		    json_type_name(type), s->nullable ? " or null" : "", json_type_name(j->type));
}

/* NaN where j is no such number. */
static double
number_of(const struct json *j, const struct schema *s)
{
	double d = NAN;
	int64_t i;

	if (s->kind != SCHEMA_INT)
		json_double(j, &d);
	else if (json_int(j, INT64_MIN, INT64_MAX, &i))
		d = (double)i;
	return d;
}

/* An integer above all that we count with; a number that is infinite in binary64 is larger as well.
 */
static bool
is_above(const struct json *j, const struct schema *s)
{
	if (j->type != JSON_NUMBER || j->text[0] == '-')
		return false;
	double d = strtod(j->text, NULL);
	return d > s->max && (s->kind != SCHEMA_INT || d == floor(d));
}

/* The nodes of a document are its own, and it is the caller's: const only guards against mistakes.
 */
static void
reduce(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	struct json *node = (struct json *)j;

	report_fault(c, SCHEMA_WARNING, j, path, "%.40s is taken as %s, the most that there is",
	    j->text, s->at_most);
	node->text = s->at_most;
	node->len = strlen(s->at_most);
}

static void
check_number(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	double d = number_of(j, s);

	if (d >= s->min && d <= s->max)
		return;
	if (s->at_most && is_above(j, s)) {
		reduce(c, j, s, path);
		return;
	}
	const char *or_null = s->nullable ? " or null" : "";
	const char *found = j->type == JSON_NUMBER ? j->text : json_type_name(j->type);
	if (s->kind == SCHEMA_INT)
		report_fault(c, SCHEMA_ERROR, j, path,
		    "expected an integer from %.0f to %.0f%s, found %.40s", s->min, s->max, or_null,
		    found);
	else
		report_fault(c, SCHEMA_ERROR, j, path,
		    "expected a number from %.10g to %.10g%s, found %.40s", s->min, s->max, or_null,
		    found);
}

/* "; did you mean 'X'?" */
static const char *
suggestion(char *text, size_t size, const struct nearest *n)
{
	text[0] = '\0';
	if (n->best)
		snprintf(text, size, "; did you mean '%s'?", n->best);
	return text;
}

static bool
is_off(const struct json *j, const struct schema *s)
{
	bool found = false;

	if (j->type == JSON_BOOL && !j->boolean)
		for (int i = 0; s->names[i]; i++)
			found |= strcmp(s->names[i], SCHEMA_OFF) == 0;
	return found;
}

static void
check_enum(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	char list[160] = "", hint[HINT_SIZE];

	if (json_enum(j, s->names) >= 0 || is_off(j, s))
		return;
	struct nearest n = nearest_begin(j->type == JSON_STRING ? j->text : "");
	for (int i = 0; s->names[i]; i++) {
		size_t used = strlen(list);
		snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", s->names[i]);
		nearest_offer(&n, s->names[i]);
	}
	report_fault(c, SCHEMA_ERROR, j, path, "expected one of %s%s, found %.40s%s", list,
	    s->nullable ? " or null" : "",
	    j->type == JSON_STRING || j->type == JSON_NUMBER ? j->text : json_type_name(j->type),
	    suggestion(hint, sizeof(hint), &n));
}

static void
check_string(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	check_type(c, j, s, path, JSON_STRING);
	if (j->type != JSON_STRING)
		return;
	if (!json_str(j))
		report_fault(c, SCHEMA_ERROR, j, path, "a NUL in a string");
	else if (s->max > 0 && (double)j->len > s->max)
		report_fault(c, SCHEMA_ERROR, j, path, "expected at most %.0f bytes, found %zu",
		    s->max, j->len);
}

static bool
has_field(const struct schema_field *f, const char *key)
{
	while (f && f->key && strcmp(f->key, key) != 0)
		f++;
	return f && f->key;
}

/* The keys that are not in use yet. */
static void
offer_fields(struct nearest *n, const struct json *o, const struct schema_field *f)
{
	for (; f && f->key; f++)
		if (!json_get(o, f->key))
			nearest_offer(n, f->key);
}

static void
check_known(struct check *c, const struct json *o, const struct schema_field *own,
    const struct schema_field *variant, const struct path *path, const struct json *member)
{
	struct nearest n = nearest_begin(member->key);
	struct path sub = { path, member->key, 0 };
	char hint[HINT_SIZE];

	if (has_field(own, member->key) || has_field(variant, member->key))
		return;
	offer_fields(&n, o, own);
	offer_fields(&n, o, variant);
	report_fault(c, SCHEMA_WARNING, member, &sub, SCHEMA_UNKNOWN_KEY ", ignored%s",
	    suggestion(hint, sizeof(hint), &n));
}

/* Members of an open object may be keys of others: no key is suggested for them. */
static void
report_missing(struct check *c, const struct json *o, const struct schema *s, const char *key,
    const struct path *path)
{
	struct nearest n = nearest_begin(key);
	struct path sub = { path, key, 0 };

	if (s->open)
		json_foreach (member, o)
			if (!has_field(s->fields, member->key))
				nearest_offer(&n, member->key);
	if (n.best)
		report_fault(c, SCHEMA_ERROR, o, &sub, "is missing; is '%s' meant?", n.best);
	else
		report_fault(c, SCHEMA_ERROR, o, &sub, "is missing");
}

static void
check_fields(struct check *c, const struct json *o, const struct schema *s,
    const struct schema_field *f, const struct path *path)
{
	for (; f && f->key; f++) {
		const struct json *member = json_get(o, f->key);
		struct path sub = { path, f->key, 0 };
		if (member)
			check_node(c, member, &f->is, &sub);
		else if (f->required)
			report_missing(c, o, s, f->key, path);
	}
}

/* NULL where its tag names none of them. */
static const struct schema_variant *
find_variant(const struct json *o, const struct schema *s)
{
	const char *name = json_str(json_get(o, s->tag));

	for (const struct schema_variant *v = s->variants; name && v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static void
check_object(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	check_type(c, j, s, path, JSON_OBJECT);
	if (j->type != JSON_OBJECT)
		return;
	const struct schema_variant *v = s->tag ? find_variant(j, s) : NULL;
	check_fields(c, j, s, s->fields, path);
	check_fields(c, j, s, v ? v->fields : NULL, path);
	if (s->open || (s->tag && !v))
		return;
	json_foreach (member, j)
		check_known(c, j, s->fields, v ? v->fields : NULL, path, member);
}

static void
check_array(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	struct path sub = { path, NULL, 0 };

	check_type(c, j, s, path, JSON_ARRAY);
	if (j->type != JSON_ARRAY)
		return;
	if ((double)j->count < s->min)
		report_fault(c, SCHEMA_ERROR, j, path, "expected at least %.0f elements, found %zu",
		    s->min, j->count);
	if (s->max > 0 && (double)j->count > s->max)
		report_fault(c, SCHEMA_ERROR, j, path, "expected at most %.0f elements, found %zu",
		    s->max, j->count);
	json_foreach (item, j) {
		if (s->items)
			check_node(c, item, s->items, &sub);
		sub.index++;
	}
}

static void
check_node(struct check *c, const struct json *j, const struct schema *s, const struct path *path)
{
	static void (*const checks[])(
	    struct check *, const struct json *, const struct schema *, const struct path *) = {
		[SCHEMA_INT] = check_number,
		[SCHEMA_NUMBER] = check_number,
		[SCHEMA_STRING] = check_string,
		[SCHEMA_ENUM] = check_enum,
		[SCHEMA_OBJECT] = check_object,
		[SCHEMA_ARRAY] = check_array,
	};

	if (s->nullable && j->type == JSON_NULL)
		return;
	if (s->kind == SCHEMA_BOOL)
		check_type(c, j, s, path, JSON_BOOL);
	else if (checks[s->kind])
		checks[s->kind](c, j, s, path);
}

int
schema_check(const struct json *j, const struct schema *s, const char *path, schema_report *report,
    void *arg)
{
	struct check c = { report, arg, 0 };
	struct path start = { NULL, path, 0 };

	check_node(&c, j, s, &start);
	return c.errors;
}
