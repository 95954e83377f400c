/* The association against a server that is played here: recorded frames, answers out of order, ends
 * in each layer, silence in each state, windows and sizes. */
#include <stdio.h>

#include "protocols/iso/presentation.h"
#include "protocols/iso/session.h"
#include "protocols/iso/transport.h"
#include "protocols/mms/client.h"
#include "protocols/mms/pdu.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

enum { ASSOCIATE_MS = 5000, RESPONSE_MS = 1000, STATUS_DELAY_MS = 3000, STATUS_MS = 2000 };

static struct mms_client *c;
static struct buffer out;
static struct monotime now;
static char told[4000]; /* "associated;", "7 read answered;", "ended: why;" */

static void
pass_ms(int64_t ms)
{
	now = monotime_add_ms(now, ms);
}

static void
tell(const struct mms_event *e)
{
	size_t n = strlen(told);
	char *p = told + n;

	switch (e->kind) {
	case MMS_EVENT_ASSOCIATED:
		snprintf(p, sizeof(told) - n, "associated;");
		break;
	case MMS_EVENT_RESULT:
		snprintf(p, sizeof(told) - n, "%llu %s %s;", (unsigned long long)e->result.tag,
		    mms_service_name(e->result.service), mms_outcome_name(e->result.outcome));
		break;
	case MMS_EVENT_REPORT:
		snprintf(p, sizeof(told) - n, "report %zu;", mms_list_count(e->report.results));
		break;
	case MMS_EVENT_ENDED:
		snprintf(
		    p, sizeof(told) - n, "ended%s: %s;", e->concluded ? " as asked" : "", e->why);
		break;
	}
}

static void
drain(void)
{
	struct mms_event e;

	while (mms_client_next(c, &e))
		tell(&e);
}

#define expect_told(text)                                                                          \
	do {                                                                                       \
		drain();                                                                           \
		ck_assert_str_eq(told, text);                                                      \
		told[0] = '\0';                                                                    \
	} while (0)

static void
says(const void *data, size_t len)
{
	mms_client_feed(c, data, len, now);
}

static void
says_frame(size_t i)
{
	uint8_t data[FRAME_MAX];
	size_t len = frame_bytes(frames[i].hex, data);

	says(data, len);
}

/* A TSDU in one TPKT. */
static void
says_tsdu(const void *data, size_t len)
{
	struct buffer b;

	buffer_init(&b, 70000);
	cotp_encode_data(&b, 65000, data, len);
	says(buffer_data(&b), b.len);
	buffer_clear(&b);
}

static size_t
wrap(uint8_t *tsdu, size_t size, const void *pdu, size_t len)
{
	struct ber_writer w;

	session_put_data_header(tsdu);
	ber_writer_init(&w, tsdu + SESSION_DT_HEADER, size - SESSION_DT_HEADER);
	presentation_put_data(&w, PRESENTATION_MMS, pdu, len);
	return SESSION_DT_HEADER + ber_writer_done(&w);
}

static void
says_pdu(const void *pdu, size_t len)
{
	uint8_t tsdu[1000];

	says_tsdu(tsdu, wrap(tsdu, sizeof(tsdu), pdu, len));
}
#define says_mms(text) says_pdu(text, sizeof(text) - 1)

/* Answers to a call: of status, and an error. */
static void
says_status(uint8_t id)
{
	const uint8_t pdu[] = { 0xa1, 11, 2, 1, id, 0xa0, 6, 0x80, 1, 0, 0x81, 1, 0 };

	says_pdu(pdu, sizeof(pdu));
}

/* What the client said since the last time: the MMS PDU of its only frame. */
static struct mms_pdu heard_pdu;
static const uint8_t *heard_data;

