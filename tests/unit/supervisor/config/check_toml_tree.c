#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "supervisor/config/toml_tree.h"
#include "tests/unit/suite.h"

/* What is read, as JSON with its keys in order, or the fault. */
static const struct {
	const char *text, *json;
} rows[] = {
	{ "", "{}" },
	{ "\xef\xbb\xbf# a comment of dots ................................................\n",
	    "{}" },
	{ "a = 1\r\nb = -0x1F\n", "!2:7 : not TOML: expected the end of the line, found 'x'" },
	{ "a = 0x1F\nb = 1_000\nc = 0o17\nd = 0b101\n", "{\"a\":31,\"b\":1000,\"c\":15,\"d\":5}" },
	{ "a = 9600.0\nb = 0.1\nc = 1e300\nd = -1.5E-7\n",
	    "{\"a\":9600,\"b\":0.1,\"c\":1e+300,\"d\":-1.5e-7}" },
	{ "a = 9223372036854775807\n", "{\"a\":9223372036854775807}" },
	{ "a = 99999999999999999999\n", "{\"a\":99999999999999999999}" },
	{ "a = 0xffffffffffffffff\nb = 0x10000000000000000\n",
	    "!2:5 : an integer of more than 64 bits" },
	{ "a = \"\"\n", "{\"a\":\"\"}" },
	{ "a = true\nb = [false, \"x\", []]\n", "{\"a\":true,\"b\":[false,\"x\",[]]}" },
	{ "a = 'C:\\x'\nb = \"\\u00e9\\t\"\nc = '''\na\"b'''\nd = \"\"\"x\"y\"\"\"\"\"\n",
	    "{\"a\":\"C:\\\\x\",\"b\":\"\xc3\xa9\\u0009\",\"c\":\"a\\\"b\",\"d\":"
	    "\"x\\\"y\\\"\\\"\"}" },
	{ "a.b.c = 1\na.d = 2\n[x.y]\nz = {k = 'v'}\n",
	    "{\"a\":{\"b\":{\"c\":1},\"d\":2},\"x\":{\"y\":{\"z\":{\"k\":\"v\"}}}}" },
	{ "[[d]]\nn = 1\n[[d.e]]\nm = 2\n[[d]]\nn = 3\n",
	    "{\"d\":[{\"n\":1,\"e\":[{\"m\":2}]},{\"n\":3}]}" },
	{ "a = 1\na = 2\n", "!2:1 : not TOML: 'a' has its value already" },
	{ "a = {}\n[a.b]\n", "!2:1 : not TOML: 'a' has its value already" },
	{ "a = null\n", "!1:5 : not TOML: expected a value, found 'n'" },
	{ "a = \"\xff\"\n", "!1:6 : expected UTF-8, found other bytes" },
	{ "a = \"\\u0000\"\n", "{\"a\":\"\\u0000\"}" },
	{ "\n \"a\\u0000\" = 1\n", "!2:2 : a NUL in a key" },
	{ "a = 1979-05-27\n", "!1:5 : expected a value of JSON, found a date or a time" },
	{ "a = [1, inf]\n", "!1:9 : expected a number of JSON, found infinity or NaN" },
	{ "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1\n",
	    "!1:65 : "
	    "nested too deep (32 levels at most)" },
	{ "a = '''x'''''\nb = {c = \"\"\"x\"\"\"\"\", "
	  "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1}\n",
	    "!2:85 : "
	    "nested too deep (32 levels at most)" },
	{ "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
	    "!1:36 : "
	    "nested too deep (32 levels at most)" },
};

static void
on_fault(void *arg, enum schema_severity severity, uint32_t line, uint32_t column, const char *path,
    const char *message)
{
	ck_assert_int_eq(severity, SCHEMA_ERROR);
	buffer_printf(arg, "!%u:%u %s: %s", line, column, path, message);
}

/* Reads into b, NUL-terminated. */
static void
read_into(struct buffer *b, const char *text, size_t len, size_t max_nodes)
{
	struct json_writer w = { .b = b };

	buffer_reset(b);
	struct json_doc *doc = toml_tree_parse(text, len, max_nodes, on_fault, b);
	if (doc)
		json_put_tree(&w, NULL, json_root(doc));
	json_free(doc);
	buffer_u8(b, 0);
}

