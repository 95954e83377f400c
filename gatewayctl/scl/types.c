#include "gatewayctl/scl/types.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"

enum { TYPE_STEPS = 20 }; /* what writing a type costs beside looking at an element */

static bool
refuse(struct scl_types *t, const char *why)
{
	t->why = why;
	return false;
}

static bool
may_work(struct scl_types *t, size_t steps)
{
	t->work += steps;
	return t->work <= SCL_MAX_WORK || refuse(t, "its types are too large");
}

/* --- Texts --- */

bool
scl_is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len > 0;
}

/* Words that YAML takes for something else than texts. */
static bool
is_word(const char *text, size_t len)
{
	static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y",
		"n", NULL };

	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == len && strncasecmp(words[i], text, len) == 0)
			return true;
	return false;
}

void
scl_put_text(struct buffer *b, const char *text, size_t len)
{
	struct json_writer w = { .b = b };
	bool plain = len > 0 && isalpha((unsigned char)*text) && !is_word(text, len);

	for (size_t i = 0; plain && i < len; i++)
		plain = isalnum((unsigned char)text[i]) || text[i] == '_' || text[i] == '.';
	if (plain)
		buffer_append(b, text, len);
	else
		json_put_strn(&w, NULL, text, len);
}

/* --- Basic types --- */

static const struct {
	const char *name, *type;
} basics[] = {
	{ .name = "BOOLEAN", .type = "BOOLEAN" },
	{ .name = "INT8", .type = "INTEGER" },
	{ .name = "INT16", .type = "INTEGER" },
	{ .name = "INT24", .type = "INTEGER" },
	{ .name = "INT32", .type = "INTEGER" },
	{ .name = "INT64", .type = "INTEGER" },
	{ .name = "INT128", .type = "INTEGER" },
	{ .name = "INT8U", .type = "UNSIGNED" },
	{ .name = "INT16U", .type = "UNSIGNED" },
	{ .name = "INT24U", .type = "UNSIGNED" },
	{ .name = "INT32U", .type = "UNSIGNED" },
	{ .name = "FLOAT32", .type = "FLOAT" },
	{ .name = "FLOAT64", .type = "FLOAT" },
	{ .name = "Enum", .type = "INTEGER" },
	{ .name = "Dbpos", .type = "DOUBLE_POINT" },
	{ .name = "Tcmd", .type = "BINARY_CONTROL" },
	{ .name = "Quality", .type = "QUALITY" },
	{ .name = "Timestamp", .type = "TIMESTAMP" },
	{ .name = "VisString32", .type = "VISIBLE_STRING" },
	{ .name = "VisString64", .type = "VISIBLE_STRING" },
	{ .name = "VisString65", .type = "VISIBLE_STRING" },
	{ .name = "VisString129", .type = "VISIBLE_STRING" },
	{ .name = "VisString255", .type = "VISIBLE_STRING" },
	{ .name = "ObjRef", .type = "VISIBLE_STRING" },
	{ .name = "Currency", .type = "VISIBLE_STRING" },
	{ .name = "Unicode255", .type = "MMS_STRING" },
	{ .name = "Octet6", .type = "OCTET_STRING" },
	{ .name = "Octet16", .type = "OCTET_STRING" },
	{ .name = "Octet64", .type = "OCTET_STRING" },
	{ .name = "EntryID", .type = "OCTET_STRING" },
	{ .name = "Check", .type = "BIT_STRING" },
	{ .name = "OptFlds", .type = "BIT_STRING" },
	{ .name = "SvOptFlds", .type = "BIT_STRING" },
	{ .name = "TrgOps", .type = "BIT_STRING" },
};

/* Enumerations that events have by name (IEC 61850-7-3: their attributes are called so). */
static const struct {
	const char *attribute, *type;
} enumerations[] = {
	{ .attribute = "dirGeneral", .type = "DIRECTION" },
	{ .attribute = "dirPhsA", .type = "DIRECTION" },
	{ .attribute = "dirPhsB", .type = "DIRECTION" },
	{ .attribute = "dirPhsC", .type = "DIRECTION" },
	{ .attribute = "dirNeut", .type = "DIRECTION" },
	{ .attribute = "sev", .type = "SEVERITY" },
};

