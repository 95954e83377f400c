#include "supervisor/config/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/utf8.h"
#include "supervisor/config/text_place.h"
#include "supervisor/config/yaml_scalar.h"

#define CORE_TAG "tag:yaml.org,2002:"
/* In the tree a '<<' that merges, which one in quotes does not: no text of UTF-8 is so. */
#define MERGE_KEY "<\xff"

enum {
	FEW_KEYS = 16, /* compared pairwise for duplicates; more are sorted */
};

struct anchor {
	char *name; /* owned */
	struct json *node;
	size_t weight;	 /* values in it, aliases counted in full */
	uint32_t height; /* levels of containers in it */
	bool open;	 /* still being read */
};

/* A container that is being read. */
struct level {
	struct json *node;
	yaml_event_t key; /* of the next member, when has_key; owned */
	bool has_key;
	bool merges; /* has a '<<' */
	size_t weight_before;
	uint32_t height;
	int anchor; /* index of its own anchor, or -1 */
};

struct tree {
	struct json_doc *doc;
	yaml_parser_t parser;
	struct level levels[JSON_MAX_DEPTH];
	uint32_t depth;
	struct anchor *anchors;
	size_t anchor_count, alias_count;
	size_t weight, max_weight;
	struct buffer scratch;
	bool json;    /* the document is an object in JSON's style */
	bool started; /* the first document */
	int faults;
	yaml_report *report;
	void *arg;
};

/* "devices[3].name" of what is being read now. */
static void
current_path(const struct tree *t, char *path, size_t size)
{
	size_t used = 0;

	path[0] = '\0';
	for (uint32_t i = 0; i < t->depth && used < size; i++) {
		const struct level *l = &t->levels[i];
		bool inner = i + 1 < t->depth;
		const char *key = inner	       ? l[1].node->key
				  : l->has_key ? (const char *)l->key.data.scalar.value
					       : NULL;
		if (l->node->type == JSON_ARRAY)
			used += (size_t)snprintf(
			    path + used, size - used, "[%zu]", l->node->count - inner);
		else if (key)
			used += (size_t)snprintf(path + used, size - used, "%s%s", used ? "." : "",
			    strcmp(key, MERGE_KEY) == 0 ? "<<" : key);
	}
}

static void
say(struct tree *t, enum schema_severity severity, uint32_t line, uint32_t column, const char *fmt,
    va_list ap)
{
	char path[YAML_MAX_PATH], message[256];

	vsnprintf(message, sizeof(message), fmt, ap);
	current_path(t, path, sizeof(path));
	t->report(t->arg, severity, line, column, path, message);
}

static int fault(struct tree *t, uint32_t line, uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Returns -1. */
static int
fault(struct tree *t, uint32_t line, uint32_t column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, SCHEMA_ERROR, line, column, fmt, ap);
	va_end(ap);
	t->faults++;
	return -1;
}

static void warn(struct tree *t, uint32_t line, uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void
warn(struct tree *t, uint32_t line, uint32_t column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, SCHEMA_WARNING, line, column, fmt, ap);
	va_end(ap);
}

static int
fault_at(struct tree *t, const yaml_event_t *e, const char *message)
{
	return fault(
	    t, (uint32_t)e->start_mark.line + 1, (uint32_t)e->start_mark.column + 1, "%s", message);
}

static void
warn_at(struct tree *t, const yaml_event_t *e, const char *message)
{
	warn(
	    t, (uint32_t)e->start_mark.line + 1, (uint32_t)e->start_mark.column + 1, "%s", message);
}

/* Line and column of byte `offset` of the text. */
static void
locate(const char *text, size_t offset, uint32_t *line, uint32_t *column)
{
	struct text_place place = { text, 1, 1 };

	text_place_move(&place, text + offset);
	*line = place.line;
	*column = place.column;
}

static int
check_utf8(struct tree *t, const char *text, size_t len)
{
	size_t valid = utf8_valid_until(text, len);
	uint32_t line, column;

	if (valid == len)
		return 0;
	locate(text, valid, &line, &column);
	return fault(t, line, column, "expected UTF-8, found other bytes");
}

static int
fault_syntax(struct tree *t, const char *text)
{
	const yaml_parser_t *p = &t->parser;
	uint32_t line = (uint32_t)p->problem_mark.line + 1;
	uint32_t column = (uint32_t)p->problem_mark.column + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return fault(t, 0, 0, "out of memory");
	if (p->error == YAML_READER_ERROR)
		locate(text, p->problem_offset, &line, &column);
	/* The open container is not the place of the problem: the message has no path. */
	uint32_t depth = t->depth;
	t->depth = 0;
	fault(t, line, column, "not YAML: %s%s%s", p->context ? p->context : "",
	    p->context ? ", " : "", p->problem ? p->problem : "unknown problem");
	t->depth = depth;
	return -1;
}

