#include "protocols/iec61850/type.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
	[IEC61850_BOOLEAN] = "BOOLEAN",
	[IEC61850_INTEGER] = "INTEGER",
	[IEC61850_UNSIGNED] = "UNSIGNED",
	[IEC61850_FLOAT] = "FLOAT",
	[IEC61850_BIT_STRING] = "BIT_STRING",
	[IEC61850_OCTET_STRING] = "OCTET_STRING",
	[IEC61850_VISIBLE_STRING] = "VISIBLE_STRING",
	[IEC61850_MMS_STRING] = "MMS_STRING",
	[IEC61850_QUALITY] = "QUALITY",
	[IEC61850_TIMESTAMP] = "TIMESTAMP",
	[IEC61850_DOUBLE_POINT] = "DOUBLE_POINT",
	[IEC61850_DIRECTION] = "DIRECTION",
	[IEC61850_SEVERITY] = "SEVERITY",
	[IEC61850_ANALOGUE] = "ANALOGUE",
	[IEC61850_VECTOR] = "VECTOR",
	[IEC61850_STEP_POSITION] = "STEP_POSITION",
	[IEC61850_BINARY_CONTROL] = "BINARY_CONTROL",
	[IEC61850_ARRAY] = "ARRAY",
	[IEC61850_STRUCT] = "STRUCT",
	[IEC61850_KINDS] = NULL,
};

const char *
iec61850_kind_name(enum iec61850_kind kind)
{
	return kind_names[kind];
}

/* --- From the configuration --- */

static bool load(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why);

static bool
refuse(char *why, const char *what)
{
	snprintf(why, 100, "%s", what);
	return false;
}

static bool
load_members(struct iec61850_type *type, const struct json *elements, unsigned depth, char *why)
{
	if (!elements || elements->type != JSON_ARRAY || elements->count == 0 ||
	    elements->count > IEC61850_MAX_MEMBERS)
		return refuse(why, "a STRUCT needs 1 to 1000 elements");
	type->members = calloc(elements->count, sizeof(*type->members));
	if (!type->members)
		return refuse(why, "out of memory");
	json_foreach (e, elements) {
		const char *name = json_str(json_get(e, "name"));
		struct iec61850_type *member = &type->members[type->count++];
		if (!name || !*name)
			return refuse(why, "an element of a STRUCT has no name");
		member->name = strdup(name);
		if (!member->name)
			return refuse(why, "out of memory");
		if (!load(member, json_get(e, "type"), depth - 1, why))
			return false;
	}
	return true;
}

static bool
load_array(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why)
{
	int64_t length;

	if (!json_int(json_get(conf, "length"), 1, IEC61850_MAX_ELEMENTS, &length))
		return refuse(why, "an ARRAY needs a length of 1 to 65536");
	type->members = calloc(1, sizeof(*type->members));
	if (!type->members)
		return refuse(why, "out of memory");
	type->count = (size_t)length;
	return load(type->members, json_get(conf, "element_type"), depth - 1, why);
}

static bool
load(struct iec61850_type *type, const struct json *conf, unsigned depth, char *why)
{
	if (depth == 0)
		return refuse(why, "types nest deeper than 10");
	int kind = json_enum(conf, kind_names);
	if (kind >= 0 && kind < IEC61850_ARRAY) {
		type->kind = (enum iec61850_kind)kind;
		return true;
	}
	kind = json_enum(json_get(conf, "type"), kind_names);
	type->kind = kind == IEC61850_ARRAY ? IEC61850_ARRAY : IEC61850_STRUCT;
	if (kind == IEC61850_STRUCT)
		return load_members(type, json_get(conf, "elements"), depth, why);
	if (kind == IEC61850_ARRAY)
		return load_array(type, conf, depth, why);
	return refuse(why, "expected the name of a type, or an object of type ARRAY or STRUCT");
}