static const char *
basic_type(const struct scl_element *attribute)
{
	const char *basic = scl_get(attribute, "bType");

	for (size_t i = 0; i < sizeof(enumerations) / sizeof(enumerations[0]); i++)
		if (strcmp(basic, "Enum") == 0 &&
		    strcmp(scl_get(attribute, "name"), enumerations[i].attribute) == 0)
			return enumerations[i].type;
	for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++)
		if (strcmp(basic, basics[i].name) == 0)
			return basics[i].type;
	return NULL;
}

/* --- Structures that have a type of their own --- */

static const struct scl_element *
structure_of(struct scl_types *t, const struct scl_element *attribute)
{
	if (strcmp(scl_get(attribute, "bType"), "Struct") != 0)
		return NULL;
	return scl_template(t->tree, SCL_DA_TYPE, scl_get(attribute, "type"));
}

static bool
is_basic(const struct scl_element *e, const char *name, const char *type)
{
	const char *basic = basic_type(e);

	return strcmp(scl_get(e, "name"), name) == 0 && basic && strcmp(basic, type) == 0 &&
	       !*scl_get(e, "count");
}

static bool
is_analogue(const struct scl_element *s)
{
	size_t n = 0;

	for (const struct scl_element *e = s ? s->child : NULL; e; e = e->next, n++)
		if (!is_basic(e, "i", "INTEGER") && !is_basic(e, "f", "FLOAT"))
			return false;
	return n == 1 || n == 2;
}

static bool
is_analogue_named(struct scl_types *t, const struct scl_element *e, const char *name)
{
	return strcmp(scl_get(e, "name"), name) == 0 && !*scl_get(e, "count") &&
	       is_analogue(structure_of(t, e));
}

/* One or two members, the first required. */
static const char *
known_structure(struct scl_types *t, const struct scl_element *s)
{
	const struct scl_element *first = s->child, *second = first ? first->next : NULL;

	if (is_analogue(s))
		return "ANALOGUE";
	if (!first || (second && second->next))
		return NULL;
	if (is_analogue_named(t, first, "mag") && (!second || is_analogue_named(t, second, "ang")))
		return "VECTOR";
	if (is_basic(first, "posVal", "INTEGER") &&
	    (!second || is_basic(second, "transInd", "BOOLEAN")))
		return "STEP_POSITION";
	return NULL;
}

/* --- Value types --- */

static bool put_type(
    struct buffer *b, struct scl_types *t, const struct scl_element *attribute, unsigned depth);

/* The elements of an array; 0: it is none. */
static bool
array_length(struct scl_types *t, const struct scl_element *e, unsigned long *length)
{
	const char *text = scl_get(e, "count");
	char *end;

	*length = 0;
	if (!*text || strcmp(text, "0") == 0)
		return true;
	errno = 0;
	*length = strtoul(text, &end, 10);
	if (isdigit((unsigned char)*text) && *end == '\0' && !errno && *length <= SCL_MAX_ARRAY)
		return true;
	return refuse(t, "the length of an array is no number up to 65536");
}

/* A member's name and what stands before its type. */
static bool
begin_member(struct buffer *b, struct scl_types *t, const struct scl_element *e, size_t n,
    unsigned long *length)
{
	const char *name = scl_get(e, "name");

	if (n >= SCL_MAX_MEMBERS)
		return refuse(t, "a structure has more than 1000 members");
	if (!scl_is_name(name, strlen(name)))
		return refuse(t, "a member of a structure has no name of letters and digits");
	if (!array_length(t, e, length))
		return false;
	buffer_append_str(b, n ? ", {name: " : "{name: ");
	scl_put_text(b, name, strlen(name));
	buffer_append_str(b, ", type: ");
	if (*length)
		buffer_append_str(b, "{type: ARRAY, element_type: ");
	return true;
}

static void
end_member(struct buffer *b, unsigned long length)
{
	if (length)
		buffer_printf(b, ", length: %lu}", length);
	buffer_append_str(b, "}");
}

