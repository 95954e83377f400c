#include <stdio.h>
#include <string.h>

#include "protocols/smpp/outbox.h"
#include "tests/unit/suite.h"

static struct outbox q;
static struct monotime now;
static char results[1000]; /* "1 ROK;2 TIMEOUT;" */
static uint64_t forgotten;
static const struct smpp_str no_id;

static void
on_result(void *arg, const struct outbox_result *r)
{
	size_t n = strlen(results);
	char text[16];

	ck_assert_ptr_eq(arg, &q);
	snprintf(results + n, sizeof(results) - n, "%s %s;", r->message->address,
	    r->why ? r->why : smpp_status_name(r->status, text));
}

static void
on_forget(void *arg, uint64_t tag)
{
	(void)arg;
	forgotten = tag;
}

static void
setup(void)
{
	results[0] = '\0';
	forgotten = 0;
	now = (struct monotime){ 1000000000 };
	outbox_init(&q, on_result, on_forget, &q);
}

static void
teardown(void)
{
	outbox_clear(&q);
	ck_assert_uint_eq(q.messages, 0);
}

static void
put(const char *address, size_t count)
{
	static const size_t parts[3] = { 2, 2, 1 };

	ck_assert_int_eq(outbox_put(&q, address, "7", (const uint8_t *)"aabbc", parts, count,
			     monotime_add_ms(now, 10000)),
	    0);
}

static uint64_t
next(const char *address, const char *octets)
{
	struct outbox_part_out p;

	ck_assert(outbox_next(&q, now, &p));
	ck_assert_str_eq(p.message->address, address);
	ck_assert_uint_eq(p.octets.len, strlen(octets));
	ck_assert_mem_eq(p.octets.p, octets, p.octets.len);
	return p.tag;
}

static bool
may_send(void)
{
	struct outbox_part_out p;

	return outbox_next(&q, now, &p);
}

START_TEST(in_order_each_once)
{
	put("1", 1);
	put("2", 1);
	uint64_t a = next("1", "aa"), b = next("2", "aa");
	ck_assert(!may_send());
	outbox_answer(&q, b, 0, no_id, now);
	outbox_answer(&q, a, 0x0b, no_id, now);
	outbox_answer(&q, a, 0, no_id, now);
	ck_assert_str_eq(results, "2 ROK;1 RINVDSTADR;");
	ck_assert_uint_eq(q.bytes, 0);
}
END_TEST

START_TEST(all_parts_make_a_message)
{
	put("1", 3);
	uint64_t a = next("1", "aa"), b = next("1", "bb"), c = next("1", "c");
	outbox_answer(&q, c, 0, no_id, now);
	outbox_answer(&q, a, 0, no_id, now);
	ck_assert_str_eq(results, "");
	outbox_answer(&q, b, 0, no_id, now);
	ck_assert_str_eq(results, "1 ROK;");
}
END_TEST

START_TEST(one_refused_part_ends_it)
{
	put("1", 3);
	uint64_t a = next("1", "aa"), b = next("1", "bb");
	outbox_answer(&q, a, 8, no_id, now);
	ck_assert_str_eq(results, "1 RSYSERR;");
	ck_assert_uint_eq(forgotten, b);
	ck_assert(!may_send());
}
END_TEST

START_TEST(throttling_doubles)
{
	put("1", 1);
	for (int64_t wait = OUTBOX_THROTTLE_MS; wait <= 2 * OUTBOX_THROTTLE_MAX_MS; wait *= 2) {
		int64_t ms = wait < OUTBOX_THROTTLE_MAX_MS ? wait : OUTBOX_THROTTLE_MAX_MS;
		outbox_answer(&q, next("1", "aa"), SMPP_RTHROTTLED, no_id, now);
		ck_assert(!may_send());
		now = monotime_add_ms(now, ms - 1);
		ck_assert(!may_send());
		now = monotime_add_ms(now, 1);
	}
	outbox_answer(&q, next("1", "aa"), SMPP_ROK, no_id, now);
	put("2", 1);
	outbox_answer(&q, next("2", "aa"), SMPP_RMSGQFUL, no_id, now);
	now = monotime_add_ms(now, OUTBOX_THROTTLE_MS);
	next("2", "aa");
}
END_TEST

