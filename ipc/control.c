#include "ipc/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/schema/schema.h"

#define SYSTEM_FOLDER "/run/gatewayd"

static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const states[] = { "disabled", "starting", "running", "stopping", "backoff",
	"failed", "connected", "healthy", NULL };

static const struct schema text = { .kind = SCHEMA_STRING, .max = CONTROL_MAX_TEXT };
#define MAX_INTEGER 9007199254740992.0 /* 2^53: exact in a double */
static const struct schema integer = {
	.kind = SCHEMA_INT, .min = -MAX_INTEGER, .max = MAX_INTEGER
};
static const struct schema state = { .kind = SCHEMA_ENUM, .names = states };

static const char *const reasons[CONTROL_REASON_COUNT] = {
	[REASON_REQUEST] = "request",
	[REASON_DENIED] = "denied",
	[REASON_NO_DEVICE] = "no_device",
	[REASON_AMBIGUOUS] = "ambiguous",
	[REASON_STATE] = "state",
	[REASON_EVENT_SERVER] = "event_server",
	[REASON_VALUE] = "value",
	[REASON_CONFIGURATION] = "configuration",
	[REASON_BUSY] = "busy",
	[REASON_TOO_LONG] = "too_long",
	[REASON_SYSTEM] = "system",
};

#define COMMAND                                                                                    \
	{                                                                                          \
		"command", true,                                                                   \
		{                                                                                  \
			.kind = SCHEMA_STRING                                                      \
		}                                                                                  \
	}
#define LIST(key, required, least, most, of)                                                       \
	{                                                                                          \
		key, required,                                                                     \
		{                                                                                  \
			.kind = SCHEMA_ARRAY, .min = (least), .max = (most), .items = &(of)        \
		}                                                                                  \
	}
#define MAX CONTROL_MAX_NAMES

static const struct schema_field nothing[] = { COMMAND, { 0 } };
static const struct schema_field watch_fields[] = {
	COMMAND,
	LIST("names", false, 0, MAX, text),
	{ .key = "events", .is = { .kind = SCHEMA_BOOL } },
	{ 0 },
};
static const struct schema_field any_names[] = { COMMAND, LIST("names", false, 0, MAX, text),
	{ 0 } };
static const struct schema_field some_names[] = { COMMAND, LIST("names", true, 1, MAX, text),
	{ 0 } };
static const struct schema_field few_names[] = { COMMAND,
	LIST("names", true, 1, CONTROL_MAX_SHOWN, text), { 0 } };
static const struct schema_field events_fields[] = {
	COMMAND,
	LIST("types", false, 0, MAX, text),
	{ .key = "page",

	    .is = { .kind = SCHEMA_INT, .min = 1, .max = CONTROL_MAX_PAGE } },
	LIST("since", false, 2, 2, integer), /* seconds and microseconds */
	LIST("until", false, 2, 2, integer),
	LIST("after", false, 3, 3, integer), /* the id of an event */
	{ .key = "newest_first", .is = { .kind = SCHEMA_BOOL } },
	{ 0 },
};
static const struct schema_field send_fields[] = {
	COMMAND,
	{ .key = "name",

	    .is = { .kind = SCHEMA_STRING, .max = CONTROL_MAX_TEXT } },
	{ .key = "type",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .max = CONTROL_MAX_TEXT } },
	{ .key = "payload", .is = { .kind = SCHEMA_STRING } }, /* JSON as text */
	{ 0 },
};
static const struct schema_field wait_fields[] = {
	COMMAND,
	LIST("names", true, 1, MAX, text),
	LIST("states", true, 1, MAX, state),
	{ 0 },
};
static const struct schema_field health_fields[] = {
	COMMAND,
	LIST("names", false, 0, MAX, text),
	{ .key = "all", .is = { .kind = SCHEMA_BOOL } },
	{ 0 },
};
static const struct schema_field describe_fields[] = {
	COMMAND,
	{ .key = "name",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .max = CONTROL_MAX_TEXT } },
	{ .key = "from",

	    .is = { .kind = SCHEMA_INT, .min = 0, .max = UINT32_MAX } },
	{ 0 },
};
static const struct schema_field log_fields[] = {
	COMMAND,
	LIST("names", false, 0, MAX, text),
	{ .key = "level", .required = true, .is = { .kind = SCHEMA_ENUM, .names = levels } },
	{ 0 },
};
static const struct schema_field reload_fields[] = {
	COMMAND,
	{ .key = "diff", .is = { .kind = SCHEMA_BOOL } },
	{ 0 },
};

