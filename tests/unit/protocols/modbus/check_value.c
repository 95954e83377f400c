#include <errno.h>
#include <stdlib.h>

#include "protocols/modbus/plan.h"
#include "protocols/modbus/value.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

START_TEST(value_of_the_manual)
{
	static const uint8_t regs[] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc };
	static const uint8_t want[] = { 0x34, 0x56, 0x78, 0x9a };
	uint8_t value[4];
	char text[MODBUS_MAX_VALUE_TEXT];

	modbus_value_get(MODBUS_HOLDING_REGISTER, regs, sizeof(regs), 8, 32, value);
	ck_assert_mem_eq(value, want, 4);
	ck_assert_uint_eq(modbus_value_format(value, 32, text), 9);
	ck_assert_str_eq(text, "878082202");
}
END_TEST

START_TEST(value_agrees_with_single_bits)
{
	uint8_t regs[40], value[40];

	for (size_t i = 0; i < sizeof(regs); i++)
		regs[i] = (uint8_t)(i * 73 + 5);
	for (size_t skip = 0; skip < 40; skip++) {
		for (size_t bits = 1; bits < 200; bits++) {
			for (int coils = 0; coils < 2; coils++) {
				modbus_value_get(coils ? MODBUS_COIL : MODBUS_INPUT_REGISTER, regs,
				    sizeof(regs), skip, bits, value);
				size_t lead = modbus_value_size(bits) * 8 - bits;
				for (size_t i = 0; i < bits; i++) {
					size_t at = skip + i, to = lead + i;
					int bit = coils ? regs[at / 8] >> at % 8 & 1
							: regs[at / 8] >> (7 - at % 8) & 1;
					expect((value[to / 8] >> (7 - to % 8) & 1) == bit);
				}
				expect((value[0] >> (8 - lead) & (0xff >> (8 - lead))) == 0);
			}
		}
	}
}
END_TEST

