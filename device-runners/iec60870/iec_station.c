#include "device-runners/iec60870/iec_station.h"

#include <stdio.h>
#include <string.h>

/* --- answers --- */

struct request {
	struct iec_station *s;
	struct iec_master *m;
	const uint8_t *bytes;
	size_t len;
	struct asdu asdu;	  /* with the objects behind the first */
	struct iec_object object; /* the first */
};

static void
send_answer(void *master, const void *asdu, size_t len)
{
	struct iec_master *m = master;

	m->all->sink->send(m, asdu, len, true, 0);
}

/* The request's own bytes, which keep its originator. */
static void
reply_from(const struct request *q, uint16_t common, unsigned cause, bool negative)
{
	uint8_t out[ASDU_MAX];
	size_t n = asdu_mirror(
	    out, q->s->max_asdu, &q->s->map.sizes, q->bytes, q->len, common, cause, negative);

	if (n)
		send_answer(q->m, out, n);
}

static void
refuse(const struct request *q, unsigned cause)
{
	reply_from(q, q->asdu.head.common, cause, true);
}

/* For data of a common address that answer the request. */
static struct asdu_batch
batch_of(const struct request *q, uint16_t common, uint8_t cause)
{
	return (struct asdu_batch){ .sizes = q->s->map.sizes,
		.head = { .cause = cause,
		    .test = q->asdu.head.test,
		    .originator = q->asdu.head.originator,
		    .common = common },
		.max = q->s->max_asdu,
		.send = send_answer,
		.arg = q->m };
}

/* The event of a request to a common address. Returns NULL, or why there is none. */
static const char *
register_object(const struct request *q, uint16_t common, const struct iec_object *o)
{
	static const char *const prefix[] = { "gateway" };
	struct asdu_head head = q->asdu.head;

	head.common = common;
	const char *why =
	    iec_events_register(&q->s->events, prefix, 1, &q->s->map, &head, o, q->m->id);

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

/* Whether the request is about data of that kind, or about counters of that kind of freezing. */
static bool
concerns(const struct request *q, const struct point *p)
{
	bool counters = q->asdu.head.type->class == IEC_CLASS_COUNTER_INTERROGATION;

	return (p->kind == IEC_BINARY_COUNTER) == counters && (!q->object.freeze || p->freeze);
}

/* Counters to be frozen are those of the receiver of the event, not of this station. */
static void
answer_common(const struct request *q, const struct point *list, size_t count, uint8_t cause)
{
	struct asdu_batch b = batch_of(q, list->common, cause);

	reply_from(q, list->common, IEC_ACTIVATION_CONFIRMATION, false);
	if (q->object.freeze)
		register_object(q, list->common, &q->object);
	for (size_t i = 0; i < count && !q->object.freeze; i++)
		if (list[i].known && concerns(q, &list[i]))
			send_state(&b, &list[i]);
	asdu_batch_flush(&b);
	reply_from(q, list->common, IEC_ACTIVATION_TERMINATION, false);
}

/* Answers for each common address of these points. A broadcast is for those that it concerns, and
 * so is a request to freeze. */
static bool
answer(const struct request *q, const struct point *list, size_t count, uint8_t cause)
{
	bool any = false;

	for (size_t i = 0, end; i < count; i = end) {
		bool due = !q->object.freeze && q->asdu.head.common == list[i].common;
		for (end = i; end < count && list[end].common == list[i].common; end++)
			due |= concerns(q, &list[end]);
		if (due)
			answer_common(q, &list[i], end - i, cause);
		any |= due;
	}
	return any;
}

static void
serve_interrogation(struct request *q)
{
	const struct points *points = &q->s->points;
	uint8_t cause = iec_interrogation_cause(q->asdu.head.type, q->object.qualifier);
	size_t count = points->count;
	const struct point *list = points->list;

	if (q->asdu.head.common != asdu_max_common(&q->s->map.sizes))
		list = points_of(points, q->asdu.head.common, &count);
	if (q->asdu.head.cause == IEC_DEACTIVATION)
		refuse(q, IEC_DEACTIVATION_CONFIRMATION);
	else if (!count)
		refuse(q, IEC_UNKNOWN_ASDU_ADDRESS);
	else if (q->object.address != 0)
		refuse(q, IEC_UNKNOWN_IO_ADDRESS);
	else if (!cause || !answer(q, list, count, cause))
		refuse(q, IEC_ACTIVATION_CONFIRMATION);
}

/* --- other requests --- */

/* Clause 7.4.6 of part 101: the data answers, there is no confirmation. */
static void
serve_read(struct request *q)
{
	struct asdu_batch b = batch_of(q, q->asdu.head.common, IEC_REQUEST);
	const struct point *p = points_at(&q->s->points, q->asdu.head.common, q->object.address);
	size_t count;

	points_of(&q->s->points, q->asdu.head.common, &count);
	if (p)
		asdu_batch_add(&b, p->head.type, &p->object);
	else
		refuse(q, count ? IEC_UNKNOWN_IO_ADDRESS : IEC_UNKNOWN_ASDU_ADDRESS);
	asdu_batch_flush(&b);
}

/* A test is confirmed. No master sets the clock of this host. */
static void
serve_test_or_clock(struct request *q)
{
	bool refused = q->asdu.head.type->class == IEC_CLASS_CLOCK_SYNC;

	reply_from(q, q->asdu.head.common, IEC_ACTIVATION_CONFIRMATION, refused);
}

/* The receiver of the event decides about a command, whatever its address. Only what is no command
 * is answered here. */
static void
serve_command(struct request *q)
{
	struct iec_object *o = &q->object;
	const char *why;

	q->m->originator = q->asdu.head.originator;
	do {
		if (!(why = register_object(q, q->asdu.head.common, o)))
			continue;
		++*q->s->ignored;
		limit_warning(&q->s->input_limit, "refused %s to %u/%u from %s: %s",
		    q->asdu.head.type->name, q->asdu.head.common, o->address, q->m->name, why);
		refuse(q, q->asdu.head.cause + 1u);
	} while (asdu_next(&q->asdu, o));
}

#define CAUSE(n) (UINT64_C(1) << (n))
#define START_OR_STOP (CAUSE(IEC_ACTIVATION) | CAUSE(IEC_DEACTIVATION))

/* By class of type, with the causes that it has in the control direction (clause 7.2.3). Classes
 * without a row are not served. */
static const struct {
	void (*serve)(struct request *q);
	uint64_t causes;
} services[IEC_CLASSES] = {
	[IEC_CLASS_COMMAND] = { .serve = serve_command, .causes = START_OR_STOP },
	[IEC_CLASS_INTERROGATION] = { .serve = serve_interrogation, .causes = START_OR_STOP },
	[IEC_CLASS_COUNTER_INTERROGATION] = { .serve = serve_interrogation,
	    .causes = START_OR_STOP },
	[IEC_CLASS_READ] = { .serve = serve_read, .causes = CAUSE(IEC_REQUEST) },
	[IEC_CLASS_CLOCK_SYNC] = { .serve = serve_test_or_clock, .causes = CAUSE(IEC_ACTIVATION) },
	[IEC_CLASS_TEST] = { .serve = serve_test_or_clock, .causes = CAUSE(IEC_ACTIVATION) },
};

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
	    q->asdu.head.type_id, q->len, q->m->name, why);
}

