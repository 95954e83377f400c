/* supervisor/eventlink.c against a server of the test's own on a Unix socket, on the same loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/engine/eventlink.h"
#include "supervisor/engine/gate.h"
#include "tests/unit/suite.h"
#include "tests/unit/supervisor/engine/listening.h"

static struct ev_loop *loop;
static struct broker *broker;
static struct eventlink link_;
static struct listening listening;
static int ups, downs, events, answers, rooms, registered, acks;
static enum eventer_status status;
static int large_parts, large_events;
static bool refuse, mute, more, fail, answers_large, off_in_part;
static char last_error[200];

/* --- the server --- */

enum { LARGE = 4000 };

/* LARGE events of 90 bytes, and one that is notified behind them. */
static void
answer_large(struct chatter_conv conv)
{
	static const struct sbs_str segments[] = { { "a", 1 }, { "b", 1 } };
	const struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON,
		.data =
		    sbs_str("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]") };
	const struct eventer_id id = { 1, 1, 1 };
	const struct timestamp t = { 1, 2 };
	struct buffer b, type, rest;

	buffer_init(&b, 1 << 20);
	buffer_init(&type, 100);
	buffer_init(&rest, 200);
	eventer_put_type(&type, segments, 2);
	eventer_put_rest(&rest, NULL, &payload);
	for (int i = 0; i < LARGE; i++)
		eventer_put_event(&b, &id, (struct sbs_str){ (char *)buffer_data(&type), type.len },
		    &t, (struct sbs_str){ (char *)buffer_data(&rest), rest.len });
	buffer_clear(&type);
	buffer_clear(&rest);
	eventer_begin_query_res(&listening.server.chatter, conv, LARGE, b.len);
	buffer_append(&listening.server.out, buffer_data(&b), b.len);
	eventer_put_query_more(&listening.server.chatter, false);
	eventer_begin_events_notify(&listening.server.chatter, 1, b.len / LARGE, true);
	buffer_append(&listening.server.out, buffer_data(&b), b.len / LARGE);
	buffer_clear(&b);
}

static void
server_message(void *arg, const struct chatter_msg *msg)
{
	const struct eventer_init_res res = {
		.success = !refuse, .status = EVENTER_STANDBY, .error = sbs_str("not you")
	};
	int type = eventer_msg_parse(msg->type);
	struct eventer_events_iter it;

	(void)arg;
	if (type == EVENTER_INIT_REQ && !mute)
		eventer_send_init_res(&listening.server.chatter, chatter_msg_conv(msg), &res);
	if (type == EVENTER_REGISTER_REQ) {
		ck_assert_int_eq(eventer_register_req_decode(msg->data, &it), DEC_OK);
		registered += (int)it.left;
		if (!msg->last && fail)
			eventer_send_register_failure(
			    &listening.server.chatter, chatter_msg_conv(msg));
		else if (!msg->last)
			eventer_begin_register_res(
			    &listening.server.chatter, chatter_msg_conv(msg), 0, 0);
	}
	acks += type == EVENTER_EVENTS_ACK;
	if (type == EVENTER_QUERY_REQ && answers_large) {
		answer_large(chatter_msg_conv(msg));
	} else if (type == EVENTER_QUERY_REQ && !mute) {
		eventer_begin_query_res(&listening.server.chatter, chatter_msg_conv(msg), 0, 0);
		eventer_put_query_more(&listening.server.chatter, more);
	}
}

static void
server_closed(void *arg, const char *why)
{
	(void)arg, (void)why;
}

static const struct conn_handler server_handler = { server_message, server_closed, NULL };

/* --- the link's owner --- */

static void
on_up(void *arg)
{
	(void)arg;
	ups++;
}

static void
on_down(void *arg, const char *why)
{
	(void)arg;
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(link_.state, LINK_WAITING);
	downs++;
}

static void
on_status(void *arg, enum eventer_status s)
{
	(void)arg;
	status = s;
}

static void
on_events(void *arg, struct eventer_events_iter *it)
{
	struct eventer_event e;

	(void)arg;
	/* What is notified later comes later. */
	if (answers_large)
		ck_assert_int_eq(large_events, LARGE);
	while (eventer_events_next(it, &e))
		events++;
}

