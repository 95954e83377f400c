/* Report control blocks, their data sets, and the data of these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/scl/convert.h"

enum { MAX_REPORT_ID = 129, MAX_BLOCK = 122, MAX_MEMBERS = 10000, MAX_OBJECTS = 10 };

struct member {
	struct scl_node node;
	const char *fc;
	struct scl_way way;
	bool done; /* a data has it */
};

struct block {
	char ref[4 * SCL_NAME]; /* as YAML has it */
	const char *name;
};

/* The main attribute of a data object is the first of these that it has (IEC 61850-7-3). */
static const char *const primaries[] = { "stVal", "valWTr", "mag", "cVal", "actVal", "mxVal",
	"instMag", NULL };

/* The other parts of a data, and their types. */
static const struct {
	const char *key, *attribute, *type;
} parts[] = {
	{ .key = "quality", .attribute = "q", .type = "Quality" },
	{ .key = "timestamp", .attribute = "t", .type = "Timestamp" },
	{ .key = "selected", .attribute = "stSeld", .type = "BOOLEAN" },
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/* --- Data sets --- */

static const struct scl_element *
find_node(struct scl_node *n, struct scl_convert *c, const struct scl_element *f)
{
	const struct scl_element *device =
	    scl_child(c->server, SCL_LDEVICE, "inst", scl_get(f, "ldInst"));

	for (const struct scl_element *e = device ? device->child : NULL; e; e = e->next)
		if ((e->tag == SCL_LN0 || e->tag == SCL_LN) && ++c->types.work <= SCL_MAX_WORK &&
		    strcmp(scl_get(e, "lnClass"), scl_get(f, "lnClass")) == 0 &&
		    strcmp(scl_get(e, "inst"), scl_get(f, "lnInst")) == 0 &&
		    strcmp(scl_get(e, "prefix"), scl_get(f, "prefix")) == 0)
			return scl_node_set(n, c, device, e) ? e : NULL;
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *
load_member(struct member *m, struct scl_convert *c, const struct scl_element *f)
{
	const char *object = scl_get(f, "doName");

	m->fc = scl_get(f, "fc");
	if (!*object)
		return "it is not of one data object";
	if (strlen(m->fc) != 2 || !scl_is_name(m->fc, 2))
		return "its fc is none";
	if (!find_node(&m->node, c, f))
		return "the server has no such logical node";
	if (!scl_way_find(&m->way, &c->types, scl_get(m->node.element, "lnType"), object,
		scl_get(f, "daName"), m->fc, scl_get(f, "ix")) ||
	    !scl_need_type(c, &m->node, m->fc, &m->way.steps[0]))
		return c->types.why;
	return NULL;
}

/* The members of a data set; NULL where one cannot be had. Frees nothing. */
static struct member *
load_members(struct scl_convert *c, const struct scl_element *set, size_t *count)
{
	size_t n = 0;

	scl_foreach(f, set, SCL_FCDA) n++;
	if (n == 0 || n > MAX_MEMBERS) {
		scl_note(c, set, "DataSet '%.64s' has %zu members; it is left out",
		    scl_get(set, "name"), n);
		return NULL;
	}
	struct member *members = calloc(n, sizeof(*members));
	*count = 0;
	scl_foreach(f, set, SCL_FCDA)
	{
		const char *why = members ? load_member(&members[*count], c, f) : "out of memory";
		if (why) {
			scl_note(c, f, "DataSet '%.64s' is left out: member %zu: %s",
			    scl_get(set, "name"), *count + 1, why);
			free(members);
			return NULL;
		}
		++*count;
	}
	return members;
}

static void
put_dataset_ref(struct buffer *b, const struct scl_node *n, const char *name)
{
	scl_put_pair(b, "{logical_device", n->device);
	scl_put_pair(b, ", logical_node", n->name);
	scl_put_pair(b, ", name", name);
	buffer_append_str(b, "}");
}

static void
put_dataset(struct scl_convert *c, const struct scl_node *n, const char *name,
    const struct member *members, size_t count)
{
	struct buffer *b = &c->sections[SECTION_DATASETS];
	char key[3 * SCL_NAME];

	snprintf(key, sizeof(key), "%s/%s$%s", n->device, n->name, name);
	if (!scl_once(c, "set", key))
		return;
	buffer_append_str(b, "  - ref: ");
	put_dataset_ref(b, n, name);
	buffer_append_str(b, "\n    dynamic: false\n    values:\n");
	for (size_t i = 0; i < count; i++) {
		buffer_append_str(b, "    - ");
		scl_put_value(b, &members[i].node, members[i].fc, &members[i].way);
		buffer_append_str(b, "\n");
	}
}

/* --- Data --- */

static void
begin_data(struct scl_convert *c, const struct block *block, const struct member *m,
    const struct scl_way *value, size_t name_steps)
{
	struct buffer *b = &c->sections[SECTION_DATA];

	scl_put_name(c, SECTION_DATA, &m->node, value, name_steps, block->name);
	buffer_printf(b, "\n    rcb: %s\n    value: ", block->ref);
	scl_put_value(b, &m->node, m->fc, value);
	buffer_append_str(b, "\n");
}

static void
put_part(struct scl_convert *c, const struct member *m, const char *key, const struct scl_way *way)
{
	struct buffer *b = &c->sections[SECTION_DATA];

	buffer_printf(b, "    %s: ", key);
	scl_put_value(b, &m->node, m->fc, way);
	buffer_append_str(b, "\n");
}

/* Whether the way's object has that attribute of that type; then into it. */
static bool
step_to_part(struct scl_way *way, struct scl_types *t, const char *fc, int part)
{
	const struct scl_element *e = scl_attribute(way->type, parts[part].attribute, fc);

	return e && strcmp(scl_get(e, "bType"), parts[part].type) == 0 &&
	       scl_way_step(way, t, parts[part].attribute, fc) && !way->array;
}

/* A data object that its data set has as a whole: its first attribute, or all where it has none
 * that it is about. */
static void
put_object(struct scl_convert *c, const struct block *block, const struct member *m,
    const struct scl_way *object)
{
	struct scl_way value = *object;

	for (int i = 0; primaries[i]; i++)
		if (scl_attribute(object->type, primaries[i], m->fc)) {
			scl_way_step(&value, &c->types, primaries[i], m->fc);
			break;
		}
	begin_data(c, block, m, &value, object->count);
	for (int part = 0; part < PARTS; part++) {
		struct scl_way way = *object;
		if (step_to_part(&way, &c->types, m->fc, part))
			put_part(c, m, parts[part].key, &way);
	}
}

/* Each data object in a data object, as the phases of a three-phase value, is a data. */
static void
put_objects(struct scl_convert *c, const struct block *block, const struct member *m,
    const struct scl_way *object, unsigned depth)
{
	bool own = false;

	scl_foreach(da, object->type, SCL_DA) own = own || strcmp(scl_get(da, "fc"), m->fc) == 0;
	if (own || object->array || depth == 0)
		put_object(c, block, m, object);
	for (const struct scl_element *e = object->array || depth == 0 ? NULL : object->type->child;
	     e && ++c->types.work <= SCL_MAX_WORK; e = e->next) {
		struct scl_way inner = *object;
		if (e->tag == SCL_SDO &&
		    scl_way_step(&inner, &c->types, scl_get(e, "name"), m->fc) &&
		    scl_object_has(&c->types, inner.type, m->fc))
			put_objects(c, block, m, &inner, depth - 1);
	}
}

static bool
is_same_object(const struct member *a, const struct member *b)
{
	if (a->way.object_count != b->way.object_count || strcmp(a->fc, b->fc) != 0 ||
	    strcmp(a->node.device, b->node.device) != 0 || strcmp(a->node.name, b->node.name) != 0)
		return false;
	for (size_t i = 0; i < a->way.object_count; i++) {
		const struct scl_step *x = &a->way.steps[i], *y = &b->way.steps[i];
		if (!x->name != !y->name || x->index != y->index ||
		    (x->name && strcmp(x->name, y->name) != 0))
			return false;
	}
	return true;
}

/* Which part a member is, as its own attribute; PARTS: none. */
static int
part_of(const struct member *m)
{
	int part = 0;

	while (part < PARTS && (m->way.attribute != m->way.first || !m->way.first ||
				   strcmp(scl_get(m->way.first, "name"), parts[part].attribute) ||
				   strcmp(scl_get(m->way.first, "bType"), parts[part].type)))
		part++;
	return part;
}

/* A value that is a member by itself; its quality and time are members too. */
static void
put_attribute(struct scl_convert *c, const struct block *block, struct member *members,
    size_t count, size_t at)
{
	struct member *m = &members[at];
	const char *first = scl_get(m->way.first, "name");
	bool primary = false;

	for (int i = 0; primaries[i]; i++)
		primary = primary || strcmp(primaries[i], first) == 0;
	m->done = true;
	begin_data(c, block, m, &m->way, primary ? m->way.object_count : m->way.count);
	for (size_t i = 0; i < count && ++c->types.work <= SCL_MAX_WORK; i++) {
		int part = members[i].way.attribute ? part_of(&members[i]) : PARTS;
		if (part < PARTS && is_same_object(m, &members[i])) {
			put_part(c, m, parts[part].key, &members[i].way);
			members[i].done = true;
		}
	}
}

static void
put_data(struct scl_convert *c, const struct block *block, struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!members[i].way.attribute) {
			members[i].done = true;
			put_objects(c, block, &members[i], &members[i].way, MAX_OBJECTS);
		} else if (part_of(&members[i]) == PARTS) {
			put_attribute(c, block, members, count, i);
		}
	/* Qualities and times of nothing. */
	for (size_t i = 0; i < count; i++)
		if (!members[i].done)
			begin_data(c, block, &members[i], &members[i].way, members[i].way.count);
}

/* --- Report control blocks --- */

struct flag {
	const char *attribute, *name;
	bool otherwise;
};

static const struct flag triggers[] = {
	{ .attribute = "dchg", .name = "DATA_CHANGE" },
	{ .attribute = "qchg", .name = "QUALITY_CHANGE" },
	{ .attribute = "dupd", .name = "DATA_UPDATE" },
	{ .attribute = "period", .name = "INTEGRITY" },
	{ .attribute = "gi", .name = "GENERAL_INTERROGATION", .otherwise = true },
	{ .attribute = NULL },
};

static const struct flag fields[] = {
	{ .attribute = "seqNum", .name = "SEQUENCE_NUMBER" },
	{ .attribute = "timeStamp", .name = "REPORT_TIME_STAMP" },
	{ .attribute = "reasonCode", .name = "REASON_FOR_INCLUSION" },
	{ .attribute = "dataSet", .name = "DATA_SET_NAME" },
	{ .attribute = "dataRef", .name = "DATA_REFERENCE" },
	{ .attribute = "bufOvfl", .name = "BUFFER_OVERFLOW", .otherwise = true },
	{ .attribute = "entryID", .name = "ENTRY_ID" },
	{ .attribute = "configRef", .name = "CONF_REVISION" },
	{ .attribute = NULL },
};

/* always: a field that is asked for whatever the file says, or NULL. */
static void
put_flags(struct buffer *b, const char *key, const struct scl_element *e, const struct flag *flags,
    const char *always)
{
	size_t n = 0;

	buffer_printf(b, "    %s: [", key);
	for (; flags->attribute; flags++)
		if ((e && scl_is(e, flags->attribute, flags->otherwise)) ||
		    (always && strcmp(always, flags->attribute) == 0))
			buffer_printf(b, "%s%s", n++ ? ", " : "", flags->name);
	buffer_append_str(b, "]\n");
}

static void
put_number(struct buffer *b, const char *key, const char *text)
{
	if (*text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text))
		buffer_printf(b, "    %s: %lu\n", key, strtoul(text, NULL, 10));
}

