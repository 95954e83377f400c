/* PPDUs: recorded ones both ways, no prefix of one, refusals and aborts. */
#include "protocols/iso/presentation.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

enum { PPDU = 11, /* octets in front of that of a DT */ CONNECT = 23, ABORT = 14 };

static const struct iso_selector none, psel = { { 0, 0, 0, 1 }, 4 };

START_TEST(recorded_data)
{
	uint8_t data[FRAME_MAX], out[FRAME_MAX];
	struct presentation_value v;
	struct ber_writer w;

	for (size_t i = 4; i < FRAMES - 1; i++) {
		size_t len = frame_bytes(frames[i].hex, data) - PPDU;
		const uint8_t *p = data + PPDU;
		expect(presentation_decode_data(&v, p, len) == DEC_OK);
		expect(v.context == PRESENTATION_MMS);
		ber_writer_init(&w, out, sizeof(out));
		presentation_put_data(&w, v.context, v.data, v.len);
		expect(ber_writer_done(&w) == len);
		expect(memcmp(out, p, len) == 0);
		for (size_t n = 0; n < len; n++)
			expect(presentation_decode_data(&v, p, n) == DEC_BAD);
	}
}
END_TEST

START_TEST(recorded_accept)
{
	uint8_t data[FRAME_MAX];
	struct presentation_accept a;
	size_t len = frame_bytes(frames[3].hex, data);
	size_t head = len - 0x74;

	ck_assert_int_eq(presentation_decode_accept(&a, data + head, 0x74), DEC_OK);
	ck_assert(a.acse);
	ck_assert(a.mms);
	ck_assert_int_eq(a.value.context, PRESENTATION_ACSE);
	ck_assert_uint_eq(a.value.data[0], 0x61);
	for (size_t n = 0; n < 0x74; n++)
		expect(presentation_decode_accept(&a, data + head, n) == DEC_BAD);
}
END_TEST

START_TEST(recorded_connect)
{
	uint8_t data[FRAME_MAX], out[FRAME_MAX];
	size_t len = frame_bytes(frames[2].hex, data);
	const uint8_t *acse = data + len - 0x38;
	struct ber_writer w;

	ber_writer_init(&w, out, sizeof(out));
	presentation_put_connect(&w, &none, &none, acse, 0x38);
	ck_assert_uint_eq(ber_writer_done(&w), len - CONNECT);
	ck_assert_mem_eq(out, data + CONNECT, len - CONNECT);
	ber_writer_init(&w, out, sizeof(out));
	presentation_put_connect(&w, &psel, &psel, acse, 0x38);
	ck_assert_mem_eq(out + 9, "\x81\4\0\0\0\1\x82\4\0\0\0\1", 12);
}
END_TEST

START_TEST(recorded_abort)
{
	uint8_t data[FRAME_MAX], out[FRAME_MAX];
	size_t len = frame_bytes(frames[FRAMES - 1].hex, data) - ABORT;
	struct presentation_end e;
	struct ber_writer w;

	ck_assert_int_eq(presentation_decode_abort(&e, data + ABORT, len), DEC_OK);
	ck_assert(!e.by_provider);
	ck_assert_int_eq(e.value.context, PRESENTATION_ACSE);
	ber_writer_init(&w, out, sizeof(out));
	presentation_put_abort(&w, e.value.data, e.value.len);
	ck_assert_uint_eq(ber_writer_done(&w), len);
	ck_assert_mem_eq(out, data + ABORT, len);
	for (size_t n = 0; n < len; n++)
		expect(presentation_decode_abort(&e, data + ABORT, n) == DEC_BAD);
}
END_TEST

