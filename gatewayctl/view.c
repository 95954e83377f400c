#include "gatewayctl/view.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_LINE = 1024 * 1024, FIRST_DEVICE_WIDTH = 8, MAX_DEVICE_WIDTH = 40 };

/* --- columns --- */

static const struct column status_columns[] = {
	{ "name", "NAME", CELL_TEXT, false, false },
	{ "type", "TYPE", CELL_TEXT, false, false },
	{ "state", "STATE", CELL_TEXT, false, false },
	{ "pid", "PID", CELL_INT, false, false },
	{ "since", "SINCE", CELL_DURATION, false, false },
	{ "restarts", "RESTARTS", CELL_INT, true, false },
	{ "last_exit", "LAST EXIT", CELL_TEXT, false, true },
	{ "link", "LINK", CELL_TEXT, false, true },
	{ "events_per_s", "EVENTS/S", CELL_RATE, true, false },
	{ 0 },
};

static const struct column device_columns[] = {
	{ "name", "name", CELL_TEXT, false, false },
	{ "type", "type", CELL_TEXT, false, false },
	{ "state", "state", CELL_TEXT, false, false },
	{ "since", "since", CELL_DURATION, false, false },
	{ "enabled", "enabled", CELL_FLAG, false, false },
	{ "pid", "pid", CELL_INT, false, false },
	{ "link", "link", CELL_TEXT, false, false },
	{ "events_per_s", "events/s", CELL_RATE, false, false },
	{ "restarts", "restarts", CELL_INT, false, false },
	{ "deaths", "deaths", CELL_INT, false, false },
	{ "last_exit", "last exit", CELL_TEXT, false, false },
	{ "last_line", "last log line", CELL_TEXT, false, false },
	{ "log_level", "log level", CELL_TEXT, false, false },
	{ "traced", "traced", CELL_FLAG, false, false },
	{ "module", "module", CELL_TEXT, false, false },
	{ "runner", "runner", CELL_TEXT, false, false },
	{ "event_prefix", "events below", CELL_TYPE, false, false },
	{ 0 },
};

static const struct column process_columns[] = {
	{ "pid", "pid", CELL_INT, false, false },
	{ "uptime", "uptime", CELL_DURATION, false, false },
	{ "exec_us", "spawned in us", CELL_INT, false, false },
	{ "rss_kib", "memory, resident", CELL_MEMORY, false, false },
	{ "anonymous_kib", "memory, anonymous", CELL_MEMORY, false, false },
	{ "pss_kib", "memory, own share", CELL_MEMORY, false, false },
	{ "threads", "threads", CELL_INT, false, false },
	{ 0 },
};

static const struct column sandbox_columns[] = {
	{ "configured", "configured", CELL_TEXT, false, false },
	{ "seccomp", "seccomp", CELL_TEXT, false, false },
	{ "seccomp_filters", "seccomp filters", CELL_INT, false, false },
	{ "no_new_privs", "no new privileges", CELL_FLAG, false, false },
	{ "capabilities", "capabilities", CELL_TEXT, false, false },
	{ "uid", "user", CELL_INT, false, false },
	{ "gid", "group", CELL_INT, false, false },
	{ "groups", "other groups", CELL_TEXT, false, false },
	{ "namespaces", "own namespaces", CELL_LIST, false, false },
	{ "address_space", "limit, address space", CELL_BYTES, false, false },
	{ "open_files", "limit, open files", CELL_TEXT, false, false },
	{ "processes", "limit, processes", CELL_TEXT, false, false },
	{ "core", "limit, core file", CELL_BYTES, false, false },
	{ 0 },
};

static const struct column queue_columns[] = {
	{ "to_event_server_bytes", "to the Event Server", CELL_BYTES, false, false },
	{ "to_runner_bytes", "to the runner", CELL_BYTES, false, false },
	{ "credit", "credit left", CELL_BYTES, false, false },
	{ "credit_window", "credit window", CELL_BYTES, false, false },
	{ "credit_outstanding", "credit under way", CELL_BYTES, false, false },
	{ 0 },
};

