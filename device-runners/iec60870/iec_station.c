#include "device-runners/iec60870/iec_station.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- answers --- */

struct request {
	struct iec_station *s;
	struct iec_master *m;
	const struct iec_sink *sink; /* below m */
	const struct asdu_head *head;
	const struct iec_object *object; /* the first */
	const uint8_t *bytes;
	size_t len;
	struct asdu *rest; /* further objects */
};

/* The request's own bytes, which keep its originator. */
static void
reply_from(const struct request *q, uint16_t common, unsigned cause, bool negative)
{
	uint8_t out[ASDU_MAX];
	size_t n = asdu_mirror(
	    out, q->s->max_asdu, &q->s->map.sizes, q->bytes, q->len, common, cause, negative);

	if (n)
		q->sink->send(q->m, out, n, true, 0);
}

static void
confirm(const struct request *q, unsigned cause)
{
	reply_from(q, q->head->common, cause, false);
}

static void
refuse(const struct request *q, unsigned cause)
{
	reply_from(q, q->head->common, cause, true);
}

static void
send_batch(void *arg, const void *asdu, size_t len)
{
	struct iec_master *m = arg;

	m->all->sink->send(m, asdu, len, true, 0);
}

/* For data of a common address that answer the request. */
static struct asdu_batch
batch_of(const struct request *q, uint16_t common, uint8_t cause)
{
	return (struct asdu_batch){ .sizes = q->s->map.sizes,
		.head = { .cause = cause,
		    .test = q->head->test,
		    .originator = q->head->originator,
		    .common = common },
		.max = q->s->max_asdu,
		.send = send_batch,
		.arg = q->m };
}

/* The event of a request. Returns NULL, or why there is none. */
static const char *
register_object(const struct request *q, const struct asdu_head *head, const struct iec_object *o)
{
	static const char *const prefix[] = { "gateway" };
	const char *why =
	    iec_events_register(&q->s->events, prefix, 1, &q->s->map, head, o, q->m->id);

	*q->s->objects += !why;
	return why;
}

/* --- interrogations --- */

/* Interrogated data have no time tag (part 101, clause 7.2.6.22 and the table of causes in clause
 * 8): they go out as the type without one; events of protection, which have none, do not. Counters
 * may have one. */
static void
send_state(struct asdu_batch *b, const struct point *p)
{
	bool counter = p->kind == IEC_BINARY_COUNTER;
	const struct iec_type *type = counter ? p->head.type : iec_type_untagged(p->head.type);
	struct iec_object o = p->object;

	if (!type)
		return;
	if (type->time == IEC_TIME_NONE)
		o.time = (struct iec_time){ 0 };
	asdu_batch_add(b, type, &o);
}

static bool
is_counters(const struct request *q)
{
	return q->head->type->class == IEC_CLASS_COUNTER_INTERROGATION;
}

static void
interrogate(const struct request *q, const struct point *list, size_t count, uint8_t cause)
{
	struct asdu_batch b = batch_of(q, list->common, cause);

	for (size_t i = 0; i < count; i++)
		if (list[i].known && (list[i].kind == IEC_BINARY_COUNTER) == is_counters(q))
			send_state(&b, &list[i]);
	asdu_batch_flush(&b);
}

/* The receiver of the event has the counters, not this station. */
static void
freeze(const struct request *q, uint16_t common)
{
	struct asdu_head head = *q->head;

	head.common = common;
	register_object(q, &head, q->object);
}

/* Whether a common address has data of the kind that is asked for, or to be frozen. */
static bool
concerns(const struct request *q, const struct point *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((list[i].kind == IEC_BINARY_COUNTER) == is_counters(q) &&
		    (!q->object->freeze || list[i].freeze))
			return true;
	return false;
}

static void
answer_common(const struct request *q, const struct point *list, size_t count, uint8_t cause)
{
	reply_from(q, list->common, IEC_ACTIVATION_CONFIRMATION, false);
	if (q->object->freeze)
		freeze(q, list->common);
	else
		interrogate(q, list, count, cause);
	reply_from(q, list->common, IEC_ACTIVATION_TERMINATION, false);
}

/* A broadcast is for each common address that it concerns. */
static bool
answer_all(const struct request *q, uint8_t cause)
{
	const struct points *points = &q->s->points;
	bool any = false;
	size_t count;

	for (size_t i = 0; i < points->count; i += count) {
		const struct point *list = points_of(points, points->list[i].common, &count);
		if (!concerns(q, list, count))
			continue;
		answer_common(q, list, count, cause);
		any = true;
	}
	return any;
}