static void
clear(struct iec61850_type *type)
{
	size_t count = type->kind == IEC61850_ARRAY ? 1 : type->count;

	for (size_t i = 0; type->members && i < count; i++)
		clear(&type->members[i]);
	free(type->members);
	free(type->name);
}

void
iec61850_type_free(struct iec61850_type *type)
{
	if (!type)
		return;
	clear(type);
	free(type);
}

struct iec61850_type *
iec61850_type_new(const struct json *conf, char why[100])
{
	struct iec61850_type *type = calloc(1, sizeof(*type));

	if (type && load(type, conf, IEC61850_MAX_NESTING + 1, why))
		return type;
	if (!type)
		refuse(why, "out of memory");
	iec61850_type_free(type);
	return NULL;
}

/* --- Ways into a value --- */

static const struct iec61850_type integer_type = { .kind = IEC61850_INTEGER },
				  float_type = { .kind = IEC61850_FLOAT },
				  boolean_type = { .kind = IEC61850_BOOLEAN },
				  analogue_type = { .kind = IEC61850_ANALOGUE };

/* Members of the types that the standard has built of others; json: its name in an event. */
static const struct builtin {
	enum iec61850_kind kind;
	const char *name, *json;
	const struct iec61850_type *type;
	bool required;
} builtins[] = {
	{ .kind = IEC61850_ANALOGUE, .name = "i", .json = "i", .type = &integer_type },
	{ .kind = IEC61850_ANALOGUE, .name = "f", .json = "f", .type = &float_type },
	{ .kind = IEC61850_VECTOR,
	    .name = "mag",
	    .json = "magnitude",
	    .type = &analogue_type,
	    .required = true },
	{ .kind = IEC61850_VECTOR, .name = "ang", .json = "angle", .type = &analogue_type },
	{ .kind = IEC61850_STEP_POSITION,
	    .name = "posVal",
	    .json = "value",
	    .type = &integer_type,
	    .required = true },
	{ .kind = IEC61850_STEP_POSITION,
	    .name = "transInd",
	    .json = "transient",
	    .type = &boolean_type },
};

enum { BUILTINS = sizeof(builtins) / sizeof(builtins[0]) };

