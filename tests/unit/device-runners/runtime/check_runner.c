/* The runtime's traffic of events, with the test at the supervisor's end of the socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-runners/runtime/runner_private.h"
#include "tests/unit/device-runners/fake_runner.h"
#include "tests/unit/suite.h"

static struct runner r;
static int far = -1;
static int credits, events_heard, ends_heard;
static char last_heard[256];

static void
on_credit(void *device)
{
	(void)device;
	credits++;
}

static const struct runner_device device = { .type = "test", .on_credit = on_credit };
static const char *const type[] = { "gateway", "data", "x" };

static void
setup(void)
{
	far = fake_runner_open(&r, &device);
	r.started = true;
	r.channel.phase = PHASE_RUN;
	credits = events_heard = ends_heard = 0;
}

static void
teardown(void)
{
	fake_runner_close(&r, far);
}

struct heard {
	int count;
	uint64_t cost;
	long first, last; /* the events' payloads, numbers */
};

static long
number_of(const msgpack_object *event)
{
	const msgpack_object_str *s = &event->via.array.ptr[2].via.str;
	char text[32];

	snprintf(text, sizeof(text), "%.*s", (int)s->size, s->ptr);
	return strtol(text, NULL, 10);
}

/* One packet as the supervisor would take it: checked; its events, its cost. count -1: none. */
static struct heard
hear(enum ipc_type want)
{
	static uint8_t packet[IPC_MAX_MESSAGE + 1];
	static msgpack_unpacked u;
	struct ipc_header h;
	struct heard heard = { .count = -1 };

	ssize_t n = recv(far, packet, sizeof(packet), 0);
	if (n < 0)
		return heard;
	const char *why = ipc_check(packet, (size_t)n, IPC_RUNNER, PHASE_RUN, &h);
	ck_assert_msg(!why, "%s", why);
	ck_assert_int_eq(h.type, want);
	msgpack_unpacked_init(&u);
	ck_assert_int_eq(
	    msgpack_unpack_next(&u, (char *)packet + IPC_HEADER, (size_t)n - IPC_HEADER, NULL),
	    MSGPACK_UNPACK_SUCCESS);
	const msgpack_object_array *a = &u.data.via.array;
	heard.count = (int)a->size;
	heard.cost = (uint64_t)n - IPC_HEADER - (a->size < 16 ? 1 : 3) + a->size * IPC_EVENT_COST;
	if (want == IPC_REGISTER && a->size) {
		heard.first = number_of(&a->ptr[0]);
		heard.last = number_of(&a->ptr[a->size - 1]);
	}
	msgpack_unpacked_destroy(&u);
	return heard;
}

/* Registers a payload that is a number, padded with spaces to len. */
static void
register_number(long v, size_t len)
{
	static char text[IPC_MAX_MESSAGE * 2];
	int n = snprintf(text, sizeof(text), "%ld", v);

	if (len > (size_t)n)
		memset(text + n, ' ', len - (size_t)n);
	runner_register(&r, type, 3, NULL, text, len > (size_t)n ? len : (size_t)n);
}

START_TEST(a_turn_is_one_message)
{
	for (long i = 0; i < 3; i++)
		register_number(i, 0);
	ck_assert_int_eq(hear(IPC_REGISTER).count, -1);
	runner_events_flush(&r);
	struct heard h = hear(IPC_REGISTER);
	ck_assert_int_eq(h.count, 3);
	ck_assert_int_eq(h.first, 0);
	ck_assert_int_eq(h.last, 2);
	ck_assert_uint_eq(r.credit, (1 << 20) - h.cost);
	runner_events_flush(&r);
	ck_assert_int_eq(hear(IPC_REGISTER).count, -1);
}
END_TEST

/* The device pauses when it is congested, so it has to hear of the end of that. */
START_TEST(credit_in_the_turn_in_which_events_began_to_wait)
{
	r.credit = 0;
	for (long i = 0; !runner_congested(&r) && i < 1000; i++)
		register_number(i, 4000);
	ck_assert(runner_congested(&r));
	runner_on_credit(&r, 1 << 20);
	ck_assert(!runner_congested(&r));
	ck_assert_int_eq(credits, 1);
}
END_TEST

