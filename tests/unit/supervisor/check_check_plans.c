#include "supervisor/check_plans.h"

#include "tests/unit/suite.h"

static const struct {
	const char *text;
	bool good;
} hosts[] = {
	{ "plc1", true },
	{ "plc-1.site_a.example.", true },
	{ "1.2.3.4", true },
	{ "::1", true },
	{ "fe80::1%eth0", true },
	{ "300.1.1.1", false },
	{ "1.2.3", false },
	{ "1.2.3.4.", false },
	{ "", false },
	{ "not a host", false },
	{ "a..b", false },
	{ ".a", false },
	{ "host:502", false },
	{ "http://host", false },
	{ "fe80::1%", false },
	{ "a123456789012345678901234567890123456789012345678901234567890123", false },
};

START_TEST(hosts_are_judged)
{
	ck_assert_msg(check_plans_is_host(hosts[_i].text) == hosts[_i].good, "%s", hosts[_i].text);
}
END_TEST

static const struct {
	struct planned a, b;
	bool conflict;
} pairs[] = {
	{ { 0, IPC_RESOURCE_TTY, "/dev/ttyS0", 0 }, { 1, IPC_RESOURCE_TTY, "/dev/ttyS0", 0 },
	    true },
	{ { 0, IPC_RESOURCE_TTY, "/dev/ttyS0", 0 }, { 1, IPC_RESOURCE_TTY, "/dev/ttyS1", 0 },
	    false },
	{ { 0, IPC_RESOURCE_TTY, "/dev/ttyS0", 0 }, { 0, IPC_RESOURCE_TTY, "/dev/ttyS0", 0 },
	    false },
	{ { 0, IPC_RESOURCE_LISTEN, "127.0.0.1", 502 }, { 1, IPC_RESOURCE_LISTEN, "0.0.0.0", 502 },
	    true },
	{ { 0, IPC_RESOURCE_LISTEN, "127.0.0.1", 502 },
	    { 1, IPC_RESOURCE_LISTEN, "127.0.0.2", 502 }, false },
	{ { 0, IPC_RESOURCE_LISTEN, "::", 502 }, { 1, IPC_RESOURCE_LISTEN, "127.0.0.2", 503 },
	    false },
	{ { 0, IPC_RESOURCE_LISTEN, "::", 162 }, { 1, IPC_RESOURCE_UDP_LISTEN, "::", 162 }, false },
	{ { 0, IPC_RESOURCE_UDP_LISTEN, "h", 162 }, { 1, IPC_RESOURCE_UDP_LISTEN, "h", 162 },
	    true },
	{ { 0, IPC_RESOURCE_CONNECT, "h", 502 }, { 1, IPC_RESOURCE_CONNECT, "h", 502 }, false },
};

START_TEST(what_two_cannot_both_have)
{
	ck_assert(check_plans_conflict(&pairs[_i].a, &pairs[_i].b) == pairs[_i].conflict);
	ck_assert(check_plans_conflict(&pairs[_i].b, &pairs[_i].a) == pairs[_i].conflict);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, hosts_are_judged, hosts);
	tcase_add_table_test(tc, what_two_cannot_both_have, pairs);
}

UNIT_MAIN("check_plans")
