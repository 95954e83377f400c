#include <errno.h>
#include <stdlib.h>

#include "protocols/iec60870/iec103_asdu.h"
#include "tests/unit/suite.h"

/* Decodes, compares nothing but the header, encodes back; no shorter prefix is valid, none longer.
 */
static struct iec103_object
roundtrip(const uint8_t *bytes, size_t len)
{
	static struct iec103_object objects[IEC103_MAX_OBJECTS];
	uint8_t again[IEC103_MAX];
	struct iec103_asdu a, walk;
	size_t n = 0;

	ck_assert_int_eq(iec103_decode(&a, bytes, len), DEC_OK);
	walk = a;
	while (iec103_next(&walk, &objects[n]))
		n++;
	ck_assert_uint_eq(n, a.count);
	ck_assert_int_eq(iec103_encode(again, &a, objects, n), (int)len);
	ck_assert_mem_eq(again, bytes, len);
	for (size_t k = 0; k <= len + 1; k++) {
		uint8_t *copy = calloc(1, k ? k : 1);
		memcpy(copy, bytes, k < len ? k : len);
		enum dec dec = iec103_decode(&a, copy, k);
		/* In a type that has two forms, what is cut off may be the other one. */
		if (k == len || !a.type || !a.type->may_have_tov)
			ck_assert_int_eq(dec, k == len ? DEC_OK : k < 4 ? DEC_MORE : DEC_BAD);
		free(copy);
	}
	return objects[0];
}

START_TEST(time_tagged_with_relative_time)
{
	static const uint8_t bytes[] = {
		0x02, 0x81, 0x01, 0x0B, /* type 2, one object, spontaneous, address 11 */
		0xA0, 0x44,		/* function 160, information 68: general trip */
		0x02,			/* ON */
		0x2C, 0x01,		/* relative time 300 ms */
		0x07, 0x00,		/* fault number 7 */
		0x39, 0x30, 0x22, 0x8D, /* 12.345 s, minute 34, hour 13, summer time */
		0x09,			/* supplementary information */
	};
	struct iec103_object o = roundtrip(bytes, sizeof(bytes));

	ck_assert_int_eq(o.function, 160);
	ck_assert_int_eq(o.information, 68);
	ck_assert_int_eq(o.value, IEC103_ON);
	ck_assert_int_eq(o.relative, 300);
	ck_assert_int_eq(o.fault, 7);
	ck_assert_int_eq(o.time.ms, 12345);
	ck_assert_int_eq(o.time.hour, 13);
	ck_assert(o.time.summer);
	ck_assert_int_eq(o.number, 9);
}
END_TEST

