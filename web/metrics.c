#include "web/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 14, MAX_LABELS = 4096 };

enum kind { GAUGE, COUNTER };

/* The metric of one number of a row. */
struct family {
	const char *key, *name, *help;
	enum kind kind;
	const char *unit; /* of OpenMetrics: the end of the name, or NULL */
	double scale;	  /* 0: 1 */
};

static const struct family gateway[] = {
	{ .key = "uptime_ms",
	    .name = "gatewayd_uptime_seconds",
	    .unit = "seconds",
	    .scale = 1e-3,
	    .help = "Time since the start of gatewayd." },
	{ .key = "engine_active",
	    .name = "gatewayd_engine_active",
	    .help =
		"Whether devices may run: the link is up, and a Monitor Server has blessed it." },
	{ .key = "blessed",
	    .name = "gatewayd_monitor_blessed",
	    .help = "Whether the Monitor Server has blessed this gateway." },
	{ .key = "link_up",
	    .name = "gatewayd_link_up",
	    .help = "Whether the Event Server is connected." },
	{ .key = "link_since_ms",
	    .name = "gatewayd_link_state_age_seconds",
	    .unit = "seconds",
	    .scale = 1e-3,
	    .help = "Time since the link to the Event Server is as it is." },
	{ .key = "link_connects",
	    .name = "gatewayd_link_connects",
	    .kind = COUNTER,
	    .help = "Connections made to the Event Server." },
	{ .key = "link_events_out",
	    .name = "gatewayd_link_events_sent",
	    .kind = COUNTER,
	    .help = "Events registered at the Event Server." },
	{ .key = "link_events_in",
	    .name = "gatewayd_link_events_received",
	    .kind = COUNTER,
	    .help = "Events that the Event Server notified." },
	{ .key = "link_messages_out",
	    .name = "gatewayd_link_messages_sent",
	    .kind = COUNTER,
	    .help = "Messages sent to the Event Server." },
	{ .key = "link_bytes_out",
	    .name = "gatewayd_link_sent_bytes",
	    .kind = COUNTER,
	    .unit = "bytes",
	    .help = "Bytes sent to the Event Server." },
	{ .key = "link_bytes_in",
	    .name = "gatewayd_link_received_bytes",
	    .kind = COUNTER,
	    .unit = "bytes",
	    .help = "Bytes received from the Event Server." },
	{ .key = "link_idle_ms",
	    .name = "gatewayd_link_idle_seconds",
	    .unit = "seconds",
	    .scale = 1e-3,
	    .help = "Time since the Event Server sent anything." },
	{ .key = "link_pending_bytes",
	    .name = "gatewayd_link_pending_bytes",
	    .unit = "bytes",
	    .help = "Bytes for the Event Server that are not sent yet." },
	{ .key = "events_unrouted",
	    .name = "gatewayd_events_unrouted",
	    .kind = COUNTER,
	    .help = "Events received that are of no device." },
	{ .key = "devices", .name = "gatewayd_devices", .help = "Devices of the configuration." },
	{ .key = "control_clients",
	    .name = "gatewayd_control_clients",
	    .help = "Clients of the control socket." },
	{ .key = "control_requests",
	    .name = "gatewayd_control_requests",
	    .kind = COUNTER,
	    .help = "Requests of the control socket's clients." },
	{ .key = "longest_turn_us",
	    .name = "gatewayd_longest_turn_seconds",
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "Longest turn of the event loop since the start." },
	{ .key = "longest_turn_minute_us",
	    .name = "gatewayd_longest_turn_minute_seconds",
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "Longest turn of the event loop in the last minute." },
	{ .key = "cpu_us",
	    .name = "gatewayd_cpu_seconds",
	    .kind = COUNTER,
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "CPU time of gatewayd itself." },
	{ .key = "memory_bytes",
	    .name = "gatewayd_memory_bytes",
	    .unit = "bytes",
	    .help = "Resident memory of gatewayd itself." },
	{ .key = "open_files",
	    .name = "gatewayd_open_fds",
	    .help = "Open file descriptors of gatewayd." },
	{ .key = "eventd_running",
	    .name = "gatewayd_eventd_running",
	    .help = "Whether the built-in Event Server runs." },
	{ .key = "eventd_restarts",
	    .name = "gatewayd_eventd_restarts",
	    .kind = COUNTER,
	    .help = "Restarts of the built-in Event Server." },
	{ .key = "eventd_cpu_us",
	    .name = "gatewayd_eventd_cpu_seconds",
	    .kind = COUNTER,
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "CPU time of the built-in Event Server." },
	{ .key = "eventd_memory_bytes",
	    .name = "gatewayd_eventd_memory_bytes",
	    .unit = "bytes",
	    .help = "Resident memory of the built-in Event Server." },
	{ .key = "store_types",
	    .name = "gatewayd_store_types",
	    .help = "Event types that the built-in Event Server keeps." },
	{ .key = "store_types_max",
	    .name = "gatewayd_store_types_max",
	    .help = "Event types that it keeps at most." },
	{ .key = "store_bytes",
	    .name = "gatewayd_store_bytes",
	    .unit = "bytes",
	    .help = "Bytes of the events that the built-in Event Server keeps." },
	{ .key = "store_bytes_max",
	    .name = "gatewayd_store_max_bytes",
	    .unit = "bytes",
	    .help = "Bytes of events beyond which it takes no new event type." },
	{ .key = "store_series",
	    .name = "gatewayd_store_series_events",
	    .help = "Events of its time series." },
	{ .key = "store_series_max",
	    .name = "gatewayd_store_series_max_events",
	    .help = "Events that its time series keeps at most." },
	{ .key = "store_clients",
	    .name = "gatewayd_store_clients",
	    .help = "Clients of the built-in Event Server." },
	{ .key = "store_events",
	    .name = "gatewayd_store_events",
	    .kind = COUNTER,
	    .help = "Events registered at the built-in Event Server." },
	{ .key = "store_commits",
	    .name = "gatewayd_store_commits",
	    .kind = COUNTER,
	    .help = "Commits of the built-in Event Server." },
	{ .key = "store_queries",
	    .name = "gatewayd_store_queries",
	    .kind = COUNTER,
	    .help = "Queries that the built-in Event Server took." },
	{ .key = "store_refused_quota",
	    .name = "gatewayd_store_refused_quota",
	    .kind = COUNTER,
	    .help = "Events refused since their device keeps too many types or bytes." },
	{ .key = "store_refused_full",
	    .name = "gatewayd_store_refused_full",
	    .kind = COUNTER,
	    .help = "Events refused since the store is full." },
	{ .key = "store_unsaved",
	    .name = "gatewayd_store_unsaved",
	    .help = "Whether the disk lacks events that are in memory." },
};

