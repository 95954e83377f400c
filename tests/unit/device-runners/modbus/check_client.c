#include <stdlib.h>

#include "device-runners/modbus/client.h"
#include "device-runners/runtime/reconnect.h"
#include "tests/unit/suite.h"

enum { MS = 1000000, TIMEOUT_MS = 100 };

static struct client client;
static struct client_late late[CLIENT_UNITS];
static struct monotime now;
static uint8_t sent[MODBUS_MAX_FRAME];
static size_t sent_len;
static int done_count, last_result;
static uint8_t last_exception, last_data[256];

static void
on_send(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg;
	memcpy(sent, frame, len);
	sent_len = len;
}

static void
on_done(void *arg, enum client_result result, const struct modbus_pdu *res)
{
	(void)arg;
	done_count++;
	last_result = (int)result;
	last_exception = res ? res->exception : 0;
	if (res && res->len)
		memcpy(last_data, res->data, res->len);
}

static const struct client_ops ops = { on_send, on_done };

static void
start(enum modbus_framing framing)
{
	struct client_conf conf = {
		.framing = framing, .timeout_ns = TIMEOUT_MS * MS, .late = late
	};

	client_init(&client, &conf, &ops, NULL);
	now = (struct monotime){ INT64_C(1000000000) };
	done_count = 0;
}

static uint64_t
ask(uint8_t unit, uint16_t address, uint16_t quantity)
{
	struct modbus_pdu req = { .fc = 3, .address = address, .quantity = quantity };
	uint8_t pdu[MODBUS_MAX_PDU];
	size_t n = modbus_pdu_encode(MODBUS_REQUEST, &req, pdu);

	client_send(&client, unit, &req, pdu, n, false, now);
	return client_identity(unit, pdu, n);
}

static void
receive(const uint8_t *p, size_t n)
{
	size_t room;

	memcpy(modbus_stream_room(&client.stream, &room), p, n);
	modbus_stream_commit(&client.stream, n);
	client_received(&client, now);
}

/* An answer of one register, of the transaction where there are any. */
static void
answer(uint16_t transaction, uint8_t unit, uint16_t value)
{
	uint8_t pdu[] = { 3, 2, (uint8_t)(value >> 8), (uint8_t)value };
	uint8_t frame[MODBUS_MAX_FRAME];

	receive(frame, modbus_frame_encode(client.conf.framing, transaction, unit, pdu, 4, frame));
}

static void
pass_ms(int ms)
{
	now = monotime_add_ms(now, ms);
	client_tick(&client, now);
}

START_TEST(answer_comes_back)
{
	static const enum modbus_framing framings[] = { MODBUS_TCP, MODBUS_RTU, MODBUS_ASCII };

	for (size_t i = 0; i < 3; i++) {
		start(framings[i]);
		ask(1, 10, 1);
		ck_assert(client.busy);
		answer(client.transaction, 1, 0x1234);
		ck_assert_int_eq(done_count, 1);
		ck_assert_int_eq(last_result, CLIENT_ANSWER);
		ck_assert_uint_eq(last_data[0], 0x12);
		ck_assert(!client.busy && client.answered);
	}
}
END_TEST

START_TEST(tcp_late_answer_is_known_by_its_transaction)
{
	start(MODBUS_TCP);
	ask(1, 10, 1);
	uint16_t first = client.transaction;
	pass_ms(TIMEOUT_MS);
	ck_assert_int_eq(last_result, CLIENT_TIMEOUT);
	ask(1, 20, 1);
	answer(first, 1, 0xdead);
	ck_assert_int_eq(done_count, 1);
	ck_assert_uint_eq(client.late_dropped, 1);
	answer(client.transaction, 1, 0x0002);
	ck_assert_int_eq(done_count, 2);
	ck_assert_uint_eq(last_data[1], 2);
}
END_TEST

