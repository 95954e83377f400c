/* What iec104_slave answers to the ASDUs of a master (clause 7.4 of IEC 60870-5-5, 7.2.3 of part
 * 101): a table by class of type. Requests are confirmed by their own bytes. */
#include <string.h>

#include "device-runners/iec60870/iec104_slave.h"

enum {
	HEADER = 6,    /* octets of an ASDU's header in part 104 */
	COMMON_AT = 4, /* of the common address */
	CAUSE_AT = 2,
	GROUPS = 16,
	COUNTER_GROUPS = 4,
};

struct request {
	struct slave_conn *sc;
	const struct asdu_head *head;
	const struct iec_object *object; /* the first */
	const uint8_t *bytes;
	size_t len;
};

static void
reply_from(const struct request *q, uint16_t common, enum iec_cause cause, bool negative)
{
	uint8_t out[ASDU_MAX];

	if (q->len < HEADER || q->len > sizeof(out))
		return;
	memcpy(out, q->bytes, q->len);
	out[CAUSE_AT] = (uint8_t)((q->head->test << 7) | (negative << 6) | cause);
	out[COMMON_AT] = (uint8_t)common;
	out[COMMON_AT + 1] = (uint8_t)(common >> 8);
	iec104_slave_send(q->sc, out, q->len);
}

static void
reply(const struct request *q, enum iec_cause cause, bool negative)
{
	reply_from(q, q->head->common, cause, negative);
}

/* The points of one common address stand together. */
static const struct point *
points_of(const struct points *p, uint16_t common, size_t *count)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->list[mid].common < common)
			low = mid + 1;
		else
			high = mid;
	}
	*count = 0;
	while (low + *count < p->count && p->list[low + *count].common == common)
		++*count;
	return p->list + low;
}

static void
send_writer(struct slave_conn *sc, struct asdu_writer *w)
{
	if (w->head.count)
		iec104_slave_send(sc, asdu_end(w), w->len);
	w->head.count = 0;
}

/* As many objects in an ASDU as fit; a new one for each type. */
static void
send_points(
    const struct request *q, const struct point *list, size_t count, bool counters, uint8_t cause)
{
	struct asdu_writer w = { .head = { .type = NULL } };

	for (size_t i = 0; i < count; i++) {
		const struct point *p = &list[i];
		if (!p->known || (p->kind == IEC_BINARY_COUNTER) != counters)
			continue;
		if (w.head.type == p->head.type && asdu_add(&w, &p->object))
			continue;
		send_writer(q->sc, &w);
		struct asdu_head head = { .type = p->head.type,
			.cause = cause,
			.test = q->head->test,
			.originator = q->head->originator,
			.common = p->common };
		asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
		asdu_add(&w, &p->object);
	}
	send_writer(q->sc, &w);
}

static void
interrogate(
    const struct request *q, const struct point *list, size_t count, bool counters, uint8_t cause)
{
	reply_from(q, list->common, IEC_ACTIVATION_CONFIRMATION, false);
	send_points(q, list, count, counters, cause);
	reply_from(q, list->common, IEC_ACTIVATION_TERMINATION, false);
}

/* The cause of the data that a qualifier asks for. The configuration knows no groups: each holds
 * all data. Qualifiers of no group ask for the station. */
static uint8_t
interrogation_cause(const struct request *q, bool counters)
{
	unsigned qualifier = q->object->qualifier;

	if (counters)
		return (uint8_t)(IEC_INTERROGATED_COUNTER +
				 (qualifier >= 1 && qualifier <= COUNTER_GROUPS ? qualifier : 0));
	return (uint8_t)(IEC_INTERROGATED_STATION +
			 (qualifier > 20 && qualifier <= 20 + GROUPS ? qualifier - 20 : 0));
}

static void
answer_interrogation(const struct request *q)
{
	const struct points *points = &q->sc->slave->points;
	bool counters = q->head->type->class == IEC_CLASS_COUNTER_INTERROGATION;
	uint8_t cause = interrogation_cause(q, counters);
	size_t count;

	if (q->head->cause != IEC_ACTIVATION) {
		bool stop = q->head->cause == IEC_DEACTIVATION;
		reply(q, stop ? IEC_DEACTIVATION_CONFIRMATION : IEC_UNKNOWN_CAUSE, true);
		return;
	}
	if (q->head->common != asdu_max_common(&asdu_sizes_104)) {
		const struct point *list = points_of(points, q->head->common, &count);
		if (count)
			interrogate(q, list, count, counters, cause);
		else
			reply(q, IEC_UNKNOWN_ASDU_ADDRESS, true);
		return;
	}
	for (size_t i = 0; i < points->count; i += count) {
		const struct point *list = points_of(points, points->list[i].common, &count);
		interrogate(q, list, count, counters, cause);
	}
}

