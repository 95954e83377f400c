#include <stdlib.h>

#include "protocols/iec60870/link_internal.h"

/* The meaning of an answer for the request under way. */
enum verdict {
	STRAY, /* not an answer to it */
	DONE,
	EMPTY,	 /* no data of that class */
	GIVEN,	 /* data */
	NACKED,	 /* not taken now */
	REFUSED, /* never taken */
};

enum { ANSWER_SINGLE = 16, ANSWER_KINDS = 17 };

/* By function code of the answer; the last column is the character E5. */
static const uint8_t verdicts[][ANSWER_KINDS] = {
	[LINK_REQ_RESET] = { [FT12_ACK] = DONE,
	    [ANSWER_SINGLE] = DONE,
	    [FT12_NACK] = REFUSED,
	    [FT12_NOT_FUNCTIONING] = REFUSED,
	    [FT12_NOT_IMPLEMENTED] = REFUSED },
	[LINK_REQ_DATA] = { [FT12_ACK] = DONE,
	    [ANSWER_SINGLE] = DONE,
	    [FT12_RES_NO_DATA] = DONE,
	    [FT12_NACK] = NACKED,
	    [FT12_NOT_FUNCTIONING] = REFUSED,
	    [FT12_NOT_IMPLEMENTED] = REFUSED },
	[LINK_REQ_POLL1] = { [FT12_RES_DATA] = GIVEN,
	    [FT12_RES_NO_DATA] = EMPTY,
	    [ANSWER_SINGLE] = EMPTY,
	    [FT12_ACK] = EMPTY,
	    [FT12_NACK] = EMPTY,
	    [FT12_NOT_FUNCTIONING] = EMPTY,
	    [FT12_NOT_IMPLEMENTED] = EMPTY },
	[LINK_REQ_STATUS] = { [FT12_RES_STATUS] = DONE,
	    [FT12_ACK] = DONE,
	    [ANSWER_SINGLE] = DONE,
	    [FT12_NACK] = DONE,
	    [FT12_NOT_FUNCTIONING] = DONE,
	    [FT12_NOT_IMPLEMENTED] = DONE },
};

static enum verdict
verdict_of(enum link_request_kind request, const struct ft12_frame *f)
{
	/* Both classes are answered alike. */
	const uint8_t *row = verdicts[request == LINK_REQ_POLL2 ? LINK_REQ_POLL1 : request];

	return row[f->kind == FT12_SINGLE ? ANSWER_SINGLE : f->function];
}

static const struct {
	uint8_t function;
	bool fcv;
} requests[] = {
	[LINK_REQ_RESET] = { .function = FT12_RESET_LINK, .fcv = false },
	[LINK_REQ_DATA] = { .function = FT12_DATA, .fcv = true },
	[LINK_REQ_DATA_NO_REPLY] = { .function = FT12_DATA_NO_REPLY, .fcv = false },
	[LINK_REQ_POLL1] = { .function = FT12_REQ_CLASS1, .fcv = true },
	[LINK_REQ_POLL2] = { .function = FT12_REQ_CLASS2, .fcv = true },
	[LINK_REQ_STATUS] = { .function = FT12_REQ_STATUS, .fcv = false },
	[LINK_REQ_BROADCAST] = { .function = FT12_DATA_NO_REPLY, .fcv = false },
};

/* Whether other open stations use the line, so that one that is silent must not take it all. */
static bool
line_shared(const struct link *l)
{
	int open = 0;

	for (int i = 0; i < l->count; i++)
		open += l->stations[i].state != LINK_CLOSED;
	return open > 1;
}

void
primary_open(struct link *l, struct link_station *st, struct monotime now)
{
	(void)l;
	st->reset_due = now;
	st->acd = st->busy = false;
	st->nacks = 0;
}

static void
mark_dirty(struct link *l, struct monotime now)
{
	const struct link_station *st = link_station_of(l, l->turn.cur);

	l->dirty_by = l->turn.cur;
	l->dirty_until = monotime_add_ms(now, st ? st->conf.response_ms : 0);
}

void
primary_close(struct link *l, int index)
{
	if (l->turn.phase == LINK_IDLE || l->turn.cur != index)
		return;
	if (l->turn.phase == LINK_WAITING || l->turn.phase == LINK_SETTLE_WAIT)
		mark_dirty(l, l->turn.deadline);
	l->turn.phase = LINK_IDLE;
}

/* --- choosing what to send --- */

struct choice {
	int station;
	enum link_request_kind kind;
	unsigned rank; /* the lower the sooner */
	struct monotime due;
};

