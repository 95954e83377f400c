/* PDUs of MMS and requests: recorded ones both ways, no prefix of one, and what is none. */
#include "protocols/mms/pdu.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

#define LD                                                                                         \
	{                                                                                          \
		"testLD0", 7                                                                       \
	}
#define VARIABLE(text)                                                                             \
	{                                                                                          \
		.name = {.scope = MMS_DOMAIN, .domain = LD, .item = { text, sizeof(text) - 1 } }   \
	}

static uint8_t frame[FRAME_MAX], out[FRAME_MAX];
static struct ber_writer w;

/* The MMS PDU of a frame of data: it ends with the frame. */
static const uint8_t *
pdu_of(size_t len, size_t *pdu_len)
{
	/* TPKT and DT 7, session 4, then user data and list with lengths of 1 or 2 octets, id,
	 * value */
	size_t at = 11;
	at += frame[at + 1] == 0x81 ? 3 : 2;
	at += frame[at + 1] == 0x81 ? 3 : 2;
	at += 3;
	at += frame[at + 1] == 0x81 ? 3 : 2;
	*pdu_len = len - at;
	return frame + at;
}

static void
begin(uint32_t id)
{
	ber_writer_init(&w, out, sizeof(out));
	mms_begin_request(&w, id);
}

static void
expect_frame(const char *name)
{
	size_t len, n = frame_named(name, false, frame);
	const uint8_t *pdu = pdu_of(n, &len);

	ber_end(&w);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(ber_writer_done(&w), len);
	ck_assert_mem_eq(out, pdu, len);
}

START_TEST(requests_as_recorded)
{
	static const struct mms_name list = { MMS_DOMAIN, LD, { "LLN0$events", 11 } },
				     dyn = { MMS_ASSOCIATION, { NULL, 0 }, { "dyn1", 4 } };
	static const struct mms_variable members[] = { VARIABLE("GGIO1$ST$Ind1"),
		VARIABLE("GGIO1$MX$AnIn1$mag$f") },
					 rcb[] = { VARIABLE("LLN0$BR$brcb01$RptID"),
						 VARIABLE("LLN0$BR$brcb01$DatSet"),
						 VARIABLE("LLN0$BR$brcb01$ConfRev") },
					 resv = VARIABLE("LLN0$BR$brcb01$ResvTms"),
					 sbo = VARIABLE("GGIO1$CO$SPCSO2$SBO");

	begin(0);
	mms_put_name_list(&w, MMS_CLASS_VARIABLE_LIST, (struct mms_str)LD, mms_str(NULL));
	expect_frame("get-datasets");
	begin(1);
	mms_put_get_list(&w, &list);
	expect_frame("get-dataset-refs");
	begin(2);
	mms_put_define_list(&w, &dyn, members, 2);
	expect_frame("create-dataset");
	begin(3);
	mms_put_read(&w, rcb, 3);
	expect_frame("get-rcb");
	begin(5);
	mms_put_write(&w, &resv, 1, "\x85\1\x1e", 3);
	expect_frame("set-rcb-ResvTms");
	begin(10);
	mms_put_read(&w, &sbo, 1);
	expect_frame("sbo-normal-select");
	begin(16);
	mms_put_status(&w);
	expect_frame("status");
}
END_TEST