START_TEST(without_credit_events_wait_in_order)
{
	r.credit = 0;
	register_number(0, 0);
	runner_events_flush(&r);
	ck_assert(runner_congested(&r));
	r.credit = 1 << 20;
	/* What comes later does not overtake. */
	register_number(1, 0);
	runner_events_flush(&r);
	ck_assert_int_eq(hear(IPC_REGISTER).count, -1);
	runner_on_credit(&r, 1000);
	ck_assert_int_eq(hear(IPC_REGISTER).first, 0);
	ck_assert_int_eq(hear(IPC_REGISTER).first, 1);
	ck_assert(!runner_congested(&r));
	ck_assert_int_eq(credits, 1);
	runner_on_credit(&r, 1000);
	ck_assert_int_eq(credits, 1);
}
END_TEST

START_TEST(an_event_that_is_too_long_is_left_out_alone)
{
	log_set_level(LOG_LEVEL_ERROR);
	register_number(0, 0);
	register_number(1, IPC_MAX_EVENT + 1);
	register_number(2, 0);
	register_number(3, IPC_MAX_EVENT - 64);
	register_number(4, 4 * IPC_MAX_MESSAGE / 2);
	register_number(5, 0);
	runner_events_flush(&r);
	struct heard h = hear(IPC_REGISTER);
	ck_assert_int_eq(h.count, 2);
	ck_assert_int_eq(h.last, 2);
	ck_assert_int_eq(hear(IPC_REGISTER).first, 3);
	ck_assert_int_eq(hear(IPC_REGISTER).first, 5);
	ck_assert_int_eq(hear(IPC_REGISTER).count, -1);
}
END_TEST

/* Any sizes, any portions of credit: every message is valid, none costs more than was given, the
 * order is kept, and with a whole message's credit something always moves. */
START_TEST(credit_is_never_exceeded_and_never_stuck)
{
	uint64_t given = r.credit = 64 * 1024;
	uint32_t x = 7;
	long next = 0, expected = 0;

	for (int turn = 0; turn < 3000; turn++) {
		x = x * 1664525 + 1013904223;
		for (uint32_t i = 0; i < (x >> 28) && !runner_congested(&r); i++) {
			x = x * 1664525 + 1013904223;
			size_t len =
			    (x >> 30) == 3 ? (x >> 8) % (IPC_MAX_EVENT - 64) : (x >> 8) % 200;
			register_number(next++, len);
		}
		runner_events_flush(&r);
		for (struct heard h; (h = hear(IPC_REGISTER)).count >= 0;) {
			ck_assert_uint_le(h.cost, given);
			given -= h.cost;
			ck_assert_int_eq(h.first, expected);
			expected = h.last + 1;
		}
		ck_assert_uint_eq(given, r.credit);
		if (turn % 3 == 0) {
			bool stuck = runner_congested(&r);
			long before = expected;
			uint32_t more =
			    given < IPC_MAX_MESSAGE ? (uint32_t)(IPC_MAX_MESSAGE - given) : 0;
			given += more;
			runner_on_credit(&r, more);
			for (struct heard h; (h = hear(IPC_REGISTER)).count >= 0;) {
				given -= h.cost;
				ck_assert_int_eq(h.first, expected);
				expected = h.last + 1;
			}
			ck_assert(!stuck || expected > before);
		}
	}
	ck_assert_int_gt(expected, 1000);
}
END_TEST

/* Ends with 1: the supervisor hears why. */
START_TEST(who_ignores_congestion_is_ended)
{
	log_set_level((enum log_level)0);
	r.credit = 0;
	for (long i = 0;; i++) {
		register_number(i, 50000);
		runner_events_flush(&r);
		ck_assert_uint_le(r.waiting.len, RUNNER_MAX_WAITING);
	}
}
END_TEST

static void
on_event(void *arg, const struct runner_event *e)
{
	(void)arg;
	if (!e) {
		ends_heard++;
		return;
	}
	events_heard++;
	snprintf(last_heard, sizeof(last_heard), "%s/%s %lld %d %.*s", e->type[0],
	    e->type_len > 1 ? e->type[1] : "", (long long)e->timestamp.s, e->payload, (int)e->len,
	    e->data ? e->data : "");
}