static const struct family device[] = {
	{ .key = "enabled",
	    .name = "gatewayd_device_enabled",
	    .help = "Whether the device is enabled." },
	{ .key = "uptime_ms",
	    .name = "gatewayd_device_uptime_seconds",
	    .unit = "seconds",
	    .scale = 1e-3,
	    .help = "Age of the device's process." },
	{ .key = "cpu_us",
	    .name = "gatewayd_device_cpu_seconds",
	    .kind = COUNTER,
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "CPU time of the device's process." },
	{ .key = "memory_bytes",
	    .name = "gatewayd_device_memory_bytes",
	    .unit = "bytes",
	    .help = "Resident memory of the device's process." },
	{ .key = "restarts",
	    .name = "gatewayd_device_restarts",
	    .kind = COUNTER,
	    .help = "Restarts of the device's process." },
	{ .key = "credit_used",
	    .name = "gatewayd_device_credit_used_bytes",
	    .unit = "bytes",
	    .help = "Events of the device that the Event Server has not taken yet." },
	{ .key = "queued_bytes",
	    .name = "gatewayd_device_queued_bytes",
	    .unit = "bytes",
	    .help = "Events that wait, in either direction." },
	{ .key = "registered",
	    .name = "gatewayd_device_events_registered",
	    .kind = COUNTER,
	    .help = "Events that the device registered." },
	{ .key = "delivered",
	    .name = "gatewayd_device_events_delivered",
	    .kind = COUNTER,
	    .help = "Events that the device received." },
	{ .key = "dropped",
	    .name = "gatewayd_device_events_dropped",
	    .kind = COUNTER,
	    .help = "Events of the device, or for it, that were lost." },
	{ .key = "types",
	    .name = "gatewayd_device_event_types",
	    .help = "Event types that the device has registered." },
	{ .key = "dropped_types",
	    .name = "gatewayd_device_types_refused",
	    .kind = COUNTER,
	    .help = "Events dropped since the device has too many event types." },
	{ .key = "violations",
	    .name = "gatewayd_device_violations",
	    .kind = COUNTER,
	    .help = "Violations of the contract between gatewayd and the device's process." },
	{ .key = "ends_not_shown",
	    .name = "gatewayd_device_remotes_not_shown",
	    .help = "Remote ends beyond the first 64, which have no metrics of their own." },
};

