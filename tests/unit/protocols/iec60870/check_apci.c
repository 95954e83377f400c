#include <stdlib.h>
#include <string.h>

#include "protocols/iec60870/apci.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static const struct apci_params master = { true, 12, 8, 15000, 10000, 20000 };
static const struct apci_params slave = { false, 12, 8, 15000, 10000, 20000 };

static struct apci a;
static struct buffer out;
static struct monotime now;

static void
begin(const struct apci_params *params)
{
	buffer_init(&out, 1024 * 1024);
	now = (struct monotime){ 1000000000 };
	ck_assert_int_eq(apci_init(&a, params, now), 0);
}

static void
end(void)
{
	ck_assert(!buffer_failed(&out));
	apci_clear(&a);
	buffer_clear(&out);
}

/* The next frame that was sent. */
static struct apdu
sent(void)
{
	static uint8_t frame[APCI_MAX];
	struct apdu apdu;
	size_t used;

	ck_assert_int_eq(apci_decode(&apdu, buffer_data(&out), out.len, &used), DEC_OK);
	memcpy(frame, buffer_data(&out), used);
	buffer_consume(&out, used);
	return apdu;
}

static enum apci_event
receive_u(enum apci_u function)
{
	return apci_receive(
	    &a, &(struct apdu){ .format = APCI_U, .function = function }, now, &out);
}

static enum apci_event
receive_i(unsigned send, unsigned receive)
{
	return apci_receive(&a,
	    &(struct apdu){
		.format = APCI_I, .send = (uint16_t)send, .receive = (uint16_t)receive },
	    now, &out);
}

static enum apci_event
receive_s(unsigned receive)
{
	return apci_receive(
	    &a, &(struct apdu){ .format = APCI_S, .receive = (uint16_t)receive }, now, &out);
}

static void
start(void)
{
	if (a.params.controlling) {
		apci_start(&a, now, &out);
		ck_assert_int_eq(sent().function, APCI_STARTDT_ACT);
		ck_assert_int_eq(receive_u(APCI_STARTDT_CON), APCI_ENABLED);
	} else {
		ck_assert_int_eq(receive_u(APCI_STARTDT_ACT), APCI_ENABLED);
		ck_assert_int_eq(sent().function, APCI_STARTDT_CON);
	}
	ck_assert_int_eq(a.state, APCI_STARTED);
}

START_TEST(frames_both_ways)
{
	static const uint8_t frame[] = {
		0x68,	    /* start */
		0x06,	    /* length: four control octets and two of ASDU */
		0xfe, 0x01, /* N(S) 255 */
		0x00, 0x80, /* N(R) 16384 */
		0xaa, 0xbb, /* ASDU */
	};
	struct apdu apdu;
	uint8_t again[APCI_MAX];
	size_t used = 0;

	ck_assert_int_eq(apci_decode(&apdu, frame, sizeof(frame), &used), DEC_OK);
	ck_assert_uint_eq(used, sizeof(frame));
	ck_assert_int_eq(apdu.format, APCI_I);
	ck_assert_uint_eq(apdu.send, 255);
	ck_assert_uint_eq(apdu.receive, 16384);
	ck_assert_uint_eq(apdu.len, 2);
	ck_assert_uint_eq(apci_encode(&apdu, again), sizeof(frame));
	ck_assert_mem_eq(again, frame, sizeof(frame));
	for (size_t n = 0; n < sizeof(frame); n++)
		ck_assert_int_eq(apci_decode(&apdu, frame, n, &used), DEC_MORE);
}
END_TEST

START_TEST(frames_that_end_a_connection)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\x69", 1 },			       /* not the start octet */
		{ "\x68\x03\x07\x00\x00", 5 },	       /* shorter than its control field */
		{ "\x68\xfe", 2 },		       /* longer than 253 */
		{ "\x68\x04\x03\x00\x00\x00", 6 },     /* U without a function */
		{ "\x68\x04\x47\x00\x00\x00", 6 },     /* U with two */
		{ "\x68\x05\x43\x00\x00\x00\x00", 7 }, /* U with an ASDU */
		{ "\x68\x05\x01\x00\x00\x00\x00", 7 }, /* S with an ASDU */
	};
	struct apdu apdu;
	size_t used;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    apci_decode(&apdu, rows[i].bytes, rows[i].len, &used) == DEC_BAD, "row %zu", i);
}
END_TEST

