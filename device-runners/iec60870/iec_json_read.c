/* Reading half of iec_json.h: system events, checked whole before anything is sent. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device-runners/iec60870/iec_json_private.h"

/* 2069-12-31, after which the two digits of a year begin again, in some zone. */
#define TIME_END INT64_C(3155673600)

/* The first fault stays; later reads return zeros. */
struct reader {
	char *why;
	bool bad;
};

static void
refuse(struct reader *r, const char *key, const char *expected)
{
	if (!r->bad)
		snprintf(r->why, IEC_JSON_WHY, "%s: expected %s", key, expected);
	r->bad = true;
}

static bool
read_bool(struct reader *r, const struct json *o, const char *key)
{
	bool v = false;

	if (!json_bool(json_get(o, key), &v))
		refuse(r, key, "true or false");
	return v;
}

static int64_t
read_int(struct reader *r, const struct json *o, const char *key, int64_t min, int64_t max)
{
	char expected[64];
	int64_t v = min;

	if (!json_int(json_get(o, key), min, max, &v)) {
		snprintf(expected, sizeof(expected), "an integer from %lld to %lld", (long long)min,
		    (long long)max);
		refuse(r, key, expected);
	}
	return v;
}

static int
read_name(struct reader *r, const struct json *o, const char *key, const char *const names[])
{
	int i = json_enum(json_get(o, key), names);

	if (i < 0 || names[i][0] == '\0')
		refuse(r, key, "one of the names of its type");
	return i < 0 ? 0 : i;
}

static uint8_t
read_cause(struct reader *r, const struct json *o, enum iec_class class, bool slave)
{
	const struct json *j = json_get(o, "cause");
	const char *s = json_str(j);
	int64_t v;

	if (json_int(j, 0, IEC_MAX_CAUSE, &v))
		return (uint8_t)v;
	for (unsigned i = 0; s && i <= IEC_MAX_CAUSE; i++) {
		const char *name = iec_cause_name(i);
		if (name && strcmp(name, s) == 0 && iec_json_cause_named(class, !slave, i))
			return (uint8_t)i;
	}
	refuse(r, "cause", "a cause of this message, or an integer from 0 to 63");
	return 0;
}

struct flag {
	const char *key;
	uint8_t bit;
};

static const struct flag indication_flags[] = { { .key = "invalid", .bit = IEC_Q_INVALID },
	{ .key = "not_topical", .bit = IEC_Q_NOT_TOPICAL },
	{ .key = "substituted", .bit = IEC_Q_SUBSTITUTED },
	{ .key = "blocked", .bit = IEC_Q_BLOCKED }, { .key = NULL } };
static const struct flag measurement_flags[] = { { .key = "invalid", .bit = IEC_Q_INVALID },
	{ .key = "not_topical", .bit = IEC_Q_NOT_TOPICAL },
	{ .key = "substituted", .bit = IEC_Q_SUBSTITUTED },
	{ .key = "blocked", .bit = IEC_Q_BLOCKED }, { .key = "overflow", .bit = IEC_Q_OVERFLOW },
	{ .key = NULL } };
static const struct flag protection_flags[] = { { .key = "invalid", .bit = IEC_Q_INVALID },
	{ .key = "not_topical", .bit = IEC_Q_NOT_TOPICAL },
	{ .key = "substituted", .bit = IEC_Q_SUBSTITUTED },
	{ .key = "blocked", .bit = IEC_Q_BLOCKED },
	{ .key = "time_invalid", .bit = IEC_Q_TIME_INVALID }, { .key = NULL } };
static const struct flag counter_flags[] = { { .key = "invalid", .bit = IEC_Q_INVALID },
	{ .key = "adjusted", .bit = IEC_Q_COUNTER_ADJUSTED },
	{ .key = "overflow", .bit = IEC_Q_COUNTER_OVERFLOW }, { .key = NULL } };

