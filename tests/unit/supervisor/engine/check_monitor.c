/* monitor.c over a socket, its Monitor Server is this test. */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/engine/monitor.h"
#include "tests/unit/suite.h"
#include "tests/unit/until.h"

static struct ev_loop *loop;
static struct broker *broker;
static struct monitor monitor;
static struct config config;
static int listener = -1, peer = -1;
static int changes, losses;
static char why_lost[128];

/* This side's chatter: what it sends is put into out, what it hears is in heard. */
static struct chatter chatter;
static struct buffer out;
static struct observer_client heard;
static int clients_heard;

static void
on_change(void *arg)
{
	(void)arg;
	changes++;
}

static void
on_lost(void *arg, const char *why)
{
	(void)arg;
	losses++;
	strncpy(why_lost, why, sizeof(why_lost) - 1);
}

static const struct monitor_handler handler = { on_change, on_lost };

static void
setup(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	loop = ev_loop_new(EVFLAG_AUTO);
	broker = broker_new(loop, NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	config = (struct config){ .server_host = "127.0.0.1",
		.server_port = ntohs(a.sin_port),
		.component_name = "gw",
		.gateway_group = "gateways",
		.event_server_group = "events" };
	changes = losses = clients_heard = 0;
	peer = -1;
	buffer_init(&out, 1 << 20);
	chatter_init(&chatter, &out, CHATTER_MAX_FRAME, monotime_now());
}

static void
teardown(void)
{
	monitor_close(&monitor);
	broker_free(broker);
	chatter_clear(&chatter);
	buffer_clear(&out);
	close(listener);
	if (peer >= 0)
		close(peer);
	ev_loop_destroy(loop);
}

static void
hear(void)
{
	struct chatter_msg msg;
	size_t size;
	uint8_t *room = chatter_room(&chatter, 4096, &size);
	ssize_t n = recv(peer, room, size, MSG_DONTWAIT);

	if (n <= 0)
		return;
	chatter_fed(&chatter, (size_t)n, monotime_now());
	while (chatter_next(&chatter, &msg) == DEC_OK) {
		ck_assert_int_eq(observer_msg_parse(msg.type), OBSERVER_CLIENT);
		ck_assert_int_eq(observer_client_decode(msg.data, &heard), DEC_OK);
		clients_heard++;
	}
}

static void
accept_and_hear(void)
{
	if (peer < 0)
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer >= 0)
		hear();
}

#define MONITOR_UNTIL(condition) UNTIL(loop, condition, accept_and_hear)

static void
flush(void)
{
	ck_assert_int_eq(send(peer, buffer_data(&out), out.len, 0), (ssize_t)out.len);
	buffer_reset(&out);
}

/* MsgServer: we are cid 3; an Event Server at port 9 where es says so. */
static void
say(struct observer_token req, struct observer_token res, bool es)
{
	struct buffer b;
	struct observer_component us = {
		.cid = 3, .data = sbs_str("null"), .req_token = req, .res_token = res, .ready = true
	};
	struct observer_component server = { .cid = 4,
		.has_group = true,
		.group = sbs_str("events"),
		.data = sbs_str("{\"server_id\":1,\"server_token\":null,"
				"\"eventer_server\":{\"host\":\"h\",\"port\":9}}"),
		.req_token = { true, 1 },
		.res_token = { true, 1 } };

	buffer_init(&b, 100000);
	sbs_put_int(&b, 3);
	sbs_put_int(&b, 0);
	sbs_put_int(&b, es ? 2 : 1);
	observer_put_component(&b, &us);
	if (es)
		observer_put_component(&b, &server);
	chatter_send(&chatter, NULL, "HatObserver.MsgServer", true,
	    (struct sbs_str){ (const char *)buffer_data(&b), b.len });
	buffer_clear(&b);
	flush();
}

static const struct observer_token none = { 0 }, seven = { true, 7 };

static void
open_it(void)
{
	ck_assert_int_eq(monitor_open(&monitor, loop, broker, &config, &handler, NULL), 0);
	MONITOR_UNTIL(clients_heard == 1);
}

START_TEST(says_who_it_is_and_that_it_is_ready)
{
	open_it();
	ck_assert(sbs_str_eq(heard.name, sbs_str("gw")));
	ck_assert(sbs_str_eq(heard.group, sbs_str("gateways")));
	ck_assert(sbs_str_eq(heard.data, sbs_str("null")));
	ck_assert(heard.ready && !heard.token.set);
	ck_assert_int_eq(changes, 0);
}
END_TEST

START_TEST(is_blessed_and_gives_the_token_back_when_released)
{
	open_it();
	say(seven, none, true);
	MONITOR_UNTIL(clients_heard == 2);
	ck_assert(heard.token.set && heard.token.v == 7);
	say(seven, seven, true);
	MONITOR_UNTIL(monitor.observer.active);
	ck_assert_int_eq(monitor.observer.event_server.port, 9);
	int before = changes;
	say(none, seven, true);
	MONITOR_UNTIL(!monitor.observer.active);
	ck_assert_int_eq(changes, before + 1);
	ck_assert_int_eq(clients_heard, 2); /* the token is held until all has stopped */
	monitor_release(&monitor);
	MONITOR_UNTIL(clients_heard == 3);
	ck_assert(heard.ready && !heard.token.set);
	monitor_release(&monitor); /* nothing is left to release */
	say(seven, none, false);
	MONITOR_UNTIL(clients_heard == 4);
	ck_assert(heard.token.set && heard.token.v == 7);
}
END_TEST

START_TEST(is_lost_once)
{
	open_it();
	shutdown(peer, SHUT_RDWR);
	MONITOR_UNTIL(losses == 1);
	monitor_release(&monitor);
	ck_assert_int_eq(losses, 1);
}
END_TEST

START_TEST(is_asked_to_close)
{
	open_it();
	chatter_send(&chatter, NULL, "HatObserver.MsgClose", true, sbs_str(""));
	flush();
	MONITOR_UNTIL(losses == 1);
	ck_assert_str_eq(why_lost, "it asked this gateway to close");
	ck_assert(!conn_is_open(&monitor.conn));
}
END_TEST

START_TEST(does_not_listen_to_nonsense)
{
	static const char *const types[] = { "HatObserver.MsgServer", "HatObserver.MsgClient",
		"HatEventer.MsgInitReq" };

	open_it();
	chatter_send(&chatter, NULL, types[_i], true, sbs_str("\x81\x80\xff"));
	flush();
	MONITOR_UNTIL(losses == 1);
}
END_TEST

START_TEST(is_unreachable)
{
	close(listener);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(monitor_open(&monitor, loop, broker, &config, &handler, NULL), 0);
	MONITOR_UNTIL(losses == 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, says_who_it_is_and_that_it_is_ready);
	tcase_add_test(tc, is_blessed_and_gives_the_token_back_when_released);
	tcase_add_test(tc, is_lost_once);
	tcase_add_test(tc, is_asked_to_close);
	tcase_add_loop_test(tc, does_not_listen_to_nonsense, 0, 3);
	tcase_add_test(tc, is_unreachable);
}

UNIT_MAIN("monitor")
