#include <stdlib.h>

#include "protocols/iec60870/link_internal.h"

void
secondary_reset(struct link_station *st)
{
	st->was_reset = st->has_last = st->answering = false;
	st->alive_until = (struct monotime){ 0 };
}

/* --- what was given to a poll --- */

/* A request with a new frame count bit says that the last answer has arrived. */
static void
confirm_given(struct link_station *st)
{
	free(st->given);
	st->given = NULL;
}

/* A reset instead. Where the poll had been repeated, the answers were lost, and what they held is
 * given again; else it is the master that begins anew, and would have it twice. */
static void
return_given(struct link_station *st)
{
	if (st->given && st->repeated)
		queue_push_front(&st->queue[0], st->given);
	else
		free(st->given);
	st->given = NULL;
}

static void
give(struct link_station *st, int cls)
{
	/* With nothing of class 2, class 1 data may answer. */
	if (cls == 1 && !st->queue[1].head)
		cls = 0;
	st->given = queue_take(&st->queue[cls]);
	st->repeated = false;
}

/* --- answers --- */

static void
answer(struct link_station *st, uint8_t function, bool fcv)
{
	st->answers[fcv].function = function;
	st->answers[fcv].len = 0;
	st->answering = true;
	st->answer = fcv;
}

/* When it is sent for the first time: what the device queued because of the request is announced
 * already. */
static void
compose(const struct link *l, const struct link_station *st, struct link_answer *a)
{
	bool acd = l->conf.mode == LINK_SLAVE && st->queue[0].head;
	bool data = a->function == FT12_RES_DATA && st->given;
	uint8_t function = a->function == FT12_RES_DATA && !data ? FT12_RES_NO_DATA : a->function;
	bool plain = function == FT12_ACK || function == FT12_RES_NO_DATA;
	struct ft12_frame f = {
		.kind = plain && !acd && !l->paused ? FT12_SINGLE : FT12_SECONDARY,
		.dir = st->conf.dir,
		.acd = acd,
		.dfc = l->paused,
		.function = function,
		.address = st->conf.address,
		.data = data ? st->given->data : NULL,
		.len = data ? st->given->len : 0,
	};
	int n = ft12_encode(&l->rx.params, &f, a->data);

	a->len = n > 0 ? (size_t)n : 0;
}

static void
take_data(struct link *l, int index, const struct ft12_frame *f)
{
	struct link_station *st = &l->stations[index];

	if (!f->len)
		return;
	if (st->state == LINK_CONNECTED)
		link_act(l, (struct link_action){
				LINK_DATA, .station = index, .data = f->data, .len = f->len });
	else
		queue_put(&st->held, f->data, f->len, 0);
}

/* Data before the first reset, unless eager, might be the repetition of what a predecessor of this
 * process has executed already; data while held is full must be repeated. Both stay unanswered. */
static bool
data_welcome(const struct link *l, const struct link_station *st, const struct ft12_frame *f)
{
	return (st->was_reset || l->conf.eager || !f->fcv) &&
	       (st->state == LINK_CONNECTED || st->held.count < LINK_HELD_MESSAGES);
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
		give(st, f->function == FT12_REQ_CLASS2);
		return st->given ? FT12_RES_DATA : FT12_RES_NO_DATA;
	default:
		return FT12_NOT_IMPLEMENTED;
	}
}

static bool
is_repetition(const struct link_station *st, const struct ft12_frame *f)
{
	return st->has_last && f->fcb == st->last_fcb && st->last_len == f->len + 1 &&
	       st->last[0] == f->function && (!f->len || !memcmp(st->last + 1, f->data, f->len));
}

static void
remember(struct link_station *st, const struct ft12_frame *f)
{
	st->has_last = true;
	st->last_fcb = f->fcb;
	st->last[0] = f->function;
	st->last_len = f->len + 1;
	if (f->len)
		memcpy(st->last + 1, f->data, f->len);
}

static void
on_reset(struct link_station *st)
{
	st->was_reset = true;
	st->has_last = false;
	return_given(st);
	answer(st, FT12_ACK, false);
}

static void
keep_alive(struct link *l, int index, struct monotime now)
{
	struct link_station *st = &l->stations[index];

	if (l->conf.mode != LINK_SLAVE)
		return;
	st->alive_until = monotime_add_ms(now, st->conf.keep_alive_ms);
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
		on_reset(st);
		return;
	}
	if (f->fcv && is_repetition(st, f)) {
		st->answering = f->function != FT12_DATA_NO_REPLY;
		st->answer = true;
		st->repeated = true;
		return;
	}
	if (data && !data_welcome(l, st, f)) {
		l->counters.strays++;
		return;
	}
	if (f->fcv || f->function == FT12_REQ_CLASS1 || f->function == FT12_REQ_CLASS2)
		confirm_given(st);
	uint8_t function = process(l, index, f);
	if (f->fcv)
		remember(st, f);
	if (f->function != FT12_DATA_NO_REPLY)
		answer(st, function, f->fcv);
}

void
secondary_release(struct link *l, int index)
{
	struct link_station *st = &l->stations[index];

	for (struct link_msg *m; (m = queue_take(&st->held));) {
		link_act(l, (struct link_action){
				LINK_DATA, .station = index, .data = m->data, .len = m->len });
		queue_push_front(&l->trash, m);
	}
}

/* --- time --- */

static bool
expired(const struct link *l, const struct link_station *st, struct monotime now)
{
	return l->conf.mode == LINK_SLAVE && st->state == LINK_CONNECTED &&
	       monotime_cmp(now, st->alive_until) >= 0;
}

/* The master is gone; the frame count bit is kept, should it only have been slow. */
static void
lose(struct link *l, int index)
{
	struct link_station *st = &l->stations[index];

	queue_clear(&st->queue[0]);
	queue_clear(&st->queue[1]);
	free(st->given);
	st->given = NULL;
	st->state = LINK_CONNECTING;
	link_act(l, (struct link_action){ LINK_DOWN, .station = index,
			.reason = "no request within keep_alive_timeout" });
}

/* Data count as delivered when they are given for the first time. */
static void
send_answer(struct link *l, int index, struct monotime now)
{
	struct link_station *st = &l->stations[index];
	struct link_answer *a = &st->answers[st->answer];

	st->answering = false;
	if (!a->len)
		compose(l, st, a);
	link_transmit(l, index, a->data, a->len, now);
	if (!st->given || st->given->told)
		return;
	st->given->told = true;
	link_act(
	    l, (struct link_action){ LINK_DELIVERED, .station = index, .token = st->given->token });
}

bool
secondary_step(struct link *l, struct monotime now)
{
	if (l->conf.mode == LINK_MASTER)
		return false;
	for (int i = 0; i < l->count; i++) {
		struct link_station *st = &l->stations[i];
		if (st->answering && monotime_cmp(now, l->free_at) >= 0) {
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
		if (st->answering)
			at = link_earlier(at, l->free_at.ns ? l->free_at : (struct monotime){ 1 });
		if (l->conf.mode == LINK_SLAVE && st->state == LINK_CONNECTED)
			at = link_earlier(at, st->alive_until);
	}
	return at;
}
