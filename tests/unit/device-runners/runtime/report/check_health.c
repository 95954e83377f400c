#include <stdio.h>
#include <string.h>

#include "device-runners/runtime/report/health.h"
#include "tests/unit/device-runners/runtime/report/report_host.h"

static char logged[2000];

static void
sink(enum log_level level, const char *device, const char *event, const char *text)
{
	size_t used = strlen(logged);

	(void)device, (void)event;
	snprintf(logged + used, sizeof(logged) - used, "%d %s\n", (int)level, text);
}

static void
begin_health(void)
{
	begin();
	logged[0] = '\0';
	log_set_level(LOG_LEVEL_NOTICE);
	log_set_sink(sink);
}

/* The one end that is told, its fields; NULL where it is gone. */
static const msgpack_object *
hear_end(uint32_t key)
{
	const msgpack_object_array *list = hear(IPC_HEALTH, 0);

	ck_assert_ptr_nonnull(list);
	ck_assert_uint_eq(list->size, 1);
	const msgpack_object *f = list->ptr[0].via.array.ptr;
	ck_assert_uint_eq(f[0].via.u64, key);
	return f[1].type == MSGPACK_OBJECT_NIL ? NULL : f[1].via.array.ptr;
}

static uint64_t
counter(const msgpack_object *f, enum ipc_remote_counter which)
{
	return f[5].via.array.ptr[which].via.u64;
}

/* A turn of the loop once the pace allows it. */
static void
pace(void)
{
	ev_run(r.loop, EVRUN_ONCE);
}

START_TEST(counters_are_told_with_the_ping)
{
	struct health_end *h = health_add(&r, "device %d", 7);

	health_sent(h, 10);
	health_retried(h);
	health_sent(h, 10);
	health_answered(h, 2000 * 1000, 30);
	health_sent(h, 10);
	health_answered(h, 4000 * 1000, 30);
	runner_health_flush(&r);
	const msgpack_object *f = hear_end(0);
	assert_text(&f[0], "device 7");
	ck_assert_uint_eq(f[1].via.u64, IPC_REMOTE_UP);
	assert_text(&f[3], "");
	ck_assert_uint_eq(counter(f, IPC_REMOTE_REQUESTS), 3);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_RETRIES), 1);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_BYTES_OUT), 30);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_BYTES_IN), 60);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_RTT_MIN), 2000);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_RTT_AVG), 3000);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_RTT_MAX), 4000);
	/* Nothing new: nothing is told. */
	runner_health_flush(&r);
	ck_assert_ptr_null(hear(IPC_HEALTH, 0));
}
END_TEST

START_TEST(round_trips_of_all_ends_are_a_histogram)
{
	static const struct {
		const char *name;
		uint64_t expected;
	} counters[] = { { "rtt_le_1ms", 2 }, { "rtt_le_5ms", 3 }, { "rtt_le_20ms", 3 },
		{ "rtt_le_2s", 3 }, { "rtt_count", 4 },
		{ "rtt_sum_us", 500 + 1000 + 1001 + 2000001 } };
	struct health_end *one = health_add(&r, "1"), *other = health_add(&r, "2");

	runner_health_count(&r);
	ck_assert_uint_eq(r.counter_count, 0);
	health_answered(one, 500 * 1000, 1);
	health_answered(other, 1000 * 1000, 1);
	health_answered(other, 1001 * 1000, 1);
	health_answered(one, 2000001 * INT64_C(1000), 1);
	for (int again = 0; again < 2; again++) {
		runner_health_count(&r);
		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
			ck_assert_uint_eq(
			    *runner_counter(&r, counters[i].name), counters[i].expected);
	}
}
END_TEST

START_TEST(states_are_told_by_themselves)
{
	struct health_end *h = health_add(&r, "host");

	health_up(h);
	ck_assert_ptr_null(hear(IPC_HEALTH, 0));
	pace();
	ck_assert_uint_eq(hear_end(0)[1].via.u64, IPC_REMOTE_UP);
	health_sent(h, 1);
	health_down(h, "no route to %s", "it");
	pace();
	const msgpack_object *f = hear_end(0);
	ck_assert_uint_eq(f[1].via.u64, IPC_REMOTE_DOWN);
	assert_text(&f[3], "no route to it");
	assert_text(&f[4], "no route to it");
	health_remove(h);
	pace();
	ck_assert_ptr_null(hear_end(0));
	ck_assert_str_eq(logged, "4 host is down: no route to it\n");
}
END_TEST

START_TEST(a_silent_one_is_degraded_then_down)
{
	struct health_end *h = health_add(&r, "x");

	health_answered(h, 0, 1);
	health_timeout(h, "no answer in 1 s");
	health_answered(h, 0, 1);
	health_timeout(h, "no answer in 1 s");
	health_timeout(h, "no answer in 1 s");
	ck_assert_str_eq(logged, "4 x is degraded: no answer in 1 s\n");
	health_timeout(h, "no answer in 1 s");
	health_timeout(h, "no answer in 1 s");
	health_answered(h, 0, 1);
	ck_assert(health_is_up(h));
	ck_assert_str_eq(logged,
	    "4 x is degraded: no answer in 1 s\n4 x is down: no answer in 1 s\n5 x is up\n");
	runner_health_flush(&r);
	ck_assert_uint_eq(counter(hear_end(0), IPC_REMOTE_TIMEOUTS), 5);
}
END_TEST