START_TEST(requests_that_were_not_recorded)
{
	static const struct mms_name list = { MMS_ASSOCIATION, { NULL, 0 }, { "d", 1 } };
	struct mms_variable element = VARIABLE("x");

	begin(300);
	mms_put_delete_list(&w, &list);
	ber_end(&w);
	ck_assert_uint_eq(ber_writer_done(&w), 13);
	ck_assert_mem_eq(out, "\xa0\x0b\2\2\1\x2c\xad\5\xa1\3\x82\1d", 13);
	begin(0);
	mms_put_identify(&w);
	mms_put_variable_attributes(&w, &list);
	mms_put_name_list(&w, MMS_CLASS_DOMAIN, mms_str(NULL), mms_str("z"));
	ber_end(&w);
	ck_assert_mem_eq(
	    out + 5, "\x82\0\xa6\5\xa0\3\x82\1d\xa1\x0c\xa0\3\x80\1\x09\xa1\2\x80\0\x82\1z", 23);
	element.has_index = true;
	element.index = 3;
	begin(0);
	mms_put_read(&w, &element, 1);
	ber_end(&w);
	ck_assert_mem_eq(out + ber_writer_done(&w) - 5, "\xa5\3\x82\1\3", 5);
	element.component = mms_str("mag");
	begin(0);
	mms_put_read(&w, &element, 1);
	ber_end(&w);
	ck_assert_mem_eq(
	    out + ber_writer_done(&w) - 14, "\xa5\x0c\xa0\x0a\x81\1\3\x30\5\x81\3mag", 14);
}
END_TEST

START_TEST(plain_pdus)
{
	static const uint32_t id = 7;

	ber_writer_init(&w, out, sizeof(out));
	mms_put_cancel(&w, 5);
	mms_put_conclude(&w);
	mms_put_reject(&w, &id, MMS_REJECT_REQUEST, MMS_UNRECOGNIZED_SERVICE);
	mms_put_reject(&w, NULL, MMS_REJECT_PDU, MMS_UNKNOWN_PDU);
	ck_assert_uint_eq(ber_writer_done(&w), 18);
	ck_assert_mem_eq(out, "\x85\1\5\x8b\0\xa4\6\x80\1\7\x81\1\1\xa4\3\x85\1\0", 18);
}
END_TEST

START_TEST(every_recorded_pdu_and_no_prefix_of_it)
{
	for (size_t i = 4; i < FRAMES - 1; i++) {
		size_t len, n = frame_bytes(frames[i].hex, frame);
		const uint8_t *p = pdu_of(n, &len);
		struct mms_pdu pdu;
		expect_msg(mms_pdu_decode(&pdu, p, len) == DEC_OK, "frame %zu", i);
		for (size_t m = 0; m < len; m++)
			expect_msg(mms_pdu_decode(&pdu, p, m) == DEC_BAD, "frame %zu: %zu", i, m);
	}
}
END_TEST

START_TEST(initiate)
{
	size_t len = 0x28, n = frame_bytes(frames[3].hex, frame);
	const uint8_t *p = frame + n - len;
	struct mms_pdu pdu, none;

	ck_assert_int_eq(mms_pdu_decode(&pdu, p, len), DEC_OK);
	ck_assert_int_eq(pdu.type, MMS_INITIATE_RESPONSE);
	ck_assert_int_eq(pdu.u.initiate.local_detail, 65000);
	ck_assert_int_eq(pdu.u.initiate.calling, 5);
	ck_assert_int_eq(pdu.u.initiate.called, 5);
	ck_assert_int_eq(pdu.u.initiate.nesting, 10);
	ck_assert(mms_initiate_offers(&pdu.u.initiate, MMS_READ));
	ck_assert(!mms_initiate_offers(&pdu.u.initiate, MMS_SERVICE_BITS));
	for (size_t m = 0; m < len; m++)
		expect(mms_pdu_decode(&none, p, m) == DEC_BAD);

	ber_writer_init(&w, out, sizeof(out));
	mms_put_initiate(&w, &pdu.u.initiate);
	ck_assert_uint_eq(ber_writer_done(&w), len);
	ck_assert_mem_eq(out + 1, p + 1, len - 1); /* but for its tag */
}
END_TEST