START_TEST(startdt_has_t1)
{
	begin(&master);
	apci_start(&a, now, &out);
	ck_assert_int_eq(sent().function, APCI_STARTDT_ACT);
	ck_assert_uint_eq(apci_window(&a), 0);
	ck_assert_int_eq(receive_u(APCI_TESTFR_ACT), APCI_NOTHING);
	ck_assert_int_eq(sent().function, APCI_TESTFR_CON);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 15000);
	now = monotime_add_ms(now, 14999);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_NOTHING);
	now = monotime_add_ms(now, 1);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_BROKEN);
	ck_assert_str_eq(a.why, "no STARTDT con within t1");
	ck_assert_int_eq(apci_deadline(&a).ns, 0);
	end();
}
END_TEST

START_TEST(data_needs_startdt)
{
	begin(&slave);
	ck_assert_int_eq(receive_i(0, 0), APCI_BROKEN);
	end();
	begin(&master);
	apci_start(&a, now, &out);
	ck_assert_int_eq(receive_i(0, 0), APCI_BROKEN);
	end();
	begin(&master);
	ck_assert_int_eq(receive_u(APCI_STARTDT_ACT), APCI_BROKEN);
	end();
	begin(&master);
	ck_assert_int_eq(receive_u(APCI_STOPDT_ACT), APCI_BROKEN);
	end();
}
END_TEST

START_TEST(acknowledges_at_w)
{
	begin(&master);
	start();
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(receive_i(i, 0), APCI_ASDU);
	apci_settle(&a, &out);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(receive_i(7, 0), APCI_ASDU);
	ck_assert_int_eq(receive_i(8, 0), APCI_ASDU);
	apci_settle(&a, &out);
	struct apdu s = sent();
	ck_assert_int_eq(s.format, APCI_S);
	ck_assert_uint_eq(s.receive, 9);
	ck_assert_uint_eq(out.len, 0);
	end();
}
END_TEST

START_TEST(acknowledges_when_told_to)
{
	begin(&master);
	start();
	apci_confirm(&a, &out);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(receive_i(0, 0), APCI_ASDU);
	apci_confirm(&a, &out);
	struct apdu s = sent();
	ck_assert_int_eq(s.format, APCI_S);
	ck_assert_uint_eq(s.receive, 1);
	apci_confirm(&a, &out);
	ck_assert_uint_eq(out.len, 0);
	end();
}
END_TEST

START_TEST(acknowledges_after_t2)
{
	begin(&master);
	start();
	receive_i(0, 0);
	now = monotime_add_ms(now, 4000);
	receive_i(1, 0);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 6000);
	now = monotime_add_ms(now, 6000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_NOTHING);
	ck_assert_uint_eq(sent().receive, 2);
	/* An I frame acknowledges too. */
	receive_i(2, 0);
	apci_send(&a, "x", 1, now, &out);
	ck_assert_uint_eq(sent().receive, 3);
	ck_assert_int_gt(monotime_diff_ms(apci_deadline(&a), now), 10000);
	end();
}
END_TEST

START_TEST(stops_sending_at_k)
{
	begin(&master);
	start();
	for (unsigned i = 0; i < 12; i++) {
		ck_assert_uint_eq(apci_window(&a), 12 - i);
		apci_send(&a, "x", 1, now, &out);
		ck_assert_uint_eq(sent().send, i);
	}
	ck_assert_uint_eq(apci_window(&a), 0);
	ck_assert_int_eq(receive_s(5), APCI_NOTHING);
	ck_assert_uint_eq(apci_window(&a), 5);
	ck_assert_int_eq(receive_s(5), APCI_NOTHING);
	ck_assert_int_eq(receive_s(13), APCI_BROKEN);
	end();
}
END_TEST

START_TEST(t1_runs_per_frame)
{
	begin(&master);
	start();
	apci_send(&a, "x", 1, now, &out);
	now = monotime_add_ms(now, 5000);
	apci_send(&a, "y", 1, now, &out);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 10000);
	ck_assert_int_eq(receive_s(1), APCI_NOTHING);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 15000);
	now = monotime_add_ms(now, 15000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_BROKEN);
	ck_assert_str_eq(a.why, "no acknowledgement within t1");
	end();
}
END_TEST

START_TEST(t3_restarts_with_any_frame)
{
	begin(&master);
	start();
	now = monotime_add_ms(now, 19000);
	receive_s(0);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 20000);
	now = monotime_add_ms(now, 20000);
	buffer_reset(&out);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_NOTHING);
	ck_assert_int_eq(sent().function, APCI_TESTFR_ACT);
	/* Data is life, but no confirmation: t1 of the test frame goes on. */
	receive_i(0, 0);
	ck_assert_int_eq(receive_u(APCI_TESTFR_CON), APCI_NOTHING);
	ck_assert_int_eq(a.t1.ns, 0);
	now = monotime_add_ms(now, 20000);
	apci_timeout(&a, now, &out);
	now = monotime_add_ms(now, 15000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_BROKEN);
	ck_assert_str_eq(a.why, "no TESTFR con within t1");
	end();
}
END_TEST

