#include "protocols/hat/eventer_private.h"

static const char *const msg_names[] = {
	[EVENTER_INIT_REQ] = "HatEventer.MsgInitReq",
	[EVENTER_INIT_RES] = "HatEventer.MsgInitRes",
	[EVENTER_STATUS_NOTIFY] = "HatEventer.MsgStatusNotify",
	[EVENTER_EVENTS_NOTIFY] = "HatEventer.MsgEventsNotify",
	[EVENTER_EVENTS_ACK] = "HatEventer.MsgEventsAck",
	[EVENTER_REGISTER_REQ] = "HatEventer.MsgRegisterReq",
	[EVENTER_REGISTER_RES] = "HatEventer.MsgRegisterRes",
	[EVENTER_QUERY_REQ] = "HatEventer.MsgQueryReq",
	[EVENTER_QUERY_RES] = "HatEventer.MsgQueryRes",
};

static const char *const status_names[] = {
	[EVENTER_STANDBY] = "standby",
	[EVENTER_STARTING] = "starting",
	[EVENTER_OPERATIONAL] = "operational",
	[EVENTER_STOPPING] = "stopping",
};

const char *
eventer_msg_name(enum eventer_msg msg)
{
	return msg_names[msg];
}

int
eventer_msg_parse(struct sbs_str type)
{
	for (int i = 0; i < EVENTER_MSG_COUNT; i++)
		if (sbs_str_eq(type, sbs_str(msg_names[i])))
			return i;
	return -1;
}

const char *
eventer_status_name(enum eventer_status status)
{
	return status_names[status];
}

static enum dec
finish(const struct cursor *c)
{
	return cursor_done(c) ? DEC_OK : DEC_BAD;
}

enum dec
eventer_init_req_decode(struct sbs_str data, struct eventer_init_req *req)
{
	struct cursor c = cursor_make(data.p, data.len);

	*req = (struct eventer_init_req){ .client_name = sbs_get_str(&c) };
	req->has_token = sbs_get_optional(&c);
	if (req->has_token)
		req->token = sbs_get_str(&c);
	req->subscriptions = eventer_get_types(&c);
	req->has_server_id = sbs_get_optional(&c);
	if (req->has_server_id)
		req->server_id = sbs_get_int(&c);
	req->persisted = sbs_get_bool(&c);
	return finish(&c);
}

void
eventer_put_init_req(struct buffer *b, const struct eventer_init_req *req)
{
	sbs_put_str(b, req->client_name);
	sbs_put_optional(b, req->has_token);
	if (req->has_token)
		sbs_put_str(b, req->token);
	eventer_put_types(b, &req->subscriptions);
	sbs_put_optional(b, req->has_server_id);
	if (req->has_server_id)
		sbs_put_int(b, req->server_id);
	sbs_put_bool(b, req->persisted);
}

int64_t
eventer_send_init_req(struct chatter *c, const struct eventer_init_req *req)
{
	eventer_put_init_req(chatter_scratch(c), req);
	return chatter_send_scratch(c, NULL, msg_names[EVENTER_INIT_REQ], false);
}

enum dec
eventer_init_res_decode(struct sbs_str data, struct eventer_init_res *res)
{
	struct cursor c = cursor_make(data.p, data.len);

	*res = (struct eventer_init_res){ .success = sbs_get_choice(&c, 2) == 0 };
	if (res->success)
		res->status = (enum eventer_status)sbs_get_choice(&c, EVENTER_STATUS_COUNT);
	else
		res->error = sbs_get_str(&c);
	return finish(&c);
}

void
eventer_put_init_res(struct buffer *b, const struct eventer_init_res *res)
{
	sbs_put_int(b, res->success ? 0 : 1);
	if (res->success)
		sbs_put_int(b, res->status);
	else
		sbs_put_str(b, res->error);
}

int64_t
eventer_send_init_res(
    struct chatter *c, struct chatter_conv conv, const struct eventer_init_res *res)
{
	eventer_put_init_res(chatter_scratch(c), res);
	return chatter_send_scratch(c, &conv, msg_names[EVENTER_INIT_RES], true);
}

