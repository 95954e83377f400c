/*
 * engine.c between an Event Server of the test's own on a Unix socket, and children whose programs
 * are not there: one that is started dies at once. If a runner is to say something, the test is
 * the runner.
 */
#include <stdio.h>
#include <string.h>

#include "common/fdutil.h"
#include "ipc/event.h"
#include "supervisor/child/child_private.h"
#include "supervisor/child/process_private.h"
#include "supervisor/engine/engine_private.h"
#include "tests/unit/suite.h"
#include "tests/unit/until.h"
#include "tests/unit/supervisor/engine/listening.h"

enum { MAX_LINES = 64, NOBODY = 0x3fffffff /* a pid that no process has */ };

static struct ev_loop *loop;
static struct broker *broker;
static struct listening listening;
static struct engine engine;
static enum eventer_status server_status;
static char lines[MAX_LINES][96]; /* what the server was sent */
static int line_count, lefts;
/* The type of the one event that a query is answered with, payload true; NULL: none. */
static const char *preset;
static bool holds_answers; /* queries stay unanswered until send_answer() */
static struct chatter_conv held;

static char *const types[] = { "t", "t", "u" }, *const names[] = { "a", "b", "c" };
static struct config_device devices[3];
static struct config config;

/* --- the server --- */

static void
note(const char *what, const struct eventer_type *type, struct sbs_str payload)
{
	char text[sizeof(lines[0])];
	int n = snprintf(text, sizeof(text), "%s ", what);

	for (size_t i = 0; i < type->count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%.*s", i ? "/" : "",
		    (int)type->segments[i].len, type->segments[i].p);
	if (payload.len)
		snprintf(text + n, sizeof(text) - (size_t)n, " %.*s", (int)payload.len, payload.p);
	ck_assert_int_lt(line_count, MAX_LINES);
	memcpy(lines[line_count++], text, sizeof(text));
}

static void
note_types(const char *what, const struct eventer_types *list)
{
	struct eventer_types_iter it = eventer_types_begin(list);
	struct eventer_type type;

	while (eventer_types_next(&it, &type))
		note(what, &type, (struct sbs_str){ 0 });
}

/* An encoded Event. */
static void
put_event(struct buffer *b, const char *type_text, const char *json)
{
	const struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON,
		.data = sbs_str(json) };
	const struct eventer_id id = { 1, 1, 1 };
	const struct timestamp now = { 1700000000, 0 };
	struct buffer type, rest;

	buffer_init(&type, 1000);
	buffer_init(&rest, 1000);
	eventer_put_type_text(&type, type_text);
	eventer_put_rest(&rest, NULL, &payload);
	eventer_put_event(b, &id, (struct sbs_str){ (char *)buffer_data(&type), type.len }, &now,
	    (struct sbs_str){ (char *)buffer_data(&rest), rest.len });
	buffer_clear(&type);
	buffer_clear(&rest);
}

static void
send_answer(void)
{
	struct buffer b;

	buffer_init(&b, 1000);
	if (preset)
		put_event(&b, preset, "true");
	eventer_begin_query_res(&listening.server.chatter, held, preset != NULL, b.len);
	buffer_append(&listening.server.out, buffer_data(&b), b.len);
	eventer_put_query_more(&listening.server.chatter, false);
	buffer_clear(&b);
}

static void
send_event(const char *type, const char *json)
{
	struct buffer b;

	buffer_init(&b, 1000);
	put_event(&b, type, json);
	eventer_begin_events_notify(&listening.server.chatter, 1, b.len, false);
	buffer_append(&listening.server.out, buffer_data(&b), b.len);
	buffer_clear(&b);
}

static void
on_init(const struct chatter_msg *msg)
{
	const struct eventer_init_res res = { .success = true, .status = server_status };
	struct eventer_init_req req;

	ck_assert_int_eq(eventer_init_req_decode(msg->data, &req), DEC_OK);
	note_types("subscribed", &req.subscriptions);
	eventer_send_init_res(&listening.server.chatter, chatter_msg_conv(msg), &res);
}

