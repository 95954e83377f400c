#include <string.h>

#include "ipc/channel.h"
#include "supervisor/child/uplink.h"
#include "tests/unit/suite.h"

enum { WINDOW = 200 * 1024 };

static const struct sbs_str running[] = { { "gateway", 7 }, { "running", 7 } };
static const struct timestamp now = { 1, 2 };
static struct eventer_prefix prefix;
static struct buffer prefix_bytes;
static struct uplink u;

static void
begin(void)
{
	static const struct sbs_str segments[] = { { "gateway", 7 }, { "gw", 2 }, { "t", 1 },
		{ "d", 1 } };

	buffer_init(&prefix_bytes, 4096);
	eventer_put_segments(&prefix_bytes, segments, 4);
	prefix = (struct eventer_prefix){ 4,
		{ (const char *)buffer_data(&prefix_bytes), prefix_bytes.len } };
	uplink_init(&u, &prefix, WINDOW);
	ck_assert_uint_eq(uplink_begin(&u), WINDOW);
}

static void
end(void)
{
	uplink_clear(&u);
	buffer_clear(&prefix_bytes);
}

static int
write_body(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0;
}

/* A REGISTER of one event with so many bytes of JSON; what it cost. */
static uint64_t
take(size_t size, const char *source)
{
	struct buffer b;
	msgpack_packer p;
	char json[128 * 1024];
	uint32_t count;
	uint64_t before = u.outstanding;

	memset(json, '1', size);
	buffer_init(&b, 1 << 20);
	msgpack_packer_init(&p, &b, write_body);
	msgpack_pack_array(&p, 1);
	msgpack_pack_array(&p, 3);
	msgpack_pack_array(&p, 2);
	ipc_pack_str(&p, source);
	ipc_pack_str(&p, "value");
	msgpack_pack_nil(&p);
	ipc_pack_text(&p, json, size);
	const char *why = uplink_take(&u, buffer_data(&b), b.len, &count);
	buffer_clear(&b);
	if (why)
		return 0;
	ck_assert_uint_eq(count, u.outstanding == before ? 0 : 1);
	return u.outstanding - before;
}

/* A REGISTER of one event of that type without payload; what is wrong with it, or NULL. */
static const char *
take_type(const struct sbs_str *segments, uint32_t n)
{
	struct buffer b;
	msgpack_packer p;
	uint32_t count;

	buffer_init(&b, 1 << 20);
	msgpack_packer_init(&p, &b, write_body);
	msgpack_pack_array(&p, 1);
	msgpack_pack_array(&p, 3);
	msgpack_pack_array(&p, n);
	for (uint32_t i = 0; i < n; i++)
		ipc_pack_text(&p, segments[i].p, segments[i].len);
	msgpack_pack_nil(&p);
	msgpack_pack_nil(&p);
	const char *why = uplink_take(&u, buffer_data(&b), b.len, &count);
	buffer_clear(&b);
	return why;
}

static const struct {
	struct sbs_str segments[3];
	uint32_t count;
	const char *why; /* NULL: it is taken */
} types[] = {
	{ { { "gateway", 7 }, { "read", 4 }, { "a-rather-long-name", 18 } }, 3, NULL },
	{ { { "gateway", 7 }, { "gr\xc3\xbc\xc3\x9f", 6 }, { "", 0 } }, 3, NULL },
	{ { { "gateway", 7 }, { "running", 7 }, { "x", 1 } }, 3, NULL },
	{ { { "gateway", 7 }, { "running", 7 } }, 2, "the event gateway/running" },
	{ { { "system", 6 }, { "x", 1 } }, 2, "not of source" },
	{ { { "gateway", 7 }, { "?", 1 }, { "x", 1 } }, 3, "segment '?'" },
	{ { { "gateway", 7 }, { "x", 1 }, { "*", 1 } }, 3, "segment '?'" },
	{ { { "gateway", 7 }, { "a\0b", 3 } }, 2, "a NUL" },
	{ { { "gateway", 7 }, { "a-rather-long\0name", 18 } }, 2, "a NUL" },
	{ { { "gateway", 7 }, { "\xc3\xbc\0", 3 }, { "x", 1 } }, 3, "a NUL" },
	{ { { "gateway", 7 }, { "x\xc3", 2 }, { "x", 1 } }, 3, "not UTF-8" },
};