/* Clause 7.4.6 of part 101: the data answers, there is no confirmation. */
static void
answer_read(const struct request *q)
{
	struct points *points = &q->sc->slave->points;
	const struct point *found = NULL;
	size_t count;

	if (q->head->cause != IEC_REQUEST) {
		reply(q, IEC_UNKNOWN_CAUSE, true);
		return;
	}
	points_of(points, q->head->common, &count);
	if (count == 0) {
		reply(q, IEC_UNKNOWN_ASDU_ADDRESS, true);
		return;
	}
	for (unsigned kind = 0; !found && kind < IEC_DATA_KINDS; kind++) {
		found = points_find(points, q->head->common, kind, q->object->address);
		if (found && !found->known)
			found = NULL;
	}
	if (found)
		send_points(q, found, 1, found->kind == IEC_BINARY_COUNTER, IEC_REQUEST);
	else
		reply(q, IEC_UNKNOWN_IO_ADDRESS, true);
}

/* The clock of this host is set by nobody's command. */
static void
answer_clock(const struct request *q)
{
	bool act = q->head->cause == IEC_ACTIVATION;

	reply(q, act ? IEC_ACTIVATION_CONFIRMATION : IEC_UNKNOWN_CAUSE, true);
}

static void
answer_test(const struct request *q)
{
	bool act = q->head->cause == IEC_ACTIVATION;

	if (q->head->type->in & IEC_IN_104)
		reply(q, act ? IEC_ACTIVATION_CONFIRMATION : IEC_UNKNOWN_CAUSE, !act);
	else
		reply(q, IEC_UNKNOWN_TYPE, true);
}

static void
register_command(const struct request *q, const struct iec_object *o)
{
	struct iec104_slave *s = q->sc->slave;
	static struct iec_event e;
	const char *why =
	    iec_event_make(&e, &s->map, q->head, o, q->sc->id, (struct timestamp){ 0 });

	if (why) {
		++*s->ignored;
		limit_warning(&s->input_limit, "%s to %u/%u from %s is refused: %s",
		    q->head->type->name, q->head->common, o->address, q->sc->remote.host, why);
		reply(q, q->head->cause + 1u, true);
		return;
	}
	const char *type[5] = { "gateway", e.type[0], e.type[1], e.type[2], e.type[3] };
	runner_register(
	    s->runner, type, 1 + e.type_len, e.has_timestamp ? &e.timestamp : NULL, e.text, e.len);
	++*s->objects;
}

/* Commands are decided by who takes the event; only what is no request is answered here. */
static void
answer_command(const struct request *q)
{
	struct asdu a;
	struct iec_object o;

	if (q->head->cause != IEC_ACTIVATION && q->head->cause != IEC_DEACTIVATION) {
		reply(q, IEC_UNKNOWN_CAUSE, true);
		return;
	}
	q->sc->originator = q->head->originator;
	if (asdu_decode(&a, &asdu_sizes_104, q->bytes, q->len) == DEC_OK)
		while (asdu_next(&a, &o))
			register_command(q, &o);
}

static void (*const answers[])(const struct request *q) = {
	[IEC_CLASS_COMMAND] = answer_command,
	[IEC_CLASS_INTERROGATION] = answer_interrogation,
	[IEC_CLASS_COUNTER_INTERROGATION] = answer_interrogation,
	[IEC_CLASS_READ] = answer_read,
	[IEC_CLASS_CLOCK_SYNC] = answer_clock,
	[IEC_CLASS_TEST] = answer_test,
	[IEC_CLASS_FILE] = NULL,
};

void
iec104_answer(struct slave_conn *sc, const uint8_t *bytes, size_t len)
{
	struct iec104_slave *s = sc->slave;
	struct asdu a;
	struct iec_object o;
	enum dec rc = asdu_decode(&a, &asdu_sizes_104, bytes, len);
	struct asdu_head head = a.head;
	struct request q = { .sc = sc, .head = &head, .object = &o, .bytes = bytes, .len = len };

	if (rc == DEC_OK && asdu_next(&a, &o) && answers[head.type->class]) {
		answers[head.type->class](&q);
		return;
	}
	++*s->ignored;
	if (rc == DEC_UNSUP || (rc == DEC_OK && head.count)) {
		limit_warning(&s->input_limit, "an ASDU of type %u from %s is not served",
		    head.type_id, sc->remote.host);
		reply(&q, IEC_UNKNOWN_TYPE, true);
	} else {
		limit_warning(&s->input_limit,
		    "an ASDU of %zu bytes from %s that are not what it says is ignored", len,
		    sc->remote.host);
	}
}
