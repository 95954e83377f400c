/* supervisor/engine/gate.c: whose turn it is. */
#include <string.h>

#include "supervisor/engine/gate.h"
#include "tests/unit/suite.h"

static const struct monotime start = { INT64_C(1000000000) };
static struct gate gate;
static struct gate_party a, b, c;

static void
setup(void)
{
	gate = (struct gate){ 0 };
	a = (struct gate_party){ .owner = &a };
	b = (struct gate_party){ .owner = &b };
	c = (struct gate_party){ .owner = &c };
}

static struct monotime
at(int64_t ms)
{
	return monotime_add_ms(start, ms);
}

/* The party whose turn it is, as "a0": the party and the ring; "-" nobody's. */
static const char *
next(size_t unsent, int64_t ms)
{
	static char text[3];
	enum gate_ring ring;
	const struct gate_party *p = gate_next(&gate, unsent, at(ms), &ring);

	text[0] = p == &a ? 'a' : p == &b ? 'b' : 'c';
	text[1] = (char)('0' + ring);
	return p ? text : "-";
}

START_TEST(parties_of_a_ring_take_turns)
{
	gate_enter(&gate, &a, GATE_EVENTS);
	gate_enter(&gate, &b, GATE_EVENTS);
	gate_enter(&gate, &a, GATE_EVENTS);
	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(next(0, 0), "a1");
		gate_enter(&gate, &a, GATE_EVENTS);
		ck_assert_str_eq(next(0, 0), "b1");
		gate_enter(&gate, &b, GATE_EVENTS);
	}
	gate_leave(&gate, &a, GATE_EVENTS);
	gate_leave(&gate, &a, GATE_EVENTS);
	ck_assert_str_eq(next(0, 0), "b1");
	ck_assert_str_eq(next(0, 0), "-");
}
END_TEST

START_TEST(events_and_queries_take_turns)
{
	gate_enter(&gate, &a, GATE_EVENTS);
	gate_enter(&gate, &b, GATE_EVENTS);
	gate_enter(&gate, &c, GATE_EVENTS);
	gate_enter(&gate, &b, GATE_QUERIES);
	gate_enter(&gate, &c, GATE_QUERIES);
	static const char *const order[] = { "b2", "a1", "c2", "b1", "c1", "-" };
	gate.turn = GATE_QUERIES;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		ck_assert_str_eq(next(0, 0), order[i]);
}
END_TEST

START_TEST(the_own_ring_comes_first_and_has_its_own_room)
{
	gate_enter(&gate, &a, GATE_EVENTS);
	gate_enter(&gate, &b, GATE_QUERIES);
	gate_enter(&gate, &c, GATE_OWN);
	ck_assert(!gate_wants_room(&gate, GATE_ROOM - 1));
	ck_assert(gate_wants_room(&gate, GATE_ROOM));
	ck_assert_str_eq(next(GATE_OWN_ROOM, 0), "-");
	ck_assert_str_eq(next(GATE_OWN_ROOM - 1, 0), "c0");
	ck_assert_str_eq(next(GATE_ROOM, 0), "-");
	ck_assert_str_eq(next(GATE_ROOM - 1, 0), "a1");
	ck_assert_str_eq(next(0, 0), "b2");
	ck_assert(!gate_wants_room(&gate, GATE_OWN_ROOM));
}
END_TEST

START_TEST(a_party_has_one_query_under_way_and_rests_as_long_as_it_took)
{
	gate_enter(&gate, &a, GATE_QUERIES);
	ck_assert_str_eq(next(0, 0), "a2");
	gate_asked(&gate, &a);
	gate_enter(&gate, &a, GATE_QUERIES);
	gate_enter(&gate, &b, GATE_QUERIES);
	ck_assert_str_eq(next(0, 0), "b2");
	gate_asked(&gate, &b);
	ck_assert_str_eq(next(0, 0), "-");
	ck_assert_int_eq(gate_wakes(&gate).ns, 0);
	gate_answered(&gate, &a, at(0), at(50));
	ck_assert_str_eq(next(0, 50), "-");
	ck_assert_int_eq(monotime_cmp(gate_wakes(&gate), at(100)), 0);
	ck_assert_str_eq(next(0, 99), "-");
	ck_assert_str_eq(next(0, 100), "a2");
}
END_TEST

START_TEST(a_rest_has_an_end)
{
	gate_asked(&gate, &a);
	gate_answered(&gate, &a, at(0), at(600000));
	gate_enter(&gate, &a, GATE_QUERIES);
	ck_assert_str_eq(next(0, 600000 + GATE_MAX_REST_MS - 1), "-");
	ck_assert_str_eq(next(0, 600000 + GATE_MAX_REST_MS), "a2");
}
END_TEST

/* And nobody overtakes it while it waits for that: its turn comes. */
START_TEST(costly_queries_run_alone)
{
	gate_asked(&gate, &a);
	gate_answered(&gate, &a, at(0), at(GATE_COSTLY_MS));
	gate_asked(&gate, &b);
	gate_enter(&gate, &a, GATE_QUERIES);
	gate_enter(&gate, &c, GATE_QUERIES);
	ck_assert_str_eq(next(0, 2 * GATE_COSTLY_MS), "-");
	gate_answered(&gate, &b, at(0), at(2 * GATE_COSTLY_MS));
	ck_assert_str_eq(next(0, 2 * GATE_COSTLY_MS), "a2");
	ck_assert_str_eq(next(0, 2 * GATE_COSTLY_MS), "c2");
}
END_TEST

START_TEST(queries_under_way_are_bounded)
{
	for (int i = 0; i < GATE_MAX_ASKED; i++)
		gate_asked(&gate, &a);
	gate_enter(&gate, &b, GATE_QUERIES);
	ck_assert_str_eq(next(0, 0), "-");
	/* The answer to one of a party that is no more. */
	gate_answered(&gate, NULL, at(0), at(0));
	ck_assert_str_eq(next(0, 0), "b2");
}
END_TEST

START_TEST(who_is_forgotten_is_in_no_ring)
{
	for (int ring = 0; ring < GATE_RING_COUNT; ring++) {
		gate_enter(&gate, &b, (enum gate_ring)ring);
		gate_enter(&gate, &a, (enum gate_ring)ring);
		gate_enter(&gate, &c, (enum gate_ring)ring);
	}
	gate_forget(&gate, &a);
	gate_forget(&gate, &c);
	static const char *const order[] = { "b0", "b1", "b2", "-" };
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		ck_assert_str_eq(next(0, 0), order[i]);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, parties_of_a_ring_take_turns);
	tcase_add_test(tc, events_and_queries_take_turns);
	tcase_add_test(tc, the_own_ring_comes_first_and_has_its_own_room);
	tcase_add_test(tc, a_party_has_one_query_under_way_and_rests_as_long_as_it_took);
	tcase_add_test(tc, a_rest_has_an_end);
	tcase_add_test(tc, costly_queries_run_alone);
	tcase_add_test(tc, queries_under_way_are_bounded);
	tcase_add_test(tc, who_is_forgotten_is_in_no_ring);
}

UNIT_MAIN("gate")
