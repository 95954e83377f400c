/*
 * iec104_slave (gateway-iec104(7)), a device in a runner process: accepts
 * masters, keeps the last state of its data, gives them changes, answers
 * interrogations, passes commands on as events and their responses back.
 */
#include "device-runners/iec60870/iec104_slave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/iec60870.h"

enum {
	IN_FLIGHT_MAX = 16 * 1024 * 1024,
	CHANGES_ROOM = IEC104_MAX_QUEUE / 2, /* of the queue, left by buffered changes */
};

uint64_t
iec104_slave_send(struct slave_conn *sc, const void *asdu, size_t len)
{
	if (sc->conn.apci.state != APCI_STARTED || sc->conn.fd < 0)
		return 0;
	uint64_t number = iec104_conn_send(&sc->conn, asdu, len);
	if (number == 0)
		iec104_conn_break(&sc->conn, "more waits for this master than it takes");
	else
		ev_prepare_start(sc->slave->loop, &sc->slave->flusher);
	return number;
}

static void
on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct iec104_slave *s = w->data;

	(void)revents;
	ev_prepare_stop(loop, w);
	for (size_t i = 0; i < s->conn_count; i++)
		if (s->conns[i]->conn.out.len)
			iec104_conn_flush(&s->conns[i]->conn);
}

static void
register_list(void *arg)
{
	struct iec104_slave *s = arg;
	static const char *const type[] = { "gateway", "connections" };
	struct json_writer *w = runner_payload(s->runner);
	char link[32];
	size_t shown = 0;

	json_begin_array(w, NULL);
	for (size_t i = 0; i < s->conn_count; i++) {
		if (!s->conns[i]->shown)
			continue;
		shown++;
		json_begin_object(w, NULL);
		json_put_int(w, "connection_id", s->conns[i]->id);
		peer_address_put(w, "local", &s->conns[i]->local);
		peer_address_put(w, "remote", &s->conns[i]->remote);
		json_end_object(w);
	}
	json_end_array(w);
	runner_register_payload(s->runner, type, 2, NULL);
	s->told = shown;
	snprintf(link, sizeof(link), "%zu connected", shown);
	runner_set_link(s->runner, link);
}

/* The buffers hold more than the queue: what has no room is given when some was acknowledged. */
static bool
give_change(void *arg, uint64_t token, const void *asdu, size_t len)
{
	struct slave_conn *sc = arg;

	if (iec104_conn_room(&sc->conn) < CHANGES_ROOM)
		return false;
	struct in_flight f = { iec104_slave_send(sc, asdu, len), token };
	if (f.number)
		buffer_append(&sc->in_flight, &f, sizeof(f));
	return f.number != 0;
}

static void
give_changes(struct slave_conn *sc)
{
	points_read(&sc->slave->points, &sc->reader, give_change, sc);
}

/* What was queued and not sent is forgotten with the transfer; it is still in the buffers. */
static void
forget_unsent(struct slave_conn *sc)
{
	size_t keep = 0;

	for (; keep + sizeof(struct in_flight) <= sc->in_flight.len;
	     keep += sizeof(struct in_flight)) {
		struct in_flight f;
		memcpy(&f, buffer_data(&sc->in_flight) + keep, sizeof(f));
		if (f.number > sc->conn.apci.sent)
			break;
	}
	buffer_truncate(&sc->in_flight, keep);
}

static void
on_enabled(void *arg, bool enabled)
{
	struct slave_conn *sc = arg;

	forget_unsent(sc);
	points_reader_rewind(&sc->reader, &sc->slave->points);
	if (enabled)
		give_changes(sc);
}

static void
on_acknowledged(void *arg, uint64_t number)
{
	struct slave_conn *sc = arg;
	struct in_flight f;

	while (sc->in_flight.len >= sizeof(f)) {
		memcpy(&f, buffer_data(&sc->in_flight), sizeof(f));
		if (f.number > number)
			break;
		points_given(&sc->slave->points, f.token);
		buffer_consume(&sc->in_flight, sizeof(f));
	}
	if (sc->reader.behind)
		give_changes(sc);
}

