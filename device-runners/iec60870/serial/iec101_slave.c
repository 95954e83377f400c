/* iec101_slave (gateway-iec101(7)), a device in a runner process: masters on a serial line,
 * balanced or unbalanced, is the link below a station (iec_station.h) for each of them. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/serial/iec101_conf.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/iec_station.h"

struct slave;

/* The master of one device of the line. */
struct slave_link {
	struct iec_master master; /* first */
	struct slave *slave;
	int index; /* of the line's station */
};

struct slave {
	struct iec_line line; /* first */
	struct iec_station station;
	struct slave_link *links; /* owned; one a station of the line */
};

static_assert(offsetof(struct slave, line) == 0, "a line is cast to its slave");
static_assert(offsetof(struct slave_link, master) == 0, "a master is cast to its link");

static void
register_connections(struct slave *s)
{
	static const char *const type[] = { "gateway", "connections" };
	struct json_writer *w = runner_payload(s->station.runner);

	json_begin_array(w, NULL);
	for (const struct iec_master *m = s->station.masters; m; m = m->next) {
		json_begin_object(w, NULL);
		json_put_int(w, "connection_id", m->id);
		json_put_int(w, "address",
		    iec_line_address(&s->line, ((const struct slave_link *)m)->index));
		json_end_object(w);
	}
	json_end_array(w);
	runner_register_payload(s->station.runner, type, 2, NULL);
}

/* --- the link below the station --- */

static const char *
master_name(const struct iec_master *m)
{
	const struct slave_link *l = (const struct slave_link *)m;
	static char name[32];

	snprintf(
	    name, sizeof(name), "master of device %u", iec_line_address(&l->slave->line, l->index));
	return name;
}

static bool
send_asdu(struct iec_master *m, const void *asdu, size_t len, bool confirmed, uint64_t token)
{
	struct slave_link *l = (struct slave_link *)m;
	struct iec_line *line = &l->slave->line;
	const uint8_t *bytes = asdu;

	if (iec_line_send(line, l->index, confirmed ? 0 : LINK_NO_REPLY, asdu, len, token) == 0)
		return true;
	if (!token)
		limit_warning(iec_line_limit(line),
		    "dropped an ASDU of type %u, cause %u for %s: %s", bytes[0], bytes[2] & 0x3f,
		    master_name(m), strerror(errno));
	return false;
}

static bool
has_room(const struct iec_master *m)
{
	const struct slave_link *l = (const struct slave_link *)m;

	return iec_line_has_room(&l->slave->line, l->index);
}

static const struct iec_sink sink = {
	.send = send_asdu,
	.has_room = has_room,
	.name = master_name,
};

/* --- the line --- */

static void
on_up(struct slave_link *l)
{
	log_info("%s connected", master_name(&l->master));
	iec_master_connect(&l->master);
	register_connections(l->slave);
	iec_master_begin(&l->master);
}

static void
on_down(struct slave_link *l, const char *reason)
{
	limit_warning(
	    iec_line_limit(&l->slave->line), "%s lost: %s", master_name(&l->master), reason);
	iec_master_disconnect(&l->master);
	register_connections(l->slave);
}

/* Sent to everybody: acted on for each master that is there, answered when it polls. */
static void
on_broadcast(struct slave *s, const struct link_action *action)
{
	for (struct iec_master *m = s->station.masters; m; m = m->next)
		iec_master_serve(m, action->data, action->len);
}

static void
on_action(void *device, const struct link_action *action)
{
	struct slave *s = device;
	struct slave_link *l = action->station == LINK_ALL ? NULL : &s->links[action->station];

	switch (action->type) {
	case LINK_UP:
		on_up(l);
		break;
	case LINK_DOWN:
		on_down(l, action->reason);
		break;
	case LINK_DATA:
		if (l)
			iec_master_serve(&l->master, action->data, action->len);
		else
			on_broadcast(s, action);
		break;
	case LINK_DELIVERED:
		iec_master_delivered(&l->master, action->token);
		break;
	case LINK_REFUSED:
		limit_warning(iec_line_limit(&s->line), "%s refused a message: %s",
		    master_name(&l->master), action->reason);
		break;
	case LINK_TRANSMIT:
		break;
	}
}

static void
on_line(void *device, enum connection_status status)
{
	struct slave *s = device;
	bool any = s->station.masters;

	if (status == CONNECTION_CONNECTED)
		for (int i = 0; i < iec_line_stations(&s->line); i++)
			iec_line_open_station(&s->line, i);
	if (status != CONNECTION_DISCONNECTED)
		return;
	while (s->station.masters)
		iec_master_disconnect(s->station.masters);
	if (any)
		register_connections(s);
}

/* --- life --- */

static void
on_event(void *device, const struct runner_event *event)
{
	iec_station_on_event(&((struct slave *)device)->station, event);
}

static void
on_states(void *arg)
{
	struct slave *s = arg;

	register_connections(s);
	runner_ready(s->station.runner);
	iec_line_start(&s->line);
}

static void
start(void *device)
{
	struct slave *s = device;

	iec_station_start(&s->station, on_states, s);
}

static void
destroy(void *device)
{
	struct slave *s = device;

	for (int i = 0; i < iec_line_stations(&s->line); i++)
		iec_master_clear(&s->links[i].master);
	free(s->links);
	iec_station_clear(&s->station);
	iec_line_clear(&s->line);
	free(s);
}

static void *
create(struct runner *r, const struct json *conf)
{
	static const struct iec_line_ops ops = { .status = on_line, .action = on_action };
	const struct iec101_conf_role *role = &iec101_conf_slave;

	if (iec101_conf_check(r, conf, role))
		return NULL;
	struct slave *s = calloc(1, sizeof(*s));
	if (!s || !(s->links = calloc(json_get(conf, role->list)->count + 1, sizeof(*s->links))))
		runner_fail(r, "out of memory");
	int rc = iec101_conf_load(r, conf, role, &s->station.map, &s->line, &ops, s);
	s->station.in = IEC_IN_101;
	s->station.max_asdu = iec_line_max_asdu(&s->line);
	rc |= iec_station_init(&s->station, r, &sink, conf);
	for (int i = 0; i < iec_line_stations(&s->line); i++) {
		iec_master_init(&s->links[i].master, &s->station);
		s->links[i].slave = s;
		s->links[i].index = i;
	}
	if (rc == 0)
		return s;
	destroy(s);
	return NULL;
}

const struct runner_device iec101_slave_device = {
	.type = "iec101_slave",
	.create = create,
	.describe = describe_101_slave,
	.start = start,
	.on_event = on_event,
	.on_credit = iec_line_on_credit,
	.stop = iec_line_on_stop,
	.free = destroy,
};