START_TEST(a_window_that_is_throttled_counts_once)
{
	put("1", 1);
	put("2", 1);
	uint64_t a = next("1", "aa"), b = next("2", "aa");
	outbox_answer(&q, a, SMPP_RTHROTTLED, no_id, now);
	outbox_answer(&q, b, SMPP_RTHROTTLED, no_id, now);
	ck_assert_int_eq(outbox_due(&q, now), OUTBOX_THROTTLE_MS);
}
END_TEST

START_TEST(deadlines)
{
	put("1", 1);
	put("2", 1);
	uint64_t a = next("1", "aa");
	ck_assert_int_eq(outbox_due(&q, now), 10001);
	now = monotime_add_ms(now, 9999);
	outbox_expire(&q, now);
	ck_assert_str_eq(results, "");
	now = monotime_add_ms(now, 1);
	outbox_expire(&q, now);
	ck_assert_str_eq(results, "1 TIMEOUT;2 TIMEOUT;");
	ck_assert_uint_eq(forgotten, a);
	ck_assert_int_eq(outbox_due(&q, now), -1);
}
END_TEST

START_TEST(a_lost_connection_ends_what_may_have_arrived)
{
	put("1", 1);
	put("2", 3);
	put("3", 1);
	next("1", "aa");
	outbox_answer(&q, next("2", "aa"), 0, no_id, now);
	outbox_lost(&q, "CONNECTION_LOST");
	ck_assert_str_eq(results, "1 CONNECTION_LOST;");
	/* The part that was taken is not sent again. */
	next("2", "bb");
	next("2", "c");
	next("3", "aa");
}
END_TEST

START_TEST(a_lost_connection_is_not_throttled)
{
	put("1", 1);
	outbox_answer(&q, next("1", "aa"), SMPP_RTHROTTLED, no_id, now);
	outbox_lost(&q, "CONNECTION_LOST");
	ck_assert_str_eq(results, "");
	next("1", "aa");
}
END_TEST

START_TEST(the_end)
{
	put("1", 1);
	put("2", 1);
	next("1", "aa");
	outbox_end(&q, "STOPPED");
	ck_assert_str_eq(results, "1 STOPPED;2 STOPPED;");
}
END_TEST

START_TEST(bounds)
{
	static uint8_t much[OUTBOX_MAX_BYTES];
	const size_t whole = sizeof(much), one = 1;

	for (int i = 0; i < OUTBOX_MAX_MESSAGES; i++)
		put("1", 1);
	ck_assert_int_eq(outbox_put(&q, "1", NULL, much, &one, 1, now), -1);
	outbox_clear(&q);
	ck_assert_int_eq(outbox_put(&q, "1", NULL, much, &whole, 1, now), 0);
	ck_assert_int_eq(outbox_put(&q, "1", NULL, much, &one, 1, now), -1);
}
END_TEST

START_TEST(an_empty_text)
{
	const size_t none = 0;

	ck_assert_int_eq(outbox_put(&q, "1", NULL, NULL, &none, 1, monotime_add_ms(now, 10)), 0);
	next("1", "");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, in_order_each_once);
	tcase_add_test(tc, all_parts_make_a_message);
	tcase_add_test(tc, one_refused_part_ends_it);
	tcase_add_test(tc, throttling_doubles);
	tcase_add_test(tc, a_window_that_is_throttled_counts_once);
	tcase_add_test(tc, deadlines);
	tcase_add_test(tc, a_lost_connection_ends_what_may_have_arrived);
	tcase_add_test(tc, a_lost_connection_is_not_throttled);
	tcase_add_test(tc, the_end);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, an_empty_text);
}

UNIT_MAIN("smpp outbox")