static void
on_asdu(void *arg, const uint8_t *asdu, size_t len)
{
	iec104_answer(arg, asdu, len);
}

static void
conn_free(struct slave_conn *sc)
{
	iec104_conn_close(&sc->conn);
	buffer_clear(&sc->in_flight);
	points_reader_clear(&sc->reader);
	free(sc);
}

static void
on_closed(void *arg, const char *why)
{
	struct slave_conn *sc = arg;
	struct iec104_slave *s = sc->slave;

	for (size_t i = 0; i < s->conn_count; i++) {
		if (s->conns[i] != sc)
			continue;
		memmove(
		    &s->conns[i], &s->conns[i + 1], (s->conn_count - i - 1) * sizeof(s->conns[0]));
		s->conn_count--;
		break;
	}
	limit_warning(&s->link_limit, "connection %lld of %s ended: %s", (long long)sc->id,
	    sc->remote.host, why);
	bool shown = sc->shown;
	conn_free(sc);
	if (shown)
		paced_changed(&s->listed);
}

static void
on_ready(void *arg)
{
	struct slave_conn *sc = arg;

	sc->shown = true;
	limit_info(
	    &sc->slave->info_limit, "connection %lld of %s", (long long)sc->id, sc->remote.host);
	paced_changed(&sc->slave->listed);
}

static const struct iec104_handler handler = {
	.on_ready = on_ready,
	.on_asdu = on_asdu,
	.on_enabled = on_enabled,
	.on_acknowledged = on_acknowledged,
	.on_closed = on_closed,
};

static size_t
count_connections(void *arg)
{
	return ((struct iec104_slave *)arg)->conn_count;
}

static void
take_connection(
    void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	struct iec104_slave *s = arg;
	struct slave_conn *sc = calloc(1, sizeof(*sc));
	struct tls *tls = NULL;

	if (!sc || points_reader_init(&sc->reader, &s->points) < 0 ||
	    (s->tls && !(tls = s->security.ops->open(s->tls, fd, NULL))))
		runner_fail(s->runner, "out of memory");
	sc->slave = s;
	sc->local = *local;
	sc->remote = *remote;
	buffer_init(&sc->in_flight, IN_FLIGHT_MAX);
	sc->id = ++s->next_id;
	s->conns[s->conn_count++] = sc;
	++*s->accepted;
	if (iec104_conn_open(
		&sc->conn, s->runner, fd, &s->params, s->security.ops, tls, &handler, sc) < 0)
		runner_fail(s->runner, "out of memory");
	iec104_conn_renew(&sc->conn, s->security.renew_ms);
}

static const struct acceptor_ops acceptor_ops = { count_connections, take_connection };

static void
on_listen(void *arg, int fd, int error, const char *why)
{
	struct iec104_slave *s = arg;

	s->open_id = 0;
	if (fd < 0)
		runner_fail(s->runner, "%s", why ? why : strerror(error));
	acceptor_listen(&s->acceptor, fd);
	paced_changed(&s->listed);
	runner_ready(s->runner);
}

static void
on_files(void *arg, struct tls_context *context, const char *why)
{
	struct iec104_slave *s = arg;

	if (!context && !s->tls)
		runner_fail(s->runner, "security: %s", why);
	if (!context) {
		log_warning("security: %s; what was read before stays in use", why);
		return;
	}
	bool first = !s->tls;
	s->security.ops->context_free(s->tls);
	s->tls = context;
	if (first)
		s->open_id = runner_open(s->runner, s->listen_index, on_listen, s);
	for (size_t i = 0; i < s->conn_count; i++)
		iec104_conn_check(&s->conns[i]->conn, context);
}

static void
refuse(struct iec104_slave *s, const struct runner_event *event, const char *why)
{
	++*s->refused;
	limit_warning(&s->event_limit, "a system event %s of %zu segments is refused: %s",
	    event->type_len > 1 ? event->type[1] : "", event->type_len, why);
}