static const struct family end[] = {
	{ .key = "up", .name = "gatewayd_remote_up", .help = "Whether the remote end is up." },
	{ .key = "requests",
	    .name = "gatewayd_remote_requests",
	    .kind = COUNTER,
	    .help = "Requests to the remote end." },
	{ .key = "errors",
	    .name = "gatewayd_remote_errors",
	    .kind = COUNTER,
	    .help = "Errors of the remote end." },
	{ .key = "timeouts",
	    .name = "gatewayd_remote_timeouts",
	    .kind = COUNTER,
	    .help = "Requests that the remote end did not answer in time." },
	{ .key = "rtt_avg_us",
	    .name = "gatewayd_remote_round_trip_seconds",
	    .unit = "seconds",
	    .scale = 1e-6,
	    .help = "Mean time of an answer of the remote end." },
	{ .key = "last_success",
	    .name = "gatewayd_remote_last_success_timestamp_seconds",
	    .unit = "seconds",
	    .help = "When the remote end answered last, in Unix time." },
};

static const char *const states[] = { "disabled", "starting", "running", "stopping", "backoff",
	"failed" };
static const char *const causes[] = { "violation", "deadline", "memory", "signal", "configuration",
	"exit" };

static const struct bucket {
	const char *key, *le;
} buckets[] = {
	{ .key = "rtt_le_1ms", .le = "0.001" },
	{ .key = "rtt_le_5ms", .le = "0.005" },
	{ .key = "rtt_le_20ms", .le = "0.02" },
	{ .key = "rtt_le_100ms", .le = "0.1" },
	{ .key = "rtt_le_500ms", .le = "0.5" },
	{ .key = "rtt_le_2s", .le = "2.0" },
	{ .key = "rtt_count", .le = "+Inf" },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
static_assert(COUNT(device) <= MAX_VALUES && COUNT(end) <= MAX_VALUES, "room for each number");

/* Something that has labels and a number for each family of its table; NAN: none. */
struct subject {
	char *labels; /* owned: device="a",type="b" */
	double values[MAX_VALUES];
};

struct named {
	char *name; /* owned, escaped */
	double value;
};

struct device_subject {
	struct subject self;
	struct subject *ends; /* owned */
	size_t end_count;
	struct named *counters; /* owned */
	size_t counter_count;
	double deaths[COUNT(causes)], round_trips[COUNT(buckets)], round_trip_us;
	int state; /* of states, or -1 */
};

struct metrics {
	bool open;
	char *version;
	double gateway[COUNT(gateway)];
	struct device_subject *devices;
	size_t count, room, bytes;
	size_t family, at; /* what is written next: of all families, of the devices */
};

/* --- rows --- */

static double
number(const struct json *row, const char *key)
{
	double v;

	return json_double(json_get(row, key), &v) ? v : NAN;
}

static void
take_values(double *values, const struct family *table, size_t count, const struct json *row)
{
	for (size_t i = 0; i < count; i++)
		values[i] = number(row, table[i].key) * (table[i].scale ? table[i].scale : 1.);
}

/* Backslash, quote and newline, as both formats have it. */
static void
put_escaped(struct buffer *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			buffer_append_str(b, "\\n");
			continue;
		}
		if (*text == '\\' || *text == '"')
			buffer_u8(b, '\\');
		buffer_u8(b, (uint8_t)*text);
	}
}

static void
put_label(struct buffer *b, const char *name, const char *value)
{
	if (b->len)
		buffer_u8(b, ',');
	buffer_append_str(b, name);
	buffer_append_str(b, "=\"");
	put_escaped(b, value ? value : "");
	buffer_u8(b, '"');
}

/* The text of the buffer, owned; NULL when out of memory. */
static char *
take_text(struct metrics *m, struct buffer *b)
{
	buffer_u8(b, '\0');
	char *text = buffer_failed(b) || m->bytes + b->len > METRICS_MAX_BYTES
			 ? NULL
			 : strdup((const char *)buffer_data(b));
	m->bytes += b->len;
	buffer_clear(b);
	return text;
}

