/* The states of a pinged host with a fake clock, and the heap that orders many. */
#include <stdlib.h>
#include <string.h>

#include "device-runners/icmp/heap.h"
#include "device-runners/icmp/probe.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

#define SECOND INT64_C(1000000000)

static const struct probe_conf conf = {
	.delay_ns = 5 * SECOND, .timeout_ns = SECOND, .retry_delay_ns = SECOND / 2, .retries = 2
};
static const uint8_t data[ICMP_DATA] = "0123456789abcdef";
static struct probe p;
static struct monotime now;

static void
start(void)
{
	now = (struct monotime){ 100 * SECOND };
	probe_init(&p, &conf, now);
}

/* The time passes until the probe is due. */
static enum probe_task
pass(void)
{
	ck_assert_int_ge(p.deadline.ns, now.ns);
	now = p.deadline;
	return probe_tick(&p, now);
}

static void
open_and_send(void)
{
	ck_assert_int_eq(pass(), PROBE_OPEN);
	ck_assert_int_eq(probe_opened(&p), PROBE_SEND);
	probe_send(&p, data, now);
}

START_TEST(reply_makes_available_until_a_series_fails)
{
	start();
	ck_assert(!p.available);
	open_and_send();
	now.ns += SECOND / 10;
	ck_assert(probe_received(&p, &p.echo, now));
	ck_assert(p.available);
	ck_assert_int_eq(p.deadline.ns, now.ns + 5 * SECOND);
	ck_assert_int_eq(p.times.last_ns, SECOND / 10);
	/* Three tries in silence. */
	ck_assert_int_eq(pass(), PROBE_SEND); /* the socket is there */
	int64_t begin = now.ns;
	for (int i = 0; i < 3; i++) {
		probe_send(&p, data, now);
		ck_assert(p.available);
		ck_assert_int_eq(pass(), PROBE_NOTHING); /* time-out */
		ck_assert_int_eq(p.state, PROBE_PAUSING);
		ck_assert_int_eq(pass(), i < 2 ? PROBE_SEND : PROBE_CLOSE);
	}
	ck_assert(!p.available);
	ck_assert_int_eq(now.ns - begin, 3 * (SECOND + SECOND / 2));
	ck_assert_int_eq(p.deadline.ns, now.ns + 5 * SECOND);
	ck_assert_int_eq(pass(), PROBE_OPEN); /* the name is looked up again */
}
END_TEST

START_TEST(one_reply_ends_a_series)
{
	start();
	open_and_send();
	pass();
	ck_assert_int_eq(pass(), PROBE_SEND);
	probe_send(&p, data, now);
	ck_assert(probe_received(&p, &p.echo, now));
	ck_assert(p.available);
	ck_assert_int_eq(p.state, PROBE_IDLE);
}
END_TEST

START_TEST(only_the_reply_to_this_try_counts)
{
	struct icmp_echo other;

	start();
	open_and_send();
	struct icmp_echo first = p.echo;
	other = first;
	other.sequence++;
	ck_assert(!probe_received(&p, &other, now));
	other = first;
	other.data[15] ^= 1;
	ck_assert(!probe_received(&p, &other, now));
	pass(); /* time-out: its reply is late */
	ck_assert(!probe_received(&p, &first, now));
	pass();
	uint8_t next[ICMP_DATA] = { 1 };
	probe_send(&p, next, now);
	ck_assert(!probe_received(&p, &first, now));
	ck_assert(probe_received(&p, &p.echo, now));
	ck_assert(!probe_received(&p, &p.echo, now)); /* doubled */
	ck_assert_uint_eq(p.times.sent, 2);
	ck_assert_uint_eq(p.times.received, 1);
}
END_TEST

START_TEST(looking_up_counts_as_the_try)
{
	start();
	ck_assert_int_eq(pass(), PROBE_OPEN);
	now.ns += SECOND / 2;
	probe_opened(&p);
	probe_send(&p, data, now);
	ck_assert_int_eq(p.deadline.ns, 101 * SECOND); /* of the whole */
	start();
	ck_assert_int_eq(pass(), PROBE_OPEN);
	ck_assert_int_eq(pass(), PROBE_CLOSE); /* the look-up is given up */
	ck_assert_int_eq(p.state, PROBE_PAUSING);
	ck_assert_int_eq(pass(), PROBE_OPEN);
	probe_failed(&p, now); /* no such name */
	ck_assert_int_eq(p.deadline.ns, now.ns + SECOND / 2);
	ck_assert_int_eq(pass(), PROBE_OPEN);
}
END_TEST

START_TEST(socket_that_comes_too_late_is_kept_for_the_next_try)
{
	start();
	ck_assert_int_eq(pass(), PROBE_OPEN);
	probe_failed(&p, now);
	ck_assert_int_eq(probe_opened(&p), PROBE_NOTHING);
	ck_assert_int_eq(pass(), PROBE_SEND);
}
END_TEST

