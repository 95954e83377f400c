#include "device-runners/iec60870/iec_json_private.h"

#include <string.h>

#include "common/number.h"
#include "common/words.h"

static const char *const kind_names[IEC_KINDS] = { "single", "double", "step_position", "bitstring",
	"normalized", "scaled", "floating", "binary_counter", "protection", "protection_start",
	"protection_command", "status", "regulating" };

const char *const iec_kind_conf_names[] = { "SINGLE", "DOUBLE", "STEP_POSITION", "BITSTRING",
	"NORMALIZED", "SCALED", "FLOATING", "BINARY_COUNTER", "PROTECTION", "PROTECTION_START",
	"PROTECTION_COMMAND", "STATUS", NULL };

const char *
iec_kind_name(enum iec_kind kind)
{
	return kind_names[kind];
}

enum iec_kind
iec_kind_find(enum iec_class class, const char *name)
{
	for (unsigned i = 0; i < IEC_KINDS; i++)
		if (strcmp(kind_names[i], name) == 0 &&
		    iec_type_choose(class, i,
			class == IEC_CLASS_DATA ? IEC_TIME_CP56 : IEC_TIME_NONE,
			class == IEC_CLASS_DATA))
			return i;
	return class == IEC_CLASS_DATA && strcmp(name, "status") == 0 ? IEC_STATUS : IEC_NO_VALUE;
}

/* Writing: p walks through a buffer that holds any payload; its size is proven by a test. */
#define PUT WORDS_PUT

static char *
put_text(char *p, const char *s)
{
	size_t len = strlen(s);

	memcpy(p, s, len);
	return p + len;
}

static char *
put_string(char *p, const char *s)
{
	*p++ = '"';
	p = put_text(p, s);
	*p++ = '"';
	return p;
}

static char *
put_bool(char *p, bool v)
{
	return v ? PUT(p, "true") : PUT(p, "false");
}

#define PUT_FLAG(p, name, v) put_bool(PUT(p, "\"" name "\":"), v)

bool
iec_json_cause_named(enum iec_class class, bool request, unsigned cause)
{
	if (class == IEC_CLASS_DATA)
		return (cause >= IEC_PERIODIC && cause <= IEC_SPONTANEOUS) ||
		       cause == IEC_REQUEST || cause == IEC_REMOTE_COMMAND ||
		       cause == IEC_LOCAL_COMMAND ||
		       (cause >= IEC_INTERROGATED_STATION && cause <= IEC_INTERROGATED_COUNTER + 4);
	if (request)
		return cause == IEC_ACTIVATION || cause == IEC_DEACTIVATION;
	return cause == IEC_ACTIVATION_CONFIRMATION || cause == IEC_DEACTIVATION_CONFIRMATION ||
	       cause == IEC_ACTIVATION_TERMINATION ||
	       (cause >= IEC_UNKNOWN_TYPE && cause <= IEC_UNKNOWN_IO_ADDRESS);
}

static char *
put_cause(char *p, enum iec_class class, bool slave, unsigned cause)
{
	p = PUT(p, "\"cause\":");
	if (iec_json_cause_named(class, slave, cause))
		return put_string(p, iec_cause_name(cause));
	return number_put_uint(p, cause);
}

static char *
put_quality(char *p, enum iec_quality quality, uint8_t q)
{
	p = PUT_FLAG(PUT(p, "{"), "invalid", q & IEC_Q_INVALID);
	if (quality == IEC_QUALITY_COUNTER) {
		p = PUT_FLAG(PUT(p, ","), "adjusted", q & IEC_Q_COUNTER_ADJUSTED);
		p = PUT_FLAG(PUT(p, ","), "overflow", q & IEC_Q_COUNTER_OVERFLOW);
		p = number_put_uint(PUT(p, ",\"sequence\":"), q & IEC_Q_COUNTER_SEQUENCE);
		return PUT(p, "}");
	}
	p = PUT_FLAG(PUT(p, ","), "not_topical", q & IEC_Q_NOT_TOPICAL);
	p = PUT_FLAG(PUT(p, ","), "substituted", q & IEC_Q_SUBSTITUTED);
	p = PUT_FLAG(PUT(p, ","), "blocked", q & IEC_Q_BLOCKED);
	if (quality == IEC_QUALITY_MEASUREMENT)
		p = PUT_FLAG(PUT(p, ","), "overflow", q & IEC_Q_OVERFLOW);
	else if (quality == IEC_QUALITY_PROTECTION)
		p = PUT_FLAG(PUT(p, ","), "time_invalid", q & IEC_Q_TIME_INVALID);
	return PUT(p, "}");
}

