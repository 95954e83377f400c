/* Values of MMS both ways, as devices send them; no shorter prefix of a value is one. */
#include "protocols/mms/value.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static uint8_t out[300];
static struct ber_writer w;

static void
setup(void)
{
	ber_writer_init(&w, out, sizeof(out));
}

static struct mms_value
only(const void *data, size_t len)
{
	struct mms_values list;
	struct mms_value v, none;

	ck_assert(mms_values_check(&list, data, len));
	ck_assert(mms_values_next(&list, &v));
	ck_assert(!mms_values_next(&list, &none));
	return v;
}

#define value_of(...)                                                                              \
	static const uint8_t bytes[] = { __VA_ARGS__ };                                            \
	struct mms_value v = only(bytes, sizeof(bytes))

#define expect_written()                                                                           \
	do {                                                                                       \
		ck_assert_uint_eq(ber_writer_done(&w), sizeof(bytes));                             \
		ck_assert_mem_eq(out, bytes, sizeof(bytes));                                       \
	} while (0)

START_TEST(booleans)
{
	value_of(0x83, 1, 1);
	bool b = false;

	ck_assert(mms_value_bool(&v, &b));
	ck_assert(b);
	mms_put_bool(&w, true);
	expect_written();
}
END_TEST

START_TEST(integers_serve_as_unsigned_where_they_fit)
{
	value_of(0x85, 1, 0xff);
	int64_t i = 0;
	uint64_t u;

	ck_assert(mms_value_int(&v, &i));
	ck_assert_int_eq(i, -1);
	ck_assert(!mms_value_uint(&v, &u));
	mms_put_int(&w, -1);
	expect_written();
}
END_TEST