static struct level *
top(struct tree *t)
{
	return t->depth ? &t->levels[t->depth - 1] : NULL;
}

static void
drop_key(struct level *l)
{
	if (l->has_key)
		yaml_event_delete(&l->key);
	l->has_key = false;
}

static int
count_weight(struct tree *t, const yaml_event_t *e, size_t weight)
{
	if (weight > t->max_weight - t->weight) {
		char message[80];
		snprintf(message, sizeof(message), "more than %zu values (aliases counted in full)",
		    t->max_weight);
		return fault_at(t, e, message);
	}
	t->weight += weight;
	return 0;
}

/* A new node as the next element or member of the innermost container; consumes the key. */
static struct json *
add_node(struct tree *t, const yaml_event_t *e, enum json_type type, const char *text, size_t len,
    bool block)
{
	struct level *l = top(t);
	const char *key = l && l->has_key ? (const char *)l->key.data.scalar.value : NULL;

	if (count_weight(t, e, 1) < 0)
		return NULL;
	struct json *j = json_add(t->doc, l ? l->node : NULL, type, key, text, len);
	if (!j) {
		fault_at(t, e, "out of memory");
		return NULL;
	}
	const yaml_mark_t *mark = key && block ? &l->key.start_mark : &e->start_mark;
	j->line = (uint32_t)mark->line + 1;
	j->column = (uint32_t)mark->column + 1;
	if (key && l->key.start_mark.line == mark->line && l->key.start_mark.column < UINT16_MAX)
		j->key_column = (uint16_t)(l->key.start_mark.column + 1);
	if (l)
		drop_key(l);
	return j;
}

static struct anchor *
find_anchor(struct tree *t, const char *name)
{
	for (size_t i = t->anchor_count; i > 0; i--)
		if (strcmp(t->anchors[i - 1].name, name) == 0)
			return &t->anchors[i - 1];
	return NULL;
}

/* Takes the name of a new anchor, whose node comes next. Returns its index, -1 where there is none,
 * -2 on a fault. */
static int
add_anchor(struct tree *t, const yaml_event_t *e, const yaml_char_t *name)
{
	if (!name)
		return -1;
	if (t->anchor_count == YAML_MAX_ANCHORS) {
		fault_at(t, e, "too many anchors");
		return -2;
	}
	if (find_anchor(t, (const char *)name))
		warn(t, (uint32_t)e->start_mark.line + 1, (uint32_t)e->start_mark.column + 1,
		    "the anchor '%.60s' is here again: an alias means the last one before it",
		    (const char *)name);
	if (!t->anchors)
		t->anchors = calloc(YAML_MAX_ANCHORS, sizeof(*t->anchors));
	char *copy = t->anchors ? strdup((const char *)name) : NULL;
	if (!copy) {
		fault_at(t, e, "out of memory");
		return -2;
	}
	t->anchors[t->anchor_count] = (struct anchor){ .name = copy, .weight = 1 };
	return (int)t->anchor_count++;
}

/* A plain scalar with a core tag must be what the tag says. */
static int
apply_tag(struct tree *t, const yaml_event_t *e, const char *tag, struct yaml_scalar *s)
{
	static const struct {
		const char *tag;
		enum json_type type;
	} tags[] = {
		{ .tag = CORE_TAG "str", .type = JSON_STRING },
		{ .tag = CORE_TAG "int", .type = JSON_NUMBER },
		{ .tag = CORE_TAG "float", .type = JSON_NUMBER },
		{ .tag = CORE_TAG "bool", .type = JSON_BOOL },
		{ .tag = CORE_TAG "null", .type = JSON_NULL },
	};
	char message[128];

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strcmp(tag, tags[i].tag) != 0)
			continue;
		if (s->type == tags[i].type && !(s->is_float && strcmp(tag, CORE_TAG "int") == 0))
			return 0;
		return fault_at(t, e, "the value is not what its tag says");
	}
	snprintf(message, sizeof(message), "the tag '%.60s' is not supported", tag);
	return fault_at(t, e, message);
}

