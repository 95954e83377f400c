/* iec101_master: remote devices on a serial line (balanced or unbalanced) <-> events. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/describe_data.h"
#include "device-runners/iec60870/serial/iec101_conf.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/serial/iec_remotes.h"

enum { REMOTE_SEGMENTS = 3 }; /* "gateway" or "system", "remote_device", address */

struct master {
	struct iec_remotes remotes; /* first */
	struct iec_map map;
};
static_assert(offsetof(struct master, remotes) == 0, "remotes are cast to their master");

/* --- what the remote devices say --- */

static void
register_object(struct master *m, const struct iec_remote *remote, const struct asdu_head *head,
    const struct iec_object *o)
{
	const char *const prefix[] = { "gateway", "remote_device", remote->address };
	const char *why =
	    iec_events_register(&m->remotes.events, prefix, REMOTE_SEGMENTS, &m->map, head, o, -1);

	if (why)
		limit_warning(iec_line_limit(&m->remotes.line),
		    "remote device %s: ignored %s of address %u: %s", remote->address,
		    head->type->name, o->address, why);
}

static void
on_asdu(struct iec_remote *remote, const uint8_t *data, size_t len)
{
	struct master *m = (struct master *)remote->all;
	struct iec_object o;
	struct asdu a;
	enum dec dec = asdu_decode(&a, &m->map.sizes, data, len);

	if (dec != DEC_OK) {
		limit_warning(iec_line_limit(&m->remotes.line),
		    "remote device %s: ignored an ASDU of type %u: %s", remote->address,
		    a.head.type_id,
		    dec == DEC_UNSUP ? "the type is not known" : "its length is wrong");
		return;
	}
	/* The confirmation of our own time synchronization is no news. */
	if (a.head.type->class == IEC_CLASS_CLOCK_SYNC)
		return;
	iec_events_judge(&m->remotes.events, remote->health, &a.head);
	while (asdu_next(&a, &o))
		register_object(m, remote, &a.head, &o);
}

/* --- what they are told --- */

/* One object as an ASDU to the station. Returns 0 or -1 with errno. */
static int
send_object(struct master *m, int station, const struct asdu_head *head, const struct iec_object *o,
    unsigned flags)
{
	struct asdu_writer w;
	const uint8_t *data =
	    asdu_of_one(&w, &m->map.sizes, head, o, iec_line_max_asdu(&m->remotes.line));

	if (!data) {
		errno = EINVAL;
		return -1;
	}
	return iec_line_send(&m->remotes.line, station, flags, data, w.len, 0);
}

static void
sync_time(struct iec_remote *remote)
{
	struct master *m = (struct master *)remote->all;
	struct asdu_head head = { .type = iec_type_find(IEC_C_CS_NA_1),
		.type_id = IEC_C_CS_NA_1,
		.cause = IEC_ACTIVATION,
		.common = asdu_max_common(&m->map.sizes) };
	struct iec_object o = { 0 };

	iec_time_from_timestamp(&o.time, &m->map.zone, timestamp_now());
	if (send_object(m, remote->station, &head, &o, LINK_STAMPED) < 0)
		log_warning(
		    "remote device %s: cannot send the time: %s", remote->address, strerror(errno));
}

static void
on_event(void *device, const struct runner_event *event)
{
	struct master *m = device;
	struct iec_remote *remote = iec_remotes_take(&m->remotes, event);
	struct iec_request q;

	if (!remote || !iec_events_read(&m->remotes.events, event, REMOTE_SEGMENTS, &m->map, &q))
		return;
	if (send_object(m, remote->station, &q.head, &q.object, 0) < 0)
		iec_events_refuse(&m->remotes.events, event,
		    errno == ENOTCONN ? "the remote device is not connected" : strerror(errno));
}

/* --- life --- */

static void
destroy(void *device)
{
	struct master *m = device;

	iec_remotes_clear(&m->remotes);
	free(m);
}

static void *
create(struct runner *r, const struct json *conf)
{
	static const struct iec_remotes_ops ops = { .sync_time = sync_time, .data = on_asdu };
	const struct iec101_conf_role *role = &iec101_conf_master;

	if (runner_check_config(r, conf, &role->schema, "") > 0)
		return NULL;
	struct master *m = runner_alloc(r, 1, sizeof(*m));
	int rc = iec101_conf_load(
	    r, conf, role, &m->map, &m->remotes.line, &iec_remotes_line_ops, &m->remotes);
	iec_remotes_init(&m->remotes, json_get(conf, role->list), &m->map.zone, &ops);
	describe_iec_master_sizes(&m->map.sizes);
	if (rc < 0) {
		destroy(m);
		return NULL;
	}
	return m;
}

static bool
describe_data(void *device, struct describe *d, size_t i)
{
	const struct iec_remotes *s = device;
	size_t rows = describe_iec_master_count(""), remote = i / rows;

	return remote < (size_t)s->count &&
	       describe_iec_master_data(s->list[remote].address, d, i % rows);
}

const struct runner_device iec101_master_device = {
	.type = "iec101_master",
	.schema = &iec101_conf_master.schema,
	.create = create,
	.describe = describe_101_master,
	.describe_data = describe_data,
	.start = iec_remotes_start,
	.on_event = on_event,
	.on_credit = iec_line_on_credit,
	.stop = iec_line_on_stop,
	.free = destroy,
};
