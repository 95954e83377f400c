/*
 * iec104_master (gateway-iec104(7)), a device in a runner process: connects to
 * the first of its remote addresses that answers, makes events of what comes,
 * sends what system events ask for.
 */
#include "device-runners/iec60870/iec60870.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/describe_data.h"
#include "device-runners/iec60870/iec104/iec104_conf.h"
#include "device-runners/iec60870/iec_events.h"
#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/report/health.h"

enum {
	MASTER_MAX_ADDRESSES = 32,
	MASTER_CONNECT_MS = 30000, /* t0 */
	MASTER_LIVED_MS = 10000, /* a connection that stood so long earns an immediate reconnect */
	MASTER_MIN_SYNC_MS = 100,
	MASTER_MAX_AGE_MS = 5000, /* of a message that waits for the window */
};

struct iec104_master {
	struct runner *runner;
	struct ev_loop *loop;
	struct iec104_conf conf;
	struct iec_map map;
	char *hosts[MASTER_MAX_ADDRESSES]; /* owned */
	int address_count;
	const char *host; /* the one that is connected, or tried */
	struct endpoint endpoint;
	struct health_end *health;
	struct iec104_conn conn;
	int64_t sync_ms; /* 0: never */
	ev_timer sync;
	struct iec_events events;
	struct limit input_limit, info_limit;
	uint64_t *objects, *ignored, *connects;
};

/* False when it cannot be encoded or is not taken. */
static bool
send_object(struct iec104_master *m, const struct asdu_head *head, const struct iec_object *o)
{
	struct asdu_writer w;
	const uint8_t *asdu = asdu_of_one(&w, &asdu_sizes_104, head, o, ASDU_MAX_104);

	if (!asdu || !iec104_conn_send(&m->conn, asdu, w.len, 0))
		return false;
	health_sent(m->health, w.len);
	return true;
}

static void
send_clock(struct iec104_master *m)
{
	struct asdu_head head = { .type = iec_type_find(IEC_C_CS_NA_1),
		.cause = IEC_ACTIVATION,
		.common = asdu_max_common(&asdu_sizes_104) };
	struct iec_object o = { .address = 0 };

	iec_time_from_timestamp(&o.time, &m->map.zone, timestamp_now());
	send_object(m, &head, &o);
}

static void
on_sync(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	send_clock(w->data);
}

/* An ASDU waited for the window: a synchronization gets the time of now; all else is in control
 * direction and does not age. */
static bool
on_leaving(void *arg, uint8_t *asdu, size_t len, int64_t waited_ms)
{
	struct iec104_master *m = arg;
	struct iec_time t;

	if (asdu[0] == IEC_C_CS_NA_1) {
		iec_time_from_timestamp(&t, &m->map.zone, timestamp_now());
		iec_time_encode(&t, asdu + len - IEC_TIME_CP56);
		return true;
	}
	if (waited_ms <= MASTER_MAX_AGE_MS)
		return true;
	++*m->events.refused;
	limit_warning(&m->events.limit,
	    "did not send a message of type %u: it waited for %lld ms until the station "
	    "acknowledged earlier ones",
	    asdu[0], (long long)waited_ms);
	return false;
}

static void
register_object(struct iec104_master *m, const struct asdu_head *head, const struct iec_object *o)
{
	static const char *const prefix[] = { "gateway" };
	const char *why = iec_events_register(&m->events, prefix, 1, &m->map, head, o, -1);

	++*(why ? m->ignored : m->objects);
	if (why)
		limit_warning(&m->input_limit, "ignored %s of address %u/%u: %s", head->type->name,
		    head->common, o->address, why);
}

