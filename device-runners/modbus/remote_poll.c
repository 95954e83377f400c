/* Reading: the next range, what its answer means, splitting and joining. See remote.h. */
#include <stdlib.h>
#include <string.h>

#include "device-runners/modbus/data_value.h"
#include "device-runners/modbus/remote_private.h"

struct monotime
remote_poll_at(const struct remote *r)
{
	if (!r->online || !r->enabled || r->range_count == 0)
		return remote_never;
	if (r->poll.active)
		return r->poll.retry.at;
	return monotime_cmp(r->ranges[0].due, r->resume_at) > 0 ? r->ranges[0].due : r->resume_at;
}

/* On the beat of the interval, without making up for what was missed. */
static void
schedule(struct remote_range *g, struct monotime now)
{
	int64_t interval = g->plan.interval_us * 1000;

	g->due.ns += interval;
	if (g->due.ns <= now.ns)
		g->due.ns = interval ? now.ns + interval - (now.ns - g->due.ns) % interval : now.ns;
}

static bool
is_time_for_whole(const struct remote *r, struct monotime now)
{
	const struct remote_origin *o = &r->origins[r->ranges[0].origin];

	return o->parts > 1 && monotime_cmp(o->whole_at, now) <= 0;
}

struct modbus_pdu
remote_peek(const struct remote *r, struct monotime now)
{
	if (r->poll.active)
		return r->poll.req;
	const struct remote_range *g = &r->ranges[0];
	const struct plan_range *p =
	    is_time_for_whole(r, now) ? &r->origins[g->origin].plan : &g->plan;
	return (struct modbus_pdu){ .fc = modbus_read_fc(p->type),
		.address = (uint16_t)p->start,
		.quantity = (uint16_t)p->quantity };
}

const struct modbus_pdu *
remote_poll(struct remote *r, struct monotime now)
{
	if (r->poll.active)
		return &r->poll.req;
	if (r->status == REMOTE_DISCONNECTED)
		remote_set_status(r, REMOTE_CONNECTING);
	r->poll.req = remote_peek(r, now);
	r->poll.whole = is_time_for_whole(r, now);
	r->poll.active = true;
	r->poll.origin = r->ranges[0].origin;
	r->poll.since = now;
	r->ranges[0].asked = ++r->asked;
	remote_retry_start(&r->poll.retry, r->master);
	return &r->poll.req;
}

static void
report_value(
    struct remote *r, uint32_t index, const struct plan_range *p, const struct modbus_pdu *res)
{
	const struct conf_data *d = &r->conf->data[index];
	struct remote_point *s = &r->state[index];
	/* Its first `size` bytes are written, and no others are read. */
	__attribute__((uninitialized)) uint8_t value[MODBUS_MAX_VALUE];
	size_t size = modbus_value_size(d->bits);

	modbus_value_get(d->type, res->data, res->len,
	    (d->start - p->start) * (size_t)modbus_register_bits(d->type) + d->offset, d->bits,
	    value);
	if (s->valid && data_value_is_same(d, s->value, value))
		return;
	const char *cause = s->valid ? "CHANGE" : "INTERROGATE";
	s->valid = true;
	memcpy(s->value, value, size);
	r->ops->read(r->arg, r, d, "SUCCESS", cause, value);
}

static void
report_values(struct remote *r, struct remote_range *g, const struct modbus_pdu *res)
{
	const struct plan_range *p = &g->plan;

	/* An answer that is as it was needs no look at its data. */
	if (g->have_last && g->last_len == res->len && memcmp(g->last, res->data, res->len) == 0)
		return;
	for (size_t i = p->first; i < p->first + p->count; i++)
		report_value(r, r->order[i], p, res);
	if (!g->last)
		g->last = malloc(UINT8_MAX);
	g->have_last = g->last != NULL;
	g->last_len = (uint8_t)res->len;
	if (g->have_last && res->len)
		memcpy(g->last, res->data, res->len);
}

static void
report_error(struct remote *r, struct remote_range *g, const char *result)
{
	const struct plan_range *p = &g->plan;

	g->have_last = false;
	for (size_t i = p->first; i < p->first + p->count; i++) {
		uint32_t index = r->order[i];
		r->state[index].valid = false;
		r->ops->read(r->arg, r, &r->conf->data[index], result, NULL, NULL);
	}
}