static void
consider(struct choice *best, struct choice c)
{
	if (best->kind == LINK_REQ_NONE || c.rank < best->rank ||
	    (c.rank == best->rank && monotime_cmp(c.due, best->due) < 0))
		*best = c;
}

static bool
polled(const struct link *l, const struct link_station *st, int cls)
{
	return l->conf.mode == LINK_MASTER && !l->paused &&
	       (st->conf.poll_ms[cls] >= 0 || (cls == 0 && st->acd));
}

/* A station that nothing else speaks to is asked for its status, so that its loss is noticed. */
static bool
needs_status(const struct link *l, const struct link_station *st)
{
	return l->conf.mode == LINK_BALANCED ||
	       (st->conf.poll_ms[0] < 0 && st->conf.poll_ms[1] < 0) || l->paused;
}

static enum link_request_kind
data_request(const struct link_msg *m)
{
	return m->flags & LINK_NO_REPLY ? LINK_REQ_DATA_NO_REPLY : LINK_REQ_DATA;
}

/* Adds what this station wants and is due; with now 0 everything that it wants, by time alone. */
static void
consider_station(const struct link *l, int i, struct choice *best, struct monotime now)
{
	const struct link_station *st = &l->stations[i];
	struct choice rows[5];
	int n = 0;

	if (st->state == LINK_CONNECTING)
		rows[n++] = (struct choice){ i, LINK_REQ_RESET, 1, st->reset_due };
	if (st->state == LINK_CONNECTED) {
		if (st->queue.head && !st->busy)
			rows[n++] = (struct choice){ i, data_request(st->queue.head),
				l->urgent < LINK_URGENT_IN_A_ROW ? 0 : 2, { 1 } };
		if (st->busy && st->queue.head)
			rows[n++] = (struct choice){ i, LINK_REQ_STATUS, 1, st->busy_due };
		for (int c = 0; c < 2; c++)
			if (polled(l, st, c))
				rows[n++] = (struct choice){ i, c ? LINK_REQ_POLL2 : LINK_REQ_POLL1,
					1, st->poll_due[c] };
		if (needs_status(l, st))
			rows[n++] = (struct choice){ i, LINK_REQ_STATUS, 1, st->status_due };
	}
	for (int k = 0; k < n; k++) {
		if (!now.ns)
			rows[k].rank = 0;
		else if (monotime_cmp(rows[k].due, now) > 0)
			continue;
		consider(best, rows[k]);
	}
}

static struct choice
choose(const struct link *l, struct monotime now)
{
	struct choice best = { 0, LINK_REQ_NONE, 0, { 0 } };

	if (l->broadcasts.head)
		best = (struct choice){ LINK_ALL, LINK_REQ_BROADCAST, 0, { 1 } };
	/* From the one after the last served, so that equals take turns. */
	for (int k = 0; k < l->count; k++)
		consider_station(l, (l->turn.cur + 1 + k) % l->count, &best, now);
	return best;
}

static size_t
compose(struct link *l, uint8_t out[FT12_MAX_FRAME], int index, enum link_request_kind kind)
{
	const struct link_station *st = link_station_of(l, index);
	bool data = kind == LINK_REQ_DATA || kind == LINK_REQ_DATA_NO_REPLY;
	const struct link_msg *m = kind == LINK_REQ_BROADCAST ? l->broadcasts.head
				   : data		      ? st->queue.head
							      : NULL;
	struct ft12_frame f = {
		.kind = FT12_PRIMARY,
		.dir = st && st->conf.dir,
		.fcv = requests[kind].fcv,
		.fcb = requests[kind].fcv && st->fcb,
		.function = requests[kind].function,
		.address = st ? st->conf.address : ft12_broadcast(l->conf.address_size),
		.data = m ? m->data : NULL,
		.len = m ? m->len : 0,
	};
	int n = ft12_encode(&l->rx.params, &f, out);

	return n > 0 ? (size_t)n : 0;
}

static bool
begin(struct link *l, struct monotime now)
{
	struct choice c = choose(l, now);

	if (c.kind == LINK_REQ_NONE)
		return false;
	l->urgent = c.rank == 0 ? l->urgent + 1 : 0;
	l->turn.cur = c.station;
	l->turn.request = c.kind;
	l->turn.tx_len = compose(l, l->turn.tx, c.station, c.kind);
	l->turn.tries = l->turn.settle_tries = 0;
	l->turn.again = l->turn.doubt = false;
	l->turn.phase = LINK_SENDING;
	return true;
}

