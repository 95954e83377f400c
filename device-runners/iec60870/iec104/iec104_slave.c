/*
 * iec104_slave (gateway-iec104(7)), a device in a runner process: accepts masters and is the
 * session below a station (iec_station.h) for each of them.
 */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/iec104/iec104_conf.h"
#include "device-runners/iec60870/iec104/iec104_conn.h"
#include "device-runners/runtime/tls_set.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/iec_station.h"
#include "device-runners/runtime/acceptor.h"
#include "device-runners/runtime/paced.h"

enum {
	MAX_CONNECTIONS = 200, /* within the open files of a runner, and one 'connections' event */
	CHANGES_ROOM = IEC104_MAX_QUEUE / 2, /* of the queue, left by buffered changes */
};

struct slave {
	struct iec_station station; /* first */
	struct ev_loop *loop;
	struct apci_params params;
	struct iec104_security security;
	struct tls_set files;
	size_t conn_count;
	int listen_index;
	uint32_t open_id;
	struct acceptor acceptor;
	struct paced listed; /* 'connections' events */
	size_t told;	     /* connections in the last of them */
	struct limit link_limit, info_limit;
	uint64_t *accepted;
};

struct slave_conn {
	struct iec_master master; /* first */
	bool shown; /* in the 'connections' event: not before a TLS handshake is done */
	bool enabled;
	struct peer_address local, remote;
	struct iec104_conn conn;
};

static_assert(offsetof(struct slave, station) == 0, "a station is cast to its slave");
static_assert(offsetof(struct slave_conn, master) == 0, "a master is cast to its connection");

static struct slave *
slave_of(const struct slave_conn *sc)
{
	return (struct slave *)sc->master.station;
}

static struct slave_conn *
conn_of(struct iec_master *m)
{
	return (struct slave_conn *)m;
}

/* --- the session below the station --- */

/* Without a data transfer nothing is sent. A connection whose queue is full is broken. */
static bool
send_asdu(struct iec_master *m, const void *asdu, size_t len, bool confirmed, uint64_t token)
{
	struct slave_conn *sc = conn_of(m);

	(void)confirmed;
	if (!iec104_conn_started(&sc->conn))
		return false;
	if (!iec104_conn_send(&sc->conn, asdu, len, token)) {
		iec104_conn_break(&sc->conn, "the send queue is full");
		return false;
	}
	return true;
}

static bool
has_room(const struct iec_master *m)
{
	return iec104_conn_room(&((const struct slave_conn *)m)->conn) >= CHANGES_ROOM;
}

static const char *
master_name(const struct iec_master *m)
{
	return ((const struct slave_conn *)m)->remote.host;
}

static const struct iec_sink sink = {
	.send = send_asdu,
	.has_room = has_room,
	.name = master_name,
};

/* --- connections --- */

static void
register_list(void *arg)
{
	struct slave *s = arg;
	static const char *const type[] = { "gateway", "connections" };
	struct json_writer *w = runner_payload(s->station.runner);
	char link[32];
	size_t shown = 0;

	json_begin_array(w, NULL);
	for (struct iec_master *m = s->station.masters; m; m = m->next) {
		const struct slave_conn *sc = conn_of(m);
		if (!sc->shown)
			continue;
		shown++;
		json_begin_object(w, NULL);
		json_put_int(w, "connection_id", m->id);
		peer_address_put(w, "local", &sc->local);
		peer_address_put(w, "remote", &sc->remote);
		json_end_object(w);
	}
	json_end_array(w);
	runner_register_payload(s->station.runner, type, 2, NULL);
	s->told = shown;
	snprintf(link, sizeof(link), "%zu connected", shown);
	runner_set_link(s->station.runner, link);
}

/* A transfer that goes on has what was sent and is not acknowledged yet. */
static void
on_enabled(void *arg, bool enabled)
{
	struct slave_conn *sc = arg;

	if (enabled && sc->enabled)
		iec_master_resume(&sc->master);
	else if (enabled)
		iec_master_begin(&sc->master);
	sc->enabled = enabled;
}

static void
on_delivered(void *arg, uint64_t token)
{
	struct slave_conn *sc = arg;

	iec_master_delivered(&sc->master, token);
}

static void
on_asdu(void *arg, const uint8_t *asdu, size_t len)
{
	struct slave_conn *sc = arg;

	iec_master_serve(&sc->master, asdu, len);
}

static void
conn_free(struct slave_conn *sc)
{
	slave_of(sc)->conn_count--;
	iec104_conn_close(&sc->conn);
	iec_master_clear(&sc->master);
	free(sc);
}

static void
on_closed(void *arg, const char *why)
{
	struct slave_conn *sc = arg;
	struct slave *s = slave_of(sc);
	bool shown = sc->shown;

	limit_warning(&s->link_limit, "connection %lld from %s ended: %s", (long long)sc->master.id,
	    sc->remote.host, why);
	conn_free(sc);
	if (shown)
		paced_changed(&s->listed);
}