static const struct {
	const char *name;
	bool looks; /* it changes nothing: an observer may say it */
	struct schema fields;
} commands[CONTROL_COMMAND_COUNT] = {
#define FIELDS(table)                                                                              \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .fields = (table)                                           \
	}
	[CONTROL_STATUS] = { .name = "status", .looks = true, .fields = FIELDS(any_names) },
	[CONTROL_TOP] = { .name = "top", .looks = true, .fields = FIELDS(any_names) },
	[CONTROL_SHOW] = { .name = "show", .looks = true, .fields = FIELDS(few_names) },
	[CONTROL_INFO] = { .name = "info", .looks = true, .fields = FIELDS(nothing) },
	[CONTROL_METRICS] = { .name = "metrics", .looks = true, .fields = FIELDS(nothing) },
	[CONTROL_HEALTH] = { .name = "health", .looks = true, .fields = FIELDS(health_fields) },
	[CONTROL_DESCRIBE] = { .name = "describe",
	    .looks = true,
	    .fields = FIELDS(describe_fields) },
	[CONTROL_WATCH] = { .name = "watch", .looks = true, .fields = FIELDS(watch_fields) },
	[CONTROL_EVENTS] = { .name = "events", .looks = true, .fields = FIELDS(events_fields) },
	[CONTROL_SEND] = { .name = "send", .fields = FIELDS(send_fields) },
	[CONTROL_ENABLE] = { .name = "enable", .fields = FIELDS(some_names) },
	[CONTROL_DISABLE] = { .name = "disable", .fields = FIELDS(some_names) },
	[CONTROL_RESTART] = { .name = "restart", .fields = FIELDS(some_names) },
	[CONTROL_WAIT] = { .name = "wait", .looks = true, .fields = FIELDS(wait_fields) },
	[CONTROL_TRACE] = { .name = "trace", .looks = true, .fields = FIELDS(some_names) },
	[CONTROL_LOG] = { .name = "log", .fields = FIELDS(log_fields) },
	[CONTROL_RELOAD] = { .name = "reload", .fields = FIELDS(reload_fields) },
#undef FIELDS
};

const char *
control_command_name(enum control_id id)
{
	return commands[id].name;
}

bool
control_command_looks(enum control_id id)
{
	return commands[id].looks;
}

