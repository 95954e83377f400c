#include "device-runners/runtime/paced.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct paced p;
static int told;

static void
tell(void *arg)
{
	ck_assert_ptr_eq(arg, &told);
	told++;
}

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_NOENV);
	told = 0;
	paced_init(&p, loop, tell, &told);
}

static void
teardown(void)
{
	paced_stop(&p);
	ev_loop_destroy(loop);
}

static void
change(int times)
{
	ev_now_update(loop);
	for (int i = 0; i < times; i++)
		paced_changed(&p);
}

START_TEST(what_is_rare_is_told_at_once)
{
	for (int i = 1; i <= PACED_A_SECOND; i++) {
		change(1);
		ck_assert_int_eq(told, i);
	}
}
END_TEST

START_TEST(what_comes_often_is_told_once_later)
{
	change(PACED_A_SECOND + 1000);
	ck_assert_int_eq(told, PACED_A_SECOND);
	/* The loop ends when nothing waits any more. */
	struct monotime start = monotime_now();
	ev_run(loop, 0);
	ck_assert_int_eq(told, PACED_A_SECOND + 1);
	ck_assert_int_ge(monotime_diff_ms(monotime_now(), start), PACED_LATE_MS - 20);
	change(1);
	ev_run(loop, 0);
	ck_assert_int_eq(told, PACED_A_SECOND + 2);
}
END_TEST

START_TEST(a_new_second_counts_from_the_start)
{
	change(PACED_A_SECOND);
	p.since.ns -= INT64_C(1000000000);
	change(1);
	ck_assert_int_eq(told, PACED_A_SECOND + 1);
}
END_TEST

START_TEST(nothing_is_told_after_the_stop)
{
	struct paced never = { 0 };

	change(PACED_A_SECOND + 1);
	paced_stop(&p);
	ev_run(loop, 0);
	ck_assert_int_eq(told, PACED_A_SECOND);
	paced_stop(&never);
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
}

UNIT_MAIN("paced")
