#include "device-runners/runtime/report/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/runtime/runner_private.h"

enum {
	ENTRY_MAX = 64 + 3 * 9 + 9 * IPC_REMOTE_COUNTERS + HEALTH_MAX_NAME + 2 * HEALTH_MAX_WHAT,
	MESSAGE_MAX = 48 * 1024,
	BUCKETS = 8, /* of round trips; the last one is their sum */
};

/* The part of an end that was not sent yet. */
enum { NEWS_NONE, NEWS_COUNTERS, NEWS_STATE };

struct health_end {
	struct runner *r; /* NULL: shown to nobody */
	uint32_t key;
	enum ipc_remote_state state;
	uint8_t news;
	uint8_t silences; /* time-outs in a row */
	struct timestamp since;
	struct monotime due; /* while it is off: it is down from then on; 0: never */
	struct monotime bad; /* when something went wrong last; 0: never */
	char name[HEALTH_MAX_NAME], what[HEALTH_MAX_WHAT], last_error[HEALTH_MAX_WHAT];
	uint64_t counters[IPC_REMOTE_COUNTERS];
	uint64_t round_trips, round_trip_us; /* how many, and their sum */
};

struct health {
	size_t count; /* keys that were ever used */
	ev_timer pace;
	bool refused;
	struct limit limit;
	uint64_t trips[BUCKETS]; /* round trips by bucket, each in one, and their sum */
	/* By key; owned; as long as the next power of two of count. */
	struct health_slot {
		struct health_end *end; /* NULL: free */
		bool gone;		/* removed, which was not sent yet */
	} * slots;
};

static struct health_end nobody;

static const struct {
	uint64_t us; /* at most */
	const char *counter;
} buckets[BUCKETS] = {
	{ .us = 1000, .counter = "rtt_le_1ms" },
	{ .us = 5000, .counter = "rtt_le_5ms" },
	{ .us = 20000, .counter = "rtt_le_20ms" },
	{ .us = 100000, .counter = "rtt_le_100ms" },
	{ .us = 500000, .counter = "rtt_le_500ms" },
	{ .us = 2000000, .counter = "rtt_le_2s" },
	{ .us = UINT64_MAX, .counter = "rtt_count" },
	{ .counter = "rtt_sum_us" },
};

/* --- sending --- */

static void
pack_end(msgpack_packer *p, uint32_t key, const struct health_end *h)
{
	msgpack_pack_array(p, 2);
	msgpack_pack_uint32(p, key);
	if (!h) {
		msgpack_pack_nil(p);
		return;
	}
	msgpack_pack_array(p, 6);
	ipc_pack_reason(p, h->name);
	msgpack_pack_uint32(p, h->state);
	ipc_pack_timestamp(p, &h->since);
	ipc_pack_reason(p, h->what);
	ipc_pack_reason(p, h->last_error);
	msgpack_pack_array(p, IPC_REMOTE_COUNTERS);
	for (size_t i = 0; i < IPC_REMOTE_COUNTERS; i++)
		msgpack_pack_uint64(p, i == IPC_REMOTE_RTT_AVG && h->round_trips
					   ? h->round_trip_us / h->round_trips
					   : h->counters[i]);
}

static bool
has_news(const struct health *s, size_t key, uint8_t least)
{
	return s->slots[key].gone || (s->slots[key].end && s->slots[key].end->news >= least);
}

/* One message of what is news from key `from` on; returns the key to go on with. */
static size_t
send_some(struct runner *r, size_t from, uint8_t least)
{
	struct health *s = r->health;
	uint32_t n = 0;
	size_t to = from;

	for (; to < s->count && n < MESSAGE_MAX / ENTRY_MAX; to++)
		n += has_news(s, to, least);
	if (n == 0)
		return to;
	msgpack_packer *p = channel_begin(&r->channel, IPC_HEALTH, 0);
	msgpack_pack_array(p, n);
	for (size_t i = from; i < to; i++) {
		if (!has_news(s, i, least))
			continue;
		pack_end(p, (uint32_t)i, s->slots[i].end);
		s->slots[i].gone = false;
		if (s->slots[i].end)
			s->slots[i].end->news = NEWS_NONE;
	}
	runner_sent(r, channel_send(&r->channel, -1));
	return to;
}