static const struct column counter_columns[] = {
	{ "registered", "events registered", CELL_INT, false, false },
	{ "delivered", "events delivered", CELL_INT, false, false },
	{ "dropped", "events dropped", CELL_INT, false, false },
	{ "violations", "violations", CELL_INT, false, false },
	{ 0 },
};

static const struct column limit_columns[] = {
	{ "memory", "memory", CELL_BYTES, false, false },
	{ "files", "open files", CELL_INT, false, false },
	{ "start_ms", "start, ms", CELL_INT, false, false },
	{ "ping_ms", "ping, ms", CELL_INT, false, false },
	{ "stop_ms", "stop, ms", CELL_INT, false, false },
	{ 0 },
};

static const struct column plan_columns[] = {
	{ "kind", "KIND", CELL_TEXT, false, false },
	{ "target", "TARGET", CELL_TEXT, false, false },
	{ "port", "PORT", CELL_INT, true, false },
	{ "opened", "OPENED", CELL_FLAG, false, false },
	{ "any_address", "ANY ADDRESS", CELL_FLAG, false, false },
	{ 0 },
};

static const struct column obituary_columns[] = {
	{ "time", "TIME", CELL_TIME, false, false },
	{ "pid", "PID", CELL_INT, false, false },
	{ "uptime", "UPTIME", CELL_DURATION, false, false },
	{ "events", "EVENTS", CELL_INT, true, false },
	{ "cause", "CAUSE", CELL_TEXT, false, false },
	{ "last_line", "LAST LINE", CELL_TEXT, false, false },
	{ 0 },
};

static const struct section show_sections[] = {
	{ "device", "device", SECTION_PAIRS, device_columns },
	{ "process", "process", SECTION_PAIRS, process_columns },
	{ "sandbox", "sandbox in force", SECTION_PAIRS, sandbox_columns },
	{ "limits", "limits", SECTION_PAIRS, limit_columns },
	{ "queues", "queues", SECTION_PAIRS, queue_columns },
	{ "counters", "counters", SECTION_PAIRS, counter_columns },
	{ "runner_counters", "runner's counters", SECTION_MAP, NULL },
	{ "plan", "plan: what it may touch", SECTION_TABLE, plan_columns },
	{ "obituaries", "deaths, the latest first", SECTION_TABLE, obituary_columns },
	{ 0 },
};

static const struct column info_columns[] = {
	{ "name", "gateway", CELL_TEXT, false, false },
	{ "version", "version", CELL_TEXT, false, false },
	{ "pid", "pid", CELL_INT, false, false },
	{ "uptime", "uptime", CELL_DURATION, false, false },
	{ "config", "configuration", CELL_TEXT, false, false },
	{ "log_level", "log level", CELL_TEXT, false, false },
	{ "monitor_server", "Monitor Server", CELL_TEXT, false, false },
	{ "blessing", "blessing", CELL_TEXT, false, false },
	{ "why_idle", "why idle", CELL_TEXT, false, false },
	{ "event_server", "Event Server", CELL_TEXT, false, false },
	{ "eventd_state", "its process", CELL_TEXT, false, false },
	{ "eventd_pid", "its pid", CELL_INT, false, false },
	{ "eventd_restarts", "its restarts", CELL_INT, false, false },
	{ "eventd_last_exit", "its last exit", CELL_TEXT, false, false },
	{ "eventd_uptime", "after", CELL_DURATION, false, false },
	{ "eventd_last_line", "its last log line", CELL_TEXT, false, false },
	{ "link", "link", CELL_TEXT, false, false },
	{ "server_status", "server status", CELL_TEXT, false, false },
	{ "link_since", "since", CELL_DURATION, false, false },
	{ "link_error", "last error", CELL_TEXT, false, false },
	{ "engine", "engine active", CELL_FLAG, false, false },
	{ "connects", "connections made", CELL_INT, false, false },
	{ "events_out", "events out", CELL_INT, false, false },
	{ "messages_out", "messages out", CELL_INT, false, false },
	{ "events_in", "events in", CELL_INT, false, false },
	{ "waiting_bytes", "bytes waiting", CELL_BYTES, false, false },
	{ "unrouted", "events of no device", CELL_INT, false, false },
	{ "devices", "devices", CELL_INT, false, false },
	{ "enabled", "devices enabled", CELL_INT, false, false },
	{ "running", "devices running", CELL_INT, false, false },
	{ "clients", "control clients", CELL_INT, false, false },
	{ 0 },
};