static void
on_room(void *arg)
{
	(void)arg;
	rooms++;
}

static void
on_answer(void *arg, struct eventer_events_iter *it, const char *error)
{
	ck_assert_ptr_eq(arg, &link_);
	ck_assert(it || error);
	answers++;
	snprintf(last_error, sizeof(last_error), "%s", error ? error : "");
}

static void
on_large(void *arg, struct eventer_events_iter *it, const char *error)
{
	struct eventer_event e;
	bool last = !eventer_events_more(it);

	ck_assert_ptr_eq(arg, &link_);
	ck_assert_ptr_null(error);
	large_parts++;
	answers += last;
	while (eventer_events_next(it, &e))
		large_events++;
	if (off_in_part)
		eventlink_off(&link_);
}

static const struct eventlink_handler handler = { on_up, on_down, on_status, on_events, on_room };

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	broker = broker_new(loop, NULL);
	listening_open(&listening, loop, &server_handler);
	eventlink_init(&link_, loop, broker, &handler, NULL);
}

static void
teardown(void)
{
	eventlink_off(&link_);
	listening_close(&listening);
	broker_free(broker);
	ev_loop_destroy(loop);
}

static void
on_limit(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)revents;
	*(bool *)w->data = true;
	ev_break(l, EVBREAK_ALL);
}

/* Turns of the loop until *count is at least n, or the time is over. */
static bool
wait_for(const int *count, int n, int ms)
{
	bool late = false;
	ev_timer limit;

	ev_timer_init(&limit, on_limit, ms / 1e3, 0.);
	limit.data = &late;
	ev_timer_start(loop, &limit);
	while (*count < n && !late) {
		eventlink_flush(&link_);
		conn_flush(&listening.server);
		ev_run(loop, EVRUN_ONCE);
	}
	ev_timer_stop(loop, &limit);
	return *count >= n;
}

static void
connect_to_it(void)
{
	static const struct sbs_str type[] = { { "*", 1 } };
	static struct buffer subscriptions;

	buffer_clear(&subscriptions);
	buffer_init(&subscriptions, 100);
	eventer_put_type(&subscriptions, type, 1);
	eventlink_on(&link_, &(struct eventlink_target){ .unix_path = listening.path,
				 .client_name = "gateway/x",
				 .subscriptions = { 1, { (char *)buffer_data(&subscriptions),
							   subscriptions.len } } });
}

static void
connect_up(void)
{
	connect_to_it();
	ck_assert(wait_for(&ups, 1, 5000));
}

START_TEST(comes_up_and_goes_off_without_a_word)
{
	connect_up();
	ck_assert_int_eq(link_.state, LINK_UP);
	ck_assert_int_eq(link_.status, EVENTER_STANDBY);
	eventlink_off(&link_);
	ck_assert_int_eq(link_.state, LINK_OFF);
	ck_assert_int_eq(downs, 0);
	ck_assert_int_eq(
	    eventlink_query(&link_, &(struct eventer_query){ 0 }, on_answer, NULL), -1);
	ck_assert_int_eq(errno, ENOTCONN);
}
END_TEST

START_TEST(a_refusal_is_waited_out_longer_each_time)
{
	refuse = true;
	connect_to_it();
	ck_assert(wait_for(&listening.accepts, 3, 5000));
	ck_assert_ptr_nonnull(strstr(link_.last_error, "not you"));
	ck_assert_int_ge(link_.backoff_ms, 4 * LINK_BACKOFF_FIRST_MS);
	ck_assert_int_eq(ups, 0);
	ck_assert_int_eq(downs, 0);
	refuse = false;
	ck_assert(wait_for(&ups, 1, 5000));
}
END_TEST

START_TEST(a_short_link_does_not_reset_the_backoff)
{
	connect_up();
	for (int i = 1; i <= 3; i++) {
		conn_close(&listening.server);
		ck_assert(wait_for(&downs, i, 5000));
		ck_assert(wait_for(&ups, i + 1, 5000));
	}
	ck_assert_int_ge(link_.backoff_ms, 8 * LINK_BACKOFF_FIRST_MS);
	int never = 0;
	wait_for(&never, 1, LINK_SETTLED_MS + 50);
	conn_close(&listening.server);
	ck_assert(wait_for(&downs, 4, 5000));
	ck_assert_int_eq(link_.backoff_ms, 2 * LINK_BACKOFF_FIRST_MS);
}
END_TEST

