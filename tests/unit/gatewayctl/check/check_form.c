#include <stdio.h>
#include <string.h>

#include "gatewayctl/check/form.h"
#include "tests/unit/suite.h"

static struct json_doc *
parse(const char *text)
{
	char err[80];
	struct json_doc *doc = json_parse(text, strlen(text), 1000, err, sizeof(err));

	ck_assert_msg(doc, "%s: %s", text, err);
	return doc;
}

/* Requests, of which the value is an integer of 16 bits. */
static const struct {
	const char *request, *payload, *why; /* why NULL: it is taken */
} payloads[] = {
	{ "{\"request_id\":$id,\"value\":$value}", "{\"request_id\":null,\"value\":7}", NULL },
	{ "{\"request_id\":$id,\"value\":$value}", "{\"value\":7}",
	    "the payload has no 'request_id'" },
	{ "{\"request_id\":$id,\"value\":$value}", "{\"request_id\":1,\"value\":70000}",
	    "value: expected an integer of 0..65535, found 70000" },
	{ "{\"c\":{\"value\":$value}}", "{\"c\":7}", "c: expected an object, found a number" },
	{ "{\"c\":{\"value\":$value,\"select\":false}}", "{\"c\":{\"value\":7,\"select\":true}}",
	    NULL },
	{ "{\"c\":{\"value\":$value,\"select\":false}}", "{\"c\":{\"value\":7,\"select\":1}}",
	    "c.select: expected a boolean, found a number" },
	{ "{\"address\":\"\",\"message\":$value}", "{\"address\":5,\"message\":1}",
	    "address: expected a string, found a number" },
	{ "$value", "7", NULL },
	{ "$value", "\"x\"", "expected an integer of 0..65535, found x" },
	{ "$value", NULL, "a payload is missing" },
	{ "", "7", NULL },
	{ "", NULL, NULL },
};

START_TEST(what_is_taken)
{
	struct json_doc *row = parse("{\"value\":\"integer 0..65535\"}");
	struct json_doc *payload = payloads[_i].payload ? parse(payloads[_i].payload) : NULL;
	struct json_doc *verb = json_doc_new(4);
	struct json *o = json_add(verb, NULL, JSON_OBJECT, NULL, NULL, 0);
	char why[DESCRIPTION_WHY] = "";

	json_add(
	    verb, o, JSON_STRING, "request", payloads[_i].request, strlen(payloads[_i].request));
	bool taken =
	    form_takes(json_root(row), json_root(verb), payload ? json_root(payload) : NULL, why);
	ck_assert_msg(taken == !payloads[_i].why, "%s", why);
	if (payloads[_i].why)
		ck_assert_str_eq(why, payloads[_i].why);
	json_free(row);
	json_free(verb);
	json_free(payload);
}
END_TEST

/* Forms. */
static const struct {
	const char *form, *payload, *why; /* why NULL: it is taken */
} forms[] = {
	{ "\"ON|OFF|integer 0..3\"", "\"OFF\"", NULL },
	{ "\"ON|OFF|integer 0..3\"", "3", NULL },
	{ "\"ON|OFF|integer 0..3\"", "4", "expected one of ON|OFF|integer 0..3, found 4" },
	{ "\"LOWER|HIGHER\"", "\"HIGER\"",
	    "expected one of LOWER|HIGHER, found HIGER; did you mean 'HIGHER'?" },
	{ "\"G01..16|S\"", "\"G16\"", NULL },
	{ "\"G01..16|S\"", "\"G01\"", NULL },
	{ "\"G01..16|S\"", "\"G17\"", "expected one of G01..16|S, found G17" },
	{ "\"G01..16|S\"", "\"G1\"", "expected one of G01..16|S, found G1" },
	{ "\"G01..16|S\"", "\"G0x\"", "expected one of G01..16|S, found G0x" },
	{ "\"number|nan\"", "\"nan\"", NULL },
	{ "\"number|nan\"", "1.5", NULL },
	{ "\"number|nan\"", "\"ten\"", "expected one of number|nan, found ten" },
	{ "\"null|text\"", "null", NULL },
	{ "\"null|text\"", "{}", "expected one of null|text, found an object" },
	{ "\"oid\"", "\"1.3.6\"", NULL },
	{ "\"oid\"", "\"sysUpTime\"", "expected oid, found sysUpTime" },
	{ "[\"boolean\",2]", "[true,false]", NULL },
	{ "[\"boolean\",2]", "[true]", ": expected 2 elements, found 1" },
	{ "[\"boolean\"]", "[]", NULL },
	{ "{\"a\":[\"boolean\"]}", "{\"a\":[true,1]}", "a: expected true or false, found 1" },
	{ "{\"q?\":{\"i\":\"boolean\"}}", "{}", NULL },
	{ "{\"q?\":{\"i\":\"boolean\"}}", "{\"q\":null}", NULL },
	{ "{\"q?\":{\"i\":\"boolean\"}}", "{\"q\":{}}", "the payload has no 'q.i'" },
	{ "{\"q\":{\"i\":\"boolean\"}}", "{}", "the payload has no 'q'" },
	{ "{\"q\":{\"i\":\"boolean\"}}", "{\"q\":{\"i\":\"yes\"}}",
	    "q.i: expected true or false, found yes" },
	{ "\"text\"", NULL, "a payload is missing" },
	{ "no JSON", NULL, NULL },
};

START_TEST(what_a_form_takes)
{
	struct json_doc *row = parse("{}"), *verb = json_doc_new(4);
	struct json_doc *payload = forms[_i].payload ? parse(forms[_i].payload) : NULL;
	struct json *o = json_add(verb, NULL, JSON_OBJECT, NULL, NULL, 0);
	char why[DESCRIPTION_WHY] = "";

	json_add(verb, o, JSON_STRING, "form", forms[_i].form, strlen(forms[_i].form));
	bool taken =
	    form_takes(json_root(row), json_root(verb), payload ? json_root(payload) : NULL, why);
	ck_assert_msg(taken == !forms[_i].why, "%s", why);
	if (forms[_i].why)
		ck_assert_str_eq(why, forms[_i].why);
	json_free(row);
	json_free(verb);
	json_free(payload);
}
END_TEST

static const struct {
	const char *kind, *segment, *why;
} parts[] = {
	{ "integer 0..255", "255", NULL },
	{ "integer 0..255", "256", "expected an integer of 0..255, found 256" },
	{ "integer 0..255", "-1", "expected an integer of 0..255, found -1" },
	{ "integer 0..255", "x", "expected an integer of 0..255, found x" },
	{ "integer 0..255", "", "expected an integer of 0..255, found " },
	{ "oid", "1.3", NULL },
	{ "oid", "13", "expected oid, found 13" },
	{ "text", "x", NULL },
};

START_TEST(what_a_part_may_be)
{
	char text[80], why[DESCRIPTION_WHY] = "";
	struct described wild = { .wilds = 1 };

	snprintf(text, sizeof(text), "{\"parts\":[\"%s\"]}", parts[_i].kind);
	snprintf(wild.wild[0], sizeof(wild.wild[0]), "%s", parts[_i].segment);
	struct json_doc *row = parse(text);
	bool taken = form_takes_parts(json_root(row), &wild, why);
	ck_assert_msg(taken == !parts[_i].why, "%s", why);
	if (parts[_i].why)
		ck_assert_str_eq(why, parts[_i].why);
	json_free(row);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, what_is_taken, payloads);
	tcase_add_table_test(tc, what_a_form_takes, forms);
	tcase_add_table_test(tc, what_a_part_may_be, parts);
}

UNIT_MAIN("form")
