#include <stdio.h>
#include <string.h>

#include "device-runners/runtime/report/describe.h"
#include "tests/unit/device-runners/runtime/report/report_host.h"

enum { MANY = 5000 };

static size_t count;
static char long_segment[IPC_MAX_TEXT + 2];

static bool
describe_data(void *device, struct describe *d, size_t i)
{
	char name[40];
	const char *const gives[] = { "gateway", name, i == 1 ? long_segment : "x", NULL };
	const char *const takes[] = { "system", name, NULL };
	const struct describe_verb write = {
		.verb = "write", .takes = takes, .request = "$value", .good = "\"SUCCESS\""
	};

	(void)device;
	if (i >= count)
		return false;
	snprintf(name, sizeof(name), "data %zu", i);
	describe_put(d, &(struct describe_data){ .name = name,
			    .value = "integer",
			    .gives = gives,
			    .verbs = &write,
			    .verb_count = i % 2 });
	return true;
}

static const struct runner_device with_data = { .type = "test", .describe_data = describe_data };

START_TEST(a_device_without_a_description)
{
	runner_describe(&r, 5, 0);
	const msgpack_object_array *a = hear(IPC_DESCRIPTION, 5);
	ck_assert_int_eq(a->ptr[0].type, MSGPACK_OBJECT_NIL);
	ck_assert_uint_eq(a->ptr[1].via.array.size, 0);
}
END_TEST

/* Two of three: a type that no event can have is left out. */
START_TEST(a_row_has_its_fields)
{
	r.type = &with_data;
	count = 4;
	memset(long_segment, 'x', IPC_MAX_TEXT + 1);
	runner_describe(&r, 1, 0);
	const msgpack_object_array *a = hear(IPC_DESCRIPTION, 1);
	ck_assert_int_eq(a->ptr[0].type, MSGPACK_OBJECT_NIL);
	const msgpack_object_array *rows = &a->ptr[1].via.array;
	ck_assert_uint_eq(rows->size, 3);
	const msgpack_object *f = rows->ptr[2].via.array.ptr;
	assert_text(&f[0], "data 3");
	assert_text(&f[1], "integer");
	assert_text(&f[3].via.array.ptr[2], "x");
	const msgpack_object *v = f[4].via.array.ptr[0].via.array.ptr;
	assert_text(&v[0], "write");
	assert_text(&v[1].via.array.ptr[0], "system");
	assert_text(&v[2], "$value");
	ck_assert_int_eq(v[3].type, MSGPACK_OBJECT_NIL);
	assert_text(&v[4], "");
	assert_text(&v[5], "\"SUCCESS\"");
}
END_TEST

START_TEST(many_come_in_pages)
{
	uint32_t from = 0, pages = 0, rows = 0;
	char name[40];

	r.type = &with_data;
	count = MANY;
	long_segment[1] = (long_segment[0] = 'y', '\0');
	do {
		runner_describe(&r, ++pages, from);
		const msgpack_object_array *a = hear(IPC_DESCRIPTION, pages);
		ck_assert_ptr_nonnull(a);
		const msgpack_object_array *page = &a->ptr[1].via.array;
		for (uint32_t i = 0; i < page->size; i++) {
			snprintf(name, sizeof(name), "data %u", rows++);
			assert_text(&page->ptr[i].via.array.ptr[0], name);
		}
		bool more = a->ptr[0].type != MSGPACK_OBJECT_NIL;
		uint32_t next = more ? (uint32_t)a->ptr[0].via.u64 : 0;
		ck_assert(!more || next > from);
		from = next;
	} while (from);
	ck_assert_uint_eq(rows, MANY);
	ck_assert_uint_gt(pages, 2);
	runner_describe(&r, 99, MANY + 7);
	ck_assert_int_eq(hear(IPC_DESCRIPTION, 99)->ptr[0].type, MSGPACK_OBJECT_NIL);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, a_device_without_a_description);
	tcase_add_test(tc, a_row_has_its_fields);
	tcase_add_test(tc, many_come_in_pages);
}

UNIT_MAIN("runtime describe")