START_TEST(other_unit_function_size_are_not_taken)
{
	static const uint8_t pdus[][6] = {
		{ 4, 2, 0, 1 },	      /* other function */
		{ 3, 4, 0, 1, 0, 2 }, /* more than asked */
		{ 3, 2, 0, 1 },	      /* other unit */
	};
	static const size_t sizes[] = { 4, 6, 4 };

	for (int framing = MODBUS_TCP; framing <= MODBUS_ASCII; framing++) {
		start((enum modbus_framing)framing);
		ask(1, 10, 1);
		for (size_t i = 0; i < 3; i++) {
			uint8_t frame[MODBUS_MAX_FRAME];
			if (i == 1 && framing == MODBUS_TCP)
				continue; /* its transaction says that it is the answer */
			receive(frame, modbus_frame_encode(client.conf.framing, client.transaction,
					   i == 2 ? 2 : 1, pdus[i], sizes[i], frame));
		}
		ck_assert_int_eq(done_count, 0);
		answer(client.transaction, 1, 7);
		ck_assert_int_eq(done_count, 1);
		ck_assert_uint_eq(last_data[1], 7);
	}
}
END_TEST

START_TEST(rtu_holds_back_what_could_be_confused)
{
	start(MODBUS_RTU);
	uint64_t first = ask(1, 10, 1);
	pass_ms(TIMEOUT_MS);
	/* The same again may go at once; the same function elsewhere may not; another unit may. */
	ck_assert_int_eq(client_hold(&client, 1, 3, first).ns, 0);
	ck_assert_int_gt(client_hold(&client, 1, 3, first + 1).ns, now.ns);
	ck_assert_int_eq(client_hold(&client, 2, 3, first + 1).ns, 0);
	ck_assert_int_eq(client_hold(&client, 1, 6, first + 1).ns, 0);
	/* The late answer comes while another unit is asked: it is dropped, and the way is free. */
	ask(2, 10, 1);
	answer(0, 1, 0xdead);
	ck_assert_int_eq(done_count, 1);
	ck_assert_uint_eq(client.late_dropped, 1);
	ck_assert_int_eq(client_hold(&client, 1, 3, first + 1).ns, 0);
	answer(0, 2, 5);
	ck_assert_int_eq(done_count, 2);
}
END_TEST

START_TEST(predecessor_may_be_answered)
{
	start(MODBUS_RTU);
	client_open(&client, now);
	ck_assert_int_eq(client_free_at(&client).ns - now.ns, TIMEOUT_MS * (int64_t)MS);
	answer(0, 1, 0xdead);
	ck_assert_int_eq(done_count, 0);
	ck_assert_uint_eq(client.late_dropped, 1);
	pass_ms(TIMEOUT_MS);
	ck_assert_int_le(client_free_at(&client).ns, now.ns);
	client.conf.timeout_ns = 15000 * (int64_t)MS;
	client_open(&client, now);
	ck_assert_int_eq(client_free_at(&client).ns - now.ns, RECONNECT_QUIET_MAX_MS * (int64_t)MS);
	start(MODBUS_TCP);
	client_open(&client, now);
	ck_assert_int_le(client_free_at(&client).ns, now.ns);
}
END_TEST

START_TEST(rtu_retry_leaves_one_answer_owed)
{
	start(MODBUS_RTU);
	uint64_t first = ask(1, 10, 1);
	pass_ms(TIMEOUT_MS);
	ask(1, 10, 1);
	answer(0, 1, 1);
	ck_assert_int_eq(done_count, 2);
	/* One of two requests was answered: which, nobody knows. Even the same one waits. */
	ck_assert_int_gt(client_hold(&client, 1, 3, first).ns, now.ns);
	pass_ms(10);
	answer(0, 1, 2);
	ck_assert_int_eq(done_count, 2);
	ck_assert_int_eq(client_hold(&client, 1, 3, first).ns, 0);
	/* If it never comes, time clears it. */
	ask(1, 10, 1);
	pass_ms(TIMEOUT_MS);
	pass_ms(TIMEOUT_MS);
	ck_assert_int_le(client_hold(&client, 1, 3, first + 1).ns, now.ns);
}
END_TEST

