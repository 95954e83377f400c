#include "gatewayctl/scl/tree.h"

#include <expat.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "http://www.iec.ch/61850/2003/SCL"

enum { CHUNK = 64 << 10, ALIGN = 8 };

static const char *const tags[SCL_TAGS] = {
	[SCL_SCL] = "SCL",
	[SCL_COMMUNICATION] = "Communication",
	[SCL_SUB_NETWORK] = "SubNetwork",
	[SCL_CONNECTED_AP] = "ConnectedAP",
	[SCL_ADDRESS] = "Address",
	[SCL_P] = "P",
	[SCL_IED] = "IED",
	[SCL_ACCESS_POINT] = "AccessPoint",
	[SCL_SERVER] = "Server",
	[SCL_LDEVICE] = "LDevice",
	[SCL_LN0] = "LN0",
	[SCL_LN] = "LN",
	[SCL_DATA_SET] = "DataSet",
	[SCL_FCDA] = "FCDA",
	[SCL_REPORT_CONTROL] = "ReportControl",
	[SCL_TRG_OPS] = "TrgOps",
	[SCL_OPT_FIELDS] = "OptFields",
	[SCL_RPT_ENABLED] = "RptEnabled",
	[SCL_DOI] = "DOI",
	[SCL_DAI] = "DAI",
	[SCL_VAL] = "Val",
	[SCL_DATA_TYPE_TEMPLATES] = "DataTypeTemplates",
	[SCL_LNODE_TYPE] = "LNodeType",
	[SCL_DO] = "DO",
	[SCL_DO_TYPE] = "DOType",
	[SCL_SDO] = "SDO",
	[SCL_DA] = "DA",
	[SCL_DA_TYPE] = "DAType",
	[SCL_BDA] = "BDA",
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

struct scl_tree {
	struct chunk *chunks;
	struct scl_element *root;
	const struct scl_element **templates; /* in order of tag and id */
	size_t template_count, elements;
	/* While it is read. */
	XML_Parser parser;
	struct scl_element *open[SCL_MAX_DEPTH];
	size_t depth, skipped; /* elements that are open: kept, and not kept within them */
	char text[SCL_MAX_TEXT];
	size_t text_len;
	char *why;
	bool failed;
};

/* XML_GetCurrentLineNumber is deprecated from Debian 13's expat on, for one that Debian 12's does
 * not have. */
static unsigned long
line_of(const struct scl_tree *t)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	return XML_GetCurrentLineNumber(t->parser);
#pragma GCC diagnostic pop
}

static void
fail(struct scl_tree *t, const char *fmt, ...)
{
	va_list ap;

	if (t->failed)
		return;
	t->failed = true;
	int n = snprintf(t->why, SCL_WHY, "line %lu: ", line_of(t));
	va_start(ap, fmt);
	vsnprintf(t->why + n, SCL_WHY - (size_t)n, fmt, ap);
	va_end(ap);
	XML_StopParser(t->parser, XML_FALSE);
}

/* --- Memory: all of it is freed at once --- */

static void *
take(struct scl_tree *t, size_t n)
{
	struct chunk *c = t->chunks;

	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (!c || n > c->size - c->used) {
		size_t size = n > CHUNK ? n : CHUNK;
		c = malloc(sizeof(*c) + size);
		if (!c) {
			fail(t, "out of memory");
			return NULL;
		}
		*c = (struct chunk){ .next = t->chunks, .size = size };
		t->chunks = c;
	}
	c->used += n;
	return c->data + c->used - n;
}