static bool
hear(void)
{
	static uint8_t frame[70000];
	struct presentation_value v;
	struct session_spdu s;
	struct cotp_tpdu t;
	size_t size = 0;

	if (tpkt_frame(buffer_data(&out), out.len, &size) != DEC_OK)
		return false;
	memcpy(frame, buffer_data(&out), size);
	buffer_consume(&out, size);
	ck_assert_int_eq(cotp_decode(&t, frame, size), DEC_OK);
	ck_assert_int_eq(session_decode(&s, t.data, t.len), DEC_OK);
	ck_assert_int_eq(s.type, SESSION_DT);
	ck_assert_int_eq(presentation_decode_data(&v, s.data, s.len), DEC_OK);
	heard_data = v.data;
	mms_pdu_decode(&heard_pdu, v.data, v.len);
	return true;
}

/* The same, where it ends the session. */
static enum session_type
hear_end(void)
{
	struct session_spdu s;
	struct cotp_tpdu t;
	size_t size = 0;

	ck_assert_int_eq(tpkt_frame(buffer_data(&out), out.len, &size), DEC_OK);
	ck_assert_int_eq(cotp_decode(&t, buffer_data(&out), size), DEC_OK);
	ck_assert_int_eq(session_decode(&s, t.data, t.len), DEC_OK);
	buffer_consume(&out, size);
	ck_assert_uint_eq(out.len, 0);
	return s.type;
}

static void
start(int32_t local_detail, unsigned outstanding)
{
	const struct mms_params params = { .local_detail = local_detail,
		.outstanding = outstanding,
		.associate_timeout_ms = ASSOCIATE_MS,
		.response_timeout_ms = RESPONSE_MS,
		.status_delay_ms = STATUS_DELAY_MS,
		.status_timeout_ms = STATUS_MS };

	mms_client_free(c);
	c = mms_client_new(&params);
	ck_assert_ptr_nonnull(c);
	mms_client_start(c, &out, now);
}

static void
associate(void)
{
	says_frame(1);
	drain();
	says_frame(3);
	expect_told("associated;");
	buffer_reset(&out);
}

static void
setup(void)
{
	now = (struct monotime){ 1000000000 };
	told[0] = '\0';
	buffer_init(&out, 1 << 20);
	c = NULL;
	start(65000, 5);
}

static void
teardown(void)
{
	ck_assert(!buffer_failed(&out));
	mms_client_free(c);
	buffer_clear(&out);
}

START_TEST(an_association)
{
	uint8_t want[FRAME_MAX];
	size_t len = frame_bytes(frames[0].hex, want);

	ck_assert_int_eq(mms_client_state(c), MMS_CONNECTING);
	ck_assert_uint_eq(out.len, len);
	ck_assert_mem_eq(buffer_data(&out), want, len);
	buffer_reset(&out);
	says_frame(1);
	expect_told("");
	ck_assert_int_eq(mms_client_state(c), MMS_ASSOCIATING);
	ck_assert_uint_gt(out.len, 0);
	says_frame(3);
	expect_told("associated;");
	ck_assert_int_eq(mms_client_state(c), MMS_READY);
	ck_assert_uint_eq(mms_client_pdu_size(c), 65000);
	ck_assert_uint_eq(mms_client_window(c), 5);
	ck_assert(mms_client_offers(c, MMS_WRITE));
}
END_TEST

START_TEST(octet_by_octet)
{
	uint8_t data[FRAME_MAX];

	for (size_t i = 1; i <= 3; i += 2) {
		size_t len = frame_bytes(frames[i].hex, data);
		for (size_t n = 0; n < len; n++) {
			drain();
			says(data + n, 1);
		}
	}
	expect_told("associated;");
}
END_TEST

START_TEST(answers_out_of_order)
{
	associate();
	for (uint64_t tag = 10; tag < 13; tag++)
		ck_assert_int_eq(mms_client_status(c, tag, now), MMS_TAKEN);
	says_status(2);
	says_status(0);
	says_status(7); /* nobody's */
	says_status(0); /* for the second time */
	says_status(1);
	expect_told("12 status answered;10 status answered;11 status answered;");
}
END_TEST

