#include "device-runners/iec61850/reference.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "device-runners/runtime/runner.h"

struct typed {
	char *domain, *object;
	struct iec61850_type *type;
};

struct types {
	struct typed *items; /* in order of their names */
	size_t count;
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
	return calloc(1, sizeof(struct types));
}

void
types_free(struct types *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		free(t->items[i].domain);
		free(t->items[i].object);
		iec61850_type_free(t->items[i].type);
	}
	free(t->items);
	free(t);
}

static const char *
text_of(const struct json *conf, const char *key)
{
	const char *text = json_str(json_get(conf, key));

	return text ? text : "";
}

static int
load_type(struct types *t, struct runner *r, const struct json *conf, size_t index)
{
	struct typed *item = &t->items[t->count];
	char why[100], path[64];

	item->type = iec61850_type_new(json_get(conf, "type"), why);
	if (!item->type) {
		snprintf(path, sizeof(path), "value_types[%zu].type", index);
		runner_config_error(r, path, "%s", why);
		return 1;
	}
	item->domain = reference_text(r, "%s", text_of(conf, "logical_device"));
	item->object = reference_text(r, "%s$%s$%s", text_of(conf, "logical_node"),
	    text_of(conf, "fc"), text_of(conf, "name"));
	t->count++;
	return 0;
}

int
types_load(struct types *t, struct runner *r, const struct json *value_types)
{
	size_t index = 0;
	int errors = 0;

	t->items = runner_alloc(r, value_types->count + 1, sizeof(*t->items));
	json_foreach (conf, value_types)
		errors += load_type(t, r, conf, index++);
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
load_names(struct reference *ref, struct buffer *item, struct runner *r, const char *path,
    const struct json *names)
{
	struct iec61850_step first = { 0 };
	size_t n = 0;

	if (!names || names->count == 0 || names->count > REFERENCE_MAX_NAMES)
		return refuse(r, path, "expected 1 to 24 names");
	ref->steps = runner_alloc(r, names->count, sizeof(*ref->steps));
	json_foreach (name, names) {
		struct iec61850_step *step = n ? &ref->steps[n - 1] : &first;
		if (!add_name(item, step, name) || (n == 0 && !first.name))
			return refuse(
			    r, path, "expected names without $ ( ) /, or indexes behind the first");
		/* The configuration does not live as long. */
		if (n && step->name)
			step->name = reference_text(r, "%s", step->name);
		if (n++ == 0)
			ref->object = reference_text(
			    r, "%.*s", (int)item->len, (const char *)buffer_data(item));
		ref->count = n - 1;
	}
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
reference_load(struct reference *ref, const struct types *types, struct runner *r, const char *path,
    const struct json *conf)
{
	struct buffer item;

	*ref = (struct reference){ 0 };
	buffer_init(&item, 4096);
	ref->domain = reference_text(r, "%s", text_of(conf, "logical_device"));
	buffer_printf(&item, "%s$%s", text_of(conf, "logical_node"), text_of(conf, "fc"));
	int errors = load_names(ref, &item, r, path, json_get(conf, "names"));
	ref->item = reference_text(r, "%.*s", (int)item.len, (const char *)buffer_data(&item));
	if (errors == 0 && (strlen(ref->domain) > REFERENCE_MAX_DOMAIN ||
			       item.len > REFERENCE_MAX_ITEM || buffer_failed(&item)))
		errors =
		    refuse(r, path, "expected at most 64 characters of device, 129 of the rest");
	buffer_clear(&item);
	return errors ? errors : find_type(ref, types, r, path);
}

void
reference_clear(struct reference *ref)
{
	for (size_t i = 0; i < ref->count; i++)
		free((char *)ref->steps[i].name);
	free(ref->steps);
	free(ref->domain);
	free(ref->item);
	free(ref->object);
	*ref = (struct reference){ 0 };
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
