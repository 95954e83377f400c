#include <stdlib.h>

#include "supervisor/child/child_fsm.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

enum { START_MS = 10000, PING_MS = 2000, STOP_MS = 5000 };

static const struct child_deadlines limits = { START_MS, PING_MS, STOP_MS };

static struct monotime
at(int64_t ms)
{
	return monotime_add_ms((struct monotime){ 1 }, ms);
}

/* A machine in a state as it is usually reached, at 1 s. */
static struct child_fsm
machine(enum child_state state)
{
	static const enum child_event paths[CHILD_STATE_COUNT][4] = {
		[CHILD_DISABLED] = { CHILD_DISABLE, CHILD_DISABLE, CHILD_DISABLE, CHILD_DISABLE },
		[CHILD_STARTING] = { CHILD_ENABLE, CHILD_ENABLE, CHILD_ENABLE, CHILD_ENABLE },
		[CHILD_RUNNING] = { CHILD_ENABLE, CHILD_READY, CHILD_PONG, CHILD_PONG },
		[CHILD_STOPPING] = { CHILD_ENABLE, CHILD_READY, CHILD_RESTART, CHILD_RESTART },
		[CHILD_BACKOFF] = { CHILD_ENABLE, CHILD_READY, CHILD_DIED, CHILD_DIED },
		[CHILD_FAILED] = { CHILD_ENABLE, CHILD_DIED_CONFIG, CHILD_DIED_CONFIG,
		    CHILD_DIED_CONFIG },
	};
	struct child_fsm f;

	child_fsm_init(&f, &limits, at(0));
	for (size_t i = 0; i < 4; i++)
		child_fsm_step(&f, paths[state][i], at(1000), 0);
	ck_assert_int_eq(f.state, state);
	return f;
}

#define STAYS(s) s, 0

struct expectation {
	enum child_state state;
	unsigned actions;
};