static void
on_register(const struct chatter_msg *msg)
{
	struct eventer_events_iter it;
	struct eventer_event e;

	ck_assert_int_eq(eventer_register_req_decode(msg->data, &it), DEC_OK);
	while (eventer_events_next(&it, &e))
		note("registered", &e.type, e.payload.data);
	if (!msg->last)
		eventer_begin_register_res(&listening.server.chatter, chatter_msg_conv(msg), 0, 0);
}

static void
on_query(const struct chatter_msg *msg)
{
	struct eventer_query q;

	ck_assert_int_eq(eventer_query_req_decode(msg->data, &q), DEC_OK);
	note_types("asked", &q.types);
	held = chatter_msg_conv(msg);
	if (!holds_answers)
		send_answer();
}

static void
server_message(void *arg, const struct chatter_msg *msg)
{
	(void)arg;
	switch (eventer_msg_parse(msg->type)) {
	case EVENTER_INIT_REQ:
		on_init(msg);
		break;
	case EVENTER_REGISTER_REQ:
		on_register(msg);
		break;
	case EVENTER_QUERY_REQ:
		on_query(msg);
		break;
	}
}

static void
server_closed(void *arg, const char *why)
{
	(void)arg, (void)why;
}

static const struct conn_handler server_handler = { server_message, server_closed, NULL };

/* --- the engine --- */

static void
on_left(void *arg)
{
	ck_assert_ptr_eq(arg, &engine);
	lefts++;
}

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	broker = broker_new(loop, NULL);
	listening_open(&listening, loop, &server_handler);
	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < 3; i++)
		devices[i] = (struct config_device){ .name = names[i],
			.type = types[i],
			.label = names[i],
			.family = "no-such-program",
			.limits = { .credit = CONFIG_CREDIT_MIN,
			    .types = CONFIG_TYPES_MAX,
			    .ping_ms = 1000,
			    .stop_ms = 1000 } };
	config = (struct config){ .name = "g", .devices = devices, .device_count = 3 };
	line_count = lefts = 0;
	preset = NULL;
	holds_answers = false;
	server_status = EVENTER_OPERATIONAL;
	ck_assert_int_eq(
	    engine_init(&engine, loop, broker, NULL, &config, listening.folder, ""), 0);
}

static struct child *
child(size_t i)
{
	return engine_device_child(&engine, i);
}

static void
teardown(void)
{
	for (size_t i = 0; i < engine_device_count(&engine); i++)
		if (child(i)->process->pid == NOBODY)
			child(i)->process->pid = 0;
	engine_clear(&engine);
	listening_close(&listening);
	broker_free(broker);
	ev_loop_destroy(loop);
}

static void
flush_server(void)
{
	conn_flush(&listening.server);
}

#define ENGINE_UNTIL(condition) UNTIL(loop, condition, flush_server)

static int
count(const char *line)
{
	int n = 0;

	for (int i = 0; i < line_count; i++)
		n += strcmp(lines[i], line) == 0;
	return n;
}

/* Engine and server have nothing more to say to each other: what one says now is answered. */
static void
settle(void)
{
	int before = count("registered gateway/t/a/settled");
	struct buffer b;
	const struct eventer_prefix none = { 0 };
	const struct sbs_str type[] = { { "gateway", 7 }, { "t", 1 }, { "a", 1 },
		{ "settled", 7 } };

	buffer_init(&b, 1000);
	eventer_put_register_event(&b, &none, type, 4, NULL, NULL);
	ck_assert_int_eq(engine_register(&engine, 1, &b, NULL, NULL), 0);
	ENGINE_UNTIL(count("registered gateway/t/a/settled") > before);
}