static const char *const single_names[] = { "OFF", "ON", NULL };
static const char *const double_names[] = { "INTERMEDIATE", "OFF", "ON", "FAULT", NULL };
static const char *const protection_names[] = { "", "OFF", "ON", NULL };
static const char *const regulating_names[] = { "", "LOWER", "HIGHER", NULL };
static const char *const start_names[] = { "general", "l1", "l2", "l3", "ie", "reverse", NULL };
static const char *const output_names[] = { "general", "l1", "l2", "l3", NULL };
const char *const iec_json_freezes[] = { "READ", "FREEZE", "FREEZE_AND_RESET", "RESET", NULL };

const char *const *const iec_json_values[IEC_KINDS] = {
	[IEC_SINGLE] = single_names,
	[IEC_DOUBLE] = double_names,
	[IEC_PROTECTION] = protection_names,
	[IEC_REGULATING] = regulating_names,
};

const char *const *const iec_json_bits[IEC_KINDS] = {
	[IEC_PROTECTION_START] = start_names,
	[IEC_PROTECTION_COMMAND] = output_names,
};

const char *const iec_json_elapsed[IEC_KINDS] = {
	[IEC_PROTECTION] = "elapsed_time",
	[IEC_PROTECTION_START] = "duration_time",
	[IEC_PROTECTION_COMMAND] = "operating_time",
};

static char *
put_bits(char *p, const char *const names[], uint32_t bits)
{
	*p++ = '{';
	for (unsigned i = 0; names[i]; i++) {
		if (i)
			*p++ = ',';
		p = put_string(p, names[i]);
		*p++ = ':';
		p = put_bool(p, bits >> i & 1);
	}
	*p++ = '}';
	return p;
}

static char *
put_bit_array(char *p, uint32_t bits)
{
	for (unsigned i = 0; i < 16; i++) {
		*p++ = i ? ',' : '[';
		p = put_bool(p, bits >> i & 1);
	}
	*p++ = ']';
	return p;
}

static char *
put_floating(char *p, float v)
{
	if (v - v == 0)
		return number_put_double(p, v);
	return v != v ? PUT(p, "\"nan\"") : v > 0 ? PUT(p, "\"inf\"") : PUT(p, "\"-inf\"");
}

static char *
put_bitstring(char *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--) {
		*p++ = i == 3 ? '[' : ',';
		p = number_put_uint(p, v >> 8 * i & 0xff);
	}
	*p++ = ']';
	return p;
}

static char *
put_value(char *p, enum iec_kind kind, const struct iec_object *o)
{
	if (iec_json_values[kind])
		return put_string(p, iec_json_values[kind][o->value]);
	if (iec_json_bits[kind])
		return put_bits(p, iec_json_bits[kind], (uint32_t)o->value);
	switch (kind) {
	case IEC_STEP_POSITION:
		p = number_put_int(PUT(p, "{\"value\":"), o->value);
		p = PUT_FLAG(PUT(p, ","), "transient", o->transient);
		return PUT(p, "}");
	case IEC_BITSTRING:
		return put_bitstring(p, (uint32_t)o->value);
	case IEC_NORMALIZED:
		return number_put_double(p, o->value / 32767.0);
	case IEC_FLOATING:
		return put_floating(p, o->real);
	case IEC_STATUS:
		p = put_bit_array(PUT(p, "{\"value\":"), (uint32_t)o->value);
		p = put_bit_array(PUT(p, ",\"change\":"), (uint32_t)o->value >> 16);
		return PUT(p, "}");
	default:
		return number_put_int(p, o->value);
	}
}

