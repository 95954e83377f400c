#include "gatewayctl/stream/stream.h"

#include <string.h>

#include "gatewayctl/output.h"

enum { MAX_LINE = 1024 * 1024, MAX_DEVICE_WIDTH = 40, INDENT = 14 };

static const struct column event_columns[] = {
	{ .key = "kind", .cell = CELL_TEXT },
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "direction", .header = "WHAT", .cell = CELL_TEXT },
	{ .key = "device", .header = "DEVICE", .cell = CELL_TEXT },
	{ .key = "type", .cell = CELL_TYPE },
	{ .key = "source_time", .cell = CELL_TIME },
	{ .key = "payload", .cell = CELL_PAYLOAD },
	{ .key = NULL },
};

static const struct column state_columns[] = {
	{ .key = "kind", .header = "WHAT", .cell = CELL_TEXT },
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "device", .header = "DEVICE", .cell = CELL_TEXT },
	{ .key = "state", .cell = CELL_TEXT },
	{ .key = "before", .cell = CELL_TEXT },
	{ .key = "link", .cell = CELL_TEXT },
	{ .key = "last_exit", .cell = CELL_TEXT },
	{ .key = NULL },
};

static const struct column link_columns[] = {
	{ .key = "kind", .header = "WHAT", .cell = CELL_TEXT },
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "state", .cell = CELL_TEXT },
	{ .key = "server_status", .cell = CELL_TEXT },
	{ .key = NULL },
};

static const struct column frame_columns[] = {
	{ .key = "kind", .cell = CELL_TEXT },
	{ .key = "time", .header = "TIME", .cell = CELL_TIME },
	{ .key = "direction", .header = "WHAT", .cell = CELL_TEXT },
	{ .key = "device", .header = "DEVICE", .cell = CELL_TEXT },
	{ .key = "protocol", .cell = CELL_TEXT },
	{ .key = "local", .cell = CELL_TEXT },
	{ .key = "remote", .cell = CELL_TEXT },
	{ .key = "text", .cell = CELL_TEXT },
	{ .key = "bytes", .cell = CELL_INT },
	{ .key = "hex", .cell = CELL_TEXT },
	{ .key = NULL },
};

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
	output_key_text(b, "type", CELL_TYPE, &o);
	buffer_append_str(b, " = ");
	output_key_text(b, "payload", CELL_PAYLOAD, row);
}

static void
state_detail(struct buffer *b, const struct json *row)
{
	const char *state = json_str(json_get(row, "state"));
	const char *before = json_str(json_get(row, "before"));

	output_key_text(b, "state", CELL_TEXT, row);
	if (before && state && strcmp(before, state) != 0) {
		buffer_append_str(b, ", was ");
		output_key_text(b, "before", CELL_TEXT, row);
	}
	if (json_str(json_get(row, "link"))) {
		buffer_append_str(b, ", link ");
		output_key_text(b, "link", CELL_TEXT, row);
	}
	if (state && json_str(json_get(row, "last_exit")) &&
	    (strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0)) {
		buffer_append_str(b, ": ");
		output_key_text(b, "last_exit", CELL_TEXT, row);
	}
}

static void
link_detail(struct buffer *b, const struct json *row)
{
	buffer_append_str(b, "Event Server ");
	output_key_text(b, "state", CELL_TEXT, row);
	if (json_str(json_get(row, "server_status"))) {
		buffer_append_str(b, ", ");
		output_key_text(b, "server_status", CELL_TEXT, row);
	}
}

static void
frame_detail(struct buffer *b, const struct json *row)
{
	const char *text = json_str(json_get(row, "text"));

	if (text && *text) {
		output_key_text(b, "text", CELL_TEXT, row);
		buffer_append_str(b, "  ");
	}
	output_key_text(b, "hex", CELL_TEXT, row);
}

static const struct {
	const char *kind;
	const struct column *columns;
	const char *what; /* the key of the WHAT column */
	void (*detail)(struct buffer *b, const struct json *row);
	bool counts;
} kinds[] = {
	{ .kind = "event",
	    .columns = event_columns,
	    .what = "direction",
	    .detail = event_detail,
	    .counts = true },
	{ .kind = "frame",
	    .columns = frame_columns,
	    .what = "direction",
	    .detail = frame_detail,
	    .counts = true },
	{ .kind = "state",
	    .columns = state_columns,
	    .what = "kind",
	    .detail = state_detail,
	    .counts = false },
	{ .kind = "link",
	    .columns = link_columns,
	    .what = "kind",
	    .detail = link_detail,
	    .counts = false },
};

int
stream_kind(const struct json *row)
{
	const char *kind = json_str(json_get(row, "kind"));

	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return (int)i;
	return -1;
}

const struct column *
stream_columns(int kind)
{
	return kinds[kind].columns;
}

bool
stream_counts(int kind)
{
	return kinds[kind].counts;
}

void
stream_print(const struct json *row, int kind, size_t *device_width)
{
	struct buffer b;

	buffer_init(&b, MAX_LINE);
	output_key_text(&b, "time", CELL_TIME, row);
	output_pad(&b, 0, 12);
	size_t start = b.len;
	output_key_text(&b, kinds[kind].what, CELL_TEXT, row);
	output_pad(&b, start, 5);
	start = b.len;
	output_key_text(&b, "device", CELL_TEXT, row);
	size_t width = output_width_from(&b, start);
	if (width > *device_width && width <= MAX_DEVICE_WIDTH)
		*device_width = width;
	output_pad(&b, start, *device_width);
	kinds[kind].detail(&b, row);
	buffer_u8(&b, '\0');
	if (!buffer_failed(&b))
		output_folded(stdout, (const char *)buffer_data(&b), INDENT);
	buffer_clear(&b);
}
