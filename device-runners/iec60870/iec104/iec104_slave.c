/*
 * iec104_slave (gateway-iec104(7)), a device in a runner process: accepts masters and is the
 * session below a station (iec_station.h) for each of them.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/describe_data.h"
#include "device-runners/iec60870/iec104/iec104_conf.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/iec_station.h"
#include "device-runners/runtime/acceptor.h"

enum {
	MAX_CONNECTIONS = 200, /* within the open files of a runner, and one 'connections' event */
	CHANGES_ROOM = IEC104_MAX_QUEUE / 2, /* of the queue, left by buffered changes */
};

struct slave {
	struct iec_station station; /* first */
	struct iec104_conf conf;
	struct acceptor acceptor;
	struct limit link_limit, info_limit;
	uint64_t *accepted;
};

struct slave_conn {
	struct iec_master master; /* first */
	bool enabled;
	struct peer_address local, remote;
	struct iec104_conn conn;
};

static_assert(offsetof(struct slave, station) == 0, "a station is cast to its slave");
static_assert(offsetof(struct slave_conn, master) == 0, "a master is cast to its connection");

static struct slave *
slave_of(const struct slave_conn *sc)
{
	return sc->master.all->device;
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

static void
put_addresses(const struct iec_master *m, struct json_writer *w)
{
	const struct slave_conn *sc = (const struct slave_conn *)m;

	peer_address_put(w, "local", &sc->local);
	peer_address_put(w, "remote", &sc->remote);
}

/* --- connections --- */

/* A transfer that goes on has what was sent and is not acknowledged yet. */
static void
on_enabled(void *arg, bool enabled)
{
	struct slave_conn *sc = arg;

	if (enabled) {
		(sc->enabled ? iec_master_resume : iec_master_begin)(&sc->master);
		acceptor_engaged(&slave_of(sc)->acceptor, sc->master.id);
	}
	sc->enabled = enabled;
}

static void
conn_free(struct slave_conn *sc)
{
	acceptor_left(&slave_of(sc)->acceptor, sc->master.id);
	iec104_conn_close(&sc->conn);
	iec_master_clear(&sc->master);
	free(sc);
}

static void
on_closed(void *arg, const char *why)
{
	struct slave_conn *sc = arg;

	limit_warning(&slave_of(sc)->link_limit, "connection %lld from %s ended: %s",
	    (long long)sc->master.id, sc->remote.host, why);
	conn_free(sc);
}

/* A master is shown when its TLS handshake is done. */
static void
on_ready(void *arg)
{
	struct slave_conn *sc = arg;

	limit_info(&slave_of(sc)->info_limit, "connection %lld from %s", (long long)sc->master.id,
	    sc->remote.host);
	iec_master_show(&sc->master);
}

static const struct iec104_handler handler = {
	.on_ready = on_ready,
	.on_asdu = iec_station_serve,
	.on_enabled = on_enabled,
	.on_delivered = iec_master_delivered,
	.on_closed = on_closed,
};

static int64_t
take_connection(
    void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	struct slave *s = arg;
	struct slave_conn *sc = runner_alloc(s->station.runner, 1, sizeof(*sc));

	iec_master_init(&sc->master, &s->station.masters, remote->host);
	iec_master_connect(&sc->master);
	sc->local = *local;
	sc->remote = *remote;
	++*s->accepted;
	iec104_conf_open(&s->conf, &sc->conn, s->station.runner, fd, NULL, &handler, sc);
	return sc->master.id;
}

static void
evict(void *arg, int64_t id)
{
	struct iec_master *m = iec_masters_find(&((struct slave *)arg)->station.masters, id);

	if (m)
		on_closed(conn_of(m), "another one needs its place");
}

static const struct acceptor_ops acceptor_ops = {
	.listening = iec_station_ready,
	.admit = take_connection,
	.evict = evict,
};

static void
on_files(void *arg)
{
	struct slave *s = arg;

	acceptor_start(&s->acceptor);
}

static void
on_renewed(void *arg, struct tls_context *context)
{
	struct slave *s = arg;

	for (struct iec_master *m = s->station.masters.first; m; m = m->next)
		iec104_conn_check(&conn_of(m)->conn, context);
}

static void
read_files(void *device)
{
	static const struct tls_set_ops ops = { .ready = on_files, .renewed = on_renewed };
	struct slave *s = device;

	tls_set_start(&s->conf.files, s->station.runner, &s->conf.tls, &ops, s);
}

static const struct iec_sink sink = {
	.start = read_files,
	.send = send_asdu,
	.has_room = has_room,
	.put = put_addresses,
	.link_is_count = true,
};

static void
slave_check(void *device)
{
	struct slave *s = device;

	tls_set_check(&s->conf.files, s->station.runner, &s->conf.tls);
}

static void
slave_on_credit(void *device)
{
	struct slave *s = device;

	for (struct iec_master *m = s->station.masters.first; m; m = m->next)
		iec104_conn_resume(&conn_of(m)->conn);
	acceptor_resume(&s->acceptor);
}

static void
slave_stop(void *device)
{
	struct slave *s = device;

	tls_set_stop(&s->conf.files);
	acceptor_stop(&s->acceptor);
	iec_station_stop(&s->station);
	while (s->station.masters.first)
		conn_free(conn_of(s->station.masters.first));
}

static void
slave_free(void *device)
{
	struct slave *s = device;

	slave_stop(s);
	tls_set_clear(&s->conf.files);
	acceptor_clear(&s->acceptor);
	iec_station_clear(&s->station);
	free(s);
}

static const struct schema_field slave_fields[] = {
	IEC104_CONF_ROWS,
	{ .key = "local_host", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "local_port", .required = true, .is = SCHEMA_PORT },
	ACCEPTOR_SCHEMA_FIELDS,
	POINTS_SCHEMA_FIELDS,
	{ .key = NULL },
};
static const struct schema slave_schema = { .kind = SCHEMA_OBJECT, .fields = slave_fields };

static void *
slave_create(struct runner *r, const struct json *conf)
{
	if (runner_check_config(r, conf, &slave_schema, "") > 0)
		return NULL;
	struct slave *s = runner_alloc(r, 1, sizeof(*s));
	s->accepted = runner_counter(r, "connections");
	s->station.in = IEC_IN_104;
	s->station.max_asdu = ASDU_MAX_104;
	int rc = iec104_conf_read(&s->conf, r, conf, true, &s->station.map);
	rc |= iec_station_init(&s->station, r, &sink, conf);
	acceptor_init(&s->acceptor, r, &acceptor_ops, s);
	acceptor_configure(&s->acceptor, conf, "", MAX_CONNECTIONS);
	if (rc == 0)
		return s;
	slave_free(s);
	return NULL;
}

const struct runner_device iec104_slave_device = {
	.type = "iec104_slave",
	.schema = &slave_schema,
	.create = slave_create,
	.describe = describe_104_slave,
	.describe_data = describe_iec_slave_data,
	.check = slave_check,
	.start = iec_station_start,
	.on_event = iec_station_on_event,
	.on_credit = slave_on_credit,
	.stop = slave_stop,
	.free = slave_free,
};
