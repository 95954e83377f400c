/* iec101_slave: masters on a serial line (balanced or unbalanced) <-> events. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/iec101_conf.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/iec101_points.h"
#include "device-runners/iec60870/iec_remotes.h"

struct slave {
	struct iec_line line; /* first */
	struct runner *r;
	struct iec_map map;
	struct points points;
	int64_t *connections; /* owned; one a station: connection_id, 0 where no master is there */
	struct points_reader *readers; /* owned; one a station */
	size_t reader_count;
	int64_t last_id;
	struct iec_event event; /* scratch */
};

static void
register_connections(struct slave *s)
{
	static const char *const type[] = { "gateway", "connections" };
	struct json_writer *w = runner_payload(s->r);

	json_begin_array(w, NULL);
	for (int i = 0; i < s->line.link.count; i++) {
		if (!s->connections[i])
			continue;
		json_begin_object(w, NULL);
		json_put_int(w, "connection_id", s->connections[i]);
		json_put_int(w, "address", s->line.link.stations[i].conf.address);
		json_end_object(w);
	}
	json_end_array(w);
	runner_register_payload(s->r, type, 2, NULL);
}

/* --- sending --- */

static size_t
room(const struct slave *s)
{
	size_t max = link_max_data(&s->line.link);

	return max < ASDU_MAX ? max : ASDU_MAX;
}

static void
send_bytes(struct slave *s, int station, const void *data, size_t len)
{
	if (iec_line_send(&s->line, station, data, len, 0) < 0 && iec_line_may_log(&s->line))
		log_warning("a message for device %u is not sent: %s",
		    s->line.link.stations[station].conf.address, strerror(errno));
}

static void
flush_writer(struct slave *s, int station, struct asdu_writer *w)
{
	if (w->head.count == 0)
		return;
	const uint8_t *data = asdu_end(w);
	send_bytes(s, station, data, w->len);
}

static void
send_object(struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	struct asdu_writer w;

	asdu_begin(&w, &s->map.sizes, head, room(s));
	if (asdu_add(&w, o))
		flush_writer(s, station, &w);
}

/* --- interrogation --- */

static bool
same_asdu(const struct asdu_head *a, const struct asdu_head *b)
{
	return a->type == b->type && a->test == b->test && a->originator == b->originator;
}

/* What is known of one common address, as many objects to an ASDU as fit. */
static void
send_states(
    struct slave *s, int station, const struct asdu_head *request, uint16_t common, bool counters)
{
	struct asdu_writer w = { .head = { .type = NULL } };

	for (size_t i = 0; i < s->points.count; i++) {
		const struct point *p = &s->points.list[i];
		if (p->common != common || !p->known || (p->kind == IEC_BINARY_COUNTER) != counters)
			continue;
		struct asdu_head head = p->head;
		head.test = request->test;
		head.cause = counters ? IEC_INTERROGATED_COUNTER : IEC_INTERROGATED_STATION;
		if (w.head.type && same_asdu(&w.head, &head) && asdu_add(&w, &p->object))
			continue;
		if (w.head.type)
			flush_writer(s, station, &w);
		asdu_begin(&w, &s->map.sizes, &head, room(s));
		asdu_add(&w, &p->object);
	}
	if (w.head.type)
		flush_writer(s, station, &w);
}

static void
interrogate_one(struct slave *s, int station, struct asdu_head head, const struct iec_object *o,
    uint16_t common, bool counters)
{
	head.common = common;
	head.cause = IEC_ACTIVATION_CONFIRMATION;
	send_object(s, station, &head, o);
	send_states(s, station, &head, common, counters);
	head.cause = IEC_ACTIVATION_TERMINATION;
	send_object(s, station, &head, o);
}

static void
activate(struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	bool counters = head->type->class == IEC_CLASS_COUNTER_INTERROGATION;
	const struct point *last = NULL;

	if (head->common != asdu_max_common(&s->map.sizes)) {
		interrogate_one(s, station, *head, o, head->common, counters);
		return;
	}
	/* Broadcast: every common address that has data of that kind answers for itself. */
	for (size_t i = 0; i < s->points.count; i++) {
		const struct point *p = &s->points.list[i];
		if ((p->kind == IEC_BINARY_COUNTER) != counters ||
		    (last && last->common == p->common))
			continue;
		last = p;
		interrogate_one(s, station, *head, o, p->common, counters);
	}
}

