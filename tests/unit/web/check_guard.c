#include "web/guard.h"
#include "tests/unit/suite.h"

#include <stdlib.h>

static struct monotime
at(int64_t ms)
{
	return (struct monotime){ 1 + ms * 1000000 };
}

START_TEST(check_budget)
{
	struct guard_budget b = { 0 };
	int n = 0;

	while (guard_spend(&b, 10, at(0)))
		n++;
	ck_assert_int_eq(n, 10 * GUARD_BURST_S);
	ck_assert(!guard_spend(&b, 10, at(99)));
	ck_assert(guard_spend(&b, 10, at(200)));
	for (n = 0; guard_spend(&b, 10, at(3600000)); n++)
		;
	ck_assert_int_eq(n, 10 * GUARD_BURST_S);
}
END_TEST

START_TEST(check_times)
{
	ck_assert(!guard_is_over(GUARD_WAITS, at(0), at(GUARD_REQUEST_MS)));
	ck_assert(guard_is_over(GUARD_WAITS, at(0), at(GUARD_REQUEST_MS + 1)));
	ck_assert(!guard_is_over(GUARD_ANSWERS, at(0), at(GUARD_ANSWER_MS)));
	ck_assert(guard_is_over(GUARD_ANSWERS, at(0), at(GUARD_ANSWER_MS + 1)));
	ck_assert(!guard_is_over(GUARD_STREAMS, at(0), at(86400000)));
}
END_TEST

static const struct {
	const char *host;
	bool allowed;
} hosts[] = {
	{ NULL, true },
	{ "127.0.0.1", true },
	{ "127.0.0.1:9404", true },
	{ "192.0.2.7:80", true },
	{ "[::1]:9404", true },
	{ "[2001:db8::1]", true },
	{ "LocalHost:9404", true },
	{ "gw.example", true },
	{ "gw.example:443", true },
	{ "evil.example", false },
	{ "127.0.0.1.evil.example", false },
	{ "localhost.evil.example:9404", false },
	{ "", false },
	{ "[", false },
};

START_TEST(check_hosts)
{
	static const char *const names[] = { "gw.example" };

	ck_assert_int_eq(guard_allows_host(hosts[_i].host, names, 1), hosts[_i].allowed);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, check_budget);
	tcase_add_test(tc, check_times);
	tcase_add_table_test(tc, check_hosts, hosts);
}

UNIT_MAIN("guard")