static void
connect_engine(void)
{
	engine_connect(&engine, &(struct eventlink_target){ .unix_path = listening.path });
	ENGINE_UNTIL(eventlink_state(engine_link(&engine)) == LINK_UP);
}

/* Connected, and knows what is enabled. */
static void
start(void)
{
	connect_engine();
	ENGINE_UNTIL(count("asked gateway/u/c/system/enable"));
	settle();
}

static bool
wanted(size_t i)
{
	return child_is_wanted(child(i));
}

/* The test is the runner of device i from now on; returns its end of the channel. */
static int
become_runner(size_t i)
{
	static const struct channel_handler handler = { .on_message = child_on_message,
		.on_register = child_on_register };
	struct child *c = child(i);
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	c->process->fsm.state = CHILD_RUNNING;
	c->process->fsm.wanted = true;
	c->process->pid = NOBODY;
	channel_open(&c->channel, loop, fds[0], IPC_RUNNER, &handler, c);
	c->channel.phase = PHASE_RUN;
	uplink_begin(&c->uplink);
	return fds[1];
}

/* REGISTER of one event. */
static void
say_register(int runner, const char *what, const char *json)
{
	uint8_t packet[512] = { IPC_REGISTER };
	struct ipc_event e = { .count = 2, .payload = IPC_PAYLOAD_JSON };

	e.segments[0] = (struct ipc_text){ "gateway", 7 };
	e.segments[1] = (struct ipc_text){ what, strlen(what) };
	e.data = (struct ipc_text){ json, strlen(json) };
	packet[IPC_HEADER] = 0x91; /* an array of one */
	size_t len = (size_t)(ipc_event_write(&e, packet + IPC_HEADER + 1) - packet);
	ck_assert_int_eq(send(runner, packet, len, 0), (ssize_t)len);
}

START_TEST(it_subscribes_asks_and_says_what_is_not_running)
{
	start();
	ck_assert_int_eq(count("subscribed gateway/t/a/system/*"), 1);
	ck_assert_int_eq(count("subscribed gateway/u/c/system/*"), 1);
	ck_assert_int_eq(count("registered gateway/t/a/gateway/running false"), 1);
	ck_assert_int_eq(count("registered gateway/t/b/gateway/running false"), 1);
	ck_assert_int_eq(count("registered gateway/u/c/gateway/running false"), 1);
	ck_assert_int_eq(count("asked gateway/t/a/system/enable"), 1);
	for (size_t i = 0; i < 3; i++)
		ck_assert(!wanted(i));
}
END_TEST

START_TEST(seed_naming_is_one_subscription)
{
	engine_clear(&engine);
	config.name_in_types = true;
	ck_assert_int_eq(
	    engine_init(&engine, loop, broker, NULL, &config, listening.folder, ""), 0);
	connect_engine();
	ENGINE_UNTIL(count("asked gateway/g/u/c/system/enable"));
	ck_assert_int_eq(count("subscribed gateway/g/?/?/system/*"), 1);
	ck_assert_str_eq(lines[0], "subscribed gateway/g/?/?/system/*");
	ck_assert(strncmp(lines[1], "subscribed", 10) != 0);
}
END_TEST

START_TEST(what_was_enabled_before_is_started)
{
	preset = "gateway/t/b/system/enable";
	start();
	ENGINE_UNTIL(wanted(1));
	/* Its program is not there: it is tried again later. */
	ENGINE_UNTIL(child_state(child(1)) == CHILD_BACKOFF);
	ck_assert(!wanted(0));
	ck_assert(!wanted(2));
}
END_TEST

static const struct {
	const char *payload;
	bool on;
} enables[] = {
	{ "true", true },
	{ "false", false },
	{ "1", false },
	{ "null", false },
	{ "\"true\"", false },
	{ "{}", false },
	{ "tru", false },
};