int
control_command_find(const char *name)
{
	for (int i = 0; i < CONTROL_COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return i;
	return -1;
}

struct fault {
	char *text;
	size_t size;
};

/* The first fault is enough. An unknown field is one as well: it was meant to do something. */
static void
on_fault(void *arg, enum schema_severity severity, const struct json *where, const char *path,
    const char *message)
{
	struct fault *f = arg;

	(void)severity, (void)where;
	if (f->text[0] == '\0')
		snprintf(f->text, f->size, "%s%s%s", path, *path ? ": " : "", message);
}

struct json_doc *
control_request_decode(
    const void *packet, size_t len, enum control_id *id, char *err, size_t err_size)
{
	struct fault fault = { err, err_size };

	if (len > CONTROL_MAX_REQUEST) {
		snprintf(err, err_size, "a request of more than %d bytes", CONTROL_MAX_REQUEST);
		return NULL;
	}
	struct json_doc *doc = json_parse(packet, len, CONTROL_MAX_NODES, err, err_size);
	if (!doc)
		return NULL;
	const char *name = json_str(json_get(json_root(doc), "command"));
	int found = name ? control_command_find(name) : -1;
	err[0] = '\0';
	if (found < 0)
		snprintf(err, err_size, name ? "unknown command '%.40s'" : "no command", name);
	else
		schema_check(json_root(doc), &commands[found].fields, "", on_fault, &fault);
	if (err[0]) {
		json_free(doc);
		return NULL;
	}
	*id = (enum control_id)found;
	return doc;
}

static bool
rows_are_objects(const struct json *rows)
{
	if (!rows || rows->type != JSON_ARRAY)
		return false;
	json_foreach (row, rows)
		if (row->type != JSON_OBJECT)
			return false;
	return true;
}

const char *
control_reason_name(enum control_reason reason)
{
	return reasons[reason];
}

static enum control_reason
find_reason(const char *name)
{
	for (int i = REASON_NONE + 1; name && i < CONTROL_REASON_COUNT; i++)
		if (strcmp(reasons[i], name) == 0)
			return (enum control_reason)i;
	return REASON_NONE;
}

int
control_reply_decode(const void *packet, size_t len, struct control_reply *reply)
{
	char err[80];
	int64_t code = CONTROL_DONE;

	*reply = (struct control_reply){ 0 };
	if (len > CONTROL_MAX_REPLY)
		return -1;
	struct json_doc *doc = json_parse(packet, len, CONTROL_MAX_ROW_NODES, err, sizeof(err));
	if (!doc)
		return -1;
	const struct json *root = json_root(doc), *rows = json_get(root, "rows");
	bool end = json_is_true(json_get(root, "end"));
	if (!rows_are_objects(rows) ||
	    (end && !json_int(json_get(root, "code"), CONTROL_DONE, CONTROL_USAGE, &code))) {
		json_free(doc);
		return -1;
	}
	*reply = (struct control_reply){ doc, rows, end, (enum control_code)code,
		json_str(json_get(root, "error")),
		find_reason(json_str(json_get(root, "reason"))) };
	return 0;
}

void
control_put_begin(struct buffer *b, struct json_writer *w)
{
	*w = (struct json_writer){ .b = b };
	json_begin_object(w, NULL);
	json_begin_array(w, "rows");
}

void
control_put_more(struct json_writer *w)
{
	json_end_array(w);
	json_end_object(w);
}

void
control_put_end(
    struct json_writer *w, enum control_code code, enum control_reason reason, const char *error)
{
	json_end_array(w);
	json_put_bool(w, "end", true);
	json_put_int(w, "code", code);
	if (error)
		json_put_strn(w, "error", error, strnlen(error, CONTROL_MAX_ERROR));
	else
		json_put_null(w, "error");
	json_put_str(w, "reason", reasons[reason]);
	json_end_object(w);
}

static int
join(char *path, size_t size, const char *folder, const char *rest)
{
	int n = snprintf(path, size, "%s%s", folder, rest);

	return n < 0 || (size_t)n >= size ? (errno = ENAMETOOLONG, -1) : 0;
}

int
control_runtime_folder(char *path, size_t size)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");

	/* systemd gives a list, with ':' between, where a unit has several. */
	size_t first = runtime ? strcspn(runtime, ":") : 0;
	if (first >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (first > 0) {
		memcpy(path, runtime, first);
		path[first] = '\0';
		return 0;
	}
	if (xdg && *xdg)
		return join(path, size, xdg, "/gatewayd");
	return join(path, size, SYSTEM_FOLDER, "");
}

int
control_find_socket(char *path, size_t size)
{
	char folder[4096];

	if (control_runtime_folder(folder, sizeof(folder)) < 0 ||
	    join(path, size, folder, "/control") < 0)
		return -1;
	/* A person's shell has a folder of its own, and the service another. */
	if (!getenv("RUNTIME_DIRECTORY") && access(path, F_OK) != 0 &&
	    access(SYSTEM_FOLDER "/control", F_OK) == 0)
		return join(path, size, SYSTEM_FOLDER, "/control");
	return 0;
}

int
control_find_observe(char *path, size_t size)
{
	char observe[4096];

	if (control_find_socket(path, size) < 0)
		return -1;
	int folder = (int)(strrchr(path, '/') + 1 - path);
	if (snprintf(observe, sizeof(observe), "%.*s" CONTROL_OBSERVE_NAME, folder, path) <
		(int)sizeof(observe) &&
	    strlen(observe) < size && access(observe, F_OK) == 0)
		memcpy(path, observe, strlen(observe) + 1);
	return 0;
}
