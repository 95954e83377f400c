#include "gatewayctl/view.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "gatewayctl/pcapng.h"
#include "gatewayctl/stream/stream.h"

enum { MAX_LINE = 1024 * 1024 };

/* --- columns --- */

static const struct column status_columns[] = {
	{ .key = "name", .header = "NAME", .cell = CELL_TEXT, .least = 12 },
	{ .key = "type", .header = "TYPE", .cell = CELL_TEXT, .drop = 5 },
	{ .key = "state", .header = "STATE", .cell = CELL_TEXT, .coloured = true },
	{ .key = "pid", .header = "PID", .cell = CELL_INT, .drop = 6 },
	{ .key = "since", .header = "SINCE", .cell = CELL_DURATION, .drop = 1 },
	{ .key = "restarts", .header = "RESTARTS", .cell = CELL_INT, .right = true, .drop = 4 },
	{ .key = "last_exit", .header = "LAST EXIT", .cell = CELL_TEXT, .least = 10, .drop = 2 },
	{ .key = "link", .header = "LINK", .cell = CELL_TEXT, .least = 12, .coloured = true },
	{ .key = "remotes", .header = "REMOTES", .cell = CELL_SHARE, .right = true },
	{ .key = "events_per_s",
	    .header = "EVENTS/S",
	    .cell = CELL_RATE,
	    .right = true,
	    .drop = 3 },
	{ .key = "why",
	    .header = "WHY",
	    .cell = CELL_TEXT,
	    .least = 20,
	    .quiet = true,
	    .folds = true },
	{ .key = NULL },
};

static const struct column top_columns[] = {
	{ .key = "name", .header = "NAME", .cell = CELL_TEXT, .least = 12 },
	{ .key = "type", .header = "TYPE", .cell = CELL_TEXT, .drop = 5 },
	{ .key = "state", .header = "STATE", .cell = CELL_TEXT, .coloured = true },
	{ .key = "cpu", .header = "CPU %", .cell = CELL_RATE, .right = true },
	{ .key = "events_per_s", .header = "EVENTS/S", .cell = CELL_RATE, .right = true },
	{ .key = "errors", .header = "ERRORS", .cell = CELL_INT, .right = true },
	{ .key = "errors_per_s",
	    .header = "ERRORS/S",
	    .cell = CELL_RATE,
	    .right = true,
	    .drop = 4 },
	{ .key = "remotes", .header = "REMOTES", .cell = CELL_SHARE, .right = true, .drop = 2 },
	{ .key = "link", .header = "LINK", .cell = CELL_TEXT, .least = 10, .drop = 1 },
	{ .key = "pid", .header = "PID", .cell = CELL_INT, .right = true, .drop = 6 },
	{ .key = NULL },
};

static const struct column device_columns[] = {
	{ .key = "name", .header = "name", .cell = CELL_TEXT },
	{ .key = "type", .header = "type", .cell = CELL_TEXT },
	{ .key = "state", .header = "state", .cell = CELL_TEXT },
	{ .key = "since", .header = "since", .cell = CELL_DURATION },
	{ .key = "enabled", .header = "enabled", .cell = CELL_FLAG },
	{ .key = "pid", .header = "pid", .cell = CELL_INT },
	{ .key = "why", .header = "why", .cell = CELL_TEXT },
	{ .key = "link", .header = "link", .cell = CELL_TEXT },
	{ .key = "remotes", .header = "remotes up", .cell = CELL_SHARE },
	{ .key = "events_per_s", .header = "events/s", .cell = CELL_RATE },
	{ .key = "restarts", .header = "restarts", .cell = CELL_INT },
	{ .key = "deaths", .header = "deaths", .cell = CELL_INT },
	{ .key = "last_exit", .header = "last exit", .cell = CELL_TEXT },
	{ .key = "last_line", .header = "last log line", .cell = CELL_TEXT },
	{ .key = "log_level", .header = "log level", .cell = CELL_TEXT },
	{ .key = "traced", .header = "traced", .cell = CELL_FLAG },
	{ .key = "module", .header = "module", .cell = CELL_TEXT },
	{ .key = "runner", .header = "runner", .cell = CELL_TEXT },
	{ .key = "event_prefix", .header = "events below", .cell = CELL_TYPE },
	{ .key = NULL },
};