/* Before PLAN was sent nothing may be said. */
static void
send_all(struct runner *r, uint8_t least)
{
	for (size_t key = 0; r->channel.phase == PHASE_RUN && key < r->health->count;)
		key = send_some(r, key, least);
}

static void look_for_silent(struct health *s);

void
runner_health_flush(struct runner *r)
{
	if (!r->health)
		return;
	look_for_silent(r->health);
	send_all(r, NEWS_COUNTERS);
}

static void
on_pace(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct runner *r = w->data;

	(void)loop, (void)revents;
	send_all(r, NEWS_STATE);
}

/* It is sent with what else changes until then. */
static void
tell(struct health_end *h, uint8_t news)
{
	if (h->news < news)
		h->news = news;
	if (h->r && news == NEWS_STATE && !ev_is_active(&h->r->health->pace)) {
		ev_timer_set(&h->r->health->pace, HEALTH_PACE_MS / 1e3, 0.);
		ev_timer_start(h->r->loop, &h->r->health->pace);
	}
}

/* --- ends --- */

static struct health *
health_of(struct runner *r)
{
	if (r->health)
		return r->health;
	r->health = runner_alloc(r, 1, sizeof(*r->health));
	ev_init(&r->health->pace, on_pace);
	r->health->pace.data = r;
	return r->health;
}

void
runner_health_clear(struct runner *r)
{
	struct health *s = r->health;

	if (!s)
		return;
	ev_timer_stop(r->loop, &s->pace);
	for (size_t i = 0; i < s->count; i++)
		free(s->slots[i].end);
	free(s->slots);
	free(s);
	r->health = NULL;
}

/* Another key, the next one. */
static void
grow(struct runner *r, struct health *s)
{
	if ((s->count & (s->count - 1)) == 0) {
		size_t room = s->count ? 2 * s->count : 1;
		s->slots = realloc(s->slots, room * sizeof(*s->slots));
		if (!s->slots)
			runner_fail(r, "out of memory");
	}
	s->slots[s->count++] = (struct health_slot){ 0 };
}

static struct health_end *
add(struct runner *r, const char *fmt, va_list ap)
{
	struct health *s = health_of(r);
	size_t key = 0;

	while (key < s->count && s->slots[key].end)
		key++;
	if (key == IPC_MAX_REMOTES) {
		if (!s->refused)
			log_warning("gatewayctl shows the health of the first %d remote ends only",
			    IPC_MAX_REMOTES);
		s->refused = true;
		return &nobody;
	}
	struct health_end *h = runner_alloc(r, 1, sizeof(*h));
	h->r = r;
	h->key = (uint32_t)key;
	h->since = timestamp_now();
	vsnprintf(h->name, sizeof(h->name), fmt, ap);
	snprintf(h->what, sizeof(h->what), "nothing is known yet");
	if (key == s->count)
		grow(r, s);
	s->slots[key].end = h;
	tell(h, NEWS_STATE);
	return h;
}

struct health_end *
health_add(struct runner *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct health_end *h = add(r, fmt, ap);
	va_end(ap);
	return h;
}

void
health_remove(struct health_end *h)
{
	if (!h || !h->r)
		return;
	tell(h, NEWS_STATE);
	h->r->health->slots[h->key].gone = true;
	h->r->health->slots[h->key].end = NULL;
	free(h);
}

/* --- states --- */

static const enum log_level levels[] = {
	[IPC_REMOTE_OFF] = LOG_LEVEL_INFO,
	[IPC_REMOTE_UP] = LOG_LEVEL_NOTICE,
	[IPC_REMOTE_DEGRADED] = LOG_LEVEL_WARNING,
	[IPC_REMOTE_DOWN] = LOG_LEVEL_WARNING,
};

static void
log_state(struct health_end *h, enum log_level level)
{
	limit_log(&h->r->health->limit, level, "%s is %s%s%s", h->name,
	    ipc_remote_state_name(h->state), *h->what ? ": " : "", h->what);
}

