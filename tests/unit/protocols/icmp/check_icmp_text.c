#include "protocols/icmp/icmp_text.h"

#include "tests/unit/suite.h"

static char line[480];

static const struct {
	enum icmp_family family;
	size_t len;
	const char *message, *text;
} messages[] = {
	{ ICMP_V4, 10, "\x08\0\0\0\0\x07\0\x0c\1\2",
	    "echo request, identifier 7, sequence 12, 2 bytes" },
	{ ICMP_V4, 8, "\0\0\0\0\0\x07\0\x0c", "echo reply, identifier 7, sequence 12, 0 bytes" },
	{ ICMP_V6, 8, "\x81\0\0\0\xff\xff\0\x01",
	    "echo reply, identifier 65535, sequence 1, 0 bytes" },
	{ ICMP_V4, 8, "\x03\x0d\0\0\0\0\0\0", "destination unreachable, code 13" },
	{ ICMP_V6, 8, "\x03\0\0\0\0\0\0\0", "time exceeded, code 0" },
	{ ICMP_V6, 8, "\x08\0\0\0\0\x07\0\x0c", "type 8, code 0" },
	{ ICMP_V4, 7, "\x08\0\0\0\0\x07\0", "7 bytes that are no message" },
};

START_TEST(message)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	icmp_text(&t, messages[_i].family, (const uint8_t *)messages[_i].message, messages[_i].len);
	ck_assert_str_eq(textbuf_end(&t), messages[_i].text);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, message, messages);
}

UNIT_MAIN("icmp text")