static const char *
keep(struct scl_tree *t, const char *text, size_t len)
{
	char *copy = take(t, len + 1);

	if (!copy)
		return "";
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* --- Reading --- */

/* -1: of no use, or of another namespace. A file without a namespace is of edition 1. */
static int
tag_of(const char *name)
{
	const char *local = strrchr(name, '|');

	if (local && strncmp(name, NAMESPACE "|", sizeof(NAMESPACE)) != 0)
		return -1;
	local = local ? local + 1 : name;
	for (int i = 0; i < SCL_TAGS; i++)
		if (strcmp(tags[i], local) == 0)
			return i;
	return -1;
}

static const char **
keep_attributes(struct scl_tree *t, const char **given)
{
	size_t count = 0, n = 0;

	while (given[count])
		count++;
	const char **kept = take(t, (count + 1) * sizeof(*kept));
	for (size_t i = 0; kept && i < count; i += 2) {
		if (strchr(given[i], '|'))
			continue;
		kept[n++] = keep(t, given[i], strlen(given[i]));
		kept[n++] = keep(t, given[i + 1], strlen(given[i + 1]));
	}
	if (kept)
		kept[n] = NULL;
	return kept;
}

static void
add(struct scl_tree *t, enum scl_tag tag, const char **attributes)
{
	struct scl_element *e = take(t, sizeof(*e));

	if (++t->elements > SCL_MAX_ELEMENTS)
		fail(t, "more than %d elements", SCL_MAX_ELEMENTS);
	if (!e)
		return;
	*e = (struct scl_element){ .tag = tag,
		.line = (unsigned)line_of(t),
		.attributes = keep_attributes(t, attributes),
		.text = "" };
	struct scl_element *parent = t->depth ? t->open[t->depth - 1] : NULL;
	if (parent && parent->last)
		parent->last->next = e;
	else if (parent)
		parent->child = e;
	else
		t->root = e;
	if (parent)
		parent->last = e;
	t->open[t->depth++] = e;
	t->text_len = 0;
}

static void
on_start(void *arg, const char *name, const char **attributes)
{
	struct scl_tree *t = arg;
	int tag = tag_of(name);

	if (t->failed)
		return;
	if (t->depth + t->skipped == SCL_MAX_DEPTH)
		fail(t, "elements nest deeper than %d", SCL_MAX_DEPTH);
	else if (t->depth == 0 && tag != SCL_SCL)
		fail(t, "expected the element SCL, found '%.100s'", name);
	else if (t->skipped || tag < 0 || (t->depth && tag == SCL_SCL))
		t->skipped++;
	else
		add(t, (enum scl_tag)tag, attributes);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
on_end(void *arg, const char *name)
{
	struct scl_tree *t = arg;
	size_t from = 0;

	(void)name;
	if (t->failed)
		return;
	if (t->skipped) {
		t->skipped--;
		return;
	}
	struct scl_element *e = t->open[--t->depth];
	if (e->tag != SCL_VAL && e->tag != SCL_P)
		return;
	while (from < t->text_len && is_blank(t->text[from]))
		from++;
	while (t->text_len > from && is_blank(t->text[t->text_len - 1]))
		t->text_len--;
	e->text = keep(t, t->text + from, t->text_len - from);
}

static void
on_text(void *arg, const char *text, int len)
{
	struct scl_tree *t = arg;
	size_t n = (size_t)len;

	if (t->failed || t->skipped || t->depth == 0)
		return;
	enum scl_tag tag = t->open[t->depth - 1]->tag;
	if (tag != SCL_VAL && tag != SCL_P)
		return;
	if (n > sizeof(t->text) - t->text_len) {
		fail(t, "a text longer than %zu octets", sizeof(t->text));
		return;
	}
	memcpy(t->text + t->text_len, text, n);
	t->text_len += n;
}

static void
on_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	fail(arg, "a document type, which SCL has not; entities are not read");
}

/* --- Templates --- */

static int
compare(enum scl_tag tag, const char *id, const struct scl_element *b)
{
	return tag != b->tag ? (tag < b->tag ? -1 : 1) : strcmp(id, scl_get(b, "id"));
}

static int
by_id(const void *a, const void *b)
{
	const struct scl_element *const *x = a, *const *y = b;

	return compare((*x)->tag, scl_get(*x, "id"), *y);
}

static bool
index_templates(struct scl_tree *t)
{
	const struct scl_element *all = scl_next(t->root->child, SCL_DATA_TYPE_TEMPLATES);
	size_t count = 0;

	for (const struct scl_element *e = all ? all->child : NULL; e; e = e->next)
		count++;
	t->templates = calloc(count + 1, sizeof(struct scl_element *));
	if (!t->templates)
		return false;
	for (const struct scl_element *e = all ? all->child : NULL; e; e = e->next)
		t->templates[t->template_count++] = e;
	qsort(t->templates, count, sizeof(struct scl_element *), by_id);
	return true;
}

const struct scl_element *
scl_template(const struct scl_tree *t, enum scl_tag tag, const char *id)
{
	size_t low = 0, high = t->template_count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = compare(tag, id, t->templates[mid]);
		if (order == 0)
			return t->templates[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* --- The whole --- */

static void
parse(struct scl_tree *t, const char *data, size_t len)
{
	XML_SetUserData(t->parser, t);
	XML_SetElementHandler(t->parser, on_start, on_end);
	XML_SetCharacterDataHandler(t->parser, on_text);
	XML_SetStartDoctypeDeclHandler(t->parser, on_doctype);
	if (XML_Parse(t->parser, data, (int)len, 1) == XML_STATUS_ERROR)
		fail(t, "%s", XML_ErrorString(XML_GetErrorCode(t->parser)));
}

struct scl_tree *
scl_tree_new(const char *data, size_t len, char *why)
{
	struct scl_tree *t = calloc(1, sizeof(*t));

	snprintf(why, SCL_WHY, "out of memory");
	if (!t)
		return NULL;
	t->why = why;
	t->parser = XML_ParserCreateNS(NULL, '|');
	if (len > SCL_MAX_FILE)
		snprintf(why, SCL_WHY, "larger than %d octets", SCL_MAX_FILE);
	else if (t->parser)
		parse(t, data, len);
	bool good = len <= SCL_MAX_FILE && t->parser && !t->failed && index_templates(t);
	if (t->parser)
		XML_ParserFree(t->parser);
	if (good)
		return t;
	scl_tree_free(t);
	return NULL;
}

void
scl_tree_free(struct scl_tree *t)
{
	if (!t)
		return;
	while (t->chunks) {
		struct chunk *c = t->chunks;
		t->chunks = c->next;
		free(c);
	}
	free(t->templates);
	free(t);
}

const struct scl_element *
scl_root(const struct scl_tree *t)
{
	return t->root;
}

const char *
scl_get(const struct scl_element *e, const char *name)
{
	for (const char **a = e->attributes; a && *a; a += 2)
		if (strcmp(a[0], name) == 0)
			return a[1];
	return "";
}

bool
scl_is(const struct scl_element *e, const char *name, bool otherwise)
{
	const char *value = scl_get(e, name);

	return *value ? strcmp(value, "true") == 0 || strcmp(value, "1") == 0 : otherwise;
}

const struct scl_element *
scl_next(const struct scl_element *e, enum scl_tag tag)
{
	while (e && e->tag != tag)
		e = e->next;
	return e;
}

const struct scl_element *
scl_child(const struct scl_element *e, enum scl_tag tag, const char *name, const char *value)
{
	const struct scl_element *c = scl_next(e->child, tag);

	while (c && strcmp(scl_get(c, name), value) != 0)
		c = scl_next(c->next, tag);
	return c;
}