static const struct column process_columns[] = {
	{ .key = "pid", .header = "pid", .cell = CELL_INT },
	{ .key = "uptime", .header = "uptime", .cell = CELL_DURATION },
	{ .key = "exec_us", .header = "spawned in us", .cell = CELL_INT },
	{ .key = "rss_kib", .header = "memory, resident", .cell = CELL_MEMORY },
	{ .key = "anonymous_kib", .header = "memory, anonymous", .cell = CELL_MEMORY },
	{ .key = "pss_kib", .header = "memory, own share", .cell = CELL_MEMORY },
	{ .key = "threads", .header = "threads", .cell = CELL_INT },
	{ .key = NULL },
};

static const struct column sandbox_columns[] = {
	{ .key = "configured", .header = "configured", .cell = CELL_TEXT },
	{ .key = "missing", .header = "missing", .cell = CELL_TEXT },
	{ .key = "seccomp", .header = "seccomp", .cell = CELL_TEXT },
	{ .key = "seccomp_filters", .header = "seccomp filters", .cell = CELL_INT },
	{ .key = "no_new_privs", .header = "no new privileges", .cell = CELL_FLAG },
	{ .key = "capabilities", .header = "capabilities", .cell = CELL_TEXT },
	{ .key = "uid", .header = "user", .cell = CELL_INT },
	{ .key = "gid", .header = "group", .cell = CELL_INT },
	{ .key = "groups", .header = "other groups", .cell = CELL_TEXT },
	{ .key = "namespaces", .header = "own namespaces", .cell = CELL_LIST },
	{ .key = "address_space", .header = "limit, address space", .cell = CELL_BYTES },
	{ .key = "open_files", .header = "limit, open files", .cell = CELL_TEXT },
	{ .key = "processes", .header = "limit, processes", .cell = CELL_TEXT },
	{ .key = "core", .header = "limit, core file", .cell = CELL_BYTES },
	{ .key = NULL },
};

static const struct column queue_columns[] = {
	{ .key = "to_event_server_bytes", .header = "to the Event Server", .cell = CELL_BYTES },
	{ .key = "to_runner_bytes", .header = "to the runner", .cell = CELL_BYTES },
	{ .key = "credit", .header = "credit left", .cell = CELL_BYTES },
	{ .key = "credit_window", .header = "credit window", .cell = CELL_BYTES },
	{ .key = "credit_outstanding", .header = "credit under way", .cell = CELL_BYTES },
	{ .key = NULL },
};

static const struct column counter_columns[] = {
	{ .key = "registered", .header = "events registered", .cell = CELL_INT },
	{ .key = "delivered", .header = "events delivered", .cell = CELL_INT },
	{ .key = "dropped", .header = "events dropped", .cell = CELL_INT },
	{ .key = "types", .header = "event types", .cell = CELL_INT },
	{ .key = "dropped_types", .header = "dropped for types", .cell = CELL_INT },
	{ .key = "violations", .header = "violations", .cell = CELL_INT },
	{ .key = NULL },
};

static const struct column limit_columns[] = {
	{ .key = "memory", .header = "memory", .cell = CELL_BYTES },
	{ .key = "files", .header = "open files", .cell = CELL_INT },
	{ .key = "start_ms", .header = "start, ms", .cell = CELL_INT },
	{ .key = "ping_ms", .header = "ping, ms", .cell = CELL_INT },
	{ .key = "stop_ms", .header = "stop, ms", .cell = CELL_INT },
	{ .key = "types", .header = "event types", .cell = CELL_INT },
	{ .key = NULL },
};

static const struct column plan_columns[] = {
	{ .key = "kind", .header = "KIND", .cell = CELL_TEXT },
	{ .key = "target", .header = "TARGET", .cell = CELL_TEXT, .least = 16 },
	{ .key = "port", .header = "PORT", .cell = CELL_INT, .right = true },
	{ .key = "opened", .header = "OPENED", .cell = CELL_FLAG },
	{ .key = "any_address", .header = "ANY ADDRESS", .cell = CELL_FLAG, .drop = 1 },
	{ .key = NULL },
};

