#include <endian.h>
#include <errno.h>
#include <math.h>

#include "protocols/modbus/typed.h"
#include "tests/unit/suite.h"

static const struct {
	struct modbus_typed t;
	const char *text;
	uint8_t value[8];
} rows[] = {
	{ { .kind = MODBUS_KIND_INT16 }, "-2", { 0xff, 0xfe } },
	{ { .kind = MODBUS_KIND_INT16, .swap_octets = true }, "-2", { 0xfe, 0xff } },
	{ { .kind = MODBUS_KIND_UINT16, .swap_registers = true }, "258", { 1, 2 } },
	{ { .kind = MODBUS_KIND_INT32 }, "16909060", { 1, 2, 3, 4 } },
	{ { .kind = MODBUS_KIND_INT32, .swap_registers = true }, "16909060", { 3, 4, 1, 2 } },
	{ { .kind = MODBUS_KIND_INT32, .swap_octets = true }, "16909060", { 2, 1, 4, 3 } },
	{ { .kind = MODBUS_KIND_INT32, .swap_octets = true, .swap_registers = true }, "16909060",
	    { 4, 3, 2, 1 } },
	{ { .kind = MODBUS_KIND_UINT32 }, "4294967295", { 0xff, 0xff, 0xff, 0xff } },
	{ { .kind = MODBUS_KIND_INT64 }, "-9223372036854775808", { 0x80 } },
	{ { .kind = MODBUS_KIND_UINT64 }, "18446744073709551615",
	    { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	{ { .kind = MODBUS_KIND_UINT64, .swap_registers = true }, "72623859790382856",
	    { 7, 8, 5, 6, 3, 4, 1, 2 } },
	{ { .kind = MODBUS_KIND_FLOAT32 }, "0.1", { 0x3d, 0xcc, 0xcc, 0xcd } },
	{ { .kind = MODBUS_KIND_FLOAT32, .swap_registers = true }, "-1.5", { 0, 0, 0xbf, 0xc0 } },
	{ { .kind = MODBUS_KIND_FLOAT64 }, "0.1",
	    { 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a } },
	{ { .kind = MODBUS_KIND_INT16, .scaled = true, .scale = 0.5, .offset = -40 }, "-41.5",
	    { 0xff, 0xfd } },
	{ { .kind = MODBUS_KIND_INT16, .scaled = true, .scale = 0.1 }, "0.3", { 0, 3 } },
	{ { .kind = MODBUS_KIND_UINT16, .scaled = true, .scale = -2, .offset = 1 }, "-5.0",
	    { 0, 3 } },
};

START_TEST(both_ways)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[MODBUS_MAX_NUMBER_TEXT];
		uint8_t value[8] = { 0 };
		size_t n = modbus_typed_format(&rows[i].t, rows[i].value, text);
		ck_assert_msg(n == strlen(rows[i].text) && memcmp(text, rows[i].text, n) == 0,
		    "row %zu: %.*s", i, (int)n, text);
		ck_assert_int_eq(modbus_typed_parse(&rows[i].t, rows[i].text, n, value), 0);
		ck_assert_mem_eq(value, rows[i].value, 8);
		double d = modbus_typed_number(&rows[i].t, value);
		ck_assert(fabs(d - strtod(rows[i].text, NULL)) < 1e-8);
	}
}
END_TEST

/* As round() does, also where half is not a half. */
START_TEST(rounds_half_away_from_zero)
{
	static const struct {
		const char *text;
		int64_t value;
	} halves[] = {
		{ "0.5", 1 },
		{ "-0.5", -1 },
		{ "2.5", 3 },
		{ "-2.5", -3 },
		{ "0.49999999999999994", 0 },
		{ "-1.4999999999999998", -1 },
		{ "4503599627370495.5", 4503599627370496 },
		{ "-4503599627370497", -4503599627370497 },
		{ "9007199254740993", 9007199254740992 },
	};
	const struct modbus_typed t = { .kind = MODBUS_KIND_INT64, .scaled = true, .scale = 1 };

	for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		uint8_t value[8];
		uint64_t bits;
		const char *text = halves[i].text;
		ck_assert_int_eq(modbus_typed_parse(&t, text, strlen(text), value), 0);
		memcpy(&bits, value, sizeof(bits));
		ck_assert_msg((int64_t)be64toh(bits) == halves[i].value, "%s", text);
	}
}
END_TEST