static char *
escape(struct metrics *m, const char *text)
{
	struct buffer b;

	buffer_init(&b, MAX_LABELS);
	put_escaped(&b, text);
	return take_text(m, &b);
}

static char *
end_labels(struct metrics *m, const struct device_subject *d, const char *remote)
{
	struct buffer b;

	buffer_init(&b, MAX_LABELS);
	buffer_append_str(&b, d->self.labels);
	put_label(&b, "remote", remote);
	return take_text(m, &b);
}

static bool
has_end(const struct device_subject *d, const char *labels)
{
	for (size_t i = 0; i < d->end_count; i++)
		if (strcmp(d->ends[i].labels, labels) == 0)
			return true;
	return false;
}

/* Two remote ends of one name would be one series twice: the first one counts. */
static bool
take_ends(struct metrics *m, struct device_subject *d, const struct json *ends)
{
	size_t most = ends && ends->type == JSON_ARRAY ? ends->count : 0;

	most = most > METRICS_MAX_ENDS ? METRICS_MAX_ENDS : most;
	m->bytes += most * sizeof(*d->ends);
	if (most && !(d->ends = calloc(most, sizeof(*d->ends))))
		return false;
	for (const struct json *e = most ? ends->child : NULL; e && d->end_count < most;
	     e = e->next) {
		struct subject *s = &d->ends[d->end_count];
		char *labels = end_labels(m, d, json_str(json_get(e, "remote")));
		if (!labels)
			return false;
		if (has_end(d, labels)) {
			free(labels);
			continue;
		}
		s->labels = labels;
		take_values(s->values, end, COUNT(end), e);
		d->end_count++;
	}
	return true;
}

static bool
is_bucket(const char *name)
{
	return strncmp(name, "rtt_", 4) == 0;
}

static bool
take_counters(struct metrics *m, struct device_subject *d, const struct json *counters)
{
	size_t most = counters && counters->type == JSON_OBJECT ? counters->count : 0;

	for (size_t i = 0; i < COUNT(buckets); i++) {
		d->round_trips[i] = number(counters, buckets[i].key);
		/* One that was never counted up is 0, where there are others. */
		if (isnan(d->round_trips[i]) && !isnan(number(counters, "rtt_count")))
			d->round_trips[i] = 0;
	}
	d->round_trip_us = number(counters, "rtt_sum_us");
	most = most > METRICS_MAX_COUNTERS ? METRICS_MAX_COUNTERS : most;
	m->bytes += most * sizeof(*d->counters);
	if (most && !(d->counters = calloc(most, sizeof(*d->counters))))
		return false;
	for (const struct json *c = most ? counters->child : NULL; c && d->counter_count < most;
	     c = c->next) {
		struct named *n = &d->counters[d->counter_count];
		if (is_bucket(c->key) || !json_double(c, &n->value))
			continue;
		if (!(n->name = escape(m, c->key)))
			return false;
		d->counter_count++;
	}
	return true;
}

static bool
take_device(struct metrics *m, struct device_subject *d, const struct json *row)
{
	const char *state = json_str(json_get(row, "state"));
	struct buffer b;

	buffer_init(&b, MAX_LABELS);
	put_label(&b, "device", json_str(json_get(row, "name")));
	put_label(&b, "type", json_str(json_get(row, "type")));
	d->self.labels = take_text(m, &b);
	take_values(d->self.values, device, COUNT(device), row);
	for (size_t i = 0; i < COUNT(causes); i++)
		d->deaths[i] = number(json_get(row, "deaths_by_cause"), causes[i]);
	d->state = -1;
	for (size_t i = 0; state && i < COUNT(states); i++)
		if (strcmp(states[i], state) == 0)
			d->state = (int)i;
	return d->self.labels && take_ends(m, d, json_get(row, "ends")) &&
	       take_counters(m, d, json_get(row, "counters"));
}

static struct device_subject *
add_device(struct metrics *m)
{
	if (m->count == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct device_subject *all = realloc(m->devices, room * sizeof(*all));
		if (!all)
			return NULL;
		m->devices = all;
		m->room = room;
	}
	m->devices[m->count] = (struct device_subject){ 0 };
	return &m->devices[m->count++];
}