START_TEST(measurands_of_one_object)
{
	static const uint8_t bytes[] = {
		0x09, 0x03, 0x02, 0x01, /* type 9, three elements, cyclic, address 1 */
		0xA0, 0x94,		/* function 160, information 148 */
		0xF8, 0x7F,		/* 4095 of 4096 */
		0x01, 0x80,		/* -4096, overflow */
		0xFA, 0xFF,		/* -1, invalid */
	};
	struct iec103_asdu a;
	struct iec103_object o = roundtrip(bytes, sizeof(bytes));

	ck_assert_int_eq(o.measurand, 4095);
	ck_assert_int_eq(iec103_decode(&a, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(iec103_next(&a, &o) && iec103_next(&a, &o));
	ck_assert_int_eq(o.measurand, -4096);
	ck_assert(o.overflow && !o.invalid);
	ck_assert(iec103_next(&a, &o));
	ck_assert_int_eq(o.measurand, -1);
	ck_assert(!o.overflow && o.invalid);
	ck_assert_int_eq(o.information, 148);
	ck_assert(!iec103_next(&a, &o));
}
END_TEST

START_TEST(measurands_without_elements)
{
	static const uint8_t bytes[] = { 0x03, 0x00, 0x02, 0x01 };
	struct iec103_asdu a;
	struct iec103_object o;

	ck_assert_int_eq(iec103_decode(&a, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(!iec103_next(&a, &o));
}
END_TEST

/* Types 26, 27 and 30 as the standard has them, with TOV, and as some devices send them. */
START_TEST(disturbance_data_with_tov)
{
	static const uint8_t rows[][32] = {
		/* length, bytes */
		{ 21, 26, 0x81, 31, 1, 160, 0, 0, 1, 5, 0, 1, 0, 8, 0, 4, 0xE8, 3, 0x39, 0x30, 0x22,
		    0x0D },
		{ 23, 27, 0x81, 31, 1, 160, 0, 0, 1, 5, 0, 1, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0,
		    0x40, 0x40 },
		{ 18, 30, 0x81, 31, 1, 160, 0, 0, 1, 5, 0, 1, 2, 3, 0, 0xFF, 0x7F, 0x00, 0x80 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct iec103_object o = roundtrip(rows[i] + 1, rows[i][0]);
		ck_assert(o.disturbance.with_tov);
		ck_assert_int_eq(o.disturbance.order_for, 1);
		ck_assert_int_eq(o.fault, 5);
		uint8_t without[32];
		memcpy(without, rows[i] + 1, 7);
		memcpy(without + 7, rows[i] + 1 + 8, rows[i][0] - 8u);
		o = roundtrip(without, rows[i][0] - 1u);
		ck_assert(!o.disturbance.with_tov);
		ck_assert_int_eq(o.fault, 5);
	}
}
END_TEST

START_TEST(reserved_bits_of_a_double_point)
{
	static const uint8_t bytes[] = { 0x01, 0x81, 0x01, 0x01, 0xA0, 0x10, 0xFE, 0x39, 0x30, 0x22,
		0x0D, 0x00 };
	struct iec103_asdu a;
	struct iec103_object o;

	ck_assert_int_eq(iec103_decode(&a, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(iec103_next(&a, &o));
	ck_assert_int_eq(o.value, IEC103_ON);
}
END_TEST

START_TEST(every_type_there_and_back)
{
	static const uint8_t rows[][32] = {
		/* length, bytes */
		{ 18, 4, 0x81, 1, 1, 160, 73, 0, 0, 0x80, 0x3F, 1, 0, 2, 0, 0x39, 0x30, 0x22,
		    0x0D },
		{ 19, 5, 0x81, 5, 1, 160, 3, 2, 'R', 'E', 'L', 'A', 'Y', ' ', '1', ' ', 1, 2, 3,
		    4 },
		{ 7, 8, 0x81, 10, 1, 255, 0, 42 },
		{ 10, 11, 0x81, 42, 1, 254, 243, 1, 2, 3, 0x00 },
		{ 11, 24, 0x81, 31, 1, 160, 0, 1, 0, 5, 0, 0 },
		{ 11, 25, 0x81, 31, 1, 160, 0, 64, 0, 5, 0, 0 },
		{ 20, 26, 0x81, 31, 1, 160, 0, 0, 5, 0, 1, 0, 8, 0, 4, 0xE8, 3, 0x39, 0x30, 0x22,
		    0x0D },
		{ 22, 27, 0x81, 31, 1, 160, 0, 0, 5, 0, 1, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0,
		    0x40, 0x40 },
		{ 10, 28, 0x81, 31, 1, 160, 0, 0, 0, 5, 0 },
		{ 17, 29, 0x81, 31, 1, 160, 0, 5, 0, 2, 1, 0, 160, 68, 2, 160, 69, 1 },
		{ 17, 30, 0x81, 31, 1, 160, 0, 0, 5, 0, 1, 2, 3, 0, 0xFF, 0x7F, 0x00, 0x80 },
		{ 11, 31, 0x81, 31, 1, 160, 0, 32, 0, 5, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		roundtrip(rows[i] + 1, rows[i][0]);
}
END_TEST

START_TEST(what_is_refused)
{
	static const uint8_t unknown[] = { 12, 0x81, 1, 1, 160, 1 };
	static const uint8_t size_lies[] = { 10, 0x81, 42, 1, 254, 241, 1, 1, 1, 2, 1, 3, 255, 127,
		1 };
	struct iec103_asdu a;
	uint8_t out[IEC103_MAX], many[250] = { 0 };
	struct iec103_object o = { .rest = many, .rest_len = sizeof(many) };

	ck_assert_int_eq(iec103_decode(&a, unknown, sizeof(unknown)), DEC_UNSUP);
	ck_assert_int_eq(a.type_id, 12);
	ck_assert_int_eq(iec103_decode(&a, size_lies, sizeof(size_lies)), DEC_BAD);
	a = (struct iec103_asdu){ .type_id = IEC103_GENERIC_COMMAND };
	ck_assert_int_eq(iec103_encode(out, &a, &o, 1), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(iec103_encode(out, &a, &o, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(iec103_cause_name(9), "GENERAL_INTERROGATION");
	ck_assert_ptr_null(iec103_cause_name(8));
	ck_assert_ptr_null(iec103_cause_name(200));
	ck_assert_str_eq(iec103_measurand_name(3, 3), "m1_q");
	ck_assert_ptr_null(iec103_measurand_name(3, 4));
	ck_assert_str_eq(iec103_measurand_name(9, 8), "m2_f");
	ck_assert_ptr_null(iec103_measurand_name(9, 9));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, time_tagged_with_relative_time);
	tcase_add_test(tc, measurands_of_one_object);
	tcase_add_test(tc, measurands_without_elements);
	tcase_add_test(tc, disturbance_data_with_tov);
	tcase_add_test(tc, reserved_bits_of_a_double_point);
	tcase_add_test(tc, every_type_there_and_back);
	tcase_add_test(tc, what_is_refused);
	tcase_add_test(tc, names);
}

UNIT_MAIN("iec103_asdu")