START_TEST(unsigned_serve_as_integers_where_they_fit)
{
	value_of(0x86, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	int64_t i;
	uint64_t u = 0;

	ck_assert(mms_value_uint(&v, &u));
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert(!mms_value_int(&v, &i));
	mms_put_uint(&w, u);
	expect_written();
	struct mms_value small = only("\x86\1\x7", 3);
	ck_assert(mms_value_int(&small, &i));
	ck_assert_int_eq(i, 7);
}
END_TEST

START_TEST(floats)
{
	value_of(0x87, 5, 8, 0x3f, 0xc0, 0, 0);
	double d = 0;
	bool single = false;

	ck_assert(mms_value_float(&v, &d, &single));
	ck_assert(d == 1.5 && single);
	mms_put_float(&w, 1.5f);
	expect_written();
}
END_TEST

START_TEST(doubles)
{
	value_of(0x87, 9, 11, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0);
	double d = 0;
	bool single = true;

	ck_assert(mms_value_float(&v, &d, &single));
	ck_assert(d == 1.5 && !single);
	mms_put_double(&w, 1.5);
	expect_written();
}
END_TEST

START_TEST(floats_that_are_none)
{
	static const uint8_t rows[][6] = { { 9, 0, 0, 0, 0 }, { 11, 0, 0, 0, 0 } };
	double d;

	for (size_t i = 0; i < 2; i++) {
		struct mms_value v = { MMS_FLOAT, rows[i], 5 };
		ck_assert(!mms_value_float(&v, &d, NULL));
		v.len = 4;
		ck_assert(!mms_value_float(&v, &d, NULL));
	}
}
END_TEST

START_TEST(bit_strings_as_flags)
{
	value_of(0x84, 3, 6, 0x40, 0x40); /* ten bits: 1 and 9 */
	uint32_t flags = 0;
	size_t bits = 0;

	ck_assert(mms_value_flags(&v, &flags, &bits));
	ck_assert_uint_eq(bits, 10);
	ck_assert_uint_eq(flags, 1 << 1 | 1 << 9);
	mms_put_flags(&w, flags, bits);
	expect_written();
}
END_TEST

START_TEST(too_many_flags)
{
	struct mms_value v = only("\x84\6\7\0\0\0\0\0", 8);
	uint32_t flags;
	size_t bits;

	ck_assert(!mms_value_flags(&v, &flags, &bits));
	mms_put_flags(&w, 0, 33);
	ck_assert_uint_eq(ber_writer_done(&w), 0);
}
END_TEST

START_TEST(utc_time)
{
	/*                seconds                 fraction      quality: not synchronised, 10 bits
	 */
	value_of(0x91, 8, 0x69, 0x55, 0xb9, 0x00, 0x80, 0, 0, 0x2a);
	struct mms_utc_time t = { 0 };

	ck_assert(mms_value_utc_time(&v, &t));
	ck_assert_uint_eq(t.seconds, 0x6955b900);
	ck_assert_uint_eq(t.fraction, 0x800000);
	ck_assert_uint_eq(t.quality, 0x2a);
	mms_put_utc_time(&w, &t);
	expect_written();
}
END_TEST

START_TEST(binary_time)
{
	value_of(0x8c, 6, 0x00, 0xaf, 0x5c, 0x9a, 0x3d, 0x38);
	struct mms_binary_time t = { 0 };

	ck_assert(mms_value_binary_time(&v, &t));
	ck_assert_uint_eq(t.ms, 0x00af5c9a);
	ck_assert(t.has_days);
	ck_assert_uint_eq(t.days, 0x3d38);
	mms_put_binary_time(&w, &t);
	expect_written();
	struct mms_value v4 = only("\x8c\4\0\0\0\1", 6), v5 = only("\x8c\5\0\0\0\1\0", 7);
	ck_assert(mms_value_binary_time(&v4, &t));
	ck_assert(!t.has_days);
	ck_assert(!mms_value_binary_time(&v5, &t));
}
END_TEST

START_TEST(strings)
{
	struct mms_value visible = only("\x8a\2ab", 4), mms = only("\x90\1x", 3),
			 octets = only("\x89\1y", 3);
	struct mms_str s;
	const uint8_t *data;
	size_t len;

	ck_assert(mms_value_str(&visible, &s) && mms_str_equal(s, mms_str("ab")));
	ck_assert(mms_value_str(&mms, &s) && mms_str_equal(s, mms_str("x")));
	ck_assert(!mms_value_str(&octets, &s));
	ck_assert(mms_value_octets(&octets, &data, &len));
	ck_assert(len == 1 && data[0] == 'y');
	ck_assert(!mms_value_octets(&mms, &data, &len));
	mms_put_str(&w, MMS_VISIBLE_STRING, "ab", 2);
	mms_put_str(&w, MMS_MMS_STRING, "x", 1);
	mms_put_octets(&w, "y", 1);
	ck_assert_uint_eq(ber_writer_done(&w), 10);
	ck_assert_mem_eq(out, "\x8a\2ab\x90\1x\x89\1y", 10);
}
END_TEST

/* {[true, false], {}, 5} */
static const uint8_t nested[] = { 0xa2, 13, 0xa1, 6, 0x83, 1, 1, 0x83, 1, 0, 0xa2, 0, 0x85, 1, 5 };

START_TEST(members)
{
	struct mms_value v = only(nested, sizeof(nested)), m, n;
	struct mms_values list;
	bool b = true;

	ck_assert(mms_value_members(&v, &list));
	ck_assert_uint_eq(mms_values_count(list), 3);
	ck_assert(mms_value_member(&v, 0, &m));
	ck_assert_int_eq(m.kind, MMS_ARRAY);
	ck_assert(mms_value_member(&m, 1, &n));
	ck_assert(mms_value_bool(&n, &b) && !b);
	ck_assert(!mms_value_member(&m, 2, &n));
	ck_assert(mms_value_member(&v, 1, &m));
	ck_assert(!mms_value_member(&m, 0, &n));
	ck_assert(mms_value_member(&v, 2, &m));
	ck_assert(!mms_value_members(&m, &list));
	ck_assert_uint_eq(mms_values_count(list), 0);

	mms_put_value(&w, &v);
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(nested));
	ck_assert_mem_eq(out, nested, sizeof(nested));
}
END_TEST