static void
on_asdu(void *arg, const uint8_t *bytes, size_t len)
{
	struct iec104_master *m = arg;
	struct asdu a;
	struct iec_object o;

	health_received(m->health, len);
	switch (asdu_decode(&a, &asdu_sizes_104, bytes, len)) {
	case DEC_OK:
		break;
	case DEC_UNSUP:
		++*m->ignored;
		limit_warning(
		    &m->input_limit, "ignored an ASDU of unknown type %u", a.head.type_id);
		return;
	default:
		++*m->ignored;
		limit_warning(&m->input_limit,
		    "ignored an ASDU of type %u: its length of %zu bytes is wrong", a.head.type_id,
		    len);
		return;
	}
	/* The answer to our own clock; the end of a station's initialisation has no event. */
	if (a.head.type->class == IEC_CLASS_CLOCK_SYNC)
		return;
	if (a.head.type->class == IEC_CLASS_END_OF_INIT) {
		limit_info(&m->info_limit, "station %u has initialized", a.head.common);
		return;
	}
	iec_events_judge(&m->events, m->health, &a.head);
	while (asdu_next(&a, &o))
		register_object(m, &a.head, &o);
}

static void
on_enabled(void *arg, bool enabled)
{
	struct iec104_master *m = arg;

	if (enabled)
		endpoint_usable(&m->endpoint);
}

/* The connection is lost, or never came to a data transfer. */
static void
on_closed(void *arg, const char *why)
{
	struct iec104_master *m = arg;
	char text[512];

	snprintf(text, sizeof(text), "%s (%s)", why, m->host);
	endpoint_lost(&m->endpoint, true, text);
}

static const struct iec104_handler handler = {
	.on_asdu = on_asdu,
	.on_enabled = on_enabled,
	.on_leaving = on_leaving,
	.on_closed = on_closed,
};

static void
on_opened(void *arg, int address, int fd)
{
	struct iec104_master *m = arg;

	m->host = m->hosts[address];
	iec104_conf_open(&m->conf, &m->conn, m->runner, fd, m->host, &handler, m);
}

static void
on_status(void *arg, enum connection_status status, int fd)
{
	struct iec104_master *m = arg;

	(void)fd;
	connection_tell(m->runner, status);
	ev_timer_stop(m->loop, &m->sync);
	if (status != CONNECTION_CONNECTED)
		return;
	++*m->connects;
	limit_info(&m->info_limit, "connected to %s", m->host);
	if (!m->sync_ms)
		return;
	send_clock(m);
	m->sync.repeat = (double)m->sync_ms / 1000;
	ev_timer_again(m->loop, &m->sync);
}

static const struct endpoint_ops endpoint_ops = {
	.status = on_status,
	.opened = on_opened,
};

static void
on_files(void *arg)
{
	struct iec104_master *m = arg;

	endpoint_start(&m->endpoint);
}

static void
on_renewed(void *arg, struct tls_context *context)
{
	struct iec104_master *m = arg;

	iec104_conn_check(&m->conn, context);
}

static void
master_check(void *device)
{
	struct iec104_master *m = device;

	tls_set_check(&m->conf.files, m->runner, &m->conf.tls);
}

static void
master_start(void *device)
{
	static const struct tls_set_ops ops = { .ready = on_files, .renewed = on_renewed };
	struct iec104_master *m = device;

	runner_ready(m->runner);
	tls_set_start(&m->conf.files, m->runner, &m->conf.tls, &ops, m);
}

static void
master_on_event(void *device, const struct runner_event *event)
{
	struct iec104_master *m = device;
	struct iec_request q;

	if (!iec_events_read(&m->events, event, 1, &m->map, &q))
		return;
	if (endpoint_status(&m->endpoint) != CONNECTION_CONNECTED) {
		iec_events_refuse(&m->events, event, "the device is not connected");
		return;
	}
	if (!send_object(m, &q.head, &q.object))
		iec_events_refuse(&m->events, event, "the send queue is full");
}

static void
master_on_credit(void *device)
{
	struct iec104_master *m = device;

	iec104_conn_resume(&m->conn);
}