static void
on_interrogation(
    struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	struct asdu_head answer = *head;

	if (head->cause == IEC_ACTIVATION) {
		answer.negative = false;
		activate(s, station, &answer, o);
		return;
	}
	answer.negative = true;
	answer.cause =
	    head->cause == IEC_DEACTIVATION ? IEC_DEACTIVATION_CONFIRMATION : IEC_UNKNOWN_CAUSE;
	send_object(s, station, &answer, o);
}

/* --- what masters say --- */

static void
on_command(struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	const char *type[5] = { "gateway" };
	struct iec_event *e = &s->event;

	if (head->cause != IEC_ACTIVATION && head->cause != IEC_DEACTIVATION) {
		struct asdu_head answer = *head;
		answer.cause = IEC_UNKNOWN_CAUSE;
		answer.negative = true;
		send_object(s, station, &answer, o);
		return;
	}
	const char *why =
	    iec_event_make(e, &s->map, head, o, s->connections[station], timestamp_now());
	if (why) {
		if (iec_line_may_log(&s->line))
			log_warning(
			    "%s of address %u ignored: %s", head->type->name, o->address, why);
		return;
	}
	for (size_t i = 0; i < e->type_len; i++)
		type[1 + i] = e->type[i];
	runner_register(
	    s->r, type, 1 + e->type_len, e->has_timestamp ? &e->timestamp : NULL, e->text, e->len);
}

/* Not served: its own bytes come back, negative. */
static void
send_mirror(struct slave *s, const struct link_action *a, enum iec_cause cause)
{
	uint8_t out[ASDU_MAX];
	size_t n = asdu_mirror(out, room(s), &s->map.sizes, a->data, a->len, cause);

	if (n)
		send_bytes(s, a->station, out, n);
}

static void
on_clock_sync(
    struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	struct asdu_head answer = *head;

	/* The clock of the host is not a master's to set. */
	answer.negative = true;
	answer.cause =
	    head->cause == IEC_ACTIVATION ? IEC_ACTIVATION_CONFIRMATION : IEC_UNKNOWN_CAUSE;
	send_object(s, station, &answer, o);
}

static void
on_object(struct slave *s, int station, const struct asdu_head *head, const struct iec_object *o)
{
	switch (head->type->class) {
	case IEC_CLASS_COMMAND:
		on_command(s, station, head, o);
		break;
	case IEC_CLASS_INTERROGATION:
	case IEC_CLASS_COUNTER_INTERROGATION:
		on_interrogation(s, station, head, o);
		break;
	case IEC_CLASS_CLOCK_SYNC:
		on_clock_sync(s, station, head, o);
		break;
	default:
		break;
	}
}

/* Of the ASDU as a whole, however many objects it holds; true where that is all. */
static bool
refuse_asdu(struct slave *s, const struct link_action *action, const struct asdu_head *head)
{
	switch (head->type->class) {
	case IEC_CLASS_COMMAND:
	case IEC_CLASS_INTERROGATION:
	case IEC_CLASS_COUNTER_INTERROGATION:
	case IEC_CLASS_CLOCK_SYNC:
		return false;
	case IEC_CLASS_READ:
	case IEC_CLASS_TEST:
	case IEC_CLASS_RESET:
	case IEC_CLASS_PARAMETER:
	case IEC_CLASS_PARAMETER_ACTIVATION:
		send_mirror(s, action, IEC_UNKNOWN_TYPE);
		return true;
	default:
		if (iec_line_may_log(&s->line))
			log_warning("%s is not for a slave, ignored", head->type->name);
		return true;
	}
}

static void
on_asdu(struct slave *s, const struct link_action *action)
{
	struct iec_object o;
	struct asdu a;
	enum dec dec = asdu_decode(&a, &s->map.sizes, action->data, action->len);

	if (dec != DEC_OK) {
		if (iec_line_may_log(&s->line))
			log_warning("ASDU of type %u %s, ignored", a.head.type_id,
			    dec == DEC_UNSUP ? "is not supported" : "is malformed");
		return;
	}
	if (refuse_asdu(s, action, &a.head))
		return;
	while (asdu_next(&a, &o))
		on_object(s, action->station, &a.head, &o);
}