START_TEST(who_opens_next_is_known)
{
	start();
	for (int i = 0; i < 3; i++) {
		ck_assert(probe_opens_next(&p));
		ck_assert_int_eq(pass(), PROBE_OPEN);
		ck_assert(!probe_opens_next(&p));
		pass();
	}
	ck_assert(!probe_opens_next(&p)); /* the series ends */
	ck_assert_int_eq(pass(), PROBE_CLOSE);
	now.ns += 100 * SECOND; /* held up */
	ck_assert(probe_opens_next(&p));
	ck_assert_int_eq(probe_tick(&p, now), PROBE_OPEN);
	ck_assert_int_eq(p.deadline.ns, now.ns + SECOND);
	probe_opened(&p);
	ck_assert(!probe_opens_next(&p));
}
END_TEST

START_TEST(nothing_is_due_early)
{
	start();
	p.deadline.ns++;
	ck_assert_int_eq(probe_tick(&p, now), PROBE_NOTHING);
	ck_assert_int_eq(p.state, PROBE_IDLE);
}
END_TEST

/* Hosts that answered at any time are asked again together: in slots of 50 ms, each within a
 * fortieth of its pause. */
START_TEST(pauses_end_in_slots)
{
	for (int64_t answer = 0; answer < 4 * PROBE_SLOT_NS; answer += PROBE_SLOT_NS / 7) {
		start();
		open_and_send();
		now.ns += answer;
		ck_assert(probe_received(&p, &p.echo, now));
		ck_assert_int_eq(p.deadline.ns % PROBE_SLOT_NS, 0);
		ck_assert_int_le(llabs(p.deadline.ns - (now.ns + 5 * SECOND)), PROBE_SLOT_NS / 2);
	}
}
END_TEST

START_TEST(short_pauses_are_as_long_as_they_should_be)
{
	for (int64_t pause = 0; pause < SECOND; pause = 2 * pause + 3000001) {
		struct probe_conf quick = conf;
		quick.delay_ns = quick.retry_delay_ns = pause;
		now = (struct monotime){ 100 * SECOND + 123456789 };
		probe_init(&p, &quick, now);
		open_and_send();
		ck_assert_int_eq(p.deadline.ns, now.ns + SECOND); /* a time-out has no slots */
		now.ns += 7777777;
		ck_assert(probe_received(&p, &p.echo, now));
		ck_assert_int_le(llabs(p.deadline.ns - (now.ns + pause)), pause / 40 + 1);
		probe_failed(&p, now);
		ck_assert_int_le(llabs(p.deadline.ns - (now.ns + pause)), pause / 40 + 1);
	}
}
END_TEST

START_TEST(times_are_least_and_most)
{
	static const int64_t trips[] = { 30, 10, 20 };

	start();
	open_and_send();
	for (size_t i = 0; i < 3; i++) {
		now.ns += trips[i];
		ck_assert(probe_received(&p, &p.echo, now));
		pass();
		probe_send(&p, data, now);
	}
	ck_assert_int_eq(p.times.least_ns, 10);
	ck_assert_int_eq(p.times.most_ns, 30);
	ck_assert_int_eq(p.times.sum_ns, 60);
}
END_TEST

START_TEST(heap_gives_the_earliest)
{
	enum { COUNT = 1000 };
	static struct heap_entry entries[COUNT];
	struct heap h;
	unsigned seed = 1;

	ck_assert_int_eq(heap_init(&h, COUNT), 0);
	ck_assert_ptr_null(heap_first(&h));
	for (size_t i = 0; i < COUNT; i++)
		heap_add(&h, &entries[i], (struct monotime){ (int64_t)((i * 7919) % COUNT) + 1 });
	for (size_t turn = 0; turn < 20 * COUNT; turn++) {
		int64_t least = INT64_MAX;
		for (size_t i = 0; turn % 100 == 0 && i < COUNT; i++)
			least = entries[i].at.ns < least ? entries[i].at.ns : least;
		struct heap_entry *first = heap_first(&h);
		expect(turn % 100 || first->at.ns == least);
		seed = seed * 1103515245 + 12345;
		heap_move(&h, first, (struct monotime){ first->at.ns + (seed >> 16) % 5000 });
		/* One from the middle moves as well, back or forth. */
		struct heap_entry *any = &entries[(seed >> 8) % COUNT];
		heap_move(&h, any, (struct monotime){ (int64_t)((seed >> 4) % 100000) + 1 });
		expect(h.entries[any->place] == any);
	}
	heap_clear(&h);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, reply_makes_available_until_a_series_fails);
	tcase_add_test(tc, one_reply_ends_a_series);
	tcase_add_test(tc, only_the_reply_to_this_try_counts);
	tcase_add_test(tc, looking_up_counts_as_the_try);
	tcase_add_test(tc, socket_that_comes_too_late_is_kept_for_the_next_try);
	tcase_add_test(tc, who_opens_next_is_known);
	tcase_add_test(tc, nothing_is_due_early);
	tcase_add_test(tc, pauses_end_in_slots);
	tcase_add_test(tc, short_pauses_are_as_long_as_they_should_be);
	tcase_add_test(tc, times_are_least_and_most);
	tcase_add_test(tc, heap_gives_the_earliest);
}

UNIT_MAIN("ping probe")