START_TEST(a_context_that_is_refused)
{
	/* normal mode; the first context accepted, the second refused by the user */
	static const uint8_t bytes[] = { 0x31, 22, 0xa0, 3, 0x80, 1, 1, 0xa2, 15, 0xa5, 13, /**/
		0x30, 7, 0x80, 1, 0, 0x81, 2, 0x51, 1, 0x30, 2, /**/ 0x80, 0 };
	static const uint8_t refused[] = { 0x31, 21, 0xa0, 3, 0x80, 1, 1, 0xa2, 14, 0xa5, 12, /**/
		0x30, 5, 0x80, 1, 0, 0x81, 0, 0x30, 3, 0x80, 1, 1 };
	struct presentation_accept a;

	ck_assert_int_eq(presentation_decode_accept(&a, refused, sizeof(refused)), DEC_OK);
	ck_assert(a.acse);
	ck_assert(!a.mms);
	ck_assert_ptr_null(a.value.data);
	ck_assert_int_eq(presentation_decode_accept(&a, bytes, sizeof(bytes)), DEC_OK);
}
END_TEST

START_TEST(refusals)
{
	static const uint8_t refuse[] = { 0x30, 7, 0x80, 2, 7, 0x80, 0x8a, 1, 3 };
	static const uint8_t user[] = { 0x30, 2, 0x80, 0 };
	struct presentation_end e;
	char text[32];

	ck_assert_int_eq(presentation_decode_refuse(&e, refuse, sizeof(refuse)), DEC_OK);
	ck_assert(e.by_provider);
	ck_assert_str_eq(
	    presentation_refuse_text(e.reason, text), "called presentation address unknown");
	ck_assert_int_eq(presentation_decode_refuse(&e, user, sizeof(user)), DEC_OK);
	ck_assert(!e.by_provider);
	ck_assert_int_eq(e.reason, -1);
	ck_assert_str_eq(presentation_refuse_text(e.reason, text), "reason -1");
	ck_assert_int_eq(presentation_decode_refuse(&e, refuse, sizeof(refuse) - 1), DEC_BAD);
}
END_TEST

START_TEST(aborts_of_the_provider)
{
	static const uint8_t bytes[] = { 0x30, 6, 0x80, 1, 2, 0x81, 1, 5 };
	struct presentation_end e;
	char text[32];

	ck_assert_int_eq(presentation_decode_abort(&e, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(e.by_provider);
	ck_assert_str_eq(presentation_abort_text(e.reason, text), "unexpected PPDU");
	ck_assert_str_eq(presentation_abort_text(99, text), "reason 99");
}
END_TEST

START_TEST(values_in_other_shapes)
{
	/* transfer syntax named, octet-aligned */
	static const uint8_t named[] = { 0x61, 13, 0x30, 11, 6, 2, 0x51, 1, 2, 1, 3, 0xa0, 2, 5,
		0 };
	static const uint8_t aligned[] = { 0x61, 9, 0x30, 7, 2, 1, 3, 0x81, 2, 5, 0 };
	static const uint8_t bits[] = { 0x61, 9, 0x30, 7, 2, 1, 3, 0x82, 2, 5, 0 };
	static const uint8_t two[] = { 0x61, 18, 0x30, 7, 2, 1, 3, 0x81, 2, 5, 0, /**/
		0x30, 7, 2, 1, 3, 0x81, 2, 5, 0 };
	struct presentation_value v;

	ck_assert_int_eq(presentation_decode_data(&v, named, sizeof(named)), DEC_OK);
	ck_assert_uint_eq(v.len, 2);
	ck_assert_int_eq(presentation_decode_data(&v, aligned, sizeof(aligned)), DEC_OK);
	ck_assert_uint_eq(v.len, 2);
	ck_assert_int_eq(presentation_decode_data(&v, bits, sizeof(bits)), DEC_BAD);
	ck_assert_int_eq(presentation_decode_data(&v, two, sizeof(two)), DEC_BAD);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, recorded_data);
	tcase_add_test(tc, recorded_accept);
	tcase_add_test(tc, recorded_connect);
	tcase_add_test(tc, recorded_abort);
	tcase_add_test(tc, a_context_that_is_refused);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, aborts_of_the_provider);
	tcase_add_test(tc, values_in_other_shapes);
}

UNIT_MAIN("presentation")