static void
master_stop(void *device)
{
	struct iec104_master *m = device;

	tls_set_stop(&m->conf.files);
	iec104_conn_close(&m->conn);
	if (endpoint_status(&m->endpoint) == CONNECTION_DISCONNECTED)
		connection_tell(m->runner, CONNECTION_DISCONNECTED);
	endpoint_stop(&m->endpoint);
}

static void
master_free(void *device)
{
	struct iec104_master *m = device;

	if (!m)
		return;
	iec104_conn_close(&m->conn);
	tls_set_clear(&m->conf.files);
	for (int i = 0; i < m->address_count; i++)
		free(m->hosts[i]);
	free(m);
}

static const struct schema_field address_fields[] = {
	{ .key = "host", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "port", .required = true, .is = SCHEMA_PORT },
	{ .key = NULL },
};
static const struct schema address_schema = { .kind = SCHEMA_OBJECT, .fields = address_fields };
static const struct schema_field master_fields[] = {
	IEC104_CONF_ROWS,
	{ .key = "remote_addresses",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY,
		.min = 1,
		.max = MASTER_MAX_ADDRESSES,
		.items = &address_schema } },
	IEC104_NUMBER("reconnect_delay", true, 0, RUNNER_MAX_SECONDS),
	{ .key = "time_sync_delay",
	    .required = true,
	    .is = { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = NULL },
};
static const struct schema master_schema = { .kind = SCHEMA_OBJECT, .fields = master_fields };

static void
make_endpoint(struct iec104_master *m, const struct json *conf)
{
	struct endpoint_conf e = {
		.delay_ns = iec104_conf_ms(conf, "reconnect_delay") * INT64_C(1000000),
		.lived_ns = MASTER_LIVED_MS * INT64_C(1000000),
		.timeout_ns = MASTER_CONNECT_MS * INT64_C(1000000),
	};

	json_foreach (address, json_get(conf, "remote_addresses")) {
		const char *host = json_str(json_get(address, "host"));
		int64_t port = 0;
		json_int(json_get(address, "port"), 1, 65535, &port);
		int resource = runner_plan_connect(m->runner, host, (uint16_t)port);
		if (!e.addresses++)
			e.resource = resource;
		if (!(m->hosts[m->address_count++] = strdup(host)))
			runner_fail(m->runner, "out of memory");
	}
	e.health = m->health = health_add(m->runner, "station %s", m->hosts[0]);
	endpoint_init(&m->endpoint, m->runner, &e, &endpoint_ops, m);
}

static void *
master_create(struct runner *r, const struct json *conf)
{
	if (runner_check_config(r, conf, &master_schema, "") > 0)
		return NULL;
	struct iec104_master *m = runner_alloc(r, 1, sizeof(*m));
	m->runner = r;
	m->loop = runner_loop(r);
	m->conn.fd = -1;
	ev_init(&m->sync, on_sync);
	m->sync.data = m;
	m->objects = runner_counter(r, "objects");
	m->ignored = runner_counter(r, "ignored");
	iec_events_init(&m->events, r);
	m->connects = runner_counter(r, "connections");
	make_endpoint(m, conf);
	if (json_get(conf, "time_sync_delay")->type != JSON_NULL) {
		int64_t ms = iec104_conf_ms(conf, "time_sync_delay");
		m->sync_ms = ms > MASTER_MIN_SYNC_MS ? ms : MASTER_MIN_SYNC_MS;
	}
	if (iec104_conf_read(&m->conf, r, conf, false, &m->map) == 0)
		return m;
	master_free(m);
	return NULL;
}

static bool
master_describe_data(void *device, struct describe *d, size_t i)
{
	(void)device;
	return describe_iec_master_data(NULL, d, i);
}

const struct runner_device iec104_master_device = {
	.type = "iec104_master",
	.schema = &master_schema,
	.create = master_create,
	.describe = describe_104_master,
	.describe_data = master_describe_data,
	.check = master_check,
	.start = master_start,
	.on_event = master_on_event,
	.on_credit = master_on_credit,
	.stop = master_stop,
	.free = master_free,
};