START_TEST(decimal_both_ways)
{
	static const struct {
		const char *text;
		size_t bits;
		int error;
		const char *back; /* where it is not text */
	} rows[] = {
		{ "0", 1, 0, NULL },
		{ "1", 1, 0, NULL },
		{ "2", 1, ERANGE, NULL },
		{ "65535", 16, 0, NULL },
		{ "65536", 16, ERANGE, NULL },
		{ "18446744073709551615", 64, 0, NULL },
		{ "18446744073709551616", 64, ERANGE, NULL },
		{ "18446744073709551616", 65, 0, NULL },
		{ "36893488147419103231", 65, 0, NULL },
		{ "36893488147419103232", 65, ERANGE, NULL },
		{ "1000000000000000000000000000", 100, 0, NULL },
		{ "340282366920938463463374607431768211455", 128, 0, NULL },
		{ "-1", 16, 0, "65535" },
		{ "-1", 1, 0, "1" },
		{ "-32768", 16, 0, "32768" },
		{ "-32769", 16, ERANGE, NULL },
		{ "-2", 1, ERANGE, NULL },
		{ "-0", 16, 0, "0" },
		{ "-16", 5, 0, "16" },
		{ "-17", 5, ERANGE, NULL },
		{ "-18446744073709551616", 65, 0, "18446744073709551616" },
		{ "1.0", 16, 0, "1" },
		{ "8.000", 16, 0, "8" },
		{ "1e3", 16, 0, "1000" },
		{ "1.25E+2", 16, 0, "125" },
		{ "1250e-1", 16, 0, "125" },
		{ "0e999999999999", 16, 0, "0" },
		{ "1e999999999999", 16, ERANGE, NULL },
		{ "1e-999999999999", 16, EINVAL, NULL },
		{ "1.5", 16, EINVAL, NULL },
		{ "12.55e1", 16, EINVAL, NULL },
		{ "-", 16, EINVAL, NULL },
		{ "1e", 16, EINVAL, NULL },
		{ ".5", 16, EINVAL, NULL },
		{ "true", 16, EINVAL, NULL },
		{ "", 16, EINVAL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t value[MODBUS_MAX_VALUE];
		char text[MODBUS_MAX_VALUE_TEXT];
		errno = 0;
		int r = modbus_value_parse(rows[i].text, strlen(rows[i].text), rows[i].bits, value);
		ck_assert_msg((r == 0) == (rows[i].error == 0), "row %zu", i);
		if (r < 0) {
			ck_assert_int_eq(errno, rows[i].error);
			continue;
		}
		modbus_value_format(value, rows[i].bits, text);
		ck_assert_str_eq(text, rows[i].back ? rows[i].back : rows[i].text);
	}
}
END_TEST

START_TEST(largest_value)
{
	uint8_t value[MODBUS_MAX_VALUE], back[MODBUS_MAX_VALUE];
	char text[MODBUS_MAX_VALUE_TEXT];

	memset(value, 0xff, sizeof(value));
	size_t n = modbus_value_format(value, MODBUS_MAX_VALUE_BITS, text);
	ck_assert_uint_eq(n, MODBUS_MAX_VALUE_TEXT - 1);
	ck_assert_int_eq(modbus_value_parse(text, n, MODBUS_MAX_VALUE_BITS, back), 0);
	ck_assert_mem_eq(value, back, sizeof(value));
}
END_TEST

/* The register file that a device would have after the requests of one write. */
static unsigned
apply(enum modbus_type type, uint16_t address, size_t offset, size_t bits, const uint8_t *value,
    uint16_t *regs)
{
	uint8_t data[2 * MODBUS_MAX_WRITE_REGS];
	struct modbus_write w;
	struct modbus_pdu pdu;
	unsigned requests = 0;

	modbus_write_init(&w, type, address, offset, bits, value);
	for (; modbus_write_next(&w, &pdu, data); requests++) {
		expect(modbus_request_check(&pdu) == 0);
		if (pdu.fc == MODBUS_MASK_WRITE_REGISTER)
			regs[pdu.address] = (uint16_t)((regs[pdu.address] & pdu.and_mask) |
						       (pdu.or_mask & ~pdu.and_mask));
		else if (pdu.fc == MODBUS_WRITE_SINGLE_REGISTER)
			regs[pdu.address] = pdu.value;
		else if (pdu.fc == MODBUS_WRITE_SINGLE_COIL)
			regs[pdu.address] = pdu.value ? 1 : 0;
		for (size_t i = 0; pdu.fc == MODBUS_WRITE_MULTIPLE_COILS && i < pdu.quantity; i++)
			regs[pdu.address + i] = modbus_bit(pdu.data, i);
		for (size_t i = 0; pdu.fc == MODBUS_WRITE_MULTIPLE_REGISTERS && i < pdu.quantity;
		     i++)
			regs[pdu.address + i] = (uint16_t)(data[2 * i] << 8 | data[2 * i + 1]);
	}
	return requests;
}

START_TEST(write_touches_its_bits_only)
{
	static uint8_t value[MODBUS_MAX_VALUE], back[MODBUS_MAX_VALUE];
	static uint16_t regs[4096];
	static uint8_t raw[8192];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 31 + 0x9b);
	for (size_t bits = 1; bits <= MODBUS_MAX_VALUE_BITS; bits += bits < 70 ? 1 : 97) {
		for (size_t offset = 0; offset < 20; offset++) {
			size_t lead = modbus_value_size(bits) * 8 - bits;
			memset(regs, 0x5a, sizeof(regs));
			value[0] = (uint8_t)(0xb7 & (0xff >> lead));
			apply(MODBUS_HOLDING_REGISTER, 10, offset, bits, value, regs);
			for (size_t i = 0; i < 200; i++) {
				raw[2 * i] = (uint8_t)(regs[i] >> 8);
				raw[2 * i + 1] = (uint8_t)regs[i];
			}
			modbus_value_get(
			    MODBUS_HOLDING_REGISTER, raw, 400, 160 + offset, bits, back);
			expect(memcmp(back, value, modbus_value_size(bits)) == 0);
			/* 0x5a5a repeats each bit eight bits away. */
			uint8_t side;
			modbus_value_get(MODBUS_HOLDING_REGISTER, raw, 400, 152 + offset, 8, &side);
			expect(side == (uint8_t)(0x5a5a >> (8 - offset % 8)));
			modbus_value_get(
			    MODBUS_HOLDING_REGISTER, raw, 400, 160 + offset + bits, 8, &side);
			expect(side == (uint8_t)(0x5a5a >> (8 - (offset + bits) % 8)));
		}
	}
}
END_TEST