START_TEST(members_are_written)
{
	mms_begin(&w, MMS_STRUCTURE);
	mms_begin(&w, MMS_ARRAY);
	mms_put_bool(&w, true);
	mms_put_bool(&w, false);
	ber_end(&w);
	mms_begin(&w, MMS_STRUCTURE);
	ber_end(&w);
	mms_put_int(&w, 5);
	ber_end(&w);
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(nested));
	ck_assert_mem_eq(out, nested, sizeof(nested));
}
END_TEST

START_TEST(no_prefix_is_a_value)
{
	struct mms_values list;

	for (size_t len = 1; len < sizeof(nested); len++) {
		expect(!mms_values_check(&list, nested, len));
		expect(mms_values_count(list) == 0);
	}
}
END_TEST

START_TEST(not_values)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\x83\0", 2 },		   /* a boolean without content */
		{ "\x83\2\1\1", 4 },		   /* of two octets */
		{ "\x85\0", 2 },		   /* an integer without content */
		{ "\x91\7\0\0\0\0\0\0\0", 9 },	   /* UTC time of seven octets */
		{ "\xa3\3\x83\1\1", 5 },	   /* constructed boolean */
		{ "\x81\0", 2 },		   /* primitive array */
		{ "\x82\0", 2 },		   /* primitive structure */
		{ "\x88\1\1", 3 },		   /* no kind has that number */
		{ "\x92\1\1", 3 },		   /* nor that */
		{ "\4\1\1", 3 },		   /* universal class */
		{ "\xa2\x80\0\0", 4 },		   /* indefinite length */
		{ "\xa2\3\x83\2\1\1", 6 },	   /* a member that is longer than its structure */
		{ "\xa2\x84\xff\xff\xff\xff", 6 }, /* length beyond the end */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mms_values list;
		expect_msg(!mms_values_check(&list, (const uint8_t *)rows[i].bytes, rows[i].len),
		    "row %zu", i);
	}
}
END_TEST

START_TEST(nesting_is_bounded)
{
	struct mms_values list;
	uint8_t deep[2 * MMS_MAX_NESTING + 2];

	for (size_t i = 0; i <= MMS_MAX_NESTING; i++) {
		deep[2 * i] = 0xa2;
		deep[2 * i + 1] = (uint8_t)(sizeof(deep) - 2 * i - 2);
	}
	ck_assert(!mms_values_check(&list, deep, sizeof(deep)));
	ck_assert(mms_values_check(&list, deep + 2, sizeof(deep) - 2));
}
END_TEST

START_TEST(nothing_is_an_empty_list)
{
	struct mms_values list;
	struct mms_value v;

	ck_assert(mms_values_check(&list, NULL, 0));
	ck_assert(!mms_values_next(&list, &v));
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(mms_kind_name(MMS_STRUCTURE), "structure");
	ck_assert_str_eq(mms_kind_name(MMS_UTC_TIME), "UTC time");
	ck_assert_str_eq(mms_kind_name((enum mms_kind)8), "unknown");
	ck_assert_str_eq(mms_kind_name((enum mms_kind)999), "unknown");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, booleans);
	tcase_add_test(tc, integers_serve_as_unsigned_where_they_fit);
	tcase_add_test(tc, unsigned_serve_as_integers_where_they_fit);
	tcase_add_test(tc, floats);
	tcase_add_test(tc, doubles);
	tcase_add_test(tc, floats_that_are_none);
	tcase_add_test(tc, bit_strings_as_flags);
	tcase_add_test(tc, too_many_flags);
	tcase_add_test(tc, utc_time);
	tcase_add_test(tc, binary_time);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, members);
	tcase_add_test(tc, members_are_written);
	tcase_add_test(tc, no_prefix_is_a_value);
	tcase_add_test(tc, not_values);
	tcase_add_test(tc, nesting_is_bounded);
	tcase_add_test(tc, nothing_is_an_empty_list);
	tcase_add_test(tc, names);
}

UNIT_MAIN("mms_value")