#define REMOTE_COUNTER(HEADER, KEY, TITLE, CELL, DROP)                                             \
	{                                                                                          \
		.key = KEY, .header = HEADER(TITLE), .cell = CELL, .right = true, .drop = DROP     \
	}
#define REMOTE_COUNTERS(HEADER)                                                                    \
	REMOTE_COUNTER(HEADER, "requests", "REQUESTS", CELL_INT, 5),                               \
	    REMOTE_COUNTER(HEADER, "errors", "ERRORS", CELL_INT, 2),                               \
	    REMOTE_COUNTER(HEADER, "timeouts", "TIMEOUTS", CELL_INT, 3),                           \
	    REMOTE_COUNTER(HEADER, "loss_percent", "LOSS %", CELL_RATE, 7),                        \
	    REMOTE_COUNTER(HEADER, "retries", "RETRIES", CELL_INT, 8),                             \
	    REMOTE_COUNTER(HEADER, "bytes_in", "IN", CELL_BYTES, 10),                              \
	    REMOTE_COUNTER(HEADER, "bytes_out", "OUT", CELL_BYTES, 9),                             \
	    REMOTE_COUNTER(HEADER, "rtt_min_us", "MIN", CELL_MICROS, 12),                          \
	    REMOTE_COUNTER(HEADER, "rtt_avg_us", "AVERAGE", CELL_MICROS, 4),                       \
	    REMOTE_COUNTER(HEADER, "rtt_max_us", "MAX", CELL_MICROS, 11)
#define SHOWN(header) header
#define JSON_ONLY(header) NULL

static const struct column remote_columns[] = {
	{ .key = "remote", .header = "NAME", .cell = CELL_TEXT, .least = 12 },
	{ .key = "state", .header = "STATE", .cell = CELL_TEXT, .coloured = true },
	{ .key = "since", .header = "SINCE", .cell = CELL_DURATION, .drop = 1 },
	REMOTE_COUNTERS(SHOWN),
	{ .key = "what", .header = "WHAT", .cell = CELL_TEXT, .least = 30, .folds = true },
	{ .key = "last_error",
	    .header = "LAST ERROR",
	    .cell = CELL_TEXT,
	    .least = 12,
	    .folds = true,
	    .drop = 6 },
	{ .key = NULL },
};

static const struct column health_columns[] = {
	{ .key = "device", .header = "DEVICE", .cell = CELL_TEXT, .least = 12 },
	{ .key = "type", .cell = CELL_TEXT },
	{ .key = "remote", .header = "REMOTE", .cell = CELL_TEXT, .least = 12 },
	{ .key = "severity", .cell = CELL_TEXT },
	{ .key = "state", .header = "STATE", .cell = CELL_TEXT, .coloured = true },
	{ .key = "since", .header = "SINCE", .cell = CELL_DURATION, .drop = 1 },
	{ .key = "what", .header = "WHAT", .cell = CELL_TEXT, .least = 20, .folds = true },
	{ .key = "last_error", .cell = CELL_TEXT },
	REMOTE_COUNTERS(JSON_ONLY),
	{ .key = NULL },
};

static const struct column description_columns[] = {
	{ .key = "name", .header = "DATA", .cell = CELL_TEXT, .least = 20 },
	{ .key = "value", .header = "VALUE", .cell = CELL_TEXT, .least = 12 },
	{ .key = "verbs", .header = "VERBS", .cell = CELL_VERBS },
	{ .key = "about", .header = "ABOUT", .cell = CELL_TEXT, .least = 12, .drop = 1 },
	{ .key = "gives", .cell = CELL_LIST },
	{ .key = "parts", .cell = CELL_LIST },
	{ .key = NULL },
};

static const struct column read_columns[] = {
	{ .key = "name", .header = "DATA", .cell = CELL_TEXT, .least = 20 },
	{ .key = "value", .header = "VALUE", .cell = CELL_JSON, .least = 12 },
	{ .key = "time", .header = "TIME", .cell = CELL_TIME, .drop = 2 },
	{ .key = "detail", .header = "DETAIL", .cell = CELL_TEXT, .least = 12, .drop = 1 },
	{ .key = "payload", .cell = CELL_JSON },
	{ .key = NULL },
};

