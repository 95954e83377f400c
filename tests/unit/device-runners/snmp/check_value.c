/* Values between the wire and events, both ways, in the bindings that the reference makes. */
#include <stdio.h>
#include <string.h>

#include "device-runners/snmp/value.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

/* The values of the reference's bindings. */
static const struct {
	const char *json;
	size_t len;
	uint8_t wire[16];
	bool hex, one_way;
} rows[] = {
	{ "{\"type\":\"INTEGER\",\"value\":-123}", 3, { 0x02, 0x01, 0x85 }, false, false },
	{ "{\"type\":\"UNSIGNED\",\"value\":4294967295}", 7,
	    { 0x42, 0x05, 0x00, 0xff, 0xff, 0xff, 0xff }, false, false },
	{ "{\"type\":\"COUNTER\",\"value\":4294967295}", 7,
	    { 0x41, 0x05, 0x00, 0xff, 0xff, 0xff, 0xff }, false, false },
	{ "{\"type\":\"BIG_COUNTER\",\"value\":18446744073709551615}", 11,
	    { 0x46, 0x09, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, false, false },
	{ "{\"type\":\"STRING\",\"value\":\"abc\"}", 5, { 0x04, 0x03, 'a', 'b', 'c' }, false,
	    false },
	{ "{\"type\":\"STRING_HEX\",\"value\":\"616263\"}", 5, { 0x04, 0x03, 'a', 'b', 'c' }, true,
	    false },
	{ "{\"type\":\"OBJECT_ID\",\"value\":\"1.3.6.1.4.1.2021\"}", 9,
	    { 0x06, 0x07, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x8f, 0x65 }, false, false },
	{ "{\"type\":\"IP_ADDRESS\",\"value\":\"192.168.0.1\"}", 6,
	    { 0x40, 0x04, 0xc0, 0xa8, 0x00, 0x01 }, false, false },
	{ "{\"type\":\"TIME_TICKS\",\"value\":42}", 3, { 0x43, 0x01, 0x2a }, false, false },
	{ "{\"type\":\"ARBITRARY\",\"value\":\"9f780442f60000\"}", 9,
	    { 0x44, 0x07, 0x9f, 0x78, 0x04, 0x42, 0xf6, 0x00, 0x00 }, false, false },
	{ "{\"type\":\"ERROR\",\"value\":\"UNSPECIFIED\"}", 2, { 0x05, 0x00 }, false, true },
	{ "{\"type\":\"ERROR\",\"value\":\"NO_SUCH_OBJECT\"}", 2, { 0x80, 0x00 }, false, true },
	{ "{\"type\":\"ERROR\",\"value\":\"NO_SUCH_INSTANCE\"}", 2, { 0x81, 0x00 }, false, true },
	{ "{\"type\":\"ERROR\",\"value\":\"END_OF_MIB_VIEW\"}", 2, { 0x82, 0x00 }, false, true },
};

static size_t
encode(const char *json, enum snmp_version version, uint8_t *out, size_t size)
{
	char err[100];
	const char *why;
	struct json_doc *doc = json_parse(json, strlen(json), 100, err, sizeof(err));

	expect(doc);
	size_t len = value_encode(out, size, json_root(doc), version, &why);
	json_free(doc);
	return len;
}

/* Its text as it stands in an event; "" where there is none. */
static const char *
decode(const uint8_t *wire, size_t len, bool hex)
{
	static char text[600];
	struct ber_reader r;
	struct ber_element e;
	struct buffer b;
	struct json_writer w = { .b = &b };

	ber_reader_init(&r, wire, len, 1);
	expect(ber_next(&r, &e) && !ber_more(&r));
	buffer_init(&b, sizeof(text));
	bool put = value_put(&w, NULL, &e, hex, SNMP_V2C);
	expect(!buffer_failed(&b) && put == (b.len > 0));
	memcpy(text, b.len ? buffer_data(&b) : (const uint8_t *)"", b.len);
	text[b.len] = '\0';
	buffer_clear(&b);
	return text;
}

START_TEST(both_ways)
{
	uint8_t out[100];

	ck_assert_str_eq(decode(rows[_i].wire, rows[_i].len, rows[_i].hex), rows[_i].json);
	size_t len = encode(rows[_i].json, SNMP_V2C, out, sizeof(out));
	if (rows[_i].one_way) {
		ck_assert_uint_eq(len, 0);
		return;
	}
	ck_assert_uint_eq(len, rows[_i].len);
	ck_assert_mem_eq(out, rows[_i].wire, len);
	for (size_t size = 0; size < len; size++)
		expect(encode(rows[_i].json, SNMP_V2C, out, size) == 0);
}
END_TEST

START_TEST(what_version_1_has_not)
{
	uint8_t out[100];

	ck_assert_uint_eq(
	    encode("{\"type\":\"BIG_COUNTER\",\"value\":1}", SNMP_V1, out, sizeof(out)), 0);
	ck_assert_uint_gt(
	    encode("{\"type\":\"COUNTER\",\"value\":1}", SNMP_V1, out, sizeof(out)), 0);
	ck_assert_str_eq(value_error(&(struct ber_element){ .tag = BER_NULL }, SNMP_V1), "EMPTY");
}
END_TEST

START_TEST(texts_that_are_not_utf8)
{
	/* As Unicode recommends, and Python does: the beginning of a sequence counts once. */
	static const struct {
		const char *octets, *text;
	} texts[] = { { "a\xff", "a\ufffd" }, { "\xe2\x82z", "\ufffdz" },
		{ "\xc0\x80", "\ufffd\ufffd" }, { "\xed\xa0\x80", "\ufffd\ufffd\ufffd" },
		{ "\xf0\x9f\x98", "\ufffd" }, { "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd" },
		{ "\xe2\x82\xac\x80", "\u20ac\ufffd" } };
	char want[100];
	uint8_t wire[20];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i].octets);
		wire[0] = 4;
		wire[1] = (uint8_t)len;
		memcpy(wire + 2, texts[i].octets, len);
		snprintf(
		    want, sizeof(want), "{\"type\":\"STRING\",\"value\":\"%s\"}", texts[i].text);
		ck_assert_str_eq(decode(wire, 2 + len, false), want);
	}
}
END_TEST

START_TEST(contents_that_are_none_of_their_type)
{
	static const uint8_t wires[][8] = { { 0x40, 3, 1, 2, 3 }, { 0x41, 5, 1, 0, 0, 0, 0 },
		{ 0x06, 2, 0x2b, 0x80 }, { 0x45, 1, 1 }, { 0x30, 0 } };

	for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
		ck_assert_str_eq(decode(wires[i], (size_t)wires[i][1] + 2, false), "");
}
END_TEST

START_TEST(hexadecimal_digits)
{
	uint8_t out[4];

	ck_assert_int_eq(value_hex("", out, 4), 0);
	ck_assert_int_eq(value_hex(" 01 aB\tff ", out, 4), 3);
	ck_assert_mem_eq(out, "\x01\xab\xff", 3);
	ck_assert_int_eq(value_hex("0102030405", out, 4), -1);
	ck_assert_int_eq(value_hex("0", out, 4), -1);
	ck_assert_int_eq(value_hex("0 1", out, 4), -1);
	ck_assert_int_eq(value_hex("0g", out, 4), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, both_ways, rows);
	tcase_add_test(tc, what_version_1_has_not);
	tcase_add_test(tc, texts_that_are_not_utf8);
	tcase_add_test(tc, contents_that_are_none_of_their_type);
	tcase_add_test(tc, hexadecimal_digits);
}

UNIT_MAIN("snmp value")
