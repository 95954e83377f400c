/*
 * An Event Server that counts, for benchmarks: it says that everything is
 * enabled (or as many devices as the second argument says), that a slave's data d0, d1, .. (as many
 * as the argument says) are 1 (of iec104_slave: bitstring/1/0, 1, ..), and keeps nothing. What it
 * looks at in events is an order: "mode count" (their number alone), "mode running" (all is
 * decoded, and gateway/running true is counted), "mode modbus" and "mode iec" (values are stamps
 * whose age is kept).
 *
 * "notify KIND N GAP TYPE" sends N events of that type, GAP us apart, with a
 * stamp in a payload for modbus, iec, data (of iec104_slave) or mms (of iec61850_client), and
 * answers at once. "stat": {"now":..,"events":..,"messages":..,"bytes":..,"bad":..,"running":..,
 * "running_at":..,"left":..,"age":{..}}; left: of those to notify
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocols/hat/eventer.h"
#include "tests/bench/tool.h"

enum { READ_SIZE = 256 * 1024, MAX_OUT = 64 * 1024 * 1024 };
enum mode { COUNT, RUNNING, MODBUS, IEC, DATA, MMS };

/* A bitstring for iec104_slave, around its four octets. */
#define DATA_HEAD "{\"is_test\":false,\"cause\":\"SPONTANEOUS\",\"data\":{\"value\":["
#define DATA_TAIL                                                                                  \
	"],\"quality\":{\"invalid\":false,\"not_topical\":false,\"substituted\":false,"            \
	"\"blocked\":false,\"overflow\":false}}}"

struct peer {
	struct chatter chatter;
	struct buffer out;
};

static struct peer *peers[TOOL_MAX_FDS];
static int gateway = -1; /* the last that connected */
static enum mode mode = RUNNING, notify_kind;
static uint64_t events, messages, bytes, bad, running, notify_left, instance;
static unsigned long data_count, enabled_count = ULONG_MAX;
static int64_t running_at;
static char notify_type[512];
static struct samples age;

static struct sbs_str
content(const struct buffer *b)
{
	return (struct sbs_str){ (const char *)buffer_data(b), b->len };
}

static void
put_event(struct buffer *b, const struct sbs_str *segments, size_t count, const char *json)
{
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON, .data = sbs_str(json) };
	struct eventer_id id = { 1, 1, (int64_t)++instance };
	struct timestamp now = timestamp_now();
	struct buffer type, rest;

	buffer_init(&type, MAX_OUT);
	buffer_init(&rest, MAX_OUT);
	eventer_put_type(&type, segments, count);
	eventer_put_rest(&rest, NULL, &payload);
	eventer_put_event(b, &id, content(&type), &now, content(&rest));
	buffer_clear(&type);
	buffer_clear(&rest);
}

/* The latest events of one type of a query. */
static void
put_latest(struct buffer *b, const struct eventer_type *type, size_t *count)
{
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	char name[24];
	size_t n = type->count < EVENTER_MAX_SEGMENTS - 2 ? type->count : 0;
	bool iec = n > 1 && sbs_str_eq(type->segments[1], sbs_str("iec104_slave"));

	for (size_t i = 0; i < n; i++)
		segments[i] =
		    sbs_str_eq(type->segments[i], sbs_str("?")) ? sbs_str("1") : type->segments[i];
	if (n && sbs_str_eq(segments[n - 1], sbs_str("enable"))) {
		bool device = n > 1 && sbs_str_eq(segments[n - 2], sbs_str("system"));
		if (device && enabled_count == 0)
			return;
		enabled_count -= device && enabled_count != ULONG_MAX;
		put_event(b, segments, n, "true");
		++*count;
	} else if (n > 1 && sbs_str_eq(segments[n - 2], sbs_str("data"))) {
		for (unsigned long i = 0; i < data_count; i++, ++*count) {
			snprintf(name, sizeof(name), iec ? "%lu" : "d%lu", i);
			segments[n - 1] = iec ? sbs_str("bitstring") : sbs_str(name);
			segments[n] = sbs_str("1");
			segments[n + 1] = sbs_str(name);
			put_event(b, segments, iec ? n + 2 : n,
			    iec ? DATA_HEAD "1,2,3,4" DATA_TAIL : "{\"value\":1}");
		}
	}
}