START_TEST(types_that_a_runner_may_register)
{
	const char *why = take_type(types[_i].segments, types[_i].count);

	if (!types[_i].why)
		ck_assert_ptr_null(why);
	else
		ck_assert_msg(why && strstr(why, types[_i].why), "row %d: %s", _i, why);
}
END_TEST

START_TEST(what_is_registered_leaves_in_order_and_holds_credit)
{
	const void *events;
	uint32_t count;
	size_t len;

	ck_assert(!uplink_peek(&u, &count, &events, &len));
	uint64_t cost = take(100, "gateway");
	ck_assert_uint_gt(cost, 100);
	ck_assert(uplink_put(&u, running, 2, &now, "true"));
	ck_assert_uint_eq(u.outstanding, cost);
	ck_assert_int_eq(u.credit, WINDOW - (int64_t)cost);
	ck_assert(uplink_peek(&u, &count, &events, &len));
	ck_assert_uint_gt(len, 100);
	ck_assert_uint_eq(uplink_took(&u), 1);
	ck_assert(uplink_peek(&u, &count, &events, &len));
	ck_assert_uint_lt(len, 100);
	/* Less than a quarter of the window, and events are pending. */
	ck_assert_uint_eq(uplink_return_credit(&u), 0);
	ck_assert_uint_eq(uplink_took(&u), 1);
	ck_assert(!uplink_peek(&u, &count, &events, &len));
	ck_assert_uint_eq(u.outstanding, 0);
}
END_TEST

/* A large REGISTER leaves in several turns of its device, and its credit with the last of them. */
START_TEST(a_large_message_leaves_in_chunks)
{
	enum { EVENTS = 100, JSON = 500 };
	static char json[JSON + 1];
	struct buffer b;
	msgpack_packer p;
	uint32_t count, left = EVENTS;
	const void *events;
	size_t len, chunks = 0;

	memset(json, '1', JSON);
	buffer_init(&b, 1 << 20);
	msgpack_packer_init(&p, &b, write_body);
	msgpack_pack_array(&p, EVENTS);
	for (int i = 0; i < EVENTS; i++) {
		msgpack_pack_array(&p, 3);
		msgpack_pack_array(&p, 1);
		ipc_pack_str(&p, "gateway");
		msgpack_pack_nil(&p);
		ipc_pack_text(&p, json, JSON);
	}
	ck_assert_ptr_null(uplink_take(&u, buffer_data(&b), b.len, &count));
	ck_assert_uint_eq(count, EVENTS);
	for (; uplink_peek(&u, &count, &events, &len); chunks++) {
		ck_assert_uint_le(len, 9 * 1024);
		ck_assert_uint_gt(count, 0);
		ck_assert_uint_ge(u.outstanding, EVENTS * JSON);
		left -= uplink_took(&u);
	}
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_ge(chunks, 6);
	ck_assert_uint_eq(u.outstanding, 0);
	buffer_clear(&b);
}
END_TEST

START_TEST(credit_goes_back_in_quarters)
{
	uint64_t cost = 0;

	for (int i = 0; i < 6; i++)
		cost += take(10 * 1024, "gateway");
	for (int i = 0; i < 5; i++) {
		uplink_took(&u);
		uint32_t credit = uplink_return_credit(&u);
		ck_assert(credit == 0 || credit >= WINDOW / 4);
		cost -= credit;
	}
	ck_assert_int_eq(u.credit, WINDOW - (int64_t)cost);
	/* The runner might wait for the credit of a whole message: it has more than that. */
	uplink_took(&u);
	ck_assert_uint_eq(uplink_return_credit(&u), 0);
	ck_assert_int_eq(u.credit + (int64_t)u.to_return, WINDOW);
}
END_TEST

