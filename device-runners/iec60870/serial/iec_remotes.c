#include "device-runners/iec60870/serial/iec_remotes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/runtime/report/health.h"

enum {
	ADDRESS_AT = 2,
	NAME_AT = 3,
	EXPECT_MS = 5000, /* a station that has not answered by then is down */
};

static void
set_status(struct iec_remote *m, enum connection_status status)
{
	const char *const type[] = { "gateway", "remote_device", m->address, "status" };

	m->status = status;
	connection_register_status(m->all->line.r, type, 4, status);
}

static void
on_time_sync(struct ev_loop *loop, ev_timer *w, int events)
{
	struct iec_remote *m = w->data;

	(void)loop, (void)events;
	m->all->ops->sync_time(m);
}

static void
stop_time_sync(struct iec_remote *m)
{
	ev_timer_stop(runner_loop(m->all->line.r), &m->time_sync);
}

/* The time of now, at the end of a message that leaves. */
static void
stamp(void *arg, uint8_t *data, size_t len)
{
	struct iec_remotes *s = arg;
	struct iec_time t;

	iec_time_from_timestamp(&t, s->zone, timestamp_now());
	iec_time_encode(&t, data + len - IEC_TIME_CP56);
}

void
iec_remotes_init(struct iec_remotes *s, const struct json *list, struct iec_zone *zone,
    const struct iec_remotes_ops *ops)
{
	s->ops = ops;
	s->zone = zone;
	iec_events_init(&s->events, s->line.r);
	iec_line_set_stamp(&s->line, stamp, s);
	s->list = runner_alloc(s->line.r, list->count ? list->count : 1, sizeof(*s->list));
	json_foreach (item, list) {
		struct iec_remote *m = &s->list[s->count];
		int64_t address = 0;
		if (iec_line_superseded(item))
			continue;
		json_int(json_get(item, "address"), 0, 0xFFFF, &address);
		*m = (struct iec_remote){ .all = s,
			.station = s->count++,
			.status = CONNECTION_DISCONNECTED,
			.time_sync_ms = iec_line_ms(item, "time_sync_delay", -1) };
		snprintf(m->address, sizeof(m->address), "%u", (unsigned)address & 0xFFFF);
		ev_init(&m->time_sync, on_time_sync);
		m->time_sync.data = m;
		m->health = health_add(s->line.r, "device %s", m->address);
		health_off(m->health, "disabled");
		iec_line_set_health(&s->line, m->station, m->health);
	}
}

void
iec_remotes_clear(struct iec_remotes *s)
{
	for (int i = 0; i < s->count; i++)
		stop_time_sync(&s->list[i]);
	free(s->list);
	s->list = NULL;
	s->count = 0;
	iec_line_clear(&s->line);
}

/* --- enable --- */

static void
connect_remote(struct iec_remote *m)
{
	set_status(m, CONNECTION_CONNECTING);
	health_expect(m->health, EXPECT_MS);
	iec_line_open_station(&m->all->line, m->station);
}

static void
disconnected(struct iec_remote *m)
{
	stop_time_sync(m);
	if (m->all->ops->lost)
		m->all->ops->lost(m);
	if (m->status != CONNECTION_DISCONNECTED)
		set_status(m, CONNECTION_DISCONNECTED);
}

static void
set_enabled(struct iec_remote *m, bool enabled)
{
	if (m->enabled == enabled)
		return;
	m->enabled = enabled;
	health_off(m->health, enabled ? "nothing is known yet" : "disabled");
	if (enabled && iec_line_is_open(&m->all->line)) {
		connect_remote(m);
	} else if (!enabled) {
		iec_line_close_station(&m->all->line, m->station);
		disconnected(m);
	}
}

static struct iec_remote *
find(struct iec_remotes *s, const struct runner_event *event)
{
	if (event->type_len <= NAME_AT || strcmp(event->type[0], "system") ||
	    strcmp(event->type[1], "remote_device"))
		return NULL;
	for (int i = 0; i < s->count; i++)
		if (!strcmp(s->list[i].address, event->type[ADDRESS_AT]))
			return &s->list[i];
	return NULL;
}

/* False where it is another event. */
static bool
take_enable(struct iec_remote *m, const struct runner_event *event)
{
	if (event->type_len != NAME_AT + 1 || strcmp(event->type[NAME_AT], "enable"))
		return false;
	set_enabled(m, runner_event_is_true(event));
	return true;
}

struct iec_remote *
iec_remotes_take(struct iec_remotes *s, const struct runner_event *event)
{
	struct iec_remote *m = find(s, event);

	if (!m) {
		iec_events_refuse(
		    &s->events, event, "it names no remote device of the configuration");
		return NULL;
	}
	if (!take_enable(m, event))
		return m;
	m->live = true;
	return NULL;
}

static void
on_enables(void *arg, const struct runner_event *event)
{
	struct iec_remotes *s = arg;
	struct iec_remote *m = event ? find(s, event) : NULL;

	if (m && !m->live)
		take_enable(m, event);
	if (event)
		return;
	runner_ready(s->line.r);
	iec_line_start(&s->line);
}

void
iec_remotes_start(void *device)
{
	static const struct runner_type enables = { { "system", "remote_device", "?", "enable" },
		4 };
	struct iec_remotes *s = device;

	runner_query(s->line.r, &enables, 1, on_enables, s);
}

/* --- connections --- */

static void
on_line(void *device, enum connection_status status)
{
	static const char *const type[] = { "gateway", "status" };
	struct iec_remotes *s = device;
	const char *why = endpoint_why(&s->line.endpoint);

	for (int i = 0; status == CONNECTION_DISCONNECTED && i < s->count; i++) {
		if (s->list[i].enabled)
			health_down_as_logged(
			    s->list[i].health, "the line is not open%s%s", *why ? ": " : "", why);
		disconnected(&s->list[i]);
	}
	connection_register_status(s->line.r, type, 2, status);
	for (int i = 0; status == CONNECTION_CONNECTED && i < s->count; i++)
		if (s->list[i].enabled)
			connect_remote(&s->list[i]);
}

static void
on_up(void *device, int station)
{
	struct iec_remotes *s = device;
	struct iec_remote *m = &s->list[station];

	set_status(m, CONNECTION_CONNECTED);
	if (m->time_sync_ms < 0)
		return;
	s->ops->sync_time(m);
	/* A delay of 0 would be a loop without end. */
	m->time_sync.repeat = m->time_sync_ms > 0 ? (double)m->time_sync_ms * 1e-3 : 1;
	ev_timer_again(runner_loop(s->line.r), &m->time_sync);
}

static void
on_down(void *device, int station)
{
	struct iec_remotes *s = device;

	disconnected(&s->list[station]);
	set_status(&s->list[station], CONNECTION_CONNECTING);
}

static void
on_user_data(void *device, int station, const uint8_t *data, size_t len)
{
	struct iec_remotes *s = device;

	s->ops->data(&s->list[station], data, len);
}

const struct iec_line_ops iec_remotes_line_ops = {
	.status = on_line,
	.up = on_up,
	.down = on_down,
	.data = on_user_data,
	.noun = "remote device",
};

bool
iec_remotes_describe(const struct iec_remotes *s, struct describe *d, size_t i, size_t rows,
    bool (*put)(const char *address, struct describe *d, size_t i))
{
	size_t remote = i / rows;

	return remote < (size_t)s->count && put(s->list[remote].address, d, i % rows);
}