START_TEST(an_enable_is_true_and_nothing_else)
{
	start();
	send_event("gateway/t/a/system/enable", enables[_i].payload);
	/* The order is kept: when this one counts, the other has. */
	send_event("gateway/u/c/system/enable", "true");
	ENGINE_UNTIL(wanted(2));
	ck_assert_int_eq(wanted(0), enables[_i].on);
	ck_assert(!wanted(1));
}
END_TEST

START_TEST(a_disable_stops_one_device)
{
	start();
	send_event("gateway/t/a/system/enable", "true");
	send_event("gateway/t/b/system/enable", "true");
	ENGINE_UNTIL(wanted(0) && wanted(1));
	send_event("gateway/t/a/system/enable", "false");
	ENGINE_UNTIL(!wanted(0));
	ENGINE_UNTIL(child_state(child(0)) == CHILD_DISABLED);
	ck_assert(wanted(1));
}
END_TEST

START_TEST(what_was_notified_is_newer_than_an_answer)
{
	preset = "gateway/t/a/system/enable";
	holds_answers = true;
	start();
	send_event("gateway/t/a/system/enable", "false");
	send_event("gateway/u/c/system/enable", "true");
	ENGINE_UNTIL(wanted(2));
	send_answer();
	settle();
	ck_assert(!wanted(0));
}
END_TEST

/* What an operator disables stays so, whatever answer is still under way. */
START_TEST(an_operator_disables_at_once)
{
	preset = "gateway/t/a/system/enable";
	holds_answers = true;
	start();
	engine_disable(engine_find(&engine, "a"));
	send_answer();
	settle();
	ck_assert(!wanted(0));
}
END_TEST

START_TEST(a_type_that_only_looks_like_an_enable)
{
	start();
	send_event("gateway/t/a/system/enable/x", "true");
	send_event("gateway/t/a/system", "true");
	send_event("gateway/t/other/system/enable", "true");
	send_event("gateway/u/c/system/enable", "true");
	ENGINE_UNTIL(wanted(2));
	ck_assert(!wanted(0));
	ck_assert_uint_eq(engine.unrouted, 1);
}
END_TEST

START_TEST(a_lost_link_ends_all_devices)
{
	start();
	send_event("gateway/t/a/system/enable", "true");
	send_event("gateway/u/c/system/enable", "true");
	ENGINE_UNTIL(wanted(0) && wanted(2));
	conn_close(&listening.server);
	ENGINE_UNTIL(!wanted(0) && !wanted(2));
	ck_assert_int_ne(eventlink_state(engine_link(&engine)), LINK_UP);
	/* The next connection is a new engine: it says and asks again. */
	line_count = 0;
	ENGINE_UNTIL(count("asked gateway/u/c/system/enable"));
	ck_assert_int_eq(count("registered gateway/t/a/gateway/running false"), 1);
	settle();
	ck_assert(!wanted(0));
}
END_TEST

START_TEST(where_it_must_be_operational_devices_wait_for_it)
{
	config.require_operational = true;
	server_status = EVENTER_STANDBY;
	preset = "gateway/t/a/system/enable";
	connect_engine();
	ck_assert_int_eq(count("asked gateway/t/a/system/enable"), 0);
	eventer_send_status_notify(&listening.server.chatter, EVENTER_OPERATIONAL);
	ENGINE_UNTIL(wanted(0));
	eventer_send_status_notify(&listening.server.chatter, EVENTER_STOPPING);
	ENGINE_UNTIL(!wanted(0));
	ck_assert_int_eq(eventlink_state(engine_link(&engine)), LINK_UP);
}
END_TEST

START_TEST(what_a_device_registers_arrives)
{
	start();
	int runner = become_runner(1);
	say_register(runner, "x", "17");
	say_register(runner, "y", "[]");
	ENGINE_UNTIL(count("registered gateway/t/b/gateway/y []"));
	ck_assert_int_eq(count("registered gateway/t/b/gateway/x 17"), 1);
	close(runner);
}
END_TEST

