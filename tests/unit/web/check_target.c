#include "web/target.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *decoded; /* NULL: refused */
} cases[] = {
	{ "", "" },
	{ "modbus_master/plc1", "modbus_master/plc1" },
	{ "a%20b%2fc", "a b/c" },
	{ "%C3%a9", "\xc3\xa9" },
	{ "a+b", "a+b" },
	{ "%", NULL },
	{ "%4", NULL },
	{ "%4g", NULL },
	{ "%g4", NULL },
	{ "%00", NULL },
	{ "%ff", NULL },
	{ "\xff", NULL },
	{ "%c0%80", NULL },
};

START_TEST(check_decode)
{
	char out[TARGET_MAX + 1];

	ck_assert_int_eq(target_decode(cases[_i].text, out), cases[_i].decoded != NULL);
	if (cases[_i].decoded)
		ck_assert_str_eq(out, cases[_i].decoded);
}
END_TEST

START_TEST(check_length)
{
	char text[TARGET_MAX + 2], out[TARGET_MAX + 1];

	memset(text, 'a', sizeof(text));
	text[TARGET_MAX] = '\0';
	ck_assert(target_decode(text, out));
	text[TARGET_MAX] = 'a';
	text[TARGET_MAX + 1] = '\0';
	ck_assert(!target_decode(text, out));
}
END_TEST

START_TEST(check_below)
{
	ck_assert_str_eq(target_below("/api/v1/show/a/b", "/api/v1/show"), "a/b");
	ck_assert_str_eq(target_below("/api/v1/show", "/api/v1/show"), "");
	ck_assert_ptr_null(target_below("/api/v1/show/", "/api/v1/show"));
	ck_assert_ptr_null(target_below("/api/v1/shows", "/api/v1/show"));
	ck_assert_ptr_null(target_below("/api", "/api/v1/show"));
}
END_TEST

START_TEST(check_number)
{
	ck_assert_uint_eq(target_number("1", 10), 1);
	ck_assert_uint_eq(target_number("10", 10), 10);
	ck_assert_uint_eq(target_number("11", 10), 0);
	ck_assert_uint_eq(target_number("99999999999999999999999999", UINT32_MAX), 0);
	ck_assert_uint_eq(target_number("", 10), 0);
	ck_assert_uint_eq(target_number("-1", 10), 0);
	ck_assert_uint_eq(target_number("1x", 10), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, check_decode, cases);
	tcase_add_test(tc, check_length);
	tcase_add_test(tc, check_below);
	tcase_add_test(tc, check_number);
}

UNIT_MAIN("target")
