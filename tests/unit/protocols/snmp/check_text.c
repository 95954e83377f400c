#include "protocols/snmp/text.h"

#include "tests/unit/suite.h"

static char line[480];

static const struct {
	size_t len;
	const char *message, *text;
} messages[] = {
	/* version, community "public", get-request 5, 1.3.6.1.2.1.1.1.0 */
	{ 40,
	    "\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x05\x02\x01\x00\x02\x01\x00\x30\x0e"
	    "\x30"
	    "\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00",
	    "v2c get-request 5: 1.3.6.1.2.1.1.1.0" },
	/* response with a string that would do something to a terminal */
	{ 43,
	    "\x30\x29\x02\x01\x01\x04\x06public\xa2\x1c\x02\x01\x05\x02\x01\x00\x02\x01\x00\x30\x11"
	    "\x30"
	    "\x0f\x06\x08\x2b\x06\x01\x02\x01\x01\x05\x00\x04\x03\x1b[A",
	    "v2c response 5: 1.3.6.1.2.1.1.5.0 \"\\x1b[A\"" },
	/* an error of version 1 */
	{ 40,
	    "\x30\x26\x02\x01\x00\x04\x06public\xa2\x19\x02\x01\x05\x02\x01\x02\x02\x01\x01\x30\x0e"
	    "\x30"
	    "\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00",
	    "v1 response 5 NO_SUCH_NAME at 1: 1.3.6.1.2.1.1.1.0" },
	/* Counter32 and noSuchObject, get-bulk's fields */
	{ 44,
	    "\x30\x2a\x02\x01\x01\x04\x00\xa5\x23\x02\x01\x05\x02\x01\x01\x02\x01\x14\x30\x18\x30"
	    "\x09"
	    "\x06\x02\x2b\x06\x41\x03\x01\x00\x00\x30\x0b\x06\x07\x2b\x06\x01\x02\x01\x01\x01\x80"
	    "\x00",
	    "v2c get-bulk-request 5 non-repeaters 1 max-repetitions 20: 1.3.6 Counter32 65536, "
	    "1.3.6.1.2.1.1.1 noSuchObject" },
	{ 2, "\x30\x05", "2 bytes that are no message" },
	{ 0, "", "0 bytes that are no message" },
};

START_TEST(message)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	snmp_message_text(&t, (const uint8_t *)messages[_i].message, messages[_i].len);
	ck_assert_str_eq(textbuf_end(&t), messages[_i].text);
}
END_TEST

/* Version 3: what is in the clear of an encrypted message; and a report of one that is not. */
START_TEST(message_of_version_3)
{
	static const char salt[USM_SALT], engine[] = "\x80\0\x1f\x88\x04name";
	static const uint8_t none[1];
	struct usm_keys keys = { 0 };
	struct snmp_message m = { .version = SNMP_V3,
		.id = 77,
		.max_size = 65507,
		.engine = { (const uint8_t *)engine, 9 },
		.boots = 3,
		.time = 250,
		.user = { (const uint8_t *)"op\x07", 3 } };
	const struct snmp_content content = {
		.type = SNMP_REPORT, .request_id = 9, .bindings = none
	};
	struct textbuf t = textbuf_make(line, sizeof(line));
	uint8_t out[400];

	m.context_engine = m.engine;
	size_t n = snmp_v3_encode(out, sizeof(out), &m, &content, USM_NO_AUTH, USM_NO_PRIV, NULL);
	snmp_message_text(&t, out, n);
	ck_assert_str_eq(textbuf_end(&t),
	    "v3 user \"op\\x07\", engine 80001f88046e616d65 boots 3 time 250, report 9");
	m.flags = SNMP_AUTH | SNMP_PRIV;
	m.salt = (struct snmp_text){ (const uint8_t *)salt, sizeof(salt) };
	n = snmp_v3_encode(out, sizeof(out), &m, &content, USM_SHA1, USM_AES128, &keys);
	t = textbuf_make(line, sizeof(line));
	snmp_message_text(&t, out, n);
	ck_assert_str_eq(textbuf_end(&t), "v3 user \"op\\x07\" auth priv, engine "
					  "80001f88046e616d65 boots 3 time 250, message 77, "
					  "encrypted");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, message, messages);
	tcase_add_test(tc, message_of_version_3);
}

UNIT_MAIN("snmp text")
