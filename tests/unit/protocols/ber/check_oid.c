/* Object identifiers: text, octets, and what is neither. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/ber/oid.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

START_TEST(texts_that_are_one)
{
	static const struct {
		const char *text;
		uint8_t octets[12];
		size_t len;
	} rows[] = {
		{ "0.0", { 0 }, 1 },
		{ "1.3", { 0x2b }, 1 },
		{ "2.39", { 0x77 }, 1 },
		{ "2.40", { 0x78 }, 1 },
		{ "2.47", { 0x7f }, 1 },
		{ "2.48", { 0x81, 0x00 }, 2 },
		{ "2.4294967295", { 0x90, 0x80, 0x80, 0x80, 0x4f }, 5 },
		{ "1.3.6.1.4.1.2021", { 0x2b, 0x06, 0x01, 0x04, 0x01, 0x8f, 0x65 }, 7 },
		{ "1.3.4294967295", { 0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f }, 6 },
		{ "1.39.127.128", { 0x4f, 0x7f, 0x81, 0x00 }, 4 },
	};
	char text[BER_OID_TEXT];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ber_oid a, b;
		expect_msg(ber_oid_parse(&a, rows[i].text), "%s", rows[i].text);
		expect(a.len == rows[i].len && memcmp(a.octets, rows[i].octets, a.len) == 0);
		expect(ber_oid_read(&b, rows[i].octets, rows[i].len));
		expect(ber_oid_equal(&a, &b));
		expect_msg(strcmp(ber_oid_text(&b, text), rows[i].text) == 0, "%s", text);
	}
}
END_TEST

START_TEST(texts_that_are_none)
{
	static const char *const rows[] = { "", "1", "1.", ".1.3", "1..3", "1.3.", "3.1", "0.40",
		"1.40", "1.3.4294967296", "2.4294967296", "1.3.99999999999999999999", "1.3.-1",
		"1.3 .6", "1.3.6x", "a", "1.03", "1.3.+1" };
	struct ber_oid oid;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_msg(!ber_oid_parse(&oid, rows[i]), "%s", rows[i]);
}
END_TEST

START_TEST(octets_that_are_none)
{
	static const struct {
		uint8_t octets[8];
		size_t len;
	} rows[] = {
		{ { 0 }, 0 }, { { 0x2b, 0x86 }, 2 },		     /* cut short */
		{ { 0x2b, 0x80, 0x01 }, 3 },			     /* leading zero */
		{ { 0x80, 0x01 }, 2 },				     /* leading zero */
		{ { 0x2b, 0x90, 0x80, 0x80, 0x80, 0x00 }, 6 },	     /* 2^32 */
		{ { 0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, 7 }, /* 42 bits */
		{ { 0x90, 0x80, 0x80, 0x80, 0x50 }, 5 },	     /* 2.4294967296 */
	};
	struct ber_oid oid;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_msg(!ber_oid_read(&oid, rows[i].octets, rows[i].len), "row %zu", i);
}
END_TEST

START_TEST(arcs_are_limited)
{
	char text[2000] = "1.3", back[BER_OID_TEXT];
	uint8_t octets[BER_OID_MAX_ARCS];
	size_t at = strlen(text);
	struct ber_oid oid;

	for (int i = 2; i < BER_OID_MAX_ARCS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ".4294967295");
	ck_assert(ber_oid_parse(&oid, text));
	ck_assert_str_eq(ber_oid_text(&oid, back), text);
	ck_assert(ber_oid_read(&oid, oid.octets, oid.len));
	snprintf(text + at, sizeof(text) - at, ".1");
	ck_assert(!ber_oid_parse(&oid, text));
	memset(octets, 1, sizeof(octets));
	ck_assert(ber_oid_read(&oid, octets, BER_OID_MAX_ARCS - 1));
	ck_assert(!ber_oid_read(&oid, octets, BER_OID_MAX_ARCS));
}
END_TEST

START_TEST(beginnings)
{
	struct ber_oid a, b, c;

	ber_oid_parse(&a, "1.3.6.1.6.3.15.1.1.4.0");
	ber_oid_parse(&b, "1.3.6.1.6.3.15.1.1.4");
	ber_oid_parse(&c, "1.3.6.1.6.3.15.1.1.40");
	ck_assert(ber_oid_starts_with(&a, &b) && ber_oid_starts_with(&a, &a));
	ck_assert(!ber_oid_starts_with(&b, &a) && !ber_oid_starts_with(&c, &b));
	ck_assert(!ber_oid_equal(&a, &b));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, texts_that_are_one);
	tcase_add_test(tc, texts_that_are_none);
	tcase_add_test(tc, octets_that_are_none);
	tcase_add_test(tc, arcs_are_limited);
	tcase_add_test(tc, beginnings);
}

UNIT_MAIN("oid")
