/* SPDUs: recorded ones both ways, refusals, and what is none. */
#include "protocols/iso/session.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

enum { TSDU = 7 /* octets of TPKT and DT in front of it */ };

static const struct iso_selector none, sel1 = { { 0, 1 }, 2 };

START_TEST(recorded_data)
{
	uint8_t data[FRAME_MAX], header[SESSION_DT_HEADER];
	struct session_spdu s;

	session_put_data_header(header);
	for (size_t i = 4; i < FRAMES - 1; i++) {
		size_t len = frame_bytes(frames[i].hex, data);
		expect(session_decode(&s, data + TSDU, len - TSDU) == DEC_OK);
		expect(s.type == SESSION_DT);
		expect(s.data == data + TSDU + SESSION_DT_HEADER);
		expect(s.len == len - TSDU - SESSION_DT_HEADER);
		expect(memcmp(header, data + TSDU, SESSION_DT_HEADER) == 0);
		for (size_t n = 0; n < SESSION_DT_HEADER; n++)
			expect(session_decode(&s, data + TSDU, n) == DEC_BAD);
	}
}
END_TEST

START_TEST(recorded_accept)
{
	uint8_t data[FRAME_MAX];
	struct session_spdu s;
	size_t len = frame_bytes(frames[3].hex, data) - TSDU;

	ck_assert_int_eq(session_decode(&s, data + TSDU, len), DEC_OK);
	ck_assert_int_eq(s.type, SESSION_AC);
	ck_assert_uint_eq(s.len, 0x74);
	ck_assert_uint_eq(s.data[0], 0x31);
	for (size_t n = 0; n < len; n++)
		expect(session_decode(&s, data + TSDU, n) == DEC_BAD);
}
END_TEST

START_TEST(recorded_connect)
{
	uint8_t data[FRAME_MAX];
	size_t len = frame_bytes(frames[2].hex, data) - TSDU, head = len - 0x6f;
	struct buffer b;

	buffer_init(&b, 1000);
	session_encode_connect(&b, &none, &none, data + TSDU + head, 0x6f);
	ck_assert_uint_eq(b.len, len);
	ck_assert_mem_eq(buffer_data(&b), data + TSDU, len);
	buffer_clear(&b);
}
END_TEST

START_TEST(recorded_finish)
{
	uint8_t data[FRAME_MAX];
	size_t len = frame_bytes(frames[FRAMES - 1].hex, data) - TSDU;
	struct session_spdu s;
	struct buffer b;

	ck_assert_int_eq(session_decode(&s, data + TSDU, len), DEC_OK);
	ck_assert_int_eq(s.type, SESSION_FN);
	buffer_init(&b, 1000);
	session_encode_end(&b, SESSION_FN, s.data, s.len);
	ck_assert_uint_eq(b.len, len);
	ck_assert_mem_eq(buffer_data(&b), data + TSDU, len);
	buffer_clear(&b);
}
END_TEST

START_TEST(selectors_and_long_lengths)
{
	static uint8_t user[600];
	struct session_spdu s;
	struct buffer b;

	buffer_init(&b, 1000);
	session_encode_connect(&b, &sel1, &sel1, user, sizeof(user));
	const uint8_t *p = buffer_data(&b);
	/* CN, length in three octets; behind the fixed part calling, called, extended user data */
	ck_assert_mem_eq(p, "\x0d\xff\2\x70", 4);
	ck_assert_mem_eq(p + 16, "\x33\2\0\1\x34\2\0\1\xc2\xff\2\x58", 12);
	ck_assert_int_eq(session_decode(&s, p, b.len), DEC_OK);
	ck_assert_uint_eq(s.len, sizeof(user));
	buffer_clear(&b);
}
END_TEST

START_TEST(refusals)
{
	static const uint8_t plain[] = { 12, 3, 0x32, 1, 129 },
			     user[] = { 12, 5, 0x32, 3, 2, 0x30, 0 };
	struct session_spdu s;

	ck_assert_int_eq(session_decode(&s, plain, sizeof(plain)), DEC_OK);
	ck_assert_int_eq(s.type, SESSION_RF);
	ck_assert_int_eq(s.reason, 129);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_int_eq(session_decode(&s, user, sizeof(user)), DEC_OK);
	ck_assert_int_eq(s.reason, 2);
	ck_assert_uint_eq(s.len, 2);
	ck_assert_int_eq(session_decode(&s, "\14\0", 2), DEC_OK);
	ck_assert_int_eq(s.reason, -1);
}
END_TEST

START_TEST(not_spdus)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum dec rc;
	} rows[] = {
		{ "", 0, DEC_BAD }, { "\16", 1, DEC_BAD },
		{ "\16\5\xc1\1", 4, DEC_BAD },	     /* longer than the TSDU */
		{ "\16\3\xc1\2\0", 5, DEC_BAD },     /* a parameter longer than its SPDU */
		{ "\16\xff\xff", 3, DEC_BAD },	     /* half a long length */
		{ "\16\xff\xff\xff\0", 5, DEC_BAD }, /* a long length without content */
		{ "\x63\0", 2, DEC_UNSUP },	     /* unknown */
		{ "\1\0\5\0", 4, DEC_UNSUP },	     /* typed data behind GIVE TOKENS */
		{ "\1\3\x10\1\1\0", 6, DEC_BAD },    /* GIVE TOKENS that runs into DT */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session_spdu s;
		expect_msg(
		    session_decode(&s, rows[i].bytes, rows[i].len) == rows[i].rc, "row %zu", i);
	}
}
END_TEST

START_TEST(reasons)
{
	char text[32];

	ck_assert_str_eq(session_reason_text(129, text), "session selector unknown");
	ck_assert_str_eq(session_reason_text(-1, text), "reason -1");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, recorded_data);
	tcase_add_test(tc, recorded_accept);
	tcase_add_test(tc, recorded_connect);
	tcase_add_test(tc, recorded_finish);
	tcase_add_test(tc, selectors_and_long_lengths);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, not_spdus);
	tcase_add_test(tc, reasons);
}

UNIT_MAIN("session")