static bool
put_structure(struct buffer *b, struct scl_types *t, const struct scl_element *s, unsigned depth)
{
	const char *known = known_structure(t, s);
	unsigned long length;
	size_t n = 0;

	if (known) {
		buffer_append_str(b, known);
		return true;
	}
	buffer_append_str(b, "{type: STRUCT, elements: [");
	scl_foreach(e, s, SCL_BDA)
	{
		if (!begin_member(b, t, e, n++, &length) ||
		    !put_type(b, t, e, depth - (length ? 2 : 1)))
			return false;
		end_member(b, length);
	}
	buffer_append_str(b, "]}");
	return n > 0 || refuse(t, "a structure has no members");
}

/* The type is that of an element, where the attribute is an array. */
static bool
put_type(struct buffer *b, struct scl_types *t, const struct scl_element *attribute, unsigned depth)
{
	const char *basic = basic_type(attribute);
	const struct scl_element *s = structure_of(t, attribute);

	if (!may_work(t, TYPE_STEPS))
		return false;
	if (depth == 0 || depth > SCL_MAX_NESTING)
		return refuse(t, "types nest deeper than 10");
	if (basic)
		buffer_append_str(b, basic);
	else if (s)
		return put_structure(b, t, s, depth);
	else
		return refuse(t, "an attribute has a type that is not known");
	return true;
}

bool
scl_put_attribute(struct buffer *b, struct scl_types *t, const struct scl_element *attribute)
{
	unsigned long length;

	if (!array_length(t, attribute, &length))
		return false;
	if (length)
		return refuse(t, "it is an array");
	return put_type(b, t, attribute, SCL_MAX_NESTING);
}

static bool
has(struct scl_types *t, const struct scl_element *type, const char *fc, unsigned depth)
{
	for (const struct scl_element *e = type ? type->child : NULL; e && depth; e = e->next) {
		if (!may_work(t, 1))
			return false;
		if (e->tag == SCL_DA && strcmp(scl_get(e, "fc"), fc) == 0)
			return true;
		if (e->tag == SCL_SDO &&
		    has(t, scl_template(t->tree, SCL_DO_TYPE, scl_get(e, "type")), fc, depth - 1))
			return true;
	}
	return false;
}

bool
scl_object_has(struct scl_types *t, const struct scl_element *object_type, const char *fc)
{
	return has(t, object_type, fc, SCL_MAX_NESTING);
}

/* MMS has the members of a data object in the order of its type (IEC 61850-8-1, 7.3). */
static bool
put_object(struct buffer *b, struct scl_types *t, const struct scl_element *type, const char *fc,
    unsigned depth)
{
	unsigned long length;
	size_t n = 0;

	if (depth == 0 || depth > SCL_MAX_NESTING)
		return refuse(t, "data objects nest deeper than 10");
	buffer_append_str(b, "{type: STRUCT, elements: [");
	for (const struct scl_element *e = type->child; e; e = e->next) {
		const struct scl_element *inner = NULL;
		if (!may_work(t, 1))
			return false;
		if (e->tag == SCL_SDO)
			inner = scl_template(t->tree, SCL_DO_TYPE, scl_get(e, "type"));
		if (e->tag == SCL_DA ? strcmp(scl_get(e, "fc"), fc) != 0
				     : !has(t, inner, fc, depth))
			continue;
		if (!begin_member(b, t, e, n++, &length))
			return false;
		unsigned left = depth - (length ? 2 : 1);
		if (!(inner ? put_object(b, t, inner, fc, left) : put_type(b, t, e, left)))
			return false;
		end_member(b, length);
	}
	buffer_append_str(b, "]}");
	return n > 0 || refuse(t, "it has nothing with that functional constraint");
}

bool
scl_put_object(
    struct buffer *b, struct scl_types *t, const struct scl_element *object_type, const char *fc)
{
	return put_object(b, t, object_type, fc, SCL_MAX_NESTING) &&
	       (!buffer_failed(b) || refuse(t, "its types are too large"));
}

/* --- Ways --- */

const struct scl_element *
scl_attribute(const struct scl_element *object_type, const char *name, const char *fc)
{
	scl_foreach(e, object_type, SCL_DA) if (strcmp(scl_get(e, "name"), name) == 0 &&
						strcmp(scl_get(e, "fc"), fc) == 0) return e;
	return NULL;
}

static bool
add_step(struct scl_way *w, struct scl_types *t, struct scl_step step)
{
	if (w->count == SCL_MAX_STEPS)
		return refuse(t, "its reference has more than 24 steps");
	w->steps[w->count++] = step;
	return true;
}