START_TEST(never_more_outstanding_than_agreed)
{
	associate();
	for (uint64_t tag = 0; tag < 5; tag++) {
		ck_assert(mms_client_may_call(c));
		ck_assert_int_eq(mms_client_identify(c, tag, now), MMS_TAKEN);
	}
	ck_assert(!mms_client_may_call(c));
	ck_assert_int_eq(mms_client_identify(c, 5, now), MMS_FULL);
	says_mms("\xa1\x0e\2\1\3\xa2\x09\x80\1v\x81\1m\x82\1r");
	expect_told("3 identify answered;");
	ck_assert_int_eq(mms_client_identify(c, 6, now), MMS_TAKEN);
	ck_assert_int_eq(mms_client_identify(c, 7, now), MMS_FULL);
}
END_TEST

START_TEST(the_smaller_window_holds)
{
	start(65000, 2);
	associate(); /* the server agrees to 5 */
	ck_assert_uint_eq(mms_client_window(c), 2);
}
END_TEST

START_TEST(the_smaller_pdu_size_holds)
{
	struct mms_variable v = { .name = { .item = { told, 1500 } } };

	start(1000, 5);
	associate(); /* the server agrees to 65000 */
	ck_assert_uint_eq(mms_client_pdu_size(c), 1000);
	ck_assert_int_eq(mms_client_read(c, 0, &v, 1, now), MMS_TOO_LARGE);
	ck_assert_uint_eq(out.len, 0);
	/* It took no place and no id. */
	for (uint64_t tag = 0; tag < 5; tag++)
		ck_assert_int_eq(mms_client_status(c, tag, now), MMS_TAKEN);
	ck_assert(hear());
	ck_assert_uint_eq(heard_pdu.id, 0);
}
END_TEST

START_TEST(calls_without_an_association)
{
	ck_assert_int_eq(mms_client_status(c, 0, now), MMS_NOT_READY);
	ck_assert(!mms_client_may_call(c));
	ck_assert_uint_eq(mms_client_window(c), 0);
}
END_TEST

/* Each call of the header, with what the server says to it. */
START_TEST(every_service)
{
	static const struct mms_name name = { .scope = MMS_DOMAIN, { "d", 1 }, { "x", 1 } };
	const struct mms_variable v = { .name = name };

	associate();
	mms_client_read(c, 1, &v, 1, now);
	says_mms("\xa1\x0a\2\1\0\xa4\5\xa1\3\x83\1\1");
	mms_client_write(c, 2, &v, 1, "\x83\1\1", 3, now);
	says_mms("\xa1\7\2\1\1\xa5\2\x81\0");
	mms_client_name_list(c, 3, MMS_CLASS_DOMAIN, mms_str(NULL), mms_str(NULL), now);
	says_mms("\xa1\x0a\2\1\2\xa1\5\xa0\3\x1a\1x");
	expect_told("1 read answered;2 write answered;3 getNameList answered;");
	mms_client_variable_attributes(c, 4, &name, now);
	says_mms("\xa1\x0c\2\1\3\xa6\7\x80\1\0\xa2\2\x83\0");
	mms_client_define_list(c, 5, &name, &v, 1, now);
	says_mms("\xa1\5\2\1\4\x8b\0");
	mms_client_get_list(c, 6, &name, now);
	says_mms("\xa1\x0a\2\1\5\xac\5\x80\1\0\xa1\0");
	mms_client_delete_list(c, 7, &name, now);
	says_mms("\xa1\x0b\2\1\6\xad\6\x80\1\1\x81\1\1");
	expect_told(
	    "4 getVariableAccessAttributes answered;5 defineNamedVariableList answered;"
	    "6 getNamedVariableListAttributes answered;7 deleteNamedVariableList answered;");
}
END_TEST

