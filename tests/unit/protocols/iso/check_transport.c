/* TPKT and class 0: recorded frames both ways; no prefix of one is one. */
#include <stdlib.h>

#include "protocols/iso/transport.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

static const struct iso_selector none, sel1 = { { 0, 1 }, 2 };

START_TEST(every_frame_and_no_prefix_of_it)
{
	uint8_t data[FRAME_MAX];
	size_t size;

	for (size_t i = 0; i < FRAMES; i++) {
		size_t len = frame_bytes(frames[i].hex, data);
		struct cotp_tpdu t;
		for (size_t n = 0; n < len; n++)
			expect(tpkt_frame(data, n, &size) == DEC_MORE);
		expect(tpkt_frame(data, len, &size) == DEC_OK);
		expect(size == len);
		expect(cotp_decode(&t, data, size) == DEC_OK);
		expect(i < 2 || (t.type == COTP_DT && t.last && t.len == len - 7));
	}
}
END_TEST

START_TEST(not_tpkts)
{
	size_t size;

	ck_assert_int_eq(tpkt_frame("\2", 1, &size), DEC_BAD);
	ck_assert_int_eq(tpkt_frame("\3\0\0\6", 4, &size), DEC_BAD);
	ck_assert_int_eq(tpkt_frame("\3\0\0\7", 4, &size), DEC_MORE);
	ck_assert_int_eq(tpkt_frame("\3\0\xff\xff", 4, &size), DEC_MORE);
	ck_assert_uint_eq(size, TPKT_MAX);
}
END_TEST

START_TEST(connection_confirm)
{
	uint8_t data[FRAME_MAX];
	size_t len = frame_named("associate", true, data);
	struct cotp_tpdu t;

	ck_assert_int_eq(cotp_decode(&t, data, len), DEC_OK);
	ck_assert_int_eq(t.type, COTP_CC);
	ck_assert_uint_eq(t.destination, 1);
	ck_assert_uint_eq(t.source, 1);
	ck_assert_uint_eq(t.protocol_class, 0);
	ck_assert_uint_eq(t.size_code, 11);
	/* Shorter by whole parameters it stands; else the length indicator says what is missing. */
	for (size_t n = TPKT_HEADER; n < len; n++)
		expect(cotp_decode(&t, data, n) == DEC_BAD);
}
END_TEST

START_TEST(connection_request)
{
	static const uint8_t want[] = { 3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, /**/
		0xc0, 1, 11, 0xc1, 2, 0, 1, 0xc2, 2, 0, 1 };
	uint8_t data[FRAME_MAX];
	size_t len = frame_named("associate", false, data);
	struct buffer b;

	buffer_init(&b, 100);
	cotp_encode_request(&b, 1, 11, &sel1, &sel1);
	ck_assert_uint_eq(b.len, sizeof(want));
	ck_assert_mem_eq(buffer_data(&b), want, sizeof(want));
	buffer_reset(&b);
	cotp_encode_request(&b, 1, 11, &none, &none);
	ck_assert_uint_eq(b.len, len);
	ck_assert_mem_eq(buffer_data(&b), data, len);
	buffer_clear(&b);
}
END_TEST

START_TEST(tpdus_that_end)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum dec rc;
		enum cotp_type type;
		uint8_t reason;
	} rows[] = {
		{ "\3\0\0\x0b\6\x80\0\1\0\1\x80", 11, DEC_OK, COTP_DR, 0x80 },
		{ "\3\0\0\x09\4\x70\0\1\2", 9, DEC_OK, COTP_ER, 2 },
		{ "\3\0\0\x08\4\x70\0\1", 8, DEC_BAD, 0, 0 },		 /* no cause */
		{ "\3\0\0\x0a\5\x80\0\1\0\1", 10, DEC_BAD, 0, 0 },	 /* no reason */
		{ "\3\0\0\x07\2\xf0\x80", 7, DEC_OK, COTP_DT, 0 },	 /* empty */
		{ "\3\0\0\x08\3\xf0\x80\0", 8, DEC_BAD, 0, 0 },		 /* too long a header */
		{ "\3\0\0\x07\2\x10\x80", 7, DEC_UNSUP, 0, 0 },		 /* expedited data */
		{ "\3\0\0\x07\0\xf0\x80", 7, DEC_BAD, 0, 0 },		 /* no header */
		{ "\3\0\0\x0c\7\xd0\0\1\0\1\0\xc0", 12, DEC_BAD, 0, 0 }, /* half a parameter */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cotp_tpdu t;
		expect_msg(cotp_decode(&t, rows[i].bytes, rows[i].len) == rows[i].rc, "row %zu", i);
		expect(
		    rows[i].rc != DEC_OK || (t.type == rows[i].type && t.reason == rows[i].reason));
	}
}
END_TEST

START_TEST(a_tsdu_goes_in_tpdus_of_the_size)
{
	static const uint8_t want[] = { 3, 0, 0, 10, 2, 0xf0, 0, 'a', 'b', 'c', /**/
		3, 0, 0, 10, 2, 0xf0, 0x80, 'd', 'e', 'f' };
	struct buffer b;

	buffer_init(&b, 100);
	cotp_encode_data(&b, 6, "abcdef", 6);
	ck_assert_uint_eq(b.len, sizeof(want));
	ck_assert_mem_eq(buffer_data(&b), want, sizeof(want));
	buffer_reset(&b);
	cotp_encode_data(&b, 6, "", 0);
	ck_assert_uint_eq(b.len, 7);
	buffer_clear(&b);
}
END_TEST

START_TEST(reasons)
{
	char text[32];

	ck_assert_str_eq(cotp_reason_text(3, text), "address unknown");
	ck_assert_str_eq(cotp_reason_text(77, text), "reason 77");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, every_frame_and_no_prefix_of_it);
	tcase_add_test(tc, not_tpkts);
	tcase_add_test(tc, connection_confirm);
	tcase_add_test(tc, connection_request);
	tcase_add_test(tc, tpdus_that_end);
	tcase_add_test(tc, a_tsdu_goes_in_tpdus_of_the_size);
	tcase_add_test(tc, reasons);
}

UNIT_MAIN("transport")