static const struct column obituary_columns[] = {
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "pid", .header = "PID", .cell = CELL_INT, .drop = 4 },
	{ .key = "uptime", .header = "UPTIME", .cell = CELL_DURATION, .drop = 2 },
	{ .key = "events", .header = "EVENTS", .cell = CELL_INT, .right = true, .drop = 3 },
	{ .key = "cause", .header = "CAUSE", .cell = CELL_TEXT, .least = 20, .folds = true },
	{ .key = "last_line",
	    .header = "LAST LINE",
	    .cell = CELL_TEXT,
	    .least = 12,
	    .folds = true,
	    .drop = 1 },
	{ .key = NULL },
};

static const struct section show_sections[] = {
	{ .key = "device", .title = "device", .kind = SECTION_PAIRS, .columns = device_columns },
	{ .key = "process", .title = "process", .kind = SECTION_PAIRS, .columns = process_columns },
	{ .key = "sandbox",
	    .title = "sandbox in force",
	    .kind = SECTION_PAIRS,
	    .columns = sandbox_columns },
	{ .key = "remote_ends",
	    .title = "remote ends, the worst first",
	    .kind = SECTION_TABLE,
	    .columns = remote_columns,
	    .may_be_empty = true },
	{ .key = "limits", .title = "limits", .kind = SECTION_PAIRS, .columns = limit_columns },
	{ .key = "queues", .title = "queues", .kind = SECTION_PAIRS, .columns = queue_columns },
	{ .key = "counters",
	    .title = "counters",
	    .kind = SECTION_PAIRS,
	    .columns = counter_columns },
	{ .key = "runner_counters", .title = "runner's counters", .kind = SECTION_MAP },
	{ .key = "plan",
	    .title = "plan: what it may touch",
	    .kind = SECTION_TABLE,
	    .columns = plan_columns },
	{ .key = "obituaries",
	    .title = "deaths, the latest first",
	    .kind = SECTION_TABLE,
	    .columns = obituary_columns },
	{ .title = NULL },
};

static const struct column event_columns[] = {
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "type", .header = "TYPE", .cell = CELL_TYPE, .least = 30 },
	{ .key = "source_time", .cell = CELL_TIME },
	{ .key = "payload", .header = "PAYLOAD", .cell = CELL_PAYLOAD, .least = 12 },
	{ .key = "id", .cell = CELL_JSON },
	{ .key = NULL },
};

static const struct column result_columns[] = {
	{ .key = "name", .header = "NAME", .cell = CELL_TEXT },
	{ .key = "result", .header = "RESULT", .cell = CELL_TEXT },
	{ .key = NULL },
};

static const struct column reload_columns[] = {
	{ .key = "change", .header = "CHANGE", .cell = CELL_TEXT },
	{ .key = "what", .header = "WHAT", .cell = CELL_TEXT, .least = 16, .folds = true },
	{ .key = "detail", .header = "DETAIL", .cell = CELL_TEXT, .least = 16, .folds = true },
	{ .key = "keys", .header = "KEYS", .cell = CELL_LIST, .least = 16, .folds = true },
	{ .key = NULL },
};

const struct view_format view_top = { .kind = VIEW_TABLE, .columns = top_columns };
const struct view_format view_status = { .kind = VIEW_TABLE, .columns = status_columns };
const struct view_format view_health = {
	.kind = VIEW_TABLE, .columns = health_columns, .empty = "ok: nothing is wrong"
};
const struct view_format view_describe = { .kind = VIEW_TABLE, .columns = description_columns };
const struct view_format view_read = { .kind = VIEW_TABLE, .columns = read_columns };
const struct view_format view_show = { .kind = VIEW_SECTIONS, .sections = show_sections };
const struct view_format view_events = { .kind = VIEW_TABLE, .columns = event_columns };
const struct view_format view_results = { .kind = VIEW_RESULTS, .columns = result_columns };
const struct view_format view_reload = { .kind = VIEW_TABLE, .columns = reload_columns };
const struct view_format view_stream = { .kind = VIEW_STREAM };

