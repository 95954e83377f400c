#include "protocols/iec61850/type_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
	[IEC61850_BOOLEAN] = "BOOLEAN",
	[IEC61850_INTEGER] = "INTEGER",
	[IEC61850_UNSIGNED] = "UNSIGNED",
	[IEC61850_FLOAT] = "FLOAT",
	[IEC61850_BIT_STRING] = "BIT_STRING",
	[IEC61850_OCTET_STRING] = "OCTET_STRING",
	[IEC61850_VISIBLE_STRING] = "VISIBLE_STRING",
	[IEC61850_MMS_STRING] = "MMS_STRING",
	[IEC61850_QUALITY] = "QUALITY",
	[IEC61850_TIMESTAMP] = "TIMESTAMP",
	[IEC61850_DOUBLE_POINT] = "DOUBLE_POINT",
	[IEC61850_DIRECTION] = "DIRECTION",
	[IEC61850_SEVERITY] = "SEVERITY",
	[IEC61850_ANALOGUE] = "ANALOGUE",
	[IEC61850_VECTOR] = "VECTOR",
	[IEC61850_STEP_POSITION] = "STEP_POSITION",
	[IEC61850_BINARY_CONTROL] = "BINARY_CONTROL",
	[IEC61850_ARRAY] = "ARRAY",
	[IEC61850_STRUCT] = "STRUCT",
	[IEC61850_KINDS] = NULL,
};

const char *
iec61850_kind_name(enum iec61850_kind kind)
{
	return kind_names[kind];
}

/* --- From the configuration --- */

static bool load(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why);

static bool
refuse(char *why, const char *what)
{
	snprintf(why, 100, "%s", what);
	return false;
}

static bool
load_members(struct iec61850_type *type, const struct json *elements, unsigned depth, char *why)
{
	if (!elements || elements->type != JSON_ARRAY || elements->count == 0 ||
	    elements->count > IEC61850_MAX_MEMBERS)
		return refuse(why, "a STRUCT needs 1 to 1000 elements");
	type->members = calloc(elements->count, sizeof(*type->members));
	if (!type->members)
		return refuse(why, "out of memory");
	json_foreach (e, elements) {
		const char *name = json_str(json_get(e, "name"));
		struct iec61850_type *member = &type->members[type->count++];
		if (!name || !*name)
			return refuse(why, "an element of a STRUCT has no name");
		member->name = strdup(name);
		if (!member->name)
			return refuse(why, "out of memory");
		if (!load(member, json_get(e, "type"), depth - 1, why))
			return false;
	}
	return true;
}

static bool
load_array(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why)
{
	int64_t length;

	if (!json_int(json_get(conf, "length"), 1, IEC61850_MAX_ELEMENTS, &length))
		return refuse(why, "an ARRAY needs a length of 1 to 65536");
	type->members = calloc(1, sizeof(*type->members));
	if (!type->members)
		return refuse(why, "out of memory");
	type->count = (size_t)length;
	return load(type->members, json_get(conf, "element_type"), depth - 1, why);
}

static bool
load(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why)
{
	if (depth == 0)
		return refuse(why, "types nest deeper than 10");
	int kind = json_enum(conf, kind_names);
	if (kind >= 0 && kind < IEC61850_ARRAY) {
		type->kind = (enum iec61850_kind)kind;
		return true;
	}
	kind = json_enum(json_get(conf, "type"), kind_names);
	type->kind = kind == IEC61850_ARRAY ? IEC61850_ARRAY : IEC61850_STRUCT;
	if (kind == IEC61850_STRUCT)
		return load_members(type, json_get(conf, "elements"), depth, why);
	if (kind == IEC61850_ARRAY)
		return load_array(type, conf, depth, why);
	return refuse(why, "expected the name of a type, or an object of type ARRAY or STRUCT");
}

static void
clear(struct iec61850_type *type)
{
	size_t count = type->kind == IEC61850_ARRAY ? 1 : type->count;

	for (size_t i = 0; type->members && i < count; i++)
		clear(&type->members[i]);
	free(type->members);
	free(type->name);
}

void
iec61850_type_free(struct iec61850_type *type)
{
	if (!type)
		return;
	clear(type);
	free(type);
}