/* Every (state, event): where it leads and what is done. */
static const struct expectation table[CHILD_STATE_COUNT][CHILD_EVENT_COUNT] = {
	[CHILD_DISABLED] = {
		[CHILD_ASKED] = { STAYS(CHILD_DISABLED) },
		[CHILD_ANSWERED] = { STAYS(CHILD_DISABLED) },
		[CHILD_ENABLE] = { CHILD_STARTING, CHILD_DO_SPAWN },
		[CHILD_DISABLE] = { STAYS(CHILD_DISABLED) },
		[CHILD_READY] = { STAYS(CHILD_DISABLED) },
		[CHILD_PONG] = { STAYS(CHILD_DISABLED) },
		[CHILD_DIED] = { STAYS(CHILD_DISABLED) },
		[CHILD_DIED_CONFIG] = { STAYS(CHILD_DISABLED) },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_DISABLED) },
		[CHILD_VIOLATION] = { STAYS(CHILD_DISABLED) },
		[CHILD_HUNG] = { STAYS(CHILD_DISABLED) },
		[CHILD_RESTART] = { STAYS(CHILD_DISABLED) },
		[CHILD_DEADLINE] = { STAYS(CHILD_DISABLED) },
	},
	[CHILD_STARTING] = {
		[CHILD_ASKED] = { STAYS(CHILD_STARTING) },
		[CHILD_ANSWERED] = { STAYS(CHILD_STARTING) },
		[CHILD_ENABLE] = { STAYS(CHILD_STARTING) },
		[CHILD_DISABLE] = { CHILD_STOPPING, CHILD_DO_STOP },
		[CHILD_READY] = { CHILD_RUNNING, CHILD_DO_PING | CHILD_DO_RUNNING_TRUE },
		[CHILD_PONG] = { STAYS(CHILD_STARTING) },
		[CHILD_DIED] = { CHILD_STARTING, CHILD_DO_SPAWN }, /* the first restart is immediate */
		[CHILD_DIED_CONFIG] = { STAYS(CHILD_FAILED) },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_BACKOFF) },
		[CHILD_VIOLATION] = { CHILD_STARTING, CHILD_DO_KILL },
		[CHILD_HUNG] = { CHILD_STARTING, CHILD_DO_KILL },
		[CHILD_RESTART] = { CHILD_STOPPING, CHILD_DO_STOP },
		[CHILD_DEADLINE] = { CHILD_STARTING, CHILD_DO_KILL },
	},
	[CHILD_RUNNING] = {
		[CHILD_ASKED] = { STAYS(CHILD_RUNNING) },
		[CHILD_ANSWERED] = { STAYS(CHILD_RUNNING) },
		[CHILD_ENABLE] = { STAYS(CHILD_RUNNING) },
		[CHILD_DISABLE] = { CHILD_STOPPING, CHILD_DO_STOP },
		[CHILD_READY] = { STAYS(CHILD_RUNNING) },
		[CHILD_PONG] = { STAYS(CHILD_RUNNING) },
		[CHILD_DIED] = { CHILD_STARTING, CHILD_DO_SPAWN | CHILD_DO_RUNNING_FALSE },
		[CHILD_DIED_CONFIG] = { CHILD_FAILED, CHILD_DO_RUNNING_FALSE },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_RUNNING) },
		[CHILD_VIOLATION] = { CHILD_RUNNING, CHILD_DO_KILL },
		[CHILD_HUNG] = { CHILD_RUNNING, CHILD_DO_KILL },
		[CHILD_RESTART] = { CHILD_STOPPING, CHILD_DO_STOP },
		[CHILD_DEADLINE] = { CHILD_RUNNING, CHILD_DO_PING },
	},
	[CHILD_STOPPING] = {
		[CHILD_ASKED] = { STAYS(CHILD_STOPPING) },
		[CHILD_ANSWERED] = { STAYS(CHILD_STOPPING) },
		[CHILD_ENABLE] = { STAYS(CHILD_STOPPING) },
		[CHILD_DISABLE] = { STAYS(CHILD_STOPPING) },
		[CHILD_READY] = { STAYS(CHILD_STOPPING) },
		[CHILD_PONG] = { STAYS(CHILD_STOPPING) },
		[CHILD_DIED] = { CHILD_STARTING, CHILD_DO_SPAWN | CHILD_DO_RUNNING_FALSE },
		[CHILD_DIED_CONFIG] = { CHILD_STARTING, CHILD_DO_SPAWN | CHILD_DO_RUNNING_FALSE },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_STOPPING) },
		[CHILD_VIOLATION] = { CHILD_STOPPING, CHILD_DO_KILL },
		[CHILD_HUNG] = { STAYS(CHILD_STOPPING) },
		[CHILD_RESTART] = { STAYS(CHILD_STOPPING) },
		[CHILD_DEADLINE] = { CHILD_STOPPING, CHILD_DO_KILL },
	},
	[CHILD_BACKOFF] = {
		[CHILD_ASKED] = { STAYS(CHILD_BACKOFF) },
		[CHILD_ANSWERED] = { STAYS(CHILD_BACKOFF) },
		[CHILD_ENABLE] = { STAYS(CHILD_BACKOFF) },
		[CHILD_DISABLE] = { STAYS(CHILD_DISABLED) },
		[CHILD_READY] = { STAYS(CHILD_BACKOFF) },
		[CHILD_PONG] = { STAYS(CHILD_BACKOFF) },
		[CHILD_DIED] = { STAYS(CHILD_BACKOFF) },
		[CHILD_DIED_CONFIG] = { STAYS(CHILD_BACKOFF) },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_BACKOFF) },
		[CHILD_VIOLATION] = { STAYS(CHILD_BACKOFF) },
		[CHILD_HUNG] = { STAYS(CHILD_BACKOFF) },
		[CHILD_RESTART] = { CHILD_STARTING, CHILD_DO_SPAWN },
		[CHILD_DEADLINE] = { CHILD_STARTING, CHILD_DO_SPAWN },
	},
	[CHILD_FAILED] = {
		[CHILD_ASKED] = { STAYS(CHILD_FAILED) },
		[CHILD_ANSWERED] = { STAYS(CHILD_FAILED) },
		[CHILD_ENABLE] = { STAYS(CHILD_FAILED) },
		[CHILD_DISABLE] = { STAYS(CHILD_DISABLED) },
		[CHILD_READY] = { STAYS(CHILD_FAILED) },
		[CHILD_PONG] = { STAYS(CHILD_FAILED) },
		[CHILD_DIED] = { STAYS(CHILD_FAILED) },
		[CHILD_DIED_CONFIG] = { STAYS(CHILD_FAILED) },
		[CHILD_SPAWN_ERROR] = { STAYS(CHILD_FAILED) },
		[CHILD_VIOLATION] = { STAYS(CHILD_FAILED) },
		[CHILD_HUNG] = { STAYS(CHILD_FAILED) },
		[CHILD_RESTART] = { CHILD_STARTING, CHILD_DO_SPAWN },
		[CHILD_DEADLINE] = { STAYS(CHILD_FAILED) },
	},
};

