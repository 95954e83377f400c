/* Values of JSON, as MMS has them. */
#include "common/hex.h"
#include "protocols/iec61850/type_private.h"

static bool
quality_from_json(struct ber_writer *w, const struct json *json)
{
	int validity = json_enum(json_get(json, "validity"), iec61850_validities);
	int source = json_enum(json_get(json, "source"), iec61850_sources);
	const struct json *list = json_get(json, "details");

	if (validity < 0 || source < 0 || !list || list->type != JSON_ARRAY)
		return false;
	uint32_t q = (uint32_t)validity >> 1 | ((uint32_t)validity & 1) << 1;
	json_foreach (item, list) {
		int detail = json_enum(item, iec61850_details);
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

static bool
octets_from_json(struct ber_writer *w, const struct json *json)
{
	const char *text = json_str(json);
	uint8_t octets[4096];
	size_t len = text ? strlen(text) : 1;
	size_t n = text ? hex_read(text, len, octets, sizeof(octets)) : 0;

	if (len != 2 * n)
		return false;
	mms_put_octets(w, octets, n);
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
	int v = json_enum(json, iec61850_enumerations[kind].names);

	if (v < 0)
		return false;
	if (iec61850_enumerations[kind].coded)
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
	for (size_t i = 0; i < IEC61850_BUILTINS && ok; i++) {
		const struct json *member = json_get(json, iec61850_builtins[i].json);
		if (iec61850_builtins[i].kind != kind)
			continue;
		if (member)
			ok = iec61850_value_from_json(w, iec61850_builtins[i].type, member);
		else
			ok = !iec61850_builtins[i].required;
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