static const struct section info_sections[] = {
	{ NULL, "gateway", SECTION_PAIRS, info_columns },
	{ 0 },
};

static const struct column event_columns[] = {
	{ "time", "TIME", CELL_TIME, false, false },
	{ "type", "TYPE", CELL_TYPE, false, false },
	{ "source_time", NULL, CELL_TIME, false, false },
	{ "payload", "PAYLOAD", CELL_PAYLOAD, false, false },
	{ 0 },
};

static const struct column result_columns[] = {
	{ "name", "NAME", CELL_TEXT, false, false },
	{ "result", "RESULT", CELL_TEXT, false, false },
	{ 0 },
};

static const struct column reload_columns[] = {
	{ "change", "CHANGE", CELL_TEXT, false, false },
	{ "what", "WHAT", CELL_TEXT, false, false },
	{ "detail", "DETAIL", CELL_TEXT, false, false },
	{ 0 },
};

const struct view_format view_status = { VIEW_TABLE, status_columns, NULL };
const struct view_format view_show = { VIEW_SECTIONS, NULL, show_sections };
const struct view_format view_info = { VIEW_SECTIONS, NULL, info_sections };
const struct view_format view_events = { VIEW_TABLE, event_columns, NULL };
const struct view_format view_results = { VIEW_RESULTS, result_columns, NULL };
const struct view_format view_reload = { VIEW_TABLE, reload_columns, NULL };
const struct view_format view_stream = { VIEW_STREAM, NULL, NULL };

/* --- streams --- */

static const struct column stream_event_columns[] = {
	{ "kind", NULL, CELL_TEXT, false, false },
	{ "time", "TIME", CELL_TIME, false, false },
	{ "direction", "WHAT", CELL_TEXT, false, false },
	{ "device", "DEVICE", CELL_TEXT, false, false },
	{ "type", NULL, CELL_TYPE, false, false },
	{ "source_time", NULL, CELL_TIME, false, false },
	{ "payload", NULL, CELL_PAYLOAD, false, false },
	{ 0 },
};

static const struct column stream_state_columns[] = {
	{ "kind", "WHAT", CELL_TEXT, false, false },
	{ "time", "TIME", CELL_TIME, false, false },
	{ "device", "DEVICE", CELL_TEXT, false, false },
	{ "state", NULL, CELL_TEXT, false, false },
	{ "before", NULL, CELL_TEXT, false, false },
	{ "link", NULL, CELL_TEXT, false, false },
	{ "last_exit", NULL, CELL_TEXT, false, false },
	{ 0 },
};

static const struct column stream_link_columns[] = {
	{ "kind", "WHAT", CELL_TEXT, false, false },
	{ "time", "TIME", CELL_TIME, false, false },
	{ "state", NULL, CELL_TEXT, false, false },
	{ "server_status", NULL, CELL_TEXT, false, false },
	{ 0 },
};

static const struct column stream_frame_columns[] = {
	{ "kind", NULL, CELL_TEXT, false, false },
	{ "time", "TIME", CELL_TIME, false, false },
	{ "direction", "WHAT", CELL_TEXT, false, false },
	{ "device", "DEVICE", CELL_TEXT, false, false },
	{ "bytes", NULL, CELL_INT, false, false },
	{ "hex", NULL, CELL_TEXT, false, false },
	{ 0 },
};

static void
append_cell(struct buffer *b, const char *key, enum cell cell, const struct json *row)
{
	const struct column col = { key, "", cell, false, false };

	output_cell_text(b, &col, row);
}

/* How many segments of the type say what the device column says. */
static size_t
known_segments(const struct json *type, const char *device)
{
	size_t i = 0;

	if (!device || !type || type->type != JSON_ARRAY)
		return 0;
	json_foreach (segment, type) {
		const char *text = json_str(segment);
		if (i++ >= 2 && text && strcmp(text, device) == 0)
			return i;
	}
	return 0;
}