/* The range in two by its data; the heap is to be restored. */
static void
split(struct remote *r, struct remote_range *g, struct monotime now)
{
	struct remote_range *half = &r->ranges[r->range_count++];
	struct remote_origin *o = &r->origins[g->origin];

	g->have_last = false;
	*half = *g;
	half->last = NULL;
	half->plan.count = g->plan.count / 2;
	half->plan.first = g->plan.first + g->plan.count - half->plan.count;
	g->plan.count -= half->plan.count;
	plan_cover(r->points, r->order, &g->plan);
	plan_cover(r->points, r->order, &half->plan);
	if (o->parts++ == 1)
		o->whole_ms = REMOTE_WHOLE_MS;
	o->whole_at = monotime_add_ms(now, o->whole_ms);
}

/* The parts of an origin become one range again. */
static void
join(struct remote *r, uint32_t origin, struct monotime now)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->range_count; i++) {
		if (r->ranges[i].origin == origin)
			free(r->ranges[i].last);
		else
			r->ranges[kept++] = r->ranges[i];
	}
	r->ranges[kept] =
	    (struct remote_range){ .plan = r->origins[origin].plan, .origin = origin, .due = now };
	r->ranges[kept].asked = r->asked;
	r->range_count = kept + 1;
	r->origins[origin].parts = 1;
	remote_heapify(r);
}

static struct remote_range *
find_range(struct remote *r, uint32_t origin)
{
	struct remote_range *g = r->ranges;

	while (g->origin != origin)
		g++;
	return g;
}

/* A whole that was split is still refused: the parts go on, for longer each time. */
static void
keep_parts(struct remote_origin *o, struct monotime now)
{
	o->whole_ms = o->whole_ms * 2 < REMOTE_MAX_WHOLE_MS ? o->whole_ms * 2 : REMOTE_MAX_WHOLE_MS;
	o->whole_at = monotime_add_ms(now, o->whole_ms);
}

/* Whether a refused range is split. A wrong address or number can be the fault of any part, so it
 * is split until the parts are single data; after exceptions 1 and 4 it is split once. */
static bool
is_to_be_split(struct remote_range *g, uint8_t exception)
{
	if (g->plan.count < 2)
		return false;
	if (exception == MODBUS_ILLEGAL_DATA_ADDRESS || exception == MODBUS_ILLEGAL_DATA_VALUE)
		return true;
	if (g->halved ||
	    (exception != MODBUS_ILLEGAL_FUNCTION && exception != MODBUS_DEVICE_FAILURE))
		return false;
	g->halved = true;
	return true;
}

/* The device answers, so the ranges that it did not answer are at fault themselves, if it is not
 * the first time. */
static void
judge_failed(struct remote *r, struct monotime now)
{
	size_t count = r->range_count;

	r->judge = false;
	for (size_t i = 0; i < count; i++) {
		struct remote_range *g = &r->ranges[i];
		if (!g->failed)
			continue;
		g->failed = false;
		if (g->silences < UINT8_MAX)
			g->silences++;
		if (g->plan.count > 1 && g->silences >= REMOTE_SPLIT_SILENCES)
			split(r, g, now);
		else if (g->silences >= REMOTE_TOLD_SILENCES)
			report_error(r, g, "TIMEOUT");
	}
	remote_heapify(r);
}

/* One register that is silent may be why nothing is answered: each range is halved, after the
 * second time that the device went down, the fourth, the eighth. */
static void
split_guessing(struct remote *r, struct monotime now)
{
	size_t count = r->range_count;

	if (r->downs < REMOTE_SPLIT_SILENCES || (r->downs & (r->downs - 1)) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct remote_origin *o = &r->origins[r->ranges[i].origin];
		if (r->ranges[i].plan.count < 2)
			continue;
		o->guessed = o->guessed || o->parts == 1;
		split(r, &r->ranges[i], now);
	}
}

/* It answers again: what was split by a guess is asked for as a whole at once. */
static void
revive(struct remote *r, struct monotime now)
{
	r->downs = 0;
	for (size_t i = 0; i < r->origin_count; i++) {
		struct remote_origin *o = &r->origins[i];
		if (o->guessed)
			o->whole_at = now;
		o->guessed = false;
	}
}

static void
take_answer(
    struct remote *r, struct remote_range *g, const struct modbus_pdu *res, struct monotime now)
{
	g->answered_at = now;
	g->silences = 0;
	g->failed = false;
	if (res->exception)
		report_error(r, g, remote_result_name(res->exception));
	else
		report_values(r, g, res);
	schedule(g, now);
	remote_sift(r, (size_t)(g - r->ranges));
}