/* Sent to everybody: acted on for each master that is there, answered when it polls. */
static void
on_broadcast(struct slave *s, const struct link_action *action)
{
	struct link_action each = *action;

	for (int i = 0; i < s->line.link.count; i++) {
		each.station = i;
		if (s->connections[i])
			on_asdu(s, &each);
	}
}

/* What is in a buffer waits there; the queue keeps room for what is in none: answers, confirmations
 * of commands. */
static bool
takes_changes(const struct slave *s, int station)
{
	const struct link_queue *q = &s->line.link.stations[station].queue[0];

	return q->count < LINK_QUEUE_MESSAGES / 2 && q->bytes < LINK_QUEUE_BYTES / 2;
}

struct reading {
	struct slave *s;
	int station;
};

static bool
send_change(void *arg, uint64_t token, const void *asdu, size_t len)
{
	struct reading *r = arg;

	return takes_changes(r->s, r->station) &&
	       iec_line_send(&r->s->line, r->station, asdu, len, token) == 0;
}

/* What the buffers hold for this master, as far as its queue has room; more when it took some. */
static void
send_changes(struct slave *s, int station)
{
	struct reading r = { s, station };

	points_read(&s->points, &s->readers[station], send_change, &r);
}

static void
on_up(struct slave *s, int station)
{
	log_info("master of device %u connected", s->line.link.stations[station].conf.address);
	s->connections[station] = ++s->last_id;
	register_connections(s);
	points_reader_rewind(&s->readers[station], &s->points);
	send_changes(s, station);
}

static void
on_delivered(struct slave *s, const struct link_action *action)
{
	points_given(&s->points, action->token);
	if (s->readers[action->station].behind)
		send_changes(s, action->station);
}

static void
on_down(struct slave *s, int station, const char *reason)
{
	if (iec_line_may_log(&s->line))
		log_warning("master of device %u lost: %s",
		    s->line.link.stations[station].conf.address, reason);
	s->connections[station] = 0;
	register_connections(s);
}

static void
on_action(void *device, const struct link_action *action)
{
	struct slave *s = device;

	switch (action->type) {
	case LINK_UP:
		on_up(s, action->station);
		break;
	case LINK_DOWN:
		on_down(s, action->station, action->reason);
		break;
	case LINK_DATA:
		if (action->station == LINK_ALL)
			on_broadcast(s, action);
		else
			on_asdu(s, action);
		break;
	case LINK_DELIVERED:
		on_delivered(s, action);
		break;
	case LINK_REFUSED:
		if (iec_line_may_log(&s->line))
			log_warning("the master refused a message: %s", action->reason);
		break;
	case LINK_TRANSMIT:
		break;
	}
}

static void
on_line(void *device, enum iec_line_status status)
{
	struct slave *s = device;
	bool any = false;

	for (int i = 0; status == IEC_LINE_DISCONNECTED && i < s->line.link.count; i++) {
		any |= s->connections[i] != 0;
		s->connections[i] = 0;
	}
	if (any)
		register_connections(s);
	for (int i = 0; status == IEC_LINE_CONNECTED && i < s->line.link.count; i++)
		iec_line_open_station(&s->line, i);
}

/* --- what the system says --- */

static const char *
read_request(struct slave *s, struct iec_request *q, const struct runner_event *event,
    char why[IEC_JSON_WHY])
{
	if (event->type_len < 2 || strcmp(event->type[0], "system"))
		return "expected a system event";
	if (event->payload != RUNNER_PAYLOAD_JSON)
		return "expected a JSON payload";
	if (iec_request_read(q, &s->map, event->type + 1, event->type_len - 1,
		event->has_source_timestamp ? &event->source_timestamp : NULL, event->data,
		event->len, why) < 0)
		return why;
	return NULL;
}

