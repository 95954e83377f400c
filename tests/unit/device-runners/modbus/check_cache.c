#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "device-runners/modbus/cache.h"
#include "tests/unit/suite.h"

static struct conf_data data[] = {
	{ .name = "whole", .type = MODBUS_HOLDING_REGISTER, .unit = 1, .start = 10, .bits = 16 },
	{ .name = "wide",
	    .type = MODBUS_HOLDING_REGISTER,
	    .unit = 1,
	    .start = 11,
	    .offset = 8,
	    .bits = 32 },
	{ .name = "low",
	    .type = MODBUS_HOLDING_REGISTER,
	    .unit = 1,
	    .start = 20,
	    .offset = 12,
	    .bits = 4 },
	{ .name = "coils", .type = MODBUS_COIL, .unit = 1, .start = 100, .offset = 3, .bits = 10 },
	{ .name = "over", .type = MODBUS_HOLDING_REGISTER, .unit = 1, .start = 10, .bits = 32 },
	{ .name = "queue", .type = MODBUS_QUEUE, .unit = 1, .start = 7, .bits = 700 },
	{ .name = "other", .type = MODBUS_INPUT_REGISTER, .unit = 2, .start = 65535, .bits = 16 },
};
enum { COUNT = sizeof(data) / sizeof(data[0]) };

static struct cache cache;
static char touched[2 * MODBUS_MAX_VALUE_TEXT];

static void
on_touch(void *arg, const struct conf_data *d, const uint8_t *value)
{
	char text[MODBUS_MAX_VALUE_TEXT];
	size_t used = strlen(touched);

	(void)arg;
	modbus_value_format(value, d->bits, text);
	snprintf(touched + used, sizeof(touched) - used, "%s=%s ", d->name, text);
}

static uint8_t
write_it(struct modbus_pdu req)
{
	touched[0] = '\0';
	return cache_write(&cache, 1, &req, on_touch, NULL);
}

static void
start(void)
{
	ck_assert_int_eq(cache_init(&cache, data, COUNT), 0);
}

static void
end(void)
{
	cache_clear(&cache);
}

START_TEST(registers_exist_where_data_are)
{
	static const struct {
		uint8_t unit, fc;
		uint16_t address, quantity;
		uint8_t want;
	} rows[] = {
		{ 1, 3, 10, 4, 0 },
		{ 1, 3, 9, 1, 2 },
		{ 1, 3, 10, 5, 2 },
		{ 1, 3, 13, 1, 0 },
		{ 1, 3, 20, 1, 0 },
		{ 1, 3, 21, 1, 2 },
		{ 1, 1, 103, 10, 0 },
		{ 1, 1, 102, 1, 2 },
		{ 1, 1, 103, 11, 2 },
		{ 1, 2, 103, 1, 2 },
		{ 2, 4, 65535, 1, 0 },
		{ 2, 3, 10, 1, 2 },
		{ 1, 24, 7, 0, 0 },
		{ 1, 24, 6, 0, 2 },
	};
	uint8_t out[MODBUS_MAX_PDU];
	size_t len;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct modbus_pdu req = {
			.fc = rows[i].fc, .address = rows[i].address, .quantity = rows[i].quantity
		};
		ck_assert_msg(cache_read(&cache, rows[i].unit, &req, out, &len) == rows[i].want,
		    "row %zu", i);
	}
	ck_assert(cache_has_unit(&cache, 2) && !cache_has_unit(&cache, 3));
}
END_TEST

START_TEST(values_are_read_back)
{
	static const uint8_t wide[] = { 0x34, 0x56, 0x78, 0x9a }, coils[] = { 0x02, 0x05 };
	static const uint8_t want[] = { 0x00, 0x34, 0x56, 0x78, 0x9a, 0x00 };
	uint8_t out[MODBUS_MAX_PDU];
	size_t len;

	cache_set(&cache, 1, wide);
	struct modbus_pdu req = { .fc = 3, .address = 11, .quantity = 3 };
	ck_assert_uint_eq(cache_read(&cache, 1, &req, out, &len), 0);
	ck_assert_uint_eq(len, 6);
	ck_assert_mem_eq(out, want, 6);
	/* 10 0000 0101, the first coil is the first bit. */
	cache_set(&cache, 3, coils);
	req = (struct modbus_pdu){ .fc = 1, .address = 103, .quantity = 10 };
	ck_assert_uint_eq(cache_read(&cache, 1, &req, out, &len), 0);
	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(out[0], 0x81);
	ck_assert_uint_eq(out[1], 0x02);
	/* A queue gives what fits an answer. */
	req = (struct modbus_pdu){ .fc = 24, .address = 7 };
	ck_assert_uint_eq(cache_read(&cache, 1, &req, out, &len), 0);
	ck_assert_uint_eq(len, 2 * MODBUS_MAX_FIFO_REGS);
}
END_TEST

