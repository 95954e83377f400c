#include <stdlib.h>

#include "protocols/hat/chatter.h"
#include "tests/unit/suite.h"

#define CHATTER 'H', 'a', 't', 'C', 'h', 'a', 't', 't', 'e', 'r', '.'

/* An answer in conversation 9, opened by us. */
static const uint8_t ack_frame[] = {
	0x01, 0x20,	  /* one length byte: 32 bytes follow */
	0x85,		  /* id 5 */
	0x89,		  /* first 9 */
	0x00, 0x01, 0x01, /* owner false, token true, last true */
	0x99,		  /* type, 25 bytes */
	'H', 'a', 't', 'E', 'v', 'e', 'n', 't', 'e', 'r', '.', 'M', 's', 'g', 'E', 'v', 'e', 'n',
	't', 's', 'A', 'c', 'k', 'X', 'X', 0x80, /* data, 0 bytes */
};

/* The peer's Ping, its message 3. */
static const uint8_t ping_frame[] = {
	0x01,
	0x16,
	0x83,
	0x83,
	0x01,
	0x01,
	0x00,
	0x8f,
	CHATTER,
	'P',
	'i',
	'n',
	'g',
	0x80,
};

/* What answers it, as our message 1. */
static const uint8_t pong_frame[] = {
	0x01,
	0x16,
	0x81,
	0x83,
	0x00,
	0x01,
	0x01,
	0x8f,
	CHATTER,
	'P',
	'o',
	'n',
	'g',
	0x80,
};

static const struct monotime start = { INT64_C(1000000000) };

static struct chatter c;
static struct buffer out;

static void
setup(void)
{
	buffer_init(&out, 10000);
	chatter_init(&c, &out, 1000, start);
}

static void
teardown(void)
{
	chatter_clear(&c);
	buffer_clear(&out);
}

static void
feed(const void *p, size_t n, struct monotime now)
{
	size_t size;
	uint8_t *room = chatter_room(&c, n, &size);

	ck_assert_ptr_nonnull(room);
	ck_assert_uint_eq(size, n);
	memcpy(room, p, n);
	chatter_fed(&c, n, now);
}

START_TEST(frame_both_ways)
{
	struct chatter_msg m;
	size_t used;

	ck_assert_int_eq(
	    chatter_frame_decode(ack_frame, sizeof(ack_frame), 1000, &used, &m), DEC_OK);
	ck_assert_uint_eq(used, sizeof(ack_frame));
	ck_assert_int_eq(m.id, 5);
	ck_assert_int_eq(m.first, 9);
	ck_assert(!m.owner && m.token && m.last);
	ck_assert(sbs_str_eq(m.type, sbs_str("HatEventer.MsgEventsAckXX")));
	ck_assert_uint_eq(m.data.len, 0);
	ck_assert(!chatter_msg_opens(&m));
	ck_assert(chatter_conv_eq(chatter_msg_conv(&m), (struct chatter_conv){ 9, true }));
	chatter_frame_encode(&out, &m);
	ck_assert_uint_eq(out.len, sizeof(ack_frame));
	ck_assert_mem_eq(buffer_data(&out), ack_frame, out.len);
	for (size_t n = 0; n < sizeof(ack_frame); n++) {
		ck_assert_int_eq(chatter_frame_decode(ack_frame, n, 1000, &used, &m), DEC_MORE);
		ck_assert_uint_gt(used, n);
	}
}
END_TEST

START_TEST(bad_frames)
{
	static const struct {
		size_t len;
		uint8_t bytes[12];
	} rows[] = {
		{ 1, { 0x00 } },			      /* no length */
		{ 1, { 0x09 } },			      /* nine bytes of length */
		{ 1, { 0xff } }, { 3, { 0x02, 0x03, 0xe9 } }, /* 1001 bytes, one above the limit */
		{ 9, { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ 2, { 0x01, 0x00 } }, /* an empty message */
		{ 9, { 0x01, 0x07, 0x81, 0x81, 0x02, 0x01, 0x01, 0x80, 0x80 } }, /* owner 2 */
		{ 10, { 0x01, 0x08, 0x81, 0x81, 0x01, 0x01, 0x01, 0x80, 0x80, 0x00 } }, /* rest */
		{ 10, { 0x01, 0x08, 0x81, 0x81, 0x01, 0x01, 0x01, 0x81, 0xff, 0x80 } }, /* UTF-8 */
		{ 9, { 0x01, 0x07, 0x81, 0x81, 0x01, 0x01, 0x01, 0x80, 0x81 } }, /* data lies */
	};
	struct chatter_msg m;
	size_t used;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    chatter_frame_decode(rows[i].bytes, rows[i].len, 1000, &used, &m) == DEC_BAD,
		    "row %zu", i);
	ck_assert_int_eq(
	    chatter_frame_decode((const uint8_t[]){ 0x02, 0x03, 0xe8 }, 3, 1000, &used, &m),
	    DEC_MORE);
	ck_assert_uint_eq(used, 1003);
}
END_TEST