START_TEST(errors_and_rejects)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum mms_pdu_type type;
		bool has_id;
		uint32_t id;
		int error_class, code;
	} rows[] = {
		{ "\xa2\x0a\x80\1\7\xa2\5\xa0\3\x87\1\2", 12, MMS_CONFIRMED_ERROR, true, 7, 7, 2 },
		{ "\xa2\x0d\x80\1\7\x81\1\0\xa2\5\xa0\3\x82\1\1", 15, MMS_CONFIRMED_ERROR, true, 7,
		    2, 1 },
		{ "\xa4\6\x80\1\7\x81\1\1", 8, MMS_REJECT, true, 7, 1, 1 },
		{ "\xa4\3\x85\1\1", 5, MMS_REJECT, false, 0, 5, 1 },
		{ "\xa7\x0a\x80\1\7\xa1\5\xa0\3\x8a\1\2", 12, MMS_CANCEL_ERROR, true, 7, 10, 2 },
		{ "\xaa\5\xa0\3\x88\1\3", 7, MMS_INITIATE_ERROR, false, 0, 8, 3 },
		{ "\xad\5\xa0\3\x89\1\1", 7, MMS_CONCLUDE_ERROR, false, 0, 9, 1 },
		{ "\x86\1\7", 3, MMS_CANCEL_RESPONSE, true, 7, 0, 0 },
		{ "\x8c\0", 2, MMS_CONCLUDE_RESPONSE, false, 0, 0, 0 },
		{ "\x8b\0", 2, MMS_CONCLUDE_REQUEST, false, 0, 0, 0 },
		{ "\xa0\5\2\1\7\x82\0", 7, MMS_CONFIRMED_REQUEST, true, 7, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *p = (const uint8_t *)rows[i].bytes;
		struct mms_pdu pdu;
		expect_msg(mms_pdu_decode(&pdu, p, rows[i].len) == DEC_OK, "row %zu", i);
		expect(pdu.type == rows[i].type && pdu.has_id == rows[i].has_id);
		expect(pdu.id == rows[i].id);
		if (rows[i].code)
			expect(pdu.u.error.error_class == rows[i].error_class &&
			       pdu.u.error.code == rows[i].code);
		for (size_t m = 0; m < rows[i].len; m++)
			expect(mms_pdu_decode(&pdu, p, m) == DEC_BAD);
	}
}
END_TEST

START_TEST(not_pdus)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum dec rc;
	} rows[] = {
		{ "\xae\0", 2, DEC_UNSUP },		  /* no such PDU */
		{ "\x81\0", 2, DEC_UNSUP },		  /* primitive response */
		{ "\xab\0", 2, DEC_UNSUP },		  /* constructed conclude */
		{ "\x30\0", 2, DEC_UNSUP },		  /* universal */
		{ "\xa1\0", 2, DEC_BAD },		  /* no id */
		{ "\xa1\3\2\1\7", 5, DEC_BAD },		  /* no service */
		{ "\xa1\7\2\5\1\0\0\0\0", 9, DEC_BAD },	  /* an id of 33 bits */
		{ "\x8c\1\0", 3, DEC_BAD },		  /* conclude with content */
		{ "\x8c\0\0", 3, DEC_BAD },		  /* octets behind it */
		{ "\xa3\2\xa1\0", 4, DEC_BAD },		  /* another unconfirmed service */
		{ "\x86\5\1\0\0\0\0", 7, DEC_BAD },	  /* cancel of an id of 33 bits */
		{ "\xa9\6\x80\1\1\x81\1\1", 8, DEC_BAD }, /* initiate that ends early */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mms_pdu pdu;
		expect_msg(
		    mms_pdu_decode(&pdu, (const uint8_t *)rows[i].bytes, rows[i].len) == rows[i].rc,
		    "row %zu", i);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, requests_as_recorded);
	tcase_add_test(tc, requests_that_were_not_recorded);
	tcase_add_test(tc, plain_pdus);
	tcase_add_test(tc, every_recorded_pdu_and_no_prefix_of_it);
	tcase_add_test(tc, initiate);
	tcase_add_test(tc, errors_and_rejects);
	tcase_add_test(tc, not_pdus);
}

UNIT_MAIN("mms_pdu")