START_TEST(who_overdraws_or_lies_leaves_nothing_pending)
{
	ck_assert_uint_eq(take(100, "system"), 0);
	ck_assert_uint_eq(u.pending.len, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(take(40 * 1024, "gateway"), 0);
	size_t len = u.pending.len;
	ck_assert_uint_eq(take(40 * 1024, "gateway"), 0);
	ck_assert_int_lt(u.credit, 0);
	ck_assert_uint_eq(u.pending.len, len);
}
END_TEST

/* What an earlier process left pending counts for the next one. */
START_TEST(the_window_is_the_devices)
{
	uint64_t cost = take(40 * 1024, "gateway");

	ck_assert_uint_eq(uplink_begin(&u), WINDOW - cost);
	uplink_took(&u);
	ck_assert_int_eq(u.credit + (int64_t)u.to_return, WINDOW);
	ck_assert_uint_eq(u.to_return, cost);
}
END_TEST

/* A reload: what was pending under the larger window does not bring that window back. */
START_TEST(a_smaller_window_stays_smaller)
{
	enum { SMALL = 64 * 1024 };

	for (int i = 0; i < 4; i++)
		take(40 * 1024, "gateway");
	uplink_set_window(&u, SMALL);
	ck_assert_uint_eq(uplink_begin(&u), 0);
	for (int i = 0; i < 4; i++) {
		uplink_took(&u);
		uplink_return_credit(&u);
		ck_assert_uint_le(u.outstanding + u.to_return + (uint64_t)u.credit,
		    u.outstanding > SMALL ? u.outstanding : SMALL);
	}
	uplink_return_credit(&u);
	ck_assert_int_eq(u.credit + (int64_t)u.to_return, SMALL);
}
END_TEST

START_TEST(pending_events_of_our_own_are_bounded)
{
	size_t n = 0;

	while (uplink_put(&u, running, 2, &now, "true"))
		ck_assert_uint_lt(++n, 1000000);
	ck_assert_uint_gt(n, 1000);
	size_t len = u.pending.len;
	ck_assert(!uplink_put(&u, running, 2, &now, "true"));
	ck_assert_uint_eq(u.pending.len, len);
	while (n--)
		ck_assert_uint_eq(uplink_took(&u), 1);
	ck_assert_uint_eq(u.pending.len, 0);
}
END_TEST

/* Their credit is free again at once. */
START_TEST(events_of_too_many_types_are_dropped)
{
	uint32_t count;
	const void *events;
	size_t len;

	uplink_set_types(&u, 1);
	take(10, "gateway");
	int64_t before = u.credit;
	uplink_set_types(&u, 0);
	take(10, "gateway");
	ck_assert_uint_eq(u.types.refused, 0);
	hash_set_clear(&u.types);
	uint64_t outstanding = u.outstanding;
	take(10, "gateway");
	ck_assert_uint_eq(u.types.refused, 1);
	ck_assert_uint_eq(u.outstanding, outstanding);
	ck_assert_int_eq(u.credit + (int64_t)u.to_return, 2 * before - WINDOW);
	for (int i = 0; i < 2; i++) {
		ck_assert(uplink_peek(&u, &count, &events, &len));
		ck_assert_uint_eq(uplink_took(&u), 1);
	}
	ck_assert(!uplink_peek(&u, &count, &events, &len));
}
END_TEST

START_TEST(queries_at_once_are_bounded)
{
	struct child *c = (struct child *)&u;

	struct child_query *queries[IPC_MAX_ASKED];

	for (uint32_t i = 0; i < IPC_MAX_ASKED; i++) {
		queries[i] = uplink_begin_query(&u, c, i);
		ck_assert_uint_eq(queries[i]->id, i);
	}
	ck_assert_ptr_null(uplink_begin_query(&u, c, 99));
	ck_assert_ptr_eq(uplink_waiting_query(&u), queries[0]);
	queries[0]->sent = true;
	ck_assert_ptr_eq(uplink_waiting_query(&u), queries[1]);
	queries[1]->size = queries[63]->size = 100;
	ck_assert_uint_eq(uplink_query_bytes(&u), 200);
	uplink_end_query(queries[3]);
	ck_assert_uint_eq(uplink_begin_query(&u, c, 99)->id, 99);
	ck_assert_ptr_null(uplink_begin_query(&u, c, 100));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_table_test(tc, types_that_a_runner_may_register, types);
	tcase_add_test(tc, what_is_registered_leaves_in_order_and_holds_credit);
	tcase_add_test(tc, a_large_message_leaves_in_chunks);
	tcase_add_test(tc, credit_goes_back_in_quarters);
	tcase_add_test(tc, who_overdraws_or_lies_leaves_nothing_pending);
	tcase_add_test(tc, the_window_is_the_devices);
	tcase_add_test(tc, a_smaller_window_stays_smaller);
	tcase_add_test(tc, pending_events_of_our_own_are_bounded);
	tcase_add_test(tc, events_of_too_many_types_are_dropped);
	tcase_add_test(tc, queries_at_once_are_bounded);
}

UNIT_MAIN("uplink")