START_TEST(every_state_meets_every_event)
{
	for (int s = 0; s < CHILD_STATE_COUNT; s++)
		for (int e = 0; e < CHILD_EVENT_COUNT; e++) {
			struct child_fsm f = machine((enum child_state)s);
			unsigned actions = child_fsm_step(&f, (enum child_event)e, at(2000), 0);
			ck_assert_msg(
			    f.state == table[s][e].state && actions == table[s][e].actions,
			    "%s, event %d: %s, actions %u", child_state_name((enum child_state)s),
			    e, child_state_name(f.state), actions);
		}
}
END_TEST

/* Whatever comes in whatever order: 'running' true and false alternate, and only a live state has a
 * process, which is spawned when there is none. */
START_TEST(announcements_alternate_in_any_order)
{
	struct child_fsm f;
	bool announced = false, process = false;
	uint32_t x = 12345;

	child_fsm_init(&f, &limits, at(0));
	for (int i = 0; i < 500000; i++) {
		x = x * 1664525 + 1013904223;
		enum child_event e = (enum child_event)((x >> 16) % CHILD_EVENT_COUNT);
		bool ends = e == CHILD_DIED || e == CHILD_DIED_CONFIG || e == CHILD_SPAWN_ERROR;
		if ((ends || e == CHILD_READY || e == CHILD_PONG || e == CHILD_VIOLATION ||
			e == CHILD_HUNG) &&
		    !process)
			continue;
		if (e == CHILD_SPAWN_ERROR && f.state != CHILD_STARTING)
			continue;
		process = process && !ends;
		unsigned a = child_fsm_step(&f, e, at(i * 10), x);
		if (a & CHILD_DO_RUNNING_FALSE) {
			expect(announced);
			announced = false;
		}
		if (a & CHILD_DO_SPAWN) {
			expect(!process && !announced);
			process = true;
		}
		if (a & CHILD_DO_RUNNING_TRUE) {
			expect(!announced);
			announced = true;
		}
		if (a & (CHILD_DO_KILL | CHILD_DO_STOP | CHILD_DO_PING))
			expect(process);
		expect(process == (f.state == CHILD_STARTING || f.state == CHILD_RUNNING ||
				      f.state == CHILD_STOPPING));
		expect(!announced || process);
		if (!f.wanted)
			expect(f.state == CHILD_DISABLED || f.state == CHILD_STOPPING);
	}
}
END_TEST

/* The built-in Event Server: it is not pinged, and may take its time. */
START_TEST(without_deadlines_nothing_is_due)
{
	const struct child_deadlines none = { .stop_ms = 2000 };
	struct child_fsm f;

	child_fsm_init(&f, &none, at(0));
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_ENABLE, at(0), 0), CHILD_DO_SPAWN);
	ck_assert_int_eq(f.deadline.ns, 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_READY, at(10), 0), CHILD_DO_RUNNING_TRUE);
	ck_assert_int_eq(f.deadline.ns, 0);
	ck_assert(!f.pinged);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_HUNG, at(20), 0), CHILD_DO_KILL);
	ck_assert_str_eq(child_kill_name(f.kill), "does not answer");
	ck_assert_uint_eq(
	    child_fsm_step(&f, CHILD_DIED, at(30), 0), CHILD_DO_RUNNING_FALSE | CHILD_DO_SPAWN);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DISABLE, at(40), 0), CHILD_DO_STOP);
	ck_assert_int_eq(monotime_diff_ms(f.deadline, at(40)), 2000);
}
END_TEST