/* 2000 bytes where 1000 are the limit, then a message that is not too long, in pieces of n. */
START_TEST(a_frame_that_is_too_long_is_cut)
{
	const struct chatter_msg large = { .id = 3,
		.first = 7,
		.last = true,
		.type = { "HatEventer.MsgQueryRes", 22 },
		.data = { (const char[2000]){ 0 }, 2000 } };
	static const size_t pieces[] = { 1, 7, 500, 1000 };
	struct chatter_msg m;
	int cut = 0, whole = 0;

	chatter_frame_encode(&out, &large);
	buffer_append(&out, ack_frame, sizeof(ack_frame));
	c.skip_large = true;
	for (size_t at = 0; at < out.len;) {
		size_t n = pieces[_i] < out.len - at ? pieces[_i] : out.len - at;
		feed(buffer_data(&out) + at, n, start);
		at += n;
		while (chatter_next(&c, &m) == DEC_OK) {
			cut += m.cut;
			whole += !m.cut;
			ck_assert_int_eq(m.first, m.cut ? 7 : 9);
			ck_assert_uint_eq(m.data.len, 0);
		}
	}
	ck_assert_int_eq(cut, 1);
	ck_assert_int_eq(whole, 1);
	c.skip_large = false;
	feed(buffer_data(&out), 1000, start);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_BAD);
}
END_TEST

START_TEST(messages_come_byte_by_byte_and_many_at_once)
{
	struct chatter_msg m;

	for (size_t i = 0; i < sizeof(ack_frame); i++) {
		ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
		feed(ack_frame + i, 1, start);
	}
	ck_assert_int_eq(chatter_next(&c, &m), DEC_OK);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
	for (int i = 0; i < 20; i++)
		feed(ack_frame, sizeof(ack_frame), start);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(chatter_next(&c, &m), DEC_OK);
		ck_assert_int_eq(m.first, 9);
	}
	ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
	ck_assert_uint_eq(c.in.len, 0);
}
END_TEST

START_TEST(room_is_bounded)
{
	size_t size, total = 0;

	while (chatter_room(&c, 300, &size)) {
		ck_assert_uint_le(size, 300);
		chatter_fed(&c, size, start);
		total += size;
		ck_assert_uint_le(total, 2018);
	}
	ck_assert_uint_eq(size, 0);
	ck_assert_uint_ge(total, 1009);
}
END_TEST

START_TEST(ping_is_answered_at_once)
{
	struct chatter_msg m;

	feed(ping_frame, sizeof(ping_frame), start);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
	ck_assert_uint_eq(out.len, sizeof(pong_frame));
	ck_assert_mem_eq(buffer_data(&out), pong_frame, out.len);
	/* Behind it, what was sent next comes through. */
	feed(ping_frame, sizeof(ping_frame), start);
	feed(ack_frame, sizeof(ack_frame), start);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_OK);
	ck_assert_int_eq(m.first, 9);
}
END_TEST

START_TEST(silence_is_pinged_then_ends)
{
	struct monotime t = monotime_add_ms(start, CHATTER_PING_MS);
	struct chatter_msg m;
	size_t used;

	ck_assert_int_eq(chatter_deadline(&c).ns, t.ns);
	ck_assert(chatter_tick(&c, monotime_add_ms(t, -1)));
	ck_assert_uint_eq(out.len, 0);
	ck_assert(chatter_tick(&c, t));
	ck_assert_int_eq(chatter_frame_decode(buffer_data(&out), out.len, 1000, &used, &m), DEC_OK);
	ck_assert(sbs_str_eq(m.type, sbs_str("HatChatter.Ping")));
	ck_assert(!m.last && m.owner && m.first == m.id);
	size_t one = out.len;
	struct monotime end = monotime_add_ms(t, CHATTER_DEAD_MS);
	ck_assert_int_eq(chatter_deadline(&c).ns, end.ns);
	ck_assert(chatter_tick(&c, monotime_add_ms(end, -1)));
	ck_assert_uint_eq(out.len, one); /* one Ping is enough */
	ck_assert(!chatter_tick(&c, end));
}
END_TEST

