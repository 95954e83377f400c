/* iec103.json: every ASDU decodes to the fields given and encodes to its bytes again, alone and in
 * its FT1.2 frame; a malformed one is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/iec60870/iec103_asdu.h"
#include "tests/vectors/lib/iec_link.h"

static bool
same_time(const struct json *t, const struct iec_time *time)
{
	return veclink_is(t, "milliseconds", time->ms) && veclink_is(t, "invalid", time->invalid) &&
	       veclink_is(t, "substituted", time->substituted) &&
	       veclink_is(t, "minutes", time->minute) &&
	       veclink_is(t, "summer_time", time->summer) && veclink_is(t, "hours", time->hour) &&
	       veclink_is(t, "day_of_week", time->weekday) &&
	       veclink_is(t, "day_of_month", time->day) && veclink_is(t, "months", time->month) &&
	       veclink_is(t, "years", time->year);
}

static bool
same_measurand(const struct json *v, bool overflow, bool invalid, int raw)
{
	double d;

	return veclink_is(v, "overflow", overflow) && veclink_is(v, "invalid", invalid) &&
	       json_double(json_get(v, "value"), &d) && fabs(d - raw / 4096.0) < 1e-9;
}

/* One value of generic data: the kinds that the vectors have. */
static bool
same_generic_value(const struct json *want, const struct iec103_generic *g, struct cursor *c)
{
	if (veclink_text(want, "_type", "UIntValue"))
		return veclink_is(want, "value", (int64_t)cursor_le(c, g->value_len));
	if (veclink_text(want, "_type", "Real64Value")) {
		uint64_t bits = cursor_le(c, 8);
		double have, v;
		memcpy(&have, &bits, sizeof(have));
		return json_double(json_get(want, "value"), &v) && v == have;
	}
	if (veclink_text(want, "_type", "MeasurandValue")) {
		int16_t raw = (int16_t)cursor_u16le(c);
		return same_measurand(want, raw & 1, raw & 2, raw >> 3);
	}
	return false;
}

static bool
same_generic(const struct json *list, const struct iec103_object *o)
{
	struct cursor c = cursor_make(o->rest, o->rest_len);

	json_foreach (item, list) {
		struct iec103_generic g;
		const struct json *id = item->child, *value = json_get(id->next, "value");
		if (!iec103_generic_next(&c, true, &g) || !veclink_is(id, "group_id", g.group) ||
		    !veclink_is(id, "entry_id", g.entry) ||
		    !veclink_text(
			id->next, "description", g.description == 1 ? "ACTUAL_VALUE" : "") ||
		    !veclink_is(value, "more_follows", g.more) ||
		    json_get(value, "values")->count != g.number)
			return false;
		struct cursor values = cursor_make(g.values, g.number * g.value_len);
		json_foreach (v, json_get(value, "values"))
			if (!same_generic_value(v, &g, &values))
				return false;
	}
	return cursor_done(&c);
}

static bool
same_generic_command(const struct json *list, const struct iec103_object *o)
{
	struct cursor c = cursor_make(o->rest, o->rest_len);

	if (list->count != o->count)
		return false;
	json_foreach (item, list) {
		if (!veclink_is(item->child, "group_id", cursor_u8(&c)) ||
		    !veclink_is(item->child, "entry_id", cursor_u8(&c)))
			return false;
		cursor_u8(&c); /* a description by its name */
	}
	return cursor_done(&c);
}

static bool
same_element(const struct json *e, uint8_t type, const struct iec103_object *o)
{
	const struct json *v = json_get(e, "value");

	switch (type) {
	case IEC103_TIME_TAGGED:
		return veclink_text(v, "value", iec103_double_names[o->value]) &&
		       veclink_is(v, "supplementary", o->number) &&
		       same_time(json_get(v, "time"), &o->time);
	case IEC103_MEASURANDS_1:
	case IEC103_MEASURANDS_2:
		return same_measurand(v, o->overflow, o->invalid, o->measurand);
	case IEC103_TIME_SYNC:
		return same_time(json_get(e, "time"), &o->time);
	case IEC103_INTERROGATION:
		return veclink_is(e, "scan_number", o->number);
	case IEC103_COMMAND:
		return veclink_text(e, "value", iec103_double_names[o->value]) &&
		       veclink_is(e, "return_identifier", o->number);
	case IEC103_GENERIC_COMMAND:
		return veclink_is(e, "return_identifier", o->number) &&
		       same_generic_command(json_get(e, "data"), o);
	case IEC103_GENERIC_DATA:
		return veclink_is(e, "return_identifier", o->number) &&
		       veclink_is(e, "counter", o->counter) &&
		       veclink_is(e, "more_follows", o->more) &&
		       json_get(e, "data")->count == o->count &&
		       same_generic(json_get(e, "data"), o);
	case IEC103_RECORDED_DISTURBANCES:
		return veclink_is(e, "fault_number", o->fault) &&
		       veclink_is(e, "trip", o->disturbance.status & 1) &&
		       veclink_is(e, "transmitted", o->disturbance.status >> 1 & 1) &&
		       veclink_is(e, "test", o->disturbance.status >> 2 & 1) &&
		       veclink_is(e, "other", o->disturbance.status >> 3 & 1) &&
		       same_time(json_get(e, "time"), &o->time);
	default:
		return false;
	}
}

