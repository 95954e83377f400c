#include <math.h>
#include <stdlib.h>

#include "protocols/hat/sbs.h"
#include "tests/unit/suite.h"

static const struct {
	int64_t v;
	size_t len;
	uint8_t bytes[SBS_MAX_INT];
} ints[] = {
	{ 0, 1, { 0x80 } },
	{ 1, 1, { 0x81 } },
	{ -1, 1, { 0xff } },
	{ 63, 1, { 0xbf } },
	{ 64, 2, { 0x00, 0xc0 } }, /* bit 6 of the first group is the sign */
	{ -64, 1, { 0xc0 } },
	{ -65, 2, { 0x7f, 0xbf } },
	{ 8191, 2, { 0x3f, 0xff } },
	{ 8192, 3, { 0x00, 0x40, 0x80 } },
	{ INT64_MAX, 10, { 0x00, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0xff } },
	{ INT64_MIN, 10, { 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80 } },
};

START_TEST(integers_both_ways)
{
	struct buffer b;

	buffer_init(&b, 100);
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		buffer_reset(&b);
		sbs_put_int(&b, ints[i].v);
		ck_assert_uint_eq(b.len, ints[i].len);
		ck_assert_uint_eq(sbs_int_size(ints[i].v), ints[i].len);
		ck_assert_mem_eq(buffer_data(&b), ints[i].bytes, b.len);
		struct cursor c = cursor_make(ints[i].bytes, ints[i].len);
		ck_assert_int_eq(sbs_get_int(&c), ints[i].v);
		ck_assert(cursor_done(&c));
		for (size_t n = 0; n < ints[i].len; n++) {
			c = cursor_make(ints[i].bytes, n);
			sbs_get_int(&c);
			ck_assert(!cursor_ok(&c));
		}
	}
	buffer_clear(&b);
}
END_TEST

START_TEST(every_width_round_trips)
{
	for (int shift = 0; shift < 64; shift++)
		for (int d = -2; d <= 2; d++)
			for (int sign = -1; sign <= 1; sign += 2) {
				int64_t v =
				    (int64_t)((UINT64_C(1) << shift) + (uint64_t)(int64_t)d);
				v = sign < 0 ? (int64_t)(0 - (uint64_t)v) : v;
				uint8_t bytes[SBS_MAX_INT];
				size_t n = (size_t)(sbs_write_int(bytes, v) - bytes);
				struct cursor c = cursor_make(bytes, n);
				ck_assert_int_eq(sbs_get_int(&c), v);
				ck_assert(cursor_done(&c));
			}
}
END_TEST

START_TEST(integers_beyond_64_bits_are_refused)
{
	static const struct {
		size_t len;
		uint8_t bytes[12];
	} rows[] = {
		{ 10, { 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } }, /* 2^63 */
		{ 10, { 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } }, /* 2^64 */
		{ 10, { 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } }, /* most of ten groups */
		{ 10, { 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } }, /* least of ten groups */
		{ 10, { 0x7e, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0xff } },
		{ 11, { 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } }, /* 2^70 */
		{ 11, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } },	   /* 0, absurdly long */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor c = cursor_make(rows[i].bytes, rows[i].len);
		sbs_get_int(&c);
		ck_assert_msg(!cursor_ok(&c), "row %zu", i);
	}
}
END_TEST

START_TEST(longer_forms_are_read)
{
	static const uint8_t zero[] = { 0x00, 0x80 }, minus_one[] = { 0x7f, 0x7f, 0xff };
	struct cursor c = cursor_make(zero, sizeof(zero));

	ck_assert_int_eq(sbs_get_int(&c), 0);
	ck_assert(cursor_done(&c));
	c = cursor_make(minus_one, sizeof(minus_one));
	ck_assert_int_eq(sbs_get_int(&c), -1);
	ck_assert(cursor_done(&c));
}
END_TEST

