#include <stdio.h>

#include "supervisor/child/stats.h"
#include "tests/unit/suite.h"

static struct monotime
at(int64_t ms)
{
	return monotime_add_ms((struct monotime){ 1 }, ms);
}

START_TEST(counters_are_kept_by_name_and_bounded)
{
	struct stats s = { 0 };
	char name[STATS_MAX_NAME];

	for (uint64_t i = 0; i < STATS_MAX_COUNTERS + 5; i++) {
		snprintf(name, sizeof(name), "counter %u", (unsigned)i);
		stats_set_counter(&s, name, i);
	}
	stats_set_counter(&s, "counter 3", 77);
	ck_assert_uint_eq(s.counter_count, STATS_MAX_COUNTERS);
	ck_assert_str_eq(s.counters[3].name, "counter 3");
	ck_assert_uint_eq(s.counters[3].value, 77);
}
END_TEST

START_TEST(a_rate_is_of_the_time_between_samples)
{
	struct stats s = { .registered = 30, .registered_in_life = 20 };

	/* Started just now: less than a second counts as one. */
	ck_assert_double_eq_tol(stats_rate(&s, at(10000), at(10100)), 20., 1e-9);
	ck_assert_double_eq_tol(stats_rate(&s, at(10000), at(14000)), 5., 1e-9);
	stats_sample(&s, at(15000));
	stats_sample(&s, at(20000));
	s.registered += 100;
	ck_assert_double_eq_tol(stats_rate(&s, at(10000), at(25000)), 10., 1e-9);
	/* Started again after the samples. */
	s.registered_in_life = 8;
	ck_assert_double_eq_tol(stats_rate(&s, at(21000), at(25000)), 2., 1e-9);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, counters_are_kept_by_name_and_bounded);
	tcase_add_test(tc, a_rate_is_of_the_time_between_samples);
}

UNIT_MAIN("numbers of a device")