START_TEST(events_status_and_acknowledgement)
{
	connect_up();
	eventer_send_status_notify(&listening.server.chatter, EVENTER_OPERATIONAL);
	eventer_begin_events_notify(&listening.server.chatter, 0, 0, false);
	eventer_begin_events_notify(&listening.server.chatter, 0, 0, true);
	ck_assert(wait_for(&acks, 1, 5000));
	ck_assert_int_eq(status, EVENTER_OPERATIONAL);
	ck_assert_int_eq(acks, 1);
	ck_assert_int_eq(downs, 0);
}
END_TEST

/* The bytes after the events, and an event that is cut, in messages whose heads are right. */
START_TEST(malformed_events_end_it)
{
	static const struct {
		size_t count, len;
		const char *bytes;
	} wrong[] = { { 0, 3, "xyz" }, { 1, 2, "\x81\x81" }, { 3, 0, "" } };

	connect_up();
	for (int i = 0; i < 3; i++) {
		eventer_begin_events_notify(
		    &listening.server.chatter, wrong[i].count, wrong[i].len, false);
		buffer_append(&listening.server.out, wrong[i].bytes, wrong[i].len);
		ck_assert(wait_for(&downs, i + 1, 5000));
		ck_assert(wait_for(&ups, i + 2, 5000));
	}
	ck_assert_int_eq(events, 0);
}
END_TEST

START_TEST(queries_are_answered_or_dropped)
{
	const struct eventer_query none = { 0 };

	connect_up();
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	ck_assert(wait_for(&answers, 2, 5000));
	mute = true;
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	conn_close(&listening.server);
	ck_assert(wait_for(&downs, 1, 5000));
	ck_assert_uint_eq(link_.asked_count, 0);
	ck_assert_int_eq(answers, 2);
}
END_TEST

static const struct eventer_query none = { 0 };

static void
expect_answer(const char *error)
{
	ck_assert(wait_for(&answers, answers + 1, 5000));
	ck_assert_str_eq(last_error, error);
}

START_TEST(an_empty_answer_of_which_more_follows_is_a_refusal)
{
	connect_up();
	more = true;
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	expect_answer("the server refused it: it costs too much");
	ck_assert_int_eq(downs, 0);
}
END_TEST

/* It costs the query an error, not the link; what follows it is understood. */
START_TEST(an_answer_that_is_too_long_is_skipped)
{
	size_t size = CHATTER_MAX_FRAME + 100000, left = size;
	static const char zeros[1 << 20];

	connect_up();
	mute = true;
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	int64_t conversation = link_.asked[0].conversation;
	listening.server.out.limit = 2 * size;
	chatter_begin(&listening.server.chatter, &(struct chatter_conv){ conversation, false },
	    "HatEventer.MsgQueryRes", true, size);
	for (; left; left -= left < sizeof(zeros) ? left : sizeof(zeros))
		buffer_append(
		    &listening.server.out, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
	eventer_send_status_notify(&listening.server.chatter, EVENTER_OPERATIONAL);
	conn_flush(&listening.server);
	expect_answer("the answer is longer than 32 MiB");
	int never = 0;
	while (status != EVENTER_OPERATIONAL && downs == 0)
		wait_for(&never, 1, 10);
	ck_assert_int_eq(downs, 0);
	ck_assert_uint_lt(link_.conn.chatter.in.size, 8 << 20);
}
END_TEST

START_TEST(a_large_answer_is_given_out_in_parts)
{
	connect_up();
	answers_large = true;
	ck_assert_int_eq(eventlink_query(&link_, &none, on_large, &link_), 0);
	ck_assert(wait_for(&acks, 1, 5000));
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(large_events, LARGE);
	ck_assert_int_ge(large_parts, 5);
	ck_assert_int_eq(events, 1);
	ck_assert_int_eq(downs, 0);
}
END_TEST

START_TEST(the_link_may_go_off_in_a_part)
{
	connect_up();
	answers_large = off_in_part = true;
	ck_assert_int_eq(eventlink_query(&link_, &none, on_large, &link_), 0);
	ck_assert(wait_for(&large_parts, 1, 5000));
	ck_assert_int_eq(eventlink_state(&link_), LINK_OFF);
	off_in_part = answers_large = false;
	ups = 0;
	connect_up();
	ck_assert_int_eq(large_parts, 1);
	ck_assert_int_eq(answers, 0);
}
END_TEST

START_TEST(registers_are_answered)
{
	connect_up();
	ck_assert_int_eq(eventlink_register(&link_, 0, "", 0, on_answer, &link_), 0);
	expect_answer("");
	fail = true;
	ck_assert_int_eq(eventlink_register(&link_, 0, "", 0, on_answer, &link_), 0);
	expect_answer("the Event Server refused it");
	ck_assert_int_eq(eventlink_register(&link_, 0, "", 0, NULL, NULL), 0);
	ck_assert_uint_eq(link_.asked_count, 0);
}
END_TEST

/* What does not fit is refused, and the link stays. */
START_TEST(more_than_fits_is_not_tried)
{
	char *large = calloc(1, CONN_MAX_OUT);

	connect_up();
	ck_assert_int_eq(eventlink_register(&link_, 1, large, CONN_MAX_OUT, NULL, NULL), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_eq(link_.conn.out.len, 0);
	ck_assert(!buffer_failed(&link_.conn.out));
	free(large);
}
END_TEST

START_TEST(queries_are_bounded)
{
	connect_up();
	for (int i = 0; i < LINK_MAX_ASKED; i++)
		ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), 0);
	ck_assert_int_eq(eventlink_query(&link_, &none, on_answer, &link_), -1);
	ck_assert_int_eq(errno, ENOBUFS);
}
END_TEST

