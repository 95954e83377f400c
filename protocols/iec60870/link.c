#include "protocols/iec60870/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "protocols/iec60870/link_internal.h"

/* --- queues --- */

static size_t
msg_cost(const struct link_msg *m)
{
	return sizeof(*m) + m->len;
}

void
queue_init(struct link_queue *q)
{
	*q = (struct link_queue){ .tail = &q->head };
}

static void
queue_append(struct link_queue *q, struct link_msg *m)
{
	m->next = NULL;
	*q->tail = m;
	q->tail = &m->next;
	q->count++;
	q->bytes += msg_cost(m);
}

int
queue_put(struct link_queue *q, const void *data, size_t len, uint64_t token, unsigned flags,
    struct monotime now)
{
	if (q->count >= LINK_QUEUE_MESSAGES ||
	    q->bytes + sizeof(struct link_msg) + len > LINK_QUEUE_BYTES) {
		errno = ENOBUFS;
		return -1;
	}
	struct link_msg *m = malloc(sizeof(*m) + len);
	if (!m)
		return -1;
	m->token = token;
	m->queued = now;
	m->len = (uint16_t)len;
	m->flags = (uint8_t)flags;
	memcpy(m->data, data, len);
	queue_append(q, m);
	return 0;
}

void
queue_push_front(struct link_queue *q, struct link_msg *m)
{
	m->next = q->head;
	if (!q->head)
		q->tail = &m->next;
	q->head = m;
	q->count++;
	q->bytes += msg_cost(m);
}

struct link_msg *
queue_take(struct link_queue *q)
{
	struct link_msg *m = q->head;

	if (!m)
		return NULL;
	q->head = m->next;
	if (!q->head)
		q->tail = &q->head;
	q->count--;
	q->bytes -= msg_cost(m);
	m->next = NULL;
	return m;
}

void
queue_clear(struct link_queue *q)
{
	for (struct link_msg *m; (m = queue_take(q));)
		free(m);
}

/* --- stations --- */

void
link_init(struct link *l, const struct link_conf *conf)
{
	*l = (struct link){ .conf = *conf, .turn.cur = LINK_ALL, .dirty_by = LINK_ALL };
	ft12_rx_init(
	    &l->rx, (struct ft12_params){ conf->address_size, conf->mode == LINK_BALANCED });
	queue_init(&l->broadcasts);
}

void
link_set_stamp(struct link *l, void (*stamp)(void *arg, uint8_t *data, size_t len), void *arg)
{
	l->conf.stamp = stamp;
	l->conf.stamp_arg = arg;
}

static void
station_clear(struct link_station *st)
{
	queue_clear(&st->queue);
	free(st->secondary.given);
	st->secondary.given = NULL;
	st->secondary.answering = false;
}

void
link_clear(struct link *l)
{
	for (int i = 0; i < l->count; i++)
		station_clear(&l->stations[i]);
	queue_clear(&l->broadcasts);
	free(l->stations);
	l->stations = NULL;
	l->count = l->size = 0;
}

/* Queues point into their own station: an array that moves has to be told. */
static void
stations_moved(struct link *l)
{
	for (int i = 0; i < l->count; i++) {
		struct link_queue *q = &l->stations[i].queue;
		if (!q->head)
			q->tail = &q->head;
	}
}

static bool
address_ok(const struct link *l, const struct link_station_conf *conf)
{
	uint32_t limit = l->conf.mode == LINK_BALANCED ? UINT32_C(1) << (8 * l->conf.address_size)
						       : ft12_broadcast(l->conf.address_size);

	if (conf->address >= limit || conf->own_address >= limit)
		return false;
	for (int i = 0; i < l->count; i++) {
		const struct link_station_conf *other = &l->stations[i].conf;
		if (other->dir == conf->dir &&
		    (other->address == conf->address || other->own_address == conf->own_address))
			return false;
	}
	return true;
}

