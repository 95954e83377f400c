#include "common/textbuf.h"

#include <string.h>

#include "tests/unit/suite.h"

START_TEST(what_fits_is_all_there)
{
	char p[12];
	struct textbuf t = textbuf_make(p, sizeof(p));

	ck_assert_str_eq(p, "");
	textbuf_add(&t, "%d,", 12);
	textbuf_add(&t, "%s", "34567");
	ck_assert(!textbuf_is_full(&t));
	ck_assert_str_eq(textbuf_end(&t), "12,34567");
}
END_TEST

/* The ellipsis has room whatever was added. */
START_TEST(what_does_not_fit_is_cut_and_said)
{
	for (size_t size = 4; size < 12; size++) {
		char p[12] = "###########";
		struct textbuf t = textbuf_make(p, size);
		textbuf_add(&t, "%s", "12345678");
		textbuf_add(&t, "9");
		bool full = size < 12;
		ck_assert_int_eq(textbuf_is_full(&t), full);
		ck_assert_str_eq(textbuf_end(&t), "...");
		ck_assert_uint_lt(strlen(p), size);
	}
}
END_TEST

START_TEST(nothing_follows_a_cut)
{
	char p[10];
	struct textbuf t = textbuf_make(p, sizeof(p));

	textbuf_add(&t, "abcd");
	textbuf_add(&t, "12345");
	textbuf_add(&t, "e");
	ck_assert_str_eq(textbuf_end(&t), "abcd...");
}
END_TEST

START_TEST(foreign_bytes_are_quoted)
{
	char p[64];
	struct textbuf t = textbuf_make(p, sizeof(p));

	textbuf_quote(&t, "a\"\\\n\x1b\x7f\xff z", 9, 100);
	ck_assert_str_eq(textbuf_end(&t), "\"a\\x22\\x5c\\x0a\\x1b\\x7f\\xff z\"");
	t = textbuf_make(p, sizeof(p));
	textbuf_quote(&t, "abcdef", 6, 3);
	textbuf_quote(&t, "", 0, 3);
	ck_assert_str_eq(textbuf_end(&t), "\"abc\"...\"\"");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, what_fits_is_all_there);
	tcase_add_test(tc, what_does_not_fit_is_cut_and_said);
	tcase_add_test(tc, nothing_follows_a_cut);
	tcase_add_test(tc, foreign_bytes_are_quoted);
}

UNIT_MAIN("textbuf")
