/* gatewayctl read: the latest values of a device's data. */
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/verbs_private.h"

struct reading {
	const struct description *description;
	struct verbs_prefix prefix;
	struct view view;
	const struct json **exact; /* rows whose values have one type, by it; owned */
	size_t exact_count;
	struct described *wanted; /* owned; NULL: all */
	size_t wanted_count;
	bool *seen; /* by wanted; owned */
};

/* The value in a payload: of an object its "data", its "value". */
static const struct json *
value_in(const struct json *payload)
{
	const struct json *j = payload;

	if (json_get(j, "data"))
		j = json_get(j, "data");
	return j->type == JSON_OBJECT ? json_get(j, "value") : j;
}

/* Words of the payload beside the value. */
static void
put_detail(struct json_writer *w, const struct json *payload)
{
	char text[DESCRIPTION_TEXT] = "";
	size_t used = 0;

	json_foreach (m, payload)
		if (payload->type == JSON_OBJECT && json_str(m) && strcmp(m->key, "value") != 0 &&
		    used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
			    used ? ", " : "", m->key, m->text);
	json_put_str(w, "detail", *text ? text : NULL);
}

static void
add_value(struct reading *r, const char *name, const struct json *event)
{
	const char *text = verbs_text(event, "payload_json");
	struct json_doc *payload =
	    json_parse(text, strlen(text), VERBS_MAX_NODES, (char[80]){ 0 }, 80);
	const struct json *value = payload ? value_in(json_root(payload)) : NULL;
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, CONTROL_MAX_REPLY);
	json_begin_object(&w, NULL);
	json_put_str(&w, "name", name);
	if (value)
		json_put_tree(&w, "value", value);
	else
		json_put_null(&w, "value");
	if (json_get(event, "time"))
		json_put_tree(&w, "time", json_get(event, "time"));
	if (payload) {
		put_detail(&w, json_root(payload));
		json_put_tree(&w, "payload", json_root(payload));
	}
	json_end_object(&w);
	struct json_doc *row =
	    json_parse((const char *)buffer_data(&b), b.len, VERBS_MAX_NODES, (char[80]){ 0 }, 80);
	if (row)
		view_add(&r->view, json_root(row));
	json_free(row);
	json_free(payload);
	buffer_clear(&b);
}

static bool
is_exact(const struct json *type)
{
	json_foreach (s, type)
		if (strcmp(s->text, "?") == 0)
			return false;
	return type->type == JSON_ARRAY;
}

static int
compare_types(const struct json *a, const struct json *b)
{
	for (; a && b; a = a->next, b = b->next) {
		int order = strcmp(a->text, b->text);
		if (order)
			return order;
	}
	return (a != NULL) - (b != NULL);
}

static int
compare_rows(const void *pa, const void *pb)
{
	const struct json *const *a = pa, *const *b = pb;

	return compare_types(json_get(*a, "gives")->child, json_get(*b, "gives")->child);
}

static void
sort_rows(struct reading *r)
{
	const struct description *d = r->description;

	r->exact = calloc(d->count + 1, sizeof(*r->exact));
	for (size_t i = 0; r->exact && i < d->count; i++) {
		const struct json *gives = json_get(d->rows[i], "gives");
		if (gives && is_exact(gives))
			r->exact[r->exact_count++] = d->rows[i];
	}
	if (r->exact)
		qsort(r->exact, r->exact_count, sizeof(*r->exact), compare_rows);
}

/* The row that an event is of. */
static bool
find_row(const struct reading *r, const struct json *first, struct described *w)
{
	size_t low = 0, high = r->exact_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare_types(json_get(r->exact[middle], "gives")->child, first);
		if (order == 0) {
			*w = (struct described){ .row = r->exact[middle] };
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < r->description->count; i++) {
		*w = (struct described){ .row = r->description->rows[i] };
		const struct json *gives = json_get(w->row, "gives");
		if (gives && gives->type == JSON_ARRAY && !is_exact(gives) &&
		    description_type_fits(gives, first, w))
			return true;
	}
	return false;
}