static int
resolve_scalar(struct tree *t, const yaml_event_t *e, struct yaml_scalar *s)
{
	const char *text = (const char *)e->data.scalar.value;
	const char *tag = (const char *)e->data.scalar.tag;
	size_t len = e->data.scalar.length;
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	/* As PyYAML has it, '!' alone makes a scalar of another style plain, and no scalar at all
	 * an empty text. */
	if (tag && strcmp(tag, "!") == 0) {
		tag = NULL;
		plain = len > 0 || !plain;
	}
	bool is_string = tag ? strcmp(tag, CORE_TAG "str") == 0 : !plain;

	*s = (struct yaml_scalar){ .type = JSON_STRING, .text = text, .len = len };
	if (is_string)
		return 0;
	*s = yaml_scalar_resolve(text, len, t->json, &t->scratch);
	if (s->error)
		return fault_at(t, e, s->error);
	if (buffer_failed(&t->scratch))
		return fault_at(t, e, "out of memory");
	if (s->warning)
		warn_at(t, e, s->warning);
	return tag ? apply_tag(t, e, tag, s) : 0;
}

static bool
is_merge_key(const yaml_event_t *key)
{
	return key->data.scalar.length == 2 && memcmp(key->data.scalar.value, "<<", 2) == 0 &&
	       key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !key->data.scalar.tag;
}

/* A key is text here; YAML may read something else. */
static int
judge_key(struct tree *t, const yaml_event_t *e)
{
	struct yaml_scalar s;

	if (is_merge_key(e))
		return 0;
	if (resolve_scalar(t, e, &s) < 0)
		return -1;
	if (s.type != JSON_STRING)
		warn_at(t, e,
		    "YAML reads no text in this key; it is taken as text: write it in quotes");
	return 0;
}

/* The event is a key; the level keeps it until its value is there. */
static int
take_key(struct tree *t, struct level *l, yaml_event_t *e)
{
	if (e->data.scalar.anchor)
		return fault_at(t, e, "an anchor on a key is not supported");
	if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
		return fault_at(t, e, "a NUL in a key");
	if (judge_key(t, e) < 0)
		return -1;
	l->key = *e;
	l->has_key = true;
	if (is_merge_key(e)) {
		memcpy(l->key.data.scalar.value, MERGE_KEY, 2);
		l->merges = true;
	}
	*e = (yaml_event_t){ .type = YAML_NO_EVENT };
	return 0;
}

static int
on_scalar(struct tree *t, yaml_event_t *e)
{
	struct level *l = top(t);
	struct yaml_scalar s;

	if (l && l->node->type == JSON_OBJECT && !l->has_key)
		return take_key(t, l, e);
	/* After a fault the value stays as it is written, as there may be more faults to find. */
	if (resolve_scalar(t, e, &s) < 0)
		s = (struct yaml_scalar){
			.type = s.error ? JSON_NUMBER : JSON_STRING,
			.text = (const char *)e->data.scalar.value,
			.len = e->data.scalar.length,
		};
	int index = add_anchor(t, e, e->data.scalar.anchor);
	if (index == -2)
		return -1;
	bool has_text = s.type == JSON_NUMBER || s.type == JSON_STRING;
	struct json *j =
	    add_node(t, e, s.type, has_text ? s.text : NULL, has_text ? s.len : 0, false);
	if (!j)
		return -1;
	j->boolean = s.boolean;
	if (index >= 0)
		t->anchors[index].node = j;
	return 0;
}

static int
on_open(struct tree *t, yaml_event_t *e, enum json_type type)
{
	bool is_object = type == JSON_OBJECT;
	const yaml_char_t *anchor =
	    is_object ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	const char *tag =
	    (const char *)(is_object ? e->data.mapping_start.tag : e->data.sequence_start.tag);
	bool block = is_object ? e->data.mapping_start.style != YAML_FLOW_MAPPING_STYLE
			       : e->data.sequence_start.style != YAML_FLOW_SEQUENCE_STYLE;
	struct level *l = top(t);

	if (l && l->node->type == JSON_OBJECT && !l->has_key)
		return fault_at(t, e, "expected a plain key, found an array or an object");
	if (t->depth == JSON_MAX_DEPTH)
		return fault_at(t, e, "nested too deep (32 levels at most)");
	if (tag && strcmp(tag, "!") != 0 &&
	    strcmp(tag, is_object ? CORE_TAG "map" : CORE_TAG "seq") != 0)
		return fault_at(t, e, "tags other than the core ones are not supported");
	int index = add_anchor(t, e, anchor);
	if (index == -2)
		return -1;
	size_t before = t->weight;
	struct json *j = add_node(t, e, type, NULL, 0, block);
	if (!j)
		return -1;
	if (t->depth == 0)
		t->json = !block;
	if (index >= 0) {
		t->anchors[index].node = j;
		t->anchors[index].open = true;
	}
	t->levels[t->depth++] =
	    (struct level){ .node = j, .weight_before = before, .height = 1, .anchor = index };
	return 0;
}