static void
on_query(struct peer *p, const struct chatter_msg *msg)
{
	struct eventer_query q;
	struct eventer_type type;
	struct buffer found;
	size_t count = 0;

	buffer_init(&found, MAX_OUT);
	if (eventer_query_req_decode(msg->data, &q) == DEC_OK && q.has_types) {
		struct eventer_types_iter it = eventer_types_begin(&q.types);
		while (eventer_types_next(&it, &type))
			put_latest(&found, &type, &count);
	}
	eventer_begin_query_res(&p->chatter, chatter_msg_conv(msg), count, found.len);
	buffer_append(&p->out, buffer_data(&found), found.len);
	eventer_put_query_more(&p->chatter, false);
	buffer_clear(&found);
}

/* The text behind a key of a JSON payload, white space skipped; NULL where there is none. */
static const char *
member(const struct sbs_str *json, const char *key)
{
	const char *p = memmem(json->p, json->len, key, strlen(key));

	for (p = p ? p + strlen(key) : NULL; p && (*p == ' ' || *p == ':');)
		p++;
	return p;
}

static void
look_at_value(const struct sbs_str *json)
{
	const char *p = member(json, "\"value\"");
	uint32_t v = 0;

	if (!p)
		return;
	if (mode == MODBUS) {
		samples_add(&age, tool_now_ns() - (int64_t)tool_number(&p));
		return;
	}
	for (int i = 0; i < 4 && (*p == '[' || *p == ','); i++) {
		p += p[1] == ' ' ? 2 : 1;
		v = v << 8 | (uint32_t)tool_number(&p);
	}
	samples_add(&age, (int64_t)(uint32_t)((uint32_t)(tool_now_ns() / 100) - v) * 100);
}

static void
look_at(const struct eventer_event *e)
{
	size_t n = e->type.count;

	if (e->payload.kind != EVENTER_PAYLOAD_JSON || n < 2)
		return;
	if (mode == RUNNING && sbs_str_eq(e->type.segments[n - 1], sbs_str("running")) &&
	    sbs_str_eq(e->payload.data, sbs_str("true"))) {
		running++;
		running_at = tool_now_ns();
	}
	if (mode == MODBUS && sbs_str_eq(e->type.segments[n - 2], sbs_str("read")))
		look_at_value(&e->payload.data);
	if (mode == IEC && n > 4 && sbs_str_eq(e->type.segments[4], sbs_str("command")))
		look_at_value(&e->payload.data);
}

static void
on_register(struct peer *p, const struct chatter_msg *msg)
{
	struct eventer_events_iter it;
	struct eventer_event e;

	messages++;
	if (eventer_register_req_decode(msg->data, &it) != DEC_OK) {
		bad++;
		return;
	}
	events += it.left;
	bytes += msg->data.len;
	if (mode != COUNT) {
		while (eventer_events_next(&it, &e))
			look_at(&e);
		bad += eventer_events_end(&it) != DEC_OK;
	}
	if (!msg->last)
		eventer_send_register_failure(&p->chatter, chatter_msg_conv(msg));
}

static void
on_message(struct peer *p, const struct chatter_msg *msg)
{
	struct eventer_init_res ok = { .success = true, .status = EVENTER_OPERATIONAL };

	switch (eventer_msg_parse(msg->type)) {
	case EVENTER_INIT_REQ:
		eventer_send_init_res(&p->chatter, chatter_msg_conv(msg), &ok);
		break;
	case EVENTER_REGISTER_REQ:
		on_register(p, msg);
		break;
	case EVENTER_QUERY_REQ:
		on_query(p, msg);
		break;
	default:
		break;
	}
}

static void
flush(int fd, struct peer *p)
{
	if (p->out.len)
		tool_write(fd, buffer_data(&p->out), p->out.len);
	buffer_reset(&p->out);
}

static void
on_accept(int fd)
{
	peers[fd] = calloc(1, sizeof(struct peer));
	buffer_init(&peers[fd]->out, MAX_OUT);
	chatter_init(&peers[fd]->chatter, &peers[fd]->out, CHATTER_MAX_FRAME, monotime_now());
	gateway = fd;
}

