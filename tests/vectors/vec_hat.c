/* chatter.json, observer.json: the values given encode to the bytes given, and the bytes decode to
 * what encodes to the same bytes again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/hat/chatter.h"
#include "protocols/hat/eventer.h"
#include "protocols/hat/observer.h"
#include "tests/vectors/lib/hat.h"

/* HatEventer from JSON. */
static struct timestamp
time_of(const struct json *j)
{
	return (
	    struct timestamp){ vec_int(json_get(j, "s")), (uint32_t)vec_int(json_get(j, "us")) };
}

static struct eventer_time
optional_time(const struct json *j)
{
	const struct json *v = vec_optional(j);

	return v ? (struct eventer_time){ true, time_of(v) } : (struct eventer_time){ 0 };
}

static struct eventer_id
id_of(const struct json *j)
{
	return (struct eventer_id){ vec_int(json_get(j, "server")), vec_int(json_get(j, "session")),
		vec_int(json_get(j, "instance")) };
}

static size_t
segments_of(const struct json *type, struct sbs_str *segments)
{
	size_t n = 0;

	json_foreach (item, type)
		segments[n++] = vec_str(item);
	return n;
}

static struct eventer_types
types_of(struct buffer *b, const struct json *list)
{
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];

	buffer_init(b, MAX_BYTES);
	json_foreach (type, list)
		eventer_put_type(b, segments, segments_of(type, segments));
	return (struct eventer_types){ list->count, vec_view(b) };
}

static struct eventer_payload
payload_of(const struct json *j, struct buffer *bytes)
{
	struct eventer_payload p = { .kind = EVENTER_PAYLOAD_NONE };
	const struct json *choice = vec_optional(j);

	if (!choice)
		return p;
	const struct json *value = json_get(choice, "value");
	if (strcmp(json_str(json_get(choice, "$choice")), "json") == 0)
		return (
		    struct eventer_payload){ .kind = EVENTER_PAYLOAD_JSON, .data = vec_str(value) };
	vec_put_hex(bytes, json_str(json_get(json_get(value, "data"), "$hex")));
	return (struct eventer_payload){ EVENTER_PAYLOAD_BINARY, vec_str(json_get(value, "type")),
		vec_view(bytes) };
}

static void
put_event(struct buffer *b, const struct json *j, bool registered)
{
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	size_t n = segments_of(json_get(j, "type"), segments);
	struct buffer bytes, type, rest, prefix_bytes;

	buffer_init(&bytes, MAX_BYTES);
	buffer_init(&type, MAX_BYTES);
	buffer_init(&rest, MAX_BYTES);
	buffer_init(&prefix_bytes, MAX_BYTES);
	struct eventer_payload payload = payload_of(json_get(j, "payload"), &bytes);
	struct eventer_time source = optional_time(json_get(j, "sourceTimestamp"));
	struct eventer_prefix prefix = { .count = n / 2 };
	eventer_put_segments(&prefix_bytes, segments, n / 2);
	prefix.bytes = vec_view(&prefix_bytes);
	if (registered) {
		eventer_put_register_event(b, &prefix, segments + n / 2, n - n / 2,
		    source.set ? &source.t : NULL, &payload);
	} else {
		struct eventer_id id = id_of(json_get(j, "id"));
		struct timestamp t = time_of(json_get(j, "timestamp"));
		eventer_put_type(&type, segments, n);
		eventer_put_rest(&rest, source.set ? &source.t : NULL, &payload);
		eventer_put_event(b, &id, vec_view(&type), &t, vec_view(&rest));
	}
	buffer_clear(&bytes);
	buffer_clear(&type);
	buffer_clear(&rest);
	buffer_clear(&prefix_bytes);
}

