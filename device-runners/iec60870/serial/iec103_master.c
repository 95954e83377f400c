/* iec103_master: protection devices on an unbalanced serial line <-> events. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/describe.h"
#include "device-runners/iec60870/describe_data.h"
#include "device-runners/iec60870/iec60870.h"
#include "device-runners/iec60870/serial/iec_remotes.h"
#include "protocols/iec60870/iec103_session.h"

enum {
	REMOTE_SEGMENTS = 3,
	MAX_SESSION_ID = 48 * 1024, /* bytes of its JSON: an answer must fit an event */
	MAX_PAYLOAD_NODES = MAX_SESSION_ID / 2 + 4,
	MEASURAND_ONE = 4096,
};

struct master {
	struct iec_remotes remotes; /* first */
	struct runner *r;
	struct iec103_session *sessions; /* owned; one a remote */
	ev_timer expiry;
	struct iec_zone zone;
};
static_assert(offsetof(struct master, remotes) == 0, "remotes are cast to their master");

/* --- events --- */

struct address {
	char common[4], function[4], information[4];
};

static void
write_address(struct address *a, uint8_t common, uint8_t function, uint8_t information)
{
	snprintf(a->common, sizeof(a->common), "%u", common);
	snprintf(a->function, sizeof(a->function), "%u", function);
	snprintf(a->information, sizeof(a->information), "%u", information);
}

static void
put_cause(struct json_writer *w, uint8_t cause)
{
	const char *name = iec103_cause_name(cause);

	if (name)
		json_put_str(w, "cause", name);
	else
		json_put_int(w, "cause", cause);
}

static void
register_data(struct master *m, const struct iec_remote *remote, const char *data_type,
    uint8_t common, const struct iec103_object *o, const struct timestamp *ts)
{
	struct address a;

	write_address(&a, common, o->function, o->information);
	const char *const type[] = { "gateway", "remote_device", remote->address, "data", data_type,
		a.common, a.function, a.information };
	runner_register_payload(m->r, type, sizeof(type) / sizeof(type[0]), ts);
}

/* Whether the summer-time bit is the zone's within half a day of now; else the time of day can not
 * be told from one an hour off. */
static bool
summer_fits(struct master *m, const struct iec_time *t, struct timestamp now)
{
	for (int hours = -12; hours <= 12; hours += 12) {
		struct iec_time there;
		iec_time_from_timestamp(
		    &there, &m->zone, (struct timestamp){ now.s + hours * INT64_C(3600), now.us });
		if (there.summer == t->summer)
			return true;
	}
	return false;
}

static void
on_double(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	struct timestamp ts, now = timestamp_now();

	(void)n;
	bool timed = !o->time.invalid && iec_time_to_timestamp(&o->time, &m->zone, now, &ts) == 0 &&
		     summer_fits(m, &o->time, now);
	struct json_writer *w = runner_payload(m->r);
	json_begin_object(w, NULL);
	put_cause(w, a->cause);
	json_put_str(w, "value", iec103_double_names[o->value]);
	json_end_object(w);
	register_data(m, remote, "double", a->common, o, timed ? &ts : NULL);
}

static void
on_measurand(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	const char *name = iec103_measurand_name(a->type_id, n);

	if (!name) {
		limit_warning(iec_line_limit(&m->remotes.line),
		    "remote device %s: ignored measurand %u of type %u: it has no name",
		    remote->address, n, a->type_id);
		return;
	}
	struct json_writer *w = runner_payload(m->r);
	json_begin_object(w, NULL);
	put_cause(w, a->cause);
	json_begin_object(w, "value");
	json_put_bool(w, "overflow", o->overflow);
	json_put_bool(w, "invalid", o->invalid);
	json_put_double(w, "value", o->measurand / (double)MEASURAND_ONE);
	json_end_object(w);
	json_end_object(w);
	register_data(m, remote, name, a->common, o, NULL);
}

static void
on_identification(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	(void)m, (void)a, (void)n;
	log_info("remote device %s is \"%.8s\", compatibility level %u, software %02x%02x%02x%02x",
	    remote->address, (const char *)o->identity.text, o->identity.compatibility,
	    o->identity.software[0], o->identity.software[1], o->identity.software[2],
	    o->identity.software[3]);
}

/* Announced, not fetched. */
static void
on_disturbance(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	(void)n;
	limit_info(iec_line_limit(&m->remotes.line), "remote device %s: %s, fault %u: not fetched",
	    remote->address, a->type->name, o->fault);
}

static void
on_ignored(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	(void)o, (void)n;
	limit_info(iec_line_limit(&m->remotes.line),
	    "remote device %s: ignored %s: it has no event", remote->address, a->type->name);
}

