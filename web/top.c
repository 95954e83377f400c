#include "web/top.h"

#include <stdlib.h>
#include <string.h>

struct mark {
	char *name, *type; /* owned */
	int64_t pid, cpu_us, errors;
};

struct top {
	struct mark *marks; /* owned */
	size_t count, room;
	size_t at;		/* the one that is probably next: rows come in the same order */
	struct monotime looked; /* ns 0: the first look is not over */
};

struct top *
top_new(void)
{
	return calloc(1, sizeof(struct top));
}

void
top_free(struct top *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		free(t->marks[i].name);
		free(t->marks[i].type);
	}
	free(t->marks);
	free(t);
}

static const char *
text(const struct json *row, const char *key)
{
	const char *s = json_str(json_get(row, key));

	return s ? s : "";
}

/* -1: none. */
static int64_t
number(const struct json *row, const char *key)
{
	int64_t v = -1;

	json_int(json_get(row, key), 0, INT64_MAX, &v);
	return v;
}

bool
top_remember(struct top *t, const struct json *row)
{
	if (t->count == TOP_MAX_DEVICES)
		return true;
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct mark *all = realloc(t->marks, room * sizeof(*all));
		if (!all)
			return false;
		t->marks = all;
		t->room = room;
	}
	struct mark *m = &t->marks[t->count++];
	*m = (struct mark){ .name = strdup(text(row, "name")),
		.type = strdup(text(row, "type")),
		.pid = number(row, "pid"),
		.cpu_us = number(row, "cpu_us"),
		.errors = number(row, "errors") };
	return m->name && m->type;
}

void
top_look_again(struct top *t, struct monotime now)
{
	t->looked = now;
}

bool
top_is_due(const struct top *t, struct monotime now)
{
	return top_looks_again(t) && monotime_diff_ms(now, t->looked) >= TOP_PAUSE_MS;
}

bool
top_looks_again(const struct top *t)
{
	return t->looked.ns != 0;
}

/* What the device was at the first look, where it has the same process; else NULL. */
static const struct mark *
before(struct top *t, const struct json *row)
{
	for (size_t i = 0; i < t->count; i++) {
		size_t at = (t->at + i) % t->count;
		const struct mark *m = &t->marks[at];
		if (strcmp(m->name, text(row, "name")) || strcmp(m->type, text(row, "type")))
			continue;
		t->at = at + 1;
		return m->pid >= 0 && m->pid == number(row, "pid") ? m : NULL;
	}
	return NULL;
}

static void
put_text(struct json_writer *w, const char *key, const struct json *row)
{
	json_put_str(w, key, json_str(json_get(row, key)));
}

static void
put_number(struct json_writer *w, const char *key, const struct json *row)
{
	const struct json *v = json_get(row, key);

	if (v && v->type == JSON_NUMBER)
		json_put_raw(w, key, v->text, v->len);
	else
		json_put_null(w, key);
}

/* How fast it grew; null where that is not known. */
static void
put_rate(struct json_writer *w, const char *key, int64_t from, int64_t to, double per)
{
	if (from < 0 || to < from || per <= 0)
		json_put_null(w, key);
	else
		json_put_double(w, key, (double)(to - from) / per);
}

static void
put_remotes(struct json_writer *w, const struct json *remotes)
{
	if (!remotes || remotes->type != JSON_OBJECT) {
		json_put_null(w, "remotes");
		return;
	}
	json_begin_object(w, "remotes");
	put_number(w, "up", remotes);
	put_number(w, "all", remotes);
	json_end_object(w);
}

void
top_put(struct top *t, struct json_writer *w, const struct json *row, struct monotime now)
{
	static const struct mark none = { .cpu_us = -1, .errors = -1 };
	const struct mark *m = before(t, row);
	double seconds = (double)(now.ns - t->looked.ns) / 1e9;

	m = m ? m : &none;
	json_begin_object(w, NULL);
	put_text(w, "name", row);
	put_text(w, "type", row);
	put_text(w, "state", row);
	/* Per cent of a core, of microseconds. */
	put_rate(w, "cpu", m->cpu_us, number(row, "cpu_us"), seconds * 1e4);
	put_number(w, "events_per_s", row);
	put_number(w, "errors", row);
	put_rate(w, "errors_per_s", m->errors, number(row, "errors"), seconds);
	put_remotes(w, json_get(row, "remotes"));
	put_text(w, "link", row);
	put_number(w, "pid", row);
	json_end_object(w);
}
