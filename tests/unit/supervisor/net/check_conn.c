/* supervisor/conn.c over a socket pair: the other end is the test's. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/net/conn.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct conn conn;
static int peer, messages, closes, drains;
static bool close_in_message;
static size_t refill; /* messages to be sent when what waits has left */
static char why[160];
static uint8_t block[1000];

static void
send_block(void)
{
	const struct sbs_str data = { (const char *)block, sizeof(block) };

	chatter_send(&conn.chatter, NULL, "Test.Block", true, data);
}

static void
on_message(void *arg, const struct chatter_msg *msg)
{
	(void)arg, (void)msg;
	messages++;
	if (close_in_message)
		conn_close(&conn);
}

static void
on_closed(void *arg, const char *text)
{
	(void)arg;
	closes++;
	ck_assert(!conn_is_open(&conn));
	snprintf(why, sizeof(why), "%s", text);
}

static void
on_drained(void *arg)
{
	(void)arg;
	drains++;
	if (refill == 0)
		return;
	refill--;
	send_block();
}

static const struct conn_handler handler = { on_message, on_closed, on_drained };

static void
setup(void)
{
	int fds[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	peer = fds[1];
	messages = closes = drains = 0;
	close_in_message = false;
	refill = 0;
	conn_init(&conn, loop, &handler, NULL);
	conn_open(&conn, fds[0]);
}

static void
teardown(void)
{
	conn_close(&conn);
	conn_close(&conn);
	fd_close(peer);
	ev_loop_destroy(loop);
}

static void
turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

/* Bytes that have arrived at the peer. */
static size_t
drain_peer(void)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(peer, bytes, sizeof(bytes), 0)) > 0)
		all += (size_t)n;
	return all;
}

/* A frame whose message is of the peer's first conversation. */
static void
put_frame(struct buffer *b)
{
	const struct chatter_msg msg = { .id = 1,
		.first = 1,
		.owner = true,
		.token = true,
		.last = true,
		.type = sbs_str("Test.X"),
		.data = sbs_str("abc") };

	chatter_frame_encode(b, &msg);
}

START_TEST(messages_come_whole_and_in_pieces)
{
	struct buffer b;

	buffer_init(&b, 4096);
	put_frame(&b);
	for (size_t i = 0; i < b.len; i++) {
		ck_assert_int_eq(messages, 0);
		ck_assert_int_eq(send(peer, buffer_data(&b) + i, 1, 0), 1);
		turn();
	}
	ck_assert_int_eq(messages, 1);
	put_frame(&b);
	put_frame(&b);
	ck_assert_int_eq(send(peer, buffer_data(&b), b.len, 0), (ssize_t)b.len);
	turn();
	ck_assert_int_eq(messages, 4);
	buffer_clear(&b);
}
END_TEST

START_TEST(it_may_be_closed_from_a_message)
{
	struct buffer b;

	buffer_init(&b, 4096);
	put_frame(&b);
	put_frame(&b);
	close_in_message = true;
	send(peer, buffer_data(&b), b.len, 0);
	turn();
	ck_assert_int_eq(messages, 1);
	ck_assert_int_eq(closes, 0);
	turn();
	buffer_clear(&b);
}
END_TEST

START_TEST(what_is_no_frame_ends_it_once)
{
	send(peer, "\x04\xff\xff\xff\xff", 5, 0);
	turn();
	turn();
	ck_assert_int_eq(closes, 1);
	ck_assert_ptr_nonnull(strstr(why, "malformed chatter frame"));
}
END_TEST

START_TEST(the_peers_end_is_told_once)
{
	fd_close(peer);
	peer = -1;
	turn();
	turn();
	ck_assert_int_eq(closes, 1);
	ck_assert_ptr_nonnull(strstr(why, "closed"));
}
END_TEST

/* Nobody would flush it before the next turn, and of that there may be none for long. */
START_TEST(what_is_appended_on_drained_leaves_in_the_same_flush)
{
	refill = 5;
	send_block();
	conn_flush(&conn);
	ck_assert_uint_eq(conn.out.len, 0);
	ck_assert_int_eq(drains, 6);
	ck_assert_uint_gt(drain_peer(), 6 * sizeof(block));
}
END_TEST

START_TEST(what_does_not_fit_follows_by_itself)
{
	size_t sent = 0, got = 0;

	for (int i = 0; i < 2000; i++)
		send_block();
	sent = conn.out.len;
	conn_flush(&conn);
	ck_assert_uint_gt(conn.out.len, 0);
	ck_assert_int_eq(drains, 0);
	while (got < sent) {
		got += drain_peer();
		turn();
	}
	ck_assert_uint_eq(got, sent);
	ck_assert_int_eq(drains, 1);
	ck_assert_int_eq(closes, 0);
}
END_TEST

START_TEST(a_peer_that_takes_nothing_is_given_up)
{
	for (size_t n = 0; n <= CONN_MAX_OUT; n += sizeof(block))
		send_block();
	conn_flush(&conn);
	ck_assert_int_eq(closes, 1);
	ck_assert_ptr_nonnull(strstr(why, "does not read"));
}
END_TEST

/* The peer's answer to our ping waits in the socket while this process does not run. */
START_TEST(what_came_meanwhile_is_life)
{
	struct pollfd asked = { .events = POLLIN };
	struct buffer b;

	asked.fd = peer;
	conn.chatter.ping_ms = conn.chatter.dead_ms = 30;
	ev_feed_event(loop, &conn.timer, EV_TIMER); /* it looks at its deadline again */
	for (int i = 0; i < 3; i++) {
		while (poll(&asked, 1, 0) == 0)
			ev_run(loop, EVRUN_ONCE);
		drain_peer();
		buffer_init(&b, 4096);
		put_frame(&b);
		ck_assert_int_eq(send(peer, buffer_data(&b), b.len, 0), (ssize_t)b.len);
		buffer_clear(&b);
		ck_assert_int_eq(poll(NULL, 0, 50), 0); /* frozen for longer than dead_ms */
		turn();
		ck_assert_int_eq(closes, 0);
		ck_assert_int_eq(messages, i + 1);
	}
	while (poll(&asked, 1, 0) == 0)
		ev_run(loop, EVRUN_ONCE);
	while (closes == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_str_eq(why, "the peer is silent: no answer to a ping");
}
END_TEST

START_TEST(a_closed_one_does_nothing)
{
	conn_close(&conn);
	conn_flush(&conn);
	turn();
	ck_assert_int_eq(closes, 0);
	ck_assert(!conn_is_open(&conn));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, messages_come_whole_and_in_pieces);
	tcase_add_test(tc, it_may_be_closed_from_a_message);
	tcase_add_test(tc, what_is_no_frame_ends_it_once);
	tcase_add_test(tc, the_peers_end_is_told_once);
	tcase_add_test(tc, what_is_appended_on_drained_leaves_in_the_same_flush);
	tcase_add_test(tc, what_does_not_fit_follows_by_itself);
	tcase_add_test(tc, a_peer_that_takes_nothing_is_given_up);
	tcase_add_test(tc, what_came_meanwhile_is_life);
	tcase_add_test(tc, a_closed_one_does_nothing);
}

UNIT_MAIN("conn")