/* Takes an event apart; false when it is none for us, or refused. */
static bool
read_event(struct iec104_slave *s, const struct runner_event *event, struct iec_request *q)
{
	char why[IEC_JSON_WHY];

	if (event->type_len < 2 || strcmp(event->type[0], "system") != 0 ||
	    strcmp(event->type[1], "enable") == 0)
		return false;
	if (event->payload != RUNNER_PAYLOAD_JSON) {
		refuse(s, event, "no JSON payload");
		return false;
	}
	if (iec_request_read(q, &s->map, event->type + 1, event->type_len - 1,
		event->has_source_timestamp ? &event->source_timestamp : NULL, event->data,
		event->len, why) == 0)
		return true;
	refuse(s, event, why);
	return false;
}

static struct point *
keep_state(struct iec104_slave *s, const struct runner_event *event, const struct iec_request *q)
{
	struct point *p = points_find(&s->points, q->head.common, q->kind, q->object.address);

	if (!p) {
		refuse(s, event, "no such data is configured");
		return NULL;
	}
	p->head = q->head;
	p->object = q->object;
	p->known = true;
	return p;
}

static void
on_data(struct iec104_slave *s, const struct runner_event *event, const struct iec_request *q)
{
	struct point *p = keep_state(s, event, q);
	struct asdu_writer w;

	if (!p)
		return;
	p->live = true;
	asdu_begin(&w, &asdu_sizes_104, &q->head, ASDU_MAX_104);
	if (!asdu_add(&w, &q->object))
		return;
	const uint8_t *asdu = asdu_end(&w);
	bool kept = points_keep(&s->points, p, asdu, w.len) != 0;
	for (size_t i = 0; i < s->conn_count; i++) {
		if (kept)
			give_changes(s->conns[i]);
		else
			iec104_slave_send(s->conns[i], asdu, w.len);
	}
}

static void
on_response(struct iec104_slave *s, const struct runner_event *event, struct iec_request *q)
{
	struct asdu_writer w;

	for (size_t i = 0; i < s->conn_count; i++) {
		struct slave_conn *sc = s->conns[i];
		if (sc->id != q->connection)
			continue;
		q->head.originator = sc->originator;
		asdu_begin(&w, &asdu_sizes_104, &q->head, ASDU_MAX_104);
		if (!asdu_add(&w, &q->object) || !iec104_slave_send(sc, asdu_end(&w), w.len))
			refuse(s, event, "the connection takes no data");
		return;
	}
	refuse(s, event, "there is no connection of that connection_id");
}

static void
slave_on_event(void *device, const struct runner_event *event)
{
	struct iec104_slave *s = device;
	struct iec_request q;

	if (!read_event(s, event, &q))
		return;
	if (q.head.type->class == IEC_CLASS_DATA)
		on_data(s, event, &q);
	else
		on_response(s, event, &q);
}

/* The last states: they are no changes, so nobody is told and nothing is buffered. */
static void
on_last_state(void *arg, const struct runner_event *event)
{
	struct iec104_slave *s = arg;
	struct iec_request q;

	if (event && read_event(s, event, &q) && q.head.type->class == IEC_CLASS_DATA) {
		struct point *p = points_find(&s->points, q.head.common, q.kind, q.object.address);
		if (p && !p->live)
			keep_state(s, event, &q);
	}
	if (event)
		return;
	struct tls_settings settings = iec104_tls_settings(&s->security, true);
	if (s->security.configured)
		iec104_files_start(&s->files, s->runner, &s->security, &settings, on_files, s);
	else
		s->open_id = runner_open(s->runner, s->listen_index, on_listen, s);
}

static void
slave_start(void *device)
{
	static const struct runner_type types[] = { { { "system", "data", "*" }, 3 } };
	struct iec104_slave *s = device;

	runner_query(s->runner, types, 1, on_last_state, s);
}

static void
slave_on_credit(void *device)
{
	struct iec104_slave *s = device;

	for (size_t i = 0; i < s->conn_count; i++)
		iec104_conn_resume(&s->conns[i]->conn);
	acceptor_resume(&s->acceptor);
}

