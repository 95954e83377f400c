/* event-server/subs.c against the comparison of one pattern with one type. */
#include <stdlib.h>
#include <string.h>

#include "event-server/subs.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

enum { MAX_PATTERNS = 2000, MAX_DEPTH = 6 };

static uint64_t seed = 20261126;

static unsigned
below(unsigned n)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (unsigned)(seed % n);
}

/* '?' and '*' in any place, one segment the beginning of another, and an empty one. Most begin
 * alike, and few end early with '*': so many are left on each level that they are searched for. */
static size_t
random_type(struct sbs_str *segments)
{
	static const char *const words[] = { "a", "a", "a", "a", "?", "?", "b", "ab", "" };
	size_t n = below(MAX_DEPTH + 1);

	for (size_t i = 0; i < n; i++)
		segments[i] = sbs_str(below(100 * (MAX_DEPTH - (unsigned)i)) == 0
					  ? "*"
					  : words[below(sizeof(words) / sizeof(words[0]))]);
	return n;
}

START_TEST(agrees_with_each_pattern)
{
	struct eventer_type type = { 0 };
	unsigned matches = 0, others = 0;

	for (int round = 0; round < 1000; round++) {
		static struct sbs_str patterns[MAX_PATTERNS][MAX_DEPTH];
		static size_t counts[MAX_PATTERNS];
		size_t n = below(MAX_PATTERNS + 1);
		struct subs s = { 0 };
		struct buffer b;

		buffer_init(&b, 1 << 16);
		for (size_t i = 0; i < n; i++) {
			counts[i] = random_type(patterns[i]);
			eventer_put_type(&b, patterns[i], counts[i]);
		}
		struct eventer_types types = { n, { (const char *)buffer_data(&b), b.len } };
		expect(subs_init(&s, &types) == 0);
		buffer_clear(&b); /* they were copied */
		for (int k = 0; k < 50; k++) {
			bool wanted = false;
			type.count = random_type(type.segments);
			for (size_t i = 0; i < n && !wanted; i++)
				wanted = eventer_type_match(
				    type.segments, type.count, patterns[i], counts[i]);
			expect_msg(subs_match(&s, &type) == wanted, "round %d, type %d", round, k);
			*(wanted ? &matches : &others) += 1;
		}
		subs_clear(&s);
	}
	ck_assert_uint_gt(matches, 10000);
	ck_assert_uint_gt(others, 1000);
}
END_TEST

START_TEST(none_and_cleared)
{
	struct eventer_types none = { 0 };
	struct eventer_type type = { .count = 1, .segments = { { "a", 1 } } };
	struct subs s = { 0 };

	ck_assert(!subs_match(&s, &type));
	ck_assert_int_eq(subs_init(&s, &none), 0);
	ck_assert(!subs_match(&s, &type));
	subs_clear(&s);
	subs_clear(&s);
	ck_assert(!subs_match(&s, &type));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, agrees_with_each_pattern);
	tcase_add_test(tc, none_and_cleared);
}

UNIT_MAIN("subs")
