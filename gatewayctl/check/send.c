#include "gatewayctl/check/send.h"

#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "gatewayctl/check/form.h"
#include "gatewayctl/verbs_private.h"

enum { SHOWN_TYPES = 5, WHOLE_SEGMENTS = DESCRIPTION_MAX_SEGMENTS + VERBS_MAX_PREFIX };

static const char whole_type[] = "gateway/";

/* --- the type that was typed --- */

/* An array of the segments of a text, after `first` where that is not NULL. */
static struct json_doc *
type_of(const char *first, const char *text)
{
	struct json_doc *doc = json_doc_new(WHOLE_SEGMENTS);
	struct json *list = doc ? json_add(doc, NULL, JSON_ARRAY, NULL, NULL, 0) : NULL;

	if (!list || (first && !json_add(doc, list, JSON_STRING, NULL, first, strlen(first))))
		return doc;
	for (;; text++) {
		size_t len = strcspn(text, "/");
		if (!json_add(doc, list, JSON_STRING, NULL, text, len))
			return doc;
		text += len;
		if (!*text)
			return doc;
	}
}

/* --- what takes it --- */

static bool
is_same(const struct json *pattern, const struct json *segment)
{
	return strcmp(pattern->text, "?") == 0 || strcmp(pattern->text, segment->text) == 0;
}

/* How much of a type is as in a pattern: two for each segment, one for a segment that is near. */
static int
likeness(const struct json *pattern, const struct json *type)
{
	const struct json *s = type->child;
	int score = -2 * abs((int)pattern->count - (int)type->count);

	json_foreach (p, pattern) {
		if (!s)
			break;
		struct nearest near = nearest_begin(s->text);
		nearest_offer(&near, p->text);
		score += is_same(p, s) ? 2 : near.best != NULL;
		s = s->next;
	}
	return score;
}

/* A pattern with the segments that were typed at its '?'. */
static void
join_like(const struct json *pattern, const struct json *type, char out[DESCRIPTION_TEXT])
{
	const struct json *s = type->child;
	size_t used = 0;

	json_foreach (p, pattern) {
		bool typed = s && strcmp(p->text, "?") == 0;
		if (p != pattern->child && used < DESCRIPTION_TEXT)
			used += (size_t)snprintf(out + used, DESCRIPTION_TEXT - used, "%s%s",
			    used ? "/" : "", typed ? s->text : p->text);
		s = s ? s->next : NULL;
	}
}

struct search {
	const struct json *type, *payload; /* payload: NULL where there is none */
	bool found;			   /* some verb takes events of that type */
	int likeness;
	const struct json *nearest; /* a pattern */
	char why[DESCRIPTION_WHY];
};

/* Whether this verb takes the event. */
static bool
takes(struct search *f, const struct json *row, const struct json *verb)
{
	static struct described wild;
	const struct json *pattern = json_get(verb, "takes");
	char why[DESCRIPTION_WHY], part[DESCRIPTION_WHY] = "";

	wild.wilds = 0;
	if (!pattern || pattern->type != JSON_ARRAY)
		return false;
	bool fits = description_type_fits(pattern, f->type->child, &wild);
	if (fits && !form_takes_parts(row, &wild, part))
		snprintf(
		    why, sizeof(why), "its type: %.200s (%.80s)", part, verbs_text(row, "about"));
	else if (fits && form_takes(row, verb, f->payload, why))
		return true;
	int like = likeness(pattern, f->type);
	if (!f->nearest || like > f->likeness) {
		f->likeness = like;
		f->nearest = pattern;
	}
	/* A row of its own says it better than one with '?'. */
	if (fits && (!f->found || !*part))
		memcpy(f->why, why, sizeof(f->why));
	f->found |= fits;
	return false;
}

static bool
find_taker(const struct description *d, struct search *f)
{
	for (size_t i = 0; i < d->count; i++)
		json_foreach (v, json_get(d->rows[i], "verbs"))
			if (takes(f, d->rows[i], v))
				return true;
	return false;
}

/* --- words --- */

static bool
refuse(const char *name, const char *why)
{
	fprintf(stderr, "gatewayctl: %s would ignore it: %s; --force sends it all the same\n", name,
	    why);
	return false;
}

static void
say_types(const struct description *d, const char *name, const struct search *f)
{
	char text[DESCRIPTION_TEXT] = "";
	int shown = 0;

	if (f->nearest)
		join_like(f->nearest, f->type, text);
	if (f->nearest && f->likeness > 0)
		fprintf(stderr, "did you mean '%s'?\n", text);
	fprintf(stderr, "it takes, among others ('gatewayctl describe %s'):\n", name);
	for (size_t i = 0; i < d->count && shown < SHOWN_TYPES; i++)
		json_foreach (v, json_get(d->rows[i], "verbs")) {
			description_join(json_get(v, "takes"), 1, NULL, text);
			if (shown++ < SHOWN_TYPES)
				fprintf(stderr, "  %s %s\n", text, verbs_text(v, "request"));
		}
}