static const struct builtin *
builtin_named(enum iec61850_kind kind, const char *name)
{
	for (size_t i = 0; i < BUILTINS; i++)
		if (builtins[i].kind == kind && strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

/* Which member of the value that is; -1: none. Sets *type to its type. */
static long
step_into(const struct iec61850_type **type, const struct iec61850_step *step)
{
	const struct iec61850_type *t = *type;

	if (!step->name) {
		if (t->kind != IEC61850_ARRAY || step->index >= t->count)
			return -1;
		*type = t->members;
		return (long)step->index;
	}
	for (size_t i = 0; t->kind == IEC61850_STRUCT && i < t->count; i++)
		if (strcmp(t->members[i].name, step->name) == 0) {
			*type = &t->members[i];
			return (long)i;
		}
	const struct builtin *b = builtin_named(t->kind, step->name);
	if (!b)
		return -1;
	*type = b->type;
	return b->required ? 0 : 1;
}

const struct iec61850_type *
iec61850_type_at(const struct iec61850_type *type, const struct iec61850_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (step_into(&type, &steps[i]) < 0)
			return NULL;
	return type;
}

/* i and f are told apart by their kind: each may be left out. */
static bool
analogue_member(const struct mms_value *value, enum iec61850_kind kind, struct mms_value *out)
{
	struct mms_values members;

	mms_value_members(value, &members);
	while (mms_values_next(&members, out))
		if ((out->kind == MMS_FLOAT) == (kind == IEC61850_FLOAT))
			return true;
	return false;
}

bool
iec61850_value_at(const struct iec61850_type *type, const struct mms_value *value,
    const struct iec61850_step *steps, size_t count, struct mms_value *out)
{
	*out = *value;
	for (size_t i = 0; i < count; i++) {
		enum iec61850_kind in = type->kind;
		struct mms_value at = *out;
		long member = step_into(&type, &steps[i]);
		if (member < 0)
			return false;
		if (in == IEC61850_ANALOGUE ? !analogue_member(&at, type->kind, out)
					    : !mms_value_member(&at, (size_t)member, out))
			return false;
	}
	return true;
}

/* --- Enumerations --- */

static const char *const double_points[] = { "INTERMEDIATE", "OFF", "ON", "BAD", NULL };
static const char *const directions[] = { "UNKNOWN", "FORWARD", "BACKWARD", "BOTH", NULL };
static const char *const severities[] = { "UNKNOWN", "CRITICAL", "MAJOR", "MINOR", "WARNING",
	NULL };
static const char *const binary_controls[] = { "STOP", "LOWER", "HIGHER", "RESERVED", NULL };

/* coded: two bits, else an integer. */
static const struct {
	const char *const *names;
	bool coded;
	int64_t count;
} enumerations[IEC61850_KINDS] = {
	[IEC61850_DOUBLE_POINT] = { .names = double_points, .coded = true, .count = 4 },
	[IEC61850_DIRECTION] = { .names = directions, .count = 4 },
	[IEC61850_SEVERITY] = { .names = severities, .count = 5 },
	[IEC61850_BINARY_CONTROL] = { .names = binary_controls, .coded = true, .count = 4 },
};

/* The first bit of a coded enumeration is its higher one. */
static bool
enumeration(enum iec61850_kind kind, const struct mms_value *value, int64_t *v)
{
	uint32_t flags;
	size_t bits;

	if (!enumerations[kind].coded)
		return mms_value_int(value, v) && *v >= 0 && *v < enumerations[kind].count;
	if (!mms_value_flags(value, &flags, &bits) || bits != 2)
		return false;
	*v = (int64_t)((flags & 1) << 1 | flags >> 1);
	return true;
}

/* --- Quality and time --- */

enum {
	QUALITY_BITS = 13,
	QUALITY_SOURCE = 10,
	QUALITY_TEST = 11,
	QUALITY_BLOCKED = 12,
	FIRST_DETAIL = 2,
	TIME_LEAP = 0x80,
	TIME_FAILURE = 0x40,
	TIME_NOT_SYNCHRONIZED = 0x20,
	TIME_ACCURACY = 0x1f,
	TIME_MAX_ACCURACY = 24,
};

static const char *const validities[] = { "GOOD", "INVALID", "RESERVED", "QUESTIONABLE", NULL };
static const char *const details[] = { "OVERFLOW", "OUT_OF_RANGE", "BAD_REFERENCE", "OSCILLATORY",
	"FAILURE", "OLD_DATA", "INCONSISTENT", "INACCURATE", NULL };
static const char *const sources[] = { "PROCESS", "SUBSTITUTED", NULL };

static void
quality_to_json(struct json_writer *w, const struct mms_value *value)
{
	uint32_t q = 0;
	size_t bits;

	mms_value_flags(value, &q, &bits);
	json_put_str(w, "validity", validities[(q & 1) << 1 | (q >> 1 & 1)]);
	json_begin_array(w, "details");
	for (int i = 0; details[i]; i++)
		if (q >> (FIRST_DETAIL + i) & 1)
			json_put_str(w, NULL, details[i]);
	json_end_array(w);
	json_put_str(w, "source", sources[q >> QUALITY_SOURCE & 1]);
	json_put_bool(w, "test", q >> QUALITY_TEST & 1);
	json_put_bool(w, "operator_blocked", q >> QUALITY_BLOCKED & 1);
}

static bool
quality_from_json(struct ber_writer *w, const struct json *json)
{
	int validity = json_enum(json_get(json, "validity"), validities);
	int source = json_enum(json_get(json, "source"), sources);
	const struct json *list = json_get(json, "details");

	if (validity < 0 || source < 0 || !list || list->type != JSON_ARRAY)
		return false;
	uint32_t q = (uint32_t)validity >> 1 | ((uint32_t)validity & 1) << 1;
	json_foreach (item, list) {
		int detail = json_enum(item, details);
		if (detail < 0)
			return false;
		q |= UINT32_C(1) << (FIRST_DETAIL + detail);
	}
	q |= (uint32_t)source << QUALITY_SOURCE;
	q |= (uint32_t)json_is_true(json_get(json, "test")) << QUALITY_TEST;
	q |= (uint32_t)json_is_true(json_get(json, "operator_blocked")) << QUALITY_BLOCKED;
	mms_put_flags(w, q, QUALITY_BITS);
	return true;
}

/* Seconds with microseconds, which is what binary64 keeps of them. */
static void
timestamp_to_json(struct json_writer *w, const struct mms_value *value)
{
	struct mms_utc_time t = { 0 };

	mms_value_utc_time(value, &t);
	uint64_t us = ((uint64_t)t.fraction * 1000000 + (1 << 23)) >> 24;
	json_put_double(w, "value", (double)t.seconds + (double)us / 1e6);
	json_put_bool(w, "leap_second", t.quality & TIME_LEAP);
	json_put_bool(w, "clock_failure", t.quality & TIME_FAILURE);
	json_put_bool(w, "not_synchronized", t.quality & TIME_NOT_SYNCHRONIZED);
	if ((t.quality & TIME_ACCURACY) <= TIME_MAX_ACCURACY)
		json_put_int(w, "accuracy", t.quality & TIME_ACCURACY);
}

static bool
timestamp_from_json(struct ber_writer *w, const struct json *json)
{
	const struct json *accuracy = json_get(json, "accuracy");
	int64_t bits = TIME_ACCURACY;
	double s;

	if (!json_double(json_get(json, "value"), &s) || !(s >= 0 && s < 4294967296.0) ||
	    (accuracy && !json_int(accuracy, 0, TIME_MAX_ACCURACY, &bits)))
		return false;
	struct mms_utc_time t = { .seconds = (uint32_t)s, .quality = (uint8_t)bits };
	t.fraction = (uint32_t)((s - t.seconds) * (1 << 24));
	t.quality |= json_is_true(json_get(json, "leap_second")) ? TIME_LEAP : 0;
	t.quality |= json_is_true(json_get(json, "clock_failure")) ? TIME_FAILURE : 0;
	t.quality |= json_is_true(json_get(json, "not_synchronized")) ? TIME_NOT_SYNCHRONIZED : 0;
	mms_put_utc_time(w, &t);
	return true;
}

/* --- Checks --- */

static bool
check_builtin(const struct iec61850_type *type, const struct mms_value *value)
{
	struct mms_values members;
	struct mms_value v;
	size_t n = 0;

	if (value->kind != MMS_STRUCTURE)
		return false;
	mms_value_members(value, &members);
	while (mms_values_next(&members, &v)) {
		const struct iec61850_type *t = type->kind == IEC61850_VECTOR ? &analogue_type
						: type->kind == IEC61850_STEP_POSITION
						    ? (n ? &boolean_type : &integer_type)
						: v.kind == MMS_FLOAT ? &float_type
								      : &integer_type;
		if (++n > 2 || !iec61850_value_check(t, &v))
			return false;
	}
	return n > 0;
}

static bool
check_members(const struct iec61850_type *type, const struct mms_value *value)
{
	struct mms_values members;
	struct mms_value v;
	size_t n = 0;

	if (value->kind != (type->kind == IEC61850_ARRAY ? MMS_ARRAY : MMS_STRUCTURE))
		return false;
	mms_value_members(value, &members);
	for (; mms_values_next(&members, &v); n++)
		if (n == type->count ||
		    !iec61850_value_check(&type->members[type->kind == IEC61850_ARRAY ? 0 : n], &v))
			return false;
	return n == type->count;
}

bool
iec61850_value_check(const struct iec61850_type *type, const struct mms_value *value)
{
	static const enum mms_kind kinds[IEC61850_KINDS] = {
		[IEC61850_BOOLEAN] = MMS_BOOLEAN,
		[IEC61850_BIT_STRING] = MMS_BIT_STRING,
		[IEC61850_OCTET_STRING] = MMS_OCTET_STRING,
		[IEC61850_VISIBLE_STRING] = MMS_VISIBLE_STRING,
		[IEC61850_MMS_STRING] = MMS_MMS_STRING,
		[IEC61850_TIMESTAMP] = MMS_UTC_TIME,
	};
	const uint8_t *data;
	uint32_t flags;
	uint64_t u;
	size_t bits;
	int64_t i;
	double d;

	switch (type->kind) {
	case IEC61850_INTEGER:
		return mms_value_int(value, &i);
	case IEC61850_UNSIGNED:
		return mms_value_uint(value, &u) || mms_value_int(value, &i);
	case IEC61850_FLOAT:
		return mms_value_float(value, &d, NULL);
	case IEC61850_BIT_STRING:
		return mms_value_bits(value, &data, &bits);
	case IEC61850_QUALITY:
		return mms_value_flags(value, &flags, &bits) && bits == QUALITY_BITS;
	case IEC61850_DOUBLE_POINT:
	case IEC61850_DIRECTION:
	case IEC61850_SEVERITY:
	case IEC61850_BINARY_CONTROL:
		return enumeration(type->kind, value, &i);
	case IEC61850_ANALOGUE:
	case IEC61850_VECTOR:
	case IEC61850_STEP_POSITION:
		return check_builtin(type, value);
	case IEC61850_ARRAY:
	case IEC61850_STRUCT:
		return check_members(type, value);
	default:
		return value->kind == kinds[type->kind];
	}
}

/* --- To JSON: of values that were checked --- */

static void
float_to_json(struct json_writer *w, const char *key, const struct mms_value *value)
{
	double d = 0;

	mms_value_float(value, &d, NULL);
	if (d != d)
		json_put_str(w, key, "nan");
	else if (d > 1.7976931348623157e308 || d < -1.7976931348623157e308)
		json_put_str(w, key, d > 0 ? "inf" : "-inf");
	else
		json_put_double(w, key, d);
}

static void
number_to_json(struct json_writer *w, const char *key, const struct mms_value *value)
{
	char text[24];
	uint64_t u;
	int64_t i;

	if (mms_value_int(value, &i)) {
		json_put_int(w, key, i);
	} else if (mms_value_uint(value, &u)) {
		int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)u);
		json_put_raw(w, key, text, (size_t)n);
	}
}