static void
end(int fd)
{
	chatter_clear(&peers[fd]->chatter);
	buffer_clear(&peers[fd]->out);
	free(peers[fd]);
	peers[fd] = NULL;
	if (gateway == fd)
		gateway = -1;
	tool_drop(fd);
}

static void
on_input(int fd)
{
	struct peer *p = peers[fd];
	struct chatter_msg msg;
	size_t size;
	uint8_t *room = chatter_room(&p->chatter, READ_SIZE, &size);
	ssize_t n = read(fd, room, size);
	enum dec r;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(fd);
		return;
	}
	chatter_fed(&p->chatter, (size_t)n, monotime_now());
	while ((r = chatter_next(&p->chatter, &msg)) == DEC_OK)
		on_message(p, &msg);
	flush(fd, p);
	if (r == DEC_BAD) {
		bad++;
		end(fd);
	}
}

static void
put_stamp(char *json, size_t size)
{
	uint32_t v = (uint32_t)(tool_now_ns() / 100);

	if (notify_kind == MODBUS)
		snprintf(
		    json, size, "{\"request_id\":\"1\",\"value\":%lld}", (long long)tool_now_ns());
	else if (notify_kind == MMS)
		snprintf(json, size,
		    "{\"session_id\":\"1\",\"action\":\"OPERATE\",\"value\":%lld,\"origin\":"
		    "{\"category\":\"REMOTE_CONTROL\",\"identification\":\"b\"},"
		    "\"test\":false,\"checks\":[]}",
		    (long long)tool_now_ns());
	else
		snprintf(json, size,
		    notify_kind == DATA ? DATA_HEAD "%u,%u,%u,%u" DATA_TAIL
					: "{\"is_test\":false,\"cause\":\"ACTIVATION\",\"command\":"
					  "{\"value\":[%u,%u,%u,%u]}}",
		    v >> 24, v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff);
}

static void
notify(void)
{
	struct peer *p = gateway >= 0 ? peers[gateway] : NULL;
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	struct buffer event;
	char json[256];
	size_t n = 0;

	if (!p || notify_left == 0 || --notify_left == 0)
		tool_tick(0);
	if (!p)
		return;
	for (char *s = notify_type; *s && n < EVENTER_MAX_SEGMENTS; s += segments[n++].len) {
		s += n ? 1 : 0;
		segments[n] = (struct sbs_str){ s, strcspn(s, "/") };
	}
	put_stamp(json, sizeof(json));
	buffer_init(&event, MAX_OUT);
	put_event(&event, segments, n, json);
	eventer_begin_events_notify(&p->chatter, 1, event.len, false);
	buffer_append(&p->out, buffer_data(&event), event.len);
	flush(gateway, p);
	buffer_clear(&event);
}

static enum mode
mode_of(const char *name)
{
	static const char *const names[] = { "count", "running", "modbus", "iec", "data", "mms" };

	for (unsigned i = 0; i < 6; i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return i;
	return COUNT;
}

static void
on_order(char *line)
{
	char kind[16];
	unsigned long n, gap;

	if (strncmp(line, "mode ", 5) == 0)
		mode = mode_of(line + 5);
	if (sscanf(line, "notify %15s %lu %lu %511s", kind, &n, &gap, notify_type) == 4) {
		notify_kind = mode_of(kind);
		notify_left = n;
		tool_tick((int64_t)gap * 1000);
	}
	printf("{\"now\":%lld,\"events\":%llu,\"messages\":%llu,\"bytes\":%llu,\"bad\":%llu,"
	       "\"running\":%llu,\"running_at\":%lld,\"left\":%llu,\"age\":",
	    (long long)tool_now_ns(), (unsigned long long)events, (unsigned long long)messages,
	    (unsigned long long)bytes, (unsigned long long)bad, (unsigned long long)running,
	    (long long)running_at, (unsigned long long)notify_left);
	samples_print(&age);
	printf("}\n");
}

int
main(int argc, char **argv)
{
	static const struct tool tool = { on_accept, on_input, on_order, notify };

	data_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	if (argc > 2)
		enabled_count = strtoul(argv[2], NULL, 10);
	return tool_serve(&tool);
}