static void
event_detail(struct buffer *b, const struct json *row)
{
	const struct json *type = json_get(row, "type");
	size_t known = known_segments(type, json_str(json_get(row, "device")));
	struct json rest = { .type = JSON_ARRAY, .key = "type" };
	const struct json o = { .type = JSON_OBJECT, .child = &rest, .last = &rest, .count = 1 };

	rest.child = type && type->type == JSON_ARRAY ? type->child : NULL;
	while (rest.child && known--)
		rest.child = rest.child->next;
	append_cell(b, "type", CELL_TYPE, &o);
	buffer_append_str(b, " = ");
	append_cell(b, "payload", CELL_PAYLOAD, row);
}

static void
state_detail(struct buffer *b, const struct json *row)
{
	const char *state = json_str(json_get(row, "state"));
	const char *before = json_str(json_get(row, "before"));

	append_cell(b, "state", CELL_TEXT, row);
	if (before && state && strcmp(before, state) != 0) {
		buffer_append_str(b, ", was ");
		append_cell(b, "before", CELL_TEXT, row);
	}
	if (json_str(json_get(row, "link"))) {
		buffer_append_str(b, ", link ");
		append_cell(b, "link", CELL_TEXT, row);
	}
	if (state && json_str(json_get(row, "last_exit")) &&
	    (strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0)) {
		buffer_append_str(b, ": ");
		append_cell(b, "last_exit", CELL_TEXT, row);
	}
}

static void
link_detail(struct buffer *b, const struct json *row)
{
	buffer_append_str(b, "Event Server ");
	append_cell(b, "state", CELL_TEXT, row);
	if (json_str(json_get(row, "server_status"))) {
		buffer_append_str(b, ", ");
		append_cell(b, "server_status", CELL_TEXT, row);
	}
}

static void
frame_detail(struct buffer *b, const struct json *row)
{
	append_cell(b, "hex", CELL_TEXT, row);
}

static const struct {
	const char *kind;
	const struct column *columns;
	const char *what; /* the key of the WHAT column */
	void (*detail)(struct buffer *b, const struct json *row);
	bool counts;
} stream_kinds[] = {
	{ "event", stream_event_columns, "direction", event_detail, true },
	{ "frame", stream_frame_columns, "direction", frame_detail, true },
	{ "state", stream_state_columns, "kind", state_detail, false },
	{ "link", stream_link_columns, "kind", link_detail, false },
};

/* Of what is in the buffer behind start. */
static size_t
width_from(struct buffer *b, size_t start)
{
	buffer_u8(b, '\0');
	size_t width = output_width((const char *)buffer_data(b) + start);

	buffer_truncate(b, b->len - 1);
	return width;
}

static void
pad(struct buffer *b, size_t start, size_t width)
{
	size_t have = width_from(b, start);

	buffer_printf(b, "%*s", (int)(have < width ? width - have : 0) + 2, "");
}

static void
stream_text(struct view *v, const struct json *row, size_t kind)
{
	struct buffer b;

	buffer_init(&b, MAX_LINE);
	append_cell(&b, "time", CELL_TIME, row);
	pad(&b, 0, 12);
	size_t start = b.len;
	append_cell(&b, stream_kinds[kind].what, CELL_TEXT, row);
	pad(&b, start, 5);
	start = b.len;
	append_cell(&b, "device", CELL_TEXT, row);
	size_t width = width_from(&b, start);
	if (width > v->device_width && width <= MAX_DEVICE_WIDTH)
		v->device_width = width;
	pad(&b, start, v->device_width);
	stream_kinds[kind].detail(&b, row);
	printf("%.*s\n", (int)b.len, (const char *)buffer_data(&b));
	buffer_clear(&b);
}

static void
print_json(const struct column *columns, const struct json *row)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, MAX_LINE);
	output_row_json(&w, NULL, columns, row);
	fwrite(buffer_data(&b), 1, b.len, stdout);
	buffer_clear(&b);
}

