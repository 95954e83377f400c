/* iec101_slave (gateway-iec101(7)), a device in a runner process: masters on a serial line,
 * balanced or unbalanced, is the link below a station (iec_station.h) for each of them. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/describe_data.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/iec_station.h"
#include "device-runners/iec60870/serial/iec101_conf.h"

struct slave {
	struct iec_station station; /* first */
	struct iec_line line;
	struct iec_master *masters; /* owned; one a station of the line, in its order */
};

static_assert(offsetof(struct slave, station) == 0, "a station is cast to its slave");

static struct iec_line *
line_of(const struct iec_master *m)
{
	return &((struct slave *)m->all->device)->line;
}

static int
index_of(const struct iec_master *m)
{
	return (int)(m - ((struct slave *)m->all->device)->masters);
}

/* --- the link below the station --- */

static bool
send_asdu(struct iec_master *m, const void *asdu, size_t len, bool confirmed, uint64_t token)
{
	struct iec_line *line = line_of(m);
	const uint8_t *bytes = asdu;

	if (iec_line_send(line, index_of(m), confirmed ? 0 : LINK_NO_REPLY, asdu, len, token) == 0)
		return true;
	if (!token)
		limit_warning(iec_line_limit(line),
		    "dropped an ASDU of type %u, cause %u for %s: %s", bytes[0], bytes[2] & 0x3f,
		    m->name, strerror(errno));
	return false;
}

static bool
has_room(const struct iec_master *m)
{
	return iec_line_has_room(line_of(m), index_of(m));
}

static void
put_address(const struct iec_master *m, struct json_writer *w)
{
	json_put_int(w, "address", iec_line_address(line_of(m), index_of(m)));
}

static void
open_line(void *device)
{
	iec_station_ready(device);
	iec_line_start(&((struct slave *)device)->line);
}

static const struct iec_sink sink = {
	.start = open_line,
	.send = send_asdu,
	.has_room = has_room,
	.put = put_address,
};

/* --- the line --- */

static void
on_up(void *device, int station)
{
	struct iec_master *m = &((struct slave *)device)->masters[station];

	iec_master_connect(m);
	iec_master_show(m);
	iec_master_begin(m);
}

static void
on_down(void *device, int station)
{
	iec_master_disconnect(&((struct slave *)device)->masters[station]);
}

/* A broadcast is served for each master that is connected, and answered when it polls. */
static void
on_data(void *device, int station, const uint8_t *data, size_t len)
{
	struct slave *s = device;

	if (station != LINK_ALL)
		iec_station_serve(&s->masters[station], data, len);
	for (struct iec_master *m = s->station.masters.first; m && station == LINK_ALL; m = m->next)
		iec_station_serve(m, data, len);
}

static void
on_delivered(void *device, int station, uint64_t token)
{
	iec_master_delivered(&((struct slave *)device)->masters[station], token);
}

static void
on_line(void *device, enum connection_status status)
{
	struct slave *s = device;

	if (status == CONNECTION_DISCONNECTED)
		iec_masters_disconnect(&s->station.masters);
	if (status == CONNECTION_CONNECTED)
		health_masters_start(s->station.masters.health);
	for (int i = 0; status == CONNECTION_CONNECTED && i < iec_line_stations(&s->line); i++)
		iec_line_open_station(&s->line, i);
}

static void
on_failed(void *device, const char *why)
{
	health_masters_closed(((struct slave *)device)->station.masters.health, why);
}

static const struct iec_line_ops line_ops = {
	.status = on_line,
	.failed = on_failed,
	.up = on_up,
	.down = on_down,
	.data = on_data,
	.delivered = on_delivered,
	.noun = "master of device",
};

static void
on_credit(void *device)
{
	iec_line_on_credit(&((struct slave *)device)->line);
}

static void
stop(void *device)
{
	struct slave *s = device;

	iec_station_stop(&s->station);
	iec_line_stop(&s->line);
}

static void
destroy(void *device)
{
	struct slave *s = device;

	for (int i = 0; i < iec_line_stations(&s->line); i++)
		iec_master_clear(&s->masters[i]);
	free(s->masters);
	iec_station_clear(&s->station);
	iec_line_clear(&s->line);
	free(s);
}

static void *
create(struct runner *r, const struct json *conf)
{
	if (runner_check_config(r, conf, &iec101_conf_slave.schema, "") > 0)
		return NULL;
	struct slave *s = runner_alloc(r, 1, sizeof(*s));
	s->masters =
	    runner_alloc(r, json_get(conf, iec101_conf_slave.list)->count + 1, sizeof(*s->masters));
	int rc =
	    iec101_conf_load(r, conf, &iec101_conf_slave, &s->station.map, &s->line, &line_ops, s);
	s->station.in = IEC_IN_101;
	s->station.max_asdu = iec_line_max_asdu(&s->line);
	rc |= iec_station_init(&s->station, r, &sink, conf);
	for (int i = 0; i < iec_line_stations(&s->line); i++)
		iec_master_init(&s->masters[i], &s->station.masters, iec_line_name(&s->line, i));
	if (rc == 0)
		return s;
	destroy(s);
	return NULL;
}

const struct runner_device iec101_slave_device = {
	.type = "iec101_slave",
	.schema = &iec101_conf_slave.schema,
	.create = create,
	.describe = describe_101_slave,
	.describe_data = describe_iec_slave_data,
	.start = iec_station_start,
	.on_event = iec_station_on_event,
	.on_credit = on_credit,
	.stop = stop,
	.free = destroy,
};