static void
on_ready(void *arg)
{
	struct slave_conn *sc = arg;

	sc->shown = true;
	limit_info(&slave_of(sc)->info_limit, "connection %lld from %s", (long long)sc->master.id,
	    sc->remote.host);
	paced_changed(&slave_of(sc)->listed);
}

static const struct iec104_handler handler = {
	.on_ready = on_ready,
	.on_asdu = on_asdu,
	.on_enabled = on_enabled,
	.on_delivered = on_delivered,
	.on_closed = on_closed,
};

static size_t
count_connections(void *arg)
{
	return ((struct slave *)arg)->conn_count;
}

static void
take_connection(
    void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	struct slave *s = arg;
	struct slave_conn *sc = calloc(1, sizeof(*sc));

	if (!sc)
		runner_fail(s->station.runner, "out of memory");
	iec_master_init(&sc->master, &s->station);
	iec_master_connect(&sc->master);
	sc->local = *local;
	sc->remote = *remote;
	s->conn_count++;
	++*s->accepted;
	struct tls *tls = tls_set_session(&s->files, fd, NULL);
	if (iec104_conn_open(&sc->conn, s->station.runner, fd, &s->params, s->security.tls.ops, tls,
		&handler, sc) < 0)
		runner_fail(s->station.runner, "out of memory");
	iec104_conn_renew(&sc->conn, s->security.renew_ms);
}

static const struct acceptor_ops acceptor_ops = {
	.count = count_connections,
	.admit = take_connection,
};

static void
on_listen(void *arg, int fd, int error, const char *why)
{
	struct slave *s = arg;

	s->open_id = 0;
	if (fd < 0)
		runner_fail(s->station.runner, "%s", why ? why : strerror(error));
	acceptor_listen(&s->acceptor, fd);
	paced_changed(&s->listed);
	runner_ready(s->station.runner);
}

static void
on_files(void *arg)
{
	struct slave *s = arg;

	s->open_id = runner_open(s->station.runner, s->listen_index, on_listen, s);
}

static void
on_renewed(void *arg, const struct tls_context *context)
{
	struct slave *s = arg;

	for (struct iec_master *m = s->station.masters; m; m = m->next)
		iec104_conn_check(&conn_of(m)->conn, context);
}

static void
on_states(void *arg)
{
	static const struct tls_set_ops ops = { .ready = on_files, .renewed = on_renewed };
	struct slave *s = arg;

	tls_set_start(&s->files, s->station.runner, &s->security.tls, &ops, s);
}

static void
slave_start(void *device)
{
	iec_station_start(device, on_states, device);
}

static void
slave_on_event(void *device, const struct runner_event *event)
{
	if (event->type_len > 1 && strcmp(event->type[1], "enable") == 0)
		return;
	iec_station_on_event(device, event);
}

static void
slave_on_credit(void *device)
{
	struct slave *s = device;

	for (struct iec_master *m = s->station.masters; m; m = m->next)
		iec104_conn_resume(&conn_of(m)->conn);
	acceptor_resume(&s->acceptor);
}

static void
close_all(struct slave *s)
{
	acceptor_stop(&s->acceptor);
	paced_stop(&s->listed);
	while (s->station.masters)
		conn_free(conn_of(s->station.masters));
}

static void
slave_stop(void *device)
{
	struct slave *s = device;

	runner_cancel(s->station.runner, s->open_id);
	tls_set_stop(&s->files);
	close_all(s);
	if (s->told > 0)
		register_list(s);
}

static void
slave_free(void *device)
{
	struct slave *s = device;

	if (!s)
		return;
	close_all(s);
	tls_set_clear(&s->files);
	acceptor_clear(&s->acceptor);
	iec_station_clear(&s->station);
	free(s);
}

static const struct schema_field slave_fields[] = {
	IEC104_CONF_ROWS,
	{ "local_host", true, { .kind = SCHEMA_STRING } },
	{ "local_port", true, { .kind = SCHEMA_INT, .min = 1, .max = 65535 } },
	ACCEPTOR_SCHEMA_FIELDS,
	POINTS_SCHEMA_FIELDS,
	{ .key = NULL },
};
static const struct schema slave_schema = { .kind = SCHEMA_OBJECT, .fields = slave_fields };

static void
init_watchers(struct slave *s)
{
	paced_init(&s->listed, s->loop, register_list, s);
	s->accepted = runner_counter(s->station.runner, "connections");
}

static void *
slave_create(struct runner *r, const struct json *conf)
{
	int64_t port = 0;

	if (runner_check_config(r, conf, &slave_schema, "") > 0)
		return NULL;
	struct slave *s = calloc(1, sizeof(*s));
	if (!s)
		runner_fail(r, "out of memory");
	s->loop = runner_loop(r);
	s->station.in = IEC_IN_104;
	s->station.max_asdu = ASDU_MAX_104;
	int rc = iec104_conf_read(r, conf, true, &s->params, &s->station.map, &s->security);
	s->station.map.slave = true;
	if (iec_station_init(&s->station, r, &sink, conf) < 0)
		rc = -1;
	init_watchers(s);
	acceptor_init(&s->acceptor, r, &acceptor_ops, s);
	acceptor_configure(&s->acceptor, conf, "", MAX_CONNECTIONS);
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