static void
print_json(const struct view_format *format, const struct json *row)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, MAX_LINE);
	view_put_json(&w, format, row);
	buffer_u8(&b, '\0');
	if (!buffer_failed(&b))
		output_json(stdout, (const char *)buffer_data(&b));
	buffer_clear(&b);
}

static bool
add_stream(struct view *v, const struct json *row)
{
	int i = stream_kind(row);

	if (i < 0)
		return false;
	if (v->options->json) {
		print_json(v->format, row);
		putchar('\n');
	} else {
		stream_print(row, i, &v->device_width);
	}
	return stream_counts(i);
}

/* --- sections --- */

static void
print_map(const struct json *map)
{
	size_t width = 0;

	json_foreach (m, map)
		if (output_width(m->key) > width)
			width = output_width(m->key);
	json_foreach (m, map) {
		struct buffer b;
		buffer_init(&b, MAX_LINE);
		const struct column name = { .key = "key", .header = "", .cell = CELL_TEXT };
		struct json text = {
			.type = JSON_STRING, .text = m->key, .len = strlen(m->key), .key = "key"
		};
		struct json o = { .type = JSON_OBJECT, .child = &text, .last = &text, .count = 1 };
		output_cell_text(&b, &name, &o);
		output_pad(&b, 0, width);
		output_key_text(&b, m->key, CELL_TEXT, map);
		printf("  %.*s\n", (int)b.len, (const char *)buffer_data(&b));
		buffer_clear(&b);
	}
}

static void
print_section(const struct view *v, const struct section *s, const struct json *j)
{
	struct table t;

	if (s->kind == SECTION_PAIRS) {
		output_pairs(stdout, "  ", v->options->width, s->columns, j);
	} else if (s->kind == SECTION_MAP) {
		print_map(j);
	} else {
		const struct table_style style = { .indent = "  ",
			.width = v->options->width ? v->options->width - 2 : 0 };
		table_init(&t, s->columns, NULL, false);
		json_foreach (row, j)
			table_add(&t, s->columns, row);
		table_print(&t, stdout, &style);
		table_clear(&t);
	}
}

static void
sections_text(const struct view *v, const struct json *row)
{
	for (const struct section *s = v->format->sections; s->title; s++) {
		const struct json *j = s->key ? json_get(row, s->key) : row;
		bool empty = j && j->count == 0 && (s->kind == SECTION_MAP || s->may_be_empty);
		if (!j || empty)
			continue;
		printf("%s%s\n", s == v->format->sections && v->rows == 0 ? "" : "\n", s->title);
		print_section(v, s, j);
	}
}

static void
section_json(struct json_writer *w, const struct section *s, const struct json *j)
{
	if (s->kind == SECTION_MAP) {
		json_put_tree(w, s->key, j);
	} else if (s->kind == SECTION_PAIRS) {
		output_row_json(w, s->key, s->columns, j);
	} else {
		json_begin_array(w, s->key);
		json_foreach (row, j)
			output_row_json(w, NULL, s->columns, row);
		json_end_array(w);
	}
}

static void
sections_json(struct json_writer *w, const struct section *s, const struct json *row)
{
	if (!s->key) {
		output_row_json(w, NULL, s->columns, row);
		return;
	}
	json_begin_object(w, NULL);
	for (; s->title; s++) {
		const struct json *j = json_get(row, s->key);
		if (j)
			section_json(w, s, j);
		else
			json_put_null(w, s->key);
	}
	json_end_object(w);
}

bool
view_put_json(struct json_writer *w, const struct view_format *format, const struct json *row)
{
	int kind = format->kind == VIEW_STREAM ? stream_kind(row) : 0;

	if (kind < 0)
		return false;
	if (format->kind == VIEW_SECTIONS)
		sections_json(w, format->sections, row);
	else
		output_row_json(w, NULL,
		    format->kind == VIEW_STREAM ? stream_columns(kind) : format->columns, row);
	return true;
}

