#include "ipc/message.h"

#include <string.h>

#include "common/cursor.h"
#include "common/utf8.h"
#include "ipc/item.h"

static const struct ipc_rule rules[] = {
#define X(name_, number_, sender_, phases_, fd_, shape_)                                           \
	{ .type = (number_),                                                                       \
		.sender = (sender_),                                                               \
		.phases = (phases_),                                                               \
		.fd = (fd_),                                                                       \
		.name = #name_,                                                                    \
		.shape = (shape_) },
	IPC_MESSAGES(X)
#undef X
};

const struct ipc_rule *
ipc_rule_find(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

static const struct {
	const char *name;
	bool has_port;
} resources[IPC_RESOURCE_COUNT] = {
	[IPC_RESOURCE_CONNECT] = { .name = "connect", .has_port = true },
	[IPC_RESOURCE_LISTEN] = { .name = "listen", .has_port = true },
	[IPC_RESOURCE_TTY] = { .name = "tty" },
	[IPC_RESOURCE_FILE] = { .name = "file" },
	[IPC_RESOURCE_UDP] = { .name = "udp", .has_port = true },
	[IPC_RESOURCE_UDP_LISTEN] = { .name = "udp-listen", .has_port = true },
	[IPC_RESOURCE_ICMP] = { .name = "icmp" },
};

const char *
ipc_resource_name(enum ipc_resource kind)
{
	return kind < IPC_RESOURCE_COUNT ? resources[kind].name : "unknown";
}

bool
ipc_resource_has_port(enum ipc_resource kind)
{
	return kind < IPC_RESOURCE_COUNT && resources[kind].has_port;
}

static const char *const remote_states[IPC_REMOTE_STATE_COUNT] = {
	[IPC_REMOTE_OFF] = "off",
	[IPC_REMOTE_UP] = "up",
	[IPC_REMOTE_DEGRADED] = "degraded",
	[IPC_REMOTE_DOWN] = "down",
};

const char *
ipc_remote_state_name(uint64_t state)
{
	return state < IPC_REMOTE_STATE_COUNT ? remote_states[state] : "unknown";
}

static const char not_utf8[] = "not UTF-8";
static const char not_array[] = "not an array, or too many elements";

struct walk {
	struct cursor c;
	const char *why;
};

static void
refuse(struct walk *w, const char *why)
{
	if (!w->why)
		w->why = why;
	cursor_fail(&w->c);
}

static struct ipc_item
expect(struct walk *w, enum ipc_kind kind, uint64_t max, const char *why)
{
	struct ipc_item it = ipc_item_read(&w->c);

	if (!cursor_ok(&w->c))
		refuse(w, "cut short");
	else if (it.kind != kind || it.n > max)
		refuse(w, why);
	return it;
}

static void
skip(struct walk *w, uint64_t n)
{
	if (n > cursor_left(&w->c))
		refuse(w, "cut short");
	else
		w->c.p += n;
}

static void
check_text(struct walk *w, uint64_t max)
{
	struct ipc_item it = expect(w, IPC_STR, max, "not a text, or too long");
	const uint8_t *p = w->c.p;

	skip(w, it.n);
	if (!w->why && !utf8_valid(p, it.n))
		refuse(w, not_utf8);
}

static void
check_type(struct walk *w)
{
	struct ipc_item it = expect(w, IPC_ARRAY, IPC_MAX_SEGMENTS, "not an event type");

	if (!w->why && it.n == 0)
		refuse(w, "empty event type");
	for (uint64_t i = 0; !w->why && i < it.n; i++)
		check_text(w, IPC_MAX_TEXT);
}

static void
check_timestamp(struct walk *w)
{
	struct ipc_item it = expect(w, IPC_ARRAY, 2, "not a timestamp");

	if (!w->why && it.n != 2)
		refuse(w, "not a timestamp");
	it = ipc_item_read(&w->c);
	if (it.kind != IPC_INT && (it.kind != IPC_UINT || it.n > INT64_MAX))
		refuse(w, "not a timestamp");
	expect(w, IPC_UINT, 999999, "microseconds out of range");
}

static void
check_payload(struct walk *w)
{
	struct cursor start = w->c;
	struct ipc_item it = ipc_item_read(&w->c);

	if (it.kind == IPC_NIL)
		return;
	w->c = start;
	if (it.kind == IPC_STR) {
		check_text(w, IPC_MAX_EVENT);
		return;
	}
	it = expect(w, IPC_ARRAY, 2, "not a payload");
	if (!w->why && it.n != 2)
		refuse(w, "not a payload");
	check_text(w, IPC_MAX_TEXT);
	skip(w, expect(w, IPC_BIN, IPC_MAX_EVENT, "not bytes").n);
}

/* The elements are for ipc_event_read(). */
static void
check_events(struct walk *w)
{
	expect(w, IPC_ARRAY, IPC_MAX_COUNT, not_array);
	skip(w, cursor_left(&w->c));
}

static const char *check_shape(struct walk *w, const char *shape, int depth);

/* The position after the element that starts at shape. */
static const char *
shape_end(const char *shape)
{
	int depth = 0;

	while (*shape == '*' || *shape == '?')
		shape++;
	do {
		depth += (*shape == '[') - (*shape == ']');
		shape++;
	} while (depth > 0);
	return shape;
}

static void
check_repeat(struct walk *w, const char *element, int depth)
{
	struct ipc_item it = expect(w, IPC_ARRAY, IPC_MAX_COUNT, not_array);

	for (uint64_t i = 0; !w->why && i < it.n; i++) {
		const uint8_t *start = w->c.p;
		check_shape(w, element, depth + 1);
		if (!w->why && w->c.p - start > IPC_MAX_EVENT)
			refuse(w, "an element is too long");
	}
}

static const char *
check_group(struct walk *w, const char *shape, int depth)
{
	uint64_t want = 0;

	for (const char *s = shape + 1; *s != ']'; s = shape_end(s))
		want++;
	struct ipc_item it = expect(w, IPC_ARRAY, want, "wrong number of fields");
	if (!w->why && it.n != want)
		refuse(w, "wrong number of fields");
	shape++;
	while (*shape != ']')
		shape = check_shape(w, shape, depth + 1);
	return shape + 1;
}

/* Walks one value against one element of a shape; returns the shape after it. */
static const char *
check_shape(struct walk *w, const char *shape, int depth)
{
	if (depth > IPC_MAX_DEPTH)
		refuse(w, "nested too deep");
	switch (*shape) {
	case '[':
		return check_group(w, shape, depth);
	case '*':
		check_repeat(w, shape + 1, depth);
		return shape_end(shape);
	case '?': {
		struct cursor start = w->c;
		if (ipc_item_read(&w->c).kind == IPC_NIL && cursor_ok(&w->c))
			return shape_end(shape);
		w->c = w->why ? w->c : start;
		return check_shape(w, shape + 1, depth);
	}
	case 'u':
		expect(w, IPC_UINT, UINT32_MAX, "not an unsigned integer of 32 bits");
		break;
	case 'U':
		expect(w, IPC_UINT, UINT64_MAX, "not an unsigned integer");
		break;
	case 'b':
		expect(w, IPC_BOOL, UINT64_MAX, "not a boolean");
		break;
	case 's':
		check_text(w, IPC_MAX_TEXT);
		break;
	case 'B':
		skip(w, expect(w, IPC_BIN, IPC_MAX_MESSAGE, "not bytes").n);
		break;
	case 'N':
		check_type(w);
		break;
	case 'T':
		check_timestamp(w);
		break;
	case 'P':
		check_payload(w);
		break;
	case 'E':
		check_events(w);
		break;
	}
	return shape + 1;
}

const char *
ipc_check(const void *packet, size_t len, enum ipc_sender sender, enum ipc_phase phase,
    struct ipc_header *header)
{
	struct walk w = { .c = cursor_make(packet, len) };

	if (len > IPC_MAX_MESSAGE)
		return "longer than a message may be";
	header->type = cursor_u16le(&w.c);
	uint16_t flags = cursor_u16le(&w.c);
	header->id = cursor_u32le(&w.c);
	if (!cursor_ok(&w.c))
		return "shorter than a header";
	const struct ipc_rule *rule = ipc_rule_find(header->type);
	if (!rule)
		return "unknown message type";
	if (flags != 0)
		return "unknown flags";
	if (rule->sender != sender)
		return "not this side's message";
	if (!(rule->phases & phase))
		return "not in this phase";
	check_shape(&w, rule->shape, 1);
	if (!w.why && !cursor_done(&w.c))
		return "bytes after the message";
	return w.why;
}
