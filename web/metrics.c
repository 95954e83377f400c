#include "web/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "web/families.h"

enum {
	MAX_VALUES = 14,
	MAX_LABELS = 4096,
	MAX_HEAD = 128,	  /* the longest name of a metric, with "_bucket{" behind it */
	MAX_COLUMNS = 64, /* numbers in a row; those beyond are left out */
	NO_ENTRY = 255,
	MAX_NUMBER = 40,
	MAX_DIGITS = 19, /* of a number of a row */
	MAX_HEADS = 3,
};
static const double MOST_EXACT = 1e15; /* a binary64 has each whole number up to here */

/* The end of a sample's labels: a last one, or none. */
#define TAIL(name, value) "," name "=\"" value "\"} "
#define NO_TAIL "} "

static const struct {
	const char *name, *tail;
} states[] = {
#define STATE(word)                                                                                \
	{                                                                                          \
		.name = word, .tail = TAIL("state", word)                                          \
	}
	STATE("disabled"),
	STATE("starting"),
	STATE("running"),
	STATE("stopping"),
	STATE("backoff"),
	STATE("failed"),
}, causes[] = {
#define CAUSE(word)                                                                                \
	{                                                                                          \
		.name = word, .tail = TAIL("cause", word)                                          \
	}
	CAUSE("violation"),
	CAUSE("deadline"),
	CAUSE("memory"),
	CAUSE("signal"),
	CAUSE("configuration"),
	CAUSE("exit"),
};