/* --- what becomes of it --- */

void
primary_lose(struct link *l, int index, const char *reason, struct monotime now)
{
	struct link_station *st = &l->stations[index];

	primary_close(l, index);
	queue_clear(&st->queue);
	st->state = LINK_CONNECTING;
	primary_open(l, st, now);
	link_act(l, (struct link_action){ LINK_DOWN, .station = index, .reason = reason });
}

void
primary_quiet(struct link *l, int64_t ms, struct monotime now)
{
	l->turn.deadline = monotime_add_ms(now, ms);
	l->turn.phase = LINK_SETTLE_QUIET;
}

/* Answers to several status requests can not be told apart either: then only silence settles. */
static void
settle_quietly(struct link *l, struct monotime now)
{
	primary_quiet(l, 2 * l->stations[l->turn.cur].conf.response_ms, now);
}

static void
settle(struct link *l, struct monotime now)
{
	if (l->turn.request == LINK_REQ_STATUS) {
		settle_quietly(l, now);
		return;
	}
	l->turn.settle_len = compose(l, l->turn.settle, l->turn.cur, LINK_REQ_STATUS);
	l->turn.phase = LINK_SETTLING;
}

static void
settled(struct link *l)
{
	l->dirty_until = (struct monotime){ 0 };
	l->turn.phase = l->turn.again || l->turn.doubt ? LINK_SENDING : LINK_IDLE;
	l->turn.again = l->turn.doubt = false;
}

static void
message_done(struct link *l, int index, enum link_action_type type, const char *reason)
{
	struct link_station *st = &l->stations[index];
	struct link_msg *m = queue_take(&st->queue);

	st->nacks = 0;
	if (!m)
		return;
	link_act(
	    l, (struct link_action){ type, .station = index, .token = m->token, .reason = reason });
	free(m);
}

/* A message that is stamped when it leaves does not age. */
static bool
is_old(const struct link_msg *m, struct monotime now)
{
	return m && m->queued.ns && !(m->flags & LINK_STAMPED) &&
	       monotime_diff_ms(now, m->queued) > LINK_MAX_AGE_MS;
}

/* The reason not to send the first message for the station any more, or NULL. */
static const char *
why_refused(const struct link_station *st, struct monotime now)
{
	if (st->state != LINK_CONNECTED || !st->queue.head)
		return NULL;
	if (st->busy && monotime_diff_ms(now, st->busy_since) >= LINK_BUSY_MAX_MS)
		return "the station's link stays busy";
	return is_old(st->queue.head, now) ? "it waited too long for the line" : NULL;
}

/* Refuses one message that is in control direction and has waited too long; false where there is
 * none. */
static bool
refuse_old(struct link *l, struct monotime now)
{
	if (!l->conf.controlling)
		return false;
	if (is_old(l->broadcasts.head, now)) {
		free(queue_take(&l->broadcasts));
		return true;
	}
	for (int i = 0; i < l->count; i++) {
		const char *why = why_refused(&l->stations[i], now);
		if (!why)
			continue;
		message_done(l, i, LINK_REFUSED, why);
		return true;
	}
	return false;
}

static void
hold_data(struct link_station *st, struct monotime now)
{
	if (!st->busy)
		st->busy_since = now;
	st->busy = true;
	st->busy_due = monotime_add_ms(now, LINK_BUSY_MS);
}

static void
connected(struct link *l, struct link_station *st, struct monotime now)
{
	st->state = LINK_CONNECTED;
	st->up_since = now;
	st->fcb = true;
	st->poll_due[0] = st->poll_due[1] = now;
	link_act(l, (struct link_action){ LINK_UP, .station = l->turn.cur });
}

static void
poll_done(struct link *l, struct link_station *st, enum verdict v, const struct ft12_frame *f,
    struct monotime now)
{
	int cls = l->turn.request == LINK_REQ_POLL2;

	/* One that claims class 1 data and gives none would be polled for ever. */
	if (cls == 0 && v == EMPTY)
		st->acd = false;
	st->poll_due[cls] = monotime_add_ms(now, st->conf.poll_ms[cls]);
	if (st->acd && (cls == 0 || monotime_cmp(st->poll_due[0], now) > 0))
		st->poll_due[0] = now;
	if (v == GIVEN && f->len)
		link_act(l, (struct link_action){ LINK_DATA, .station = l->turn.cur,
				.data = f->data, .len = f->len });
}

