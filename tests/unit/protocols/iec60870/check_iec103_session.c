#include <errno.h>
#include <stdlib.h>

#include "protocols/iec60870/iec103_session.h"
#include "tests/unit/suite.h"

static struct iec103_session s;
static const struct monotime start = { 1000000000 };
static uint8_t out[IEC103_MAX];

static void
ask(enum iec103_request_kind kind, uint8_t common, const char *note)
{
	struct iec103_request q = { .kind = kind,
		.common = common,
		.function = 160,
		.information = 16,
		.value = IEC103_ON };

	ck_assert_int_eq(iec103_session_ask(&s, &q, note, strlen(note), start), 0);
}

static struct iec103_request *
answer(uint8_t type, uint8_t cause, uint8_t number, bool *success)
{
	struct iec103_asdu a = { .type_id = type, .cause = cause };
	struct iec103_object o = { .number = number };

	return iec103_session_answer(&s, &a, &o, success);
}

START_TEST(commands_one_at_a_time)
{
	static const uint8_t first[] = { 20, 0x81, 20, 1, 160, 16, 2, 0 };
	static const uint8_t second[] = { 20, 0x81, 20, 2, 160, 16, 2, 1 };
	bool success = false;

	iec103_session_init(&s);
	ask(IEC103_REQUEST_COMMAND, 1, "one");
	ask(IEC103_REQUEST_COMMAND, 2, "two");
	ck_assert_uint_eq(iec103_session_next(&s, out), sizeof(first));
	ck_assert_mem_eq(out, first, sizeof(first));
	ck_assert_uint_eq(iec103_session_next(&s, out), 0);
	ck_assert_ptr_null(answer(IEC103_TIME_TAGGED, IEC103_COMMAND_ACK, 7, &success));
	ck_assert_ptr_null(answer(IEC103_TIME_TAGGED, IEC103_SPONTANEOUS, 0, &success));
	ck_assert_ptr_null(answer(IEC103_INTERROGATION_END, 10, 0, &success));
	struct iec103_request *q = answer(IEC103_TIME_TAGGED, IEC103_COMMAND_ACK, 0, &success);
	ck_assert_ptr_nonnull(q);
	ck_assert(success);
	ck_assert_uint_eq(q->note_len, 3);
	ck_assert_mem_eq(q->note, "one", 3);
	free(q);
	ck_assert_uint_eq(iec103_session_next(&s, out), sizeof(second));
	ck_assert_mem_eq(out, second, sizeof(second));
	q = answer(IEC103_TIME_TAGGED, IEC103_COMMAND_NACK, 1, &success);
	ck_assert(q && !success);
	free(q);
	ck_assert_ptr_null(answer(IEC103_TIME_TAGGED, IEC103_COMMAND_ACK, 1, &success));
}
END_TEST

START_TEST(interrogation_beside_a_command)
{
	bool success;

	iec103_session_init(&s);
	ask(IEC103_REQUEST_COMMAND, 1, "");
	ask(IEC103_REQUEST_INTERROGATION, 1, "");
	ck_assert_uint_eq(iec103_session_next(&s, out), 7);
	ck_assert_int_eq(out[0], IEC103_INTERROGATION);
	ck_assert_uint_eq(iec103_session_next(&s, out), 8);
	struct iec103_request *q = answer(IEC103_INTERROGATION_END, 10, 0, &success);
	ck_assert(q && q->kind == IEC103_REQUEST_INTERROGATION);
	free(q);
	iec103_session_clear(&s);
}
END_TEST

START_TEST(expiry_and_bound)
{
	struct monotime late = monotime_add_ms(start, IEC103_SESSION_TIMEOUT_MS);
	struct iec103_request q = { .kind = IEC103_REQUEST_COMMAND };
	size_t n = 0;

	iec103_session_init(&s);
	ck_assert_int_eq(iec103_session_deadline(&s).ns, 0);
	while (iec103_session_ask(&s, &q, NULL, 0, start) == 0)
		n++;
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_eq(n, IEC103_SESSION_MAX);
	ck_assert_int_eq(iec103_session_deadline(&s).ns, late.ns);
	ck_assert_ptr_null(iec103_session_expire(&s, start));
	for (struct iec103_request *x; (x = iec103_session_expire(&s, late)); n--)
		free(x);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* What waits behind a request that is not answered is not sent when that one is given up. */
START_TEST(requests_do_not_age)
{
	struct monotime late = monotime_add_ms(start, IEC103_SESSION_WAIT_MS);

	iec103_session_init(&s);
	ask(IEC103_REQUEST_COMMAND, 1, "one");
	ask(IEC103_REQUEST_COMMAND, 2, "two");
	ck_assert_uint_eq(iec103_session_next(&s, out), 8);
	ck_assert_ptr_null(iec103_session_expire(&s, late)); /* sent: its answer may come */
	bool success;
	free(answer(IEC103_TIME_TAGGED, IEC103_COMMAND_ACK, 0, &success));
	struct iec103_request *q = iec103_session_expire(&s, late);
	ck_assert(q && !q->sent);
	free(q);
	ck_assert_uint_eq(iec103_session_next(&s, out), 0);
	ck_assert_uint_eq(s.note_bytes, 0);
}
END_TEST

START_TEST(notes_are_bounded)
{
	static char note[IEC103_SESSION_MAX_NOTES];
	struct iec103_request q = { .kind = IEC103_REQUEST_COMMAND };

	iec103_session_init(&s);
	ck_assert_int_eq(iec103_session_ask(&s, &q, note, sizeof(note), start), 0);
	ck_assert_int_eq(iec103_session_ask(&s, &q, note, 1, start), -1);
	iec103_session_clear(&s);
	ck_assert_int_eq(iec103_session_ask(&s, &q, note, 1, start), 0);
	iec103_session_clear(&s);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, requests_do_not_age);
	tcase_add_test(tc, notes_are_bounded);
	tcase_add_test(tc, commands_one_at_a_time);
	tcase_add_test(tc, interrogation_beside_a_command);
	tcase_add_test(tc, expiry_and_bound);
}

UNIT_MAIN("iec103_session")