START_TEST(backoff_doubles_with_jitter_to_its_limit)
{
	static const int64_t want[] = { 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };

	for (int extreme = 0; extreme < 2; extreme++) {
		struct child_fsm f = machine(CHILD_RUNNING);
		int64_t now = 1000;
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(now), 0),
		    CHILD_DO_RUNNING_FALSE | CHILD_DO_SPAWN);
		for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
			uint32_t random = extreme ? (uint32_t)(want[i] / 2) : 0;
			ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(now), random), 0);
			ck_assert_int_eq(f.state, CHILD_BACKOFF);
			int64_t ms = monotime_diff_ms(f.deadline, at(now));
			ck_assert_int_eq(ms, want[i] * 3 / 4 + (extreme ? want[i] / 2 : 0));
			now += ms;
			ck_assert_uint_eq(
			    child_fsm_step(&f, CHILD_DEADLINE, at(now), 0), CHILD_DO_SPAWN);
		}
		ck_assert_uint_eq(f.restarts, 10);
	}
}
END_TEST

START_TEST(running_long_enough_forgets_failures)
{
	struct child_fsm f = machine(CHILD_BACKOFF);

	child_fsm_step(&f, CHILD_DEADLINE, at(5000), 0);
	child_fsm_step(&f, CHILD_READY, at(6000), 0);
	child_fsm_step(&f, CHILD_DIED, at(6000 + CHILD_SETTLED_MS - 1), 0);
	ck_assert_int_eq(f.state, CHILD_BACKOFF);
	child_fsm_step(&f, CHILD_DEADLINE, at(50000), 0);
	child_fsm_step(&f, CHILD_READY, at(51000), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(51000 + CHILD_SETTLED_MS), 0),
	    CHILD_DO_RUNNING_FALSE | CHILD_DO_SPAWN);
}
END_TEST

START_TEST(never_ready_is_killed_and_named)
{
	struct child_fsm f = machine(CHILD_STARTING);

	ck_assert_int_eq(monotime_cmp(f.deadline, at(1000 + START_MS)), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(11000), 0), CHILD_DO_KILL);
	ck_assert_int_eq(f.kill, CHILD_KILL_NEVER_READY);
	ck_assert_int_eq(f.deadline.ns, 0);
	/* Its last word comes too late. */
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_READY, at(11001), 0), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(11002), 0), CHILD_DO_SPAWN);
	ck_assert_int_eq(f.kill, CHILD_KILL_NONE);
}
END_TEST

/* Its deadline begins again with the answer; one that it waits for in vain has an end as well. */
START_TEST(the_event_servers_time_is_not_the_runners)
{
	struct child_fsm f = machine(CHILD_STARTING);

	child_fsm_step(&f, CHILD_ASKED, at(5000), 0);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(5000 + CHILD_ASKED_MS)), 0);
	child_fsm_step(&f, CHILD_ANSWERED, at(60000), 0);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(60000 + f.limits.start_ms)), 0);
	child_fsm_step(&f, CHILD_READY, at(61000), 0);
	struct monotime ping = f.deadline;
	child_fsm_step(&f, CHILD_ASKED, at(61001), 0);
	child_fsm_step(&f, CHILD_ANSWERED, at(61002), 0);
	ck_assert_int_eq(monotime_cmp(f.deadline, ping), 0);
}
END_TEST

START_TEST(a_hang_is_found_within_two_ping_deadlines)
{
	struct child_fsm f = machine(CHILD_RUNNING);

	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(3000), 0), CHILD_DO_PING);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_PONG, at(3001), 0), 0);
	ck_assert_int_eq(f.deadline.ns, at(5000).ns - 1);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(5001), 0), CHILD_DO_PING);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(5001 + PING_MS)), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(7001), 0), CHILD_DO_KILL);
	ck_assert_int_eq(f.kill, CHILD_KILL_MISSED_PING);
	/* A pong after the sentence changes nothing. */
	child_fsm_step(&f, CHILD_PONG, at(7002), 0);
	ck_assert_int_eq(f.deadline.ns, 0);
}
END_TEST