START_TEST(noise_costs_nothing)
{
	static const uint8_t noise[] = { 0x01, 0x03, 0xfa, 0x55, 0xaa, 0x00 };

	for (int framing = MODBUS_TCP; framing <= MODBUS_ASCII; framing++) {
		start((enum modbus_framing)framing);
		ask(1, 10, 1);
		receive(noise, sizeof(noise));
		answer(client.transaction, 1, 3);
		ck_assert_int_eq(done_count, 1);
		ck_assert_int_eq(last_result, CLIENT_ANSWER);
	}
}
END_TEST

START_TEST(echo_is_taken_off)
{
	start(MODBUS_RTU);
	ask(1, 10, 1);
	receive(sent, 3);
	receive(sent + 3, sent_len - 3);
	ck_assert_int_eq(done_count, 0);
	answer(0, 1, 9);
	ck_assert_int_eq(done_count, 1);
	ck_assert(client.echo == CLIENT_ECHO_HEARD);
	/* For a single write only the second copy is its answer. */
	struct modbus_pdu req = { .fc = 6, .address = 1, .value = 2 };
	uint8_t pdu[MODBUS_MAX_PDU];
	size_t n = modbus_pdu_encode(MODBUS_REQUEST, &req, pdu);
	client_send(&client, 1, &req, pdu, n, false, now);
	receive(sent, sent_len);
	ck_assert_int_eq(done_count, 1);
	receive(sent, sent_len);
	ck_assert_int_eq(done_count, 2);
}
END_TEST

static void
write_register(uint8_t unit, uint16_t address, uint16_t value)
{
	struct modbus_pdu req = { .fc = 6, .address = address, .value = value };
	uint8_t pdu[MODBUS_MAX_PDU];
	size_t n = modbus_pdu_encode(MODBUS_REQUEST, &req, pdu);

	client_send(&client, unit, &req, pdu, n, false, now);
}

START_TEST(echo_is_no_answer)
{
	static const struct modbus_pdu coil = { .fc = 5, .address = 7, .value = 0xff00 },
				       bits = { .fc = 2, .address = 0x302, .quantity = 17 },
				       regs = { .fc = 3, .address = 0x302, .quantity = 17 };
	struct modbus_pdu probe;

	start(MODBUS_RTU);
	ck_assert(client_needs_probe(&client, &coil, &probe));
	ck_assert_uint_eq(probe.fc, 1);
	ck_assert_uint_eq(probe.address, 7);
	ck_assert(client_needs_probe(&client, &bits, &probe));
	ck_assert(!client_needs_probe(&client, &regs, &probe));
	/* An echo, and then nothing: the device is off, and the line is known. */
	ask(1, 10, 1);
	receive(sent, sent_len);
	pass_ms(TIMEOUT_MS);
	ck_assert_int_eq(last_result, CLIENT_TIMEOUT);
	for (int i = 0; i < CLIENT_MAX_ECHO_DOUBTS; i++) {
		ck_assert(!client_needs_probe(&client, &coil, &probe));
		write_register(1, 1, 2);
		receive((const uint8_t[]){ 0 }, 1); /* noise before it */
		receive(sent, sent_len);
		pass_ms(TIMEOUT_MS);
		ck_assert_int_eq(last_result, CLIENT_TIMEOUT);
	}
	/* It may be that it has none any more. */
	ck_assert(client_needs_probe(&client, &coil, &probe));
	ask(1, 10, 1);
	answer(0, 1, 9);
	ck_assert_int_eq(last_result, CLIENT_ANSWER);
	ck_assert(!client_needs_probe(&client, &coil, &probe));
	write_register(1, 1, 2);
	receive(sent, sent_len);
	ck_assert_int_eq(last_result, CLIENT_ANSWER);
	/* Frames with identifiers are no echo. */
	start(MODBUS_TCP);
	ck_assert(!client_needs_probe(&client, &coil, &probe));
}
END_TEST