/* A node that shares all below it with another one. */
static struct json *
add_shared(struct tree *t, struct json *parent, const struct json *src, const char *key)
{
	struct json *j = json_add(t->doc, parent, src->type, key, NULL, 0);

	if (!j)
		return NULL;
	j->boolean = src->boolean;
	j->line = src->line;
	j->column = src->column;
	j->text = src->text;
	j->len = src->len;
	j->child = src->child;
	j->last = src->last;
	j->count = src->count;
	return j;
}

static int
on_alias(struct tree *t, yaml_event_t *e)
{
	const struct anchor *a = find_anchor(t, (const char *)e->data.alias.anchor);
	struct level *l = top(t);

	if (!a)
		return fault_at(t, e, "an alias of an anchor that was not given before it");
	if (a->open)
		return fault_at(t, e, "an alias within its own anchor");
	if (++t->alias_count > YAML_MAX_ALIASES)
		return fault_at(t, e, "too many aliases");
	if (l->node->type == JSON_OBJECT && !l->has_key)
		return fault_at(t, e, "expected a plain key, found an alias");
	if (t->depth + a->height > JSON_MAX_DEPTH)
		return fault_at(t, e, "nested too deep (32 levels at most)");
	if (count_weight(t, e, a->weight) < 0)
		return -1;
	const char *key = l->has_key ? (const char *)l->key.data.scalar.value : NULL;
	struct json *j = add_shared(t, l->node, a->node, key);
	if (!j)
		return fault_at(t, e, "out of memory");
	j->line = (uint32_t)e->start_mark.line + 1;
	j->column = (uint32_t)e->start_mark.column + 1;
	drop_key(l);
	if (l->height < a->height + 1)
		l->height = a->height + 1;
	return 0;
}