static const struct {
	const char *key, *tail;
} buckets[] = {
	{ .key = "rtt_le_1ms", .tail = TAIL("le", "0.001") },
	{ .key = "rtt_le_5ms", .tail = TAIL("le", "0.005") },
	{ .key = "rtt_le_20ms", .tail = TAIL("le", "0.02") },
	{ .key = "rtt_le_100ms", .tail = TAIL("le", "0.1") },
	{ .key = "rtt_le_500ms", .tail = TAIL("le", "0.5") },
	{ .key = "rtt_le_2s", .tail = TAIL("le", "2.0") },
	{ .key = "rtt_count", .tail = TAIL("le", "+Inf") },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
static_assert(COUNT(device) <= MAX_VALUES && COUNT(end) <= MAX_VALUES, "room for each number");

/* A sample's text before its labels: "name_total{". */
struct head {
	char text[MAX_HEAD];
	size_t len;
};

/* Something that has labels and a number for each family of its table; NAN: none. */
struct subject {
	char *labels; /* owned: device="a",type="b" */
	size_t len;   /* of labels */
	double values[MAX_VALUES];
};

struct named {
	char *tail; /* owned: the label of its name */
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

/* Which entry of a table each number of an array is for; NO_ENTRY: of none. */
struct columns {
	uint8_t entry[MAX_COLUMNS];
	size_t count;
};

struct metrics {
	bool open;
	char *version;
	double gateway[COUNT(gateway)];
	struct columns of_device, of_end, of_deaths;
	struct device_subject *devices;
	size_t count, room, bytes;
	size_t family, at;	      /* what is written next: of all families, of the devices */
	struct head heads[MAX_HEADS]; /* of that family */
	struct buffer text;	      /* a label that is being written */
};

/* --- rows --- */

/* The texts that the entries of a table begin with: stride bytes from one to the next. */
struct keys {
	const char *const *first;
	size_t stride, count;
};
#define KEYS(table, member)                                                                        \
	{                                                                                          \
		.first = &(table)[0].member, .stride = sizeof((table)[0]), .count = COUNT(table)   \
	}

static uint8_t
find_entry(const struct keys *keys, const char *name)
{
	const char *at = (const char *)keys->first;

	for (size_t i = 0; name && i < keys->count; i++, at += keys->stride)
		if (strcmp(*(const char *const *)at, name) == 0)
			return (uint8_t)i;
	return NO_ENTRY;
}

static void
take_columns(struct columns *c, const struct json *names, struct keys keys)
{
	c->count = 0;
	for (const struct json *n = names && names->type == JSON_ARRAY ? names->child : NULL;
	     n && c->count < MAX_COLUMNS; n = n->next)
		c->entry[c->count++] = find_entry(&keys, json_str(n));
}

/* The whole number at *at, which moves behind it and the space that follows; NAN where there is
 * none. */
static double
take_number(const char **at)
{
	const char *p = *at, *start = p;
	uint64_t whole = 0;

	while (*p >= '0' && *p <= '9' && p - start < MAX_DIGITS)
		whole = 10 * whole + (uint64_t)(*p++ - '0');
	bool some = p > start;
	while (*p && *p != ' ')
		p++;
	*at = *p ? p + 1 : p;
	return some ? (double)whole : NAN;
}

/* values: of count entries, NAN where there is none. text: numbers with spaces between, one for
 * each column. Returns what is behind them. */
static const char *
take_numbers(double *values, size_t count, const struct columns *c, const char *text)
{
	for (size_t i = 0; i < count; i++)
		values[i] = NAN;
	for (size_t i = 0; text && i < c->count && *text; i++) {
		double v = take_number(&text);
		if (c->entry[i] < count)
			values[c->entry[i]] = v;
	}
	return text;
}

static double
scaled(const struct family *f, double v)
{
	return f->scale ? v * f->scale : v;
}

static const struct json *
first_of(const struct json *array)
{
	return array && array->type == JSON_ARRAY ? array->child : NULL;
}

/* Backslash, quote and newline, as both formats have it. */
static void
put_escaped(struct buffer *b, const char *text)
{
	for (;;) {
		size_t plain = strcspn(text, "\\\"\n");
		buffer_append(b, text, plain);
		text += plain;
		if (!*text)
			return;
		buffer_u8(b, '\\');
		buffer_u8(b, *text == '\n' ? 'n' : (uint8_t)*text);
		text++;
	}
}

static void
put_label(struct buffer *b, const char *name, const char *value)
{
	buffer_append_str(b, name);
	buffer_append_str(b, "=\"");
	put_escaped(b, value ? value : "");
	buffer_u8(b, '"');
}

/* m->text, owned, without its bytes from then on; NULL when out of memory or of room. */
static char *
take_text(struct metrics *m)
{
	struct buffer *b = &m->text;
	char *text = NULL;

	buffer_u8(b, '\0');
	m->bytes += b->len;
	if (!buffer_failed(b) && m->bytes <= METRICS_MAX_BYTES && (text = malloc(b->len)))
		memcpy(text, buffer_data(b), b->len);
	buffer_reset(b);
	return text;
}

/* Whether there was memory for them. */
static bool
take_labels(struct metrics *m, struct subject *s)
{
	s->len = m->text.len;
	s->labels = take_text(m);
	return s->labels != NULL;
}

static bool
end_labels(struct metrics *m, const struct device_subject *d, const char *remote, struct subject *s)
{
	buffer_append(&m->text, d->self.labels, d->self.len);
	buffer_u8(&m->text, ',');
	put_label(&m->text, "remote", remote);
	return take_labels(m, s);
}

static bool
has_end(const struct device_subject *d, const struct subject *s)
{
	for (size_t i = 0; i < d->end_count; i++)
		if (d->ends[i].len == s->len && memcmp(d->ends[i].labels, s->labels, s->len) == 0)
			return true;
	return false;
}

/* An end is its numbers and its name behind them. Two of one name would be one series twice: the
 * first one counts. */
static bool
take_ends(struct metrics *m, struct device_subject *d, const struct json *ends)
{
	size_t most = first_of(ends) ? ends->count : 0;

	most = most > METRICS_MAX_ENDS ? METRICS_MAX_ENDS : most;
	m->bytes += most * sizeof(*d->ends);
	if (most && !(d->ends = calloc(most, sizeof(*d->ends))))
		return false;
	for (const struct json *e = first_of(ends); e && d->end_count < most; e = e->next) {
		struct subject *s = &d->ends[d->end_count];
		const char *name = take_numbers(s->values, COUNT(end), &m->of_end, json_str(e));
		if (!end_labels(m, d, name, s))
			return false;
		if (has_end(d, s)) {
			free(s->labels);
			*s = (struct subject){ 0 };
			continue;
		}
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

static char *
name_tail(struct metrics *m, const char *name)
{
	buffer_u8(&m->text, ',');
	put_label(&m->text, "name", name);
	buffer_append_str(&m->text, NO_TAIL);
	return take_text(m);
}

static bool
take_counters(struct metrics *m, struct device_subject *d, const struct json *counters)
{
	size_t most = counters && counters->type == JSON_OBJECT ? counters->count : 0;
	double v;

	d->has_round_trips = json_double(json_get(counters, "rtt_count"), &v);
	most = most > METRICS_MAX_COUNTERS ? METRICS_MAX_COUNTERS : most;
	m->bytes += most * sizeof(*d->counters);
	if (most && !(d->counters = calloc(most, sizeof(*d->counters))))
		return false;
	for (const struct json *c = most ? counters->child : NULL; c && d->counter_count < most;
	     c = c->next) {
		struct named *n = &d->counters[d->counter_count];
		if (take_round_trips(d, c) || !json_double(c, &n->value))
			continue;
		if (!(n->tail = name_tail(m, c->key)))
			return false;
		d->counter_count++;
	}
	return true;
}

static bool
take_device(struct metrics *m, struct device_subject *d, const struct json *row)
{
	static const struct keys words = KEYS(states, name);
	uint8_t state = find_entry(&words, json_str(json_get(row, "state")));

	put_label(&m->text, "device", json_str(json_get(row, "name")));
	buffer_u8(&m->text, ',');
	put_label(&m->text, "type", json_str(json_get(row, "type")));
	d->state = state == NO_ENTRY ? -1 : state;
	take_numbers(
	    d->self.values, COUNT(device), &m->of_device, json_str(json_get(row, "numbers")));
	take_numbers(d->deaths, COUNT(causes), &m->of_deaths, json_str(json_get(row, "deaths")));
	return take_labels(m, &d->self) && take_ends(m, d, json_get(row, "ends")) &&
	       take_counters(m, d, json_get(row, "counters"));
}

static bool
take_gateway(struct metrics *m, const struct json *row)
{
	const char *version = json_str(json_get(row, "version"));

	for (size_t i = 0; i < COUNT(gateway); i++)
		if (!json_double(json_get(row, gateway[i].key), &m->gateway[i]))
			m->gateway[i] = NAN;
	take_columns(
	    &m->of_device, json_get(row, "device_columns"), (struct keys)KEYS(device, key));
	take_columns(&m->of_end, json_get(row, "end_columns"), (struct keys)KEYS(end, key));
	take_columns(&m->of_deaths, json_get(row, "causes"), (struct keys)KEYS(causes, name));
	free(m->version);
	put_escaped(&m->text, version ? version : "");
	m->version = take_text(m);
	return m->version != NULL;
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

	if (kind && strcmp(kind, "gateway") == 0)
		return take_gateway(m, row);
	if (!kind || strcmp(kind, "device") != 0 || m->count == METRICS_MAX_DEVICES)
		return true;
	struct device_subject *d = add_device(m);
	return d && take_device(m, d, row);
}

/* --- text --- */

/* At most MAX_NUMBER bytes; returns their end. */
static char *
put_number(char *out, double v)
{
	if (v == 0) {
		*out = '0';
		return out + 1;
	}
	/* printf() would be a third of the time that all this takes. */
	if (!(v >= 0 && v < MOST_EXACT))
		return out + snprintf(out, MAX_NUMBER, "%.10g", v);
	uint64_t whole = (uint64_t)v, millionths = (uint64_t)((v - (double)whole) * 1e6 + .5);
	out = number_put_uint(out, whole + millionths / 1000000);
	millionths %= 1000000;
	if (!millionths)
		return out;
	*out++ = '.';
	/* Without zeros at the end. */
	for (uint64_t unit = 100000; millionths; unit /= 10) {
		*out++ = (char)('0' + millionths / unit);
		millionths %= unit;
	}
	return out;
}

static void
put_sample(
    struct buffer *b, const struct head *head, const struct subject *of, const char *tail, double v)
{
	size_t tail_len = strlen(tail);

	if (isnan(v))
		return;
	char *start = (char *)buffer_reserve(b, head->len + of->len + tail_len + MAX_NUMBER + 1);
	if (!start)
		return;
	char *out = mempcpy(start, head->text, head->len);
	out = mempcpy(out, of->labels, of->len);
	out = mempcpy(out, tail, tail_len);
	out = put_number(out, v);
	*out++ = '\n';
	buffer_commit(b, (size_t)(out - start));
}

/* The lines before the samples of a family, in Prometheus' text format a counter's family has its
 * suffix, in OpenMetrics not. */
static void
put_help(const struct metrics *m, struct buffer *b, const char *name, const char *type,
    const char *unit, const char *help)
{
	const char *suffix = !m->open && strcmp(type, "counter") == 0 ? "_total" : "";

	buffer_printf(
	    b, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
	if (m->open && unit)
		buffer_printf(b, "# UNIT %s %s\n", name, unit);
}

static void
put_family_help(const struct metrics *m, struct buffer *b, const struct family *f)
{
	put_help(m, b, f->name, f->kind == COUNTER ? "counter" : "gauge", f->unit, f->help);
}

static const char *
suffix_of(const struct family *f)
{
	return f->kind == COUNTER ? "_total" : "";
}

static void
set_head(struct head *h, const char *name, const char *suffix)
{
	h->len = (size_t)snprintf(h->text, sizeof(h->text), "%s%s{", name, suffix);
	assert(h->len < sizeof(h->text));
}

/* The families that are not numbers of a table, device by device. */

static void
put_states(struct buffer *b, const struct head *heads, const struct device_subject *d)
{
	for (size_t i = 0; i < COUNT(states); i++)
		put_sample(b, heads, &d->self, states[i].tail, d->state == (int)i);
}

static void
put_deaths(struct buffer *b, const struct head *heads, const struct device_subject *d)
{
	for (size_t i = 0; i < COUNT(causes); i++)
		put_sample(b, heads, &d->self, causes[i].tail, d->deaths[i]);
}

static void
put_counters(struct buffer *b, const struct head *heads, const struct device_subject *d)
{
	for (size_t i = 0; i < d->counter_count; i++)
		put_sample(b, heads, &d->self, d->counters[i].tail, d->counters[i].value);
}

static void
put_round_trips(struct buffer *b, const struct head *heads, const struct device_subject *d)
{
	if (!d->has_round_trips)
		return;
	for (size_t i = 0; i < COUNT(buckets); i++)
		put_sample(b, &heads[0], &d->self, buckets[i].tail, d->round_trips[i]);
	put_sample(b, &heads[1], &d->self, NO_TAIL, d->round_trip_us * 1e-6);
	put_sample(b, &heads[2], &d->self, NO_TAIL, d->round_trips[COUNT(buckets) - 1]);
}

static const struct {
	const char *name, *type, *unit, *help;
	const char *suffixes[MAX_HEADS]; /* of the samples */
	void (*put)(struct buffer *b, const struct head *heads, const struct device_subject *d);
} others[] = {
	{ .name = "gatewayd_device_state",
	    .type = "gauge",
	    .suffixes = { "" },
	    .put = put_states,
	    .help = "State of the device: 1 at the one that it is in." },
	{ .name = "gatewayd_device_deaths",
	    .type = "counter",
	    .suffixes = { "_total" },
	    .put = put_deaths,
	    .help = "Ends of the device's process that nobody asked for, by cause." },
	{ .name = "gatewayd_device_reported",
	    .type = "counter",
	    .suffixes = { "_total" },
	    .put = put_counters,
	    .help = "What the device's process counts by names of its own." },
	{ .name = "gatewayd_device_round_trip_seconds",
	    .type = "histogram",
	    .unit = "seconds",
	    .suffixes = { "_bucket", "_sum", "_count" },
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
	char number[MAX_NUMBER];

	put_help(m, b, "gatewayd_build_info", "gauge", NULL, "Version of gatewayd.");
	buffer_printf(b, "gatewayd_build_info{version=\"%s\"} 1\n", m->version ? m->version : "");
	for (size_t i = 0; i < COUNT(gateway); i++) {
		const struct family *f = &gateway[i];
		if (isnan(m->gateway[i]))
			continue;
		char *end_of = put_number(number, scaled(f, m->gateway[i]));
		put_family_help(m, b, f);
		buffer_printf(
		    b, "%s%s %.*s\n", f->name, suffix_of(f), (int)(end_of - number), number);
	}
}

static const struct family *
table_family(size_t family)
{
	return family >= FAMILIES_END ? &end[family - FAMILIES_END]
				      : &device[family - FAMILIES_DEVICE];
}

static void
begin_family(struct metrics *m, struct buffer *b)
{
	if (m->family < FAMILIES_OTHER) {
		const struct family *f = table_family(m->family);
		put_family_help(m, b, f);
		set_head(&m->heads[0], f->name, suffix_of(f));
		return;
	}
	size_t i = m->family - FAMILIES_OTHER;
	put_help(m, b, others[i].name, others[i].type, others[i].unit, others[i].help);
	for (size_t k = 0; k < MAX_HEADS && others[i].suffixes[k]; k++)
		set_head(&m->heads[k], others[i].name, others[i].suffixes[k]);
}

static void
put_of_device(struct metrics *m, struct buffer *b, const struct device_subject *d)
{
	if (m->family >= FAMILIES_OTHER) {
		others[m->family - FAMILIES_OTHER].put(b, m->heads, d);
		return;
	}
	const struct family *f = table_family(m->family);
	if (m->family < FAMILIES_END) {
		put_sample(b, m->heads, &d->self, NO_TAIL, scaled(f, d->self.values[f - device]));
		return;
	}
	for (size_t n = 0; n < d->end_count; n++)
		put_sample(
		    b, m->heads, &d->ends[n], NO_TAIL, scaled(f, d->ends[n].values[f - end]));
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
			begin_family(m, b);
		if (m->at < m->count)
			put_of_device(m, b, &m->devices[m->at++]);
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
	buffer_init(&m->text, MAX_LABELS);
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
		free(d->counters[i].tail);
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
	buffer_clear(&m->text);
	free(m);
}

bool
metrics_wants_open(const char *accept)
{
	const char *open = accept ? strstr(accept, "application/openmetrics-text") : NULL;

	return open && !strstr(open, "version=0.0.1");
}