/* A large one is described: 'one register event ("s"), binary payload type "b", N zero bytes'. */
static void
put_big_event(struct buffer *b, const char *text)
{
	struct sbs_str type = sbs_str("s");
	const char *number = strstr(text, "\"b\", ");
	size_t len = number ? strtoul(number + 5, NULL, 10) : 0;
	char *zeros = calloc(1, len + 1);
	struct eventer_payload payload = { EVENTER_PAYLOAD_BINARY, sbs_str("b"),
		{ zeros, zeros ? len : 0 } };

	eventer_put_register_event(b, &(struct eventer_prefix){ 0 }, &type, 1, NULL, &payload);
	free(zeros);
}

static struct buffer
events_of(const struct json *list, bool registered)
{
	struct buffer b;

	buffer_init(&b, MAX_BYTES);
	if (list->type == JSON_STRING)
		put_big_event(&b, list->text);
	json_foreach (item, list)
		put_event(&b, item, registered);
	return b;
}

/* Decoded events, encoded again from their parts. */
static struct buffer
repeat_events(struct eventer_events_iter *it, size_t *n)
{
	struct buffer b;
	struct eventer_event e;

	buffer_init(&b, MAX_BYTES);
	for (*n = 0; eventer_events_next(it, &e); ++*n) {
		const struct timestamp *source = e.source.set ? &e.source.t : NULL;
		struct buffer rest, type;
		buffer_init(&rest, MAX_BYTES);
		buffer_init(&type, MAX_BYTES);
		eventer_put_rest(&rest, source, &e.payload);
		eventer_put_type(&type, e.type.segments, e.type.count);
		if (it->registered)
			eventer_put_register_event(&b, &(struct eventer_prefix){ 0 },
			    e.type.segments, e.type.count, source, &e.payload);
		else
			eventer_put_event(
			    &b, &e.id, vec_view(&type), &e.timestamp, vec_view(&rest));
		buffer_clear(&rest);
		buffer_clear(&type);
	}
	return b;
}

/* Each handler sends twice on c: what the JSON says, then what the bytes say. */
typedef bool handler(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data);

static bool
on_init_req(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	const struct json *token = vec_optional(json_get(sbs, "clientToken"));
	const struct json *server = vec_optional(json_get(sbs, "serverId"));
	struct buffer b;
	struct eventer_init_req decoded, req = {
		.client_name = vec_str(json_get(sbs, "clientName")),
		.has_token = token,
		.has_server_id = server,
		.subscriptions = types_of(&b, json_get(sbs, "subscriptions")),
		.persisted = json_is_true(json_get(sbs, "persisted")),
	};

	(void)conv, (void)last;
	if (token)
		req.token = vec_str(token);
	if (server)
		req.server_id = vec_int(server);
	eventer_send_init_req(c, &req);
	buffer_clear(&b);
	if (eventer_init_req_decode(data, &decoded) != DEC_OK)
		return false;
	eventer_send_init_req(c, &decoded);
	return true;
}

static int
status_of(const struct json *j)
{
	static const char *const names[] = { "standby", "starting", "operational", "stopping",
		NULL };

	return json_enum(json_get(j, "$choice"), names);
}

static bool
on_init_res(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	const struct json *value = json_get(sbs, "value");
	struct eventer_init_res decoded, res = {
		.success = strcmp(json_str(json_get(sbs, "$choice")), "success") == 0,
	};

	(void)last;
	if (res.success)
		res.status = (enum eventer_status)status_of(value);
	else
		res.error = vec_str(value);
	eventer_send_init_res(c, conv, &res);
	if (eventer_init_res_decode(data, &decoded) != DEC_OK)
		return false;
	eventer_send_init_res(c, conv, &decoded);
	return true;
}

static bool
on_status(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	enum eventer_status status;

	(void)conv, (void)last;
	eventer_send_status_notify(c, (enum eventer_status)status_of(sbs));
	if (eventer_status_decode(data, &status) != DEC_OK)
		return false;
	eventer_send_status_notify(c, status);
	return true;
}

