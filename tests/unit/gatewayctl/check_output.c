#include <pty.h>
#include <termios.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/output.h"
#include "tests/unit/parse.h"
#include "tests/unit/suite.h"

static const struct column columns[] = {
	{ .key = "name", .header = "NAME", .cell = CELL_TEXT },
	{ .key = "since", .header = "SINCE", .cell = CELL_DURATION },
	{ .key = "n", .header = "N", .cell = CELL_INT, .right = true },
	{ .key = "why", .header = "WHY", .cell = CELL_TEXT, .least = 8 },
	{ .key = "rate", .header = "RATE", .cell = CELL_RATE, .right = true },
	{ .key = NULL },
};

/* One cell as text and as JSON. */
static void
assert_cell(enum cell cell, const char *row, const char *text, const char *json)
{
	const struct column one[] = { { .key = "v", .header = "V", .cell = cell },
		{ .key = NULL } };
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
	assert_cell(CELL_RATE, "{\"v\": -1e308}", NULL,
	    "{\"v\":-1000000000000000010979063629440455417404923096773118463368106829031575854049"
	    "114915371633289784946888990612496697211725156115902837431400883283070091981460460312"
	    "716645029330271856974896995885590433383844661650011784268976262129451776280911957867"
	    "07458122783970171784415105291802893207873272974885715430223118336.000}");
	assert_cell(CELL_RATE, "{\"v\": 1e999}", "-", "{\"v\":null}");
	assert_cell(
	    CELL_DURATION, "{\"v\": 9223372036854775807}", NULL, "{\"v\":9223372036854775.807}");
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

START_TEST(what_deceives_is_escaped_in_json)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	output_json(f, "[\"a\xc2\x9b"
		       "31m\xe2\x80\xae"
		       "b\xc3\xa9\xe2\x82\xac\"]");
	fclose(f);
	ck_assert_str_eq(text, "[\"a\\u009b31m\\u202eb\xc3\xa9\xe2\x82\xac\"]");
	free(text);
}
END_TEST

START_TEST(pairs_are_aligned)
{
	struct json_doc *doc = parse("{\"name\": \"a\", \"n\": 5}");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	output_pairs(f, "  ", 0, columns, json_root(doc));
	fclose(f);
	ck_assert_str_eq(text, "  NAME   a\n  SINCE  -\n  N      5\n  WHY    -\n  RATE   -\n");
	free(text);
	json_free(doc);
	doc = parse("{\"why\": \"it is too long for the line\"}");
	f = open_memstream(&text, &size);
	output_pairs(f, "  ", 24, columns, json_root(doc));
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "\n  WHY    it is too long \n         for the line\n"));
	free(text);
	json_free(doc);
}
END_TEST

/* What a line of that text is on a terminal so wide; newlines shown as |. */
static const char *
folded(const char *text, unsigned short width)
{
	static char shown[512];
	struct winsize size = { 24, width, 0, 0 };
	struct termios raw;
	int leader, follower;

	ck_assert_int_eq(openpty(&leader, &follower, NULL, NULL, &size), 0);
	ck_assert_int_eq(tcgetattr(follower, &raw), 0);
	cfmakeraw(&raw);
	tcsetattr(follower, TCSANOW, &raw);
	FILE *f = fdopen(follower, "w");
	setvbuf(f, NULL, _IOFBF, BUFSIZ);
	output_folded(f, text, 4);
	fflush(f);
	ssize_t n = read(leader, shown, sizeof(shown) - 1);
	ck_assert_int_gt(n, 0);
	shown[n] = '\0';
	fclose(f);
	close(leader);
	for (char *p = shown; (p = strchr(p, '\n'));)
		*p = '|';
	return shown;
}

START_TEST(lines_are_folded)
{
	ck_assert_str_eq(folded("0123456789", 10), "0123456789|");
	ck_assert_str_eq(folded("0123456789ab", 10), "0123456789|    ab|");
	ck_assert_str_eq(folded("01234567 89ab", 10), "01234567 |    89ab|");
	ck_assert_str_eq(folded("0 23456789abcdefghij", 10), "0 23456789|    abcdef|    ghij|");
	ck_assert_str_eq(folded("", 10), "|");
	/* Narrower than can be: as it is. */
	ck_assert_str_eq(folded("0123456789ab", 8), "0123456789ab|");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, cells);
	tcase_add_test(tc, payloads);
	tcase_add_test(tc, what_deceives_is_escaped_in_json);
	tcase_add_test(tc, pairs_are_aligned);
	tcase_add_test(tc, lines_are_folded);
}

UNIT_MAIN("output")