START_TEST(counts_fit_what_is_left)
{
	static const uint8_t two[] = { 0x82, 1, 2, 3 }, negative[] = { 0xff, 1 };
	static const uint8_t huge[] = { 0x00, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
		0xff };
	struct cursor c = cursor_make(two, sizeof(two));

	ck_assert_uint_eq(sbs_get_count(&c, 1), 2);
	c = cursor_make(two, sizeof(two));
	ck_assert_uint_eq(sbs_get_count(&c, 2), 0);
	ck_assert(!cursor_ok(&c));
	c = cursor_make(negative, sizeof(negative));
	ck_assert_uint_eq(sbs_get_count(&c, 1), 0);
	ck_assert(!cursor_ok(&c));
	c = cursor_make(huge, sizeof(huge));
	ck_assert_uint_eq(sbs_get_count(&c, 1), 0);
	ck_assert(!cursor_ok(&c));
}
END_TEST

START_TEST(strings_are_utf8_and_bytes_are_not)
{
	static const uint8_t bad[] = { 0x82, 0xc3, 0x28 }, good[] = { 0x84, 'a', 0, 0xc5, 0xbe };
	struct cursor c = cursor_make(bad, sizeof(bad));

	sbs_get_str(&c);
	ck_assert(!cursor_ok(&c));
	c = cursor_make(bad, sizeof(bad));
	ck_assert_uint_eq(sbs_get_bytes(&c).len, 2);
	ck_assert(cursor_done(&c));
	for (size_t n = 0; n < sizeof(good); n++) {
		c = cursor_make(good, n);
		sbs_get_str(&c);
		ck_assert(!cursor_ok(&c));
	}
	c = cursor_make(good, sizeof(good));
	ck_assert(sbs_str_eq(sbs_get_str(&c), (struct sbs_str){ "a\0\xc5\xbe", 4 }));
	ck_assert(cursor_done(&c));
}
END_TEST

START_TEST(booleans_choices_and_floats)
{
	static const uint8_t bytes[] = {
		0x00, 0x01,					/* false, true */
		0x82,						/* third alternative */
		0x81,						/* an Optional that is there */
		0x3f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 1.5 */
	};
	static const uint8_t two[] = { 0x02 }, minus[] = { 0xff };
	struct cursor c = cursor_make(bytes, sizeof(bytes));
	struct buffer b;

	ck_assert(!sbs_get_bool(&c));
	ck_assert(sbs_get_bool(&c));
	ck_assert_uint_eq(sbs_get_choice(&c, 3), 2);
	ck_assert(sbs_get_optional(&c));
	ck_assert_double_eq(sbs_get_float(&c), 1.5);
	ck_assert(cursor_done(&c));
	buffer_init(&b, 100);
	sbs_put_bool(&b, false);
	sbs_put_bool(&b, true);
	sbs_put_int(&b, 2);
	sbs_put_optional(&b, true);
	sbs_put_float(&b, 1.5);
	ck_assert_uint_eq(b.len, sizeof(bytes));
	ck_assert_mem_eq(buffer_data(&b), bytes, b.len);
	buffer_clear(&b);
	c = cursor_make(two, 1);
	sbs_get_bool(&c);
	ck_assert(!cursor_ok(&c));
	c = cursor_make(bytes + 2, 1);
	ck_assert_uint_eq(sbs_get_choice(&c, 2), 0);
	ck_assert(!cursor_ok(&c));
	c = cursor_make(minus, 1);
	ck_assert(!sbs_get_optional(&c));
	ck_assert(!cursor_ok(&c));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, integers_both_ways);
	tcase_add_test(tc, every_width_round_trips);
	tcase_add_test(tc, integers_beyond_64_bits_are_refused);
	tcase_add_test(tc, longer_forms_are_read);
	tcase_add_test(tc, counts_fit_what_is_left);
	tcase_add_test(tc, strings_are_utf8_and_bytes_are_not);
	tcase_add_test(tc, booleans_choices_and_floats);
}

UNIT_MAIN("sbs")