/* Time in which nobody looked at the line does not count. */
START_TEST(postponed_deadlines)
{
	begin(&master);
	start();
	apci_send(&a, "x", 1, now, &out);
	receive_i(0, 0);
	buffer_reset(&out);
	now = monotime_add_ms(now, 60000);
	apci_postpone(&a, INT64_C(60000) * 1000000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_NOTHING);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(monotime_diff_ms(apci_deadline(&a), now), 10000); /* t2 */
	now = monotime_add_ms(now, 10000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_NOTHING);
	ck_assert_uint_eq(sent().receive, 1);
	now = monotime_add_ms(now, 5000);
	ck_assert_int_eq(apci_timeout(&a, now, &out), APCI_BROKEN); /* t1 */
	end();
}
END_TEST

START_TEST(sequence_errors_break)
{
	begin(&slave);
	start();
	ck_assert_int_eq(receive_i(0, 0), APCI_ASDU);
	ck_assert_int_eq(receive_i(2, 0), APCI_BROKEN);
	ck_assert_int_eq(a.state, APCI_CLOSED);
	ck_assert_int_eq(receive_i(1, 0), APCI_BROKEN);
	end();
	begin(&slave);
	start();
	receive_i(0, 0);
	ck_assert_int_eq(receive_i(0, 0), APCI_BROKEN); /* twice the same */
	end();
	begin(&slave);
	start();
	ck_assert_int_eq(receive_s(32767), APCI_BROKEN);
	end();
}
END_TEST

START_TEST(stopdt_waits_for_acknowledgements)
{
	begin(&slave);
	start();
	receive_i(0, 0);
	apci_send(&a, "x", 1, now, &out);
	sent();
	receive_i(1, 0);
	ck_assert_int_eq(receive_u(APCI_STOPDT_ACT), APCI_NOTHING);
	ck_assert_uint_eq(sent().receive, 2); /* what was received is acknowledged first */
	ck_assert_uint_eq(out.len, 0);
	ck_assert_uint_eq(apci_window(&a), 0);
	ck_assert_int_eq(receive_s(1), APCI_DISABLED);
	ck_assert_int_eq(sent().function, APCI_STOPDT_CON);
	ck_assert_int_eq(a.state, APCI_STOPPED);
	ck_assert_int_eq(receive_u(APCI_STARTDT_ACT), APCI_ENABLED);
	end();
	begin(&master);
	start();
	receive_i(0, 0);
	apci_stop(&a, now, &out);
	ck_assert_int_eq(sent().format, APCI_S);
	ck_assert_int_eq(sent().function, APCI_STOPDT_ACT);
	ck_assert_int_eq(receive_i(1, 0), APCI_ASDU); /* was under way */
	ck_assert_int_eq(receive_u(APCI_STOPDT_CON), APCI_DISABLED);
	end();
}
END_TEST

/* Two stations over a line that can lose, repeat and swap frames. The model is the count of ASDUs:
 * what arrives is 0, 1, 2, ... without a gap, or the receiver breaks the connection. */
struct station {
	struct apci a;
	struct buffer out;
	struct apdu line[64]; /* under way from this station */
	uint8_t bodies[64][4];
	size_t under_way;
	uint32_t next_sent, next_received;
};

static uint32_t
random_below(uint64_t *x, uint32_t n)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return (uint32_t)(*x >> 11) % n;
}

static void
line_take(struct station *s)
{
	struct apdu apdu;
	size_t used;

	while (s->under_way < 64 &&
	       apci_decode(&apdu, buffer_data(&s->out), s->out.len, &used) == DEC_OK) {
		if (apdu.len)
			memcpy(s->bodies[s->under_way], apdu.asdu, 4);
		s->line[s->under_way++] = apdu;
		buffer_consume(&s->out, used);
	}
}

