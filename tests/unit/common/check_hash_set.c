/* common/hash_set.c */
#include <stdio.h>
#include <string.h>

#include "common/hash_set.h"
#include "tests/unit/suite.h"

static struct hash_set set;

static void
teardown(void)
{
	hash_set_clear(&set);
}

static bool
admit(const char *a, const char *b, size_t max)
{
	uint64_t hash = hash_add(hash_add(hash_begin(), a, strlen(a)), b, strlen(b));

	return hash_set_admit(&set, hash, max);
}

START_TEST(known_ones_and_so_many_more)
{
	char name[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "a-rather-long-name-%d", i);
		ck_assert(admit("gateway", name, 10000));
		ck_assert(admit("gateway", name, 0));
	}
	ck_assert_uint_eq(set.count, 10000);
	ck_assert(!admit("gateway", "another", 10000));
	ck_assert(!admit("gateway", "another", 10000));
	ck_assert_uint_eq(set.refused, 2);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "a-rather-long-name-%d", i);
		ck_assert(admit("gateway", name, 10000));
	}
	ck_assert_uint_eq(set.refused, 2);
}
END_TEST

START_TEST(parts_are_kept_apart)
{
	static const char *const pairs[][2] = { { "ab", "c" }, { "a", "bc" }, { "abc", "" },
		{ "", "abc" }, { "12345678", "" }, { "", "12345678" }, { "1234567", "8" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		ck_assert(admit(pairs[i][0], pairs[i][1], 100));
	ck_assert_uint_eq(set.count, sizeof(pairs) / sizeof(pairs[0]));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, known_ones_and_so_many_more);
	tcase_add_test(tc, parts_are_kept_apart);
}

UNIT_MAIN("hash_set")