START_TEST(writes_touch_what_they_overlap)
{
	static const uint8_t wide[] = { 0x11, 0x22, 0x33, 0x44 },
			     regs[] = { 0xaa, 0xbb, 0xcc, 0xdd };
	static const uint8_t bits[] = { 0x03 };

	cache_set(&cache, 1, wide);
	ck_assert_uint_eq(
	    write_it((struct modbus_pdu){ .fc = 6, .address = 12, .quantity = 1, .value = 0x5566 }),
	    0);
	ck_assert_str_eq(touched, "wide=290809412 "); /* 0x11556644 */
	ck_assert_uint_eq(write_it((struct modbus_pdu){
			      .fc = 16, .address = 10, .quantity = 2, .data = regs, .len = 4 }),
	    0);
	/* over and wide share a byte: 0xaabbccdd, and 0xdd223344. */
	ck_assert_str_eq(touched, "whole=43707 wide=3710006084 over=2864434397 ");
	ck_assert_uint_eq(write_it((struct modbus_pdu){
			      .fc = 15, .address = 103, .quantity = 2, .data = bits, .len = 1 }),
	    0);
	ck_assert_str_eq(touched, "coils=768 ");
	/* Bits that belong to nothing. */
	ck_assert_uint_eq(
	    write_it((struct modbus_pdu){ .fc = 6, .address = 20, .quantity = 1, .value = 0xfff0 }),
	    0);
	ck_assert_str_eq(touched, "low=0 ");
	ck_assert_uint_eq(write_it((struct modbus_pdu){ .fc = 6, .address = 14, .quantity = 1 }),
	    MODBUS_ILLEGAL_DATA_ADDRESS);
	ck_assert_uint_eq(write_it((struct modbus_pdu){ .fc = 5, .address = 99, .quantity = 1 }),
	    MODBUS_ILLEGAL_DATA_ADDRESS);
}
END_TEST

START_TEST(masks_touch_what_they_clear)
{
	struct modbus_pdu req = {
		.fc = 22, .address = 20, .quantity = 1, .and_mask = 0xffff, .or_mask = 0xffff
	};

	ck_assert_uint_eq(write_it(req), 0);
	ck_assert_str_eq(touched, "");
	req.and_mask = 0x0fff;
	ck_assert_uint_eq(write_it(req), 0);
	ck_assert_str_eq(touched, "");
	req.and_mask = 0xfffb;
	ck_assert_uint_eq(write_it(req), 0);
	ck_assert_str_eq(touched, "low=4 ");
}
END_TEST

enum { MANY = 60000 };

static void
on_many(void *arg, const struct conf_data *d, const uint8_t *value)
{
	uint32_t *sum = arg;

	*sum = *sum * 31 + d->start + value[0];
}

static double
cost_of_writes(size_t count, uint32_t *sum)
{
	static struct conf_data many[MANY];
	struct cache c;
	struct timespec begin, end;

	for (size_t i = 0; i < count; i++)
		many[i] = (struct conf_data){ .name = "x",
			.type = MODBUS_HOLDING_REGISTER,
			.unit = 1,
			.start = (uint16_t)(count - 1 - i),
			.bits = 16 };
	ck_assert_int_eq(cache_init(&c, many, count), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (uint16_t i = 0; i < 10000; i++)
		ck_assert_uint_eq(
		    cache_write(&c, 1,
			&(struct modbus_pdu){
			    .fc = 6, .address = (uint16_t)(i % count), .quantity = 1, .value = i },
			on_many, sum),
		    0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	cache_clear(&c);
	return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
}

/* What a write costs does not depend on how much there is: 300 us at 60,000 points it once was. */
START_TEST(writes_are_flat)
{
	uint32_t a = 0, b = 0;
	double few = cost_of_writes(10, &a), lots = cost_of_writes(MANY, &b);

	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(b, 0);
	ck_assert_msg(
	    lots < 20 * few, "%.0f ns at 10 points, %.0f at %d", few / 1e4, lots / 1e4, MANY);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, start, end);
	tcase_add_test(tc, registers_exist_where_data_are);
	tcase_add_test(tc, values_are_read_back);
	tcase_add_test(tc, writes_touch_what_they_overlap);
	tcase_add_test(tc, masks_touch_what_they_clear);
	tcase_add_test(tc, writes_are_flat);
}

UNIT_MAIN("modbus cache")