START_TEST(an_answer_to_no_query_ends_it)
{
	connect_up();
	eventer_begin_query_res(
	    &listening.server.chatter, (struct chatter_conv){ 77, false }, 0, 0);
	eventer_put_query_more(&listening.server.chatter, false);
	ck_assert(wait_for(&downs, 1, 5000));
}
END_TEST

/* A device that waits for room while the server takes nothing is told once when there is room
 * again. */
START_TEST(room_comes_back)
{
	static const char event[400] = { 0 };
	struct eventer_prefix prefix = { 0 };
	struct sbs_str type[] = { { "x", 1 } };
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_BINARY,
		.data = { event, sizeof(event) } };
	struct buffer b;
	int put = 0;

	buffer_init(&b, 4096);
	eventer_put_register_event(&b, &prefix, type, 1, NULL, &payload);
	connect_up();
	ev_io_stop(loop, &listening.server.readable);
	for (; eventlink_unsent(&link_) < GATE_ROOM; put++) {
		ck_assert_int_eq(
		    eventlink_register(&link_, 1, buffer_data(&b), b.len, NULL, NULL), 0);
		eventlink_flush(&link_);
		ck_assert_int_lt(put, 100000);
	}
	eventlink_want_room(&link_);
	ck_assert_int_eq(rooms, 0);
	ev_io_start(loop, &listening.server.readable);
	ck_assert(wait_for(&registered, put, 5000));
	ck_assert_int_eq(registered, put);
	ck_assert_int_eq(rooms, 1);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, comes_up_and_goes_off_without_a_word);
	tcase_add_test(tc, a_refusal_is_waited_out_longer_each_time);
	tcase_add_test(tc, a_short_link_does_not_reset_the_backoff);
	tcase_add_test(tc, events_status_and_acknowledgement);
	tcase_add_test(tc, malformed_events_end_it);
	tcase_add_test(tc, queries_are_answered_or_dropped);
	tcase_add_test(tc, an_empty_answer_of_which_more_follows_is_a_refusal);
	tcase_add_test(tc, an_answer_that_is_too_long_is_skipped);
	tcase_add_test(tc, registers_are_answered);
	tcase_add_test(tc, more_than_fits_is_not_tried);
	tcase_add_test(tc, queries_are_bounded);
	tcase_add_test(tc, an_answer_to_no_query_ends_it);
	tcase_add_test(tc, a_large_answer_is_given_out_in_parts);
	tcase_add_test(tc, the_link_may_go_off_in_a_part);
	tcase_add_test(tc, room_comes_back);
}

UNIT_MAIN("eventlink")