int
link_add(struct link *l, const struct link_station_conf *given)
{
	struct link_station_conf conf = *given;

	if (!conf.two_addresses)
		conf.own_address = conf.address;
	if (!address_ok(l, &conf)) {
		errno = EINVAL;
		return -1;
	}
	if (l->count == LINK_MAX_STATIONS) {
		errno = ENOSPC;
		return -1;
	}
	if (l->count == l->size) {
		int size = l->size ? 2 * l->size : 4;
		void *p = reallocarray(l->stations, (size_t)size, sizeof(*l->stations));
		if (!p)
			return -1;
		l->stations = p;
		l->size = size;
		stations_moved(l);
	}
	struct link_station *st = &l->stations[l->count];
	*st = (struct link_station){ .conf = conf };
	queue_init(&st->queue);
	return l->count++;
}

struct link_station *
link_station_of(struct link *l, int index)
{
	return index >= 0 && index < l->count ? &l->stations[index] : NULL;
}

void
link_open(struct link *l, int station, struct monotime now)
{
	struct link_station *st = link_station_of(l, station);

	if (!st || st->state != LINK_CLOSED)
		return;
	st->state = LINK_CONNECTING;
	secondary_reset(st);
	if (l->conf.mode != LINK_SLAVE)
		primary_open(l, st, now);
}

static void
actions_drop(struct link *l, int station)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->action_count; i++) {
		struct link_action a = l->actions[(l->action_head + i) % LINK_MAX_ACTIONS];
		if (a.station != station)
			l->actions[(l->action_head + kept++) % LINK_MAX_ACTIONS] = a;
	}
	l->action_count = kept;
}

void
link_close(struct link *l, int station)
{
	struct link_station *st = link_station_of(l, station);

	if (!st || st->state == LINK_CLOSED)
		return;
	actions_drop(l, station);
	primary_close(l, station);
	station_clear(st);
	st->state = LINK_CLOSED;
}

void
link_line_opened(struct link *l, int64_t most_ms, struct monotime now)
{
	int64_t longest = 0;

	for (int i = 0; i < l->count; i++)
		if (l->stations[i].conf.response_ms > longest)
			longest = l->stations[i].conf.response_ms;
	l->turn.again = l->turn.doubt = false;
	if (l->conf.mode != LINK_SLAVE)
		primary_quiet(l, longest < most_ms ? longest : most_ms, now);
}

void
link_line_lost(struct link *l, struct monotime now)
{
	l->rx.head = l->rx.len = 0;
	l->rx.lost = false;
	l->action_count = 0;
	l->dirty_until = l->free_at = l->sent_end = (struct monotime){ 0 };
	for (int i = 0; i < l->count; i++) {
		if (l->stations[i].state == LINK_CLOSED)
			continue;
		link_close(l, i);
		link_open(l, i, now);
	}
}

size_t
link_max_data(const struct link *l)
{
	return FT12_MAX_USER - 1 - (size_t)l->conf.address_size;
}

int
link_send(struct link *l, int station, unsigned flags, const void *data, size_t len, uint64_t token,
    struct monotime now)
{
	struct link_station *st = link_station_of(l, station);