static void
close_all(struct iec104_slave *s)
{
	acceptor_stop(&s->acceptor);
	paced_stop(&s->listed);
	ev_prepare_stop(s->loop, &s->flusher);
	while (s->conn_count)
		conn_free(s->conns[--s->conn_count]);
}

static void
slave_stop(void *device)
{
	struct iec104_slave *s = device;

	runner_cancel(s->runner, s->open_id);
	iec104_files_stop(&s->files);
	close_all(s);
	if (s->told > 0)
		register_list(s);
}

static void
slave_free(void *device)
{
	struct iec104_slave *s = device;

	if (!s)
		return;
	close_all(s);
	if (s->tls)
		s->security.ops->context_free(s->tls);
	acceptor_clear(&s->acceptor);
	points_clear(&s->points);
	free(s);
}

static const struct schema_field buffer_fields[] = {
	{ "name", true, { .kind = SCHEMA_STRING } },
	{ "size", true, { .kind = SCHEMA_INT, .min = 0, .max = 10000000 } },
	{ .key = NULL },
};
static const struct schema buffer_schema = { .kind = SCHEMA_OBJECT, .fields = buffer_fields };
static const struct schema_field data_fields[] = {
	{ "data_type", true, { .kind = SCHEMA_ENUM, .names = iec_kind_conf_names } },
	{ "asdu_address", true, { .kind = SCHEMA_INT, .min = 0, .max = 65534 } },
	{ "io_address", true, { .kind = SCHEMA_INT, .min = 0, .max = 16777215 } },
	{ "buffer", true, { .kind = SCHEMA_STRING, .nullable = true } },
	{ .key = NULL },
};
static const struct schema data_schema = { .kind = SCHEMA_OBJECT, .fields = data_fields };
static const struct schema_field slave_fields[] = {
	IEC104_CONF_ROWS,
	{ "local_host", true, { .kind = SCHEMA_STRING } },
	{ "local_port", true, { .kind = SCHEMA_INT, .min = 1, .max = 65535 } },
	ACCEPTOR_SCHEMA_FIELDS,
	{ "buffers", true, { .kind = SCHEMA_ARRAY, .items = &buffer_schema } },
	{ "data", true, { .kind = SCHEMA_ARRAY, .items = &data_schema } },
	{ .key = NULL },
};
static const struct schema slave_schema = { .kind = SCHEMA_OBJECT, .fields = slave_fields };

static void
init_watchers(struct iec104_slave *s)
{
	paced_init(&s->listed, s->loop, register_list, s);
	ev_prepare_init(&s->flusher, on_flush);
	s->flusher.data = s;
	s->objects = runner_counter(s->runner, "objects");
	s->ignored = runner_counter(s->runner, "ignored");
	s->refused = runner_counter(s->runner, "refused");
	s->accepted = runner_counter(s->runner, "connections");
}

static void *
slave_create(struct runner *r, const struct json *conf)
{
	int64_t port = 0;

	if (runner_check_config(r, conf, &slave_schema, "") > 0)
		return NULL;
	struct iec104_slave *s = calloc(1, sizeof(*s));
	if (!s)
		runner_fail(r, "out of memory");
	s->runner = r;
	s->loop = runner_loop(r);
	init_watchers(s);
	acceptor_init(&s->acceptor, r, &acceptor_ops, s);
	acceptor_configure(&s->acceptor, conf, "", SLAVE_MAX_CONNECTIONS);
	int rc = iec104_conf_read(r, conf, &s->params, &s->map, &s->security);
	s->map.slave = true;
	if (points_init(&s->points, r, conf, &asdu_sizes_104) < 0)
		rc = -1;
	json_int(json_get(conf, "local_port"), 1, 65535, &port);
	s->listen_index =
	    runner_plan_listen(r, json_str(json_get(conf, "local_host")), (uint16_t)port);
	if (rc == 0)
		return s;
	slave_free(s);
	return NULL;
}

const struct runner_device iec104_slave_device = {
	.type = "iec104_slave",
	.create = slave_create,
	.describe = describe_104_slave,
	.start = slave_start,
	.on_event = slave_on_event,
	.on_credit = slave_on_credit,
	.stop = slave_stop,
	.free = slave_free,
};