START_TEST(pings_come_often_where_their_deadline_is_far)
{
	struct child_fsm f = machine(CHILD_STARTING);

	f.limits.ping_ms = 600000;
	ck_assert_uint_eq(
	    child_fsm_step(&f, CHILD_READY, at(2000), 0), CHILD_DO_PING | CHILD_DO_RUNNING_TRUE);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(2000 + 600000)), 0);
	child_fsm_step(&f, CHILD_PONG, at(3000), 0);
	ck_assert_int_eq(f.deadline.ns, at(3000 + CHILD_PING_MS).ns - 1);
}
END_TEST

START_TEST(pings_of_many_devices_go_out_together)
{
	for (int64_t ms = 0; ms < CHILD_PING_SLOT_MS; ms += 50) {
		struct child_fsm f = machine(CHILD_RUNNING);
		child_fsm_step(&f, CHILD_DEADLINE, at(2900), 0);
		child_fsm_step(&f, CHILD_PONG, at(3000 + ms), 0);
		ck_assert_int_eq(f.deadline.ns, at(3000 + PING_MS).ns - 1);
	}
	/* A short pause is as long as it is. */
	struct child_fsm f = machine(CHILD_RUNNING);
	f.limits.ping_ms = 4 * CHILD_PING_SLOT_MS - 1;
	child_fsm_step(&f, CHILD_DEADLINE, at(2900), 0);
	child_fsm_step(&f, CHILD_PONG, at(3001), 0);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(3001 + 4 * CHILD_PING_SLOT_MS - 1)), 0);
}
END_TEST

START_TEST(who_comes_late_to_a_deadline_reads_first)
{
	static const enum child_state states[] = { CHILD_STARTING, CHILD_RUNNING, CHILD_STOPPING };

	for (size_t i = 0; i < 3; i++) {
		struct child_fsm f = machine(states[i]);
		if (states[i] == CHILD_RUNNING)
			child_fsm_step(&f, CHILD_DEADLINE, at(3000), 0);
		struct monotime late = monotime_add_ms(f.deadline, CHILD_LATE_MS);
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, late, 0), 0);
		ck_assert_int_eq(f.kill, CHILD_KILL_NONE);
		ck_assert_int_eq(
		    monotime_cmp(f.deadline, monotime_add_ms(late, CHILD_EXCUSE_MS)), 0);
		/* But once. */
		late = monotime_add_ms(f.deadline, CHILD_LATE_MS);
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, late, 0), CHILD_DO_KILL);
	}
	/* Each ping again. */
	struct child_fsm f = machine(CHILD_RUNNING);
	for (int64_t t = 10000; t < 100000; t += 10000) {
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(t), 0), CHILD_DO_PING);
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(t + 5000), 0), 0);
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_PONG, at(t + 5001), 0), 0);
	}
}
END_TEST

START_TEST(a_stop_has_a_grace)
{
	struct child_fsm f = machine(CHILD_RUNNING);

	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DISABLE, at(2000), 0), CHILD_DO_STOP);
	ck_assert_int_eq(monotime_cmp(f.deadline, at(2000 + STOP_MS)), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DEADLINE, at(7000), 0), CHILD_DO_KILL);
	ck_assert_int_eq(f.kill, CHILD_KILL_NEVER_STOPPED);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(7001), 0), CHILD_DO_RUNNING_FALSE);
	ck_assert_int_eq(f.state, CHILD_DISABLED);
}
END_TEST

START_TEST(the_last_wish_counts_while_it_stops)
{
	struct child_fsm f = machine(CHILD_RUNNING);

	child_fsm_step(&f, CHILD_DISABLE, at(2000), 0);
	child_fsm_step(&f, CHILD_ENABLE, at(2001), 0);
	ck_assert_uint_eq(
	    child_fsm_step(&f, CHILD_DIED, at(2002), 0), CHILD_DO_RUNNING_FALSE | CHILD_DO_SPAWN);
	f = machine(CHILD_STOPPING);
	child_fsm_step(&f, CHILD_DISABLE, at(2001), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(2002), 0), CHILD_DO_RUNNING_FALSE);
	ck_assert_int_eq(f.state, CHILD_DISABLED);
}
END_TEST