START_TEST(answers_that_do_not_fit_their_call)
{
	const struct mms_variable v[2] = { { .name = { .item = { "x", 1 } } },
		{ .name = { .item = { "y", 1 } } } };

	associate();
	mms_client_read(c, 1, v, 2, now);
	says_mms("\xa1\x0a\2\1\0\xa4\5\xa1\3\x83\1\1"); /* one of two */
	mms_client_write(c, 2, v, 1, "\x83\1\1", 3, now);
	says_mms("\xa1\x09\2\1\1\xa5\4\x81\0\x81\0"); /* two of one */
	mms_client_read(c, 3, v, 1, now);
	says_mms("\xa1\7\2\1\2\xa5\2\x81\0"); /* of another service */
	mms_client_read(c, 4, v, 1, now);
	says_mms("\xa1\x0a\2\1\3\xa4\5\xa1\3\x88\1\1"); /* no value */
	mms_client_read(c, 5, v, 1, now);
	says_mms("\xa1\5\2\1\4\x8d\0"); /* an unknown service */
	expect_told("1 read malformed answer;2 write malformed answer;3 read malformed answer;"
		    "4 read malformed answer;5 read malformed answer;");
	ck_assert_int_eq(mms_client_state(c), MMS_READY);
}
END_TEST

START_TEST(refused_and_rejected)
{
	associate();
	mms_client_status(c, 1, now);
	mms_client_status(c, 2, now);
	says_mms("\xa2\x0a\x80\1\0\xa2\5\xa0\3\x87\1\2");
	says_mms("\xa4\6\x80\1\1\x81\1\1");
	says_mms("\xa4\3\x85\1\1"); /* of nothing that has an id */
	expect_told("1 status refused;2 status rejected;");
	ck_assert_int_eq(mms_client_state(c), MMS_READY);
}
END_TEST

START_TEST(reports_between_answers)
{
	associate();
	mms_client_status(c, 1, now);
	says_mms("\xa3\x11\xa0\x0f\xa1\5\x80\3RPT\xa0\6\x83\1\1\x83\1\0");
	says_status(0);
	expect_told("report 2;1 status answered;");
}
END_TEST

START_TEST(requests_of_the_server_are_rejected)
{
	associate();
	says_mms("\xa0\5\2\1\7\x82\0");
	expect_told("");
	ck_assert(hear());
	ck_assert_int_eq(heard_pdu.type, MMS_REJECT);
	ck_assert_uint_eq(heard_pdu.id, 7);
	says_mms("\xaf\0"); /* no PDU that we know */
	expect_told("");
	ck_assert(hear());
	ck_assert_int_eq(heard_pdu.type, MMS_REJECT);
	ck_assert(!heard_pdu.has_id);
	ck_assert_int_eq(mms_client_state(c), MMS_READY);
}
END_TEST

START_TEST(a_call_times_out_and_keeps_its_place)
{
	start(65000, 1);
	associate();
	mms_client_status(c, 1, now);
	ck_assert_int_eq(mms_client_due(c, now), RESPONSE_MS);
	pass_ms(RESPONSE_MS - 1);
	mms_client_tick(c, now);
	expect_told("");
	pass_ms(1);
	mms_client_tick(c, now);
	expect_told("1 status timed out;");
	ck_assert(!mms_client_may_call(c));
	says_status(0);
	expect_told("");
	ck_assert(mms_client_may_call(c));
}
END_TEST

START_TEST(a_call_that_timed_out_is_cancelled)
{
	associate(); /* the server offers cancel */
	mms_client_status(c, 1, now);
	buffer_reset(&out);
	pass_ms(RESPONSE_MS);
	mms_client_tick(c, now);
	expect_told("1 status timed out;");
	ck_assert(hear());
	ck_assert_int_eq(heard_pdu.type, MMS_CANCEL_REQUEST);
	ck_assert_uint_eq(heard_pdu.id, 0);
	says_mms("\x86\1\0");
	expect_told("");
	says_mms("\xa2\x0a\x80\1\0\xa2\5\xa0\3\x8a\1\2"); /* the call's error */
	expect_told("");
	for (uint64_t tag = 0; tag < 5; tag++)
		ck_assert_int_eq(mms_client_status(c, tag, now), MMS_TAKEN);
}
END_TEST