START_TEST(write_takes_the_fewest_requests)
{
	static uint16_t regs[65536];
	uint8_t value[MODBUS_MAX_VALUE] = { 0 };

	ck_assert_uint_eq(apply(MODBUS_HOLDING_REGISTER, 0, 0, 16, value, regs), 1);
	ck_assert_uint_eq(apply(MODBUS_HOLDING_REGISTER, 0, 8, 32, value, regs), 3);
	ck_assert_uint_eq(apply(MODBUS_HOLDING_REGISTER, 0, 3, 4, value, regs), 1);
	ck_assert_uint_eq(apply(MODBUS_HOLDING_REGISTER, 0, 0, 2000, value, regs), 2);
	ck_assert_uint_eq(apply(MODBUS_COIL, 0, 5, 1, value, regs), 1);
	ck_assert_uint_eq(apply(MODBUS_COIL, 0, 0, 2000, value, regs), 2);
}
END_TEST

START_TEST(plan_keeps_the_limits)
{
	static struct plan_point points[300];
	static struct plan_range ranges[300];
	static uint32_t order[300];

	for (uint32_t i = 0; i < 300; i++)
		points[i] = (struct plan_point){ MODBUS_HOLDING_REGISTER, 299 - i, 1, 1000 };
	struct plan_limits none = { 0 };
	ck_assert_uint_eq(plan_make(points, 300, &none, order, ranges), 3);
	ck_assert_uint_eq(ranges[0].quantity, 125);
	ck_assert_uint_eq(ranges[2].quantity, 50);
	struct plan_limits small = { .max_registers = 10 };
	ck_assert_uint_eq(plan_make(points, 300, &small, order, ranges), 30);
	struct plan_limits each = { .one_each = true };
	ck_assert_uint_eq(plan_make(points, 300, &each, order, ranges), 300);
	for (uint32_t i = 0; i < 300; i++)
		points[i].start *= 3;
	ck_assert_uint_eq(plan_make(points, 300, &none, order, ranges), 300);
	struct plan_limits holes = { .hole_registers = 2 };
	ck_assert_uint_eq(plan_make(points, 300, &holes, order, ranges), 8);
	ranges[0].count = 2;
	plan_cover(points, order, &ranges[0]);
	ck_assert_uint_eq(ranges[0].quantity, 4);
}
END_TEST

START_TEST(plan_reads_queues_alone)
{
	static const struct plan_point points[] = {
		{ MODBUS_QUEUE, 10, 2, 1 },
		{ MODBUS_QUEUE, 11, 1, 1 },
		{ MODBUS_QUEUE, 12, 1, 1 },
		{ MODBUS_COIL, 0, 1, PLAN_NEVER },
	};
	struct plan_range ranges[4];
	uint32_t order[4];

	ck_assert_uint_eq(plan_make(points, 4, &(struct plan_limits){ 0 }, order, ranges), 3);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, value_of_the_manual);
	tcase_add_test(tc, value_agrees_with_single_bits);
	tcase_add_test(tc, decimal_both_ways);
	tcase_add_test(tc, largest_value);
	tcase_add_test(tc, write_touches_its_bits_only);
	tcase_add_test(tc, write_takes_the_fewest_requests);
	tcase_add_test(tc, plan_keeps_the_limits);
	tcase_add_test(tc, plan_reads_queues_alone);
}

UNIT_MAIN("modbus value, plan")