	if (!len || len > link_max_data(l)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (station == LINK_ALL && l->conf.mode == LINK_MASTER)
		return queue_put(&l->broadcasts, data, len, token, flags, now);
	if (!st || st->state != LINK_CONNECTED) {
		errno = ENOTCONN;
		return -1;
	}
	return queue_put(&st->queue, data, len, token, flags, now);
}

bool
link_has_room(const struct link *l, int station)
{
	const struct link_queue *q = &l->stations[station].queue;

	return q->count < LINK_QUEUE_MESSAGES / 2 && q->bytes < LINK_QUEUE_BYTES / 2;
}

int
link_stations(const struct link *l)
{
	return l->count;
}

uint16_t
link_address(const struct link *l, int station)
{
	const struct link_station_conf *conf = &l->stations[station].conf;

	return l->conf.controlling ? conf->address : conf->own_address;
}

void
link_pause(struct link *l, bool paused)
{
	l->paused = paused;
}

/* --- actions and time --- */

void
link_act(struct link *l, struct link_action action)
{
	assert(l->action_count < LINK_MAX_ACTIONS);
	l->actions[(l->action_head + l->action_count++) % LINK_MAX_ACTIONS] = action;
}

struct monotime
link_earlier(struct monotime a, struct monotime b)
{
	if (!a.ns || !b.ns)
		return a.ns ? a : b;
	return monotime_cmp(a, b) <= 0 ? a : b;
}

int64_t
link_gap_ns(const struct link *l)
{
	int64_t gap = INT64_C(1000000) * LINK_GAP_MS, chars = 20 * l->conf.char_ns;

	return chars > gap ? chars : gap;
}

void
link_transmit(struct link *l, int station, const uint8_t *data, size_t len, struct monotime now)
{
	struct monotime begin = monotime_cmp(now, l->sent_end) > 0 ? now : l->sent_end;

	l->sent_end.ns = begin.ns + (int64_t)len * l->conf.char_ns;
	l->free_at.ns = l->sent_end.ns + l->conf.silent_ns;
	l->counters.sent++;
	link_act(
	    l, (struct link_action){ LINK_TRANSMIT, .station = station, .data = data, .len = len });
}

size_t
link_receive(struct link *l, const void *bytes, size_t n, struct monotime now)
{
	if (!ft12_rx_partial(&l->rx) && now.ns - l->last_rx.ns >= link_gap_ns(l))
		ft12_rx_gap(&l->rx);
	l->last_rx = now;
	/* On a half duplex line the other side speaks after us: what we sent is out, whatever its
	 * speed, and the silence counts from here. */
	if (l->conf.mode != LINK_BALANCED) {
		l->sent_end = now;
		l->free_at.ns = now.ns + l->conf.silent_ns;
	}
	return ft12_rx_put(&l->rx, bytes, n);
}

static int
station_by_address(const struct link *l, const struct ft12_frame *f)
{
	for (int i = 0; i < l->count; i++) {
		const struct link_station *st = &l->stations[i];
		if (st->state != LINK_CLOSED && st->conf.own_address == f->address &&
		    (l->conf.mode != LINK_BALANCED || st->conf.dir != f->dir))
			return i;
	}
	return -1;
}

static void
on_request(struct link *l, const struct ft12_frame *f, struct monotime now)
{
	if (l->conf.mode == LINK_SLAVE && f->address == ft12_broadcast(l->conf.address_size)) {
		if (f->len)
			link_act(l, (struct link_action){ LINK_DATA, .station = LINK_ALL,
					.data = f->data, .len = f->len });
		return;
	}
	int i = l->conf.mode == LINK_MASTER ? -1 : station_by_address(l, f);
	if (i < 0)
		l->counters.strays++;
	else
		secondary_on_request(l, i, f, now);
}

/* One frame from the receiver; false where there is none. */
static bool
frame_step(struct link *l, struct monotime now)
{
	struct ft12_frame f;
	enum dec dec = ft12_rx_next(&l->rx, &f);

	if (dec == DEC_MORE && ft12_rx_partial(&l->rx) &&
	    now.ns - l->last_rx.ns >= link_gap_ns(l)) {
		ft12_rx_gap(&l->rx);
		return true;
	}
	if (dec == DEC_MORE)
		return false;
	l->counters.received++;
	if (f.kind == FT12_PRIMARY)
		on_request(l, &f, now);
	else if (dec == DEC_UNSUP || !primary_on_answer(l, &f, now))
		l->counters.strays++;
	return true;
}

bool
link_next(struct link *l, struct monotime now, struct link_action *action)
{
	while (!l->action_count)
		if (!frame_step(l, now) && !secondary_step(l, now) && !primary_step(l, now))
			return false;
	*action = l->actions[l->action_head];
	l->action_head = (l->action_head + 1) % LINK_MAX_ACTIONS;
	l->action_count--;
	return true;
}

struct monotime
link_deadline(const struct link *l)
{
	struct monotime at = link_earlier(primary_deadline(l), secondary_deadline(l));

	if (ft12_rx_partial(&l->rx))
		at = link_earlier(at, (struct monotime){ l->last_rx.ns + link_gap_ns(l) });
	return at;
}

const char *
link_state_name(enum link_state state)
{
	static const char *const names[] = { "closed", "connecting", "connected" };

	return names[state];
}