START_TEST(what_does_not_fit)
{
	static const struct {
		struct modbus_typed t;
		const char *text;
		int error;
	} bad[] = {
		{ { .kind = MODBUS_KIND_INT16 }, "32768", ERANGE },
		{ { .kind = MODBUS_KIND_INT16 }, "-32769", ERANGE },
		{ { .kind = MODBUS_KIND_UINT16 }, "-1", ERANGE },
		{ { .kind = MODBUS_KIND_UINT16 }, "65536", ERANGE },
		{ { .kind = MODBUS_KIND_UINT16 }, "1.5", EINVAL },
		{ { .kind = MODBUS_KIND_INT64 }, "9223372036854775808", ERANGE },
		{ { .kind = MODBUS_KIND_FLOAT32 }, "1e39", ERANGE },
		{ { .kind = MODBUS_KIND_FLOAT64 }, "1e309", ERANGE },
		{ { .kind = MODBUS_KIND_FLOAT64 }, "x", EINVAL },
		{ { .kind = MODBUS_KIND_INT16, .scaled = true, .scale = 0.1 }, "3276.8", ERANGE },
		{ { .kind = MODBUS_KIND_UINT64, .scaled = true, .scale = 1 },
		    "18446744073709551616", ERANGE },
	};
	uint8_t value[8];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(
		    modbus_typed_parse(&bad[i].t, bad[i].text, strlen(bad[i].text), value) < 0,
		    "row %zu", i);
		ck_assert_int_eq(errno, bad[i].error);
	}
	/* Whole numbers may be written as others are. */
	struct modbus_typed t = { .kind = MODBUS_KIND_INT16 };
	ck_assert_int_eq(modbus_typed_parse(&t, "-8.0", 4, value), 0);
	ck_assert_uint_eq(value[1], 0xf8);
	ck_assert_int_eq(modbus_typed_parse(&t, "-0", 2, value), 0);
}
END_TEST

START_TEST(no_numbers)
{
	static const uint8_t nan[] = { 0x7f, 0xc0, 0, 0 }, inf[] = { 0xff, 0x80, 0, 0 };
	struct modbus_typed t = { .kind = MODBUS_KIND_FLOAT32 };
	char text[MODBUS_MAX_NUMBER_TEXT];

	ck_assert_uint_eq(modbus_typed_format(&t, nan, text), 0);
	ck_assert_uint_eq(modbus_typed_format(&t, inf, text), 0);
	ck_assert(isnan(modbus_typed_number(&t, inf)));
}
END_TEST

START_TEST(texts)
{
	struct modbus_typed t = { .kind = MODBUS_KIND_STRING };
	uint8_t value[5];
	char text[5];

	ck_assert_int_eq(modbus_typed_put_text(&t, "abc", 3, value, 40), 0);
	ck_assert_mem_eq(value, "abc\0", 5);
	ck_assert_uint_eq(modbus_typed_get_text(&t, value, 40, text), 3);
	t.swap_octets = true;
	ck_assert_int_eq(modbus_typed_put_text(&t, "abcde", 5, value, 40), 0);
	ck_assert_mem_eq(value, "badce", 5);
	ck_assert_uint_eq(modbus_typed_get_text(&t, value, 40, text), 5);
	ck_assert_mem_eq(text, "abcde", 5);
	ck_assert_int_eq(modbus_typed_put_text(&t, "abcdef", 6, value, 40), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, both_ways);
	tcase_add_test(tc, rounds_half_away_from_zero);
	tcase_add_test(tc, what_does_not_fit);
	tcase_add_test(tc, no_numbers);
	tcase_add_test(tc, texts);
}

UNIT_MAIN("modbus typed values")
