#include <stdio.h>
#include <string.h>

#include "gatewayctl/description.h"
#include "tests/unit/parse.h"
#include "tests/unit/suite.h"

/* kind, what was typed, its JSON; what is wrong with it, or NULL. */
static const struct {
	const char *kind, *typed, *json, *why;
} values[] = {
	{ "integer", "7", "7", NULL },
	{ "integer", "0x1F", "31", NULL },
	{ "integer", "-7", "-7", NULL },
	{ "integer", "123456789012345678901234567890", "123456789012345678901234567890", NULL },
	{ "integer", "1.5", "1.5", "expected an integer, found 1.5" },
	{ "integer", "warm", "\"warm\"", "expected an integer, found warm" },
	{ "integer 0..1", "on", "1", NULL },
	{ "integer 0..1", "2", "2", "expected an integer of 0..1, found 2" },
	{ "integer -32768..65535", "-32768", "-32768", NULL },
	{ "integer -32768..65535", "-32769", "-32769",
	    "expected an integer of -32768..65535, found -32769" },
	{ "number", "1.5e3", "1.5e3", NULL },
	{ "number", "nan", "\"nan\"", NULL },
	{ "number -1..1", "-1.01", "-1.01", "expected a number of -1..1, found -1.01" },
	{ "number -1..1", "1", "1", NULL },
	{ "boolean", "On", "true", NULL },
	{ "boolean", "no", "false", NULL },
	{ "boolean", "maybe", "\"maybe\"", "expected true or false, found maybe" },
	{ "text", "7", "\"7\"", NULL },
	{ "text", "say \"x\"", "\"say \\\"x\\\"\"", NULL },
	{ "text", "\"x\"", "\"x\"", NULL },
	{ "json", "[1, 2]", "[1, 2]", NULL },
	{ "json", "x", "\"x\"", NULL },
	{ "OFF|ON", "on", "\"ON\"", NULL },
	{ "OFF|ON", "O", "\"O\"", "expected one of OFF|ON, found O" },
	{ "OFF|ON", "", "\"\"", "expected one of OFF|ON, found " },
};

START_TEST(typed_values)
{
	char out[DESCRIPTION_TEXT], why[DESCRIPTION_WHY] = "";

	description_value(values[_i].kind, values[_i].typed, out);
	ck_assert_str_eq(out, values[_i].json);
	struct json_doc *doc = parse(out);
	bool fits = description_value_fits(values[_i].kind, json_root(doc), why);
	ck_assert_int_eq(fits, !values[_i].why);
	if (values[_i].why)
		ck_assert_str_eq(why, values[_i].why);
	json_free(doc);
}
END_TEST

/* A value that is longer than there is room for becomes no half of one. */
START_TEST(long_values)
{
	static char typed[2 * DESCRIPTION_TEXT];
	char out[DESCRIPTION_TEXT];

	memset(typed, 'x', sizeof(typed) - 1);
	description_value("text", typed, out);
	ck_assert_str_eq(out, "null");
	memset(typed, '1', sizeof(typed) - 1);
	description_value("integer", typed, out);
	ck_assert_uint_lt(strlen(out), DESCRIPTION_TEXT);
}
END_TEST

static const char rows_text[] =
    "[{\"name\":\"1/temperature\",\"verbs\":[{\"verb\":\"write\"}]},"
    " {\"name\":\"1/input\",\"verbs\":[]},"
    " {\"name\":\"2/temperature\",\"verbs\":[{\"verb\":\"write\"}]},"
    " {\"name\":\"single/?/?\",\"verbs\":[{\"verb\":\"command\"}]},"
    " {\"name\":\"interrogation/?\",\"verbs\":[{\"verb\":\"interrogate\"}]}]";

static const struct {
	const char *name, *verb, *found; /* a name with its '?' filled in, or what is wrong */
	bool good;
} finds[] = {
	{ "1/temperature", "write", "1/temperature", true },
	{ "temperature", "write", "'temperature' may be 1/temperature or 2/temperature", false },
	{ "input", "", "1/input", true },
	{ "input", "write", "it has no data 'input' to write", false },
	{ "single/1/100", "command", "single/1/100", true },
	{ "1/100", "command", "it has no data '1/100' to command", false },
	{ "100", "command", "it has no data '100' to command", false },
	{ "3", "interrogate", "interrogation/3", true },
	{ "single/1", "", "it has no data 'single/1'", false },
	{ "imput", "", "it has no data 'imput'; did you mean 'input'?", false },
	{ "x", "fly", "it has no data to fly", false },
};

START_TEST(names)
{
	static struct described w;
	struct json_doc *doc = parse(rows_text);
	const struct json *rows[8];
	struct description d = { .rows = rows };
	char why[DESCRIPTION_WHY] = "", name[DESCRIPTION_TEXT];

	json_foreach (row, json_root(doc))
		rows[d.count++] = row;
	bool good = description_find(&d, finds[_i].name, finds[_i].verb, &w, why);
	ck_assert_msg(good == finds[_i].good, "%s: %s", finds[_i].name, why);
	if (good)
		description_name(&w, name);
	ck_assert_str_eq(good ? name : why, finds[_i].found);
	json_free(doc);
}
END_TEST

static const struct {
	const char *want, *have;
	bool holds;
} subsets[] = {
	{ "{\"a\":1}", "{\"a\":1,\"b\":2}", true },
	{ "{\"a\":1}", "{\"a\":2}", false },
	{ "{\"a\":1}", "{\"b\":1}", false },
	{ "{\"a\":{\"b\":true}}", "{\"a\":{\"b\":true,\"c\":null}}", true },
	{ "{\"a\":{\"b\":true}}", "{\"a\":{\"b\":false}}", false },
	{ "{\"a\":1}", "1", false },
	{ "\"x\"", "\"x\"", true },
	{ "{\"a\":\"x\"}", "{\"a\":\"xy\"}", false },
};

START_TEST(what_holds)
{
	struct json_doc *want = parse(subsets[_i].want), *have = parse(subsets[_i].have);

	ck_assert_int_eq(description_holds(json_root(want), json_root(have)), subsets[_i].holds);
	ck_assert(!description_holds(json_root(want), NULL));
	json_free(want);
	json_free(have);
}
END_TEST

START_TEST(requests_are_filled)
{
	char out[DESCRIPTION_TEXT];
	static char much[DESCRIPTION_TEXT];

	description_fill("{\"request_id\":$id,\"value\":$value}", "\"a\"", "7", out);
	ck_assert_str_eq(out, "{\"request_id\":\"a\",\"value\":7}");
	memset(much, '1', sizeof(much) - 1);
	description_fill("[$value,$value]", "", much, out);
	ck_assert_uint_eq(strlen(out), DESCRIPTION_TEXT - 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, typed_values, values);
	tcase_add_test(tc, long_values);
	tcase_add_table_test(tc, names, finds);
	tcase_add_table_test(tc, what_holds, subsets);
	tcase_add_test(tc, requests_are_filled);
}

UNIT_MAIN("gatewayctl description")