static bool
on_events_notify(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	struct buffer b = events_of(sbs, false);
	struct eventer_events_iter it;
	size_t n;

	(void)conv;
	eventer_begin_events_notify(c, sbs->count, b.len, !last);
	buffer_append(c->out, buffer_data(&b), b.len);
	buffer_clear(&b);
	if (eventer_events_notify_decode(data, &it) != DEC_OK)
		return false;
	b = repeat_events(&it, &n);
	eventer_begin_events_notify(c, n, b.len, !last);
	buffer_append(c->out, buffer_data(&b), b.len);
	buffer_clear(&b);
	return eventer_events_end(&it) == DEC_OK;
}

static bool
on_events_ack(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	(void)last, (void)sbs;
	eventer_send_events_ack(c, conv);
	eventer_send_events_ack(c, conv);
	return data.len == 0;
}

static bool
on_register_req(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	struct buffer b = events_of(sbs, true);
	struct eventer_events_iter it;
	size_t n;

	(void)conv;
	eventer_put_register_req(c, sbs->type == JSON_STRING ? 1 : sbs->count, vec_view(&b), !last);
	buffer_clear(&b);
	if (eventer_register_req_decode(data, &it) != DEC_OK)
		return false;
	b = repeat_events(&it, &n);
	eventer_put_register_req(c, n, vec_view(&b), !last);
	buffer_clear(&b);
	return eventer_events_end(&it) == DEC_OK;
}

static bool
on_register_res(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	bool success = strcmp(json_str(json_get(sbs, "$choice")), "events") == 0;
	struct eventer_register_res res;
	size_t n;

	(void)last;
	if (eventer_register_res_decode(data, &res) != DEC_OK || res.success != success)
		return false;
	if (!success) {
		eventer_send_register_failure(c, conv);
		eventer_send_register_failure(c, conv);
		return true;
	}
	struct buffer b = events_of(json_get(sbs, "value"), false);
	eventer_begin_register_res(c, conv, json_get(sbs, "value")->count, b.len);
	buffer_append(c->out, buffer_data(&b), b.len);
	buffer_clear(&b);
	b = repeat_events(&res.events, &n);
	eventer_begin_register_res(c, conv, n, b.len);
	buffer_append(c->out, buffer_data(&b), b.len);
	buffer_clear(&b);
	return eventer_events_end(&res.events) == DEC_OK;
}

static void
page_of(struct eventer_query *q, const struct json *value)
{
	const struct json *max = json_get(value, "maxResults"),
			  *last = json_get(value, "lastEventId");

	if (max && vec_optional(max)) {
		q->has_max_results = true;
		q->max_results = vec_int(vec_optional(max));
	}
	if (last && vec_optional(last)) {
		q->has_last_id = true;
		q->last_id = id_of(vec_optional(last));
	}
}

static bool
on_query_req(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	static const char *const kinds[] = { "latest", "timeseries", "server", NULL };
	static const char *const orders[] = { "descending", "ascending", NULL };
	static const char *const keys[] = { "timestamp", "sourceTimestamp", NULL };
	const struct json *value = json_get(sbs, "value"), *list = json_get(value, "eventTypes");
	struct buffer b = { 0 };
	struct eventer_query decoded, q = {
		.kind = (enum eventer_query_kind)json_enum(json_get(sbs, "$choice"), kinds),
	};

	(void)conv, (void)last;
	if (list && vec_optional(list)) {
		q.has_types = true;
		q.types = types_of(&b, vec_optional(list));
	}
	if (q.kind == EVENTER_QUERY_TIMESERIES) {
		q.from = optional_time(json_get(value, "tFrom"));
		q.to = optional_time(json_get(value, "tTo"));
		q.source_from = optional_time(json_get(value, "sourceTFrom"));
		q.source_to = optional_time(json_get(value, "sourceTTo"));
		q.order = (enum eventer_order)json_enum(
		    json_get(json_get(value, "order"), "$choice"), orders);
		q.order_by = (enum eventer_order_by)json_enum(
		    json_get(json_get(value, "orderBy"), "$choice"), keys);
	} else if (q.kind == EVENTER_QUERY_SERVER) {
		q.server_id = vec_int(json_get(value, "serverId"));
		q.persisted = json_is_true(json_get(value, "persisted"));
	}
	page_of(&q, value);
	eventer_send_query_req(c, &q);
	buffer_clear(&b);
	if (eventer_query_req_decode(data, &decoded) != DEC_OK)
		return false;
	eventer_send_query_req(c, &decoded);
	return true;
}

