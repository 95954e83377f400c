#include <string.h>

#include "protocols/smpp/session.h"
#include "tests/unit/suite.h"

static struct buffer out;
static struct smpp_params params;
static struct smpp_session session;
static struct monotime now;

static void
setup(void)
{
	buffer_init(&out, 1 << 20);
	params = (struct smpp_params){ .bind_command = SMPP_BIND_TRANSCEIVER,
		.enquire_delay_ms = 1000,
		.enquire_timeout_ms = 300,
		.window = 2 };
	now = (struct monotime){ 1000000000 };
	smpp_session_start(&session, &params, &out, now);
}

static void
teardown(void)
{
	buffer_clear(&out);
}

static struct smpp_event
hear(uint32_t command, uint32_t status, uint32_t sequence, const char *body, size_t len)
{
	struct buffer b;

	buffer_init(&b, 1 << 16);
	buffer_be(&b, 16 + len, 4);
	buffer_be(&b, command, 4);
	buffer_be(&b, status, 4);
	buffer_be(&b, sequence, 4);
	buffer_append(&b, body, len);
	struct smpp_event e = smpp_session_input(&session, buffer_data(&b), b.len, now);
	buffer_clear(&b);
	return e;
}

/* The next PDU that was said. */
static struct smpp_pdu
said(void)
{
	struct smpp_pdu p;
	uint32_t sequence;
	size_t size;

	ck_assert_int_eq(smpp_frame(buffer_data(&out), out.len, &size, &sequence), DEC_OK);
	ck_assert_int_eq(smpp_decode(&p, buffer_data(&out), size), DEC_OK);
	buffer_consume(&out, size);
	return p;
}

static void
bind_it(void)
{
	struct smpp_pdu p = said();

	ck_assert_uint_eq(p.command, SMPP_BIND_TRANSCEIVER);
	ck_assert_int_eq(
	    hear(SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, 0, p.sequence, "x", 2).kind, SMPP_ACCEPTED);
}

static uint32_t
submit(uint64_t tag)
{
	const struct smpp_sm sm = { .text = { "x", 1 } };

	ck_assert(smpp_session_may_submit(&session));
	smpp_session_submit(&session, &sm, tag);
	return said().sequence;
}

START_TEST(nothing_is_submitted_before_the_bind)
{
	ck_assert(!smpp_session_may_submit(&session));
	ck_assert_int_eq(smpp_session_due(&session, now), -1);
	ck_assert_int_eq(
	    hear(SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, 0, 77, "x", 2).kind, SMPP_NOTHING);
	ck_assert_int_eq(
	    hear(SMPP_BIND_TRANSMITTER | SMPP_RESPONSE, 0, 1, "x", 2).kind, SMPP_NOTHING);
	bind_it();
	ck_assert(smpp_session_may_submit(&session));
}
END_TEST

START_TEST(a_refused_bind_says_why)
{
	struct smpp_event e = hear(SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, 0x0d, 1, "", 0);

	ck_assert_int_eq(e.kind, SMPP_ENDED);
	ck_assert_str_eq(e.why, "bind refused: RBINDFAIL");
	ck_assert_int_eq(
	    hear(SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, 0, 1, "x", 2).kind, SMPP_NOTHING);
}
END_TEST

START_TEST(a_generic_nack_refuses_a_bind)
{
	ck_assert_str_eq(hear(SMPP_GENERIC_NACK, 3, 1, "", 0).why, "bind refused: RINVCMDID");
}
END_TEST

START_TEST(answers_find_their_message)
{
	bind_it();
	uint32_t a = submit(10), b = submit(11);
	ck_assert(!smpp_session_may_submit(&session));
	struct smpp_event e = hear(SMPP_SUBMIT_SM | SMPP_RESPONSE, 0, b, "id", 3);
	ck_assert_int_eq(e.kind, SMPP_SUBMITTED);
	ck_assert_uint_eq(e.tag, 11);
	ck_assert_int_eq(hear(SMPP_SUBMIT_SM | SMPP_RESPONSE, 0, b, "id", 3).kind, SMPP_NOTHING);
	e = hear(SMPP_GENERIC_NACK, 2, a, "", 0);
	ck_assert_uint_eq(e.tag, 10);
	ck_assert_uint_eq(e.status, SMPP_RINVCMDLEN);
}
END_TEST

START_TEST(a_nack_without_an_error_is_one_all_the_same)
{
	bind_it();
	ck_assert_uint_eq(hear(SMPP_GENERIC_NACK, 0, submit(1), "", 0).status, SMPP_RINVCMDID);
}
END_TEST