static const struct flag *const quality_flags[] = {
	[IEC_QUALITY_INDICATION] = indication_flags,
	[IEC_QUALITY_MEASUREMENT] = measurement_flags,
	[IEC_QUALITY_COUNTER] = counter_flags,
	[IEC_QUALITY_PROTECTION] = protection_flags,
};

/* Which descriptor a kind of data has. */
static enum iec_quality
quality_of(enum iec_kind kind)
{
	if (kind == IEC_SINGLE || kind == IEC_DOUBLE)
		return IEC_QUALITY_INDICATION;
	if (kind == IEC_BINARY_COUNTER)
		return IEC_QUALITY_COUNTER;
	if (kind >= IEC_PROTECTION && kind <= IEC_PROTECTION_COMMAND)
		return IEC_QUALITY_PROTECTION;
	return IEC_QUALITY_MEASUREMENT;
}

static uint8_t
read_quality(struct reader *r, const struct json *o, enum iec_quality quality)
{
	const struct json *q = json_get(o, "quality");
	bool sequence;
	uint8_t v = 0;

	for (const struct flag *f = quality_flags[quality]; f->key; f++)
		v |= read_bool(r, q, f->key) ? f->bit : 0;
	if (quality == IEC_QUALITY_COUNTER) {
		/* The schema says boolean, the protocol has five bits; both are taken. */
		if (json_bool(json_get(q, "sequence"), &sequence))
			v |= sequence;
		else
			v |= (uint8_t)read_int(r, q, "sequence", 0, IEC_Q_COUNTER_SEQUENCE);
	}
	return v;
}

static void
read_name_value(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	o->value = read_name(r, j, "value", iec_json_values[kind]);
}

static void
read_bits_value(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	const struct json *v = json_get(j, "value");
	const char *const *names = iec_json_bits[kind];

	for (unsigned i = 0; names[i]; i++)
		o->value |= read_bool(r, v, names[i]) << i;
}

static void
read_step(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	const struct json *v = json_get(j, "value");

	(void)kind;
	o->value = (int32_t)read_int(r, v, "value", -64, 63);
	o->transient = read_bool(r, v, "transient");
}

static void
read_bitstring(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	const struct json *v = json_get(j, "value");
	uint32_t bits = 0;
	int64_t octet;

	(void)kind;
	if (!v || v->type != JSON_ARRAY || v->count != 4) {
		refuse(r, "value", "an array of 4 octets");
		return;
	}
	json_foreach (item, v) {
		if (!json_int(item, 0, 255, &octet)) {
			refuse(r, "value", "octets from 0 to 255");
			return;
		}
		bits = bits << 8 | (uint32_t)octet;
	}
	o->value = (int32_t)bits;
}

static void
read_normalized(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	double v = 0;

	(void)kind;
	if (!json_double(json_get(j, "value"), &v))
		refuse(r, "value", "a number");
	double raw = rint(v * 32767.0);
	if (raw < INT16_MIN || raw > INT16_MAX)
		refuse(r, "value", "a number from -1 to 1");
	else
		o->value = (int32_t)raw;
}

static void
read_floating(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	static const char *const words[] = { "nan", "inf", "-inf", NULL };
	static const float values[] = { NAN, INFINITY, -INFINITY };
	const struct json *v = json_get(j, "value");
	int word = json_enum(v, words);
	double number = 0;

	(void)kind;
	if (word >= 0) {
		o->real = values[word];
		return;
	}
	if (!json_double(v, &number) || fabs(number) >= 0x1.ffffffp127)
		refuse(r, "value", "a number that single precision holds, nan, inf or -inf");
	else
		o->real = (float)number;
}

static void
read_scaled(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	(void)kind;
	o->value = (int32_t)read_int(r, j, "value", INT16_MIN, INT16_MAX);
}

static void
read_counter(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	(void)kind;
	o->value = (int32_t)read_int(r, j, "value", INT32_MIN, INT32_MAX);
}