static void
bits_to_json(struct json_writer *w, const char *key, const struct mms_value *value)
{
	const uint8_t *data = NULL;
	size_t bits = 0;

	json_begin_array(w, key);
	mms_value_bits(value, &data, &bits);
	for (size_t i = 0; i < bits; i++)
		json_put_bool(w, NULL, data[i / 8] >> (7 - i % 8) & 1);
	json_end_array(w);
}

static void
octets_to_json(struct json_writer *w, const char *key, const struct mms_value *value)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * value->len + 1);

	for (size_t i = 0; text && i < value->len; i++) {
		text[2 * i] = digits[value->data[i] >> 4];
		text[2 * i + 1] = digits[value->data[i] & 15];
	}
	json_put_strn(w, key, text ? text : "", text ? 2 * value->len : 0);
	free(text);
}

static void
builtin_to_json(
    struct json_writer *w, const struct iec61850_type *type, const struct mms_value *value)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		const struct iec61850_step step = { .name = builtins[i].name };
		struct mms_value v;
		if (builtins[i].kind == type->kind && iec61850_value_at(type, value, &step, 1, &v))
			iec61850_value_to_json(w, builtins[i].json, builtins[i].type, &v);
	}
}

static void
members_to_json(
    struct json_writer *w, const struct iec61850_type *type, const struct mms_value *value)
{
	struct mms_values members;
	struct mms_value v;