bool
metrics_add(struct metrics *m, const struct json *row)
{
	const char *kind = json_str(json_get(row, "kind"));
	const char *version = json_str(json_get(row, "version"));

	if (kind && strcmp(kind, "gateway") == 0) {
		take_values(m->gateway, gateway, COUNT(gateway), row);
		free(m->version);
		m->version = escape(m, version ? version : "");
		return m->version != NULL;
	}
	if (!kind || strcmp(kind, "device") != 0 || m->count == METRICS_MAX_DEVICES)
		return true;
	struct device_subject *d = add_device(m);
	return d && take_device(m, d, row);
}

/* --- text --- */

static void
put_number(struct buffer *b, double v)
{
	char text[40];
	size_t n = sizeof(text);

	/* Most are whole: printf() would be most of the time that all this takes. */
	if (v >= 0 && v < 1e15 && v == (double)(uint64_t)v) {
		uint64_t whole = (uint64_t)v;
		do
			text[--n] = (char)('0' + whole % 10);
		while (whole /= 10);
		buffer_append(b, text + n, sizeof(text) - n);
	} else {
		buffer_append(b, text, (size_t)snprintf(text, sizeof(text), "%.10g", v));
	}
}

static void
put_sample(struct buffer *b, const char *name, const char *suffix, const char *labels,
    const char *more_name, const char *more, double v)
{
	if (isnan(v))
		return;
	buffer_append_str(b, name);
	buffer_append_str(b, suffix);
	if (*labels || more_name) {
		buffer_u8(b, '{');
		buffer_append_str(b, labels);
		if (more_name) {
			buffer_append_str(b, *labels ? "," : "");
			buffer_append_str(b, more_name);
			buffer_append_str(b, "=\"");
			buffer_append_str(b, more);
			buffer_u8(b, '"');
		}
		buffer_u8(b, '}');
	}
	buffer_u8(b, ' ');
	put_number(b, v);
	buffer_u8(b, '\n');
}