enum dec
eventer_status_decode(struct sbs_str data, enum eventer_status *status)
{
	struct cursor c = cursor_make(data.p, data.len);

	*status = (enum eventer_status)sbs_get_choice(&c, EVENTER_STATUS_COUNT);
	return finish(&c);
}

int64_t
eventer_send_status_notify(struct chatter *c, enum eventer_status status)
{
	sbs_put_int(chatter_scratch(c), status);
	return chatter_send_scratch(c, NULL, msg_names[EVENTER_STATUS_NOTIFY], true);
}

enum dec
eventer_events_notify_decode(struct sbs_str data, struct eventer_events_iter *it)
{
	struct cursor c = cursor_make(data.p, data.len);

	*it = eventer_get_events(&c, false);
	return cursor_ok(&it->c) ? DEC_OK : DEC_BAD;
}

int64_t
eventer_send_events_ack(struct chatter *c, struct chatter_conv conv)
{
	return chatter_send(c, &conv, msg_names[EVENTER_EVENTS_ACK], true, (struct sbs_str){ 0 });
}

int64_t
eventer_begin_events_notify(struct chatter *c, size_t count, size_t len, bool want_ack)
{
	int64_t first = chatter_begin(c, NULL, msg_names[EVENTER_EVENTS_NOTIFY], !want_ack,
	    sbs_int_size((int64_t)count) + len);

	if (first >= 0)
		sbs_put_int(c->out, (int64_t)count);
	return first;
}

enum dec
eventer_register_req_decode(struct sbs_str data, struct eventer_events_iter *it)
{
	struct cursor c = cursor_make(data.p, data.len);

	*it = eventer_get_events(&c, true);
	return cursor_ok(&it->c) ? DEC_OK : DEC_BAD;
}

int64_t
eventer_begin_register_req(struct chatter *c, size_t count, size_t len, bool want_answer)
{
	int64_t first = chatter_begin(c, NULL, msg_names[EVENTER_REGISTER_REQ], !want_answer,
	    sbs_int_size((int64_t)count) + len);

	if (first >= 0)
		sbs_put_int(c->out, (int64_t)count);
	return first;
}

int64_t
eventer_put_register_req(struct chatter *c, size_t count, struct sbs_str bytes, bool want_answer)
{
	int64_t first = eventer_begin_register_req(c, count, bytes.len, want_answer);

	if (first >= 0)
		buffer_append(c->out, bytes.p, bytes.len);
	return first;
}

enum dec
eventer_register_res_decode(struct sbs_str data, struct eventer_register_res *res)
{
	struct cursor c = cursor_make(data.p, data.len);

	*res = (struct eventer_register_res){ .success = sbs_get_choice(&c, 2) == 0 };
	if (!res->success)
		return finish(&c);
	res->events = eventer_get_events(&c, false);
	return cursor_ok(&res->events.c) ? DEC_OK : DEC_BAD;
}

int64_t
eventer_send_register_failure(struct chatter *c, struct chatter_conv conv)
{
	sbs_put_int(chatter_scratch(c), 1);
	return chatter_send_scratch(c, &conv, msg_names[EVENTER_REGISTER_RES], true);
}

int64_t
eventer_begin_register_res(struct chatter *c, struct chatter_conv conv, size_t count, size_t len)
{
	int64_t first = chatter_begin(c, &conv, msg_names[EVENTER_REGISTER_RES], true,
	    1 + sbs_int_size((int64_t)count) + len);

	if (first >= 0) {
		sbs_put_int(c->out, 0);
		sbs_put_int(c->out, (int64_t)count);
	}
	return first;
}

static void
get_latest(struct cursor *c, struct eventer_query *q)
{
	q->has_types = sbs_get_optional(c);
	if (q->has_types)
		q->types = eventer_get_types(c);
}

static void
put_latest(struct buffer *b, const struct eventer_query *q)
{
	sbs_put_optional(b, q->has_types);
	if (q->has_types)
		eventer_put_types(b, &q->types);
}

static void
get_page(struct cursor *c, struct eventer_query *q)
{
	q->has_max_results = sbs_get_optional(c);
	if (q->has_max_results)
		q->max_results = sbs_get_int(c);
	q->has_last_id = sbs_get_optional(c);
	if (q->has_last_id)
		q->last_id = eventer_get_id(c);
}