START_TEST(any_message_is_life)
{
	struct monotime t = monotime_add_ms(start, CHATTER_PING_MS);
	struct monotime later = monotime_add_ms(t, CHATTER_DEAD_MS - 1);
	struct chatter_msg m;

	ck_assert(chatter_tick(&c, t));
	/* Half a message is none. */
	feed(pong_frame, 5, later);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
	ck_assert_int_eq(chatter_deadline(&c).ns, monotime_add_ms(t, CHATTER_DEAD_MS).ns);
	feed(pong_frame + 5, sizeof(pong_frame) - 5, later);
	ck_assert_int_eq(chatter_next(&c, &m), DEC_MORE);
	ck_assert_int_eq(chatter_deadline(&c).ns, monotime_add_ms(later, CHATTER_PING_MS).ns);
	c.ping_ms = 0;
	ck_assert_int_eq(chatter_deadline(&c).ns, 0);
	ck_assert(chatter_tick(&c, monotime_add_ms(later, 1000000)));
}
END_TEST

START_TEST(ids_and_conversations)
{
	struct chatter_conv conv = { 77, false };
	struct chatter_msg m;
	size_t used;

	ck_assert_int_eq(chatter_send(&c, NULL, "A", false, sbs_str("x")), 1);
	ck_assert_int_eq(chatter_send(&c, &conv, "B", true, sbs_str("y")), 77);
	ck_assert_int_eq(chatter_begin(&c, NULL, "C", true, 3), 3);
	buffer_append(&out, "abc", 3);
	sbs_put_int(chatter_scratch(&c), 5);
	ck_assert_int_eq(chatter_send_scratch(&c, NULL, "D", true), 4);
	static const struct {
		int64_t id, first;
		bool owner, last;
		const char *type, *data;
	} want[] = { { 1, 1, true, false, "A", "x" }, { 2, 77, false, true, "B", "y" },
		{ 3, 3, true, true, "C", "abc" }, { 4, 4, true, true, "D", "\x85" } };
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(
		    chatter_frame_decode(buffer_data(&out), out.len, 1000, &used, &m), DEC_OK);
		buffer_consume(&out, used);
		ck_assert_int_eq(m.id, want[i].id);
		ck_assert_int_eq(m.first, want[i].first);
		ck_assert(m.owner == want[i].owner && m.last == want[i].last);
		ck_assert(sbs_str_eq(m.type, sbs_str(want[i].type)));
		ck_assert(sbs_str_eq(m.data, sbs_str(want[i].data)));
	}
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(a_full_out_takes_whole_frames_only)
{
	static char data[4000];
	size_t len;

	ck_assert_int_eq(chatter_send(&c, NULL, "A", true, (struct sbs_str){ data, 4000 }), 1);
	ck_assert_int_eq(chatter_send(&c, NULL, "A", true, (struct sbs_str){ data, 4000 }), 2);
	len = out.len;
	ck_assert_int_eq(chatter_send(&c, NULL, "A", true, (struct sbs_str){ data, 4000 }), -1);
	ck_assert(buffer_failed(&out));
	ck_assert_uint_eq(out.len, len);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, frame_both_ways);
	tcase_add_test(tc, bad_frames);
	tcase_add_loop_test(tc, a_frame_that_is_too_long_is_cut, 0, 4);
	tcase_add_test(tc, messages_come_byte_by_byte_and_many_at_once);
	tcase_add_test(tc, room_is_bounded);
	tcase_add_test(tc, ping_is_answered_at_once);
	tcase_add_test(tc, silence_is_pinged_then_ends);
	tcase_add_test(tc, any_message_is_life);
	tcase_add_test(tc, ids_and_conversations);
	tcase_add_test(tc, a_full_out_takes_whole_frames_only);
}

UNIT_MAIN("chatter")
