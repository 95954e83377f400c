#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/output.h"
#include "tests/unit/suite.h"

static const struct column columns[] = {
	{ "name", "NAME", CELL_TEXT, false, false },
	{ "since", "SINCE", CELL_DURATION, false, false },
	{ "n", "N", CELL_INT, true, false },
	{ "why", "WHY", CELL_TEXT, false, true },
	{ "rate", "RATE", CELL_RATE, true, false },
	{ 0 },
};

static struct json_doc *
parse(const char *text)
{
	char err[100];
	struct json_doc *doc = json_parse(text, strlen(text), 1000, err, sizeof(err));

	ck_assert_msg(doc != NULL, "%s: %s", text, err);
	return doc;
}

/* The table of rows (a JSON array) as text, for free(). */
static char *
print_table(const char *rows, size_t width)
{
	struct json_doc *doc = parse(rows);
	struct table t;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	table_init(&t, columns);
	json_foreach (row, json_root(doc))
		table_add(&t, row);
	table_print(&t, f, "", width);
	table_clear(&t);
	fclose(f);
	json_free(doc);
	return text;
}

static void
assert_table(const char *rows, size_t width, const char *expected)
{
	char *text = print_table(rows, width);

	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(table_without_rows)
{
	assert_table("[]", 0, "NAME  SINCE  N  WHY  RATE\n");
}
END_TEST

START_TEST(table_fits_its_content)
{
	assert_table(
	    "[{\"name\": \"plc1\", \"since\": 7987000, \"n\": 0, \"why\": null, \"rate\": 12},"
	    " {\"name\": \"\xc5\xbc\xc3\xb3\xc5\x82w\", \"since\": 97200000, \"n\": 1234,"
	    "  \"why\": \"SIGSEGV\", \"rate\": 0.25}]",
	    0,
	    "NAME  SINCE        N  WHY      RATE\n"
	    "plc1  02:13:07     0  -        12.0\n"
	    "\xc5\xbc\xc3\xb3\xc5\x82w  1d03h     1234  SIGSEGV   0.2\n");
}
END_TEST

START_TEST(what_there_is_not)
{
	assert_table("[{}, {\"name\": \"\", \"since\": -1, \"n\": null, \"rate\": \"x\"}]", 0,
	    "NAME  SINCE  N  WHY  RATE\n"
	    "-     -      -  -       -\n"
	    "-     -      -  -       -\n");
}
END_TEST

START_TEST(columns_of_a_terminal_are_no_characters)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	ck_assert_uint_eq(output_width("\xe6\xb3\xb5\xe7\xab\x99-1"), 6); /* two of Chinese */
	ck_assert_uint_eq(output_width("e\xcc\x81"), 1);		  /* an accent of its own */
	ck_assert_uint_eq(output_width("\xff\xfe"), 2);
	/* Half of a wide character is not cut off. */
	assert_table("[{\"name\": \"a\", \"n\": 1, \"rate\": 1, \"why\": "
		     "\"\xe6\xb3\xb5\xe7\xab\x99\xe6\xb3\xb5\xe7\xab\x99\xe6\xb3\xb5\"}]",
	    26,
	    "NAME SINCE N WHY      RATE\n"
	    "a    -     1 \xe6\xb3\xb5\xe7\xab\x99\xe6\xb3\xb5…   1.0\n");
}
END_TEST

START_TEST(narrow_terminal_cuts_only_what_may_shrink)
{
	static const char row[] =
	    "[{\"name\": \"a-long-name\", \"since\": 0, \"n\": 1,"
	    " \"why\": \"protocol violation: \xc5\xbc of nothing\", \"rate\": 1}]";

	assert_table(row, 50,
	    "NAME        SINCE    N WHY                    RATE\n"
	    "a-long-name 00:00:00 1 protocol violation: \xc5\xbc…  1.0\n");
	/* No further than this, whatever the terminal. */
	assert_table(row, 10,
	    "NAME SINCE    N WHY      RATE\n"
	    "a-long-name 00:00:00 1 protoco…  1.0\n");
	/* To a pipe: nothing is cut. */
	char *text = print_table(row, 0);
	ck_assert_ptr_nonnull(strstr(text, "\xc5\xbc of nothing"));
	free(text);
}
END_TEST

START_TEST(control_characters_do_not_pass)
{
	assert_table("[{\"name\": \"a\\u001b[31m\\n\\u007f\\u009bb\"}]", 0,
	    "NAME        SINCE  N  WHY  RATE\n"
	    "a?[31m ?\xc2\xbf"
	    "b  -      -  -       -\n");
}
END_TEST