START_TEST(what_a_device_registers_without_a_link_is_dropped)
{
	start();
	int runner = become_runner(1);
	listening_close(&listening);
	ENGINE_UNTIL(eventlink_state(engine_link(&engine)) != LINK_UP);
	say_register(runner, "x", "17");
	ENGINE_UNTIL(child_stats(child(1))->dropped);
	ck_assert(!child_has_pending(child(1)));
	ck_assert_int_eq(count("registered gateway/t/b/gateway/x 17"), 0);
	close(runner);
}
END_TEST

START_TEST(an_event_for_a_device_reaches_its_runner_alone)
{
	uint8_t packet[512];
	ssize_t n = -1;

	start();
	int a = become_runner(0), b = become_runner(1);
	send_event("gateway/t/b/system/data/single", "{\"value\": 1}");
	ENGINE_UNTIL((n = recv(b, packet, sizeof(packet), MSG_DONTWAIT)) > 0);
	ck_assert_int_eq(packet[0], IPC_EVENTS);
	ck_assert_ptr_nonnull(memmem(packet, (size_t)n, "{\"value\": 1}", 12));
	ck_assert_int_eq(recv(a, packet, sizeof(packet), MSG_DONTWAIT), -1);
	close(a);
	close(b);
}
END_TEST

START_TEST(it_leaves_when_devices_have_ended)
{
	start();
	send_event("gateway/t/a/system/enable", "true");
	ENGINE_UNTIL(child_state(child(0)) == CHILD_BACKOFF);
	engine_disconnect(&engine, on_left, &engine);
	ck_assert(engine_is_leaving(&engine));
	ck_assert(!wanted(0));
	/* The server closes when it has read everything. */
	ENGINE_UNTIL(lefts);
	ck_assert(!engine_is_leaving(&engine));
	ck_assert_int_eq(eventlink_state(engine_link(&engine)), LINK_OFF);
	ck_assert_int_eq(lefts, 1);
}
END_TEST

/* Not in the call, in order, and not where it is disabled meanwhile, or freed (teardown). */
START_TEST(enabled_devices_start_in_turn)
{
	start();
	for (size_t i = 0; i < 3; i++)
		engine_enable(engine.devices[i], true);
	engine_enable(engine.devices[2], true);
	ck_assert(!wanted(0) && !wanted(1) && !wanted(2));
	engine_enable(engine.devices[1], false);
	ENGINE_UNTIL(wanted(2));
	ck_assert(wanted(0) && !wanted(1));
	ck_assert_ptr_null(engine.starts.first);
	engine_enable(engine.devices[1], true);
	engine_enable(engine.devices[1], false);
	ck_assert_ptr_null(engine.starts.last);
	engine_enable(engine.devices[1], true);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_subscribes_asks_and_says_what_is_not_running);
	tcase_add_test(tc, seed_naming_is_one_subscription);
	tcase_add_test(tc, what_was_enabled_before_is_started);
	tcase_add_test(tc, enabled_devices_start_in_turn);
	tcase_add_table_test(tc, an_enable_is_true_and_nothing_else, enables);
	tcase_add_test(tc, a_disable_stops_one_device);
	tcase_add_test(tc, what_was_notified_is_newer_than_an_answer);
	tcase_add_test(tc, an_operator_disables_at_once);
	tcase_add_test(tc, a_type_that_only_looks_like_an_enable);
	tcase_add_test(tc, a_lost_link_ends_all_devices);
	tcase_add_test(tc, where_it_must_be_operational_devices_wait_for_it);
	tcase_add_test(tc, what_a_device_registers_arrives);
	tcase_add_test(tc, what_a_device_registers_without_a_link_is_dropped);
	tcase_add_test(tc, an_event_for_a_device_reaches_its_runner_alone);
	tcase_add_test(tc, it_leaves_when_devices_have_ended);
}

UNIT_MAIN("engine")