/* One that answers with errors now and then does not change with each answer. */
START_TEST(errors_last_a_while)
{
	struct health_end *h = health_add(&r, "x");

	for (int i = 0; i < 100; i++) {
		health_error(h, "exception 2");
		health_answered(h, 0, 1);
	}
	ck_assert(!health_is_up(h));
	ck_assert_str_eq(logged, "4 x is degraded: exception 2\n");
	health_down(h, "closed");
	health_answered(h, 0, 1);
	ck_assert(health_is_up(h));
	health_note_error(h, "a bad checksum");
	ck_assert(health_is_up(h));
	health_off(h, "disabled");
	runner_health_flush(&r);
	const msgpack_object *f = hear_end(0);
	ck_assert_uint_eq(counter(f, IPC_REMOTE_ERRORS), 101);
	ck_assert_uint_eq(f[1].via.u64, IPC_REMOTE_OFF);
	assert_text(&f[3], "disabled");
	assert_text(&f[4], "a bad checksum");
}
END_TEST

/* Many ends: few messages, few log lines, none lost; more than are shown do no harm. */
START_TEST(thousands_of_them)
{
	struct health_end *ends[IPC_MAX_REMOTES + 10];
	static bool seen[IPC_MAX_REMOTES];
	const msgpack_object_array *list;
	size_t count = 0, messages = 0;

	for (int i = 0; i < IPC_MAX_REMOTES + 10; i++)
		ends[i] = health_add(&r, "host %d", i);
	ck_assert_str_eq(
	    logged, "4 gatewayctl shows the health of the first 1024 remote ends only\n");
	for (int i = 0; i < IPC_MAX_REMOTES + 10; i++)
		health_down(ends[i], "silent");
	ck_assert_uint_lt(strlen(logged), 1000);
	pace();
	for (; (list = hear(IPC_HEALTH, 0)); messages++)
		for (uint32_t i = 0; i < list->size; i++) {
			bool *s = &seen[list->ptr[i].via.array.ptr[0].via.u64];
			ck_assert(!*s);
			*s = true;
			count++;
		}
	ck_assert_uint_eq(count, IPC_MAX_REMOTES);
	ck_assert_uint_lt(messages, IPC_MAX_HEALTH_RATE / 3);
	for (int i = 0; i < IPC_MAX_REMOTES + 10; i++)
		health_remove(ends[i]);
}
END_TEST

START_TEST(one_that_never_answers)
{
	struct health_end *h = health_add(&r, "x"), *off = health_add(&r, "y");

	health_expect(h, 0);
	health_expect(off, 0);
	health_off(off, "disabled");
	runner_health_flush(&r);
	ck_assert_str_eq(logged, "4 x is down: no answer yet\n");
	health_up(h);
	health_expect(h, 0);
	runner_health_flush(&r);
	ck_assert(health_is_up(h));
}
END_TEST

START_TEST(before_the_plan_nothing_is_told)
{
	r.channel.phase = PHASE_INIT;
	health_up(health_add(&r, "x"));
	runner_health_flush(&r);
	ck_assert_ptr_null(hear(IPC_HEALTH, 0));
	r.channel.phase = PHASE_RUN;
	pace();
	assert_text(&hear_end(0)[0], "x");
}
END_TEST

START_TEST(a_slave_without_masters_says_so)
{
	struct health_masters *m = health_masters_new(&r);

	health_masters_start(m);
	ev_now_update(r.loop);
	struct health_end *one = health_masters_join(m, "master %d", 1);
	struct health_end *two = health_masters_join(m, "master %d", 2);
	health_masters_leave(m, one);
	health_masters_leave(m, two);
	runner_health_flush(&r);
	ck_assert_uint_eq(hear(IPC_HEALTH, 0)->size, 2);
	ck_assert_str_eq(logged, "");
	ev_invoke_pending(r.loop);
	/* As if the time had passed. */
	ev_run(r.loop, EVRUN_ONCE);
	while (!strstr(logged, "masters is down: no master is connected"))
		ev_run(r.loop, EVRUN_ONCE);
	one = health_masters_join(m, "master %d", 1);
	ck_assert(strstr(logged, "a master is connected again"));
	runner_health_flush(&r);
	assert_text(&hear_end(0)[0], "master 1");
	health_masters_leave(m, one);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin_health, end);
	tcase_add_test(tc, counters_are_told_with_the_ping);
	tcase_add_test(tc, round_trips_of_all_ends_are_a_histogram);
	tcase_add_test(tc, states_are_told_by_themselves);
	tcase_add_test(tc, a_silent_one_is_degraded_then_down);
	tcase_add_test(tc, errors_last_a_while);
	tcase_add_test(tc, thousands_of_them);
	tcase_add_test(tc, one_that_never_answers);
	tcase_add_test(tc, before_the_plan_nothing_is_told);
	tcase_add_test(tc, a_slave_without_masters_says_so);
}

UNIT_MAIN("runtime health")