START_TEST(a_forgotten_message_frees_the_window)
{
	bind_it();
	uint32_t a = submit(1);
	submit(2);
	smpp_session_forget(&session, 1);
	ck_assert(smpp_session_may_submit(&session));
	ck_assert_int_eq(hear(SMPP_SUBMIT_SM | SMPP_RESPONSE, 0, a, "", 0).kind, SMPP_NOTHING);
}
END_TEST

START_TEST(enquire_link_after_silence)
{
	bind_it();
	ck_assert_int_eq(smpp_session_due(&session, now), 1000);
	now = monotime_add_ms(now, 999);
	ck_assert_int_eq(smpp_session_tick(&session, now).kind, SMPP_NOTHING);
	ck_assert_uint_eq(out.len, 0);
	now = monotime_add_ms(now, 1);
	ck_assert_int_eq(smpp_session_tick(&session, now).kind, SMPP_NOTHING);
	struct smpp_pdu p = said();
	ck_assert_uint_eq(p.command, SMPP_ENQUIRE_LINK);
	ck_assert_int_eq(smpp_session_due(&session, now), 300);
	/* Other words of the peer are no answer. */
	hear(SMPP_ENQUIRE_LINK, 0, 4, "", 0);
	hear(SMPP_ENQUIRE_LINK | SMPP_RESPONSE, 0, p.sequence + 1, "", 0);
	ck_assert_int_eq(smpp_session_due(&session, now), 300);
	hear(SMPP_ENQUIRE_LINK | SMPP_RESPONSE, 0, p.sequence, "", 0);
	ck_assert_int_eq(smpp_session_due(&session, now), 1000);
}
END_TEST

START_TEST(no_answer_to_enquire_link)
{
	bind_it();
	smpp_session_tick(&session, monotime_add_ms(now, 1000));
	struct smpp_event e = smpp_session_tick(&session, monotime_add_ms(now, 1300));
	ck_assert_int_eq(e.kind, SMPP_ENDED);
	ck_assert_str_eq(e.why, "no answer to enquire_link");
}
END_TEST

START_TEST(no_enquire_link_where_there_is_no_delay)
{
	params.enquire_delay_ms = 0;
	bind_it();
	ck_assert_int_eq(smpp_session_due(&session, monotime_add_ms(now, 1 << 30)), -1);
}
END_TEST

START_TEST(sequence_numbers_wrap)
{
	bind_it();
	session.sequence = SMPP_MAX_SEQUENCE - 1;
	ck_assert_uint_eq(submit(1), SMPP_MAX_SEQUENCE);
	ck_assert_uint_eq(submit(2), 1);
}
END_TEST

START_TEST(deliver_before_the_bind)
{
	said();
	ck_assert_int_eq(hear(SMPP_DELIVER_SM, 0, 5, "", 0).kind, SMPP_NOTHING);
	ck_assert_uint_eq(said().status, SMPP_RINVBNDSTS);
}
END_TEST

START_TEST(unbind)
{
	bind_it();
	smpp_session_unbind(&session);
	struct smpp_pdu p = said();
	ck_assert_uint_eq(p.command, SMPP_UNBIND);
	ck_assert(!smpp_session_may_submit(&session));
	ck_assert_int_eq(hear(SMPP_UNBIND | SMPP_RESPONSE, 0, p.sequence, "", 0).kind, SMPP_ENDED);
}
END_TEST

START_TEST(a_bad_frame_is_said_once)
{
	bind_it();
	ck_assert_int_eq(smpp_session_bad_frame(&session, 3).kind, SMPP_ENDED);
	ck_assert_uint_eq(said().status, SMPP_RINVCMDLEN);
	ck_assert_int_eq(smpp_session_bad_frame(&session, 3).kind, SMPP_NOTHING);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_is_submitted_before_the_bind);
	tcase_add_test(tc, a_refused_bind_says_why);
	tcase_add_test(tc, a_generic_nack_refuses_a_bind);
	tcase_add_test(tc, answers_find_their_message);
	tcase_add_test(tc, a_nack_without_an_error_is_one_all_the_same);
	tcase_add_test(tc, a_forgotten_message_frees_the_window);
	tcase_add_test(tc, enquire_link_after_silence);
	tcase_add_test(tc, no_answer_to_enquire_link);
	tcase_add_test(tc, no_enquire_link_where_there_is_no_delay);
	tcase_add_test(tc, sequence_numbers_wrap);
	tcase_add_test(tc, deliver_before_the_bind);
	tcase_add_test(tc, unbind);
	tcase_add_test(tc, a_bad_frame_is_said_once);
}

UNIT_MAIN("smpp session")
