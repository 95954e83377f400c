#include "device-runners/iec60870/iec_master.h"

#include <stdio.h>
#include <string.h>

/* --- all of them --- */

static size_t
list_masters(void *arg, struct json_writer *w)
{
	struct iec_masters *s = arg;
	size_t count = 0;

	for (const struct iec_master *m = s->first; m; m = m->next) {
		if (!m->shown)
			continue;
		count++;
		json_begin_object(w, NULL);
		json_put_int(w, "connection_id", m->id);
		s->sink->put(m, w);
		json_end_object(w);
	}
	if (s->sink->link_is_count) {
		char link[32];
		snprintf(link, sizeof(link), "%zu connected", count);
		runner_set_link(s->listed.runner, link);
	}
	return count;
}

void
iec_masters_init(struct iec_masters *s, struct runner *r, const struct iec_sink *sink, void *device,
    struct points *points)
{
	*s = (struct iec_masters){ .sink = sink, .device = device, .points = points };
	connections_init(&s->listed, r, list_masters, s);
	s->health = health_masters_new(r);
}

struct iec_master *
iec_masters_find(const struct iec_masters *s, int64_t id)
{
	for (struct iec_master *m = s->first; m; m = m->next)
		if (m->id == id)
			return m;
	return NULL;
}

static bool
take_out(struct iec_master *m)
{
	bool shown = m->shown;

	for (struct iec_master **at = &m->all->first; *at; at = &(*at)->next) {
		if (*at == m) {
			*at = m->next;
			break;
		}
	}
	health_masters_leave(m->all->health, m->health);
	m->health = NULL;
	m->next = NULL;
	m->id = 0;
	m->shown = false;
	return shown;
}

void
iec_masters_disconnect(struct iec_masters *s)
{
	bool any_shown = false;

	while (s->first)
		any_shown |= take_out(s->first);
	if (any_shown)
		connections_changed(&s->listed);
}

/* --- one --- */

void
iec_master_init(struct iec_master *m, struct iec_masters *s, const char *name)
{
	*m = (struct iec_master){ .all = s };
	snprintf(m->name, sizeof(m->name), "%s", name);
	if (points_reader_init(&m->reader, s->points) < 0)
		runner_fail(s->listed.runner, "out of memory");
}

void
iec_master_clear(struct iec_master *m)
{
	if (!m->all)
		return;
	iec_master_disconnect(m);
	points_reader_clear(&m->reader);
}

void
iec_master_connect(struct iec_master *m)
{
	struct iec_masters *s = m->all;
	struct iec_master **end = &s->first;

	while (*end)
		end = &(*end)->next;
	*end = m;
	m->id = ++s->last_id;
}

void
iec_master_show(struct iec_master *m)
{
	m->shown = true;
	bool whole = strncmp(m->name, "master", 6) == 0;
	m->health = health_masters_join(m->all->health, "%s%s", whole ? "" : "master ", m->name);
	connections_changed(&m->all->listed);
}

void
iec_master_disconnect(struct iec_master *m)
{
	if (take_out(m))
		connections_changed(&m->all->listed);
}

/* --- buffered changes --- */

static bool
send_change(void *arg, uint64_t token, const void *asdu, size_t len, bool confirmed)
{
	struct iec_master *m = arg;
	const struct iec_sink *sink = m->all->sink;

	return sink->has_room(m) && sink->send(m, asdu, len, confirmed, token);
}

void
iec_master_send_changes(struct iec_master *m)
{
	points_read(m->all->points, &m->reader, send_change, m);
}

void
iec_master_begin(struct iec_master *m)
{
	points_reader_rewind(&m->reader, m->all->points);
	iec_master_send_changes(m);
}

void
iec_master_resume(struct iec_master *m)
{
	if (m->reader.behind)
		iec_master_send_changes(m);
}

void
iec_master_delivered(void *master, uint64_t token)
{
	struct iec_master *m = master;

	points_given(m->all->points, token);
	iec_master_resume(m);
}
