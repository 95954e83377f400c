#include <stdlib.h>

#include "protocols/iec60870/link_internal.h"

void
secondary_reset(struct link_station *st)
{
	st->secondary.was_reset = st->secondary.has_last = st->secondary.answering = false;
	st->secondary.reset_at = (struct monotime){ 0 };
	st->secondary.alive_until = (struct monotime){ 0 };
}

/* --- what was given to a poll --- */

/* A request with a new frame count bit says that the last answer has arrived. */
static void
confirm_given(struct link *l, int index)
{
	struct link_station *st = &l->stations[index];

	if (!st->secondary.given)
		return;
	link_act(l, (struct link_action){
			LINK_DELIVERED, .station = index, .token = st->secondary.given->token });
	free(st->secondary.given);
	st->secondary.given = NULL;
}

/* Nothing says that the answer has arrived: what it held is given again. To have it twice is better
 * than not at all. */
static void
return_given(struct link_station *st)
{
	if (st->secondary.given)
		queue_push_front(&st->queue, st->secondary.given);
	st->secondary.given = NULL;
}

/* Judges by the request whether the last answer arrived. One with the old frame count bit and other
 * content comes from a master that has given up on that answer. */
static void
settle_given(struct link *l, int index, const struct ft12_frame *f)
{
	struct link_station *st = &l->stations[index];
	bool poll = f->function == FT12_REQ_CLASS1 || f->function == FT12_REQ_CLASS2;

	if (f->fcv ? !st->secondary.has_last || f->fcb != st->secondary.last_fcb : poll)
		confirm_given(l, index);
	else if (f->fcv)
		return_given(st);
}

/* --- answers --- */

static void
answer(struct link_station *st, uint8_t function, bool fcv)
{
	st->secondary.answers[fcv].function = function;
	st->secondary.answers[fcv].len = 0;
	st->secondary.answering = true;
	st->secondary.answer = fcv;
}

/* When it is sent for the first time: what the device queued because of the request is announced
 * already. */
static void
compose(const struct link *l, const struct link_station *st, struct link_answer *a)
{
	bool acd = l->conf.mode == LINK_SLAVE && st->queue.head;
	bool data = a->function == FT12_RES_DATA && st->secondary.given;
	uint8_t function = a->function == FT12_RES_DATA && !data ? FT12_RES_NO_DATA : a->function;
	bool plain = function == FT12_ACK || function == FT12_RES_NO_DATA;
	struct ft12_frame f = {
		.kind = plain && !acd && !l->paused ? FT12_SINGLE : FT12_SECONDARY,
		.dir = st->conf.dir,
		.acd = acd,
		.dfc = l->paused,
		.function = function,
		.address = st->conf.own_address,
		.data = data ? st->secondary.given->data : NULL,
		.len = data ? st->secondary.given->len : 0,
	};
	int n = ft12_encode(&l->rx.params, &f, a->data);

	a->len = n > 0 ? (size_t)n : 0;
}

static void
take_data(struct link *l, int index, const struct ft12_frame *f)
{
	if (f->len)
		link_act(l, (struct link_action){
				LINK_DATA, .station = index, .data = f->data, .len = f->len });
}

/* A controlled station acts at once on the requests that it acknowledges. Commands before the first
 * reset might be the repetition of what a predecessor of this process has executed already;
 * commands before our own direction stands could not be answered. Both stay unacknowledged. */
static bool
data_welcome(const struct link *l, const struct link_station *st, const struct ft12_frame *f)
{
	return l->conf.controlling ||
	       (st->state == LINK_CONNECTED && (st->secondary.was_reset || !f->fcv));
}

/* The function code of the answer to a request that is no repetition. */
static uint8_t
process(struct link *l, int index, const struct ft12_frame *f)
{
	struct link_station *st = &l->stations[index];
	bool polls = l->conf.mode == LINK_SLAVE;

	switch (f->function) {
	case FT12_DATA:
	case FT12_DATA_NO_REPLY:
		take_data(l, index, f);
		return FT12_ACK;
	case FT12_TEST:
		return polls ? FT12_NOT_IMPLEMENTED : FT12_ACK;
	case FT12_REQ_STATUS:
		return FT12_RES_STATUS;
	case FT12_REQ_ACCESS_DEMAND:
		return polls ? FT12_RES_STATUS : FT12_NOT_IMPLEMENTED;
	case FT12_REQ_CLASS1:
	case FT12_REQ_CLASS2:
		if (!polls)
			return FT12_NOT_IMPLEMENTED;
		st->secondary.given = queue_take(&st->queue);
		return st->secondary.given ? FT12_RES_DATA : FT12_RES_NO_DATA;
	default:
		return FT12_NOT_IMPLEMENTED;
	}
}

static bool
is_repetition(const struct link_station *st, const struct ft12_frame *f)
{
	return st->secondary.has_last && f->fcb == st->secondary.last_fcb &&
	       st->secondary.last_len == f->len + 1 && st->secondary.last[0] == f->function &&
	       (!f->len || !memcmp(st->secondary.last + 1, f->data, f->len));
}