/* In Prometheus' text format a counter's family has its suffix, in OpenMetrics not. */
static void
put_head(const struct metrics *m, struct buffer *b, const char *name, const char *type,
    const char *unit, const char *help)
{
	const char *suffix = !m->open && strcmp(type, "counter") == 0 ? "_total" : "";

	buffer_printf(
	    b, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
	if (m->open && unit)
		buffer_printf(b, "# UNIT %s %s\n", name, unit);
}

static void
put_family(const struct metrics *m, struct buffer *b, const struct family *f)
{
	put_head(m, b, f->name, f->kind == COUNTER ? "counter" : "gauge", f->unit, f->help);
}

static const char *
suffix_of(const struct family *f)
{
	return f->kind == COUNTER ? "_total" : "";
}

/* The families that are not numbers of a table, device by device. */

static void
put_states(struct buffer *b, const struct device_subject *d)
{
	for (size_t i = 0; i < COUNT(states); i++)
		put_sample(b, "gatewayd_device_state", "", d->self.labels, "state", states[i],
		    d->state == (int)i);
}

static void
put_deaths(struct buffer *b, const struct device_subject *d)
{
	for (size_t i = 0; i < COUNT(causes); i++)
		put_sample(b, "gatewayd_device_deaths", "_total", d->self.labels, "cause",
		    causes[i], d->deaths[i]);
}

static void
put_counters(struct buffer *b, const struct device_subject *d)
{
	for (size_t i = 0; i < d->counter_count; i++)
		put_sample(b, "gatewayd_device_reported", "_total", d->self.labels, "name",
		    d->counters[i].name, d->counters[i].value);
}

static void
put_round_trips(struct buffer *b, const struct device_subject *d)
{
	static const char name[] = "gatewayd_device_round_trip_seconds";

	for (size_t i = 0; i < COUNT(buckets); i++)
		put_sample(
		    b, name, "_bucket", d->self.labels, "le", buckets[i].le, d->round_trips[i]);
	put_sample(b, name, "_sum", d->self.labels, NULL, NULL, d->round_trip_us * 1e-6);
	put_sample(
	    b, name, "_count", d->self.labels, NULL, NULL, d->round_trips[COUNT(buckets) - 1]);
}

static const struct {
	const char *name, *type, *unit, *help;
	void (*put)(struct buffer *b, const struct device_subject *d);
} others[] = {
	{ .name = "gatewayd_device_state",
	    .type = "gauge",
	    .put = put_states,
	    .help = "State of the device: 1 at the one that it is in." },
	{ .name = "gatewayd_device_deaths",
	    .type = "counter",
	    .put = put_deaths,
	    .help = "Ends of the device's process that nobody asked for, by cause." },
	{ .name = "gatewayd_device_reported",
	    .type = "counter",
	    .put = put_counters,
	    .help = "What the device's process counts by names of its own." },
	{ .name = "gatewayd_device_round_trip_seconds",
	    .type = "histogram",
	    .unit = "seconds",
	    .put = put_round_trips,
	    .help = "Time from a request of the device to its answer." },
};

enum {
	FAMILIES_DEVICE = 1, /* 0: the gateway's */
	FAMILIES_END = FAMILIES_DEVICE + COUNT(device),
	FAMILIES_OTHER = FAMILIES_END + COUNT(end),
	FAMILIES_ALL = FAMILIES_OTHER + COUNT(others),
};

static void
put_gateway(const struct metrics *m, struct buffer *b)
{
	put_head(m, b, "gatewayd_build_info", "gauge", NULL, "Version of gatewayd.");
	put_sample(b, "gatewayd_build_info", "", "", "version", m->version ? m->version : "", 1);
	for (size_t i = 0; i < COUNT(gateway); i++) {
		if (isnan(m->gateway[i]))
			continue;
		put_family(m, b, &gateway[i]);
		put_sample(
		    b, gateway[i].name, suffix_of(&gateway[i]), "", NULL, NULL, m->gateway[i]);
	}
}

static void
put_heads(const struct metrics *m, struct buffer *b, size_t family)
{
	if (family >= FAMILIES_OTHER)
		put_head(m, b, others[family - FAMILIES_OTHER].name,
		    others[family - FAMILIES_OTHER].type, others[family - FAMILIES_OTHER].unit,
		    others[family - FAMILIES_OTHER].help);
	else
		put_family(m, b,
		    family >= FAMILIES_END ? &end[family - FAMILIES_END]
					   : &device[family - FAMILIES_DEVICE]);
}

static void
put_of_device(struct buffer *b, const struct device_subject *d, size_t family)
{
	if (family >= FAMILIES_OTHER) {
		others[family - FAMILIES_OTHER].put(b, d);
	} else if (family >= FAMILIES_END) {
		size_t i = family - FAMILIES_END;
		for (size_t n = 0; n < d->end_count; n++)
			put_sample(b, end[i].name, suffix_of(&end[i]), d->ends[n].labels, NULL,
			    NULL, d->ends[n].values[i]);
	} else {
		size_t i = family - FAMILIES_DEVICE;
		put_sample(b, device[i].name, suffix_of(&device[i]), d->self.labels, NULL, NULL,
		    d->self.values[i]);
	}
}

bool
metrics_write(struct metrics *m, struct buffer *b)
{
	size_t start = b->len;

	if (m->family == 0) {
		put_gateway(m, b);
		m->family = FAMILIES_DEVICE;
	}
	while (m->family < FAMILIES_ALL && b->len - start < METRICS_PIECE && !buffer_failed(b)) {
		if (m->at == 0)
			put_heads(m, b, m->family);
		if (m->at < m->count)
			put_of_device(b, &m->devices[m->at++], m->family);
		if (m->at >= m->count) {
			m->family++;
			m->at = 0;
		}
	}
	if (m->family < FAMILIES_ALL)
		return true;
	if (m->open)
		buffer_append_str(b, "# EOF\n");
	return false;
}

struct metrics *
metrics_new(bool open)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->open = open;
	for (size_t i = 0; i < COUNT(gateway); i++)
		m->gateway[i] = NAN;
	return m;
}

static void
clear_device(struct device_subject *d)
{
	for (size_t i = 0; i < d->end_count; i++)
		free(d->ends[i].labels);
	for (size_t i = 0; i < d->counter_count; i++)
		free(d->counters[i].name);
	free(d->ends);
	free(d->counters);
	free(d->self.labels);
}

void
metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		clear_device(&m->devices[i]);
	free(m->devices);
	free(m->version);
	free(m);
}

bool
metrics_wants_open(const char *accept)
{
	const char *open = accept ? strstr(accept, "application/openmetrics-text") : NULL;

	return open && !strstr(open, "version=0.0.1");
}
