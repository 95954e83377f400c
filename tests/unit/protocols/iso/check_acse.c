/* APDUs of ACSE: recorded ones both ways, no prefix of one, refusals and titles. */
#include "protocols/iso/acse.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

static const struct iso_address nobody;

START_TEST(recorded_request)
{
	uint8_t data[FRAME_MAX], out[FRAME_MAX];
	size_t len = frame_bytes(frames[2].hex, data);
	const uint8_t *acse = data + len - 0x38;
	struct ber_writer w;

	ber_writer_init(&w, out, sizeof(out));
	acse_put_request(&w, &nobody, &nobody, acse + 0x38 - 0x20, 0x20);
	ck_assert_uint_eq(ber_writer_done(&w), 0x38);
	ck_assert_mem_eq(out, acse, 0x38);
}
END_TEST

START_TEST(titles)
{
	static const uint8_t want[] = { 0x60, 50, 0xa1, 7, 6, 5, 0x28, 0xca, 0x22, 2, 3, /**/
		0xa2, 6, 6, 4, 0x29, 1, 0x87, 0x67, /* called 1.1.1.999 */
		0xa3, 3, 2, 1, 12,		    /**/
		0xa6, 6, 6, 4, 0x29, 1, 0x87, 0x67, /* calling */
		0xa7, 3, 2, 1, 12,		    /**/
		0xbe, 13, 0x28, 11, 6, 2, 0x51, 1, 2, 1, 3, 0xa0, 2, 5, 0 };
	struct iso_address a = { .has_ae_qualifier = true, .ae_qualifier = 12 };
	uint8_t out[100];
	struct ber_writer w;

	ck_assert(ber_oid_parse(&a.ap_title, "1.1.1.999"));
	ber_writer_init(&w, out, sizeof(out));
	acse_put_request(&w, &a, &a, "\5\0", 2);
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

START_TEST(recorded_response)
{
	uint8_t data[FRAME_MAX];
	struct acse_apdu a;
	size_t len = frame_bytes(frames[3].hex, data), own = 0x48;
	const uint8_t *p = data + len - own;

	ck_assert_int_eq(acse_decode(&a, p, own), DEC_OK);
	ck_assert_int_eq(a.type, ACSE_AARE);
	ck_assert_int_eq(a.result, 0);
	ck_assert_uint_eq(a.data[0], 0xa9);
	ck_assert_uint_eq(a.len, 0x28);
	for (size_t n = 0; n < own; n++)
		expect(acse_decode(&a, p, n) == DEC_BAD);
}
END_TEST

START_TEST(refusals)
{
	static const uint8_t user[] = { 0x61, 12, 0xa2, 3, 2, 1, 1, 0xa3, 5, 0xa1, 3, 2, 1, 7 };
	static const uint8_t provider[] = { 0x61, 12, 0xa2, 3, 2, 1, 2, 0xa3, 5, 0xa2, 3, 2, 1, 2 };
	static const uint8_t none[] = { 0x61, 7, 0xa3, 5, 0xa1, 3, 2, 1, 7 };
	struct acse_apdu a;
	char text[32];

	ck_assert_int_eq(acse_decode(&a, user, sizeof(user)), DEC_OK);
	ck_assert_int_eq(a.result, 1);
	ck_assert_str_eq(acse_diagnostic_text(&a, text), "called AP title not recognized");
	ck_assert_int_eq(acse_decode(&a, provider, sizeof(provider)), DEC_OK);
	ck_assert_int_eq(a.result, 2);
	ck_assert(a.by_provider);
	ck_assert_str_eq(acse_diagnostic_text(&a, text), "no common ACSE version");
	a.diagnostic = 77;
	ck_assert_str_eq(acse_diagnostic_text(&a, text), "diagnostic 77");
	ck_assert_int_eq(acse_decode(&a, none, sizeof(none)), DEC_BAD);
}
END_TEST

START_TEST(ends)
{
	uint8_t out[16];
	struct acse_apdu a;
	struct ber_writer w;

	ber_writer_init(&w, out, sizeof(out));
	acse_put_release(&w);
	ck_assert_uint_eq(ber_writer_done(&w), 5);
	ck_assert_mem_eq(out, "\x62\3\x80\1\0", 5);
	ber_writer_init(&w, out, sizeof(out));
	acse_put_abort(&w);
	ck_assert_mem_eq(out, "\x64\3\x80\1\0", 5);
	ck_assert_int_eq(acse_decode(&a, out, 5), DEC_OK);
	ck_assert_int_eq(a.type, ACSE_ABRT);
	ck_assert(!a.by_provider);
	ck_assert_int_eq(acse_decode(&a, (const uint8_t *)"\x64\3\x80\1\1", 5), DEC_OK);
	ck_assert(a.by_provider);
	ck_assert_int_eq(acse_decode(&a, (const uint8_t *)"\x63\0", 2), DEC_OK);
	ck_assert_int_eq(acse_decode(&a, (const uint8_t *)"\x60\0", 2), DEC_UNSUP);
	ck_assert_int_eq(acse_decode(&a, (const uint8_t *)"\x30\0", 2), DEC_UNSUP);
	ck_assert_int_eq(acse_decode(&a, (const uint8_t *)"", 0), DEC_BAD);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, recorded_request);
	tcase_add_test(tc, titles);
	tcase_add_test(tc, recorded_response);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, ends);
}

UNIT_MAIN("acse")