START_TEST(documents_and_faults)
{
	struct buffer b;

	buffer_init(&b, 1 << 16);
	read_into(&b, rows[_i].text, strlen(rows[_i].text), 40);
	ck_assert_str_eq((const char *)buffer_data(&b), rows[_i].json);
	buffer_clear(&b);
}
END_TEST

START_TEST(values_know_their_places)
{
	static const char text[] = "a.b = 1\n[c]\n  d = [\n    'x',\n  ]\n[[e]]\n  f = {g = 2}\n";
	static const struct {
		const char *first, *second;
		uint32_t line, column;
	} places[] = {
		{ "a", "b", 1, 7 },
		{ "c", NULL, 2, 1 },
		{ "c", "d", 3, 7 },
		{ "e", NULL, 6, 1 },
	};
	struct buffer b;

	buffer_init(&b, 1 << 16);
	struct json_doc *doc = toml_tree_parse(text, sizeof(text) - 1, 100, on_fault, &b);
	ck_assert_ptr_nonnull(doc);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct json *j = json_get(json_root(doc), places[i].first);
		if (places[i].second)
			j = json_get(j, places[i].second);
		ck_assert_ptr_nonnull(j);
		ck_assert_uint_eq(j->line, places[i].line);
		ck_assert_uint_eq(j->column, places[i].column);
	}
	json_free(doc);
	buffer_clear(&b);
}
END_TEST

/* A mebibyte of each, which ends somewhere. */
START_TEST(any_pattern_ends_soon)
{
	static const struct {
		const char *pattern;
		bool good;
	} patterns[] = { { "\n", true }, { "#. ", true }, { "[", false }, { "a.", false },
		{ "\"", false }, { "'", false }, { "a={", false }, { "\"\"\"", false },
		{ "[[a]]\n", false }, { "[a.b]\n", false }, { "a=[\"\",", false }, { "\\", false },
		{ "0.", false }, { "a=[\n", false }, { "\"\\", false }, { "\xc3\xa9", false },
		{ "\r", false } };
	size_t len = 1 << 20;
	char *text = malloc(len);
	struct buffer b;

	ck_assert_ptr_nonnull(text);
	buffer_init(&b, 1 << 16);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		size_t n = strlen(patterns[i].pattern);
		for (size_t at = 0; at < len; at++)
			text[at] = patterns[i].pattern[at % n];
		read_into(&b, text, len / n * n, 1000);
		ck_assert_msg((buffer_data(&b)[0] != '!') == patterns[i].good, "%s: %s",
		    patterns[i].pattern, (const char *)buffer_data(&b));
	}
	buffer_clear(&b);
	free(text);
}
END_TEST

START_TEST(values_are_counted)
{
	static const char text[] = "a = [1, 2, 3]\n[b]\nc = {}\n";
	struct buffer b;

	buffer_init(&b, 1 << 16);
	read_into(&b, text, sizeof(text) - 1, 7);
	ck_assert_str_eq((const char *)buffer_data(&b), "{\"a\":[1,2,3],\"b\":{\"c\":{}}}");
	read_into(&b, text, sizeof(text) - 1, 6);
	ck_assert_str_eq((const char *)buffer_data(&b), "!3:5 : too many values");
	buffer_clear(&b);
}
END_TEST

START_TEST(keys_are_compared_so_often)
{
	struct buffer text, b;

	buffer_init(&text, 1 << 20);
	buffer_init(&b, 1 << 20);
	for (int i = 0; i < 10000; i++)
		buffer_printf(&text, "k%d = 1\n", i);
	read_into(&b, (const char *)buffer_data(&text), text.len, 100000);
	ck_assert_int_eq(buffer_data(&b)[0], '{');
	for (int i = 0; i < 10; i++)
		buffer_printf(&text, "x%d = 1\n", i);
	read_into(&b, (const char *)buffer_data(&text), text.len, 100000);
	ck_assert_str_eq(
	    (const char *)buffer_data(&b), "!10002:1 : too many keys in too large tables");
	buffer_clear(&text);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_table_test(tc, documents_and_faults, rows);
	tcase_add_test(tc, values_know_their_places);
	tcase_add_test(tc, any_pattern_ends_soon);
	tcase_add_test(tc, values_are_counted);
	tcase_add_test(tc, keys_are_compared_so_often);
}

UNIT_MAIN("toml")
