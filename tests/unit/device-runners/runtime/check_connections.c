/* The event of a slave's connections: how often it comes, and that the last one is true. */
#include <string.h>

#include "device-runners/runtime/connections.h"
#include "tests/unit/device-runners/fake_runner.h"
#include "tests/unit/suite.h"

static struct runner r;
static struct connections c;
static int far = -1, told;
static size_t count;

static size_t
list(void *arg, struct json_writer *w)
{
	ck_assert_ptr_eq(arg, &told);
	for (size_t i = 0; i < count; i++)
		json_put_int(w, NULL, 7);
	told++;
	return count;
}

static void
setup(void)
{
	far = fake_runner_open(&r, NULL);
	told = 0;
	count = 1;
	connections_init(&c, &r, list, &told);
}

static void
teardown(void)
{
	connections_stop(&c);
	fake_runner_close(&r, far);
}

static void
change(int times)
{
	ev_now_update(r.loop);
	for (int i = 0; i < times; i++)
		connections_changed(&c);
}

/* The test has a time-out. */
static void
wait_for(int events)
{
	while (told < events)
		ev_run(r.loop, EVRUN_ONCE);
	ck_assert_int_eq(told, events);
}

/* Whether the last event of this turn of the loop has that payload. */
static bool
ends_with(const char *json)
{
	size_t len = strlen(json);
	const uint8_t *end = r.batch.data + r.batch.head + r.batch.len;

	return memmem(end - len - 8, len + 8, json, len);
}

START_TEST(what_is_rare_is_told_at_once)
{
	for (int i = 1; i <= CONNECTIONS_A_SECOND; i++) {
		change(1);
		ck_assert_int_eq(told, i);
	}
}
END_TEST

START_TEST(what_comes_often_is_told_once_later)
{
	change(CONNECTIONS_A_SECOND + 1000);
	ck_assert_int_eq(told, CONNECTIONS_A_SECOND);
	struct monotime start = monotime_now();
	wait_for(CONNECTIONS_A_SECOND + 1);
	ck_assert_int_eq(told, CONNECTIONS_A_SECOND + 1);
	ck_assert_int_ge(monotime_diff_ms(monotime_now(), start), CONNECTIONS_LATE_MS - 20);
	change(1);
	wait_for(CONNECTIONS_A_SECOND + 2);
}
END_TEST

START_TEST(a_new_second_counts_from_the_start)
{
	change(CONNECTIONS_A_SECOND);
	c.since.ns -= INT64_C(1000000000);
	change(1);
	ck_assert_int_eq(told, CONNECTIONS_A_SECOND + 1);
}
END_TEST

START_TEST(nothing_is_told_after_the_stop)
{
	struct connections never = { 0 };

	change(CONNECTIONS_A_SECOND + 1);
	connections_stop(&c);
	change(1);
	ck_assert(!ev_is_active(&c.late));
	ck_assert_int_eq(told, CONNECTIONS_A_SECOND);
	connections_stop(&never);
}
END_TEST

START_TEST(the_stop_says_that_nobody_is_left)
{
	change(1);
	ck_assert_uint_eq(r.batch_count, 1);
	ck_assert(ends_with("[7]"));
	connections_stop(&c);
	ck_assert_uint_eq(r.batch_count, 2);
	ck_assert(ends_with("[]"));
	connections_stop(&c);
	ck_assert_uint_eq(r.batch_count, 2);
}
END_TEST

START_TEST(the_stop_does_not_repeat_an_empty_list)
{
	count = 0;
	change(1);
	connections_stop(&c);
	ck_assert_uint_eq(r.batch_count, 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_rare_is_told_at_once);
	tcase_add_test(tc, what_comes_often_is_told_once_later);
	tcase_add_test(tc, a_new_second_counts_from_the_start);
	tcase_add_test(tc, nothing_is_told_after_the_stop);
	tcase_add_test(tc, the_stop_says_that_nobody_is_left);
	tcase_add_test(tc, the_stop_does_not_repeat_an_empty_list);
}

UNIT_MAIN("connections")