static void
data_done(struct link *l, struct link_station *st, enum verdict v, struct monotime now)
{
	if (v == DONE) {
		message_done(l, l->turn.cur, LINK_DELIVERED, NULL);
	} else if (v == REFUSED) {
		message_done(l, l->turn.cur, LINK_REFUSED, "the station does not support it");
	} else {
		hold_data(st, now);
		if (++st->nacks > st->conf.retries)
			message_done(l, l->turn.cur, LINK_REFUSED, "the station's link stays busy");
	}
}

static void
request_done(struct link *l, struct link_station *st, enum verdict v, const struct ft12_frame *f,
    struct monotime now)
{
	int64_t status_ms =
	    l->conf.mode == LINK_BALANCED ? st->conf.status_ms : LINK_IDLE_STATUS_MS;

	if (requests[l->turn.request].fcv)
		st->fcb = !st->fcb;
	st->acd = f->acd;
	st->status_due = monotime_add_ms(now, status_ms);
	if (!f->dfc)
		st->busy = false;
	else if (!st->busy || l->turn.request == LINK_REQ_STATUS)
		hold_data(st, now);
	if (l->turn.request == LINK_REQ_DATA)
		data_done(l, st, v, now);
	else if (l->turn.request == LINK_REQ_POLL1 || l->turn.request == LINK_REQ_POLL2)
		poll_done(l, st, v, f, now);
	else if (l->turn.request == LINK_REQ_RESET && v == DONE)
		connected(l, st, now);
	else if (l->turn.request == LINK_REQ_RESET)
		st->reset_due = monotime_add_ms(now, LINK_BUSY_MS);
	if (st->acd && l->turn.request != LINK_REQ_POLL1 && monotime_cmp(st->poll_due[0], now) > 0)
		st->poll_due[0] = now;
}

static bool
from_current(const struct link *l, const struct ft12_frame *f)
{
	const struct link_station *st = &l->stations[l->turn.cur];

	return f->kind == FT12_SINGLE ||
	       (f->address == st->conf.address &&
		   (l->conf.mode != LINK_BALANCED || f->dir != st->conf.dir));
}

/* E5 while another station's late answer may be under way: whose is it? A reset can be sent again.
 * Otherwise the status request tells: what the station itself answered to the request comes before
 * its status, and where nothing does, the E5 was its answer. (Sending it again after a status
 * request would not do: some stations answer the repetition with that status.) */
static void
doubt(struct link *l, struct monotime now)
{
	if (l->turn.request == LINK_REQ_RESET)
		l->turn.again = true;
	else
		l->turn.doubt = true;
	settle(l, now);
}

/* While settling. */
static bool
on_settling(
    struct link *l, struct link_station *st, const struct ft12_frame *f, struct monotime now)
{
	static const struct ft12_frame single = { .kind = FT12_SINGLE };

	if (f->kind == FT12_SINGLE)
		return false;
	if (f->function != FT12_RES_STATUS) {
		enum verdict v = verdict_of(l->turn.request, f);
		if (!l->turn.doubt || v == STRAY)
			return false;
		l->turn.doubt = false;
		request_done(l, st, v, f, now);
		return true;
	}
	if (l->turn.doubt) {
		l->turn.doubt = false;
		request_done(l, st, verdict_of(l->turn.request, &single), &single, now);
	}
	if (l->turn.settle_tries)
		settle_quietly(l, now);
	else
		settled(l);
	return true;
}

bool
primary_on_answer(struct link *l, const struct ft12_frame *f, struct monotime now)
{
	if ((l->turn.phase != LINK_WAITING && l->turn.phase != LINK_SETTLE_WAIT) ||
	    !from_current(l, f))
		return false;
	struct link_station *st = &l->stations[l->turn.cur];
	/* An answer shows that it was sent. */
	if (monotime_cmp(now, l->sent_end) < 0) {
		l->sent_end = now;
		l->free_at.ns = now.ns + l->conf.silent_ns;
	}
	if (l->turn.phase == LINK_SETTLE_WAIT)
		return on_settling(l, st, f, now);
	enum verdict v = verdict_of(l->turn.request, f);
	bool dirty = monotime_cmp(now, l->dirty_until) < 0;
	if (v == STRAY)
		return false;
	if (dirty && l->dirty_by != l->turn.cur && f->kind == FT12_SINGLE &&
	    l->turn.request != LINK_REQ_STATUS) {
		doubt(l, now);
		return true;
	}
	l->turn.phase = LINK_IDLE;
	request_done(l, st, v, f, now);
	if (dirty && l->dirty_by == l->turn.cur)
		settle(l, now);
	return true;
}

