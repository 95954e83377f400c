#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/child/child_private.h"
#include "supervisor/child/process_private.h"
#include "tests/unit/suite.h"

static const struct config_device conf = { .name = "d",
	.type = "t",
	.label = "d",
	.limits = { .credit = CONFIG_CREDIT_MIN,
	    .types = CONFIG_TYPES_MAX,
	    .ping_ms = 1000,
	    .stop_ms = 1000 } };
static const struct channel_handler channel_handler = { .on_message = child_on_message,
	.on_register = child_on_register };
static struct ev_loop *loop;
static struct child *c;
static int runner, violations_logged, faults;

static void
sink(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device, (void)text;
	violations_logged += event && strcmp(event, "protocol_violation") == 0;
}

static void
ignore_state(void *arg, struct child *child, enum child_state before)
{
	(void)arg, (void)child, (void)before;
}

static void
on_config_fault(void *arg, struct child *child, enum schema_severity severity, const char *path,
    const char *message)
{
	(void)arg, (void)child, (void)severity, (void)path, (void)message;
	faults++;
}

static const struct child_ops ops = { .on_state = ignore_state,
	.on_config_fault = on_config_fault };

/* A child whose runner is the test: it starts no process. */
static void
begin(void)
{
	static const struct sbs_str segments[] = { { "gateway", 7 }, { "t", 1 }, { "d", 1 } };
	static struct child_host host;
	int fds[2];

	log_set_sink(sink);
	violations_logged = faults = 0;
	loop = ev_loop_new(EVFLAG_NOENV);
	host = (struct child_host){ .loop = loop, .zone = "", .ops = &ops };
	c = child_new(&host, &conf, segments, 3, LOG_LEVEL_INFO, &host);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_eq(child_owner(c), &host);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	c->process->fsm.state = CHILD_STARTING;
	c->process->pid = 0x3fffffff; /* nobody */
	channel_open(&c->channel, loop, fds[0], IPC_RUNNER, &channel_handler, c);
	runner = fds[1];
}

static void
end(void)
{
	c->process->pid = 0;
	child_free(c);
	close(runner);
	ev_loop_destroy(loop);
}

static void
assert_violated(const char *why)
{
	ck_assert(process_is_violating(c->process));
	ck_assert_uint_eq(child_stats(c)->violations, 1);
	ck_assert_int_eq(violations_logged, 1);
	ck_assert_str_eq(c->process->violation, why);
}

/* Answers pile up: counted and logged as each violation is. */
START_TEST(one_that_does_not_read_its_socket)
{
	char why[IPC_MAX_TEXT];

	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	c->channel.phase = PHASE_RUN;
	for (uint32_t id = 0; id < 100000; id++)
		child_on_opened(c, id, -1, 1, why);
	assert_violated("does not read its socket");
}
END_TEST

START_TEST(one_that_does_not_read_its_events)
{
	static const struct sbs_str segments[] = { { "gateway", 7 }, { "t", 1 }, { "d", 1 },
		{ "system", 6 } };
	static char json[32 * 1024];
	struct eventer_event e = { .payload = { .kind = EVENTER_PAYLOAD_JSON } };

	memset(json, '1', sizeof(json));
	e.payload.data = (struct sbs_str){ json, sizeof(json) };
	e.type.count = 4;
	memcpy(e.type.segments, segments, sizeof(segments));
	c->channel.phase = PHASE_RUN;
	for (int i = 0; i < 1000; i++) {
		child_put_event(c, &e);
		child_flush_events(c);
	}
	assert_violated("does not read its socket");
}
END_TEST

static size_t pages, rows_told;
static bool ended;

static void
on_page(void *arg, const msgpack_object_array *rows, uint32_t next)
{
	(void)arg, (void)next;
	pages += rows != NULL;
	rows_told += rows ? rows->size : 0;
	ended |= !rows;
}

static void
say(enum ipc_type type, uint32_t id, const char *body, size_t len)
{
	uint8_t packet[256] = { (uint8_t)type, 0, 0, 0, (uint8_t)id };

	memcpy(packet + IPC_HEADER, body, len);
	ck_assert_int_eq(send(runner, packet, IPC_HEADER + len, 0), (ssize_t)(IPC_HEADER + len));
	ev_run(loop, EVRUN_NOWAIT);
}

#define ROW "\x96\xa1x\xa0\xa0\xc0\x90\xc0"
#define SAY(type, id, body) say(IPC_##type, id, body, sizeof(body) - 1)

START_TEST(descriptions_are_answers)
{
	pages = rows_told = 0;
	ended = false;
	ck_assert_int_eq(child_describe(c, 0, on_page, c), -1);
	c->process->fsm.state = CHILD_RUNNING;
	c->channel.phase = PHASE_RUN;
	ck_assert_int_eq(child_describe(c, 0, on_page, c), 0);
	SAY(DESCRIPTION, 1, "\x92\x02\x92" ROW ROW);
	ck_assert_uint_eq(rows_told, 2);
	for (int i = 0; i < IPC_MAX_DESCRIBES; i++)
		ck_assert_int_eq(child_describe(c, 2, on_page, c), 0);
	ck_assert_int_eq(child_describe(c, 2, on_page, c), -1);
	/* Nobody waits for them any more, and the runner cannot know. */
	child_forget_description(c, c);
	SAY(DESCRIPTION, 3, "\x92\xc0\x91" ROW);
	ck_assert_uint_eq(pages, 1);
	ck_assert_int_eq(child_describe(c, 2, on_page, c), 0);
	SAY(DESCRIPTION, 6, "\x92\x02\x90");
	ck_assert_uint_eq(pages, 1);
	assert_violated("a description without progress");
	child_describe_clear(c);
	ck_assert(ended);
}
END_TEST

START_TEST(descriptions_that_nobody_asked_for)
{
	c->process->fsm.state = CHILD_RUNNING;
	c->channel.phase = PHASE_RUN;
	SAY(DESCRIPTION, 0, "\x92\xc0\x90");
	assert_violated("an unsolicited description");
}
END_TEST

START_TEST(faults_of_a_configuration_without_end)
{
	/* A warning, of "x": "y". */
	static const char packet[] = "\x21\0\0\0\0\0\0\0\x93\0\xa1x\xa1y";

	for (int i = 0; i < 2 * REQUESTS_MAX_MESSAGES && !process_is_violating(c->process); i++) {
		ck_assert_int_gt(send(runner, packet, sizeof(packet) - 1, 0), 0);
		ev_run(loop, EVRUN_NOWAIT);
		/* All in one second. */
		c->requests.second = ev_now(loop);
	}
	assert_violated("a flood of messages");
	ck_assert_int_eq(faults, CONFIG_MAX_FAULTS);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, one_that_does_not_read_its_socket);
	tcase_add_test(tc, one_that_does_not_read_its_events);
	tcase_add_test(tc, descriptions_are_answers);
	tcase_add_test(tc, descriptions_that_nobody_asked_for);
	tcase_add_test(tc, faults_of_a_configuration_without_end);
}

UNIT_MAIN("child")