static char *
put_data(char *p, const struct iec_type *type, const struct iec_object *o)
{
	p = put_value(PUT(p, ",\"data\":{\"value\":"), type->kind, o);
	p = PUT(p, ",\"quality\":");
	if (type->quality == IEC_QUALITY_NONE)
		p = PUT(p, "null");
	else
		p = put_quality(p, type->quality, o->quality);
	if (iec_json_elapsed[type->kind]) {
		*p++ = ',';
		p = put_string(p, iec_json_elapsed[type->kind]);
		*p++ = ':';
		p = number_put_uint(p, o->elapsed);
	}
	return PUT(p, "}");
}

static char *
put_command(char *p, const struct iec_type *type, const struct iec_object *o)
{
	p = put_value(PUT(p, ",\"command\":{\"value\":"), type->kind, o);
	if (type->kind != IEC_BITSTRING)
		p = PUT_FLAG(PUT(p, ","), "select", o->select);
	if (iec_json_values[type->kind])
		p = number_put_uint(PUT(p, ",\"qualifier\":"), o->qualifier);
	return PUT(p, "}");
}

static char *
put_interrogation(char *p, const struct iec_type *type, const struct iec_object *o)
{
	p = number_put_uint(PUT(p, ",\"request\":"), o->qualifier);
	if (type->class == IEC_CLASS_COUNTER_INTERROGATION)
		p = put_string(PUT(p, ",\"freeze\":"), iec_json_freezes[o->freeze]);
	return p;
}

size_t
iec_json_write(char *out, bool slave, const struct asdu_head *head, const struct iec_object *o,
    int64_t connection)
{
	const struct iec_type *type = head->type;
	char *p = PUT(out, "{");

	if (type->class != IEC_CLASS_DATA && type->class != IEC_CLASS_COMMAND &&
	    type->class != IEC_CLASS_INTERROGATION &&
	    type->class != IEC_CLASS_COUNTER_INTERROGATION)
		return 0;
	if (connection >= 0) {
		p = number_put_int(PUT(p, "\"connection_id\":"), connection);
		*p++ = ',';
	}
	p = PUT_FLAG(p, "is_test", head->test);
	if (type->class != IEC_CLASS_DATA && !slave)
		p = PUT_FLAG(PUT(p, ","), "is_negative_confirm", head->negative);
	*p++ = ',';
	p = put_cause(p, type->class, slave, head->cause);
	if (type->class == IEC_CLASS_DATA)
		p = put_data(p, type, o);
	else if (type->class == IEC_CLASS_COMMAND)
		p = put_command(p, type, o);
	else
		p = put_interrogation(p, type, o);
	p = PUT(p, "}");
	return (size_t)(p - out);
}

static void
put_address(char *out, uint32_t v)
{
	*number_put_uint(out, v) = '\0';
}

const char *
iec_event_make(struct iec_event *e, struct iec_map *map, const struct asdu_head *head,
    const struct iec_object *o, int64_t connection, struct timestamp now)
{
	const struct iec_type *type = head->type;

	if (o->defect)
		return o->defect;
	e->has_timestamp = type->time != IEC_TIME_NONE && !o->time.invalid &&
			   iec_time_to_timestamp(&o->time, &map->zone, now, &e->timestamp) == 0;
	/* A value is worth more than its tag; a command of an unknown time is not executed. */
	if (type->time != IEC_TIME_NONE && !e->has_timestamp && map->slave)
		return "a time that is invalid or impossible";
	e->len = iec_json_write(e->text, map->slave, head, o, connection);
	if (e->len == 0)
		return "a type that has no events";
	put_address(e->common, head->common);
	if (type->class == IEC_CLASS_DATA || type->class == IEC_CLASS_COMMAND) {
		put_address(e->address, o->address);
		e->type[0] = type->class == IEC_CLASS_DATA ? "data" : "command";
		e->type[1] = kind_names[type->kind];
		e->type[2] = e->common;
		e->type[3] = e->address;
		e->type_len = 4;
		return NULL;
	}
	e->type[0] =
	    type->class == IEC_CLASS_INTERROGATION ? "interrogation" : "counter_interrogation";
	e->type[1] = e->common;
	e->type_len = 2;
	return NULL;
}