static uint32_t
read_16_bits(struct reader *r, const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);
	uint32_t bits = 0;
	unsigned i = 0;
	bool bit;

	if (!v || v->type != JSON_ARRAY || v->count != 16) {
		refuse(r, key, "an array of 16 booleans");
		return 0;
	}
	json_foreach (item, v) {
		if (!json_bool(item, &bit))
			refuse(r, key, "an array of 16 booleans");
		else if (bit)
			bits |= UINT32_C(1) << i;
		i++;
	}
	return bits;
}

static void
read_status(struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind)
{
	const struct json *v = json_get(j, "value");

	(void)kind;
	o->value = (int32_t)(read_16_bits(r, v, "value") | read_16_bits(r, v, "change") << 16);
}

static void (*const read_value[IEC_KINDS])(
    struct reader *r, struct iec_object *o, const struct json *j, enum iec_kind kind) = {
	[IEC_SINGLE] = read_name_value,
	[IEC_DOUBLE] = read_name_value,
	[IEC_STEP_POSITION] = read_step,
	[IEC_BITSTRING] = read_bitstring,
	[IEC_NORMALIZED] = read_normalized,
	[IEC_SCALED] = read_scaled,
	[IEC_FLOATING] = read_floating,
	[IEC_BINARY_COUNTER] = read_counter,
	[IEC_PROTECTION] = read_name_value,
	[IEC_PROTECTION_START] = read_bits_value,
	[IEC_PROTECTION_COMMAND] = read_bits_value,
	[IEC_STATUS] = read_status,
	[IEC_REGULATING] = read_name_value,
};

/* The type follows from kind, time tag and whether there is a quality. */
static void
choose_type(struct reader *r, struct iec_request *q, enum iec_class class, bool with_quality)
{
	q->head.type = iec_type_choose(class, q->kind, q->object.time.size, with_quality);
	if (q->head.type)
		q->head.type_id = q->head.type->id;
	else
		refuse(r, "source timestamp",
		    q->object.time.size ? "none: there is no such type with a time tag"
					: "one: there is no such type without a time tag");
}

static void
read_data(struct reader *r, struct iec_request *q, const struct json *payload)
{
	const struct json *data = json_get(payload, "data");
	const struct json *quality = json_get(data, "quality");
	bool without = q->kind == IEC_NORMALIZED && quality && quality->type == JSON_NULL;

	read_value[q->kind](r, &q->object, data, q->kind);
	if (!without)
		q->object.quality = read_quality(r, data, quality_of(q->kind));
	if (iec_json_elapsed[q->kind])
		q->object.elapsed =
		    (uint16_t)read_int(r, data, iec_json_elapsed[q->kind], 0, UINT16_MAX);
	choose_type(r, q, IEC_CLASS_DATA, !without);
}

static void
read_command(struct reader *r, struct iec_request *q, bool slave, const struct json *payload)
{
	const struct json *command = json_get(payload, "command");

	read_value[q->kind](r, &q->object, command, q->kind);
	if (q->kind != IEC_BITSTRING)
		q->object.select = read_bool(r, command, "select");
	if (q->kind == IEC_SINGLE || q->kind == IEC_DOUBLE || q->kind == IEC_REGULATING)
		q->object.qualifier = (uint8_t)read_int(r, command, "qualifier", 0, 31);
	if (slave) {
		q->head.negative = read_bool(r, payload, "is_negative_confirm");
		q->connection = read_int(r, payload, "connection_id", 0, INT64_MAX);
	}
	choose_type(r, q, IEC_CLASS_COMMAND, true);
}

static void
read_interrogation(
    struct reader *r, struct iec_request *q, enum iec_class class, const struct json *payload)
{
	bool counter = class == IEC_CLASS_COUNTER_INTERROGATION;

	q->head.type_id = counter ? IEC_C_CI_NA_1 : IEC_C_IC_NA_1;
	q->head.type = iec_type_find(q->head.type_id);
	q->object.qualifier = (uint8_t)read_int(r, payload, "request", 0, counter ? 63 : 255);
	if (counter)
		q->object.freeze = (uint8_t)read_name(r, payload, "freeze", iec_json_freezes);
}

