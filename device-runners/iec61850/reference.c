#include "device-runners/iec61850/reference.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "device-runners/iec61850/texts.h"
#include "device-runners/runtime/runner.h"

/* Most data objects have a type that an earlier one has: one of so many is looked for. */
enum { RECENT = 32, MAX_TEXT = 4096 };

struct typed {
	const char *domain, *object;
	const struct iec61850_type *type;
};

struct types {
	struct typed *items; /* in order of their names */
	size_t count;
	struct iec61850_type **all; /* owned, each different from those just before it */
	size_t all_count;
	struct texts *texts;
};

char *
reference_text(struct runner *r, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		runner_fail(r, "out of memory");
	return text;
}

/* --- Types --- */

static int
compare(const char *domain, const char *object, const struct typed *b)
{
	int order = strcmp(domain, b->domain);

	return order ? order : strcmp(object, b->object);
}

static int
by_name(const void *a, const void *b)
{
	const struct typed *t = a;

	return compare(t->domain, t->object, b);
}

struct types *
types_new(void)
{
	struct types *t = calloc(1, sizeof(*t));

	if (t)
		t->texts = texts_new();
	if (t && t->texts)
		return t;
	types_free(t);
	return NULL;
}

void
types_free(struct types *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->all_count; i++)
		iec61850_type_free(t->all[i]);
	texts_free(t->texts);
	free(t->all);
	free(t->items);
	free(t);
}

const char *
types_text(struct types *t, struct runner *r, const char *text, size_t len)
{
	const char *kept = texts_keep(t->texts, text, len);

	if (!kept)
		runner_fail(r, "out of memory");
	return kept;
}

void
types_seal(struct types *t)
{
	texts_seal(t->texts);
}

/* What a buffer has; clears it. */
static const char *
keep(struct types *t, struct runner *r, struct buffer *b)
{
	const char *text = types_text(t, r, (const char *)buffer_data(b), b->len);

	buffer_clear(b);
	return text;
}

static const char *
text_of(const struct json *conf, const char *key)
{
	const char *text = json_str(json_get(conf, key));

	return text ? text : "";
}

/* Takes a type; the equal one that is there already, or it. */
static const struct iec61850_type *
share(struct types *t, struct iec61850_type *type)
{
	for (size_t i = t->all_count; i > 0 && t->all_count - i < RECENT; i--)
		if (iec61850_type_equal(t->all[i - 1], type)) {
			iec61850_type_free(type);
			return t->all[i - 1];
		}
	return t->all[t->all_count++] = type;
}

/* What is not used of the room for as many types as objects. */
static void
shrink(struct types *t)
{
	void *exact = reallocarray(t->all, t->all_count + 1, sizeof(*t->all));

	t->all = exact ? exact : t->all;
}

static int
load_type(struct types *t, struct runner *r, const struct json *conf, size_t index)
{
	struct iec61850_type *type;
	char why[100], path[64];
	struct buffer object;

	type = iec61850_type_new(json_get(conf, "type"), why);
	if (!type) {
		snprintf(path, sizeof(path), "value_types[%zu].type", index);
		runner_config_error(r, path, "%s", why);
		return 1;
	}
	const char *domain = text_of(conf, "logical_device");
	buffer_init(&object, MAX_TEXT);
	buffer_printf(&object, "%s$%s$%s", text_of(conf, "logical_node"), text_of(conf, "fc"),
	    text_of(conf, "name"));
	t->items[t->count++] = (struct typed){ .type = share(t, type),
		.domain = types_text(t, r, domain, strlen(domain)),
		.object = keep(t, r, &object) };
	return 0;
}

int
types_load(struct types *t, struct runner *r, const struct json *value_types)
{
	size_t index = 0;
	int errors = 0;

	t->items = runner_alloc(r, value_types->count + 1, sizeof(*t->items));
	t->all = runner_alloc(r, value_types->count + 1, sizeof(struct iec61850_type *));
	json_foreach (conf, value_types)
		errors += load_type(t, r, conf, index++);
	shrink(t);
	qsort(t->items, t->count, sizeof(*t->items), by_name);
	for (size_t i = 1; i < t->count; i++)
		if (by_name(&t->items[i - 1], &t->items[i]) == 0)
			runner_config_warning(r, "value_types", "%s/%s has two types",
			    t->items[i].domain, t->items[i].object);
	return errors;
}

const struct iec61850_type *
types_find(const struct types *t, const char *domain, const char *object)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = compare(domain, object, &t->items[mid]);
		if (order == 0)
			return t->items[mid].type;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* --- References --- */