static void
on_data_event(struct slave *s, const struct iec_request *q, struct point *p)
{
	uint8_t bytes[POINTS_MAX_ASDU];
	struct asdu_writer w;

	asdu_begin(&w, &s->map.sizes, &q->head, sizeof(bytes));
	if (!asdu_add(&w, &q->object)) {
		log_warning("data %s %u %u does not fit an ASDU; nothing is sent",
		    iec_kind_name(q->kind), q->head.common, q->object.address);
		return;
	}
	const uint8_t *data = asdu_end(&w);
	bool kept = points_keep(&s->points, p, data, w.len) != 0;
	for (int i = 0; i < s->line.link.count; i++) {
		if (s->connections[i] && kept)
			send_changes(s, i);
		else if (s->connections[i])
			send_bytes(s, i, data, w.len);
	}
}

static void
on_command_event(struct slave *s, const struct iec_request *q, const struct runner_event *event)
{
	for (int i = 0; i < s->line.link.count; i++) {
		if (s->connections[i] && s->connections[i] == q->connection) {
			send_object(s, i, &q->head, &q->object);
			return;
		}
	}
	iec_remotes_refuse(event, "its connection_id names no connection");
}

static void
take_event(struct slave *s, const struct runner_event *event, bool initial)
{
	char why[IEC_JSON_WHY] = "";
	struct iec_request q;
	const char *bad = read_request(s, &q, event, why);

	if (bad) {
		iec_remotes_refuse(event, bad);
		return;
	}
	if (q.head.type->class == IEC_CLASS_COMMAND) {
		on_command_event(s, &q, event);
		return;
	}
	struct point *p = points_find(&s->points, q.head.common, q.kind, q.object.address);
	if (!p) {
		iec_remotes_refuse(event, "it names no data of the configuration");
		return;
	}
	if (initial && p->live)
		return;
	p->live |= !initial;
	p->head = q.head;
	p->object = q.object;
	p->known = true;
	if (!initial)
		on_data_event(s, &q, p);
}

static void
on_event(void *device, const struct runner_event *event)
{
	take_event(device, event, false);
}

static void
on_states(void *arg, const struct runner_event *event)
{
	struct slave *s = arg;

	if (event) {
		take_event(s, event, true);
		return;
	}
	register_connections(s);
	runner_ready(s->r);
	iec_line_start(&s->line);
}

/* --- life --- */

static void
destroy(void *device)
{
	struct slave *s = device;

	for (size_t i = 0; s->readers && i < s->reader_count; i++)
		points_reader_clear(&s->readers[i]);
	free(s->readers);
	points_clear(&s->points);
	iec_line_clear(&s->line);
	free(s->connections);
	free(s);
}

static void *
create(struct runner *r, const struct json *conf)
{
	static const struct iec_line_ops ops = { on_line, on_action };
	const struct iec101_conf_role *role = &iec101_conf_slave;

	if (iec101_conf_check(r, conf, role))
		return NULL;
	struct slave *s = calloc(1, sizeof(*s));
	if (!s)
		runner_fail(r, "out of memory");
	s->r = r;
	s->reader_count = json_get(conf, role->list)->count;
	s->connections = calloc(s->reader_count + 1, sizeof(*s->connections));
	s->readers = calloc(s->reader_count + 1, sizeof(*s->readers));
	if (!s->connections || !s->readers)
		runner_fail(r, "out of memory");
	int rc = iec101_conf_load(r, conf, role, &s->map, &s->line, &ops, s);
	rc |= points_init(&s->points, r, conf, &s->map.sizes);
	for (size_t i = 0; i < s->reader_count; i++)
		if (points_reader_init(&s->readers[i], &s->points) < 0)
			runner_fail(r, "out of memory");
	if (rc < 0) {
		destroy(s);
		return NULL;
	}
	return s;
}

static void
start(void *device)
{
	static const struct runner_type states = { { "system", "data", "*" }, 3 };
	struct slave *s = device;

	runner_query(s->r, &states, 1, on_states, s);
}

const struct runner_device iec101_slave_device = { .type = "iec101_slave",
	.create = create,
	.describe = describe_101_slave,
	.start = start,
	.on_event = on_event,
	.on_credit = iec_line_on_credit,
	.stop = iec_line_on_stop,
	.free = destroy };