static void
serve_interrogation(const struct request *q)
{
	bool all = q->head->common == asdu_max_common(&q->s->map.sizes);
	uint8_t cause = iec_interrogation_cause(q->head->type, q->object->qualifier);
	size_t count;
	const struct point *list = points_of(&q->s->points, q->head->common, &count);

	if (q->head->cause == IEC_DEACTIVATION)
		refuse(q, IEC_DEACTIVATION_CONFIRMATION);
	else if (all ? !q->s->points.count : !count)
		refuse(q, IEC_UNKNOWN_ASDU_ADDRESS);
	else if (q->object->address != 0)
		refuse(q, IEC_UNKNOWN_IO_ADDRESS);
	else if (!cause || (!all && q->object->freeze && !concerns(q, list, count)))
		refuse(q, IEC_ACTIVATION_CONFIRMATION);
	else if (!all)
		answer_common(q, list, count, cause);
	else if (!answer_all(q, cause))
		refuse(q, IEC_ACTIVATION_CONFIRMATION);
}

/* --- other requests --- */

/* Clause 7.4.6 of part 101: the data answers, there is no confirmation. */
static void
serve_read(const struct request *q)
{
	struct asdu_batch b = batch_of(q, q->head->common, IEC_REQUEST);
	size_t count;

	points_of(&q->s->points, q->head->common, &count);
	const struct point *p = points_at(&q->s->points, q->head->common, q->object->address);
	if (p)
		asdu_batch_add(&b, p->head.type, &p->object);
	else
		refuse(q, count ? IEC_UNKNOWN_IO_ADDRESS : IEC_UNKNOWN_ASDU_ADDRESS);
	asdu_batch_flush(&b);
}

/* No master sets the clock of this host. */
static void
serve_clock(const struct request *q)
{
	refuse(q, IEC_ACTIVATION_CONFIRMATION);
}

static void
serve_test(const struct request *q)
{
	confirm(q, IEC_ACTIVATION_CONFIRMATION);
}

/* The receiver of the event decides about a command, whatever its address. Only what is no command
 * is answered here. */
static void
serve_command(const struct request *q)
{
	struct iec_object o = *q->object;
	const char *why;

	q->m->originator = q->head->originator;
	do {
		if (!(why = register_object(q, q->head, &o)))
			continue;
		++*q->s->ignored;
		limit_warning(&q->s->input_limit, "refused %s to %u/%u from %s: %s",
		    q->head->type->name, q->head->common, o.address, q->sink->name(q->m), why);
		refuse(q, q->head->cause + 1u);
	} while (asdu_next(q->rest, &o));
}

#define CAUSE(n) (UINT64_C(1) << (n))

/* By class of type, with the causes that it has in the control direction (clause 7.2.3). Classes
 * without a row are not served. */
static const struct {
	void (*serve)(const struct request *q);
	uint64_t causes;
} services[] = {
	[IEC_CLASS_COMMAND] = { .serve = serve_command,
	    .causes = CAUSE(IEC_ACTIVATION) | CAUSE(IEC_DEACTIVATION) },
	[IEC_CLASS_INTERROGATION] = { .serve = serve_interrogation,
	    .causes = CAUSE(IEC_ACTIVATION) | CAUSE(IEC_DEACTIVATION) },
	[IEC_CLASS_COUNTER_INTERROGATION] = { .serve = serve_interrogation,
	    .causes = CAUSE(IEC_ACTIVATION) | CAUSE(IEC_DEACTIVATION) },
	[IEC_CLASS_READ] = { .serve = serve_read, .causes = CAUSE(IEC_REQUEST) },
	[IEC_CLASS_CLOCK_SYNC] = { .serve = serve_clock, .causes = CAUSE(IEC_ACTIVATION) },
	[IEC_CLASS_TEST] = { .serve = serve_test, .causes = CAUSE(IEC_ACTIVATION) },
	[IEC_CLASS_FILE] = { .serve = NULL },
};
static_assert(sizeof(services) / sizeof(services[0]) == IEC_CLASS_FILE + 1, "a row for each class");

/* Whether the station serves a type. C_TS_NA_1 of part 101 is not served. */
static bool
is_served(const struct iec_station *s, const struct iec_type *type)
{
	return type && (type->in & s->in) && services[type->class].serve &&
	       type->id != IEC_C_TS_NA_1;
}

/* A refusal by another controlled station: an answer to it would be answered for ever. */
static bool
is_refusal(const struct asdu_head *head)
{
	return head->negative && head->cause >= IEC_UNKNOWN_TYPE &&
	       head->cause <= IEC_UNKNOWN_IO_ADDRESS;
}

static void
ignore(const struct request *q, const char *why)
{
	++*q->s->ignored;
	limit_warning(&q->s->input_limit, "ASDU of type %u and %zu bytes from %s %s",
	    q->head->type_id, q->len, q->sink->name(q->m), why);
}

void
iec_station_serve(struct iec_station *s, struct iec_master *m, const uint8_t *bytes, size_t len)
{
	struct iec_object o;
	struct asdu a;
	enum dec rc = asdu_decode(&a, &s->map.sizes, bytes, len);
	struct asdu_head head = a.head;
	struct request q = { .s = s,
		.m = m,
		.sink = m->all->sink,
		.head = &head,
		.object = &o,
		.bytes = bytes,
		.len = len,
		.rest = &a };

	if (is_refusal(&head)) {
		ignore(&q, "ignored: it is a refusal");
	} else if (!is_served(s, head.type)) {
		ignore(&q, "answered with cause 44: unknown type");
		refuse(&q, IEC_UNKNOWN_TYPE);
	} else if (rc != DEC_OK || !asdu_next(&a, &o)) {
		ignore(&q, "ignored: its length is wrong");
	} else if (!(services[head.type->class].causes >> head.cause & 1)) {
		refuse(&q, IEC_UNKNOWN_CAUSE);
	} else {
		services[head.type->class].serve(&q);
	}
}

