/*
 * iec104_master (gateway-iec104(7)), a device in a runner process: connects to
 * the first of its remote addresses that answers, makes events of what comes,
 * sends what system events ask for.
 */
#include "device-runners/iec60870/iec60870.h"

#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/iec104/iec104_conf.h"
#include "device-runners/iec60870/iec_events.h"
#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/reconnect.h"

enum {
	MASTER_MAX_ADDRESSES = 32,
	MASTER_CONNECT_MS = 30000, /* t0 */
	MASTER_LIVED_MS = 10000, /* a connection that stood so long earns an immediate reconnect */
	MASTER_MIN_SYNC_MS = 100,
};

enum master_state {
	MASTER_IDLE,
	MASTER_OPENING,
	MASTER_STARTING,
	MASTER_CONNECTED,
	MASTER_WAITING
};

struct iec104_master {
	struct runner *runner;
	struct ev_loop *loop;
	struct iec104_conf conf;
	struct iec_map map;
	int addresses[MASTER_MAX_ADDRESSES]; /* in the plan */
	char *hosts[MASTER_MAX_ADDRESSES];   /* owned */
	size_t address_count;
	struct reconnect reconnect;
	int64_t sync_ms; /* 0: never */
	enum master_state state;
	size_t at; /* the address that is tried */
	uint32_t open_id;
	struct iec104_conn conn;
	ev_timer timer; /* connect time-out, reconnect delay, time synchronisation */
	struct iec_events events;
	struct limit input_limit, link_limit, info_limit;
	uint64_t *objects, *ignored, *connects;
};

static void try_address(struct iec104_master *m);

static void
set_timer(struct iec104_master *m, int64_t ms)
{
	ev_timer_stop(m->loop, &m->timer);
	ev_timer_set(&m->timer, (double)ms / 1000, 0.);
	ev_timer_start(m->loop, &m->timer);
}

static void
attempt(struct iec104_master *m)
{
	connection_tell(m->runner, CONNECTION_CONNECTING);
	m->at = 0;
	try_address(m);
}

static void
wait_and_retry(struct iec104_master *m, int64_t ns)
{
	connection_tell(m->runner, CONNECTION_DISCONNECTED);
	if (ns == 0) {
		attempt(m);
		return;
	}
	m->state = MASTER_WAITING;
	set_timer(m, ns / 1000000);
}

/* This address did not come to a data transfer: the next one, or a pause. */
static void
address_failed(struct iec104_master *m, const char *why)
{
	limit_warning(&m->link_limit, "connection to %s failed: %s", m->hosts[m->at], why);
	m->at++;
	try_address(m);
}

static void on_connection(void *arg, int fd, int error, const char *why);

static void
try_address(struct iec104_master *m)
{
	ev_timer_stop(m->loop, &m->timer);
	if (m->at == m->address_count) {
		wait_and_retry(m, reconnect_failed(&m->reconnect));
		return;
	}
	m->state = MASTER_OPENING;
	m->open_id = runner_open(m->runner, m->addresses[m->at], on_connection, m);
	set_timer(m, MASTER_CONNECT_MS);
}

static void
send_clock(struct iec104_master *m)
{
	struct asdu_head head = { .type = iec_type_find(IEC_C_CS_NA_1),
		.cause = IEC_ACTIVATION,
		.common = asdu_max_common(&asdu_sizes_104) };
	struct iec_object o = { .address = 0 };
	struct asdu_writer w;

	iec_time_from_timestamp(&o.time, &m->map.zone, timestamp_now());
	asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
	if (asdu_add(&w, &o))
		iec104_conn_send(&m->conn, asdu_end(&w), w.len, 0);
	set_timer(m, m->sync_ms);
}

/* The time of a synchronization that waited. */
static void
on_leaving(void *arg, uint8_t *asdu, size_t len)
{
	struct iec104_master *m = arg;
	struct iec_time t;

	if (asdu[0] != IEC_C_CS_NA_1)
		return;
	iec_time_from_timestamp(&t, &m->map.zone, timestamp_now());
	iec_time_encode(&t, asdu + len - IEC_TIME_CP56);
}

static void
on_enabled(void *arg, bool enabled)
{
	struct iec104_master *m = arg;

	if (!enabled)
		return;
	ev_timer_stop(m->loop, &m->timer);
	m->state = MASTER_CONNECTED;
	reconnect_connected(&m->reconnect, monotime_now());
	++*m->connects;
	limit_info(&m->info_limit, "connected to %s", m->hosts[m->at]);
	connection_tell(m->runner, CONNECTION_CONNECTED);
	if (m->sync_ms)
		send_clock(m);
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
	while (asdu_next(&a, &o))
		register_object(m, &a.head, &o);
}

/* The connection is lost, or never came to a data transfer. */
static void
on_closed(void *arg, const char *why)
{
	struct iec104_master *m = arg;

	if (m->state == MASTER_STARTING) {
		address_failed(m, why);
		return;
	}
	limit_warning(&m->link_limit, "connection to %s lost: %s", m->hosts[m->at], why);
	wait_and_retry(m, reconnect_lost(&m->reconnect, true, monotime_now()));
}

static const struct iec104_handler handler = {
	.on_asdu = on_asdu,
	.on_enabled = on_enabled,
	.on_leaving = on_leaving,
	.on_closed = on_closed,
};

