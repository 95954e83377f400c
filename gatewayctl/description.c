#include "gatewayctl/description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"

enum { MAX_VALUE_NODES = 10000 };

/* --- loading --- */

static void *
grown(void *list, size_t count, size_t size)
{
	void *more =
	    (count & (count - 1)) == 0 ? realloc(list, (count ? 2 * count : 1) * size) : list;

	if (!more) {
		fprintf(stderr, "gatewayctl: out of memory\n");
		exit(CONTROL_REFUSED);
	}
	return more;
}

/* Keeps the rows of a reply; returns where the next page begins, 0: nowhere. */
static int64_t
take_rows(struct description *d, const struct control_reply *reply)
{
	int64_t next = 0;

	json_foreach (row, reply->rows) {
		if (!json_get(row, "name")) {
			json_int(json_get(row, "next"), 0, UINT32_MAX, &next);
			continue;
		}
		d->rows = grown(d->rows, d->count, sizeof(*d->rows));
		d->rows[d->count++] = row;
	}
	d->docs = grown(d->docs, d->docs_count, sizeof(*d->docs));
	d->docs[d->docs_count++] = reply->doc;
	return next;
}

static int
send_describe(struct session *s, const char *name, int64_t from)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, CONTROL_MAX_REQUEST);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(CONTROL_DESCRIBE));
	json_put_str(&w, "name", name);
	json_put_int(&w, "from", from);
	json_end_object(&w);
	int result = session_send(s, buffer_data(&b), b.len);
	buffer_clear(&b);
	return result;
}

/* One page. *next: where the following one begins. */
static int
load_page(struct description *d, struct session *s, const char *name, int64_t *next,
    char why[DESCRIPTION_WHY])
{
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply = { 0 };

	if (send_describe(s, name, *next) < 0) {
		snprintf(why, DESCRIPTION_WHY, "%.290s", s->error);
		return CONTROL_UNREACHABLE;
	}
	*next = 0;
	do {
		enum session_event e = session_receive(s, deadline, &reply);
		if (e != SESSION_REPLY) {
			snprintf(why, DESCRIPTION_WHY, "%.290s",
			    e == SESSION_LOST ? s->error : "gatewayd does not answer in time");
			return CONTROL_UNREACHABLE;
		}
		snprintf(why, DESCRIPTION_WHY, "%.290s", reply.error ? reply.error : "");
		int64_t more = take_rows(d, &reply);
		*next = more ? more : *next;
	} while (!reply.end);
	return (int)reply.code;
}

int
description_load(
    struct description *d, struct session *s, const char *name, char why[DESCRIPTION_WHY])
{
	int64_t next = 0;
	int code;

	*d = (struct description){ 0 };
	do
		code = load_page(d, s, name, &next, why);
	while (code == CONTROL_DONE && next);
	return code;
}

void
description_clear(struct description *d)
{
	for (size_t i = 0; i < d->docs_count; i++)
		json_free(d->docs[i]);
	free(d->docs);
	free(d->rows);
	*d = (struct description){ 0 };
}

/* --- names and types --- */

static const char *
str_of(const struct json *o, const char *key)
{
	const char *text = json_str(json_get(o, key));

	return text ? text : "";
}

static void
add_wild(struct described *w, const char *text, size_t len)
{
	if (w && w->wilds < DESCRIPTION_MAX_SEGMENTS)
		snprintf(w->wild[w->wilds++], sizeof(w->wild[0]), "%.*s", (int)len, text);
}

/* Whether a pattern of segments with '/' between them stands for the name. */
static bool
name_fits(const char *pattern, const char *name, struct described *w)
{
	for (;;) {
		size_t p = strcspn(pattern, "/"), n = strcspn(name, "/");
		if (p == 1 && *pattern == '?')
			add_wild(w, name, n);
		else if (p != n || strncmp(pattern, name, n) != 0)
			return false;
		if (!pattern[p] || !name[n])
			return !pattern[p] && !name[n];
		pattern += p + 1;
		name += n + 1;
	}
}

/* The same, of a pattern without segments at its front that are no '?'. What is left must not be
 * all '?', but for a single one where that is allowed. */
static bool
name_fits_end(const char *pattern, const char *name, bool lone, struct described *w)
{
	for (;;) {
		size_t p = strcspn(pattern, "/");
		if (!pattern[p] || (p == 1 && *pattern == '?'))
			return false;
		pattern += p + 1;
		w->wilds = 0;
		if (*pattern == '?' ? lone && !pattern[1] && name_fits(pattern, name, w)
				    : name_fits(pattern, name, w))
			return true;
	}
}

const struct json *
description_verb(const struct json *row, const char *verb)
{
	json_foreach (v, json_get(row, "verbs"))
		if (strcmp(str_of(v, "verb"), verb) == 0)
			return v;
	return NULL;
}