/* The time synchronization's own echo, the end of an interrogation that nobody asked for. */
static void
on_quiet(struct master *m, const struct iec_remote *remote, const struct iec103_asdu *a,
    const struct iec103_object *o, unsigned n)
{
	(void)m, (void)remote, (void)a, (void)o, (void)n;
}

typedef void on_object(struct master *m, const struct iec_remote *remote,
    const struct iec103_asdu *a, const struct iec103_object *o, unsigned n);
static on_object *const handlers[] = {
	[IEC103_TIME_TAGGED] = on_double,
	[IEC103_TIME_TAGGED_RELATIVE] = on_double,
	[IEC103_MEASURANDS_1] = on_measurand,
	[IEC103_MEASURAND_RELATIVE] = on_ignored,
	[IEC103_IDENTIFICATION] = on_identification,
	[IEC103_TIME_SYNC] = on_quiet,
	[IEC103_INTERROGATION_END] = on_quiet,
	[IEC103_MEASURANDS_2] = on_measurand,
	[IEC103_RECORDED_DISTURBANCES] = on_disturbance,
	[IEC103_DISTURBANCE_READY] = on_disturbance,
	[IEC103_CHANNEL_READY] = on_disturbance,
	[IEC103_TAGS_READY] = on_disturbance,
	[IEC103_TAGS] = on_disturbance,
	[IEC103_DISTURBANCE_VALUES] = on_disturbance,
	[IEC103_END_OF_TRANSMISSION] = on_disturbance,
};

/* --- requests and their answers --- */

static void
set_expiry(struct master *m)
{
	struct monotime first = { 0 };

	for (int i = 0; i < m->remotes.count; i++) {
		struct monotime at = iec103_session_deadline(&m->sessions[i]);
		if (at.ns && (!first.ns || monotime_cmp(at, first) < 0))
			first = at;
	}
	ev_timer_stop(runner_loop(m->r), &m->expiry);
	if (!first.ns)
		return;
	double after = (double)(first.ns - monotime_now().ns) * 1e-9;
	ev_timer_set(&m->expiry, after > 0 ? after : 0, 0);
	ev_timer_start(runner_loop(m->r), &m->expiry);
}

static void
expire_requests(struct master *m, int station)
{
	struct iec103_request *q;

	while ((q = iec103_session_expire(&m->sessions[station], monotime_now()))) {
		log_warning("remote device %s: %s %u %s", m->remotes.list[station].address,
		    q->kind == IEC103_REQUEST_COMMAND ? "command" : "interrogation", q->common,
		    q->sent ? "was not answered" : "waited too long and was not sent");
		free(q);
	}
}

static void
send_requests(struct master *m, int station)
{
	uint8_t out[IEC103_MAX];

	expire_requests(m, station);

	for (size_t n; (n = iec103_session_next(&m->sessions[station], out));)
		if (iec_line_send(&m->remotes.line, station, 0, out, n, 0) < 0)
			log_warning("remote device %s: cannot send a request: %s",
			    m->remotes.list[station].address, strerror(errno));
	set_expiry(m);
}

static void
on_expiry(struct ev_loop *loop, ev_timer *w, int events)
{
	struct master *m = w->data;

	(void)loop, (void)events;
	for (int i = 0; i < m->remotes.count; i++)
		send_requests(m, i);
}

static void
register_result(
    struct master *m, const struct iec_remote *remote, const struct iec103_request *q, bool success)
{
	struct address a;

	write_address(&a, q->common, q->function, q->information);
	if (q->kind == IEC103_REQUEST_INTERROGATION) {
		const char *const type[] = { "gateway", "remote_device", remote->address,
			"interrogation", a.common };
		runner_register(m->r, type, 5, NULL, "null", 4);
		return;
	}
	const char *const type[] = { "gateway", "remote_device", remote->address, "command",
		a.common, a.function, a.information };
	struct json_writer *w = runner_payload(m->r);
	json_begin_object(w, NULL);
	json_put_bool(w, "success", success);
	json_put_raw(w, "session_id", q->note, q->note_len);
	json_end_object(w);
	runner_register_payload(m->r, type, sizeof(type) / sizeof(type[0]), NULL);
}

/* Whether the object is an answer, to a request of ours or to one that is forgotten. */
static bool
take_answer(
    struct master *m, int station, const struct iec103_asdu *a, const struct iec103_object *o)
{
	bool success;
	struct iec103_request *q = iec103_session_answer(&m->sessions[station], a, o, &success);

