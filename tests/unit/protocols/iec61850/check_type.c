/* Types of the configuration, and values between octets and JSON: each both ways. */
#include "protocols/iec61850/type.h"

#include <stdio.h>

#include "tests/unit/expect.h"
#include "tests/unit/parse.h"
#include "tests/unit/suite.h"

enum { ROOM = 1000 };

static uint8_t octets[ROOM];

static size_t
from_hex(const char *hex)
{
	size_t n = 0;

	for (; hex[2 * n]; n++)
		ck_assert_int_eq(sscanf(hex + 2 * n, "%2hhx", &octets[n]), 1);
	return n;
}

static struct iec61850_type *
type_of(const char *conf)
{
	struct json_doc *doc = parse(conf);
	char why[100] = "";
	struct iec61850_type *type = iec61850_type_new(json_root(doc), why);

	ck_assert_msg(type != NULL, "%s: %s", conf, why);
	json_free(doc);
	return type;
}

static struct mms_value
value_of(const char *hex)
{
	struct mms_values list;
	struct mms_value v;

	ck_assert(mms_values_check(&list, octets, from_hex(hex)));
	ck_assert(mms_values_next(&list, &v));
	return v;
}

#define STRUCT_AB                                                                                  \
	"{\"type\":\"STRUCT\",\"elements\":[{\"name\":\"a\",\"type\":\"INTEGER\"},"                \
	"{\"name\":\"b\",\"type\":\"BOOLEAN\"}]}"
#define ARRAY_2 "{\"type\":\"ARRAY\",\"element_type\":\"UNSIGNED\",\"length\":2}"

/* one way: what a device may send and we do not */
static const struct {
	const char *type, *hex, *json;
	bool one_way;
} values[] = {
	{ "\"BOOLEAN\"", "830101", "true", false },
	{ "\"INTEGER\"", "8501fe", "-2", false },
	{ "\"UNSIGNED\"", "860200ff", "255", false },
	{ "\"UNSIGNED\"", "86ff", NULL, false },
	{ "\"FLOAT\"", "8705083fc00000", "1.5", false },
	{ "\"FLOAT\"", "8705087fc00000", "\"nan\"", false },
	{ "\"FLOAT\"", "8705087f800000", "\"inf\"", false },
	{ "\"FLOAT\"", "870508ff800000", "\"-inf\"", false },
	{ "\"FLOAT\"", "87090b3ff8000000000000", "1.5", true },
	{ "\"BIT_STRING\"", "840205a0", "[true,false,true]", false },
	{ "\"OCTET_STRING\"", "890300ff10", "\"00ff10\"", false },
	{ "\"VISIBLE_STRING\"", "8a026162", "\"ab\"", false },
	{ "\"MMS_STRING\"", "9002c3a4", "\"\xc3\xa4\"", false },
	{ "\"QUALITY\"", "8403030000",
	    "{\"validity\":\"GOOD\",\"details\":[],\"source\":\"PROCESS\",\"test\":false,"
	    "\"operator_blocked\":false}",
	    false },
	{ "\"QUALITY\"", "840303e078",
	    "{\"validity\":\"QUESTIONABLE\",\"details\":[\"OVERFLOW\",\"INACCURATE\"],"
	    "\"source\":\"SUBSTITUTED\",\"test\":true,\"operator_blocked\":true}",
	    true },
	{ "\"QUALITY\"", "8403034000",
	    "{\"validity\":\"INVALID\",\"details\":[],\"source\":\"PROCESS\",\"test\":false,"
	    "\"operator_blocked\":false}",
	    false },
	{ "\"TIMESTAMP\"", "91086955b900800000ca",
	    "{\"value\":1767225600.5,\"leap_second\":true,\"clock_failure\":true,"
	    "\"not_synchronized\":false,\"accuracy\":10}",
	    false },
	{ "\"TIMESTAMP\"", "9108000000000000003f",
	    "{\"value\":0.0,\"leap_second\":false,\"clock_failure\":false,"
	    "\"not_synchronized\":true}",
	    false },
	{ "\"DOUBLE_POINT\"", "84020640", "\"OFF\"", false },
	{ "\"DOUBLE_POINT\"", "84020680", "\"ON\"", false },
	{ "\"BINARY_CONTROL\"", "840206c0", "\"RESERVED\"", false },
	{ "\"DIRECTION\"", "850103", "\"BOTH\"", false },
	{ "\"SEVERITY\"", "850104", "\"WARNING\"", false },
	{ "\"SEVERITY\"", "850105", NULL, false },
	{ "\"ANALOGUE\"", "a2038501ff", "{\"i\":-1}", false },
	{ "\"ANALOGUE\"", "a20a8501078705083fc00000", "{\"i\":7,\"f\":1.5}", false },
	{ "\"VECTOR\"", "a20ea2058501078501", NULL, false },
	{ "\"VECTOR\"", "a20aa203850107a203850108", "{\"magnitude\":{\"i\":7},\"angle\":{\"i\":8}}",
	    false },
	{ "\"STEP_POSITION\"", "a206850103830100", "{\"value\":3,\"transient\":false}", false },
	{ "\"STEP_POSITION\"", "a2038501c0", "{\"value\":-64}", false },
	{ STRUCT_AB, "a206850101830101", "{\"a\":1,\"b\":true}", false },
	{ STRUCT_AB, "a203850101", NULL, false },
	{ ARRAY_2, "a106860101860102", "[1,2]", false },
	{ ARRAY_2, "a103860101", NULL, false },
	{ ARRAY_2, "a206860101860102", NULL, false },
	{ "\"BOOLEAN\"", "850101", NULL, false },
	{ "\"DOUBLE_POINT\"", "840205a0", NULL, false },
	{ "\"QUALITY\"", "84020640", NULL, false },
};