static void
say_unknown(
    const struct description *d, const char *name, const char *verb, char why[DESCRIPTION_WHY])
{
	struct nearest near = nearest_begin(name);
	bool any = false;

	for (size_t i = 0; i < d->count; i++) {
		if (*verb && !description_verb(d->rows[i], verb))
			continue;
		const char *whole = str_of(d->rows[i], "name"), *last = strrchr(whole, '/');
		any = true;
		nearest_offer(&near, whole);
		if (last)
			nearest_offer(&near, last + 1);
	}
	if (!any)
		snprintf(why, DESCRIPTION_WHY, "it has no data to %s", *verb ? verb : "describe");
	else
		snprintf(why, DESCRIPTION_WHY, "it has no data '%.100s'%s%s%s%.100s%s", name,
		    *verb ? " to " : "", verb, near.best ? "; did you mean '" : "",
		    near.best ? near.best : "", near.best ? "'?" : "");
}

bool
description_find(const struct description *d, const char *name, const char *verb,
    struct described *found, char why[DESCRIPTION_WHY])
{
	size_t ends = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct json *row = d->rows[i], *v = description_verb(row, verb);
		struct described w = { .row = row, .verb = v };
		if (*verb && !v)
			continue;
		bool whole = name_fits(str_of(row, "name"), name, &w);
		if (!whole)
			w.wilds = 0;
		if (!whole && !name_fits_end(str_of(row, "name"), name, *verb, &w))
			continue;
		if (ends == 1 && !whole)
			snprintf(why, DESCRIPTION_WHY, "'%.60s' may be %.90s or %.90s", name,
			    str_of(found->row, "name"), str_of(row, "name"));
		ends++;
		if (whole || ends == 1)
			*found = w;
		if (whole)
			return true;
	}
	if (ends == 0)
		say_unknown(d, name, verb, why);
	return ends == 1;
}

bool
description_type_fits(const struct json *pattern, const struct json *first, struct described *wild)
{
	const struct json *s = first;

	if (!pattern || pattern->type != JSON_ARRAY)
		return false;
	json_foreach (p, pattern) {
		if (!s || !json_str(p) || !json_str(s))
			return false;
		if (strcmp(p->text, "?") == 0)
			add_wild(wild, s->text, s->len);
		else if (strcmp(p->text, s->text) != 0)
			return false;
		s = s->next;
	}
	return !s;
}

void
description_join(
    const struct json *type, size_t from, const struct described *wild, char out[DESCRIPTION_TEXT])
{
	size_t used = 0, i = 0, k = 0;

	out[0] = '\0';
	json_foreach (s, type) {
		bool is_wild = strcmp(s->text, "?") == 0 && wild && k < wild->wilds;
		const char *text = is_wild ? wild->wild[k++] : s->text;
		if (i++ < from || used >= DESCRIPTION_TEXT)
			continue;
		used += (size_t)snprintf(
		    out + used, DESCRIPTION_TEXT - used, "%s%s", i - 1 > from ? "/" : "", text);
	}
}

void
description_name(const struct described *found, char out[DESCRIPTION_TEXT])
{
	const char *name = str_of(found->row, "name");
	size_t used = 0, k = 0;

	for (;;) {
		size_t n = strcspn(name, "/");
		bool is_wild = n == 1 && *name == '?' && k < found->wilds;
		used += (size_t)snprintf(out + used, DESCRIPTION_TEXT - used, "%.*s%s",
		    is_wild ? (int)strlen(found->wild[k]) : (int)n, is_wild ? found->wild[k] : name,
		    name[n] ? "/" : "");
		k += is_wild;
		if (!name[n] || used >= DESCRIPTION_TEXT)
			return;
		name += n + 1;
	}
}

/* --- values --- */

static bool
is_kind(const char *kind, const char *word)
{
	size_t len = strlen(word);

	return strncmp(kind, word, len) == 0 && (kind[len] == '\0' || kind[len] == ' ');
}

static void
put_quoted(const char *text, char out[DESCRIPTION_TEXT])
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, DESCRIPTION_TEXT - 1);
	json_put_str(&w, NULL, text);
	buffer_u8(&b, '\0');
	snprintf(out, DESCRIPTION_TEXT, "%s",
	    buffer_failed(&b) ? "null" : (const char *)buffer_data(&b));
	buffer_clear(&b);
}

static int
truth_of(const char *typed)
{
	static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (strcasecmp(words[i], typed) == 0)
			return i % 2;
	return -1;
}

/* One of the words of kind as it is written there, or what was typed. */
static void
put_word(const char *kind, const char *typed, char out[DESCRIPTION_TEXT])
{
	size_t len = strlen(typed);

	for (const char *word = kind; *word; word += strcspn(word, "|"), word += *word == '|')
		if (strcspn(word, "|") == len && strncasecmp(word, typed, len) == 0) {
			snprintf(out, DESCRIPTION_TEXT, "\"%.*s\"", (int)len, word);
			return;
		}
	put_quoted(typed, out);
}