/* --- an event of one device --- */

/* rest: behind "system". */
static bool
accepts(struct session *s, const char *name, const char *rest, const char *payload)
{
	struct description d = { 0 };
	char why[DESCRIPTION_WHY] = "", err[80];
	struct json_doc *type = type_of("system", rest);
	struct json_doc *doc =
	    payload ? json_parse(payload, strlen(payload), VERBS_MAX_NODES, err, 80) : NULL;
	bool good = true;

	if (strcmp(rest, "enable") == 0) {
		bool on;
		good = doc && json_bool(json_root(doc), &on);
		if (!good)
			refuse(name, "'enable' has the payload true or false");
	} else if (description_load(&d, s, name, why) == CONTROL_DONE && d.count && type &&
		   (!payload || doc)) {
		struct search f = { .type = json_root(type),
			.payload = doc ? json_root(doc) : NULL };
		good = find_taker(&d, &f);
		if (!good)
			refuse(name, f.found ? f.why : "it takes no event of that type");
		if (!good && !f.found)
			say_types(&d, name, &f);
	}
	json_free(type);
	json_free(doc);
	description_clear(&d);
	return good;
}

/* --- a whole type --- */

struct owner {
	const struct json *type;
	struct nearest near;
	char name[512], nearest[512];
};

static const struct json *
segment(const struct json *type, size_t i)
{
	const struct json *s = type->child;

	while (s && i--)
		s = s->next;
	return s;
}

/* A device's name is the third segment, or the fourth where the configuration has gateway_name. */
static void
look_for_owner(void *arg, const struct json *row)
{
	struct owner *o = arg;
	const char *name = verbs_text(row, "name");

	for (size_t i = 2; i <= 3; i++) {
		const struct json *s = segment(o->type, i);
		if (s && *name && strcmp(s->text, name) == 0)
			snprintf(o->name, sizeof(o->name), "%s", name);
	}
	nearest_offer(&o->near, name);
	if (o->near.best == name) {
		snprintf(o->nearest, sizeof(o->nearest), "%s", name);
		o->near.best = o->nearest;
	}
}

static int
find_owner(struct owner *o, struct session *s)
{
	const struct json *guess = segment(o->type, 2);
	struct buffer b;
	struct json_writer w;

	o->near = nearest_begin(guess ? guess->text : "");
	verbs_begin_request(&b, &w, CONTROL_STATUS);
	return verbs_ask(s, &b, &w, look_for_owner, o);
}

static bool
refuse_type(const char *why, const char *name)
{
	fprintf(stderr, "gatewayctl: nobody takes it: %s%s%s; --force sends it all the same\n", why,
	    name, *name ? "'?" : "");
	return false;
}

static bool
refuse_prefix(const char *name, const struct verbs_prefix *p)
{
	fprintf(stderr, "gatewayctl: nobody takes it: events for %s begin with ", name);
	for (size_t i = 0; i < p->count; i++)
		fprintf(stderr, "%s/", p->segments[i]);
	fprintf(stderr, "system/; --force sends it all the same\n");
	return false;
}

static bool
accepts_whole(struct session *s, const char *text, const char *payload)
{
	struct json_doc *doc = type_of(NULL, text);
	struct verbs_prefix prefix;
	struct owner o = { .type = doc ? json_root(doc) : NULL };
	bool good = !doc || find_owner(&o, s) != CONTROL_DONE;

	if (!good && !*o.name) {
		refuse_type(*o.nearest ? "no device has that name; did you mean '"
				       : "no device has that name",
		    o.nearest);
	} else if (!good && verbs_load_prefix(&prefix, s, o.name) == CONTROL_DONE) {
		const struct json *first = verbs_behind(&prefix, o.type);
		const char *rest = text;
		for (size_t i = 0; first && i < prefix.count + 1 && rest; i++)
			rest = strchr(rest + (i > 0), '/');
		if (!first || strcmp(first->text, "system") != 0 || !rest)
			refuse_prefix(o.name, &prefix);
		else
			good = accepts(s, o.name, rest + 1, payload);
	}
	json_free(doc);
	return good;
}

bool
send_accepts(struct session *s, const struct options *o, int argc, char **argv)
{
	bool whole = argc < 3 && strncmp(argv[0], whole_type, strlen(whole_type)) == 0;

	if (argc < 2 && !whole)
		return true;
	if (s->fd < 0 && session_open(s, o->socket) < 0)
		return true; /* the command itself will say so */
	return whole ? accepts_whole(s, argv[0], argc > 1 ? argv[1] : NULL)
		     : accepts(s, argv[0], argv[1], argc > 2 ? argv[2] : NULL);
}
