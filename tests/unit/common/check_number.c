#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static const char *
text_of(double v)
{
	static char text[NUMBER_MAX_DOUBLE + 1];

	*number_put_double(text, v) = '\0';
	return text;
}

START_TEST(integers_reach_their_ends)
{
	char text[NUMBER_MAX_INT + 1];

	*number_put_int(text, INT64_MIN) = '\0';
	ck_assert_str_eq(text, "-9223372036854775808");
	*number_put_int(text, INT64_MAX) = '\0';
	ck_assert_str_eq(text, "9223372036854775807");
	*number_put_uint(text, UINT64_MAX) = '\0';
	ck_assert_str_eq(text, "18446744073709551615");
	*number_put_int(text, 0) = '\0';
	ck_assert_str_eq(text, "0");
}
END_TEST

START_TEST(doubles_are_shortest)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = { { 0, "0.0" }, { -0.0, "-0.0" }, { 1, "1.0" }, { -1.5, "-1.5" }, { 0.1, "0.1" },
		{ 0.1f, "0.10000000149011612" }, { 0.3f, "0.30000001192092896" },
		{ 123456.789f, "123456.7890625" }, { 10000000000.0f, "10000000000.0" },
		{ 2.0 / 3, "0.6666666666666666" }, { 9831 / 32767.0, "0.3000274666585284" },
		{ -32768 / 32767.0, "-1.000030518509476" }, { 0.25, "0.25" },
		{ 999999999999999.9, "999999999999999.9" },
		{ 0.00012345678901234567, "0.00012345678901234567" },
		{ 1e15 / 3, "333333333333333.3" }, { 5e-5, "0.00005" }, { 1e-7, "1e-07" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(text_of(rows[i].v), rows[i].text);
}
END_TEST

/* Every magnitude: what is written reads back, and no shorter text of the C library does. */
START_TEST(doubles_read_back)
{
	uint64_t x = UINT64_C(88172645463325252);

	for (int i = 0; i < 300000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		double v;
		if (i % 3 == 0)
			memcpy(&v, &x, sizeof(v));
		else if (i % 3 == 1)
			v = (int16_t)x / 32767.0;
		else
			v = (float)((int32_t)x / 1000.0);
		if (!isfinite(v))
			continue;
		const char *text = text_of(v);
		expect_msg(strtod(text, NULL) == v, "%a: %s", v, text);
		char shorter[40];
		snprintf(shorter, sizeof(shorter), "%.15g", v);
		if (strtod(shorter, NULL) == v)
			expect_msg(strlen(text) <= strlen(shorter) + 5, "%s: %s", shorter, text);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, integers_reach_their_ends);
	tcase_add_test(tc, doubles_are_shortest);
	tcase_add_test(tc, doubles_read_back);
}

UNIT_MAIN("number")