START_TEST(what_is_condemned_is_not_asked_to_stop)
{
	struct child_fsm f = machine(CHILD_RUNNING);

	ck_assert_uint_eq(child_fsm_step(&f, CHILD_VIOLATION, at(2000), 0), CHILD_DO_KILL);
	ck_assert_int_eq(f.kill, CHILD_KILL_VIOLATION);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_RESTART, at(2001), 0), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DISABLE, at(2001), 0), 0);
	ck_assert_int_eq(f.state, CHILD_STOPPING);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_DIED, at(2002), 0), CHILD_DO_RUNNING_FALSE);
	/* The first reason is kept. */
	f = machine(CHILD_STARTING);
	child_fsm_step(&f, CHILD_DEADLINE, at(11000), 0);
	child_fsm_step(&f, CHILD_VIOLATION, at(11001), 0);
	ck_assert_int_eq(f.kill, CHILD_KILL_NEVER_READY);
}
END_TEST

START_TEST(no_process_to_be_had_is_never_retried_at_once)
{
	struct child_fsm f = machine(CHILD_STARTING);

	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(child_fsm_step(&f, CHILD_SPAWN_ERROR, at(2000), 0), 0);
		ck_assert_int_eq(f.state, CHILD_BACKOFF);
		ck_assert_int_ge(
		    monotime_diff_ms(f.deadline, at(2000)), CHILD_BACKOFF_FIRST_MS * 3 / 4);
		child_fsm_step(&f, CHILD_DEADLINE, at(3000), 0);
	}
}
END_TEST

START_TEST(a_faulty_configuration_waits_for_people)
{
	struct child_fsm f = machine(CHILD_FAILED);

	ck_assert_int_eq(f.deadline.ns, 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_ENABLE, at(5000), 0), 0);
	child_fsm_step(&f, CHILD_DISABLE, at(5000), 0);
	ck_assert_uint_eq(child_fsm_step(&f, CHILD_ENABLE, at(5000), 0), CHILD_DO_SPAWN);
}
END_TEST

START_TEST(states_and_reasons_have_names)
{
	ck_assert_str_eq(child_state_name(CHILD_DISABLED), "disabled");
	ck_assert_str_eq(child_state_name(CHILD_FAILED), "failed");
	ck_assert_str_eq(child_kill_name(CHILD_KILL_MISSED_PING), "missed ping");
	ck_assert_str_eq(child_kill_name(CHILD_KILL_VIOLATION), "protocol violation");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, every_state_meets_every_event);
	tcase_add_test(tc, announcements_alternate_in_any_order);
	tcase_add_test(tc, without_deadlines_nothing_is_due);
	tcase_add_test(tc, backoff_doubles_with_jitter_to_its_limit);
	tcase_add_test(tc, running_long_enough_forgets_failures);
	tcase_add_test(tc, never_ready_is_killed_and_named);
	tcase_add_test(tc, the_event_servers_time_is_not_the_runners);
	tcase_add_test(tc, a_hang_is_found_within_two_ping_deadlines);
	tcase_add_test(tc, pings_come_often_where_their_deadline_is_far);
	tcase_add_test(tc, pings_of_many_devices_go_out_together);
	tcase_add_test(tc, who_comes_late_to_a_deadline_reads_first);
	tcase_add_test(tc, a_stop_has_a_grace);
	tcase_add_test(tc, the_last_wish_counts_while_it_stops);
	tcase_add_test(tc, what_is_condemned_is_not_asked_to_stop);
	tcase_add_test(tc, no_process_to_be_had_is_never_retried_at_once);
	tcase_add_test(tc, a_faulty_configuration_waits_for_people);
	tcase_add_test(tc, states_and_reasons_have_names);
}

UNIT_MAIN("child policy")
