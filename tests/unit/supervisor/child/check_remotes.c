#include <string.h>

#include "supervisor/child/remotes.h"
#include "tests/unit/suite.h"

static struct remotes r;
static msgpack_sbuffer bytes;
static msgpack_packer p;

static void
begin(void)
{
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&p, &bytes, msgpack_sbuffer_write);
	r = (struct remotes){ 0 };
}

static void
end(void)
{
	remotes_clear(&r);
	msgpack_sbuffer_destroy(&bytes);
}

static void
put_text(const char *text)
{
	msgpack_pack_str(&p, strlen(text));
	msgpack_pack_str_body(&p, text, strlen(text));
}

static void
put_end(uint32_t key, const char *name, uint32_t state)
{
	msgpack_pack_array(&p, 2);
	msgpack_pack_uint32(&p, key);
	msgpack_pack_array(&p, 6);
	put_text(name);
	msgpack_pack_uint32(&p, state);
	msgpack_pack_array(&p, 2);
	msgpack_pack_uint32(&p, 5);
	msgpack_pack_uint32(&p, 6);
	put_text("what");
	put_text("error");
	msgpack_pack_array(&p, IPC_REMOTE_COUNTERS);
	for (uint32_t i = 0; i < IPC_REMOTE_COUNTERS; i++)
		msgpack_pack_uint32(&p, 10 + i);
}

static void
put_gone(uint32_t key)
{
	msgpack_pack_array(&p, 2);
	msgpack_pack_uint32(&p, key);
	msgpack_pack_nil(&p);
}

/* The message that was put, n elements. */
static const char *
update(uint32_t n, ev_tstamp now)
{
	msgpack_zone *zone = msgpack_zone_new(2048);
	msgpack_sbuffer whole;
	msgpack_packer w;
	msgpack_object o;

	msgpack_sbuffer_init(&whole);
	msgpack_packer_init(&w, &whole, msgpack_sbuffer_write);
	msgpack_pack_array(&w, n);
	msgpack_sbuffer_write(&whole, bytes.data ? bytes.data : "", bytes.size);
	ck_assert_int_eq(
	    msgpack_unpack(whole.data, whole.size, NULL, zone, &o), MSGPACK_UNPACK_SUCCESS);
	const char *why = remotes_update(&r, &o.via.array, now);
	msgpack_zone_free(zone);
	msgpack_sbuffer_destroy(&whole);
	msgpack_sbuffer_clear(&bytes);
	return why;
}

START_TEST(states_are_counted)
{
	put_end(0, "a", IPC_REMOTE_UP);
	put_end(9, "b", IPC_REMOTE_OFF);
	ck_assert_ptr_null(update(2, 1));
	ck_assert_uint_eq(remotes_total(&r), 1);
	ck_assert_int_eq(remotes_worst(&r), IPC_REMOTE_UP);
	put_end(9, "b", IPC_REMOTE_DOWN);
	put_end(1023, "c", IPC_REMOTE_DEGRADED);
	ck_assert_ptr_null(update(2, 1));
	ck_assert_uint_eq(remotes_total(&r), 3);
	ck_assert_int_eq(remotes_worst(&r), IPC_REMOTE_DOWN);
	const struct remote_end *b = r.ends[9];
	ck_assert_str_eq(b->name, "b");
	ck_assert_str_eq(b->what, "what");
	ck_assert_str_eq(b->last_error, "error");
	ck_assert_int_eq(b->since.s, 5);
	ck_assert_uint_eq(b->counters[IPC_REMOTE_RTT_MAX], 18);
	put_gone(9);
	put_gone(500);
	ck_assert_ptr_null(update(2, 1));
	ck_assert_ptr_null(r.ends[9]);
	ck_assert_int_eq(remotes_worst(&r), IPC_REMOTE_DEGRADED);
	remotes_clear(&r);
	ck_assert_uint_eq(remotes_total(&r), 0);
	ck_assert_int_eq(remotes_worst(&r), IPC_REMOTE_OFF);
}
END_TEST

/* Nothing of a message that is wrong counts. */
START_TEST(lies_are_refused)
{
	put_end(0, "a", IPC_REMOTE_UP);
	put_end(IPC_MAX_REMOTES, "b", IPC_REMOTE_UP);
	ck_assert_str_eq(update(2, 1), "more than 1024 remote ends");
	put_gone(IPC_MAX_REMOTES);
	ck_assert_str_eq(update(1, 1), "more than 1024 remote ends");
	put_end(0, "a", IPC_REMOTE_STATE_COUNT);
	ck_assert_str_eq(update(1, 1), "an unknown state of a remote end");
	ck_assert_uint_eq(remotes_total(&r), 0);
}
END_TEST

START_TEST(long_texts_are_cut)
{
	char text[IPC_MAX_TEXT + 1];

	memset(text, 'x', IPC_MAX_TEXT);
	text[IPC_MAX_TEXT] = '\0';
	put_end(0, text, IPC_REMOTE_UP);
	ck_assert_ptr_null(update(1, 1));
	ck_assert_uint_eq(strlen(r.ends[0]->name), REMOTES_MAX_NAME - 1);
}
END_TEST

START_TEST(a_flood_is_one)
{
	for (int i = 0; i < IPC_MAX_HEALTH_RATE; i++)
		ck_assert_ptr_null(update(0, 1));
	ck_assert_str_eq(update(0, 1.9), "a flood of health");
	ck_assert_ptr_null(update(0, 2));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, states_are_counted);
	tcase_add_test(tc, lies_are_refused);
	tcase_add_test(tc, long_texts_are_cut);
	tcase_add_test(tc, a_flood_is_one);
}

UNIT_MAIN("child remotes")