static void
put_block(struct scl_convert *c, const struct block *block, const struct scl_element *e,
    const struct scl_node *n)
{
	struct buffer *b = &c->sections[SECTION_RCBS];
	bool buffered = scl_is(e, "buffered", false);

	buffer_printf(b, "  - ref: %s\n    ", block->ref);
	scl_put_pair(b, "report_id", scl_get(e, "rptID"));
	buffer_append_str(b, "\n    dataset: ");
	put_dataset_ref(b, n, scl_get(e, "datSet"));
	buffer_append_str(b, "\n");
	put_flags(b, "trigger_options", scl_next(e->child, SCL_TRG_OPS), triggers,
	    scl_next(e->child, SCL_TRG_OPS) ? NULL : "gi");
	put_flags(b, "optional_fields", scl_next(e->child, SCL_OPT_FIELDS), fields,
	    buffered ? "entryID" : NULL);
	put_number(b, "conf_revision", scl_get(e, "confRev"));
	put_number(b, "buffer_time", scl_get(e, "bufTime"));
	put_number(b, "integrity_period", scl_get(e, "intgPd"));
}

/* The first of its instances. Its name on the server; false where it is none. */
static bool
name_block(
    struct block *block, char name[SCL_NAME], const struct scl_element *e, const struct scl_node *n)
{
	struct buffer b;
	bool buffered = scl_is(e, "buffered", false);
	int len = snprintf(
	    name, SCL_NAME, "%s%s", scl_get(e, "name"), scl_is(e, "indexed", true) ? "01" : "");