	if (q) {
		register_result(m, &m->remotes.list[station], q, success);
		free(q);
		send_requests(m, station);
		return true;
	}
	return a->type_id == IEC103_TIME_TAGGED &&
	       (a->cause == IEC103_COMMAND_ACK || a->cause == IEC103_COMMAND_NACK);
}

static void
on_asdu(struct iec_remote *remote, const uint8_t *data, size_t len)
{
	struct master *m = (struct master *)remote->all;
	struct iec103_object o;
	struct iec103_asdu a;
	enum dec dec = iec103_decode(&a, data, len);

	if (dec != DEC_OK) {
		limit_warning(iec_line_limit(&m->remotes.line),
		    "remote device %s: ignored an ASDU of type %u: %s", remote->address, a.type_id,
		    dec == DEC_UNSUP ? "the type is not known" : "its length or a field is wrong");
		return;
	}
	on_object *handler =
	    a.type_id < sizeof(handlers) / sizeof(handlers[0]) ? handlers[a.type_id] : NULL;
	for (unsigned n = 0; iec103_next(&a, &o); n++)
		if (!take_answer(m, remote->station, &a, &o))
			(handler ? handler : on_ignored)(m, remote, &a, &o, a.elements ? n : 0);
}

static void
forget_requests(struct iec_remote *remote)
{
	struct master *m = (struct master *)remote->all;
	struct iec103_session *s = &m->sessions[remote->station];
	size_t n = s->queues[0].count + s->queues[1].count;

	if (n)
		log_warning("remote device %s: dropped %zu requests: the connection is lost",
		    remote->address, n);
	iec103_session_clear(s);
	set_expiry(m);
}

static void
sync_time(struct iec_remote *remote)
{
	struct master *m = (struct master *)remote->all;
	struct iec103_asdu a = { .type_id = IEC103_TIME_SYNC,
		.cause = IEC103_CAUSE_TIME_SYNC,
		.common = IEC103_BROADCAST };
	struct iec103_object o = { .function = IEC103_GLOBAL };
	uint8_t out[IEC103_MAX];

	iec_time_from_timestamp(&o.time, &m->zone, timestamp_now());
	int n = iec103_encode(out, &a, &o, 1);
	if (n < 0 ||
	    iec_line_send(&m->remotes.line, remote->station, LINK_STAMPED, out, (size_t)n, 0) < 0)
		log_warning(
		    "remote device %s: cannot send the time: %s", remote->address, strerror(errno));
}

/* --- system events --- */

/* A decimal number of 0 to 255; -1 where it is not. */
static int
read_byte(const char *text)
{
	char *end;
	long v = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;

	return v < 0 || v > 255 || *end ? -1 : (int)v;
}

/* The payload of a command; the session_id as JSON text. NULL, or what is wrong. */
static const char *
read_command(struct iec103_request *q, const struct runner_event *event, struct buffer *note)
{
	char err[80];
	struct json_doc *doc =
	    event->payload == RUNNER_PAYLOAD_JSON
		? json_parse(event->data, event->len, MAX_PAYLOAD_NODES, err, sizeof(err))
		: NULL;
	const struct json *id = doc ? json_get(json_root(doc), "session_id") : NULL;
	int value = doc ? json_enum(json_get(json_root(doc), "value"), iec103_double_names) : -1;
	const char *why = NULL;

	if (!doc)
		why = "expected a JSON object";
	else if (value < 0)
		why = "expected value TRANSIENT, OFF, ON or ERROR";
	else if (!id)
		why = "expected a session_id";
	if (!why) {
		struct json_writer w = { .b = note };
		q->value = (uint8_t)value;
		json_put_tree(&w, NULL, id);
		if (buffer_failed(note))
			why = "its session_id is too long";
	}
	json_free(doc);
	return why;
}

/* Segments after the remote device's address. NULL, or what is wrong. */
static const char *
read_request(struct iec103_request *q, const struct runner_event *event, struct buffer *note)
{
	const char *const *s = event->type + REMOTE_SEGMENTS;
	size_t n = event->type_len - REMOTE_SEGMENTS;
	int numbers[3] = { 0, IEC103_GLOBAL, 0 };
	bool command = n == 4 && !strcmp(s[0], "command");

	if (!command && !(n == 2 && !strcmp(s[0], "interrogation")))
		return "expected enable, command or interrogation";
	for (size_t i = 1; i < n; i++)
		if ((numbers[i - 1] = read_byte(s[i])) < 0)
			return "expected addresses of 0 to 255";
	*q = (struct iec103_request){
		.kind = command ? IEC103_REQUEST_COMMAND : IEC103_REQUEST_INTERROGATION,
		.common = (uint8_t)numbers[0],
		.function = (uint8_t)numbers[1],
		.information = (uint8_t)numbers[2],
	};
	return command ? read_command(q, event, note) : NULL;
}