/* The member of that name; *own: it stands in the object itself, one of the first `count`. */
static const struct json *
find_member(const struct json *o, const char *key, size_t count, bool *own)
{
	size_t i = 0;

	json_foreach (m, o) {
		*own = i++ < count;
		if (strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

/* Shared, as by two aliases of one anchor. */
static bool
is_same(const struct json *a, const struct json *b)
{
	return a->type == b->type && a->text == b->text && a->child == b->child &&
	       a->boolean == b->boolean;
}

/* own: how many members stand in the object itself. Which of two merged ones counts differs among
 * the versions of PyYAML. */
static int
merge_object(struct tree *t, struct json *into, const struct json *from, size_t own)
{
	bool is_own;

	if (from->type != JSON_OBJECT)
		return fault(t, from->line, from->column,
		    "'<<' expects an object or an array of objects, found %s",
		    json_type_name(from->type));
	if (into->count + from->count > YAML_MAX_MERGED_KEYS)
		return fault(t, from->line, from->column, "too many keys to merge");
	json_foreach (m, from) {
		const struct json *there = find_member(into, m->key, own, &is_own);
		if (!there && !add_shared(t, into, m, m->key))
			return fault(t, m->line, m->column, "out of memory");
		if (there && !is_own && !is_same(there, m))
			warn(t, from->line, from->column,
			    "'%.100s' is merged twice: that in line %u counts, not that in line %u",
			    m->key, there->line, m->line);
	}
	return 0;
}

static void
append(struct json *o, struct json *member)
{
	if (o->last)
		o->last->next = member;
	else
		o->child = member;
	o->last = member;
	o->count++;
}

/* Puts the members of what '<<' names in its place. As in PyYAML keys that are there win, then the
 * later '<<', and in a list of one the earlier element. */
static int
merge(struct tree *t, struct json *o)
{
	struct json *all = o->child, *merges = NULL;
	int r = 0;

	o->child = o->last = NULL;
	o->count = 0;
	for (struct json *m = all, *next; m; m = next) {
		next = m->next;
		m->next = NULL;
		if (strcmp(m->key, MERGE_KEY) == 0) {
			m->next = merges;
			merges = m;
			continue;
		}
		append(o, m);
	}
	size_t own = o->count;
	for (const struct json *m = merges; m && r == 0; m = m->next) {
		if (m->type != JSON_ARRAY) {
			r = merge_object(t, o, m, own);
			continue;
		}
		for (const struct json *item = m->child; item && r == 0; item = item->next)
			r = merge_object(t, o, item, own);
	}
	return r;
}

/* As in hat-gateway, the last one counts. The other one loses its key, and is dropped later. */
static void
take_later(struct tree *t, struct json *earlier, const struct json *later)
{
	warn(t, later->line, later->column,
	    "duplicate key '%.100s': this one counts, not that in line %u", later->key,
	    earlier->line);
	earlier->key = NULL;
}

static void
drop_keyless(struct json *o)
{
	struct json *all = o->child;

	o->child = o->last = NULL;
	o->count = 0;
	for (struct json *m = all, *next; m; m = next) {
		next = m->next;
		m->next = NULL;
		if (m->key)
			append(o, m);
	}
}

/* By key, then by place. */
static int
compare_keys(const void *a, const void *b)
{
	const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
	int r = strcmp(x->key, y->key);

	if (r == 0)
		r = (x->line > y->line) - (x->line < y->line);
	return r ? r : (x->column > y->column) - (x->column < y->column);
}

static int
check_many_keys(struct tree *t, struct json *o, bool *found)
{
	struct json **sorted = malloc(o->count * sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return fault(t, o->line, o->column, "out of memory");
	for (struct json *m = o->child; m; m = m->next)
		sorted[n++] = m;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0) {
			take_later(t, sorted[i - 1], sorted[i]);
			*found = true;
		}
	free(sorted);
	return 0;
}

static void
check_few_keys(struct tree *t, struct json *o, bool *found)
{
	for (struct json *m = o->child; m; m = m->next) {
		const struct json *later = m->next;
		while (later && strcmp(later->key, m->key) != 0)
			later = later->next;
		if (later) {
			take_later(t, m, later);
			*found = true;
		}
	}
}

static int
check_duplicates(struct tree *t, struct json *o)
{
	bool found = false;
	int r = 0;

	if (o->count > FEW_KEYS)
		r = check_many_keys(t, o, &found);
	else
		check_few_keys(t, o, &found);
	if (found)
		drop_keyless(o);
	return r;
}

static int
on_close(struct tree *t)
{
	struct level l = *top(t);
	struct level *above;
	int r = 0;

	if (l.node->type == JSON_OBJECT) {
		if (l.merges)
			r = merge(t, l.node);
		if (r == 0)
			r = check_duplicates(t, l.node);
	}
	t->depth--;
	above = top(t);
	if (l.anchor >= 0) {
		struct anchor *a = &t->anchors[l.anchor];
		a->open = false;
		a->weight = t->weight - l.weight_before;
		a->height = l.height;
	}
	if (above && above->height < l.height + 1)
		above->height = l.height + 1;
	return r;
}

static int
on_event(struct tree *t, yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (t->started)
			return fault_at(t, e, "expected one document, found another");
		t->started = true;
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(t, e);
	case YAML_ALIAS_EVENT:
		return on_alias(t, e);
	case YAML_MAPPING_START_EVENT:
		return on_open(t, e, JSON_OBJECT);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(t, e, JSON_ARRAY);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_close(t);
	default:
		return 0;
	}
}

/* Reads events until the end or the first fault that nothing can follow. */
static int
read_events(struct tree *t, const char *text)
{
	for (;;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&t->parser, &e))
			return fault_syntax(t, text);
		bool end = e.type == YAML_STREAM_END_EVENT;
		int r = on_event(t, &e);
		yaml_event_delete(&e);
		if (r < 0 || end)
			return r;
	}
}

static void
tree_clear(struct tree *t)
{
	for (uint32_t i = 0; i < t->depth; i++)
		drop_key(&t->levels[i]);
	for (size_t i = 0; i < t->anchor_count; i++)
		free(t->anchors[i].name);
	free(t->anchors);
	buffer_clear(&t->scratch);
}

struct json_doc *
yaml_tree_parse(
    const char *text, size_t len, size_t max_nodes, yaml_report *report, void *arg, int *faults)
{
	struct tree t = { .max_weight = max_nodes, .report = report, .arg = arg };
	bool whole = false;

	buffer_init(&t.scratch, len + 64);
	t.doc = json_doc_new(max_nodes);
	if (!t.doc || !yaml_parser_initialize(&t.parser)) {
		*faults = fault(&t, 0, 0, "out of memory") ? 1 : 0;
		json_free(t.doc);
		return NULL;
	}
	/* Editors of other systems begin files with a byte order mark. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	yaml_parser_set_encoding(&t.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&t.parser, (const unsigned char *)text, len);
	if (check_utf8(&t, text, len) == 0 && read_events(&t, text) == 0) {
		whole = json_root(t.doc) != NULL;
		if (!whole)
			fault(&t, 1, 1, "the document is empty, expected an object");
	}
	tree_clear(&t);
	yaml_parser_delete(&t.parser);
	*faults = t.faults;
	if (whole)
		return t.doc;
	json_free(t.doc);
	return NULL;
}