/* what: "" none. */
static void
set_state(struct health_end *h, enum ipc_remote_state state, const char *what)
{
	enum ipc_remote_state before = h->state;

	if (!h->r || (before == state && strcmp(h->what, what) == 0))
		return;
	snprintf(h->what, sizeof(h->what), "%s", what);
	tell(h, NEWS_STATE);
	if (before == state)
		return;
	h->state = state;
	h->since = timestamp_now();
	h->due = (struct monotime){ 0 };
	h->silences = 0;
	enum log_level level = levels[state];
	/* An answer is news where there was none before. */
	if (before == IPC_REMOTE_OFF && state == IPC_REMOTE_UP)
		level = LOG_LEVEL_INFO;
	log_state(h, level);
}

#define FORMAT(text, fmt)                                                                          \
	char text[HEALTH_MAX_WHAT];                                                                \
	va_list ap;                                                                                \
                                                                                                   \
	va_start(ap, fmt);                                                                         \
	vsnprintf(text, sizeof(text), fmt, ap);                                                    \
	va_end(ap)

void
health_up(struct health_end *h)
{
	set_state(h, IPC_REMOTE_UP, "");
	h->silences = 0;
}

static void
note_error(struct health_end *h, const char *text)
{
	snprintf(h->last_error, sizeof(h->last_error), "%s", text);
	tell(h, NEWS_COUNTERS);
}

/* Something went wrong now. */
static void
spoil(struct health_end *h, enum ipc_remote_state state, const char *text)
{
	h->bad = monotime_now();
	note_error(h, text);
	set_state(h, state, text);
}

/* A reason is news as well as a state is. */
static void
go_down(struct health_end *h, const char *text)
{
	bool other = h->r && h->state == IPC_REMOTE_DOWN && strcmp(h->what, text) != 0;

	spoil(h, IPC_REMOTE_DOWN, text);
	if (other)
		log_state(h, levels[IPC_REMOTE_DOWN]);
}

void
health_degraded(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	spoil(h, IPC_REMOTE_DEGRADED, text);
}

void
health_down(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	go_down(h, text);
}

void
health_down_as_logged(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	spoil(h, IPC_REMOTE_DOWN, text);
}

void
health_off(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	h->due = (struct monotime){ 0 };
	set_state(h, IPC_REMOTE_OFF, text);
}

void
health_expect(struct health_end *h, int64_t ms)
{
	if (h->state == IPC_REMOTE_OFF && !h->due.ns)
		h->due = monotime_add_ms(monotime_now(), ms);
}

static void
look_for_silent(struct health *s)
{
	struct monotime now = monotime_now();

	for (size_t i = 0; i < s->count; i++) {
		struct health_end *h = s->slots[i].end;
		if (h && h->due.ns && monotime_cmp(now, h->due) >= 0)
			health_down(h, "no answer yet");
	}
}

bool
health_is_up(const struct health_end *h)
{
	return h->state == IPC_REMOTE_UP;
}

const char *
health_last_error(const struct health_end *h)
{
	return h->last_error;
}

/* --- what happened --- */

static void
count(struct health_end *h, enum ipc_remote_counter what, uint64_t n)
{
	h->counters[what] += n;
	tell(h, NEWS_COUNTERS);
}

void
health_sent(struct health_end *h, size_t bytes)
{
	count(h, IPC_REMOTE_REQUESTS, 1);
	count(h, IPC_REMOTE_BYTES_OUT, bytes);
}

void
health_retried(struct health_end *h)
{
	count(h, IPC_REMOTE_RETRIES, 1);
}

static void
count_in_bucket(struct health_end *h, uint64_t us)
{
	struct health *s = h->r ? h->r->health : NULL;
	size_t i = 0;

	if (!s)
		return;
	while (us > buckets[i].us)
		i++;
	s->trips[i]++;
	s->trips[BUCKETS - 1] += us;
}

void
runner_health_count(struct runner *r)
{
	const struct health *s = r->health;
	uint64_t trips = 0;

	if (!s || !s->trips[BUCKETS - 1])
		return;
	for (size_t i = 0; i < BUCKETS - 1; i++)
		*runner_counter(r, buckets[i].counter) = trips += s->trips[i];
	*runner_counter(r, buckets[BUCKETS - 1].counter) = s->trips[BUCKETS - 1];
}

