#include "gatewayctl/history/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gatewayctl/verbs_private.h"

enum {
	FOLLOW_MS = 500,  /* between two looks for new events */
	FOLLOW_LAST = 10, /* events that come first, where nothing says how many */
	MAX_ROW = 2 * CONTROL_MAX_REPLY,
	MAX_COLUMNS = 16,
};

/* --- times --- */

static bool
parse_span(const char *text, struct timestamp now, struct timestamp *t)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end;
	double n = strtod(text, &end);

	if (end == text || !*end || end[1] || !(n >= 0 && n < 1e9))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != *end)
			continue;
		int64_t us = (int64_t)(n * (double)units[i].seconds * 1e6);
		int64_t at = now.s * 1000000 + now.us - us;
		int64_t rest = (at % 1000000 + 1000000) % 1000000;
		*t = (struct timestamp){ (at - rest) / 1000000, (uint32_t)rest };
		return true;
	}
	return false;
}

/* ".5", of a second; what is behind it remains. */
static uint32_t
parse_fraction(const char **text)
{
	uint32_t us = 0, unit = 100000;

	if (**text != '.')
		return 0;
	for (++*text; **text >= '0' && **text <= '9'; ++*text, unit /= 10)
		us += (uint32_t)(**text - '0') * unit;
	return us;
}

static bool
parse_clock(const char *text, struct timestamp now, struct timestamp *t)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M" };
	time_t s = now.s;
	struct tm today;

	if (!localtime_r(&s, &today))
		return false;
	today.tm_hour = today.tm_min = today.tm_sec = 0;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = today;
		const char *end = strptime(text, formats[i], &tm);
		uint32_t us = end ? parse_fraction(&end) : 0;
		if (!end || (*end && strcmp(end, "Z") != 0))
			continue;
		tm.tm_isdst = -1;
		*t = (struct timestamp){ *end ? timegm(&tm) : mktime(&tm), us };
		return true;
	}
	return false;
}

bool
history_parse_time(const char *text, struct timestamp now, struct timestamp *t)
{
	return parse_span(text, now, t) || parse_clock(text, now, t);
}

/* --- what is shown --- */

enum style { STYLE_TABLE, STYLE_CSV, STYLE_LINES };

struct history {
	struct session *client;
	const struct options *options;
	char **types;
	int count;
	const volatile sig_atomic_t *stop;
	struct timestamp since, until;
	enum style style;
	struct view view;			   /* STYLE_TABLE */
	const struct column *columns[MAX_COLUMNS]; /* else; ends with NULL */
	int64_t id[3];				   /* of the event to go on from */
	bool has_id;
	int64_t page_rows; /* of the last page */
	/* Rows that come newest first, as JSON texts. */
	bool keeps;
	int64_t newest[3];
	char **kept; /* owned */
	size_t kept_count;
	bool no_memory;
};

static void
put_json(struct buffer *b, const struct column *columns, const struct json *row)
{
	struct json_writer w = { .b = b };

	output_row_json(&w, NULL, columns, row);
	buffer_u8(b, '\0');
}

static void
quote(const char *text)
{
	if (!text[strcspn(text, "\",\n\r")]) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

/* A time as in JSON, of any other cell the text; nothing where there is none. */
static void
print_csv_cell(const struct column *col, const struct json *row)
{
	const struct column one[] = { *col, { .key = NULL } };
	struct buffer b;

	buffer_init(&b, MAX_ROW);
	if (col->cell == CELL_TIME) {
		put_json(&b, one, row);
		struct json_doc *doc =
		    json_parse((const char *)buffer_data(&b), b.len ? b.len - 1 : 0, 8, NULL, 0);
		const char *text = doc ? json_str(json_get(json_root(doc), col->key)) : NULL;
		fputs(text ? text : "", stdout);
		json_free(doc);
	} else {
		output_cell_text(&b, col, row);
		buffer_u8(&b, '\0');
		const char *text = buffer_failed(&b) ? "" : (const char *)buffer_data(&b);
		quote(strcmp(text, "-") == 0 ? "" : text);
	}
	buffer_clear(&b);
}

static void
print_csv(const struct history *h, const struct json *row)
{
	for (int i = 0; h->columns[i]; i++) {
		if (i)
			putchar(',');
		if (row)
			print_csv_cell(h->columns[i], row);
		else
			quote(h->columns[i]->key);
	}
	putchar('\n');
}

static void
print_line(const struct history *h, const struct json *row)
{
	struct buffer b;

	buffer_init(&b, MAX_ROW);
	if (h->options->view.json) {
		put_json(&b, view_events.columns, row);
	} else {
		for (int i = 0; h->columns[i]; i++) {
			buffer_append_str(&b, i ? "  " : "");
			output_cell_text(&b, h->columns[i], row);
		}
		buffer_u8(&b, '\0');
	}
	if (!buffer_failed(&b) && h->options->view.json)
		output_json(stdout, (const char *)buffer_data(&b));
	else if (!buffer_failed(&b))
		fputs((const char *)buffer_data(&b), stdout);
	putchar('\n');
	buffer_clear(&b);
}

static void
show(struct history *h, const struct json *row)
{
	if (h->style == STYLE_TABLE)
		view_add(&h->view, row);
	else if (h->style == STYLE_CSV)
		print_csv(h, row);
	else
		print_line(h, row);
}

static void
keep(struct history *h, const struct json *row)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, MAX_ROW);
	json_put_tree(&w, NULL, row);
	buffer_u8(&b, '\0');
	char *text = buffer_failed(&b) ? NULL : strdup((const char *)buffer_data(&b));
	char **kept = realloc(h->kept, (h->kept_count + 1) * sizeof(*kept));
	buffer_clear(&b);
	if (kept)
		h->kept = kept;
	if (kept && text)
		h->kept[h->kept_count++] = text;
	else
		free(text);
	h->no_memory |= !kept || !text;
}