START_TEST(silence_is_asked_about)
{
	associate();
	ck_assert_int_eq(mms_client_due(c, now), STATUS_DELAY_MS);
	pass_ms(STATUS_DELAY_MS);
	mms_client_tick(c, now);
	ck_assert(hear());
	ck_assert_int_eq(heard_pdu.type, MMS_CONFIRMED_REQUEST);
	ck_assert_mem_eq(heard_data + 5, "\x80\1\0", 3);
	says_status(0);
	expect_told(""); /* nobody asked */
	ck_assert_int_eq(mms_client_due(c, now), STATUS_DELAY_MS);
	pass_ms(STATUS_DELAY_MS);
	mms_client_tick(c, now);
	ck_assert(hear());
	pass_ms(STATUS_MS);
	mms_client_tick(c, now);
	expect_told("ended: MMS: no answer to status;");
	ck_assert_int_eq(hear_end(), SESSION_AB);
}
END_TEST

START_TEST(what_lives_but_never_answers_status_is_asked_once)
{
	associate();
	for (int i = 0; i < 10; i++) {
		pass_ms(STATUS_DELAY_MS);
		mms_client_tick(c, now);
		says_mms("\xa3\x0e\xa0\x0c\xa1\5\x80\3RPT\xa0\3\x83\1\1");
		expect_told("report 1;");
	}
	ck_assert(hear());
	ck_assert(!hear());
	for (uint64_t tag = 0; tag < 4; tag++)
		ck_assert_int_eq(mms_client_status(c, tag, now), MMS_TAKEN);
}
END_TEST

START_TEST(silence_with_no_place_for_status_is_the_end)
{
	start(65000, 1);
	associate();
	mms_client_status(c, 1, now);
	pass_ms(RESPONSE_MS);
	mms_client_tick(c, now);
	pass_ms(STATUS_DELAY_MS - RESPONSE_MS);
	mms_client_tick(c, now);
	pass_ms(STATUS_MS);
	mms_client_tick(c, now);
	expect_told("1 status timed out;ended: MMS: no answer to status;");
}
END_TEST

START_TEST(silence_before_the_association)
{
	ck_assert_int_eq(mms_client_due(c, now), ASSOCIATE_MS);
	pass_ms(ASSOCIATE_MS);
	mms_client_tick(c, now);
	expect_told("ended: transport: no answer from the server in time;");
	start(65000, 5);
	says_frame(1);
	drain();
	pass_ms(ASSOCIATE_MS);
	mms_client_tick(c, now);
	expect_told("ended: no answer to the association request in time;");
	ck_assert_int_eq(mms_client_due(c, now), -1);
}
END_TEST

START_TEST(concluding)
{
	associate();
	mms_client_conclude(c, now);
	ck_assert(hear());
	ck_assert_int_eq(heard_pdu.type, MMS_CONCLUDE_REQUEST);
	ck_assert_int_eq(mms_client_status(c, 1, now), MMS_NOT_READY);
	says_mms("\x8c\0");
	expect_told("");
	ck_assert_int_eq(mms_client_state(c), MMS_RELEASING);
	ck_assert_int_eq(hear_end(), SESSION_FN);
	says_tsdu("\x0a\0", 2);
	expect_told("ended as asked: released;");
	ck_assert_int_eq(mms_client_state(c), MMS_CLOSED);
	expect_told("");
}
END_TEST

START_TEST(concluding_in_silence)
{
	associate();
	mms_client_status(c, 7, now);
	mms_client_conclude(c, now);
	ck_assert_int_eq(mms_client_due(c, now), MMS_CONCLUDE_MS);
	pass_ms(MMS_CONCLUDE_MS);
	mms_client_tick(c, now);
	expect_told("7 status connection lost;ended as asked: MMS: no answer to conclude;");
	start(65000, 5);
	associate();
	mms_client_conclude(c, now);
	says_mms("\x8c\0");
	drain();
	pass_ms(MMS_CONCLUDE_MS);
	mms_client_tick(c, now);
	expect_told("ended as asked: application: no answer to the release;");
	start(65000, 5);
	mms_client_conclude(c, now);
	expect_told("ended: closed before there was an association;");
}
END_TEST

START_TEST(a_conclude_that_is_refused)
{
	associate();
	mms_client_conclude(c, now);
	says_mms("\xad\5\xa0\3\x89\1\1");
	expect_told("ended as asked: MMS: the server refused to conclude;");
}
END_TEST