static void
timed_out(struct link *l, struct monotime now)
{
	if (l->turn.phase == LINK_SETTLE_QUIET) {
		settled(l);
		return;
	}
	struct link_station *st = &l->stations[l->turn.cur];
	l->counters.timeouts++;
	if (l->turn.phase == LINK_SETTLE_WAIT) {
		if (l->turn.settle_tries++ < st->conf.retries)
			l->turn.phase = LINK_SETTLING;
		else
			settled(l);
		return;
	}
	mark_dirty(l, now);
	if (l->turn.request == LINK_REQ_RESET) {
		st->reset_due = line_shared(l) ? monotime_add_ms(now, st->conf.reconnect_ms) : now;
		l->turn.phase = LINK_IDLE;
	} else if (l->turn.tries < st->conf.retries) {
		l->turn.tries++;
		l->counters.repeated++;
		l->turn.phase = LINK_SENDING;
	} else {
		l->turn.phase = LINK_IDLE;
		primary_lose(l, l->turn.cur, "no answer", now);
	}
}

/* The message that leaves gets the time of now, also when it is repeated. */
static void
stamp(struct link *l)
{
	struct link_msg *m =
	    l->turn.request == LINK_REQ_DATA ? l->stations[l->turn.cur].queue.head : NULL;

	if (!m || !(m->flags & LINK_STAMPED) || !l->conf.stamp)
		return;
	l->conf.stamp(l->conf.stamp_arg, m->data, m->len);
	l->turn.tx_len = compose(l, l->turn.tx, l->turn.cur, l->turn.request);
}

static void
send_now(struct link *l, struct monotime now)
{
	bool settling = l->turn.phase == LINK_SETTLING;

	if (!settling)
		stamp(l);
	link_transmit(l, l->turn.cur, settling ? l->turn.settle : l->turn.tx,
	    settling ? l->turn.settle_len : l->turn.tx_len, now);
	if (l->turn.request == LINK_REQ_BROADCAST) {
		free(queue_take(&l->broadcasts));
		l->turn.phase = LINK_IDLE;
		return;
	}
	if (l->turn.request == LINK_REQ_DATA_NO_REPLY) {
		l->turn.phase = LINK_IDLE;
		message_done(l, l->turn.cur, LINK_DELIVERED, NULL);
		return;
	}
	l->turn.deadline = monotime_add_ms(l->sent_end, l->stations[l->turn.cur].conf.response_ms);
	l->turn.phase = settling ? LINK_SETTLE_WAIT : LINK_WAITING;
}

/* The end of the wait; an answer that is coming in has the time of a frame more, noise no longer.
 */
static struct monotime
wait_end(const struct link *l)
{
	int64_t more = l->last_rx.ns + link_gap_ns(l);
	int64_t most = l->turn.deadline.ns + FT12_MAX_FRAME * l->conf.char_ns + link_gap_ns(l);

	if (!ft12_rx_partial(&l->rx) || more <= l->turn.deadline.ns)
		return l->turn.deadline;
	return (struct monotime){ more < most ? more : most };
}

bool
primary_step(struct link *l, struct monotime now)
{
	switch (l->turn.phase) {
	case LINK_IDLE:
		return l->conf.mode != LINK_SLAVE && (refuse_old(l, now) || begin(l, now));
	case LINK_SENDING:
	case LINK_SETTLING:
		if (monotime_cmp(now, l->free_at) < 0)
			return false;
		send_now(l, now);
		return true;
	case LINK_WAITING:
	case LINK_SETTLE_WAIT:
	case LINK_SETTLE_QUIET:
		if (monotime_cmp(now, wait_end(l)) < 0)
			return false;
		timed_out(l, now);
		return true;
	}
	return false;
}

struct monotime
primary_deadline(const struct link *l)
{
	struct monotime at = { 0 };

	if (l->conf.mode == LINK_SLAVE)
		return at;
	if (l->turn.phase == LINK_SENDING || l->turn.phase == LINK_SETTLING)
		return l->free_at.ns ? l->free_at : (struct monotime){ 1 };
	if (l->turn.phase != LINK_IDLE)
		return wait_end(l);
	/* The earliest of everything wanted, whatever its rank. */
	for (int i = 0; i < l->count; i++) {
		struct choice best = { 0, LINK_REQ_NONE, 0, { 0 } };
		consider_station(l, i, &best, (struct monotime){ 0 });
		if (best.kind != LINK_REQ_NONE)
			at = link_earlier(at, best.due);
	}
	return l->broadcasts.head ? (struct monotime){ 1 } : at;
}