static void
show_kept(struct history *h)
{
	while (h->kept_count) {
		char *text = h->kept[--h->kept_count];
		char err[80];
		struct json_doc *doc =
		    json_parse(text, strlen(text), VERBS_MAX_NODES, err, sizeof(err));
		if (doc)
			show(h, json_root(doc));
		json_free(doc);
		free(text);
	}
	free(h->kept);
	h->kept = NULL;
}

/* --- pages --- */

static void
on_row(void *arg, const struct json *row)
{
	struct history *h = arg;
	const struct json *id = json_get(row, "id");
	size_t i = 0;

	if (!id || id->type != JSON_ARRAY || id->count != 3)
		return;
	json_foreach (part, id)
		json_int(part, INT64_MIN, INT64_MAX, &h->id[i++]);
	h->has_id = true;
	h->page_rows++;
	if (h->keeps && h->kept_count == 0)
		memcpy(h->newest, h->id, sizeof(h->newest));
	if (h->keeps)
		keep(h, row);
	else
		show(h, row);
}

static void
put_time(struct json_writer *w, const char *key, const struct timestamp *t)
{
	json_begin_array(w, key);
	json_put_int(w, NULL, t->s);
	json_put_int(w, NULL, t->us);
	json_end_array(w);
}

static int
ask_page(struct history *h, int64_t size, bool newest_first)
{
	struct buffer b;
	struct json_writer w;

	verbs_begin_request(&b, &w, CONTROL_EVENTS);
	json_begin_array(&w, "types");
	for (int i = 0; i < h->count; i++)
		json_put_str(&w, NULL, h->types[i]);
	for (size_t i = 0; i < h->options->history.types; i++)
		json_put_str(&w, NULL, h->options->history.type[i]);
	json_end_array(&w);
	json_put_int(&w, "page", size < CONTROL_MAX_PAGE ? size : CONTROL_MAX_PAGE);
	json_put_bool(&w, "newest_first", newest_first);
	if (h->options->history.since || (h->options->history.follow && !h->keeps && !h->has_id))
		put_time(&w, "since", &h->since);
	if (h->options->history.until)
		put_time(&w, "until", &h->until);
	if (h->has_id) {
		json_begin_array(&w, "after");
		for (int i = 0; i < 3; i++)
			json_put_int(&w, NULL, h->id[i]);
		json_end_array(&w);
	}
	h->page_rows = 0;
	return verbs_ask(h->client, &b, &w, on_row, h);
}

/* Whether the output has no reader any more. */
static bool
is_unheard(const struct history *h)
{
	return h->style != STYLE_TABLE && fflush(stdout) != 0;
}

/* All that there is behind the last event. */
static int
read_on(struct history *h)
{
	int code;

	do
		code = ask_page(h, CONTROL_MAX_PAGE, false);
	while (code == CONTROL_DONE && h->page_rows && !*h->stop && !is_unheard(h));
	return code;
}

