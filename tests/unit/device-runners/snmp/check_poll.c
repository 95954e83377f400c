/* What is polled, in which requests, and what of the answers is news. */
#include <stdio.h>
#include <string.h>

#include "device-runners/snmp/poll.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

enum { ITEMS = 5 };

static struct poll p;
static struct snmp_pdu pdu;
static uint8_t bindings[2000];
static char said[300];

static void
on_news(void *arg, const struct poll_item *item, const char *cause, const struct answer_value *v)
{
	size_t used = strlen(said);

	(void)arg;
	snprintf(said + used, sizeof(said) - used, "%s%s %c %s", used ? ", " : "", item->text + 4,
	    cause[0], v->error ? v->error : "value");
}

static void
start(size_t most, bool twice)
{
	static const char *const oids[ITEMS] = { "1.3.1", "1.3.2", "1.3.3", "1.3.4", "1.3.5" };
	struct ber_oid oid;

	ck_assert_int_eq(poll_init(&p, ITEMS, most), 0);
	for (size_t i = 0; i < ITEMS; i++) {
		const char *text = twice && i == 4 ? oids[0] : oids[i];
		ck_assert(ber_oid_parse(&oid, text));
		ck_assert_int_eq(poll_add(&p, &oid, text, false), 0);
	}
	ck_assert_int_eq(poll_ready(&p), 0);
	said[0] = '\0';
}

/* Asks, and is answered with that status: with a value for each name, which is `value`. */
static bool
turn(size_t count, int32_t status, int32_t index, const char *value)
{
	struct ber_reader r;
	size_t len = poll_next(&p, bindings, sizeof(bindings));

	ber_reader_init(&r, bindings, len, 4);
	for (pdu.count = 0; ber_more(&r); pdu.count++) {
		struct snmp_binding *b = &pdu.bindings[pdu.count];
		ber_enter(&r, BER_SEQUENCE);
		ber_next(&r, &b->name);
		ber_null(&r, BER_NULL);
		ber_leave(&r);
		b->value =
		    (struct ber_element){ BER_OCTET_STRING, (const uint8_t *)value, strlen(value) };
	}
	ck_assert(ber_ok(&r));
	ck_assert_uint_eq(pdu.count, count);
	pdu.error_status = status;
	pdu.error_index = index;
	if (status)
		pdu.count = 0;
	struct agent_answer a = { .result = AGENT_ANSWER, .pdu = &pdu };
	return poll_answered(&p, &a, SNMP_V2C, on_news, NULL);
}

#define expect_said(text)                                                                          \
	do {                                                                                       \
		ck_assert_str_eq(said, text);                                                      \
		said[0] = '\0';                                                                    \
	} while (0)

START_TEST(one_after_another_and_only_news)
{
	start(1, false);
	for (int i = 0; i < ITEMS; i++)
		ck_assert(turn(1, 0, 0, "a") == (i == ITEMS - 1));
	expect_said("1 I value, 2 I value, 3 I value, 4 I value, 5 I value");
	ck_assert(!turn(1, 0, 0, "b"));
	ck_assert(!turn(1, 0, 0, "a"));
	ck_assert(!turn(1, SNMP_GEN_ERR, 1, "a"));
	expect_said("1 C value, 3 C GEN_ERR");
	poll_reset(&p);
	ck_assert(!turn(1, 0, 0, "b"));
	expect_said("1 I value");
	poll_clear(&p);
}
END_TEST

START_TEST(same_object_has_one_memory)
{
	start(1, true);
	for (int i = 0; i < ITEMS; i++)
		turn(1, 0, 0, "a");
	expect_said("1 I value, 2 I value, 3 I value, 4 I value");
	poll_clear(&p);
}
END_TEST

START_TEST(several_in_a_request)
{
	start(2, false);
	ck_assert(!turn(2, 0, 0, "a"));
	ck_assert(!turn(2, 0, 0, "a"));
	ck_assert(turn(1, 0, 0, "a"));
	expect_said("1 I value, 2 I value, 3 I value, 4 I value, 5 I value");
	poll_clear(&p);
}
END_TEST

START_TEST(too_big_halves)
{
	start(5, false);
	ck_assert(!turn(5, SNMP_TOO_BIG, 0, "a"));
	ck_assert(!turn(2, SNMP_TOO_BIG, 0, "a"));
	ck_assert(!turn(1, SNMP_TOO_BIG, 0, "a"));
	expect_said("1 I TOO_BIG"); /* there is nothing to halve */
	ck_assert(!turn(1, 0, 0, "a"));
	poll_reset(&p);
	ck_assert(!turn(5, SNMP_TOO_BIG, 0, "a")); /* a new connection tries again */
	poll_clear(&p);
}
END_TEST

START_TEST(refused_one_goes_alone)
{
	start(5, false);
	ck_assert(!turn(5, 2, 3, "a"));
	ck_assert(!turn(2, 0, 0, "a"));
	ck_assert(!turn(1, 2, 1, "a"));
	ck_assert(turn(2, 0, 0, "a"));
	expect_said("1 I value, 2 I value, 3 I NO_SUCH_NAME, 4 I value, 5 I value");
	ck_assert(!turn(2, 0, 0, "a"));
	expect_said("");
	poll_clear(&p);
}
END_TEST

START_TEST(refusal_that_names_nobody_has_all_go_alone)
{
	static const int32_t indices[] = { 0, -1, 6, INT32_MAX };

	start(5, false);
	ck_assert(!turn(5, SNMP_GEN_ERR, indices[_i], "a"));
	for (int i = 0; i < ITEMS; i++)
		ck_assert(turn(1, 0, 0, "a") == (i == ITEMS - 1));
	poll_clear(&p);
}
END_TEST

START_TEST(nothing_polled_asks_for_zero)
{
	static const uint8_t want[] = { 0x30, 5, 0x06, 1, 0, 0x05, 0 };

	ck_assert_int_eq(poll_init(&p, 0, 1), 0);
	ck_assert_int_eq(poll_ready(&p), 0);
	ck_assert_uint_eq(poll_next(&p, bindings, sizeof(bindings)), sizeof(want));
	ck_assert_mem_eq(bindings, want, sizeof(want));
	said[0] = '\0';
	ck_assert(turn(1, 0, 0, "a"));
	expect_said("");
	poll_clear(&p);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, one_after_another_and_only_news);
	tcase_add_test(tc, same_object_has_one_memory);
	tcase_add_test(tc, several_in_a_request);
	tcase_add_test(tc, too_big_halves);
	tcase_add_test(tc, refused_one_goes_alone);
	tcase_add_loop_test(tc, refusal_that_names_nobody_has_all_go_alone, 0, 4);
	tcase_add_test(tc, nothing_polled_asks_for_zero);
}

UNIT_MAIN("snmp poll")
