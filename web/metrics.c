#include "web/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/families.h"

enum { MAX_VALUES = 14, MAX_LABELS = 4096 };
static const double MOST_EXACT = 1e15; /* a binary64 has each whole number up to here */

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
	size_t len;   /* of labels */
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
	bool has_round_trips;
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

/* The member of that key, looked for from *at on: rows have their members in the order of the
 * tables, so that it is the next one mostly. */
static const struct json *
member(const struct json *row, const struct json **at, const char *key)
{
	const struct json *first = *at, *m;

	if (!row || row->type != JSON_OBJECT)
		return NULL;
	m = first = first ? first : row->child;
	while (m && strcmp(m->key, key) != 0) {
		m = m->next ? m->next : row->child;
		if (m == first)
			return NULL;
	}
	*at = m ? m->next : NULL;
	return m;
}

static void
take_values(double *values, const struct family *table, size_t count, const struct json *row)
{
	const struct json *at = NULL;
	double v;

	for (size_t i = 0; i < count; i++) {
		values[i] = NAN;
		if (json_double(member(row, &at, table[i].key), &v))
			values[i] = v * (table[i].scale ? table[i].scale : 1.);
	}
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

/* Whether there was memory for them. */
static bool
take_labels(struct metrics *m, struct subject *s, struct buffer *b)
{
	s->len = b->len;
	s->labels = take_text(m, b);
	return s->labels != NULL;
}

static bool
end_labels(struct metrics *m, const struct device_subject *d, const char *remote, struct subject *s)
{
	struct buffer b;

	buffer_init(&b, MAX_LABELS);
	buffer_append(&b, d->self.labels, d->self.len);
	put_label(&b, "remote", remote);
	return take_labels(m, s, &b);
}

static bool
has_end(const struct device_subject *d, const struct subject *s)
{
	for (size_t i = 0; i < d->end_count; i++)
		if (d->ends[i].len == s->len && memcmp(d->ends[i].labels, s->labels, s->len) == 0)
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
		if (!end_labels(m, d, json_str(json_get(e, "remote")), s))
			return false;
		if (has_end(d, s)) {
			free(s->labels);
			*s = (struct subject){ 0 };
			continue;
		}
		take_values(s->values, end, COUNT(end), e);
		d->end_count++;
	}
	return true;
}

/* Takes a count of round trips; false: it is none. One that was never counted up is 0. */
static bool
take_round_trips(struct device_subject *d, const struct json *c)
{
	double v;

	if (strncmp(c->key, "rtt_", 4) != 0)
		return false;
	for (size_t i = 0; i < COUNT(buckets); i++)
		if (strcmp(c->key, buckets[i].key) == 0 && json_double(c, &v))
			d->round_trips[i] = v;
	if (strcmp(c->key, "rtt_sum_us") == 0 && json_double(c, &v))
		d->round_trip_us = v;
	return true;
}

