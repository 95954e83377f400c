#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/table.h"
#include "tests/unit/parse.h"
#include "tests/unit/suite.h"

static const struct column columns[] = {
	{ .key = "name", .header = "NAME", .cell = CELL_TEXT },
	{ .key = "since", .header = "SINCE", .cell = CELL_DURATION },
	{ .key = "n", .header = "N", .cell = CELL_INT, .right = true },
	{ .key = "why", .header = "WHY", .cell = CELL_TEXT, .least = 8 },
	{ .key = "rate", .header = "RATE", .cell = CELL_RATE, .right = true },
	{ .key = "state", .cell = CELL_TEXT, .coloured = true },
	{ .key = NULL },
};

/* Options of print_table(). */
static const char *names, *sort;
static bool json, colour;

/* The table of rows (a JSON array) as text, for free(). */
static char *
print_table(const char *rows, size_t width)
{
	const struct table_style style = { .indent = "", .width = width, .colour = colour };
	struct json_doc *doc = parse(rows);
	struct table t;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert(table_init(&t, columns, names, json));
	if (sort)
		ck_assert(table_sort_by(&t, columns, sort));
	json_foreach (row, json_root(doc))
		table_add(&t, columns, row);
	table_print(&t, f, &style);
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
	    "NAME        SINCE    N WHY      RATE\n"
	    "a-long-name 00:00:00 1 protoco…  1.0\n");
	/* To a pipe: nothing is cut. */
	char *text = print_table(row, 0);
	ck_assert_ptr_nonnull(strstr(text, "\xc5\xbc of nothing"));
	free(text);
}
END_TEST

START_TEST(control_characters_do_not_pass)
{
	assert_table("[{\"name\": \"a\\u001b[31m\\n\\u007f\\u009b\\u202eb\"}]", 0,
	    "NAME         SINCE  N  WHY  RATE\n"
	    "a?[31m ???b  -      -  -       -\n");
}
END_TEST

static const char three[] = "[{\"name\": \"b\", \"n\": 10, \"since\": 90000000},"
			    " {\"name\": \"a\", \"n\": 9}, {\"name\": \"c\", \"since\": 1000}]";

START_TEST(sorted_as_numbers_where_they_are)
{
	names = "name";
	sort = "n";
	assert_table(three, 0, "NAME\nc\na\nb\n");
	sort = "-n";
	assert_table(three, 0, "NAME\nb\na\nc\n");
	sort = "since";
	assert_table(three, 0, "NAME\na\nc\nb\n");
	sort = "name";
	assert_table(three, 0, "NAME\na\nb\nc\n");
}
END_TEST

START_TEST(chosen_columns_in_their_order)
{
	struct table t;

	names = "n,name";
	assert_table(three, 0, " N  NAME\n10  b\n 9  a\n -  c\n");
	ck_assert(!table_init(&t, columns, "name,nobody", false));
	table_clear(&t);
	ck_assert(!table_init(&t, columns, "", false));
	table_clear(&t);
	ck_assert(table_init(&t, columns, NULL, false));
	ck_assert(!table_sort_by(&t, columns, "nobody"));
	table_clear(&t);
}
END_TEST

START_TEST(rows_of_json)
{
	json = true;
	sort = "name";
	assert_table("[{\"name\": \"b\"}, {\"name\": \"a\"}]", 20,
	    "\n "
	    "{\"name\":\"a\",\"since\":null,\"n\":null,\"why\":null,\"rate\":null,\"state\":null},"
	    "\n "
	    "{\"name\":\"b\",\"since\":null,\"n\":null,\"why\":null,\"rate\":null,\"state\":null}");
}
END_TEST

START_TEST(colours_do_not_count)
{
	names = "state,name";
	colour = true;
	assert_table("[{\"name\": \"running\", \"state\": \"failed\"}]", 0,
	    "state   NAME\n\033[1;31mfailed\033[0m  running\n");
}
END_TEST

/* What matters least goes first, and what is left has its room again. */
START_TEST(columns_are_left_out)
{
	static const struct column own[] = {
		{ .key = "a", .header = "AAAA", .cell = CELL_TEXT, .least = 4 },
		{ .key = "b", .header = "BBBB", .cell = CELL_TEXT, .drop = 1 },
		{ .key = "c", .header = "CCCC", .cell = CELL_TEXT, .drop = 2 },
		{ .key = NULL },
	};
	static const struct {
		size_t width;
		const char *header;
	} rows[] = {
		{ 20, "AAAA      BBBB  CCCC\n" },
		{ 18, "AAAA     BBBB CCCC\n" },
		{ 14, "AAAA BBBB CCCC\n" },
		{ 13, "AAAA     BBBB\n" },
		{ 9, "AAAA BBBB\n" },
		{ 8, "AAAA    \n" },
		{ 2, "AAAA\n" },
	};
	struct json_doc *doc = parse("{\"a\": \"12345678\"}");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct table_style style = { .indent = "", .width = rows[i].width };
		struct table t;
		char *text = NULL;
		size_t size, n = strlen(rows[i].header) - 1;
		FILE *f = open_memstream(&text, &size);
		table_init(&t, own, NULL, false);
		table_add(&t, own, json_root(doc));
		table_print(&t, f, &style);
		table_clear(&t);
		fclose(f);
		while (rows[i].header[n - 1] == ' ')
			n--;
		ck_assert_msg(strncmp(text, rows[i].header, n) == 0 && text[n] == '\n', "%zu: %s",
		    rows[i].width, text);
		free(text);
	}
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
	tcase_add_test(tc, sorted_as_numbers_where_they_are);
	tcase_add_test(tc, chosen_columns_in_their_order);
	tcase_add_test(tc, rows_of_json);
	tcase_add_test(tc, colours_do_not_count);
	tcase_add_test(tc, columns_are_left_out);
}

UNIT_MAIN("table")