/* Rows whose octets are no list of values have no value of the type either. */
static bool
decode(const char *hex, const struct iec61850_type *type, struct mms_value *v)
{
	struct mms_values list;

	return mms_values_check(&list, octets, from_hex(hex)) && mms_values_next(&list, v) &&
	       iec61850_value_check(type, v);
}

START_TEST(values_become_json)
{
	struct iec61850_type *type = type_of(values[_i].type);
	struct buffer b;
	struct json_writer w = { .b = &b };
	struct mms_value v;

	if (!values[_i].json) {
		ck_assert(!decode(values[_i].hex, type, &v));
	} else {
		ck_assert(decode(values[_i].hex, type, &v));
		buffer_init(&b, ROOM);
		iec61850_value_to_json(&w, NULL, type, &v);
		buffer_u8(&b, 0);
		ck_assert_str_eq((const char *)buffer_data(&b), values[_i].json);
		buffer_clear(&b);
	}
	iec61850_type_free(type);
}
END_TEST

START_TEST(equal_types)
{
	static const char *const different[] = { "\"BOOLEAN\"", "\"INTEGER\"",
		"{\"type\":\"ARRAY\",\"element_type\":\"BOOLEAN\",\"length\":2}",
		"{\"type\":\"ARRAY\",\"element_type\":\"BOOLEAN\",\"length\":3}",
		"{\"type\":\"ARRAY\",\"element_type\":\"INTEGER\",\"length\":2}",
		"{\"type\":\"STRUCT\",\"elements\":[{\"name\":\"a\",\"type\":\"BOOLEAN\"}]}",
		"{\"type\":\"STRUCT\",\"elements\":[{\"name\":\"b\",\"type\":\"BOOLEAN\"}]}",
		"{\"type\":\"STRUCT\",\"elements\":[{\"name\":\"a\",\"type\":\"INTEGER\"}]}" };
	enum { N = sizeof(different) / sizeof(different[0]) };

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			struct iec61850_type *a = type_of(different[i]), *b = type_of(different[j]);
			ck_assert_int_eq(iec61850_type_equal(a, b), i == j);
			iec61850_type_free(a);
			iec61850_type_free(b);
		}
}
END_TEST

