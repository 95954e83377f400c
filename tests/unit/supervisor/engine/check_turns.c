/* supervisor/engine/turns.c */
#include <unistd.h>

#include "supervisor/engine/turns.h"
#include "tests/unit/suite.h"

static struct turns turns;

static struct monotime
at(int64_t seconds)
{
	return (struct monotime){ seconds * INT64_C(1000000000) };
}

START_TEST(the_longest_of_a_minute)
{
	turns = (struct turns){ 0 };
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1000)), 0);
	turns_record(&turns.wall, at(1000), 5000000);
	turns_record(&turns.wall, at(1000), 3000000);
	turns_record(&turns.wall, at(1030), 2000000);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1030)), 5000);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1059)), 5000);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1060)), 2000);
	turns_record(&turns.wall, at(1060), 1000);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1060)), 2000);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(1090)), 1);
	ck_assert_int_eq(turns_last_minute_us(&turns.wall, at(9999)), 0);
	ck_assert_int_eq(turns_longest_us(&turns.wall), 5000);
}
END_TEST

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	if (w->data)
		usleep(30000);
	else
		ev_break(loop, EVBREAK_ALL);
	w->data = NULL;
}

/* What a turn does counts; what it waits does not. */
START_TEST(measured_in_a_loop)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer t;

	turns_start(&turns, loop);
	ev_timer_init(&t, on_timer, 0.2, 0.01);
	t.data = &t;
	ev_timer_start(loop, &t);
	struct monotime start = monotime_now();
	ev_run(loop, 0);
	ck_assert_int_ge(turns_longest_us(&turns.wall), 30000);
	ck_assert_int_lt(
	    turns_longest_us(&turns.wall), monotime_diff_ms(monotime_now(), start) * 1000 - 150000);
	ck_assert_int_eq(
	    turns_last_minute_us(&turns.wall, monotime_now()), turns_longest_us(&turns.wall));
	/* It slept. */
	ck_assert_int_gt(turns_longest_us(&turns.cpu), 0);
	ck_assert_int_lt(turns_longest_us(&turns.cpu), 15000);
	ev_timer_stop(loop, &t);
	turns_stop(&turns, loop);
	ev_loop_destroy(loop);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, the_longest_of_a_minute);
	tcase_add_test(tc, measured_in_a_loop);
}

UNIT_MAIN("turns")