static bool
on_query_res(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	const struct json *list = json_get(sbs, "events");
	struct buffer b = events_of(list, false);
	struct eventer_events_iter it;
	bool more;
	size_t n;

	(void)last;
	eventer_begin_query_res(c, conv, list->count, b.len);
	buffer_append(c->out, buffer_data(&b), b.len);
	eventer_put_query_more(c, json_is_true(json_get(sbs, "moreFollows")));
	buffer_clear(&b);
	if (eventer_query_res_decode(data, &it) != DEC_OK)
		return false;
	b = repeat_events(&it, &n);
	if (eventer_query_res_end(&it, &more) == DEC_OK) {
		eventer_begin_query_res(c, conv, n, b.len);
		buffer_append(c->out, buffer_data(&b), b.len);
		eventer_put_query_more(c, more);
	}
	buffer_clear(&b);
	return true;
}

/* HatObserver from JSON. */
static struct observer_token
token_of(const struct json *j)
{
	const struct json *v = vec_optional(j);

	return v ? (struct observer_token){ true, vec_int(v) } : (struct observer_token){ 0 };
}

static bool
on_client(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	const struct json *res = json_get(sbs, "blessingRes");
	struct observer_client decoded, client = {
		.name = vec_str(json_get(sbs, "name")),
		.group = vec_str(json_get(sbs, "group")),
		.data = vec_str(json_get(sbs, "data")),
		.token = token_of(json_get(res, "token")),
		.ready = json_is_true(json_get(res, "ready")),
	};

	(void)conv, (void)last;
	observer_send_client(c, &client);
	if (observer_client_decode(data, &decoded) != DEC_OK)
		return false;
	observer_send_client(c, &decoded);
	return true;
}

static void
put_component(struct buffer *b, const struct json *j)
{
	const struct json *name = vec_optional(json_get(j, "name")),
			  *group = vec_optional(json_get(j, "group"));
	const struct json *req = json_get(j, "blessingReq"), *res = json_get(j, "blessingRes");
	const struct json *timestamp = vec_optional(json_get(req, "timestamp"));
	struct observer_component m = {
		.cid = vec_int(json_get(j, "cid")),
		.mid = vec_int(json_get(j, "mid")),
		.has_name = name,
		.has_group = group,
		.data = vec_str(json_get(j, "data")),
		.rank = vec_int(json_get(j, "rank")),
		.req_token = token_of(json_get(req, "token")),
		.has_timestamp = timestamp,
		.timestamp = timestamp ? vec_float(timestamp) : 0,
		.res_token = token_of(json_get(res, "token")),
		.ready = json_is_true(json_get(res, "ready")),
	};

	if (name)
		m.name = vec_str(name);
	if (group)
		m.group = vec_str(group);
	observer_put_component(b, &m);
}

static bool
on_server(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	const char *type = observer_msg_name(OBSERVER_SERVER);
	const struct json *list = json_get(sbs, "components");
	struct observer_server server;
	struct observer_component component;
	struct buffer *b = chatter_scratch(c);

	(void)conv, (void)last;
	sbs_put_int(b, vec_int(json_get(sbs, "cid")));
	sbs_put_int(b, vec_int(json_get(sbs, "mid")));
	sbs_put_int(b, (int64_t)list->count);
	json_foreach (item, list)
		put_component(b, item);
	chatter_send_scratch(c, NULL, type, true);
	if (observer_server_decode(data, &server) != DEC_OK)
		return false;
	b = chatter_scratch(c);
	sbs_put_int(b, server.cid);
	sbs_put_int(b, server.mid);
	sbs_put_int(b, (int64_t)server.count);
	while (observer_component_next(&server, &component))
		observer_put_component(b, &component);
	chatter_send_scratch(c, NULL, type, true);
	return observer_server_end(&server) == DEC_OK;
}