static void
on_event(void *device, const struct runner_event *event)
{
	struct master *m = device;
	struct iec_remote *remote = iec_remotes_take(&m->remotes, event);
	struct iec103_request q;
	struct buffer note;

	if (!remote)
		return;
	buffer_init(&note, MAX_SESSION_ID);
	const char *why = read_request(&q, event, &note);
	if (!why && remote->status != CONNECTION_CONNECTED)
		why = "the remote device is not connected";
	if (!why && iec103_session_ask(&m->sessions[remote->station], &q, buffer_data(&note),
			note.len, monotime_now()) < 0)
		why = strerror(errno);
	if (why)
		iec_events_refuse(&m->remotes.events, event, why);
	else
		send_requests(m, remote->station);
	buffer_clear(&note);
}

/* --- life --- */

static const struct schema_field remote_fields[] = {
	{ .key = "address", .required = true, .is = { .kind = SCHEMA_INT, .min = 0, .max = 254 } },
	{ .key = "response_timeout", .required = true, .is = IEC_LINE_SECONDS },
	{ .key = "send_retry_count",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, .min = 0, SCHEMA_UP_TO(IEC_LINE_MAX_RETRIES) } },
	{ .key = "poll_class1_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = "poll_class2_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY },
	{ .key = "time_sync_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = NULL },
};
static const struct schema remote_schema = { .kind = SCHEMA_OBJECT, .fields = remote_fields };
static const struct schema_field master_fields[] = {
	RUNNER_SCHEMA_FIELDS,
	IEC_LINE_SCHEMA_FIELDS,
	{ .key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY },
	{ .key = "remote_devices",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .items = &remote_schema, .max = LINK_MAX_STATIONS } },
	{ .key = NULL },
};
static const struct schema master_schema = { .kind = SCHEMA_OBJECT, .fields = master_fields };

static int
add_stations(struct master *m, const struct json *list)
{
	int errors = 0, i = 0;

	json_foreach (item, list) {
		struct link_station_conf sc = iec_line_remote(item);
		int64_t address = 0;
		json_int(json_get(item, "address"), 0, 254, &address);
		sc.address = (uint16_t)address;
		errors += iec_line_add(&m->remotes.line, &sc, item, "remote_devices", i++) < 0;
	}
	return errors;
}

static void
destroy(void *device)
{
	struct master *m = device;

	ev_timer_stop(runner_loop(m->r), &m->expiry);
	for (int i = 0; i < m->remotes.count; i++)
		iec103_session_clear(&m->sessions[i]);
	free(m->sessions);
	iec_remotes_clear(&m->remotes);
	free(m);
}

static void *
create(struct runner *r, const struct json *conf)
{
	static const struct iec_remotes_ops ops = {
		.sync_time = sync_time,
		.data = on_asdu,
		.lost = forget_requests,
	};
	const struct json *list = json_get(conf, "remote_devices");

	if (runner_check_config(r, conf, &master_schema, ""))
		return NULL;
	struct master *m = runner_alloc(r, 1, sizeof(*m));
	m->sessions = runner_alloc(r, list->count + 1, sizeof(*m->sessions));
	m->r = r;
	iec_zone_init(&m->zone, NULL);
	iec_line_init(&m->remotes.line, r, conf,
	    &(struct link_conf){ .mode = LINK_MASTER, .address_size = 1, .controlling = true },
	    iec_line_ms(conf, "reconnect_delay", 0), &iec_remotes_line_ops, &m->remotes);
	int errors = add_stations(m, list);
	iec_remotes_init(&m->remotes, list, &m->zone, &ops);
	for (int i = 0; i < m->remotes.count; i++)
		iec103_session_init(&m->sessions[i]);
	ev_init(&m->expiry, on_expiry);
	m->expiry.data = m;
	if (errors) {
		destroy(m);
		return NULL;
	}
	return m;
}

static bool
describe_data(void *device, struct describe *d, size_t i)
{
	return iec_remotes_describe(device, d, i, describe_103_count(), describe_103_data);
}

const struct runner_device iec103_master_device = {
	.type = "iec103_master",
	.schema = &master_schema,
	.create = create,
	.describe = describe_103_master,
	.describe_data = describe_data,
	.start = iec_remotes_start,
	.on_event = on_event,
	.on_credit = iec_line_on_credit,
	.stop = iec_line_on_stop,
	.free = destroy,
};
