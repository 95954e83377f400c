#include <stdio.h>
#include <string.h>

#include "supervisor/log/log_limit.h"
#include "tests/unit/suite.h"

static struct log_limit limit;

static struct monotime
at_ms(int64_t ms)
{
	return monotime_add_ms((struct monotime){ 1 }, ms);
}

/* Takes n lines at once; returns how many passed. */
static int
take(const char *device, const char *event, int n, int64_t ms, uint64_t *left_out)
{
	uint64_t before, sum = 0;
	int passed = 0;

	for (int i = 0; i < n; i++) {
		passed += log_limit_take(&limit, device, event, at_ms(ms), &before);
		sum += before;
	}
	if (left_out)
		*left_out = sum;
	return passed;
}

START_TEST(a_burst_passes_then_a_rate)
{
	uint64_t left_out;

	log_limit_init(&limit);
	ck_assert_int_eq(take("a", "x", 1000, 0, &left_out), LOG_LIMIT_BURST);
	ck_assert_uint_eq(left_out, 0);
	ck_assert_int_eq(take("a", "y", 10, 0, NULL), 10);  /* another kind */
	ck_assert_int_eq(take("b", "x", 10, 0, NULL), 10);  /* another device */
	ck_assert_int_eq(take(NULL, "x", 10, 0, NULL), 10); /* none */
	ck_assert_int_eq(take("a", "x", 1, LOG_LIMIT_REFILL_MS - 1, NULL), 0);
	ck_assert_int_eq(take("a", "x", 2, LOG_LIMIT_REFILL_MS, &left_out), 1);
	ck_assert_uint_eq(left_out, 1000 - LOG_LIMIT_BURST + 1); /* told once */
	ck_assert_int_eq(take("a", "x", 10, 4 * LOG_LIMIT_REFILL_MS, &left_out), 3);
	ck_assert_uint_eq(left_out, 1);
	ck_assert_int_eq(take("a", "x", 1000, 3600 * 1000, &left_out), LOG_LIMIT_BURST);
	ck_assert_uint_eq(left_out, 7);
}
END_TEST

START_TEST(kinds_that_fell_silent_are_told)
{
	const struct log_limit_kind *k;
	uint64_t left_out = 0;

	log_limit_init(&limit);
	ck_assert_ptr_null(log_limit_reopened(&limit, at_ms(0), true, &left_out));
	take("a", "x", LOG_LIMIT_BURST + 5, 0, NULL);
	ck_assert_ptr_null(log_limit_reopened(&limit, at_ms(1), false, &left_out));
	k = log_limit_reopened(&limit, at_ms(LOG_LIMIT_REFILL_MS), false, &left_out);
	ck_assert_ptr_nonnull(k);
	ck_assert_str_eq(k->device, "a");
	ck_assert_str_eq(k->event, "x");
	ck_assert_uint_eq(left_out, 5);
	ck_assert_ptr_null(log_limit_reopened(&limit, at_ms(1000), false, &left_out));
	take("a", "x", LOG_LIMIT_BURST + 5, 1000, NULL);
	ck_assert_ptr_nonnull(log_limit_reopened(&limit, at_ms(1000), true, &left_out));
}
END_TEST

START_TEST(its_size_is_fixed)
{
	char device[200];
	int passed = 0;

	/* Names beyond what is kept are one kind: a log cannot be flooded by making up devices. */
	log_limit_init(&limit);
	for (int i = 0; i < 10000; i++) {
		snprintf(device, sizeof(device), "device%0150d", i);
		passed += take(device, "x", 1, i, NULL);
	}
	ck_assert_int_eq(passed, LOG_LIMIT_BURST + 9999 / LOG_LIMIT_REFILL_MS);
	/* Kinds beyond the table take the longest quiet's place. */
	for (int i = 0; i < LOG_LIMIT_KINDS * 4; i++) {
		snprintf(device, sizeof(device), "d%d", i);
		ck_assert_int_eq(take(device, "x", 1, 1000000 + i, NULL), 1);
	}
}
END_TEST

START_TEST(what_kinds_that_gave_way_left_out_is_told)
{
	const struct monotime now = at_ms(0);
	const uint64_t kinds = 2 * LOG_LIMIT_KINDS;
	uint64_t left_out, told = 0;
	char device[16];

	log_limit_init(&limit);
	for (uint64_t i = 0; i < kinds; i++) {
		snprintf(device, sizeof(device), "plc%d", (int)i);
		for (int k = 0; k < LOG_LIMIT_BURST; k++)
			ck_assert(log_limit_take(&limit, device, "x", now, &left_out));
		ck_assert(!log_limit_take(&limit, device, "x", now, &left_out));
	}
	while (log_limit_reopened(&limit, now, true, &left_out))
		told += left_out;
	ck_assert_uint_eq(told, kinds);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_burst_passes_then_a_rate);
	tcase_add_test(tc, kinds_that_fell_silent_are_told);
	tcase_add_test(tc, its_size_is_fixed);
	tcase_add_test(tc, what_kinds_that_gave_way_left_out_is_told);
}

UNIT_MAIN("log_limit")