START_TEST(every_call_has_a_result_when_the_connection_is_lost)
{
	associate();
	mms_client_status(c, 1, now);
	mms_client_status(c, 2, now);
	pass_ms(RESPONSE_MS);
	mms_client_tick(c, now);
	mms_client_status(c, 3, now);
	mms_client_lost(c, "reset");
	expect_told("1 status timed out;2 status timed out;3 status connection lost;ended: reset;");
	expect_told("");
	mms_client_lost(c, "again");
	says_status(0);
	mms_client_tick(c, now);
	expect_told("");
	/* and all begins from the start */
	mms_client_start(c, &out, now);
	associate();
	mms_client_status(c, 4, now);
	ck_assert(hear());
	ck_assert_uint_eq(heard_pdu.id, 0);
}
END_TEST

/* What ends an association that stands, as TSDUs and as TPKTs. */
static const struct {
	const char *bytes;
	size_t len;
	const char *why;
	bool tpkt;
	bool told; /* the server by an abort */
} ends[] = {
	{ "\x19\0", 2, "session: the server aborted the connection", false, false },
	{ "\x19\x0c\xc1\x0a\x30\x08\x80\1\2\x81\1\5\5\0", 14,
	    "presentation: the server aborted the connection: unexpected PPDU", false, false },
	{ "\x19\x12\xc1\x10\xa0\x0e\x61\x0c\x30\x0a\2\1\1\xa0\5\x64\3\x80\1\0", 20,
	    "application: the server aborted the association", false, false },
	{ "\x19\x12\xc1\x10\xa0\x0e\x61\x0c\x30\x0a\2\1\1\xa0\5\x64\3\x80\1\1", 20,
	    "application: the server's ACSE aborted the association", false, false },
	{ "\x09\0", 2, "session: the server ended the connection", false, true },
	{ "\x0a\0", 2, "session: the server disconnected without a release", false, true },
	{ "\x0c\0", 2, "session: the server refused what is established", false, true },
	{ "\x0e\0", 2, "session: the server accepted what was not asked for", false, true },
	{ "\x0d\0", 2, "session: an SPDU that no server sends", false, true },
	{ "\x77\0", 2, "session: the server's SPDU is malformed or unknown", false, true },
	{ "", 0, "session: the server's SPDU is malformed or unknown", false, true },
	{ "\1\0\1\0", 4, "presentation: the server's data is malformed", false, true },
	{ "\1\0\1\0\x61\x09\x30\7\2\1\1\xa0\2\x8c\0", 15,
	    "presentation: the server sent data of an unknown context", false, true },
	{ "\1\0\1\0\x61\x09\x30\7\2\1\3\xa0\2\xa1\0", 15, "MMS: the server's PDU is malformed",
	    false, true },
	{ "\1\0\1\0\x61\x09\x30\7\2\1\3\xa0\2\x8b\0", 15,
	    "MMS: the server concluded the association", false, true },
	{ "\3\0\0\x0b\6\x80\0\1\0\1\x80", 11,
	    "transport: the server disconnected: normal disconnect", true, false },
	{ "\3\0\0\x09\4\x70\0\1\2", 9, "transport: the server reports an error, cause 2", true,
	    false },
	{ "\3\0\0\x0b\6\xd0\0\1\0\1\0", 11,
	    "transport: the server confirmed what was not asked for", true, true },
	{ "\3\0\0\x0b\6\xe0\0\1\0\1\0", 11, "transport: a TPDU that no server sends", true, true },
	{ "\3\0\0\x07\2\x10\x80", 7, "transport: the server's TPDU is malformed or unknown", true,
	    true },
	{ "HTTP", 4, "transport: what the server sent is no TPKT", true, true },
	{ "\3\0\0\0", 4, "transport: what the server sent is no TPKT", true, true },
};