static void
put_page(struct buffer *b, const struct eventer_query *q)
{
	sbs_put_optional(b, q->has_max_results);
	if (q->has_max_results)
		sbs_put_int(b, q->max_results);
	sbs_put_optional(b, q->has_last_id);
	if (q->has_last_id)
		eventer_put_id(b, &q->last_id);
}

static void
get_timeseries(struct cursor *c, struct eventer_query *q)
{
	get_latest(c, q);
	q->from = eventer_get_optional_time(c);
	q->to = eventer_get_optional_time(c);
	q->source_from = eventer_get_optional_time(c);
	q->source_to = eventer_get_optional_time(c);
	q->order = (enum eventer_order)sbs_get_choice(c, 2);
	q->order_by = (enum eventer_order_by)sbs_get_choice(c, 2);
	get_page(c, q);
}

static void
put_timeseries(struct buffer *b, const struct eventer_query *q)
{
	put_latest(b, q);
	eventer_put_optional_time(b, &q->from);
	eventer_put_optional_time(b, &q->to);
	eventer_put_optional_time(b, &q->source_from);
	eventer_put_optional_time(b, &q->source_to);
	sbs_put_int(b, q->order);
	sbs_put_int(b, q->order_by);
	put_page(b, q);
}

static void
get_server(struct cursor *c, struct eventer_query *q)
{
	q->server_id = sbs_get_int(c);
	q->persisted = sbs_get_bool(c);
	get_page(c, q);
}

static void
put_server(struct buffer *b, const struct eventer_query *q)
{
	sbs_put_int(b, q->server_id);
	sbs_put_bool(b, q->persisted);
	put_page(b, q);
}

static const struct {
	void (*get)(struct cursor *c, struct eventer_query *q);
	void (*put)(struct buffer *b, const struct eventer_query *q);
} queries[] = {
	[EVENTER_QUERY_LATEST] = { .get = get_latest, .put = put_latest },
	[EVENTER_QUERY_TIMESERIES] = { .get = get_timeseries, .put = put_timeseries },
	[EVENTER_QUERY_SERVER] = { .get = get_server, .put = put_server },
};

enum dec
eventer_query_req_decode(struct sbs_str data, struct eventer_query *query)
{
	struct cursor c = cursor_make(data.p, data.len);

	*query = (struct eventer_query){ .kind = (enum eventer_query_kind)sbs_get_choice(&c, 3) };
	queries[query->kind].get(&c, query);
	return finish(&c);
}

void
eventer_put_query_req(struct buffer *b, const struct eventer_query *query)
{
	sbs_put_int(b, query->kind);
	queries[query->kind].put(b, query);
}

int64_t
eventer_send_query_req(struct chatter *c, const struct eventer_query *query)
{
	eventer_put_query_req(chatter_scratch(c), query);
	return chatter_send_scratch(c, NULL, msg_names[EVENTER_QUERY_REQ], false);
}

enum dec
eventer_query_res_decode(struct sbs_str data, struct eventer_events_iter *it)
{
	/* The last byte says whether more follows; the events are what is before it. */
	struct cursor c = cursor_make(data.p, data.len ? data.len - 1 : 0);

	*it = eventer_get_events(&c, false);
	return data.len && cursor_ok(&it->c) && (uint8_t)data.p[data.len - 1] <= 1 ? DEC_OK
										   : DEC_BAD;
}

bool
eventer_query_res_more(const struct eventer_events_iter *it)
{
	return *it->c.end == 1;
}

enum dec
eventer_query_res_end(const struct eventer_events_iter *it, bool *more_follows)
{
	if (eventer_events_end(it) != DEC_OK)
		return DEC_BAD;
	*more_follows = eventer_query_res_more(it);
	return DEC_OK;
}

int64_t
eventer_begin_query_res(struct chatter *c, struct chatter_conv conv, size_t count, size_t len)
{
	int64_t first = chatter_begin(
	    c, &conv, msg_names[EVENTER_QUERY_RES], true, sbs_int_size((int64_t)count) + len + 1);

	if (first >= 0)
		sbs_put_int(c->out, (int64_t)count);
	return first;
}

void
eventer_put_query_more(struct chatter *c, bool more_follows)
{
	sbs_put_bool(c->out, more_follows);
}