/* --- system events --- */

static struct point *
find_point(struct iec_station *s, const struct iec_request *q, const struct runner_event *event)
{
	struct point *p = points_find(&s->points, q->head.common, q->kind, q->object.address);

	if (!p)
		iec_events_refuse(&s->events, event, "it names no data of the configuration");
	return p;
}

static void
keep_state(struct point *p, const struct iec_request *q)
{
	p->head = q->head;
	p->object = q->object;
	p->known = true;
}

static void
on_data(struct iec_station *s, const struct iec_request *q, const struct runner_event *event)
{
	struct point *p = find_point(s, q, event);
	struct asdu_writer w;

	if (!p)
		return;
	keep_state(p, q);
	p->live = true;
	asdu_begin(&w, &s->map.sizes, &q->head, POINTS_MAX_ASDU);
	if (!asdu_add(&w, &q->object)) {
		iec_events_refuse(&s->events, event, "it does not fit an ASDU");
		return;
	}
	const uint8_t *asdu = asdu_end(&w);
	bool kept = points_keep(&s->points, p, asdu, w.len) != 0;
	for (struct iec_master *m = s->masters.first; m; m = m->next) {
		if (kept)
			iec_master_send_changes(m);
		else
			m->all->sink->send(m, asdu, w.len, p->confirmed, 0);
	}
}

static void
on_response(struct iec_station *s, struct iec_request *q, const struct runner_event *event)
{
	struct iec_master *m = iec_masters_find(&s->masters, q->connection);
	struct asdu_writer w;

	if (!m) {
		iec_events_refuse(&s->events, event, "its connection_id names no connection");
		return;
	}
	q->head.originator = m->originator;
	asdu_begin(&w, &s->map.sizes, &q->head, s->max_asdu);
	if (!asdu_add(&w, &q->object) || !m->all->sink->send(m, asdu_end(&w), w.len, true, 0))
		iec_events_refuse(&s->events, event, "the connection takes no data now");
}

void
iec_station_on_event(struct iec_station *s, const struct runner_event *event)
{
	struct iec_request q;

	if (!iec_events_read(&s->events, event, 1, &s->map, &q))
		return;
	if (q.head.type->class == IEC_CLASS_DATA)
		on_data(s, &q, event);
	else
		on_response(s, &q, event);
}

/* The last states are no changes: nobody is told and nothing is buffered. What came as an event
 * meanwhile is newer. */
static void
on_last_state(void *arg, const struct runner_event *event)
{
	struct iec_station *s = arg;
	struct iec_request q;

	if (!event) {
		s->started(s->device);
		return;
	}
	if (!iec_events_read(&s->events, event, 1, &s->map, &q))
		return;
	struct point *p = find_point(s, &q, event);
	if (p && !p->live)
		keep_state(p, &q);
}

static bool
point_type(void *arg, size_t i, struct latest_type *t)
{
	const struct iec_station *s = arg;

	if (i >= s->points.count)
		return false;
	const struct point *p = &s->points.list[i];
	snprintf(t->text[0], sizeof(t->text[0]), "%u", p->common);
	snprintf(t->text[1], sizeof(t->text[1]), "%u", p->address);
	t->type = (struct runner_type){ { "system", "data", iec_kind_name((enum iec_kind)p->kind),
					    t->text[0], t->text[1] },
		5 };
	return true;
}

/* --- life --- */

void
iec_station_start(struct iec_station *s, void (*started)(void *device))
{
	static const struct runner_type states = { { "system", "data", "*" }, 3 };

	s->started = started;
	s->latest = (struct latest){ .type = point_type, .cb = on_last_state, .arg = s };
	latest_ask(&s->latest, s->runner, &states);
}

void
iec_station_ready(struct iec_station *s)
{
	iec_masters_start(&s->masters);
	connections_changed(&s->masters.listed);
	runner_ready(s->runner);
}

void
iec_station_stop(struct iec_station *s)
{
	connections_stop(&s->masters.listed);
}

int
iec_station_init(struct iec_station *s, struct runner *r, const struct iec_sink *sink, void *device,
    const struct json *conf)
{
	s->runner = r;
	s->device = device;
	iec_masters_init(&s->masters, r, sink, device, &s->points);
	s->objects = runner_counter(r, "objects");
	s->ignored = runner_counter(r, "ignored");
	iec_events_init(&s->events, r);
	return points_init(&s->points, r, conf, &s->map.sizes);
}

void
iec_station_clear(struct iec_station *s)
{
	iec_station_stop(s);
	points_clear(&s->points);
}