/* The last so many, of which the newest is that to go on from. */
static int
read_last(struct history *h, int64_t count)
{
	int code;

	h->keeps = true;
	do
		code = ask_page(h, count - (int64_t)h->kept_count, true);
	while (code == CONTROL_DONE && h->page_rows && (int64_t)h->kept_count < count &&
	       !h->no_memory && !*h->stop);
	h->keeps = false;
	memcpy(h->id, h->newest, sizeof(h->id));
	show_kept(h);
	return h->no_memory ? verbs_refuse("events", "out of memory") : code;
}

static int
follow(struct history *h)
{
	int code = CONTROL_DONE;

	while (code == CONTROL_DONE && !*h->stop && !is_unheard(h)) {
		nanosleep(&(struct timespec){ .tv_nsec = FOLLOW_MS * 1000000L }, NULL);
		if (!*h->stop)
			code = read_on(h);
	}
	return *h->stop || is_unheard(h) ? CONTROL_DONE : code;
}

/* --- the command --- */

static int
refuse_usage(const char *what, const char *why)
{
	fprintf(stderr, "gatewayctl: %s: %s\n", what, why);
	return CONTROL_USAGE;
}

static int
take_time(const char *option, const char *text, struct timestamp now, struct timestamp *t)
{
	if (!text || history_parse_time(text, now, t))
		return CONTROL_DONE;
	fprintf(stderr,
	    "gatewayctl: %s: expected 1h, 2d, '2026-11-28 09:30' or 09:30, found '%s'\n", option,
	    text);
	return CONTROL_USAGE;
}

/* For what is printed row by row: all that have a header, or those that are named. */
static bool
choose_columns(struct history *h)
{
	const struct column *columns = view_events.columns;
	const char *names = h->options->view.columns;
	size_t n = 0;

	for (const struct column *c = columns; !names && c->key && n < MAX_COLUMNS - 1; c++)
		if (c->header || (h->style == STYLE_CSV && c->cell == CELL_TIME))
			h->columns[n++] = c;
	while (names && *names && n < MAX_COLUMNS - 1) {
		size_t len = strcspn(names, ",");
		const struct column *c = column_find(columns, names, len);
		if (!c)
			return false;
		h->columns[n++] = c;
		names += len + (names[len] == ',');
	}
	return n > 0;
}

static int
begin(struct history *h)
{
	const struct history_options *o = &h->options->history;
	const struct view_options *v = &h->options->view;
	struct timestamp now = timestamp_now();
	int code = CONTROL_DONE;

	h->since = now;
	h->style = o->csv ? STYLE_CSV : o->follow ? STYLE_LINES : STYLE_TABLE;
	if (o->follow && o->until)
		return refuse_usage("--until", "not with --follow");
	if (o->csv && v->json)
		return refuse_usage("--csv", "not with --json");
	if (h->style != STYLE_TABLE && (v->sort || v->filters))
		return refuse_usage("--sort and --filter", "not with --csv and --follow");
	code = take_time("--since", o->since, now, &h->since);
	if (code == CONTROL_DONE)
		code = take_time("--until", o->until, now, &h->until);
	if (code != CONTROL_DONE)
		return code;
	if (h->style == STYLE_TABLE)
		return view_begin(&h->view, &view_events, v) ? CONTROL_DONE : CONTROL_USAGE;
	if (!choose_columns(h))
		return refuse_usage(
		    v->columns, "the columns are time, type, source_time, payload, id");
	if (h->style == STYLE_CSV)
		print_csv(h, NULL);
	return CONTROL_DONE;
}

bool
history_is_wanted(const struct options *o)
{
	const struct history_options *h = &o->history;

	return h->since || h->until || h->limit || h->follow || h->csv;
}

int
history_run(struct session *client, const struct options *o, int count, char **types,
    const volatile sig_atomic_t *stop)
{
	struct history h = {
		.client = client, .options = o, .types = types, .count = count, .stop = stop
	};
	int64_t last = o->history.limit;
	int code = begin(&h);

	if (code != CONTROL_DONE)
		return code;
	if (client->fd < 0 && session_open(client, o->socket) < 0) {
		fprintf(stderr, "gatewayctl: %s\n", client->error);
		code = CONTROL_UNREACHABLE;
	}
	if (last == 0 && o->history.follow && !o->history.since)
		last = FOLLOW_LAST;
	if (code == CONTROL_DONE)
		code = last ? read_last(&h, last) : read_on(&h);
	if (code == CONTROL_DONE && o->history.follow)
		code = follow(&h);
	if (h.style == STYLE_TABLE)
		view_end(&h.view, code != CONTROL_DONE);
	return code;
}
