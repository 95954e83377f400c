#include "gatewayctl/scl/scl.h"

#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/scl/convert.h"

static const char *const section_keys[SECTIONS] = {
	[SECTION_TYPES] = "value_types",
	[SECTION_DATASETS] = "datasets",
	[SECTION_RCBS] = "rcbs",
	[SECTION_DATA] = "data",
	[SECTION_COMMANDS] = "commands",
	[SECTION_CHANGES] = "changes",
};

/* --- What the others use --- */

void
scl_note(struct scl_convert *c, const struct scl_element *e, const char *fmt, ...)
{
	char text[SCL_WHY];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buffer_printf(c->notes, "line %u: %s\n", e->line, text);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

bool
scl_once(struct scl_convert *c, const char *kind, const char *text)
{
	char *key = NULL;

	if (asprintf(&key, "%s %s", kind, text) < 0)
		return false;
	void *found = tsearch(key, &c->seen, compare);
	bool is_new = found && *(char **)found == key;
	if (!is_new)
		free(key);
	return is_new;
}

static bool
is_seen(const struct scl_convert *c, const char *kind, const char *text)
{
	char *key = NULL;

	if (asprintf(&key, "%s %s", kind, text) < 0)
		return false;
	bool found = tfind(key, &c->seen, compare);
	free(key);
	return found;
}

bool
scl_node_set(struct scl_node *n, const struct scl_convert *c, const struct scl_element *device,
    const struct scl_element *node)
{
	const char *name = scl_get(device, "ldName"), *ied = *name ? "" : scl_get(c->ied, "name");

	n->element = node;
	int a = snprintf(n->device, SCL_NAME, "%s%s", ied, *name ? name : scl_get(device, "inst"));
	int b = snprintf(n->name, SCL_NAME, "%s%s%s", scl_get(node, "prefix"),
	    scl_get(node, "lnClass"), scl_get(node, "inst"));
	return a <= 64 && b < 64 && scl_is_name(n->device, strlen(n->device)) &&
	       scl_is_name(n->name, strlen(n->name));
}

void
scl_put_pair(struct buffer *b, const char *key, const char *value)
{
	buffer_printf(b, "%s: ", key);
	scl_put_text(b, value, strlen(value));
}

static void
put_node(struct buffer *b, const struct scl_node *n)
{
	scl_put_pair(b, "{logical_device", n->device);
	scl_put_pair(b, ", logical_node", n->name);
}

void
scl_put_value(struct buffer *b, const struct scl_node *n, const char *fc, const struct scl_way *way)
{
	put_node(b, n);
	scl_put_pair(b, ", fc", fc);
	for (size_t i = 0; i < way->count; i++) {
		const struct scl_step *s = &way->steps[i];
		buffer_append_str(b, i ? ", " : ", names: [");
		if (s->name)
			scl_put_text(b, s->name, s->len);
		else
			buffer_printf(b, "%u", s->index);
	}
	buffer_append_str(b, "]}");
}

bool
scl_need_type(
    struct scl_convert *c, const struct scl_node *n, const char *fc, const struct scl_step *object)
{
	struct buffer *b = &c->sections[SECTION_TYPES];
	char key[3 * SCL_NAME];
	struct scl_way way;
	size_t start = b->len;

	snprintf(key, sizeof(key), "%s/%s/%s/%.*s", n->device, n->name, fc, (int)object->len,
	    object->name);
	if (!scl_once(c, "type", key)) {
		c->types.why = "the type of its data object has a fault";
		return !is_seen(c, "fault", key);
	}
	buffer_append_str(b, "  - ");
	put_node(b, n);
	scl_put_pair(b, ", fc", fc);
	buffer_append_str(b, ", name: ");
	scl_put_text(b, object->name, object->len);
	buffer_append_str(b, ",\n     type: ");
	if (scl_way_find(
		&way, &c->types, scl_get(n->element, "lnType"), object->name, "", fc, "") &&
	    scl_put_object(b, &c->types, way.type, fc)) {
		buffer_append_str(b, "}\n");
		return true;
	}
	buffer_truncate(b, start);
	scl_once(c, "fault", key);
	return false;
}

void
scl_put_name(struct scl_convert *c, enum scl_section section, const struct scl_node *n,
    const struct scl_way *way, size_t steps, const char *more)
{
	char name[4 * SCL_NAME];
	size_t used = (size_t)snprintf(name, sizeof(name), "%s.%s", n->device, n->name);

	for (size_t i = 0; i < steps && used < SCL_NAME * 3; i++)
		used += way->steps[i].name
			    ? (size_t)snprintf(name + used, sizeof(name) - used, ".%.*s",
				  (int)way->steps[i].len, way->steps[i].name)
			    : (size_t)snprintf(
				  name + used, sizeof(name) - used, ".%u", way->steps[i].index);
	bool fresh = scl_once(c, section_keys[section], name);
	if (!fresh && more) {
		used += (size_t)snprintf(name + used, sizeof(name) - used, ".%.100s", more);
		fresh = scl_once(c, section_keys[section], name);
	}
	for (unsigned i = 2; !fresh && i < 100000; i++) {
		snprintf(name + used, sizeof(name) - used, ".%u", i);
		fresh = scl_once(c, section_keys[section], name);
	}
	buffer_append_str(&c->sections[section], "  - ");
	scl_put_pair(&c->sections[section], "name", name);
}

/* --- The server --- */

static const struct scl_element *
server_of(const struct scl_element *ied, const struct scl_element **access_point)
{
	scl_foreach(ap, ied, SCL_ACCESS_POINT)
	{
		const struct scl_element *server = scl_next(ap->child, SCL_SERVER);
		if (server) {
			*access_point = ap;
			return server;
		}
	}
	return NULL;
}

static void
list_servers(const struct scl_element *root, char *why)
{
	const struct scl_element *ap;

	scl_foreach(ied, root, SCL_IED)
	{
		size_t used = strlen(why);
		if (server_of(ied, &ap) && used < SCL_WHY - 20)
			snprintf(why + used, SCL_WHY - used, " %.64s", scl_get(ied, "name"));
	}
}

/* The IED of that name, or the only one with a server. */
static const struct scl_element *
find_ied(const struct scl_element *root, const char *name, char *why)
{
	const struct scl_element *found = NULL, *ap;
	size_t count = 0;

	scl_foreach(ied, root,
	    SCL_IED) if (name ? strcmp(scl_get(ied, "name"), name) == 0 : !!server_of(ied, &ap))
	{
		found = ied;
		count++;
	}
	if (count == 1 && server_of(found, &ap))
		return found;
	snprintf(why, SCL_WHY, "%s%.64s%s",
	    name	 ? "it has no server of an IED '"
	    : count == 0 ? "it has no IED with a server"
			 : "it has several servers: choose one by --ied:",
	    name ? name : "", name ? "'; there are:" : "");
	if (name || count)
		list_servers(root, why);
	return NULL;
}

void
scl_list_ieds(const char *data, size_t len, void (*each)(void *arg, const char *name), void *arg)
{
	const struct scl_element *ap;
	char why[SCL_WHY];
	struct scl_tree *tree = scl_tree_new(data, len, why);

	if (!tree)
		return;
	scl_foreach(ied, scl_root(tree), SCL_IED)
	{
		if (server_of(ied, &ap))
			each(arg, scl_get(ied, "name"));
	}
	scl_tree_free(tree);
}

static void
convert_node(struct scl_convert *c, const struct scl_element *device, const struct scl_element *e)
{
	struct scl_node n;

	if (!scl_node_set(&n, c, device, e)) {
		scl_note(c, e,
		    "expected names of letters, digits and _; the logical node is left "
		    "out");
		return;
	}
	scl_reports(c, &n);
	scl_controls(c, &n);
}

static void
convert_server(struct scl_convert *c)
{
	scl_foreach(device, c->server,
	    SCL_LDEVICE) for (const struct scl_element *e = device->child; e;
			      e = e->next) if (e->tag == SCL_LN0 || e->tag == SCL_LN)
	    convert_node(c, device, e);
}

static void
put_all(struct buffer *out, struct scl_convert *c, const struct scl_element *access_point)
{
	scl_put_connection(out, c, access_point);
	for (int i = 0; i < SECTIONS; i++) {
		struct buffer *b = &c->sections[i];
		buffer_printf(out, "  %s:%s\n", section_keys[i], b->len ? "" : " []");
		buffer_append(out, buffer_data(b), b->len);
		if (buffer_failed(b))
			out->failed = true;
	}
}

int
scl_convert(const char *data, size_t len, const char *ied, struct buffer *out, struct buffer *notes,
    char *why)
{
	struct scl_tree *tree = scl_tree_new(data, len, why);
	struct scl_convert c = { .types = { .tree = tree }, .notes = notes };
	const struct scl_element *access_point = NULL;

	if (!tree)
		return -1;
	for (int i = 0; i < SECTIONS; i++)
		buffer_init(&c.sections[i], SCL_MAX_OUTPUT);
	c.ied = find_ied(scl_root(tree), ied, why);
	if (c.ied) {
		c.server = server_of(c.ied, &access_point);
		convert_server(&c);
		put_all(out, &c, access_point);
	}
	bool large = c.types.work > SCL_MAX_WORK || buffer_failed(out);
	if (large)
		snprintf(why, SCL_WHY, "what it describes is too large");
	for (int i = 0; i < SECTIONS; i++)
		buffer_clear(&c.sections[i]);
	tdestroy(c.seen, free);
	scl_tree_free(tree);
	return c.ied && !large ? 0 : -1;
}
