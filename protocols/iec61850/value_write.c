/* Values of MMS that were checked, as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "protocols/iec61850/type_private.h"

static void
quality_to_json(struct json_writer *w, const struct mms_value *value)
{
	uint32_t q = 0;
	size_t bits;

	mms_value_flags(value, &q, &bits);
	json_put_str(w, "validity", iec61850_validities[(q & 1) << 1 | (q >> 1 & 1)]);
	json_begin_array(w, "details");
	for (int i = 0; iec61850_details[i]; i++)
		if (q >> (FIRST_DETAIL + i) & 1)
			json_put_str(w, NULL, iec61850_details[i]);
	json_end_array(w);
	json_put_str(w, "source", iec61850_sources[q >> QUALITY_SOURCE & 1]);
	json_put_bool(w, "test", q >> QUALITY_TEST & 1);
	json_put_bool(w, "operator_blocked", q >> QUALITY_BLOCKED & 1);
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
	for (size_t i = 0; i < IEC61850_BUILTINS; i++) {
		const struct iec61850_step step = { .name = iec61850_builtins[i].name };
		struct mms_value v;
		if (iec61850_builtins[i].kind == type->kind &&
		    iec61850_value_at(type, value, &step, 1, &v))
			iec61850_value_to_json(
			    w, iec61850_builtins[i].json, iec61850_builtins[i].type, &v);
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
		iec61850_enumeration(type->kind, value, &i);
		json_put_str(w, key, iec61850_enumerations[type->kind].names[i]);
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