	mms_value_members(value, &members);
	for (size_t n = 0; mms_values_next(&members, &v); n++) {
		const struct iec61850_type *t =
		    &type->members[type->kind == IEC61850_ARRAY ? 0 : n];
		iec61850_value_to_json(w, t->name, t, &v);
	}
}

static void
object_to_json(struct json_writer *w, const char *key, const struct iec61850_type *type,
    const struct mms_value *value)
{
	json_begin_object(w, key);
	if (type->kind == IEC61850_QUALITY)
		quality_to_json(w, value);
	else if (type->kind == IEC61850_TIMESTAMP)
		timestamp_to_json(w, value);
	else if (type->kind == IEC61850_STRUCT)
		members_to_json(w, type, value);
	else
		builtin_to_json(w, type, value);
	json_end_object(w);
}

void
iec61850_value_to_json(struct json_writer *w, const char *key, const struct iec61850_type *type,
    const struct mms_value *value)
{
	struct mms_str s;
	int64_t i = 0;
	bool b = false;

	switch (type->kind) {
	case IEC61850_BOOLEAN:
		mms_value_bool(value, &b);
		json_put_bool(w, key, b);
		break;
	case IEC61850_INTEGER:
	case IEC61850_UNSIGNED:
		number_to_json(w, key, value);
		break;
	case IEC61850_FLOAT:
		float_to_json(w, key, value);
		break;
	case IEC61850_BIT_STRING:
		bits_to_json(w, key, value);
		break;
	case IEC61850_OCTET_STRING:
		octets_to_json(w, key, value);
		break;
	case IEC61850_VISIBLE_STRING:
	case IEC61850_MMS_STRING:
		mms_value_str(value, &s);
		json_put_strn(w, key, s.p, s.len);
		break;
	case IEC61850_DOUBLE_POINT:
	case IEC61850_DIRECTION:
	case IEC61850_SEVERITY:
	case IEC61850_BINARY_CONTROL:
		enumeration(type->kind, value, &i);
		json_put_str(w, key, enumerations[type->kind].names[i]);
		break;
	case IEC61850_ARRAY:
		json_begin_array(w, key);
		members_to_json(w, type, value);
		json_end_array(w);
		break;
	default:
		object_to_json(w, key, type, value);
	}
}