int
iec_request_fill(struct iec_request *q, struct iec_map *map, enum iec_class class,
    const struct timestamp *ts, const struct json *payload, char why[IEC_JSON_WHY])
{
	struct reader r = { .why = why };

	if (!payload || payload->type != JSON_OBJECT)
		refuse(&r, "payload", "a JSON object");
	bool tagged =
	    ts && (class == IEC_CLASS_DATA || (class == IEC_CLASS_COMMAND && map->command_times));
	if (tagged && (ts->s < 0 || ts->s >= TIME_END))
		refuse(&r, "source timestamp", "a time from 1970 to 2069");
	q->head.test = read_bool(&r, payload, "is_test");
	q->head.cause = read_cause(&r, payload, class, map->slave);
	if (!r.bad && tagged)
		iec_time_from_timestamp(&q->object.time, &map->zone, *ts);
	if (class == IEC_CLASS_DATA)
		read_data(&r, q, payload);
	else if (class == IEC_CLASS_COMMAND)
		read_command(&r, q, map->slave, payload);
	else
		read_interrogation(&r, q, class, payload);
	if (r.bad) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* The names of the events of a role, and how many segments they have. */
static const struct {
	const char *name;
	enum iec_class class;
	size_t segments;
	bool slave, master;
} events[] = {
	{ .name = "data", .class = IEC_CLASS_DATA, .segments = 4, .slave = true, .master = false },
	{ .name = "command",
	    .class = IEC_CLASS_COMMAND,
	    .segments = 4,
	    .slave = true,
	    .master = true },
	{ .name = "interrogation",
	    .class = IEC_CLASS_INTERROGATION,
	    .segments = 2,
	    .slave = false,
	    .master = true },
	{ .name = "counter_interrogation",
	    .class = IEC_CLASS_COUNTER_INTERROGATION,
	    .segments = 2,
	    .slave = false,
	    .master = true },
};

static uint32_t
read_address(struct reader *r, const char *text, const char *what, uint32_t max)
{
	uint64_t v = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || p - text >= 10) {
			refuse(r, what, "a decimal address");
			return 0;
		}
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (*text == '\0' || v > max) {
		refuse(r, what, "an address that its size holds");
		return 0;
	}
	return (uint32_t)v;
}

static int
read_type(struct reader *r, struct iec_request *q, const struct iec_map *map,
    const char *const segments[], size_t count)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (count != events[i].segments || strcmp(segments[0], events[i].name) != 0 ||
		    !(map->slave ? events[i].slave : events[i].master))
			continue;
		if (count == 4 &&
		    (q->kind = iec_kind_find(events[i].class, segments[1])) == IEC_NO_VALUE)
			refuse(r, segments[1], "a type of data or command");
		q->head.common = (uint16_t)read_address(
		    r, segments[count == 4 ? 2 : 1], "ASDU address", asdu_max_common(&map->sizes));
		if (count == 4)
			q->object.address = read_address(
			    r, segments[3], "IO address", asdu_max_object(&map->sizes));
		return (int)events[i].class;
	}
	refuse(r, "event type", "one that this device takes");
	return -1;
}

int
iec_request_read(struct iec_request *q, struct iec_map *map, const char *const segments[],
    size_t count, const struct timestamp *ts, const char *text, size_t len, char why[IEC_JSON_WHY])
{
	struct reader r = { .why = why };

	*q = (struct iec_request){ .kind = IEC_NO_VALUE, .connection = -1 };
	int class = read_type(&r, q, map, segments, count);
	if (r.bad) {
		errno = EINVAL;
		return -1;
	}
	struct json_doc *doc = json_parse(text, len, IEC_JSON_MAX_NODES, why, IEC_JSON_WHY);
	if (!doc) {
		errno = EINVAL;
		return -1;
	}
	int rc = iec_request_fill(q, map, (enum iec_class) class, ts, json_root(doc), why);
	json_free(doc);
	return rc;
}