/* Whether the event's row is one that is wanted, with the same at its '?'. */
static bool
is_wanted(struct reading *r, const struct described *w)
{
	for (size_t i = 0; i < r->wanted_count; i++) {
		const struct described *want = &r->wanted[i];
		bool same = want->row == w->row;
		for (size_t k = 0; same && k < w->wilds && k < want->wilds; k++)
			same = strcmp(w->wild[k], want->wild[k]) == 0;
		if (same)
			return r->seen[i] = true;
	}
	return r->wanted_count == 0;
}

static void
on_event(void *arg, const struct json *row)
{
	static struct described w;
	struct reading *r = arg;
	const struct json *first = verbs_behind(&r->prefix, json_get(row, "type"));
	char name[DESCRIPTION_TEXT];

	if (!first || !find_row(r, first, &w) || !is_wanted(r, &w))
		return;
	description_name(&w, name);
	add_value(r, name, row);
}

/* A type as `events` takes it: the prefix, then that or all that the gateway registers. */
static void
put_pattern(struct json_writer *w, const struct verbs_prefix *p, const char *rest)
{
	char text[CONTROL_MAX_TEXT] = "";
	size_t used = 0;

	for (size_t i = 0; i < p->count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s/", p->segments[i]);
	if (used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, "%s", rest);
	json_put_str(w, NULL, text);
}

static int
query(struct reading *r, struct session *s)
{
	struct buffer b;
	struct json_writer w;
	char rest[DESCRIPTION_TEXT];

	verbs_begin_request(&b, &w, CONTROL_EVENTS);
	json_begin_array(&w, "types");
	for (size_t i = 0; i < r->wanted_count; i++) {
		const struct json *gives = json_get(r->wanted[i].row, "gives");
		description_join(gives, 0, &r->wanted[i], rest);
		put_pattern(&w, &r->prefix, rest);
	}
	if (r->wanted_count == 0)
		put_pattern(&w, &r->prefix, "*");
	json_end_array(&w);
	return verbs_ask(s, &b, &w, on_event, r);
}

/* Which data are asked for by name. */
static int
want(struct reading *r, int argc, char **argv)
{
	char why[DESCRIPTION_WHY];

	r->wanted = calloc((size_t)argc + 1, sizeof(*r->wanted));
	r->seen = calloc((size_t)argc + 1, sizeof(*r->seen));
	if (!r->wanted || !r->seen)
		return verbs_refuse(argv[0], "out of memory");
	for (int i = 1; i < argc; i++) {
		struct described *w = &r->wanted[r->wanted_count++];
		if (!description_find(r->description, argv[i], "", w, why))
			return verbs_refuse(argv[0], why);
		if (json_get(w->row, "gives")->type != JSON_ARRAY)
			return verbs_refuse(argv[i], "it has no value to read");
	}
	return CONTROL_DONE;
}

/* Adds the data that was asked for and has no value yet. */
static void
add_missing(struct reading *r)
{
	char name[DESCRIPTION_TEXT];

	for (size_t i = 0; i < r->wanted_count; i++) {
		if (r->seen[i])
			continue;
		description_name(&r->wanted[i], name);
		add_value(r, name, NULL);
	}
}

int
verbs_read(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv)
{
	struct description d;
	struct reading r = { .description = &d };

	if (!view_begin(&r.view, c->view, &o->view))
		return CONTROL_USAGE;
	int code = verbs_load(&d, s, o, argv[0]);
	if (code == CONTROL_DONE)
		code = want(&r, argc, argv);
	if (code == CONTROL_DONE)
		code = verbs_load_prefix(&r.prefix, s, argv[0]);
	if (code == CONTROL_DONE) {
		sort_rows(&r);
		code = query(&r, s);
		add_missing(&r);
	}
	view_end(&r.view, code != CONTROL_DONE);
	free(r.exact);
	free(r.wanted);
	free(r.seen);
	description_clear(&d);
	return code;
}