/* The element that stands for the name behind the way's end; sets its data object or attribute. */
static const struct scl_element *
enter(struct scl_way *w, struct scl_types *t, const char *name, const char *fc)
{
	const struct scl_element *e = NULL;

	if (w->attribute) {
		const struct scl_element *s = structure_of(t, w->attribute);
		e = s ? scl_child(s, SCL_BDA, "name", name) : NULL;
		w->attribute = e ? e : w->attribute;
		return e;
	}
	e = w->type ? scl_child(w->type, SCL_SDO, "name", name) : NULL;
	if (e) {
		w->type = scl_template(t->tree, SCL_DO_TYPE, scl_get(e, "type"));
		w->object_count = w->count;
		return w->type ? e : NULL;
	}
	e = w->type ? scl_attribute(w->type, name, fc) : NULL;
	if (e)
		w->first = w->attribute = e;
	return e;
}

bool
scl_way_step(struct scl_way *w, struct scl_types *t, const char *name, const char *fc)
{
	size_t len = strlen(name);
	unsigned long length;

	if (w->array || len >= SCL_MAX_NAME || !scl_is_name(name, len))
		return refuse(t, "its reference is not understood");
	if (!add_step(w, t, (struct scl_step){ .name = name, .len = len }))
		return false;
	const struct scl_element *e = enter(w, t, name, fc);
	if (!e)
		return refuse(t, "the templates have nothing of that name");
	if (!array_length(t, e, &length))
		return false;
	w->array = length > 0;
	if (!w->attribute)
		w->object_count = w->count;
	/* The name that lives as long as the tree. */
	w->steps[w->count - 1].name = scl_get(e, "name");
	return true;
}

/* Into the array that the way ended at. */
static bool
take_index(struct scl_way *w, struct scl_types *t, const char *index)
{
	char *end;

	unsigned long v = strtoul(index, &end, 10);
	if (!isdigit((unsigned char)*index) || *end || v >= SCL_MAX_ARRAY)
		return refuse(t, "its index is no number");
	if (!add_step(w, t, (struct scl_step){ .index = (unsigned)v }))
		return false;
	w->array = false;
	if (!w->attribute)
		w->object_count = w->count;
	return true;
}

/* Names with dots between them. */
static bool
follow(
    struct scl_way *w, struct scl_types *t, const char *names, const char *fc, const char **index)
{
	char name[SCL_MAX_NAME];

	while (*names) {
		size_t len = strcspn(names, ".");
		if (len >= sizeof(name))
			return refuse(t, "its reference is too long");
		memcpy(name, names, len);
		name[len] = '\0';
		if (!scl_way_step(w, t, name, fc))
			return false;
		if (w->array && **index) {
			if (!take_index(w, t, *index))
				return false;
			*index = "";
		}
		names += len;
		names += *names == '.';
	}
	return true;
}

bool
scl_way_find(struct scl_way *w, struct scl_types *t, const char *node_type, const char *objects,
    const char *attributes, const char *fc, const char *index)
{
	const struct scl_element *node = scl_template(t->tree, SCL_LNODE_TYPE, node_type);
	const char *behind = strchr(objects, '.');
	size_t len = strcspn(objects, ".") < SCL_MAX_NAME ? strcspn(objects, ".") : SCL_MAX_NAME;
	char name[SCL_MAX_NAME];

	*w = (struct scl_way){ 0 };
	snprintf(name, sizeof(name), "%.*s", (int)len, objects);
	const struct scl_element *object = node ? scl_child(node, SCL_DO, "name", name) : NULL;
	if (!object)
		return refuse(t, node ? "its logical node's type has no such data object"
				      : "the type of its logical node is not in the file");
	w->type = scl_template(t->tree, SCL_DO_TYPE, scl_get(object, "type"));
	w->steps[0].name = scl_get(object, "name");
	w->steps[0].len = strlen(w->steps[0].name);
	w->count = w->object_count = 1;
	if (!w->type || !scl_is_name(w->steps[0].name, w->steps[0].len))
		return refuse(t, "the type of its data object is not in the file");
	return follow(w, t, behind ? behind + 1 : "", fc, &index) &&
	       follow(w, t, attributes, fc, &index) &&
	       (!*index || refuse(t, "it has an index, and no array"));
}