static bool
add_stream(struct view *v, const struct json *row)
{
	const char *kind = json_str(json_get(row, "kind"));
	size_t i = 0, n = sizeof(stream_kinds) / sizeof(stream_kinds[0]);

	while (i < n && (!kind || strcmp(stream_kinds[i].kind, kind) != 0))
		i++;
	if (i == n)
		return false;
	if (v->json) {
		print_json(stream_kinds[i].columns, row);
		putchar('\n');
	} else {
		stream_text(v, row, i);
	}
	return stream_kinds[i].counts;
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
		const struct column name = { "key", "", CELL_TEXT, false, false };
		struct json text = {
			.type = JSON_STRING, .text = m->key, .len = strlen(m->key), .key = "key"
		};
		struct json o = { .type = JSON_OBJECT, .child = &text, .last = &text, .count = 1 };
		output_cell_text(&b, &name, &o);
		pad(&b, 0, width);
		append_cell(&b, m->key, CELL_TEXT, map);
		printf("  %.*s\n", (int)b.len, (const char *)buffer_data(&b));
		buffer_clear(&b);
	}
}

static void
print_section(const struct section *s, const struct json *j)
{
	struct table t;

	if (s->kind == SECTION_PAIRS) {
		output_pairs(stdout, "  ", s->columns, j);
	} else if (s->kind == SECTION_MAP) {
		print_map(j);
	} else {
		table_init(&t, s->columns);
		json_foreach (row, j)
			table_add(&t, row);
		table_print(&t, stdout, "  ", 0);
		table_clear(&t);
	}
}

static void
sections_text(const struct view *v, const struct json *row)
{
	for (const struct section *s = v->format->sections; s->title; s++) {
		const struct json *j = s->key ? json_get(row, s->key) : row;
		if (!j || (s->kind == SECTION_MAP && j->count == 0))
			continue;
		printf("%s%s\n", s == v->format->sections && v->rows == 0 ? "" : "\n", s->title);
		print_section(s, j);
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
sections_json(const struct view *v, const struct json *row)
{
	struct buffer b;
	struct json_writer w = { .b = &b };
	const struct section *s = v->format->sections;

	buffer_init(&b, MAX_LINE);
	if (!s->key) {
		output_row_json(&w, NULL, s->columns, row);
	} else {
		json_begin_object(&w, NULL);
		for (; s->title; s++) {
			const struct json *j = json_get(row, s->key);
			if (j)
				section_json(&w, s, j);
			else
				json_put_null(&w, s->key);
		}
		json_end_object(&w);
	}
	fwrite(buffer_data(&b), 1, b.len, stdout);
	buffer_clear(&b);
}

static void
print_result(const struct json *row)
{
	struct buffer b;

	buffer_init(&b, MAX_LINE);
	append_cell(&b, "name", CELL_TEXT, row);
	buffer_append_str(&b, ": ");
	append_cell(&b, "result", CELL_TEXT, row);
	printf("%.*s\n", (int)b.len, (const char *)buffer_data(&b));
	buffer_clear(&b);
}

/* --- a view --- */

void
view_begin(struct view *v, const struct view_format *format, bool json)
{
	*v = (struct view){ .format = format, .json = json, .device_width = FIRST_DEVICE_WIDTH };
	if (format->kind == VIEW_TABLE && !json)
		table_init(&v->table, format->columns);
	if (format->kind != VIEW_STREAM && json)
		fputs("[", stdout);
}

bool
view_add(struct view *v, const struct json *row)
{
	const struct view_format *f = v->format;
	bool counts = true;

	if (f->kind != VIEW_STREAM && v->json)
		fputs(v->rows ? ",\n " : "\n ", stdout);
	if (f->kind == VIEW_STREAM)
		counts = add_stream(v, row);
	else if (v->json && f->kind == VIEW_SECTIONS)
		sections_json(v, row);
	else if (v->json)
		print_json(f->columns, row);
	else if (f->kind == VIEW_SECTIONS)
		sections_text(v, row);
	else if (f->kind == VIEW_RESULTS)
		print_result(row);
	else
		table_add(&v->table, row);
	v->rows++;
	return counts;
}

void
view_end(struct view *v, bool failed)
{
	if (v->format->kind == VIEW_TABLE && !v->json) {
		if (v->rows || !failed)
			table_print(&v->table, stdout, "", output_terminal_width(stdout));
		table_clear(&v->table);
	}
	if (v->format->kind != VIEW_STREAM && v->json)
		fputs(v->rows ? "\n]\n" : "]\n", stdout);
}