static void
count_round_trip(struct health_end *h, int64_t ns)
{
	uint64_t us = (uint64_t)ns / 1000, *c = h->counters;

	count_in_bucket(h, us);
	h->round_trips++;
	h->round_trip_us += us;
	if (h->round_trips == 1 || us < c[IPC_REMOTE_RTT_MIN])
		c[IPC_REMOTE_RTT_MIN] = us;
	if (us > c[IPC_REMOTE_RTT_MAX])
		c[IPC_REMOTE_RTT_MAX] = us;
}

void
health_received(struct health_end *h, size_t bytes)
{
	count(h, IPC_REMOTE_BYTES_IN, bytes);
}

void
health_answered(struct health_end *h, int64_t round_trip_ns, size_t bytes)
{
	health_received(h, bytes);
	if (round_trip_ns > 0)
		count_round_trip(h, round_trip_ns);
	h->silences = 0;
	if (h->state == IPC_REMOTE_UP)
		return;
	if (h->state != IPC_REMOTE_DEGRADED ||
	    monotime_diff_ms(monotime_now(), h->bad) >= HEALTH_SETTLE_MS)
		health_up(h);
}

void
health_note_error(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	count(h, IPC_REMOTE_ERRORS, 1);
	note_error(h, text);
}

void
health_error(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	count(h, IPC_REMOTE_ERRORS, 1);
	h->silences = 0;
	spoil(h, IPC_REMOTE_DEGRADED, text);
}

void
health_lost(struct health_end *h)
{
	count(h, IPC_REMOTE_TIMEOUTS, 1);
}

void
health_timeout(struct health_end *h, const char *fmt, ...)
{
	FORMAT(text, fmt);
	health_lost(h);
	h->silences += h->silences < HEALTH_DOWN_TIMEOUTS;
	bool down = h->state == IPC_REMOTE_DOWN || h->silences == HEALTH_DOWN_TIMEOUTS;
	uint8_t silences = h->silences;
	if (down)
		go_down(h, text);
	else
		spoil(h, IPC_REMOTE_DEGRADED, text);
	h->silences = silences;
}

/* --- masters --- */

struct health_masters {
	struct runner *r;
	size_t count;
	struct health_end *none; /* while there is none; or NULL */
	ev_timer late;
};

static void
on_no_master(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct health_masters *m = w->data;

	(void)loop, (void)revents;
	m->none = health_add(m->r, "masters");
	health_down(m->none, "no master is connected");
}

struct health_masters *
health_masters_new(struct runner *r)
{
	/* A process has one device. */
	static struct health_masters m;

	m = (struct health_masters){ .r = r };
	ev_timer_init(&m.late, on_no_master, HEALTH_MASTER_MS / 1e3, 0.);
	m.late.data = &m;
	return &m;
}

void
health_masters_start(struct health_masters *m)
{
	health_remove(m->none);
	m->none = NULL;
	ev_timer_set(&m->late, HEALTH_MASTER_MS / 1e3, 0.);
	ev_timer_start(m->r->loop, &m->late);
}

void
health_masters_closed(struct health_masters *m, const char *why)
{
	ev_timer_stop(m->r->loop, &m->late);
	if (!m->none)
		m->none = health_add(m->r, "masters");
	health_down_as_logged(m->none, "the line is not open: %s", why);
}

struct health_end *
health_masters_join(struct health_masters *m, const char *fmt, ...)
{
	va_list ap;

	ev_timer_stop(m->r->loop, &m->late);
	if (m->none)
		limit_notice(&m->r->health->limit, "a master is connected again");
	health_remove(m->none);
	m->none = NULL;
	m->count++;
	va_start(ap, fmt);
	struct health_end *h = add(m->r, fmt, ap);
	va_end(ap);
	health_up(h);
	return h;
}

void
health_masters_leave(struct health_masters *m, struct health_end *master)
{
	if (!master)
		return;
	health_remove(master);
	if (--m->count == 0)
		health_masters_start(m);
}