START_TEST(silence_shows_that_there_is_no_echo)
{
	static const struct modbus_pdu coil = { .fc = 5, .address = 7, .value = 0xff00 };
	struct modbus_pdu probe;

	start(MODBUS_ASCII);
	ask(1, 10, 1);
	pass_ms(TIMEOUT_MS);
	ck_assert(!client_needs_probe(&client, &coil, &probe));
}
END_TEST

START_TEST(tcp_answers_may_be_untidy)
{
	static const struct {
		struct modbus_pdu req;
		uint8_t answer[16];
		size_t len;
		bool good;
	} rows[] = {
		{ { .fc = 3, .quantity = 1 }, { 3, 2, 0, 7, 0 }, 5, true },
		{ { .fc = 3, .quantity = 1 }, { 3, 4, 0, 7, 0, 0 }, 6, true },
		{ { .fc = 3, .quantity = 2 }, { 3, 2, 0, 7 }, 4, false },
		{ { .fc = 1, .quantity = 3 }, { 1, 2, 5, 0 }, 4, true },
		{ { .fc = 16, .address = 1, .quantity = 1 }, { 16, 0, 1, 0, 1, 2, 0, 7 }, 8, true },
		{ { .fc = 16, .address = 1, .quantity = 1 }, { 16, 0, 2, 0, 1 }, 5, false },
		{ { .fc = 6, .address = 1, .value = 9 }, { 6, 0, 1, 0, 5 }, 5, true },
		{ { .fc = 6, .address = 1, .value = 9 }, { 6, 0, 2, 0, 9 }, 5, false },
		{ { .fc = 3, .quantity = 1 }, { 0x83, 2, 0 }, 3, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t pdu[MODBUS_MAX_PDU] = { 0 }, frame[MODBUS_MAX_FRAME];
		start(MODBUS_TCP);
		size_t n = modbus_pdu_encode(MODBUS_REQUEST, &rows[i].req, pdu);
		client_send(&client, 1, &rows[i].req, pdu, n, false, now);
		receive(frame, modbus_frame_encode(MODBUS_TCP, client.transaction, 1,
				   rows[i].answer, rows[i].len, frame));
		ck_assert_msg(done_count == rows[i].good, "row %zu", i);
	}
}
END_TEST

START_TEST(zero_transactions_where_they_are_allowed)
{
	start(MODBUS_TCP);
	ask(1, 10, 1);
	answer(0, 1, 7);
	ck_assert_int_eq(done_count, 0);
	client.conf.zero_ids = true;
	ask(1, 10, 1);
	answer(0, 1, 7);
	ck_assert_int_eq(done_count, 1);
	/* A late one can not be told from another: it is held back, as on a serial line. */
	ask(1, 10, 1);
	pass_ms(TIMEOUT_MS);
	ck_assert(client_owes(&client, 1));
	ck_assert_int_gt(client_hold(&client, 1, 3, 0).ns, now.ns);
}
END_TEST

START_TEST(exceptions_are_answers)
{
	static const uint8_t frame[] = { 0, 1, 0, 0, 0, 3, 1, 0x83, 0x42 };

	start(MODBUS_TCP);
	ask(1, 10, 1);
	receive(frame, sizeof(frame));
	ck_assert_int_eq(last_result, CLIENT_ANSWER);
	ck_assert_uint_eq(last_exception, 0x42);
}
END_TEST

START_TEST(silence_and_delay_are_kept)
{
	struct client_conf conf = { .framing = MODBUS_RTU,
		.late = late,
		.timeout_ns = TIMEOUT_MS * MS,
		.delay_ns = 2 * MS,
		.silence_ns = 4 * MS,
		.char_ns = MS };

	client_init(&client, &conf, &ops, NULL);
	now = (struct monotime){ INT64_C(1000000000) };
	ask(1, 10, 1);
	/* Eight characters are still on their way out. */
	ck_assert_int_eq(client.deadline.ns - now.ns, (TIMEOUT_MS + 8) * (int64_t)MS);
	pass_ms(20);
	answer(0, 1, 1);
	ck_assert_int_eq(client_free_at(&client).ns - now.ns, 4 * MS);
	conf.delay_ns = 9 * MS;
	client_init(&client, &conf, &ops, NULL);
	ask(1, 10, 1);
	pass_ms(20);
	answer(0, 1, 1);
	ck_assert_int_eq(client_free_at(&client).ns - now.ns, 9 * MS);
	/* Somebody who never stops talking is talked over in the end. */
	for (int i = 0; i < 1000; i++) {
		pass_ms(1);
		receive((const uint8_t[]){ 0x55 }, 1);
	}
	ck_assert_int_lt(client_free_at(&client).ns, now.ns);
}
END_TEST

START_TEST(broadcast_waits_for_nobody)
{
	struct modbus_pdu req = { .fc = 6, .address = 1, .value = 2 };
	uint8_t pdu[MODBUS_MAX_PDU];

	start(MODBUS_RTU);
	size_t n = modbus_pdu_encode(MODBUS_REQUEST, &req, pdu);
	client_send(&client, 0, &req, pdu, n, true, now);
	ck_assert_int_eq(last_result, CLIENT_SENT);
	ck_assert(!client.busy);
	ck_assert_int_ge(client_free_at(&client).ns - now.ns, CLIENT_TURNAROUND_MS * (int64_t)MS);
}
END_TEST

START_TEST(reconnecting_is_no_storm)
{
	struct reconnect r;
	struct monotime t = { 0 };

	reconnect_init(&r, 500 * (int64_t)MS, 0);
	reconnect_connected(&r, t);
	ck_assert_int_eq(reconnect_lost(&r, false, t), 0);
	for (int i = 0; i < 10; i++) {
		reconnect_connected(&r, t);
		ck_assert_int_eq(reconnect_lost(&r, i % 2, monotime_add_ms(t, 1)), 500 * MS);
	}
	reconnect_connected(&r, t);
	ck_assert_int_eq(reconnect_lost(&r, true, monotime_add_ms(t, 600)), 0);
	reconnect_init(&r, 0, 0);
	ck_assert_int_eq(reconnect_failed(&r), RECONNECT_MIN_MS * MS);
	reconnect_init(&r, 500 * (int64_t)MS, 10000 * (int64_t)MS);
	reconnect_connected(&r, t);
	ck_assert_int_eq(reconnect_lost(&r, true, monotime_add_ms(t, 1)), 0);
	reconnect_connected(&r, t);
	ck_assert_int_eq(reconnect_lost(&r, true, monotime_add_ms(t, 9999)), 500 * MS);
	ck_assert_int_eq(reconnect_lost(&r, true, monotime_add_ms(t, 10000)), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, answer_comes_back);
	tcase_add_test(tc, tcp_late_answer_is_known_by_its_transaction);
	tcase_add_test(tc, other_unit_function_size_are_not_taken);
	tcase_add_test(tc, rtu_holds_back_what_could_be_confused);
	tcase_add_test(tc, predecessor_may_be_answered);
	tcase_add_test(tc, rtu_retry_leaves_one_answer_owed);
	tcase_add_test(tc, noise_costs_nothing);
	tcase_add_test(tc, echo_is_taken_off);
	tcase_add_test(tc, echo_is_no_answer);
	tcase_add_test(tc, silence_shows_that_there_is_no_echo);
	tcase_add_test(tc, tcp_answers_may_be_untidy);
	tcase_add_test(tc, zero_transactions_where_they_are_allowed);
	tcase_add_test(tc, exceptions_are_answers);
	tcase_add_test(tc, silence_and_delay_are_kept);
	tcase_add_test(tc, broadcast_waits_for_nobody);
	tcase_add_test(tc, reconnecting_is_no_storm);
}

UNIT_MAIN("modbus client")