static void
answer(uint32_t id, const void *bytes, size_t len)
{
	msgpack_unpacked u;

	msgpack_unpacked_init(&u);
	ck_assert_int_eq(msgpack_unpack_next(&u, bytes, len, NULL), MSGPACK_UNPACK_SUCCESS);
	runner_on_query_result(&r, id, &u.data);
	msgpack_unpacked_destroy(&u);
}

#define ANSWER(id, bytes) answer(id, bytes, sizeof(bytes) - 1)
#define EVENT_A                                                                                    \
	"\x94\x92\xa1"                                                                             \
	"a\xa1"                                                                                    \
	"b\x92\x07\x00\xc0\xa2"                                                                    \
	"17"
#define EVENT_NUL "\x94\x91\xa1\x00\x92\x07\x00\xc0\xc0"
#define EVENT_BIN                                                                                  \
	"\x94\x91\xa1"                                                                             \
	"c\x92\xff\x00\x92\x01\x02\x92\xa1t\xc4\x01z"

START_TEST(a_query_gets_its_pages_and_an_end)
{
	static const struct runner_type types[] = { { { "gateway", "*" }, 2 },
		{ { "system" }, 1 } };

	log_set_level(LOG_LEVEL_ERROR);
	runner_query(&r, types, 2, on_event, NULL);
	ck_assert_int_eq(hear(IPC_QUERY).count, 2);
	uint32_t id = r.last_id;
	ANSWER(id + 1, "\x93\xc2\x91" EVENT_A "\xc0");
	ck_assert_int_eq(events_heard, 0);
	ANSWER(id, "\x93\xc3\x92" EVENT_A EVENT_NUL "\xc0");
	ck_assert_int_eq(events_heard, 1);
	ck_assert_str_eq(last_heard, "a/b 7 1 17");
	ck_assert_int_eq(ends_heard, 0);
	ANSWER(id, "\x93\xc2\x91" EVENT_BIN "\xc0");
	ck_assert_str_eq(last_heard, "c/ -1 2 z");
	ck_assert_int_eq(ends_heard, 1);
	ANSWER(id, "\x93\xc2\x91" EVENT_A "\xc0");
	ck_assert_int_eq(events_heard, 2);
	ck_assert_int_eq(ends_heard, 1);
}
END_TEST

START_TEST(a_payload_is_written_in_place)
{
	struct json_writer *w = runner_payload(&r);

	json_put_int(w, NULL, 42);
	runner_register_payload(&r, type, 3, &(struct timestamp){ 5, 6 });
	json_put_int(runner_payload(&r), NULL, 43);
	runner_register_payload(&r, type, 3, NULL);
	runner_events_flush(&r);
	struct heard h = hear(IPC_REGISTER);
	ck_assert_int_eq(h.first, 42);
	ck_assert_int_eq(h.last, 43);
}
END_TEST

START_TEST(enable_is_exactly_true)
{
	static const struct {
		const char *json;
		bool on;
	} cases[] = {
		{ "true", true },
		{ " \ttrue\r\n", true },
		{ "false", false },
		{ "null", false },
		{ "1", false },
		{ "\"true\"", false },
		{ "[true]", false },
		{ "truetrue", false },
		{ "tru", false },
		{ "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runner_event e = { .payload = RUNNER_PAYLOAD_JSON,
			.data = cases[i].json,
			.len = strlen(cases[i].json) };
		ck_assert_msg(runner_event_is_true(&e) == cases[i].on, "%s", cases[i].json);
		e.payload = RUNNER_PAYLOAD_BINARY;
		ck_assert(!runner_event_is_true(&e));
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, enable_is_exactly_true);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_turn_is_one_message);
	tcase_add_test(tc, credit_in_the_turn_in_which_events_began_to_wait);
	tcase_add_test(tc, without_credit_events_wait_in_order);
	tcase_add_test(tc, an_event_that_is_too_long_is_left_out_alone);
	tcase_add_test(tc, credit_is_never_exceeded_and_never_stuck);
	tcase_add_exit_test(tc, who_ignores_congestion_is_ended, EXIT_FAILURE);
	tcase_add_test(tc, a_query_gets_its_pages_and_an_end);
	tcase_add_test(tc, a_payload_is_written_in_place);
}

UNIT_MAIN("runner")