static void
remember(struct link_station *st, const struct ft12_frame *f)
{
	st->secondary.has_last = true;
	st->secondary.last_fcb = f->fcb;
	st->secondary.last[0] = f->function;
	st->secondary.last_len = f->len + 1;
	if (f->len)
		memcpy(st->secondary.last + 1, f->data, f->len);
}

/* Balanced: a reset on a connection that stands comes from a peer that restarted. Its repetition
 * does not, nor the one with which the peer follows our own. */
static bool
peer_restarted(const struct link *l, const struct link_station *st, struct monotime now)
{
	int64_t quiet_ms = st->conf.response_ms * ((int64_t)st->conf.retries + 1);

	if (quiet_ms > LINK_BUSY_MAX_MS)
		quiet_ms = LINK_BUSY_MAX_MS;
	return l->conf.mode == LINK_BALANCED && st->state == LINK_CONNECTED &&
	       st->secondary.was_reset && monotime_diff_ms(now, st->up_since) >= quiet_ms &&
	       monotime_diff_ms(now, st->secondary.reset_at) >= quiet_ms;
}

static void
on_reset(struct link *l, int index, struct monotime now)
{
	struct link_station *st = &l->stations[index];

	if (peer_restarted(l, st, now))
		primary_lose(l, index, "the peer has reset the link", now);
	st->secondary.reset_at = now;
	st->secondary.was_reset = true;
	st->secondary.has_last = false;
	return_given(st);
	answer(st, FT12_ACK, false);
}

static void
keep_alive(struct link *l, int index, struct monotime now)
{
	struct link_station *st = &l->stations[index];

	if (l->conf.mode != LINK_SLAVE)
		return;
	st->secondary.alive_until = monotime_add_ms(now, st->conf.keep_alive_ms);
	if (st->state == LINK_CONNECTED)
		return;
	st->state = LINK_CONNECTED;
	link_act(l, (struct link_action){ LINK_UP, .station = index });
}

void
secondary_on_request(struct link *l, int index, const struct ft12_frame *f, struct monotime now)
{
	struct link_station *st = &l->stations[index];
	bool data = f->function == FT12_DATA || f->function == FT12_DATA_NO_REPLY;

	keep_alive(l, index, now);
	if (f->function == FT12_RESET_LINK || f->function == FT12_RESET_PROCESS) {
		on_reset(l, index, now);
		return;
	}
	if (f->fcv && is_repetition(st, f)) {
		st->secondary.answering = f->function != FT12_DATA_NO_REPLY;
		st->secondary.answer = true;
		return;
	}
	if (data && !data_welcome(l, st, f)) {
		l->counters.strays++;
		return;
	}
	settle_given(l, index, f);
	uint8_t function = process(l, index, f);
	if (f->fcv)
		remember(st, f);
	if (f->function != FT12_DATA_NO_REPLY)
		answer(st, function, f->fcv);
}

/* --- time --- */

static bool
expired(const struct link *l, const struct link_station *st, struct monotime now)
{
	return l->conf.mode == LINK_SLAVE && st->state == LINK_CONNECTED &&
	       monotime_cmp(now, st->secondary.alive_until) >= 0;
}

/* The master is gone; the frame count bit is kept, should it only have been slow. */
static void
lose(struct link *l, int index)
{
	struct link_station *st = &l->stations[index];

	queue_clear(&st->queue);
	free(st->secondary.given);
	st->secondary.given = NULL;
	st->state = LINK_CONNECTING;
	link_act(l, (struct link_action){ LINK_DOWN, .station = index,
			.reason = "no request within keep_alive_timeout" });
}

static void
send_answer(struct link *l, int index, struct monotime now)
{
	struct link_station *st = &l->stations[index];
	struct link_answer *a = &st->secondary.answers[st->secondary.answer];

	st->secondary.answering = false;
	if (!a->len)
		compose(l, st, a);
	link_transmit(l, index, a->data, a->len, now);
}

bool
secondary_step(struct link *l, struct monotime now)
{
	if (l->conf.mode == LINK_MASTER)
		return false;
	for (int i = 0; i < l->count; i++) {
		struct link_station *st = &l->stations[i];
		if (st->secondary.answering && monotime_cmp(now, l->free_at) >= 0) {
			send_answer(l, i, now);
			return true;
		}
		if (expired(l, st, now)) {
			lose(l, i);
			return true;
		}
	}
	return false;
}

struct monotime
secondary_deadline(const struct link *l)
{
	struct monotime at = { 0 };

	if (l->conf.mode == LINK_MASTER)
		return at;
	for (int i = 0; i < l->count; i++) {
		const struct link_station *st = &l->stations[i];
		if (st->secondary.answering)
			at = link_earlier(at, l->free_at.ns ? l->free_at : (struct monotime){ 1 });
		if (l->conf.mode == LINK_SLAVE && st->state == LINK_CONNECTED)
			at = link_earlier(at, st->secondary.alive_until);
	}
	return at;
}