START_TEST(ends_in_each_layer)
{
	char want[200];

	associate();
	mms_client_status(c, 9, now);
	buffer_reset(&out);
	if (ends[_i].tpkt)
		says(ends[_i].bytes, ends[_i].len);
	else
		says_tsdu(ends[_i].bytes, ends[_i].len);
	says_status(0); /* comes too late */
	snprintf(want, sizeof(want), "9 status connection lost;ended: %s;", ends[_i].why);
	expect_told(want);
	if (ends[_i].told)
		ck_assert_int_eq(hear_end(), SESSION_AB);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* What a server says to the request for an association. */
static const struct {
	const char *bytes;
	size_t len;
	const char *why;
} refusals[] = {
	{ "\x0c\3\x32\1\x81", 5,
	    "session: the server refused the connection: session selector unknown" },
	{ "\x0c\x0a\x32\x08\2\x30\5\x8a\1\3\5\0", 12,
	    "presentation: the server refused the connection: called presentation address "
	    "unknown" },
	{ "\x0c\x1d\xc1\x1b\x30\x19\x61\x17\x30\x15\2\1\1\xa0\x10\x61\x0e\xa2\3\2\1\1\xa3\7\xa1\5\2"
	  "\3\0\0"
	  "\7",
	    31,
	    "application: the server refused the association: called AP title not recognized "
	    "(permanent)" },
	{ "\x0e\x02\xc1\0", 4, "presentation: the server's accept is malformed" },
	{ "\x0e\4\xc1\2\x31\0", 6, "presentation: the server refused a context" },
	{ "\1\0\1\0", 4, "session: the server sent data before the association" },
};

START_TEST(refused_associations)
{
	char want[200];

	says_frame(1);
	drain();
	says_tsdu(refusals[_i].bytes, refusals[_i].len);
	snprintf(want, sizeof(want), "ended: %s;", refusals[_i].why);
	expect_told(want);
}
END_TEST

/* Answers to initiate in the recorded accept: what stands where, and what it becomes. */
static const struct {
	const char *from, *to;
	size_t len;
	const char *told;
} initiates[] = {
	{ "\x81\1\5", "\x81\1\0", 3, "ended: MMS: the server agrees to no outstanding calls;" },
	{ "\x80\3\0\xfd\xe8", "\x80\3\0\0\xff", 5,
	    "ended: MMS: the PDU size that the server agrees to is too small;" },
	{ "\xa9\x26", "\xa8\x26", 2, "ended: MMS: the server's answer to initiate is malformed;" },
	{ "\x81\1\5", "\x91\1\5", 3, "ended: MMS: the server's answer to initiate is malformed;" },
	{ "\xa9\x26\x80\3\0\xfd\xe8", "\xaa\x26\xa0\3\x88\1\7", 7,
	    "ended: MMS: the server refused to initiate: initiate: nesting-level-insufficient;" },
	{ "\2\1\0\xa3", "\2\1\1\xa3", 4,
	    "ended: application: the server refused the association: no reason given "
	    "(permanent);" },
	{ "\x30\7\x80\1\0\x81\2\x51\1\x61", "\x30\7\x80\1\2\x81\2\x51\1\x61", 10,
	    "ended: presentation: the server refused a context;" },
};

START_TEST(answers_to_initiate)
{
	uint8_t data[FRAME_MAX];
	size_t len = frame_bytes(frames[3].hex, data);
	uint8_t *at = memmem(data, len, initiates[_i].from, initiates[_i].len);

	ck_assert_ptr_nonnull(at);
	memcpy(at, initiates[_i].to, initiates[_i].len);
	says_frame(1);
	drain();
	says(data, len);
	expect_told(initiates[_i].told);
}
END_TEST

START_TEST(a_transport_that_is_refused)
{
	says("\3\0\0\x0b\6\x80\0\1\0\1\3", 11);
	expect_told("ended: transport: the server refused the connection: address unknown;");
	start(65000, 5);
	says("\3\0\0\x0b\6\xd0\0\1\0\1\x40", 11);
	expect_told("ended: transport: the server does not speak class 0;");
	start(65000, 5);
	says("\3\0\0\x0b\6\xd0\0\2\0\1\0", 11);
	expect_told("ended: transport: the server confirmed what was not asked for;");
	start(65000, 5);
	says("\3\0\0\x0e\x09\xd0\0\1\0\1\0\xc0\1\x0d", 14);
	expect_told("ended: transport: the server's TPDU size is out of range;");
}
END_TEST

START_TEST(tsdus_in_parts)
{
	uint8_t tsdu[100];
	struct buffer b;
	size_t len = wrap(tsdu, sizeof(tsdu), "\xa3\x0e\xa0\x0c\xa1\5\x80\3RPT\xa0\3\x83\1\1", 16);

	associate();
	buffer_init(&b, 1000);
	for (int i = 0; i < 2; i++)
		cotp_encode_data(&b, 7, tsdu, len);
	says(buffer_data(&b), b.len);
	buffer_clear(&b);
	expect_told("report 1;report 1;");
}
END_TEST

START_TEST(a_tsdu_without_end)
{
	static const uint8_t part[TPKT_MAX] = { 3, 0, 0xff, 0xff, 2, 0xf0, 0 };

	associate();
	says(part, sizeof(part));
	expect_told("");
	says(part, sizeof(part));
	expect_told("ended: transport: a TSDU is too long;");
}
END_TEST

START_TEST(small_tpdus_are_kept_to)
{
	struct cotp_tpdu t;
	size_t size, frames_heard = 0;
	struct mms_variable v = { .name = { .item = { told, 400 } } };

	says("\3\0\0\x0e\x09\xd0\0\1\0\1\0\xc0\1\7", 14); /* 128 octets */
	drain();
	buffer_reset(&out);
	says_frame(3);
	expect_told("associated;");
	memset(told, 'x', 400);
	told[400] = '\0';
	ck_assert_int_eq(mms_client_read(c, 1, &v, 1, now), MMS_TAKEN);
	told[0] = '\0';
	while (tpkt_frame(buffer_data(&out), out.len, &size) == DEC_OK) {
		ck_assert_uint_le(size, TPKT_HEADER + 128);
		ck_assert_int_eq(cotp_decode(&t, buffer_data(&out), size), DEC_OK);
		frames_heard++;
		ck_assert(t.last == (size == out.len));
		buffer_consume(&out, size);
	}
	ck_assert_uint_eq(frames_heard, 4);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_association);
	tcase_add_test(tc, octet_by_octet);
	tcase_add_test(tc, answers_out_of_order);
	tcase_add_test(tc, never_more_outstanding_than_agreed);
	tcase_add_test(tc, the_smaller_window_holds);
	tcase_add_test(tc, the_smaller_pdu_size_holds);
	tcase_add_test(tc, calls_without_an_association);
	tcase_add_test(tc, every_service);
	tcase_add_test(tc, answers_that_do_not_fit_their_call);
	tcase_add_test(tc, refused_and_rejected);
	tcase_add_test(tc, reports_between_answers);
	tcase_add_test(tc, requests_of_the_server_are_rejected);
	tcase_add_test(tc, a_call_times_out_and_keeps_its_place);
	tcase_add_test(tc, a_call_that_timed_out_is_cancelled);
	tcase_add_test(tc, silence_is_asked_about);
	tcase_add_test(tc, what_lives_but_never_answers_status_is_asked_once);
	tcase_add_test(tc, silence_with_no_place_for_status_is_the_end);
	tcase_add_test(tc, silence_before_the_association);
	tcase_add_test(tc, concluding);
	tcase_add_test(tc, concluding_in_silence);
	tcase_add_test(tc, a_conclude_that_is_refused);
	tcase_add_test(tc, every_call_has_a_result_when_the_connection_is_lost);
	tcase_add_table_test(tc, ends_in_each_layer, ends);
	tcase_add_table_test(tc, refused_associations, refusals);
	tcase_add_table_test(tc, answers_to_initiate, initiates);
	tcase_add_test(tc, a_transport_that_is_refused);
	tcase_add_test(tc, tsdus_in_parts);
	tcase_add_test(tc, a_tsdu_without_end);
	tcase_add_test(tc, small_tpdus_are_kept_to);
}

UNIT_MAIN("mms_client")