static bool
on_close(struct chatter *c, struct chatter_conv conv, bool last, const struct json *sbs,
    struct sbs_str data)
{
	(void)conv, (void)last, (void)sbs;
	for (int i = 0; i < 2; i++)
		chatter_send(c, NULL, observer_msg_name(OBSERVER_CLOSE), true, data);
	return data.len == 0;
}

static handler *const eventer_handlers[] = {
	[EVENTER_INIT_REQ] = on_init_req,
	[EVENTER_INIT_RES] = on_init_res,
	[EVENTER_STATUS_NOTIFY] = on_status,
	[EVENTER_EVENTS_NOTIFY] = on_events_notify,
	[EVENTER_EVENTS_ACK] = on_events_ack,
	[EVENTER_REGISTER_REQ] = on_register_req,
	[EVENTER_REGISTER_RES] = on_register_res,
	[EVENTER_QUERY_REQ] = on_query_req,
	[EVENTER_QUERY_RES] = on_query_res,
};

static handler *const observer_handlers[] = {
	[OBSERVER_CLIENT] = on_client,
	[OBSERVER_SERVER] = on_server,
	[OBSERVER_CLOSE] = on_close,
};

static handler *
handler_of(struct sbs_str type)
{
	int i = eventer_msg_parse(type);

	if (i >= 0)
		return eventer_handlers[i];
	i = observer_msg_parse(type);
	return i >= 0 ? observer_handlers[i] : NULL;
}

static bool
header_is(const struct chatter_msg *m, const struct json *vector)
{
	const struct json *msg = json_get(vector, "msg");

	return m->id == vec_int(json_get(msg, "id")) &&
	       m->first == vec_int(json_get(msg, "first")) &&
	       m->owner == json_is_true(json_get(msg, "owner")) &&
	       m->token == json_is_true(json_get(msg, "token")) &&
	       m->last == json_is_true(json_get(msg, "last")) &&
	       sbs_str_eq(m->type, vec_str(json_get(vector, "type")));
}

/* The frame sent for the message at that id, once from JSON and once from the decoded bytes. */
static bool
body_agrees(const struct chatter_msg *m, const struct json *vector, const struct buffer *frame)
{
	struct buffer out;
	struct chatter c;
	handler *h = handler_of(m->type);
	/* The owner's flag is the sender's: we are it. */
	struct chatter_conv conv = { m->first, m->owner };

	buffer_init(&out, 2 * MAX_BYTES);
	chatter_init(&c, &out, MAX_BYTES, (struct monotime){ 1 });
	c.next_id = m->id;
	bool good = h && h(&c, conv, m->last, json_get(vector, "sbs"), m->data);
	size_t first = frame->len;
	good =
	    good && out.len >= first && memcmp(buffer_data(&out), buffer_data(frame), first) == 0;
	/* The second frame differs in its ids alone: compare what it carries. */
	struct chatter_msg second;
	size_t used;
	good = good &&
	       chatter_frame_decode(buffer_data(&out) + first, out.len - first, MAX_BYTES, &used,
		   &second) == DEC_OK &&
	       first + used == out.len && sbs_str_eq(second.data, m->data);
	chatter_clear(&c);
	buffer_clear(&out);
	return good;
}

