#include <stdlib.h>
#include <string.h>

#include "supervisor/child/requests.h"
#include "tests/unit/suite.h"

static struct requests r;

struct row {
	uint64_t kind;
	const char *target;
	uint32_t len;
	uint64_t port;
};

/* A PLAN as msgpack-c has it: the pointer of an empty text is NULL. */
static const char *
set_plan(const struct row *rows, uint32_t count)
{
	msgpack_object list[4], fields[4][3];

	for (uint32_t i = 0; i < count; i++) {
		fields[i][0].via.u64 = rows[i].kind;
		fields[i][1].via.str = (msgpack_object_str){ rows[i].len, rows[i].target };
		fields[i][2].via.u64 = rows[i].port;
		list[i].via.array = (msgpack_object_array){ 3, fields[i] };
	}
	return requests_set_plan(&r, &(msgpack_object_array){ count, list });
}

static void
begin(void)
{
	r = (struct requests){ 0 };
}

static void
end(void)
{
	requests_clear(&r);
	ck_assert_ptr_null(r.plan);
}

START_TEST(a_plan_is_copied)
{
	char target[] = "10.0.0.1";
	const struct row rows[] = { { IPC_RESOURCE_CONNECT, target, 8, 502 },
		{ IPC_RESOURCE_LISTEN, NULL, 0, 502 } };

	ck_assert_ptr_null(set_plan(rows, 2));
	memset(target, 'x', 8);
	ck_assert_uint_eq(r.plan_count, 2);
	ck_assert_str_eq(r.plan[0].target, "10.0.0.1");
	ck_assert_uint_eq(r.plan[0].port, 502);
	ck_assert_str_eq(r.plan[1].target, "");
}
END_TEST

START_TEST(plans_that_are_refused)
{
	static const struct row rows[] = { { IPC_RESOURCE_COUNT, "a", 1, 0 },
		{ IPC_RESOURCE_FILE, "a\0b", 3, 0 }, { IPC_RESOURCE_CONNECT, "a", 1, 65536 } };
	msgpack_object none;

	for (size_t i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(set_plan(&rows[i], 1));
		requests_clear(&r);
	}
	ck_assert_ptr_nonnull(
	    requests_set_plan(&r, &(msgpack_object_array){ IPC_MAX_PLAN + 1, &none }));
}
END_TEST

START_TEST(only_the_plan_is_opened)
{
	static const struct row row = { IPC_RESOURCE_TTY, "/dev/null", 9, 0 };

	ck_assert_ptr_null(set_plan(&row, 1));
	/* Without a broker nothing is opened. */
	ck_assert_ptr_nonnull(requests_open(&r, 1, 0, false));
	r.broker = (struct broker *)&r;
	ck_assert_ptr_nonnull(requests_open(&r, 1, 1, false));
	/* A runner that is ending gets nothing, and that is no fault of its. */
	ck_assert_ptr_null(requests_open(&r, 1, 0, true));
	r.broker = NULL;
}
END_TEST

START_TEST(messages_in_a_second_are_bounded)
{
	for (int i = 0; i < REQUESTS_MAX_MESSAGES; i++)
		ck_assert(!requests_is_flood(&r, 5., 8));
	ck_assert(requests_is_flood(&r, 5.9, 8));
	ck_assert(!requests_is_flood(&r, 6., 8));
	for (int i = 1; i < REQUESTS_MAX_BYTES / 65536; i++)
		ck_assert(!requests_is_flood(&r, 6.5, 65536));
	ck_assert(requests_is_flood(&r, 6.5, 65536));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, a_plan_is_copied);
	tcase_add_test(tc, plans_that_are_refused);
	tcase_add_test(tc, only_the_plan_is_opened);
	tcase_add_test(tc, messages_in_a_second_are_bounded);
}

UNIT_MAIN("requests of a runner")