	if (len >= SCL_NAME || strlen(n->name) + (size_t)len + 4 > MAX_BLOCK ||
	    !scl_is_name(name, (size_t)len))
		return false;
	buffer_init(&b, sizeof(block->ref) - 1);
	scl_put_pair(&b, "{logical_device", n->device);
	scl_put_pair(&b, ", logical_node", n->name);
	buffer_printf(&b, ", type: %s", buffered ? "BUFFERED" : "UNBUFFERED");
	scl_put_pair(&b, ", name", name);
	buffer_append_str(&b, "}");
	snprintf(block->ref, sizeof(block->ref), "%.*s", (int)b.len, (const char *)buffer_data(&b));
	bool good = !buffer_failed(&b);
	buffer_clear(&b);
	block->name = name;
	return good;
}

/* Reports are told apart by their identifier: each is there once. */
static bool
has_own_id(struct scl_convert *c, const struct scl_element *e, const struct scl_node *n,
    const struct block *block)
{
	const char *id = scl_get(e, "rptID");
	char text[4 * SCL_NAME];

	snprintf(text, sizeof(text), "%s/%s$%s$%s", n->device, n->name,
	    scl_is(e, "buffered", false) ? "BR" : "RP", block->name);
	return strlen(id) <= MAX_REPORT_ID && strcmp(id, "*") != 0 && strcmp(id, "?") != 0 &&
	       scl_once(c, "block", text) && scl_once(c, "id", *id ? id : text);
}

static void
convert_block(struct scl_convert *c, const struct scl_element *e, const struct scl_node *n)
{
	const char *set = scl_get(e, "datSet");
	const struct scl_element *found = scl_child(n->element, SCL_DATA_SET, "name", set);
	char name[SCL_NAME];
	struct block block;
	size_t count;

	if (!*set || !found || !scl_is_name(set, strlen(set)) || strlen(set) > 32) {
		scl_note(c, e, "ReportControl '%.64s' is left out: it has no data set",
		    scl_get(e, "name"));
		return;
	}
	if (!name_block(&block, name, e, n) || !has_own_id(c, e, n, &block)) {
		scl_note(c, e,
		    "ReportControl '%.64s' is left out: it needs a name of letters and "
		    "digits, and an rptID that no other one has",
		    scl_get(e, "name"));
		return;
	}
	struct member *members = load_members(c, found, &count);
	if (!members)
		return;
	put_dataset(c, n, set, members, count);
	put_block(c, &block, e, n);
	put_data(c, &block, members, count);
	free(members);
}

void
scl_reports(struct scl_convert *c, const struct scl_node *n)
{
	scl_foreach(e, n->element, SCL_REPORT_CONTROL) convert_block(c, e, n);
}
