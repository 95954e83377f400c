#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "device-runners/iec61850/texts.h"
#include "tests/unit/suite.h"

START_TEST(the_same_text_is_kept_once)
{
	struct texts *t = texts_new();
	const char *a = texts_keep(t, "MMXU1$MX", 5), *b = texts_keep(t, "MMXU1", 5),
		   *c = texts_keep(t, "MMXU", 4), *none = texts_keep(t, "", 0);

	ck_assert_str_eq(a, "MMXU1");
	ck_assert_ptr_eq(a, b);
	ck_assert_str_eq(c, "MMXU");
	ck_assert_str_eq(none, "");
	ck_assert_ptr_eq(texts_keep(t, "x", 0), none);
	texts_free(t);
	texts_free(NULL);
}
END_TEST

START_TEST(many_and_long_ones)
{
	enum { MANY = 5000, LONG = 20000 };
	static const char *kept[MANY];
	static char text[LONG];
	struct texts *t = texts_new();

	for (int i = 0; i < MANY; i++) {
		int n = snprintf(text, sizeof(text), "text %d", i);
		kept[i] = texts_keep(t, text, (size_t)n);
		void **memory = texts_take(t, 3 * sizeof(*memory));
		ck_assert_uint_eq((uintptr_t)memory % sizeof(*memory), 0);
		memory[0] = memory[2] = memory;
	}
	memset(text, 'x', LONG);
	ck_assert_uint_eq(strlen(texts_keep(t, text, LONG)), LONG);
	for (int i = 0; i < MANY; i++) {
		int n = snprintf(text, sizeof(text), "text %d", i);
		ck_assert_str_eq(kept[i], text);
		ck_assert_ptr_eq(texts_keep(t, text, (size_t)n), kept[i]);
	}
	texts_seal(t);
	ck_assert_str_eq(texts_keep(t, "text 1", 6), kept[1]);
	ck_assert_str_eq(kept[MANY - 1], "text 4999");
	texts_free(t);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, the_same_text_is_kept_once);
	tcase_add_test(tc, many_and_long_ones);
}

UNIT_MAIN("texts")