/* One cell as text and as JSON. */
static void
assert_cell(enum cell cell, const char *row, const char *text, const char *json)
{
	const struct column one[] = { { "v", "V", cell, false, false }, { 0 } };
	struct json_doc *doc = parse(row);
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, 10000);
	if (text) {
		output_cell_text(&b, &one[0], json_root(doc));
		ck_assert_uint_eq(b.len, strlen(text));
		ck_assert_mem_eq(buffer_data(&b), text, b.len);
	}
	buffer_reset(&b);
	output_row_json(&w, NULL, one, json_root(doc));
	ck_assert_uint_eq(b.len, strlen(json));
	ck_assert_mem_eq(buffer_data(&b), json, b.len);
	buffer_clear(&b);
	json_free(doc);
}

START_TEST(cells)
{
	assert_cell(CELL_TEXT, "{\"v\": \"x\"}", "x", "{\"v\":\"x\"}");
	assert_cell(CELL_INT, "{\"v\": 123456789012345678901234567890}",
	    "123456789012345678901234567890", "{\"v\":123456789012345678901234567890}");
	assert_cell(CELL_RATE, "{\"v\": 1.25}", "1.2", "{\"v\":1.250}");
	assert_cell(CELL_DURATION, "{\"v\": 61001}", "00:01:01", "{\"v\":61.001}");
	assert_cell(CELL_DURATION, "{\"v\": 86399999}", "23:59:59", "{\"v\":86399.999}");
	assert_cell(CELL_DURATION, "{\"v\": 86400000}", "1d00h", "{\"v\":86400.000}");
	assert_cell(CELL_TIME, "{\"v\": [0, 1]}", NULL, "{\"v\":\"1970-01-01T00:00:00.000001Z\"}");
	assert_cell(CELL_TIME, "{\"v\": [1]}", "-", "{\"v\":null}");
	assert_cell(CELL_TIME, "{\"v\": [9223372036854775807, 0]}", "-", "{\"v\":null}");
	assert_cell(CELL_FLAG, "{\"v\": true}", "yes", "{\"v\":true}");
	assert_cell(CELL_LIST, "{\"v\": []}", "none", "{\"v\":[]}");
	assert_cell(CELL_LIST, "{\"v\": [\"a\", \"b\"]}", "a,b", "{\"v\":[\"a\",\"b\"]}");
	assert_cell(CELL_TYPE, "{\"v\": [\"a\", \"b\"]}", "a/b", "{\"v\":[\"a\",\"b\"]}");
	assert_cell(CELL_MEMORY, "{\"v\": 12}", "12 KiB", "{\"v\":12}");
	assert_cell(CELL_BYTES, "{\"v\": 2621440}", "2.5 MiB", "{\"v\":2621440}");
	assert_cell(CELL_BYTES, "{\"v\": \"unlimited\"}", "unlimited", "{\"v\":\"unlimited\"}");
}
END_TEST

START_TEST(payloads)
{
	/* Numbers stay as they were written, lines become spaces. */
	assert_cell(CELL_PAYLOAD, "{\"payload_json\": \"{\\\"a\\\":\\n1.50}\"}", "{\"a\": 1.50}",
	    "{\"v\":{\"a\": 1.50}}");
	assert_cell(CELL_PAYLOAD, "{\"payload_json\": \"no json\"}", "no json", "{\"v\":null}");
	assert_cell(CELL_PAYLOAD, "{\"payload_type\": \"t\", \"payload_hex\": \"00ff\"}",
	    "t 0x00ff", "{\"v\":{\"type\":\"t\",\"hex\":\"00ff\"}}");
	assert_cell(
	    CELL_PAYLOAD, "{\"payload_cut\": 5}", "(5 bytes, too long to show)", "{\"v\":null}");
	assert_cell(CELL_PAYLOAD, "{}", "-", "{\"v\":null}");
}
END_TEST

START_TEST(pairs_are_aligned)
{
	struct json_doc *doc = parse("{\"name\": \"a\", \"n\": 5}");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	output_pairs(f, "  ", columns, json_root(doc));
	fclose(f);
	ck_assert_str_eq(text, "  NAME   a\n  SINCE  -\n  N      5\n  WHY    -\n  RATE   -\n");
	free(text);
	json_free(doc);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, table_without_rows);
	tcase_add_test(tc, table_fits_its_content);
	tcase_add_test(tc, what_there_is_not);
	tcase_add_test(tc, columns_of_a_terminal_are_no_characters);
	tcase_add_test(tc, narrow_terminal_cuts_only_what_may_shrink);
	tcase_add_test(tc, control_characters_do_not_pass);
	tcase_add_test(tc, cells);
	tcase_add_test(tc, payloads);
	tcase_add_test(tc, pairs_are_aligned);
}

UNIT_MAIN("output")