START_TEST(json_becomes_values)
{
	struct iec61850_type *type = type_of(values[_i].type);
	uint8_t out[ROOM];
	struct ber_writer w;

	if (values[_i].json && !values[_i].one_way) {
		struct json_doc *doc = parse(values[_i].json);
		size_t len = from_hex(values[_i].hex);
		ber_writer_init(&w, out, sizeof(out));
		ck_assert(iec61850_value_from_json(&w, type, json_root(doc)));
		ck_assert_uint_eq(ber_writer_done(&w), len);
		ck_assert_mem_eq(out, octets, len);
		json_free(doc);
	}
	iec61850_type_free(type);
}
END_TEST

static const struct {
	const char *type, *json;
} wrong[] = {
	{ "\"BOOLEAN\"", "1" },
	{ "\"INTEGER\"", "1.5" },
	{ "\"UNSIGNED\"", "-1" },
	{ "\"FLOAT\"", "\"one\"" },
	{ "\"BIT_STRING\"", "[1]" },
	{ "\"OCTET_STRING\"", "\"abc\"" },
	{ "\"OCTET_STRING\"", "\"zz\"" },
	{ "\"VISIBLE_STRING\"", "null" },
	{ "\"QUALITY\"", "{\"validity\":\"GOOD\"}" },
	{ "\"TIMESTAMP\"", "{\"value\":-1}" },
	{ "\"TIMESTAMP\"", "{\"value\":1,\"accuracy\":25}" },
	{ "\"DOUBLE_POINT\"", "\"HALF\"" },
	{ "\"ANALOGUE\"", "{}" },
	{ "\"VECTOR\"", "{\"angle\":{\"i\":1}}" },
	{ "\"STEP_POSITION\"", "{\"transient\":true}" },
	{ STRUCT_AB, "{\"a\":1}" },
	{ ARRAY_2, "[1,2,3]" },
};

START_TEST(json_of_another_type_is_refused)
{
	struct iec61850_type *type = type_of(wrong[_i].type);
	struct json_doc *doc = parse(wrong[_i].json);
	uint8_t out[ROOM];
	struct ber_writer w;

	ber_writer_init(&w, out, sizeof(out));
	ck_assert(!iec61850_value_from_json(&w, type, json_root(doc)));
	json_free(doc);
	iec61850_type_free(type);
}
END_TEST

static const char *const no_types[] = { "\"INT\"", "1", "{}", "{\"type\":\"ARRAY\"}",
	"{\"type\":\"ARRAY\",\"element_type\":\"FLOAT\",\"length\":0}",
	"{\"type\":\"STRUCT\",\"elements\":[]}", "{\"type\":\"STRUCT\",\"elements\":[{}]}",
	"{\"type\":\"STRUCT\",\"elements\":[{\"name\":\"a\"}]}" };

START_TEST(what_is_no_type_says_why)
{
	struct json_doc *doc = parse(no_types[_i]);
	char why[100] = "";

	ck_assert(iec61850_type_new(json_root(doc), why) == NULL);
	ck_assert_str_ne(why, "");
	json_free(doc);
}
END_TEST

START_TEST(ways_into_values)
{
	const struct iec61850_step magnitude[] = { { .name = "mag" }, { .name = "f" } };
	const struct iec61850_step none[] = { { .name = "mag" }, { .name = "x" } };
	struct iec61850_type *type = type_of("\"VECTOR\"");
	struct mms_value whole = value_of("a20ea2078705083fc00000a203850108"), v;

	ck_assert_int_eq(iec61850_type_at(type, magnitude, 2)->kind, IEC61850_FLOAT);
	ck_assert(iec61850_type_at(type, none, 2) == NULL);
	ck_assert(iec61850_value_at(type, &whole, magnitude, 2, &v));
	ck_assert_int_eq(v.kind, MMS_FLOAT);
	ck_assert(!iec61850_value_at(type, &whole, none, 2, &v));
	iec61850_type_free(type);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, values_become_json, values);
	tcase_add_table_test(tc, json_becomes_values, values);
	tcase_add_table_test(tc, json_of_another_type_is_refused, wrong);
	tcase_add_table_test(tc, what_is_no_type_says_why, no_types);
	tcase_add_test(tc, ways_into_values);
	tcase_add_test(tc, equal_types);
}

UNIT_MAIN("iec61850 type")