/* Pings have no body: one that comes in is answered, and ours are these bytes. */
static bool
ping_agrees(const struct chatter_msg *m, const struct json *vector, const struct buffer *frame)
{
	struct chatter_conv conv = { m->first, m->owner };
	bool is_ping = sbs_str_eq(m->type, sbs_str("HatChatter.Ping"));
	struct chatter_msg said, answer = { 1, m->first, !m->owner, true, true,
		sbs_str("HatChatter.Pong"), { 0 }, false };
	struct buffer out, want;
	struct chatter c;
	size_t room;

	buffer_init(&out, MAX_BYTES);
	buffer_init(&want, MAX_BYTES);
	chatter_init(&c, &out, MAX_BYTES, (struct monotime){ 1 });
	uint8_t *p = chatter_room(&c, frame->len, &room);
	bool good = p && room >= frame->len && m->data.len == 0;
	if (good) {
		memcpy(p, buffer_data(frame), frame->len);
		chatter_fed(&c, frame->len, (struct monotime){ 2 });
		good = chatter_next(&c, &said) == DEC_MORE;
	}
	if (is_ping)
		chatter_frame_encode(&want, &answer);
	good = good && vec_same(&out, &want);
	buffer_clear(&out);
	c.next_id = m->id;
	chatter_send(&c, chatter_msg_opens(m) ? NULL : &conv, json_str(json_get(vector, "type")),
	    m->last, m->data);
	good = good && vec_same(&out, frame);
	chatter_clear(&c);
	buffer_clear(&out);
	buffer_clear(&want);
	return good;
}

static bool
is_ping(struct sbs_str type)
{
	return sbs_str_eq(type, sbs_str("HatChatter.Ping")) ||
	       sbs_str_eq(type, sbs_str("HatChatter.Pong"));
}

/* What Monitor Servers say to each other: its frame is checked alone. */
static bool
is_excepted(struct sbs_str type)
{
	return sbs_str_eq(type, sbs_str("HatObserver.MsgSlave")) ||
	       sbs_str_eq(type, sbs_str("HatObserver.MsgMaster"));
}

static void
check_refused(const char *file, const struct json *vector)
{
	struct buffer frame = vec_from_hex(json_get(vector, "frame_hex"));
	struct chatter_msg m;
	size_t used;

	enum dec rc = chatter_frame_decode(buffer_data(&frame), frame.len, MAX_BYTES, &used, &m);
	vec_count(rc != DEC_OK || used != frame.len, file, json_str(json_get(vector, "name")));
	buffer_clear(&frame);
}

static void
check_frame(const char *file, const struct json *vector)
{
	struct buffer frame = vec_from_hex(json_get(vector, "frame_hex"));
	struct buffer data = vec_from_hex(json_get(vector, "data_hex")), again;
	struct chatter_msg m;
	size_t used;
	bool good =
	    chatter_frame_decode(buffer_data(&frame), frame.len, MAX_BYTES, &used, &m) == DEC_OK &&
	    used == frame.len && header_is(&m, vector);

	buffer_init(&again, MAX_BYTES);
	if (good)
		chatter_frame_encode(&again, &m);
	if (json_get(vector, "data_hex"))
		good = good && sbs_str_eq(m.data, vec_view(&data));
	good = good && vec_same(&again, &frame);
	if (good && is_excepted(m.type)) {
		vec_tally.excepted++;
	} else {
		if (good && is_ping(m.type))
			good = ping_agrees(&m, vector, &frame);
		else if (json_get(vector, "sbs"))
			good = good && body_agrees(&m, vector, &frame);
		vec_count(good, file, json_str(json_get(vector, "name")));
	}
	buffer_clear(&frame);
	buffer_clear(&data);
	buffer_clear(&again);
}

static void
run_file(const char *dir, const char *file)
{
	struct json_doc *doc = vec_load(dir, file);

	memset(&vec_tally, 0, sizeof(vec_tally));
	if (!doc) {
		printf("%s: 0 passed, 1 failed, 0 excepted (not readable)\n", file);
		vec_tally.failed = 1;
		return;
	}
	json_foreach (vector, vec_list(doc, "vectors")) {
		if (json_get(vector, "error"))
			check_refused(file, vector);
		else
			check_frame(file, vector);
	}
	printf("%s: %u passed, %u failed, %u excepted\n", file, vec_tally.passed, vec_tally.failed,
	    vec_tally.excepted);
	json_free(doc);
}

int
main(int argc, char **argv)
{
	static const char *const files[] = { "chatter.json", "observer.json" };
	unsigned failed = 0;

	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		run_file(argv[1], files[i]);
		failed += vec_tally.failed;
	}
	return failed ? 1 : 0;
}