void
description_value(const char *kind, const char *typed, char out[DESCRIPTION_TEXT])
{
	char *end;
	int truth = truth_of(typed);

	if (strchr(kind, '|')) {
		put_word(kind, typed, out);
	} else if (is_kind(kind, "boolean") && truth >= 0) {
		snprintf(out, DESCRIPTION_TEXT, truth ? "true" : "false");
	} else if (is_kind(kind, "integer") && strncasecmp(typed, "0x", 2) == 0) {
		unsigned long long v = strtoull(typed, &end, 16);
		snprintf(out, DESCRIPTION_TEXT, *end ? "null" : "%llu", v);
	} else if (is_kind(kind, "integer") && truth >= 0) {
		snprintf(out, DESCRIPTION_TEXT, "%d", truth);
	} else if (is_kind(kind, "text") && *typed != '"') {
		put_quoted(typed, out);
	} else if (json_valid(typed, strlen(typed))) {
		snprintf(out, DESCRIPTION_TEXT, "%s", typed);
	} else {
		put_quoted(typed, out);
	}
}

static bool
is_integer(const struct json *v)
{
	return v->type == JSON_NUMBER && v->text[strspn(v->text, "-0123456789")] == '\0';
}

static bool
number_fits(const char *kind, const struct json *v)
{
	const char *range = strchr(kind, ' ');
	double least, most, have;
	bool whole = is_kind(kind, "integer");

	if (v->type == JSON_BOOL && whole)
		have = v->boolean;
	else if (!json_double(v, &have) || (whole && !is_integer(v)))
		return false;
	const char *dots = range ? strstr(range, "..") : NULL;
	if (!dots)
		return true;
	least = strtod(range, NULL);
	most = strtod(dots + 2, NULL);
	return have >= least && have <= most;
}

static bool
word_fits(const char *kind, const struct json *v)
{
	const char *text = json_str(v);

	for (const char *word = kind; text && *word;
	     word += strcspn(word, "|"), word += *word == '|')
		if (strcspn(word, "|") == v->len && strncmp(word, text, v->len) == 0)
			return true;
	return false;
}

static bool
is_of_kind(const char *kind, const struct json *v)
{
	if (strchr(kind, '|'))
		return word_fits(kind, v);
	if (is_kind(kind, "integer"))
		return number_fits(kind, v);
	if (is_kind(kind, "number"))
		return number_fits(kind, v) || (!strchr(kind, ' ') && json_str(v));
	if (is_kind(kind, "boolean"))
		return v->type == JSON_BOOL;
	return !is_kind(kind, "text") || v->type == JSON_STRING;
}

/* For people. */
static void
say_expected(const char *kind, const struct json *v, char why[DESCRIPTION_WHY])
{
	const char *range = strchr(kind, ' ');
	const char *article = is_kind(kind, "integer")	 ? "an integer"
			      : is_kind(kind, "number")	 ? "a number"
			      : is_kind(kind, "boolean") ? "true or false"
			      : is_kind(kind, "text")	 ? "a text"
							 : "one of ";
	bool scalar = v->type == JSON_NUMBER || v->type == JSON_STRING;

	snprintf(why, DESCRIPTION_WHY, "expected %s%s%.120s, found %.60s", article,
	    range ? " of" : "",
	    range		? range
	    : strchr(kind, '|') ? kind
				: "",
	    scalar ? v->text : json_type_name(v->type));
}

bool
description_value_fits(const char *kind, const struct json *v, char why[DESCRIPTION_WHY])
{
	if (is_of_kind(kind, v))
		return true;
	say_expected(kind, v, why);
	return false;
}

/* --- payloads --- */

void
description_fill(const char *text, const char *id, const char *value, char out[DESCRIPTION_TEXT])
{
	size_t used = 0;

	while (*text && used < DESCRIPTION_TEXT - 1) {
		bool is_id = strncmp(text, "$id", 3) == 0,
		     is_value = strncmp(text, "$value", 6) == 0;
		if (is_id || is_value) {
			used += (size_t)snprintf(
			    out + used, DESCRIPTION_TEXT - used, "%s", is_id ? id : value);
			text += is_id ? 3 : 6;
		} else {
			out[used++] = *text++;
		}
	}
	out[used < DESCRIPTION_TEXT ? used : DESCRIPTION_TEXT - 1] = '\0';
}

bool
description_holds(const struct json *want, const struct json *have)
{
	if (!have || want->type != have->type)
		return false;
	if (want->type == JSON_BOOL)
		return want->boolean == have->boolean;
	if (want->type == JSON_NULL)
		return true;
	if (want->type == JSON_OBJECT) {
		json_foreach (m, want)
			if (!description_holds(m, json_get(have, m->key)))
				return false;
		return true;
	}
	if (want->type == JSON_ARRAY)
		return want->count == have->count;
	return want->len == have->len && memcmp(want->text, have->text, want->len) == 0;
}