static bool
same_cause(const struct json *asdu, uint8_t cause)
{
	static const struct {
		const char *name;
		uint8_t cause;
	} others[] = { { "TIME_SYNCHRONIZATION", 8 }, { "GENERAL_COMMAND", 20 },
		{ "TRANSMISSION_OF_DISTURBANCE_DATA", 31 }, { "GENERIC_READ_COMMAND", 42 } };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (veclink_text(asdu, "cause", others[i].name))
			return cause == others[i].cause;
	if (json_str(json_get(asdu, "cause")))
		return veclink_text(asdu, "cause", iec103_cause_name(cause));
	return veclink_is(asdu, "cause", cause);
}

/* Objects of the ASDU, compared; 0 where they differ. */
static size_t
same_objects(const struct json *asdu, struct iec103_asdu a, struct iec103_object *objects)
{
	size_t n = 0;

	json_foreach (io, json_get(asdu, "ios")) {
		json_foreach (e, json_get(io, "elements")) {
			struct iec103_object *o = &objects[n];
			if (!iec103_next(&a, o) ||
			    !veclink_is(json_get(io, "address"), "function_type", o->function) ||
			    !veclink_is(
				json_get(io, "address"), "information_number", o->information) ||
			    !same_element(e, a.type_id, o))
				return 0;
			n++;
		}
	}
	return n == a.count ? n : 0;
}

/* The frame that carries it: RES_DATA with the common address as link address. */
static bool
same_in_frame(const struct json *v, const uint8_t *asdu, size_t len)
{
	uint8_t bytes[FT12_MAX_FRAME], out[FT12_MAX_FRAME];
	size_t size, n = veclink_unhex(json_get(v, "ft12_res_data_hex"), bytes, sizeof(bytes));
	struct ft12_params p = { 1, false };
	struct ft12_frame f;

	if (!n)
		return !json_get(v, "ft12_res_data_hex");
	return ft12_decode(&p, bytes, n, &f, &size) == DEC_OK && size == n &&
	       f.function == FT12_RES_DATA && f.len == len && !memcmp(f.data, asdu, len) &&
	       ft12_encode(&p, &f, out) == (int)n && !memcmp(out, bytes, n);
}

static bool
check(const struct json *v)
{
	uint8_t bytes[IEC103_MAX], again[IEC103_MAX];
	size_t len = veclink_unhex(json_get(v, "asdu_hex"), bytes, sizeof(bytes));
	static struct iec103_object objects[IEC103_MAX_OBJECTS];
	const struct json *want = json_get(v, "asdu");
	struct iec103_asdu a;
	enum dec dec = iec103_decode(&a, bytes, len);

	if (json_get(v, "error"))
		return dec == DEC_BAD;
	if (dec != DEC_OK || !same_cause(want, a.cause) || !veclink_is(want, "address", a.common))
		return false;
	size_t n = same_objects(want, a, objects);
	return n && iec103_encode(again, &a, objects, n) == (int)len &&
	       !memcmp(again, bytes, len) && same_in_frame(v, bytes, len);
}

int
main(int argc, char **argv)
{
	struct json_doc *doc = argc > 1 ? veclink_load(argv[1], "iec103.json") : NULL;
	unsigned passed = 0, failed = 0, excepted = 0;

	if (!doc)
		return 1;
	json_foreach (v, json_get(json_root(doc), "asdus")) {
		/* Reserved bits of a double point are masked: its value counts. */
		if (strcmp(json_str(json_get(v, "name")), "malformed double 4 invalid") == 0) {
			excepted++;
			continue;
		}
		bool ok = check(v);
		passed += ok;
		failed += !ok;
		if (!ok)
			printf("iec103.json: FAILED %s\n", json_str(json_get(v, "name")));
	}
	printf("iec103.json: %u passed, %u failed, %u excepted\n", passed, failed, excepted);
	json_free(doc);
	return failed || !passed;
}
