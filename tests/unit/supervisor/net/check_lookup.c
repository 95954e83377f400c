/* supervisor/net/lookup.c: what needs no name server, and gateway-resolve. */
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/net/lookup.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct lookups *lookups;
static int answers;
static struct lookup_addresses got;
static char got_why[200];

static void
on_answer(void *arg, const struct lookup_addresses *found, const char *why)
{
	(void)arg;
	answers++;
	got = found ? *found : (struct lookup_addresses){ 0 };
	snprintf(got_why, sizeof(got_why), "%s", why ? why : "");
	ev_break(loop, EVBREAK_ALL);
}

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	lookups = lookups_new(loop, NULL);
	ck_assert_ptr_nonnull(lookups);
	answers = 0;
}

static void
teardown(void)
{
	lookups_free(lookups);
	ev_loop_destroy(loop);
}

/* The answer never comes from within. */
static void
ask(const char *name)
{
	answers = 0;
	ck_assert_ptr_nonnull(lookup_ask(lookups, name, on_answer, NULL));
	ck_assert_int_eq(answers, 0);
	ev_run(loop, 0);
	ck_assert_int_eq(answers, 1);
}

static const struct sockaddr_in *
v4(size_t i)
{
	ck_assert_uint_lt(i, got.count);
	ck_assert_int_eq(got.address[i].ss_family, AF_INET);
	return (const struct sockaddr_in *)&got.address[i];
}

/* Each form that inet_aton(3) and getaddrinfo(3) take. */
START_TEST(numeric_forms)
{
	static const struct {
		const char *name;
		uint32_t address;
	} rows[] = { { "127.0.0.1", 0x7f000001 }, { "127.1", 0x7f000001 },
		{ "0x7f.0.0.2", 0x7f000002 }, { "2130706433", 0x7f000001 },
		{ "0177.0.0.3", 0x7f000003 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(rows[i].name);
		ck_assert_uint_eq(ntohl(v4(0)->sin_addr.s_addr), rows[i].address);
		ck_assert_uint_eq(v4(0)->sin_port, 0);
		ck_assert_uint_eq(got.count, 1);
	}
}
END_TEST

START_TEST(scopes)
{
	ask("fe80::1%lo");
	ck_assert_uint_eq(got.count, 1);
	const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&got.address[0];
	ck_assert_int_eq(a->sin6_family, AF_INET6);
	ck_assert_uint_eq(a->sin6_scope_id, if_nametoindex("lo"));
}
END_TEST

START_TEST(localhost_is_both_families)
{
	ask("LocalHost");
	ck_assert_uint_eq(got.count, 2);
	ck_assert_uint_eq(ntohl(v4(0)->sin_addr.s_addr), INADDR_LOOPBACK);
	ck_assert_int_eq(got.address[1].ss_family, AF_INET6);
}
END_TEST

/* As many as there is room for, each with and without somebody who still waits. */
START_TEST(names_that_are_remembered_are_bounded)
{
	char name[32];

	for (int i = 0; i < 3 * LOOKUP_MAX_KEPT; i++) {
		snprintf(name, sizeof(name), "host-%d", i);
		lookup_try_first(lookups, name, 1);
		lookup_try_first(lookups, name, 2);
	}
	for (int i = 0; i < 3 * LOOKUP_MAX_KEPT; i++) {
		snprintf(name, sizeof(name), "host-%d", i);
		lookup_try_first(lookups, name, 0);
	}
}
END_TEST

/* Those who wait when all ends hear nothing; nor does who cancelled. */
START_TEST(what_is_cancelled_is_not_answered)
{
	lookup_cancel(lookup_ask(lookups, "no-such-host.invalid", on_answer, NULL));
	lookup_cancel(NULL);
	answers = 0;
	lookup_ask(lookups, "another-host.invalid", on_answer, NULL);
	lookup_ask(lookups, "another-host.invalid", on_answer, NULL);
	lookup_ask(lookups, "127.0.0.1", on_answer, NULL);
}
END_TEST

/* An answer that is there and not handed out is cancelled like any other. */
START_TEST(an_answer_that_waits_is_cancelled)
{
	struct lookup_wait *first = lookup_ask(lookups, "127.0.0.1", on_answer, NULL);

	lookup_ask(lookups, "127.0.0.2", on_answer, NULL);
	lookup_cancel(first);
	ev_run(loop, 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(answers, 1);
	ck_assert_uint_eq(ntohl(v4(0)->sin_addr.s_addr), 0x7f000002);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, numeric_forms);
	tcase_add_test(tc, scopes);
	tcase_add_test(tc, localhost_is_both_families);
	tcase_add_test(tc, names_that_are_remembered_are_bounded);
	tcase_add_test(tc, what_is_cancelled_is_not_answered);
	tcase_add_test(tc, an_answer_that_waits_is_cancelled);
}

UNIT_MAIN("lookup")