static bool
take_counters(struct metrics *m, struct device_subject *d, const struct json *counters)
{
	size_t most = counters && counters->type == JSON_OBJECT ? counters->count : 0;

	d->has_round_trips = !isnan(number(counters, "rtt_count"));
	most = most > METRICS_MAX_COUNTERS ? METRICS_MAX_COUNTERS : most;
	m->bytes += most * sizeof(*d->counters);
	if (most && !(d->counters = calloc(most, sizeof(*d->counters))))
		return false;
	for (const struct json *c = most ? counters->child : NULL; c && d->counter_count < most;
	     c = c->next) {
		struct named *n = &d->counters[d->counter_count];
		if (take_round_trips(d, c) || !json_double(c, &n->value))
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
	const struct json *at = NULL, *deaths;
	struct buffer b;

	buffer_init(&b, MAX_LABELS);
	put_label(&b, "device", json_str(member(row, &at, "name")));
	put_label(&b, "type", json_str(member(row, &at, "type")));
	take_labels(m, &d->self, &b);
	const char *state = json_str(member(row, &at, "state"));
	take_values(d->self.values, device, COUNT(device), row);
	deaths = json_get(row, "deaths_by_cause");
	at = NULL;
	for (size_t i = 0; i < COUNT(causes); i++)
		if (!json_double(member(deaths, &at, causes[i]), &d->deaths[i]))
			d->deaths[i] = NAN;
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

/* Ends at text[n]; returns where it begins. Without zeros at the end. */
static size_t
put_millionths(char *text, size_t n, unsigned v)
{
	int digits = 6;

	for (; v % 10 == 0; v /= 10)
		digits--;
	for (; digits > 0; digits--, v /= 10)
		text[--n] = (char)('0' + v % 10);
	text[--n] = '.';
	return n;
}

static void
put_number(struct buffer *b, double v)
{
	char text[40];
	size_t n = sizeof(text);

	/* printf() would be a third of the time that all this takes. */
	if (!(v >= 0 && v < MOST_EXACT)) {
		buffer_append(b, text, (size_t)snprintf(text, sizeof(text), "%.10g", v));
		return;
	}
	uint64_t whole = (uint64_t)v, millionths = (uint64_t)((v - (double)whole) * 1e6 + .5);
	whole += millionths / 1000000;
	millionths %= 1000000;
	if (millionths)
		n = put_millionths(text, n, (unsigned)millionths);
	do
		text[--n] = (char)('0' + whole % 10);
	while (whole /= 10);
	buffer_append(b, text + n, sizeof(text) - n);
}

/* of: NULL: without labels. */
static void
put_sample(struct buffer *b, const char *name, const char *suffix, const struct subject *of,
    const char *more_name, const char *more, double v)
{
	if (isnan(v))
		return;
	buffer_append_str(b, name);
	buffer_append_str(b, suffix);
	if (of || more_name)
		buffer_u8(b, '{');
	if (of)
		buffer_append(b, of->labels, of->len);
	if (more_name) {
		buffer_append_str(b, of ? "," : "");
		buffer_append_str(b, more_name);
		buffer_append_str(b, "=\"");
		buffer_append_str(b, more);
		buffer_u8(b, '"');
	}
	if (of || more_name)
		buffer_u8(b, '}');
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
		put_sample(b, "gatewayd_device_state", "", &d->self, "state", states[i],
		    d->state == (int)i);
}

static void
put_deaths(struct buffer *b, const struct device_subject *d)
{
	for (size_t i = 0; i < COUNT(causes); i++)
		put_sample(b, "gatewayd_device_deaths", "_total", &d->self, "cause", causes[i],
		    d->deaths[i]);
}

static void
put_counters(struct buffer *b, const struct device_subject *d)
{
	for (size_t i = 0; i < d->counter_count; i++)
		put_sample(b, "gatewayd_device_reported", "_total", &d->self, "name",
		    d->counters[i].name, d->counters[i].value);
}

static void
put_round_trips(struct buffer *b, const struct device_subject *d)
{
	static const char name[] = "gatewayd_device_round_trip_seconds";

	if (!d->has_round_trips)
		return;
	for (size_t i = 0; i < COUNT(buckets); i++)
		put_sample(b, name, "_bucket", &d->self, "le", buckets[i].le, d->round_trips[i]);
	put_sample(b, name, "_sum", &d->self, NULL, NULL, d->round_trip_us * 1e-6);
	put_sample(b, name, "_count", &d->self, NULL, NULL, d->round_trips[COUNT(buckets) - 1]);
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
	put_sample(b, "gatewayd_build_info", "", NULL, "version", m->version ? m->version : "", 1);
	for (size_t i = 0; i < COUNT(gateway); i++) {
		if (isnan(m->gateway[i]))
			continue;
		put_family(m, b, &gateway[i]);
		put_sample(
		    b, gateway[i].name, suffix_of(&gateway[i]), NULL, NULL, NULL, m->gateway[i]);
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
			put_sample(b, end[i].name, suffix_of(&end[i]), &d->ends[n], NULL, NULL,
			    d->ends[n].values[i]);
	} else {
		size_t i = family - FAMILIES_DEVICE;
		put_sample(b, device[i].name, suffix_of(&device[i]), &d->self, NULL, NULL,
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
