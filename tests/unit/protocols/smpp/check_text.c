#include <string.h>

#include "protocols/smpp/text.h"
#include "tests/unit/suite.h"

static struct smpp_codec codec;
static struct buffer out;
static size_t parts[TEXT_MAX_PARTS], count;

static void
setup(void)
{
	buffer_init(&out, 1 << 20);
	codec = (struct smpp_codec){ .iconv = (iconv_t)-1 };
}

static void
teardown(void)
{
	smpp_codec_close(&codec);
	buffer_clear(&out);
}

static enum smpp_text_result
encode(const char *name, const char *text, size_t limit, size_t max)
{
	smpp_codec_close(&codec);
	buffer_reset(&out);
	ck_assert_msg(smpp_codec_open(&codec, name) == 0, "%s", name);
	return smpp_text_encode(&codec, text, limit, max, &out, parts, &count);
}

static void
expect(const char *name, const char *text, const char *octets, size_t len)
{
	ck_assert_int_eq(encode(name, text, 1000, 1), TEXT_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(parts[0], len);
	if (len)
		ck_assert_mem_eq(buffer_data(&out), octets, len);
}

START_TEST(names_as_python_takes_them)
{
	static const char *const same[] = { "utf-16-be", "UTF-16BE", "utf_16_be", "Utf 16 be" };
	static const char *const none[] = { "", "utf-7", "klingon", "rot13", "idna",
		"a name that is longer than any name of a codec" };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		ck_assert_msg(smpp_codec_is(same[i], "utf-16-be"), "%s", same[i]);
	ck_assert(!smpp_codec_is("utf-8", "utf-16-be"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ck_assert_int_eq(smpp_codec_open(&codec, none[i]), -1);
		ck_assert(!smpp_codec_is(none[i], none[i]));
	}
}
END_TEST

START_TEST(every_codec_of_the_list_opens)
{
	char list[1024];
	int n = 0;

	smpp_codec_list(list, sizeof(list));
	for (char *name = list, *end; name; name = end, n++) {
		end = strstr(name, ", ");
		if (end) {
			*end = '\0';
			end += 2;
		}
		ck_assert_msg(encode(name, "abc", 100, 1) == TEXT_OK && out.len >= 3, "%s", name);
	}
	ck_assert_int_gt(n, 40);
}
END_TEST

START_TEST(octets)
{
	expect("utf-8", "\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac", 5);
	expect("latin-1", "\xc3\xa4", "\xe4", 1);
	expect("utf-16-be", "a\xf0\x9f\x94\xa5", "\0a\xd8\x3d\xdd\x25", 6);
	expect("utf-16", "a\xc3\xa4",
	    "\xff\xfe"
	    "a\0\xe4\0",
	    6);
	expect("cp1251", "\xd0\x90", "\xc0", 1);
}
END_TEST

/* TS 23.038: the tables of clause 6.2.1. */
START_TEST(gsm)
{
	expect("gsm", "@\xc2\xa3$\xc2\xa5\xc3\xa8", "\x00\x01\x02\x03\x04", 5);
	expect("gsm", "\xce\x94_\xce\xa6\xce\x93", "\x10\x11\x12\x13", 4);
	expect("gsm", "AZaz09", "AZaz09", 6);
	expect("gsm", "\xc3\x84\xc3\x96\xc3\x91\xc3\x9c\xc2\xa7\xc2\xbf",
	    "\x5b\x5c\x5d\x5e\x5f\x60", 6);
	expect("gsm", "\xc3\xa4\xc3\xb6\xc3\xb1\xc3\xbc\xc3\xa0", "\x7b\x7c\x7d\x7e\x7f", 5);
	expect("gsm", "\xe2\x82\xac^{}\\[~]|\f",
	    "\x1b\x65\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x0a", 20);
	ck_assert_int_eq(encode("gsm", "`", 100, 1), TEXT_UNENCODABLE);
	ck_assert_int_eq(encode("gsm", "\x1b", 100, 1), TEXT_UNENCODABLE);
}
END_TEST

START_TEST(what_cannot_be_said)
{
	ck_assert_int_eq(encode("ascii", "\xc3\xa4", 100, 1), TEXT_UNENCODABLE);
	ck_assert_int_eq(encode("latin-1", "\xe2\x82\xac", 100, 1), TEXT_UNENCODABLE);
	/* No UTF-8 at all. */
	ck_assert_int_eq(encode("utf-8", "\xff", 100, 1), TEXT_UNENCODABLE);
	ck_assert_int_eq(encode("utf-8", "a\xc3", 100, 1), TEXT_UNENCODABLE);
	ck_assert_int_eq(encode("utf-16-be", "\xed\xa0\x80", 100, 1), TEXT_UNENCODABLE);
}
END_TEST

START_TEST(parts_are_cut_between_characters)
{
	/* Two octets, then a pair of surrogates. */
	ck_assert_int_eq(encode("utf-16-be",
			     "a\xf0\x9f\x94\xa5"
			     "b",
			     5, 9),
	    TEXT_OK);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(parts[0], 2);
	ck_assert_uint_eq(parts[1], 4);
	ck_assert_uint_eq(parts[2], 2);
	/* An escape is not parted from what it escapes. */
	ck_assert_int_eq(encode("gsm", "ab[", 3, 9), TEXT_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(parts[0], 2);
}
END_TEST

START_TEST(too_long)
{
	ck_assert_int_eq(encode("ascii", "abcd", 4, 1), TEXT_OK);
	ck_assert_int_eq(encode("ascii", "abcde", 4, 1), TEXT_TOO_LONG);
	ck_assert_int_eq(encode("ascii", "abcde", 2, 2), TEXT_TOO_LONG);
	ck_assert_int_eq(encode("ascii", "abcde", 2, 3), TEXT_OK);
	ck_assert_int_eq(encode("utf-8", "\xe2\x82\xac", 2, 9), TEXT_TOO_LONG);
}
END_TEST

START_TEST(nothing)
{
	expect("gsm", "", "", 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names_as_python_takes_them);
	tcase_add_test(tc, every_codec_of_the_list_opens);
	tcase_add_test(tc, octets);
	tcase_add_test(tc, gsm);
	tcase_add_test(tc, what_cannot_be_said);
	tcase_add_test(tc, parts_are_cut_between_characters);
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, nothing);
}

UNIT_MAIN("smpp text")