static bool
line_deliver(struct station *from, struct station *to, size_t at, bool keep)
{
	struct apdu apdu = from->line[at];
	uint32_t body;

	memcpy(&body, from->bodies[at], 4);
	if (!keep) {
		from->under_way--;
		memmove(
		    &from->line[at], &from->line[at + 1], (from->under_way - at) * sizeof(apdu));
		memmove(&from->bodies[at], &from->bodies[at + 1], (from->under_way - at) * 4);
	}
	enum apci_event e = apci_receive(&to->a, &apdu, now, &to->out);
	if (e == APCI_ASDU)
		expect(body == to->next_received++);
	if (random_below(&(uint64_t){ (uint64_t)body * 977 + to->next_received + 1 }, 3))
		apci_settle(&to->a, &to->out);
	return e != APCI_BROKEN;
}

static void
send_some(struct station *s)
{
	if (apci_window(&s->a) == 0 || s->under_way > 40)
		return;
	apci_send(&s->a, &s->next_sent, 4, now, &s->out);
	s->next_sent++;
	expect(s->a.sent - s->a.acked <= s->a.params.k);
}

/* Returns whether both stations lived. */
static bool
run_schedule(uint64_t seed, bool faults, bool *faulted)
{
	static struct station s[2];
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	bool alive = true;

	*faulted = false;
	for (int i = 0; i < 2; i++) {
		struct apci_params p = { i == 0, 1 + random_below(&x, 20), 1 + random_below(&x, 10),
			15000, 10000, 20000 };
		s[i] = (struct station){ 0 };
		buffer_init(&s[i].out, 65536);
		apci_init(&s[i].a, &p, now);
		/* Close to the wrap of the sequence numbers. */
		s[i].a.sent = s[i].a.acked = s[i].next_sent = 32760;
		s[i].a.received = s[i].a.told = s[i].next_received = 32760;
	}
	apci_start(&s[0].a, now, &s[0].out);
	for (int step = 0; alive && step < 400; step++) {
		struct station *from = &s[random_below(&x, 2)], *to = from == s ? s + 1 : s;
		send_some(from);
		line_take(from);
		now = monotime_add_ms(now, random_below(&x, 200));
		if (from->under_way == 0)
			continue;
		uint32_t fault = faults ? random_below(&x, 200) : 200;
		size_t at = fault == 1 && from->under_way > 1 ? 1 : 0;
		bool is_data = from->line[at].format == APCI_I || from->line[0].format == APCI_I;
		if (fault == 0) {
			*faulted |= from->line[0].format == APCI_I;
			from->under_way--;
			memmove(
			    from->line, from->line + 1, from->under_way * sizeof(from->line[0]));
			memmove(from->bodies, from->bodies + 1, from->under_way * 4);
			continue;
		}
		*faulted |= (at == 1 || fault == 2) && is_data;
		alive = line_deliver(from, to, at, fault == 2);
		for (int i = 0; alive && i < 2; i++)
			if (apci_deadline(&s[i].a).ns &&
			    monotime_cmp(apci_deadline(&s[i].a), now) <= 0)
				alive = apci_timeout(&s[i].a, now, &s[i].out) != APCI_BROKEN;
	}
	for (int i = 0; i < 2; i++) {
		apci_clear(&s[i].a);
		buffer_clear(&s[i].out);
	}
	return alive;
}

START_TEST(schedules_without_faults_live)
{
	bool faulted;

	now = (struct monotime){ 1 };
	for (uint64_t seed = 1; seed <= 2000; seed++)
		ck_assert_msg(run_schedule(seed, false, &faulted), "seed %lu", (unsigned long)seed);
}
END_TEST

START_TEST(faults_are_noticed_or_harmless)
{
	unsigned broken = 0;
	bool faulted;

	now = (struct monotime){ 1 };
	for (uint64_t seed = 1; seed <= 4000; seed++) {
		bool alive = run_schedule(seed, true, &faulted);
		broken += !alive;
	}
	ck_assert_uint_gt(broken, 500); /* the faults did happen */
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, frames_both_ways);
	tcase_add_test(tc, frames_that_end_a_connection);
	tcase_add_test(tc, startdt_has_t1);
	tcase_add_test(tc, data_needs_startdt);
	tcase_add_test(tc, acknowledges_at_w);
	tcase_add_test(tc, acknowledges_when_told_to);
	tcase_add_test(tc, acknowledges_after_t2);
	tcase_add_test(tc, stops_sending_at_k);
	tcase_add_test(tc, t1_runs_per_frame);
	tcase_add_test(tc, t3_restarts_with_any_frame);
	tcase_add_test(tc, postponed_deadlines);
	tcase_add_test(tc, sequence_errors_break);
	tcase_add_test(tc, stopdt_waits_for_acknowledgements);
	tcase_add_test(tc, schedules_without_faults_live);
	tcase_add_test(tc, faults_are_noticed_or_harmless);
}

UNIT_MAIN("apci")
