#include "device-runners/runtime/reconnect.h"
#include "tests/unit/suite.h"

enum { DELAY = 3000, LIVED = 10000, LEAST = RECONNECT_MIN_MS };

static struct monotime
at(int64_t ms)
{
	return (struct monotime){ ms * INT64_C(1000000) };
}

static int64_t
ms(int64_t ns)
{
	return ns / 1000000;
}

static struct reconnect
make(int64_t delay_ms, int64_t lived_ms)
{
	struct reconnect r;

	reconnect_init(&r, at(delay_ms).ns, at(lived_ms).ns);
	return r;
}

START_TEST(a_failed_attempt_waits_for_the_delay)
{
	struct reconnect r = make(DELAY, LIVED), none = make(0, 0);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ms(reconnect_failed(&r)), DELAY);
	/* A delay of 0 would be a loop without end. */
	ck_assert_int_eq(ms(reconnect_failed(&none)), LEAST);
}
END_TEST

START_TEST(the_first_loss_is_followed_at_once_and_the_others_wait)
{
	struct reconnect r = make(DELAY, LIVED);

	reconnect_connected(&r, at(0));
	ck_assert_int_eq(reconnect_lost(&r, true, at(1)), 0);
	for (int i = 1; i < 4; i++) {
		reconnect_connected(&r, at(i * DELAY));
		ck_assert_int_eq(ms(reconnect_lost(&r, true, at(i * DELAY + 1))), DELAY);
	}
}
END_TEST

START_TEST(a_connection_that_lived_earns_an_attempt_at_once)
{
	struct reconnect r = make(DELAY, LIVED);

	reconnect_connected(&r, at(0));
	ck_assert_int_eq(reconnect_lost(&r, true, at(1)), 0);
	/* It has to have stood for long enough, */
	reconnect_connected(&r, at(100));
	ck_assert_int_eq(ms(reconnect_lost(&r, true, at(100 + LIVED - 1))), DELAY);
	/* to have answered, */
	reconnect_connected(&r, at(20000));
	ck_assert_int_eq(ms(reconnect_lost(&r, false, at(20000 + LIVED))), DELAY);
	/* or both. */
	reconnect_connected(&r, at(40000));
	ck_assert_int_eq(reconnect_lost(&r, true, at(40000 + LIVED)), 0);
}
END_TEST

START_TEST(without_another_word_a_life_is_as_long_as_the_delay)
{
	struct reconnect r = make(DELAY, 0);

	reconnect_connected(&r, at(0));
	ck_assert_int_eq(reconnect_lost(&r, true, at(1)), 0);
	reconnect_connected(&r, at(10));
	ck_assert_int_eq(ms(reconnect_lost(&r, true, at(10 + DELAY - 1))), DELAY);
	reconnect_connected(&r, at(10000));
	ck_assert_int_eq(reconnect_lost(&r, true, at(10000 + DELAY)), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_failed_attempt_waits_for_the_delay);
	tcase_add_test(tc, the_first_loss_is_followed_at_once_and_the_others_wait);
	tcase_add_test(tc, a_connection_that_lived_earns_an_attempt_at_once);
	tcase_add_test(tc, without_another_word_a_life_is_as_long_as_the_delay);
}

UNIT_MAIN("reconnect")