/* --- From JSON --- */

static bool
float_from_json(struct ber_writer *w, const struct json *json)
{
	static const char *const words[] = { "nan", "inf", "-inf", NULL };
	static const float values[] = { __builtin_nanf(""), __builtin_inff(), -__builtin_inff() };
	int word = json_enum(json, words);
	double d;

	if (word >= 0) {
		mms_put_float(w, values[word]);
		return true;
	}
	if (!json_double(json, &d))
		return false;
	mms_put_float(w, (float)d);
	return true;
}

static bool
bits_from_json(struct ber_writer *w, const struct json *json)
{
	uint8_t bits[512] = { 0 };
	size_t n = 0;
	bool b;

	if (!json || json->type != JSON_ARRAY || json->count > 8 * sizeof(bits))
		return false;
	json_foreach (item, json) {
		if (!json_bool(item, &b))
			return false;
		bits[n / 8] |= (uint8_t)(b << (7 - n % 8));
		n++;
	}
	mms_put_bits(w, bits, n);
	return true;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9'			? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

static bool
octets_from_json(struct ber_writer *w, const struct json *json)
{
	const char *text = json_str(json);
	uint8_t octets[4096];
	size_t len = text ? strlen(text) : 1;

	if (len % 2 || len / 2 > sizeof(octets))
		return false;
	for (size_t i = 0; i < len / 2; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		octets[i] = (uint8_t)(high << 4 | low);
	}
	mms_put_octets(w, octets, len / 2);
	return true;
}

static bool
str_from_json(struct ber_writer *w, enum mms_kind kind, const struct json *json)
{
	const char *text = json_str(json);

	if (text)
		mms_put_str(w, kind, text, strlen(text));
	return text;
}

static bool
integer_from_json(struct ber_writer *w, bool is_unsigned, const struct json *json)
{
	int64_t v;

	if (!json_int(json, is_unsigned ? 0 : INT64_MIN, INT64_MAX, &v))
		return false;
	if (is_unsigned)
		mms_put_uint(w, (uint64_t)v);
	else
		mms_put_int(w, v);
	return true;
}

static bool
enumeration_from_json(struct ber_writer *w, enum iec61850_kind kind, const struct json *json)
{
	int v = json_enum(json, enumerations[kind].names);

	if (v < 0)
		return false;
	if (enumerations[kind].coded)
		mms_put_flags(w, (uint32_t)(v >> 1 | (v & 1) << 1), 2);
	else
		mms_put_int(w, v);
	return true;
}

static bool
builtin_from_json(struct ber_writer *w, enum iec61850_kind kind, const struct json *json)
{
	bool ok = json && json->type == JSON_OBJECT;
	size_t n = 0;

	mms_begin(w, MMS_STRUCTURE);
	for (size_t i = 0; i < BUILTINS && ok; i++) {
		const struct json *member = json_get(json, builtins[i].json);
		if (builtins[i].kind != kind)
			continue;
		if (member)
			ok = iec61850_value_from_json(w, builtins[i].type, member);
		else
			ok = !builtins[i].required;
		n += member ? 1 : 0;
	}
	ber_end(w);
	return ok && n > 0;
}

static bool
array_from_json(struct ber_writer *w, const struct iec61850_type *type, const struct json *json)
{
	if (!json || json->type != JSON_ARRAY || json->count != type->count)
		return false;
	mms_begin(w, MMS_ARRAY);
	json_foreach (item, json)
		if (!iec61850_value_from_json(w, type->members, item))
			return false;
	ber_end(w);
	return true;
}

static bool
struct_from_json(struct ber_writer *w, const struct iec61850_type *type, const struct json *json)
{
	mms_begin(w, MMS_STRUCTURE);
	for (size_t i = 0; i < type->count; i++)
		if (!iec61850_value_from_json(
			w, &type->members[i], json_get(json, type->members[i].name)))
			return false;
	ber_end(w);
	return true;
}

bool
iec61850_value_from_json(
    struct ber_writer *w, const struct iec61850_type *type, const struct json *json)
{
	bool b;

	switch (type->kind) {
	case IEC61850_BOOLEAN:
		if (!json_bool(json, &b))
			return false;
		mms_put_bool(w, b);
		return true;
	case IEC61850_INTEGER:
	case IEC61850_UNSIGNED:
		return integer_from_json(w, type->kind == IEC61850_UNSIGNED, json);
	case IEC61850_FLOAT:
		return float_from_json(w, json);
	case IEC61850_BIT_STRING:
		return bits_from_json(w, json);
	case IEC61850_OCTET_STRING:
		return octets_from_json(w, json);
	case IEC61850_VISIBLE_STRING:
		return str_from_json(w, MMS_VISIBLE_STRING, json);
	case IEC61850_MMS_STRING:
		return str_from_json(w, MMS_MMS_STRING, json);
	case IEC61850_QUALITY:
		return quality_from_json(w, json);
	case IEC61850_TIMESTAMP:
		return timestamp_from_json(w, json);
	case IEC61850_ARRAY:
		return array_from_json(w, type, json);
	case IEC61850_STRUCT:
		return struct_from_json(w, type, json);
	case IEC61850_ANALOGUE:
	case IEC61850_VECTOR:
	case IEC61850_STEP_POSITION:
		return builtin_from_json(w, type->kind, json);
	default:
		return enumeration_from_json(w, type->kind, json);
	}
}
