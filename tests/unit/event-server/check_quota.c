/* event-server/quota.c: devices, and what they have. */
#include <errno.h>
#include <stdio.h>

#include "event-server/quota.h"
#include "tests/unit/suite.h"

static const uint64_t seed[2] = { 1, 2 };
static struct quotas quotas;

static void
setup(void)
{
	quotas_init(&quotas, 10, 1000, seed);
}

static void
teardown(void)
{
	quotas_clear(&quotas);
}

static struct quota *
get(const char *text)
{
	struct buffer b;
	struct eventer_type type;

	buffer_init(&b, 1000);
	eventer_put_type_text(&b, text);
	struct eventer_types one = { 1, { (const char *)buffer_data(&b), b.len } };
	struct eventer_types_iter it = eventer_types_begin(&one);
	ck_assert(eventer_types_next(&it, &type));
	struct quota *d = quotas_get(&quotas, &type);
	ck_assert_int_eq(errno, 0);
	buffer_clear(&b);
	return d;
}

START_TEST(a_device_is_four_segments)
{
	struct quota *d = get("gateway/g/t/d/gateway/x");
	char name[64];

	ck_assert_ptr_nonnull(d);
	ck_assert_ptr_eq(get("gateway/g/t/d/system"), d);
	ck_assert_ptr_ne(get("gateway/g/t/e/gateway/x"), d);
	ck_assert_ptr_ne(get("gatewayg/t/d/gateway/x"), d);
	ck_assert_ptr_null(get("gateway/g/t/d"));
	ck_assert_ptr_null(get(""));
	quota_name(d, name, sizeof(name));
	ck_assert_str_eq(name, "gateway/g/t/d");
	quota_name(d, name, 6);
	ck_assert_str_eq(name, "gatew");
}
END_TEST

START_TEST(bounds)
{
	struct quota d = { .types = 9, .bytes = 990 };

	ck_assert(quota_has_room(&quotas, &d, 1, 10));
	ck_assert(!quota_has_room(&quotas, &d, 2, 0));
	ck_assert(!quota_has_room(&quotas, &d, 0, 11));
	ck_assert(quota_has_room(&quotas, NULL, 1000, 10000));
}
END_TEST

START_TEST(many_devices)
{
	static struct quota *all[5000];
	char text[64];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "gateway/g/t/%d/gateway/x", i);
			struct quota *d = get(text);
			ck_assert(round == 0 || d == all[i]);
			all[i] = d;
		}
	ck_assert_uint_eq(quotas.count, 5000);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_device_is_four_segments);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, many_devices);
}

UNIT_MAIN("quota")