static void
on_connection(void *arg, int fd, int error, const char *why)
{
	struct iec104_master *m = arg;

	m->open_id = 0;
	if (fd < 0) {
		address_failed(m, why ? why : strerror(error));
		return;
	}
	ev_timer_stop(m->loop, &m->timer);
	m->state = MASTER_STARTING;
	iec104_conf_open(&m->conf, &m->conn, m->runner, fd, m->hosts[m->at], &handler, m);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct iec104_master *m = w->data;

	(void)loop, (void)revents;
	switch (m->state) {
	case MASTER_OPENING:
		runner_cancel(m->runner, m->open_id);
		m->open_id = 0;
		address_failed(m, "not connected within t0");
		break;
	case MASTER_WAITING:
		attempt(m);
		break;
	case MASTER_CONNECTED:
		send_clock(m);
		break;
	default:
		break;
	}
}

static void
on_files(void *arg)
{
	attempt(arg);
}

static void
on_renewed(void *arg, const struct tls_context *context)
{
	struct iec104_master *m = arg;

	iec104_conn_check(&m->conn, context);
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
	struct asdu_writer w;

	if (!iec_events_read(&m->events, event, 1, &m->map, &q))
		return;
	if (m->state != MASTER_CONNECTED) {
		iec_events_refuse(&m->events, event, "the device is not connected");
		return;
	}
	asdu_begin(&w, &asdu_sizes_104, &q.head, ASDU_MAX_104);
	if (!asdu_add(&w, &q.object) || !iec104_conn_send(&m->conn, asdu_end(&w), w.len, 0))
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

	ev_timer_stop(m->loop, &m->timer);
	runner_cancel(m->runner, m->open_id);
	tls_set_stop(&m->conf.files);
	iec104_conn_close(&m->conn);
	connection_tell(m->runner, CONNECTION_DISCONNECTED);
}

static void
master_free(void *device)
{
	struct iec104_master *m = device;

	if (!m)
		return;
	iec104_conn_close(&m->conn);
	tls_set_clear(&m->conf.files);
	for (size_t i = 0; i < m->address_count; i++)
		free(m->hosts[i]);
	free(m);
}

static const struct schema_field address_fields[] = {
	{ "host", true, { .kind = SCHEMA_STRING } },
	{ "port", true, { .kind = SCHEMA_INT, .min = 1, .max = 65535 } },
	{ .key = NULL },
};
static const struct schema address_schema = { .kind = SCHEMA_OBJECT, .fields = address_fields };
static const struct schema_field master_fields[] = {
	IEC104_CONF_ROWS,
	{ "remote_addresses", true,
	    { .kind = SCHEMA_ARRAY,
		.min = 1,
		.max = MASTER_MAX_ADDRESSES,
		.items = &address_schema } },
	IEC104_NUMBER("reconnect_delay", true, 0, RUNNER_MAX_SECONDS),
	{ "time_sync_delay", true,
	    { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = NULL },
};
static const struct schema master_schema = { .kind = SCHEMA_OBJECT, .fields = master_fields };

static void
read_addresses(struct iec104_master *m, const struct json *list)
{
	json_foreach (address, list) {
		const char *host = json_str(json_get(address, "host"));
		int64_t port = 0;
		json_int(json_get(address, "port"), 1, 65535, &port);
		m->hosts[m->address_count] = strdup(host);
		if (!m->hosts[m->address_count])
			runner_fail(m->runner, "out of memory");
		m->addresses[m->address_count++] =
		    runner_plan_connect(m->runner, host, (uint16_t)port);
	}
}

static void *
master_create(struct runner *r, const struct json *conf)
{
	if (runner_check_config(r, conf, &master_schema, "") > 0)
		return NULL;
	struct iec104_master *m = calloc(1, sizeof(*m));
	if (!m)
		runner_fail(r, "out of memory");
	m->runner = r;
	m->loop = runner_loop(r);
	m->conn.fd = -1;
	ev_timer_init(&m->timer, on_timer, 0., 0.);
	m->timer.data = m;
	m->objects = runner_counter(r, "objects");
	m->ignored = runner_counter(r, "ignored");
	iec_events_init(&m->events, r);
	m->connects = runner_counter(r, "connections");
	read_addresses(m, json_get(conf, "remote_addresses"));
	reconnect_init(&m->reconnect, iec104_conf_ms(conf, "reconnect_delay") * INT64_C(1000000),
	    MASTER_LIVED_MS * INT64_C(1000000));
	if (json_get(conf, "time_sync_delay")->type != JSON_NULL) {
		int64_t ms = iec104_conf_ms(conf, "time_sync_delay");
		m->sync_ms = ms > MASTER_MIN_SYNC_MS ? ms : MASTER_MIN_SYNC_MS;
	}
	if (iec104_conf_read(&m->conf, r, conf, false, &m->map) == 0)
		return m;
	master_free(m);
	return NULL;
}

const struct runner_device iec104_master_device = {
	.type = "iec104_master",
	.create = master_create,
	.describe = describe_104_master,
	.start = master_start,
	.on_event = master_on_event,
	.on_credit = master_on_credit,
	.stop = master_stop,
	.free = master_free,
};