static int
refuse(struct runner *r, const char *path, const char *what)
{
	runner_config_error(r, path, "%s", what);
	return 1;
}

/* Appends "$name" or "(index)"; false where it is neither. */
static bool
add_name(struct buffer *item, struct iec61850_step *step, const struct json *name)
{
	const char *text = json_str(name);
	int64_t index;

	if (text && *text && !strpbrk(text, "$()/")) {
		step->name = text;
		buffer_printf(item, "$%s", text);
		return true;
	}
	if (!json_int(name, 0, IEC61850_MAX_ELEMENTS, &index))
		return false;
	step->index = (size_t)index;
	buffer_printf(item, "(%zu)", step->index);
	return true;
}

static int
load_names(struct reference *ref, struct types *t, struct buffer *item, struct runner *r,
    const char *path, const struct json *names)
{
	struct iec61850_step steps[REFERENCE_MAX_NAMES] = { 0 };
	size_t n = 0;

	if (!names || names->count == 0 || names->count > REFERENCE_MAX_NAMES)
		return refuse(r, path, "expected 1 to 24 names");
	json_foreach (name, names) {
		struct iec61850_step *step = &steps[n];
		if (!add_name(item, step, name) || (n == 0 && !step->name))
			return refuse(
			    r, path, "expected names without $ ( ) /, or indexes behind the first");
		/* The configuration does not live as long. */
		if (step->name)
			step->name = types_text(t, r, step->name, strlen(step->name));
		if (n++ == 0)
			ref->object = types_text(t, r, (const char *)buffer_data(item), item->len);
	}
	/* The first is the data object, whose type it is. */
	ref->count = n - 1;
	struct iec61850_step *kept = texts_take(t->texts, ref->count * sizeof(*kept));
	if (!kept)
		runner_fail(r, "out of memory");
	memcpy(kept, steps + 1, ref->count * sizeof(*kept));
	ref->steps = kept;
	return 0;
}

static int
find_type(struct reference *ref, const struct types *types, struct runner *r, const char *path)
{
	const struct iec61850_type *type = types_find(types, ref->domain, ref->object);

	if (!type) {
		runner_config_error(
		    r, path, "value_types has no type of %s/%s", ref->domain, ref->object);
		return 1;
	}
	ref->type = iec61850_type_at(type, ref->steps, ref->count);
	if (!ref->type)
		runner_config_error(r, path, "the type of %s/%s has nothing named %s", ref->domain,
		    ref->object, ref->item);
	return ref->type ? 0 : 1;
}

int
reference_load(struct reference *ref, struct types *types, struct runner *r, const char *path,
    const struct json *conf)
{
	const char *domain = text_of(conf, "logical_device");
	struct buffer item;

	*ref = (struct reference){ .domain = types_text(types, r, domain, strlen(domain)) };
	buffer_init(&item, MAX_TEXT);
	buffer_printf(&item, "%s$%s", text_of(conf, "logical_node"), text_of(conf, "fc"));
	int errors = load_names(ref, types, &item, r, path, json_get(conf, "names"));
	if (errors == 0 && (strlen(ref->domain) > REFERENCE_MAX_DOMAIN ||
			       item.len > REFERENCE_MAX_ITEM || buffer_failed(&item)))
		errors =
		    refuse(r, path, "expected at most 64 characters of device, 129 of the rest");
	ref->item = keep(types, r, &item);
	return errors ? errors : find_type(ref, types, r, path);
}

bool
reference_is_around(const char *outer, const char *item)
{
	size_t n = strlen(outer);

	return strncmp(outer, item, n) == 0 &&
	       (item[n] == '\0' || item[n] == '$' || item[n] == '(');
}

enum reference_relation
reference_relate(const struct reference *a, const struct reference *b)
{
	if (strcmp(a->domain, b->domain) != 0)
		return REFERENCE_APART;
	if (reference_is_around(b->item, a->item))
		return REFERENCE_INSIDE;
	return reference_is_around(a->item, b->item) ? REFERENCE_AROUND : REFERENCE_APART;
}

int
reference_compare(const struct reference *a, const struct reference *b)
{
	int order = strcmp(a->domain, b->domain);

	return order ? order : strcmp(a->item, b->item);
}

struct mms_variable
reference_variable(const struct reference *ref)
{
	return (struct mms_variable){ .name = { .scope = MMS_DOMAIN,
					  .domain = mms_str(ref->domain),
					  .item = mms_str(ref->item) } };
}
