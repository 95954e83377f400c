/* supervisor/engine/window.c: how much may be under way to the Event Server. */
#include "supervisor/engine/window.h"
#include "tests/unit/suite.h"

static const struct monotime start = { INT64_C(1000000000) };
static struct window w;

static struct monotime
at(int64_t us)
{
	return (struct monotime){ start.ns + us * 1000 };
}

static void
open_window(void)
{
	window_open(&w, 1000);
	ck_assert(!window_wants_mark(&w, 1000));
	ck_assert(window_has_room(&w, 1000));
	ck_assert_uint_eq(w.size, WINDOW_MIN);
}

/* All that fits is put and marked, and its answer comes after us. */
static void
filled(int64_t us)
{
	uint64_t put = w.taken + w.size;

	ck_assert(window_has_room(&w, put - 1));
	ck_assert(window_wants_mark(&w, w.taken + w.size / 2));
	ck_assert(!window_wants_mark(&w, w.taken + w.size / 2 - 1));
	window_marked(&w, put, start);
	ck_assert(!window_wants_mark(&w, put));
	ck_assert(!window_has_room(&w, put));
	window_answered(&w, at(us));
	ck_assert(window_has_room(&w, put));
}

/* What a server that takes so many bytes a millisecond, and so long for each answer besides, is
 * given at once after a while, in bytes. */
static uint64_t
given(int64_t bytes_per_ms, int64_t us)
{
	open_window();
	for (int i = 0; i < 100; i++)
		filled(us + (int64_t)w.size * 1000 / bytes_per_ms);
	return w.size;
}

START_TEST(a_slow_server_gets_little_at_once)
{
	ck_assert_uint_le(given(100, 200), 2 * WINDOW_MIN);
	ck_assert_uint_le(given(2000, 200), 4 * WINDOW_MIN);
}
END_TEST

START_TEST(a_fast_server_gets_all)
{
	ck_assert_uint_eq(given(10000000, 200), WINDOW_MAX);
}
END_TEST

START_TEST(a_server_that_is_far_or_waits_for_its_disk_gets_much)
{
	ck_assert_uint_ge(given(100000, 100000), 1024 * 1024);
}
END_TEST

START_TEST(a_server_that_becomes_slow_gets_less)
{
	given(10000000, 200);
	for (int i = 0; i < 20; i++)
		filled((int64_t)w.size * 1000 / 1000);
	ck_assert_uint_le(w.size, 4 * WINDOW_MIN);
}
END_TEST

START_TEST(a_path_that_becomes_longer_is_no_queue_for_long)
{
	given(100000, 1000);
	for (int i = 0; i < 100; i++)
		filled(100000 + (int64_t)w.size * 1000 / 100000);
	ck_assert_uint_ge(w.size, 256 * 1024);
}
END_TEST

START_TEST(a_window_that_is_not_full_stays_as_it_is)
{
	open_window();
	for (int i = 0; i < 5; i++) {
		window_marked(&w, w.taken + w.size / 2, start);
		ck_assert(window_has_room(&w, w.marked));
		window_answered(&w, at(600));
	}
	ck_assert_uint_eq(w.size, WINDOW_MIN);
}
END_TEST

START_TEST(what_comes_behind_the_mark_is_under_way_still)
{
	open_window();
	uint64_t put = w.taken;

	window_marked(&w, put + WINDOW_MIN / 2, start);
	window_answered(&w, at(4000));
	ck_assert(window_has_room(&w, put + WINDOW_MIN));
	ck_assert(!window_has_room(&w, put + WINDOW_MIN + WINDOW_MIN / 2));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_slow_server_gets_little_at_once);
	tcase_add_test(tc, a_fast_server_gets_all);
	tcase_add_test(tc, a_server_that_is_far_or_waits_for_its_disk_gets_much);
	tcase_add_test(tc, a_server_that_becomes_slow_gets_less);
	tcase_add_test(tc, a_path_that_becomes_longer_is_no_queue_for_long);
	tcase_add_test(tc, a_window_that_is_not_full_stays_as_it_is);
	tcase_add_test(tc, what_comes_behind_the_mark_is_under_way_still);
}

UNIT_MAIN("window")