static void
on_answer(struct remote *r, const struct modbus_pdu *res, struct monotime now)
{
	struct remote_range *g = &r->ranges[0];

	remote_set_status(r, REMOTE_CONNECTED);
	if (remote_is_busy(res) && remote_retry_next(&r->poll.retry, r->master, now)) {
		r->poll.active = true;
		return;
	}
	if (r->downs > 0)
		revive(r, now);
	r->unanswered = 0;
	if (r->poll.whole && res->exception) {
		keep_parts(&r->origins[r->poll.origin], now);
	} else if (r->poll.whole) {
		join(r, r->poll.origin, now);
		take_answer(r, find_range(r, r->poll.origin), res, now);
	} else if (res->exception && is_to_be_split(g, res->exception)) {
		g->due = now;
		split(r, g, now);
		remote_heapify(r);
	} else {
		take_answer(r, g, res, now);
	}
	if (r->judge)
		judge_failed(r, now);
}

/* How long a range is left alone that was not answered. */
static int64_t
silent_ns(const struct remote *r, const struct remote_range *g, struct monotime now)
{
	int64_t cost = now.ns - r->poll.since.ns, most = REMOTE_WHOLE_MS * INT64_C(1000000);
	int64_t least = r->conf->timeout_poll_delay_ns, interval = g->plan.interval_us * 1000;

	/* It is not known yet which register is silent. */
	if (g->plan.count > 1 || g->silences < REMOTE_SPLIT_SILENCES)
		return cost;
	unsigned times = g->silences - REMOTE_SPLIT_SILENCES;
	cost *= REMOTE_SILENT_COST << (times < 4 ? times : 4);
	cost = cost < most ? cost : most;
	least = least > interval ? least : interval;
	return cost > least ? cost : least;
}

void
remote_put_back(struct remote *r, struct monotime now)
{
	struct remote_range *g = &r->ranges[0];

	g->failed = true;
	r->judge = true;
	g->due.ns = now.ns + silent_ns(r, g, now);
	r->unanswered++;
	remote_sift(r, 0);
}

/* Asks for the range that was answered last next: its answer tells whether the device is down. */
static void
prefer_answered(struct remote *r)
{
	struct remote_range *best = NULL;

	for (size_t i = 0; i < r->range_count; i++) {
		struct remote_range *g = &r->ranges[i];
		if (g->answered_at.ns && !g->failed && g->silences == 0 &&
		    (!best || g->answered_at.ns > best->answered_at.ns))
			best = g;
	}
	if (!best)
		return;
	best->due = (struct monotime){ 0 };
	remote_heapify(r);
}

static void
go_down(struct remote *r, struct monotime now)
{
	remote_set_status(r, REMOTE_DISCONNECTED);
	r->resume_at = (struct monotime){ now.ns + r->conf->timeout_poll_delay_ns };
	for (size_t i = 0; i < r->range_count; i++) {
		r->ranges[i].due = r->resume_at;
		r->ranges[i].have_last = false;
		r->ranges[i].failed = false;
		r->ranges[i].silences = 0;
	}
	for (size_t i = 0; i < r->conf->count; i++)
		r->state[i].valid = false;
	r->downs++;
	split_guessing(r, now);
	remote_heapify(r);
}

static void
on_timeout(struct remote *r, struct monotime now)
{
	size_t enough = r->range_count < REMOTE_DOWN_RANGES ? r->range_count : REMOTE_DOWN_RANGES;

	if (r->poll.whole) {
		keep_parts(&r->origins[r->poll.origin], now);
		return;
	}
	if (r->ranges[0].silences < REMOTE_SPLIT_SILENCES &&
	    remote_retry_next(&r->poll.retry, r->master, now)) {
		r->poll.active = true;
		return;
	}
	remote_put_back(r, now);
	if (r->unanswered >= enough)
		go_down(r, now);
	else
		prefer_answered(r);
}

void
remote_on_poll(struct remote *r, const struct modbus_pdu *res, struct monotime now)
{
	bool active = r->poll.active;

	r->suspect = res == NULL;
	r->poll.active = false;
	if (!active || !r->online || !r->enabled)
		return;
	if (res)
		on_answer(r, res, now);
	else
		on_timeout(r, now);
}