void
iec_station_serve(void *master, const uint8_t *bytes, size_t len)
{
	struct iec_master *m = master;
	struct request q = { .s = m->all->device, .m = m, .bytes = bytes, .len = len };
	enum dec rc = asdu_decode(&q.asdu, &q.s->map.sizes, bytes, len);
	const struct asdu_head *head = &q.asdu.head;

	if (is_refusal(head)) {
		ignore(&q, "ignored: it is a refusal");
	} else if (!is_served(q.s, head->type)) {
		ignore(&q, "answered with cause 44: unknown type");
		refuse(&q, IEC_UNKNOWN_TYPE);
	} else if (rc != DEC_OK || !asdu_next(&q.asdu, &q.object)) {
		ignore(&q, "ignored: its length is wrong");
	} else if (!(services[head->type->class].causes >> head->cause & 1)) {
		refuse(&q, IEC_UNKNOWN_CAUSE);
	} else {
		services[head->type->class].serve(&q);
	}
}

/* --- system events --- */

/* An event that came meanwhile is newer than a last state, which is not live. Returns the point;
 * NULL where the event was refused. */
static struct point *
keep_state(
    struct iec_station *s, const struct iec_request *q, const struct runner_event *event, bool live)
{
	struct point *p = points_find(&s->points, q->head.common, q->kind, q->object.address);

	if (!p)
		iec_events_refuse(&s->events, event, "it names no data of the configuration");
	if (!p || (!live && p->live))
		return p;
	p->head = q->head;
	p->object = q->object;
	p->known = true;
	p->live = live;
	return p;
}

static void
on_data(struct iec_station *s, const struct iec_request *q, const struct runner_event *event)
{
	struct point *p = keep_state(s, q, event, true);
	struct asdu_writer w;

	if (!p)
		return;
	const uint8_t *asdu = asdu_of_one(&w, &s->map.sizes, &q->head, &q->object, POINTS_MAX_ASDU);
	if (!asdu) {
		iec_events_refuse(&s->events, event, "it does not fit an ASDU");
		return;
	}
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
	const uint8_t *asdu = asdu_of_one(&w, &s->map.sizes, &q->head, &q->object, s->max_asdu);
	if (!asdu || !m->all->sink->send(m, asdu, w.len, true, 0))
		iec_events_refuse(&s->events, event, "the connection takes no data now");
}

void
iec_station_on_event(void *device, const struct runner_event *event)
{
	struct iec_station *s = device;
	struct iec_request q;

	if (!iec_events_read(&s->events, event, 1, &s->map, &q))
		return;
	if (q.head.type->class == IEC_CLASS_DATA)
		on_data(s, &q, event);
	else
		on_response(s, &q, event);
}

/* The last states are no changes: nobody is told and nothing is buffered. */
static void
on_last_state(void *arg, const struct runner_event *event)
{
	struct iec_station *s = arg;
	struct iec_request q;

	if (!event)
		s->masters.sink->start(s);
	else if (iec_events_read(&s->events, event, 1, &s->map, &q))
		keep_state(s, &q, event, false);
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
iec_station_start(void *device)
{
	static const struct runner_type states = { { "system", "data", "*" }, 3 };
	struct iec_station *s = device;

	s->latest = (struct latest){ .type = point_type, .cb = on_last_state, .arg = s };
	latest_ask(&s->latest, s->runner, &states);
}

void
iec_station_ready(void *device)
{
	struct iec_station *s = device;

	health_masters_start(s->masters.health);
	connections_changed(&s->masters.listed);
	runner_ready(s->runner);
}

void
iec_station_stop(struct iec_station *s)
{
	connections_stop(&s->masters.listed);
}

int
iec_station_init(
    struct iec_station *s, struct runner *r, const struct iec_sink *sink, const struct json *conf)
{
	s->runner = r;
	iec_masters_init(&s->masters, r, sink, s, &s->points);
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