static void
print_result(const struct json *row)
{
	struct buffer b;

	buffer_init(&b, MAX_LINE);
	output_key_text(&b, "name", CELL_TEXT, row);
	buffer_append_str(&b, ": ");
	output_key_text(&b, "result", CELL_TEXT, row);
	printf("%.*s\n", (int)b.len, (const char *)buffer_data(&b));
	buffer_clear(&b);
}

/* --- a view --- */

/* KEY=GLOB, of the text that a table shows. */
static bool
passes(const struct view *v, const char *filter, const struct json *row)
{
	size_t len = strcspn(filter, "=");
	const struct column *c = column_find(v->format->columns, filter, len);
	struct buffer b;

	buffer_init(&b, MAX_LINE);
	output_cell_text(&b, c, row);
	buffer_u8(&b, '\0');
	bool fits =
	    !buffer_failed(&b) && fnmatch(filter + len + 1, (const char *)buffer_data(&b), 0) == 0;
	buffer_clear(&b);
	return fits;
}

static bool
check_filters(const struct view *v, const char **bad)
{
	for (size_t i = 0; i < v->options->filters; i++) {
		size_t len = strcspn(v->options->filter[i], "=");
		*bad = v->options->filter[i];
		if (!(*bad)[len] || !column_find(v->format->columns, *bad, len))
			return false;
	}
	return true;
}

static void
list_columns(const struct column *columns)
{
	for (const struct column *c = columns; c->key; c++)
		fprintf(stderr, "%s%s", c == columns ? "" : ", ", c->key);
	fputs("\n", stderr);
}

bool
view_begin(struct view *v, const struct view_format *format, const struct view_options *options)
{
	const char *bad = NULL;

	*v = (struct view){
		.format = format, .options = options, .device_width = STREAM_DEVICE_WIDTH
	};
	if (format->kind == VIEW_TABLE) {
		if (!table_init(&v->table, format->columns, options->columns, options->json))
			bad = options->columns;
		else if (options->sort && !table_sort_by(&v->table, format->columns, options->sort))
			bad = options->sort;
		else if (check_filters(v, &bad))
			bad = NULL;
	}
	if (bad) {
		fprintf(stderr, "gatewayctl: %s: the columns are ", bad);
		list_columns(format->columns);
		table_clear(&v->table);
		return false;
	}
	if (format->kind != VIEW_STREAM && options->json)
		fputs("[", stdout);
	return true;
}

static void
add_to_table(struct view *v, const struct json *row)
{
	for (size_t i = 0; i < v->options->filters; i++)
		if (!passes(v, v->options->filter[i], row))
			return;
	table_add(&v->table, v->format->columns, row);
}

bool
view_add(struct view *v, const struct json *row)
{
	const struct view_format *f = v->format;
	bool counts = true, json = v->options->json;

	if (v->options->capture)
		counts = pcapng_add(v->options->capture, row);
	else if (f->kind == VIEW_STREAM)
		counts = add_stream(v, row);
	else if (f->kind == VIEW_TABLE)
		add_to_table(v, row);
	else if (json)
		fputs(v->rows ? ",\n " : "\n ", stdout);
	if ((f->kind == VIEW_SECTIONS || f->kind == VIEW_RESULTS) && json)
		print_json(f, row);
	else if (f->kind == VIEW_SECTIONS)
		sections_text(v, row);
	else if (f->kind == VIEW_RESULTS)
		print_result(row);
	v->rows++;
	return counts;
}

void
view_end(struct view *v, bool failed)
{
	const struct table_style style = {
		.indent = "", .width = v->options->width, .colour = v->options->colour
	};
	size_t rows = v->rows;

	if (v->format->kind == VIEW_TABLE) {
		rows = v->table.rows;
		if (!v->options->json && !rows && !failed && v->format->empty)
			puts(v->format->empty);
		else if (v->options->json || rows || !failed)
			table_print(&v->table, stdout, &style);
		table_clear(&v->table);
	}
	if (v->format->kind != VIEW_STREAM && v->options->json)
		fputs(rows ? "\n]\n" : "]\n", stdout);
}