struct iec61850_type *
iec61850_type_new(const struct json *conf, char why[100])
{
	struct iec61850_type *type = calloc(1, sizeof(*type));

	if (type && load(type, conf, IEC61850_MAX_NESTING + 1, why))
		return type;
	if (!type)
		refuse(why, "out of memory");
	iec61850_type_free(type);
	return NULL;
}

bool
iec61850_type_equal(const struct iec61850_type *a, const struct iec61850_type *b)
{
	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == IEC61850_ARRAY)
		return iec61850_type_equal(a->members, b->members);
	for (size_t i = 0; a->kind == IEC61850_STRUCT && i < a->count; i++)
		if (strcmp(a->members[i].name, b->members[i].name) != 0 ||
		    !iec61850_type_equal(&a->members[i], &b->members[i]))
			return false;
	return true;
}

/* --- Ways into a value --- */

const struct iec61850_type iec61850_integer = { .kind = IEC61850_INTEGER },
			   iec61850_float = { .kind = IEC61850_FLOAT },
			   iec61850_boolean = { .kind = IEC61850_BOOLEAN },
			   iec61850_analogue = { .kind = IEC61850_ANALOGUE };

const struct iec61850_builtin iec61850_builtins[IEC61850_BUILTINS] = {
	{ .kind = IEC61850_ANALOGUE, .name = "i", .json = "i", .type = &iec61850_integer },
	{ .kind = IEC61850_ANALOGUE, .name = "f", .json = "f", .type = &iec61850_float },
	{ .kind = IEC61850_VECTOR,
	    .name = "mag",
	    .json = "magnitude",
	    .type = &iec61850_analogue,
	    .required = true },
	{ .kind = IEC61850_VECTOR, .name = "ang", .json = "angle", .type = &iec61850_analogue },
	{ .kind = IEC61850_STEP_POSITION,
	    .name = "posVal",
	    .json = "value",
	    .type = &iec61850_integer,
	    .required = true },
	{ .kind = IEC61850_STEP_POSITION,
	    .name = "transInd",
	    .json = "transient",
	    .type = &iec61850_boolean },
};

static const struct iec61850_builtin *
builtin_named(enum iec61850_kind kind, const char *name)
{
	for (size_t i = 0; i < IEC61850_BUILTINS; i++)
		if (iec61850_builtins[i].kind == kind &&
		    strcmp(iec61850_builtins[i].name, name) == 0)
			return &iec61850_builtins[i];
	return NULL;
}

/* Which member of the value that is; -1: none. Sets *type to its type. */
static long
step_into(const struct iec61850_type **type, const struct iec61850_step *step)
{
	const struct iec61850_type *t = *type;

	if (!step->name) {
		if (t->kind != IEC61850_ARRAY || step->index >= t->count)
			return -1;
		*type = t->members;
		return (long)step->index;
	}
	for (size_t i = 0; t->kind == IEC61850_STRUCT && i < t->count; i++)
		if (strcmp(t->members[i].name, step->name) == 0) {
			*type = &t->members[i];
			return (long)i;
		}
	const struct iec61850_builtin *b = builtin_named(t->kind, step->name);
	if (!b)
		return -1;
	*type = b->type;
	return b->required ? 0 : 1;
}

const struct iec61850_type *
iec61850_type_at(const struct iec61850_type *type, const struct iec61850_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (step_into(&type, &steps[i]) < 0)
			return NULL;
	return type;
}

/* i and f are told apart by their kind: each may be left out. */
static bool
analogue_member(const struct mms_value *value, enum iec61850_kind kind, struct mms_value *out)
{
	struct mms_values members;

	mms_value_members(value, &members);
	while (mms_values_next(&members, out))
		if ((out->kind == MMS_FLOAT) == (kind == IEC61850_FLOAT))
			return true;
	return false;
}

bool
iec61850_value_at(const struct iec61850_type *type, const struct mms_value *value,
    const struct iec61850_step *steps, size_t count, struct mms_value *out)
{
	*out = *value;
	for (size_t i = 0; i < count; i++) {
		enum iec61850_kind in = type->kind;
		struct mms_value at = *out;
		long member = step_into(&type, &steps[i]);
		if (member < 0)
			return false;
		if (in == IEC61850_ANALOGUE ? !analogue_member(&at, type->kind, out)
					    : !mms_value_member(&at, (size_t)member, out))
			return false;
	}
	return true;
}
