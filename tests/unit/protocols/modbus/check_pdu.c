#include <stdlib.h>

#include "protocols/modbus/frame.h"
#include "protocols/modbus/pdu.h"
#include "tests/unit/suite.h"

/* Decodes, encodes back, and decodes every shorter prefix, none of which may pass. */
static struct modbus_pdu
whole(enum modbus_direction dir, const uint8_t *p, size_t n)
{
	struct modbus_pdu pdu, cut;
	uint8_t out[MODBUS_MAX_PDU];
	size_t size;

	ck_assert_int_eq(modbus_pdu_decode(dir, p, n, &pdu), DEC_OK);
	ck_assert_int_eq(modbus_pdu_size(dir, p, n, &size), DEC_OK);
	ck_assert_uint_eq(size, n);
	ck_assert_uint_eq(modbus_pdu_encode(dir, &pdu, out), n);
	ck_assert_mem_eq(out, p, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_ne(modbus_pdu_decode(dir, p, i, &cut), DEC_OK);
	return pdu;
}

START_TEST(read_holding_registers)
{
	static const uint8_t req[] = {
		0x03,	    /* function */
		0x00, 0x6b, /* address 107 */
		0x00, 0x03, /* quantity */
	};
	static const uint8_t res[] = {
		0x03,				    /* function */
		0x06,				    /* bytes */
		0x02, 0x2b, 0x00, 0x00, 0x00, 0x64, /* registers */
	};
	struct modbus_pdu q = whole(MODBUS_REQUEST, req, sizeof(req));
	struct modbus_pdu a = whole(MODBUS_RESPONSE, res, sizeof(res));

	ck_assert_uint_eq(q.address, 107);
	ck_assert_uint_eq(q.quantity, 3);
	ck_assert_uint_eq(a.len, 6);
	ck_assert(modbus_response_fits(&q, &a));
	q.quantity = 2;
	ck_assert(!modbus_response_fits(&q, &a));
}
END_TEST

START_TEST(write_multiple_coils)
{
	static const uint8_t req[] = {
		0x0f,	    /* function */
		0x00, 0x13, /* address 19 */
		0x00, 0x0a, /* ten coils */
		0x02,	    /* bytes */
		0xcd, 0x01, /* coils */
	};
	static const uint8_t res[] = { 0x0f, 0x00, 0x13, 0x00, 0x0a };
	struct modbus_pdu q = whole(MODBUS_REQUEST, req, sizeof(req));
	struct modbus_pdu a = whole(MODBUS_RESPONSE, res, sizeof(res));

	ck_assert_uint_eq(modbus_request_check(&q), 0);
	ck_assert(modbus_bit(q.data, 0) && !modbus_bit(q.data, 1) && modbus_bit(q.data, 8));
	ck_assert(modbus_response_fits(&q, &a));
	q.quantity = 17;
	ck_assert_uint_eq(modbus_request_check(&q), MODBUS_ILLEGAL_DATA_VALUE);
}
END_TEST

START_TEST(mask_write_and_fifo)
{
	static const uint8_t mask[] = { 0x16, 0x00, 0x04, 0x00, 0xf2, 0x00, 0x25 };
	static const uint8_t fifo_req[] = { 0x18, 0x04, 0xde };
	static const uint8_t fifo_res[] = {
		0x18,			/* function */
		0x00, 0x06,		/* bytes: the count and what follows */
		0x00, 0x02,		/* registers in the queue */
		0x01, 0xb8, 0x12, 0x84, /* registers */
	};
	struct modbus_pdu q = whole(MODBUS_REQUEST, mask, sizeof(mask));

	ck_assert(modbus_response_fits(
	    &q, &(struct modbus_pdu){ .fc = 22, .address = 4, .and_mask = 0xf2, .or_mask = 0x25 }));
	whole(MODBUS_REQUEST, fifo_req, sizeof(fifo_req));
	struct modbus_pdu a = whole(MODBUS_RESPONSE, fifo_res, sizeof(fifo_res));
	ck_assert_uint_eq(a.quantity, 2);
	ck_assert_uint_eq(a.len, 4);
}
END_TEST

START_TEST(malformed_is_refused)
{
	static const struct {
		enum modbus_direction dir;
		uint8_t bytes[8];
		size_t len;
		enum dec want;
	} rows[] = {
		{ MODBUS_RESPONSE, { 0x03, 0x03, 1, 2, 3 }, 5, DEC_BAD }, /* odd byte count */
		{ MODBUS_RESPONSE, { 0x03, 0x04, 1, 2 }, 4, DEC_BAD },	  /* fewer than it says */
		{ MODBUS_RESPONSE, { 0x03, 0x02, 1, 2, 3 }, 5, DEC_BAD }, /* more than it says */
		{ MODBUS_RESPONSE, { 0x83, 0x00 }, 2, DEC_BAD },	  /* exception 0 */
		{ MODBUS_RESPONSE, { 0x83, 0x42 }, 2, DEC_OK },		  /* unknown exception */
		{ MODBUS_RESPONSE, { 0x18, 0, 4, 0, 2, 1, 2 }, 7, DEC_BAD }, /* counts disagree */
		{ MODBUS_RESPONSE, { 0x2b, 0x0e }, 2, DEC_UNSUP },	     /* other function */
		{ MODBUS_REQUEST, { 0x83, 0x02 }, 2, DEC_UNSUP },	 /* no exceptions asked */
		{ MODBUS_REQUEST, { 0x03, 0, 0, 0, 1, 9 }, 6, DEC_BAD }, /* trailing byte */
		{ MODBUS_REQUEST, { 0 }, 0, DEC_BAD },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct modbus_pdu pdu;
		ck_assert_msg(modbus_pdu_decode(rows[i].dir, rows[i].bytes, rows[i].len, &pdu) ==
				  rows[i].want,
		    "row %zu", i);
	}
}
END_TEST

START_TEST(requests_have_limits)
{
	static const struct {
		struct modbus_pdu pdu;
		uint8_t want;
	} rows[] = {
		{ { .fc = 1, .quantity = 2000 }, 0 },
		{ { .fc = 1, .quantity = 2001 }, MODBUS_ILLEGAL_DATA_VALUE },
		{ { .fc = 3, .quantity = 125 }, 0 },
		{ { .fc = 3, .quantity = 126 }, MODBUS_ILLEGAL_DATA_VALUE },
		{ { .fc = 3, .quantity = 0 }, MODBUS_ILLEGAL_DATA_VALUE },
		{ { .fc = 3, .address = 65535, .quantity = 1 }, 0 },
		{ { .fc = 3, .address = 65535, .quantity = 2 }, MODBUS_ILLEGAL_DATA_ADDRESS },
		{ { .fc = 5, .value = 0xff00, .quantity = 1 }, 0 },
		{ { .fc = 5, .value = 1, .quantity = 1 }, MODBUS_ILLEGAL_DATA_VALUE },
		{ { .fc = 16, .quantity = 124, .len = 248 }, MODBUS_ILLEGAL_DATA_VALUE },
		{ { .fc = 7 }, MODBUS_ILLEGAL_FUNCTION },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(modbus_request_check(&rows[i].pdu) == rows[i].want, "row %zu", i);
}
END_TEST

static void
feed(struct modbus_stream *s, const uint8_t *p, size_t n)
{
	size_t room;
	uint8_t *to = modbus_stream_room(s, &room);

	ck_assert_uint_ge(room, n);
	memcpy(to, p, n);
	modbus_stream_commit(s, n);
}

static const struct modbus_expect expect = { .transaction = 7, .unit = 1, .fc = 3 };

START_TEST(tcp_frames_split_and_merged)
{
	static const uint8_t bytes[] = {
		0x00, 0x07, 0, 0, 0, 5, 1, 3, 2, 0, 9, /* whole */
		0x00, 0x08, 0, 0, 0, 3, 1, 0x83, 2,    /* and the next */
	};
	struct modbus_stream s;
	struct modbus_frame f;

	modbus_stream_init(&s, MODBUS_TCP, MODBUS_RESPONSE);
	feed(&s, bytes, 10);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_MORE);
	feed(&s, bytes + 10, sizeof(bytes) - 10);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	ck_assert_uint_eq(f.transaction, 7);
	ck_assert_uint_eq(f.len, 4);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	ck_assert_uint_eq(f.transaction, 8);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_MORE);
	ck_assert_uint_eq(s.skipped, 0);
}
END_TEST

START_TEST(tcp_answer_behind_a_lying_length)
{
	static const uint8_t bytes[] = {
		0x00,
		0x05,
		0,
		0,
		0,
		0xfd,
		1,
		3,
		2,
		0,
		9, /* says 253, has 5 */
		0x00,
		0x07,
		0,
		0,
		0,
		5,
		1,
		3,
		2,
		0,
		9,
	};
	static const uint8_t noise[] = { 0xde, 0xad, 0xbe, 0xef, 0xff };
	struct modbus_stream s;
	struct modbus_frame f;

	modbus_stream_init(&s, MODBUS_TCP, MODBUS_RESPONSE);
	feed(&s, bytes, sizeof(bytes));
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	ck_assert_uint_eq(f.transaction, 7);
	ck_assert_uint_eq(s.skipped, 11);
	feed(&s, noise, sizeof(noise));
	feed(&s, bytes + 11, 11);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	/* One who is asked can not know where the next request starts. */
	modbus_stream_init(&s, MODBUS_TCP, MODBUS_REQUEST);
	feed(&s, noise, sizeof(noise));
	ck_assert_int_eq(modbus_stream_next(&s, NULL, &f), DEC_BAD);
}
END_TEST

START_TEST(rtu_answer_inside_noise)
{
	static const uint8_t answer[] = { 1, 3, 2, 0, 7, 0xf9, 0x86 };
	static const uint8_t noise[] = { 0x01, 0x03, 0xc8, 0x00, 0xff }; /* like a long answer */
	struct modbus_stream s;
	struct modbus_frame f;

	modbus_stream_init(&s, MODBUS_RTU, MODBUS_RESPONSE);
	feed(&s, noise, sizeof(noise));
	feed(&s, answer, sizeof(answer) - 1);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_MORE);
	feed(&s, answer + sizeof(answer) - 1, 1);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	ck_assert_uint_eq(s.skipped, sizeof(noise));
	/* A flipped bit is no frame, and silence clears what is left. */
	feed(&s, answer, sizeof(answer));
	s.buf[s.head + 3] ^= 1;
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_MORE);
	ck_assert_int_eq(modbus_stream_silence(&s, &f), DEC_MORE);
	ck_assert(!modbus_stream_pending(&s));
}
END_TEST

START_TEST(rtu_request_of_unknown_function)
{
	uint8_t req[] = { 9, 0x2b, 0x0e, 1, 0, 0, 0 };
	uint16_t crc = modbus_crc(req, 5);
	struct modbus_stream s;
	struct modbus_frame f;

	req[5] = (uint8_t)crc;
	req[6] = (uint8_t)(crc >> 8);
	modbus_stream_init(&s, MODBUS_RTU, MODBUS_REQUEST);
	feed(&s, req, sizeof(req));
	ck_assert_int_eq(modbus_stream_next(&s, NULL, &f), DEC_MORE);
	ck_assert_int_eq(modbus_stream_silence(&s, &f), DEC_OK);
	ck_assert_uint_eq(f.unit, 9);
	ck_assert_uint_eq(f.len, 4);
	/* Without silence its checksum ends it, and that of no part of it. */
	for (size_t i = 0; i < sizeof(req); i++) {
		ck_assert_int_eq(modbus_stream_unknown(&s, &f), DEC_MORE);
		feed(&s, req + i, 1);
	}
	ck_assert_int_eq(modbus_stream_unknown(&s, &f), DEC_OK);
	ck_assert_uint_eq(f.unit, 9);
	ck_assert_uint_eq(f.len, 4);
	ck_assert(!modbus_stream_pending(&s));
}
END_TEST

START_TEST(ascii_restarts_at_a_colon)
{
	static const char bytes[] = "xx:0103:01030200";
	static const char rest[] = "07F3\r\n";
	struct modbus_stream s;
	struct modbus_frame f;

	modbus_stream_init(&s, MODBUS_ASCII, MODBUS_RESPONSE);
	feed(&s, (const uint8_t *)bytes, sizeof(bytes) - 1);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_MORE);
	feed(&s, (const uint8_t *)rest, sizeof(rest) - 1);
	ck_assert_int_eq(modbus_stream_next(&s, &expect, &f), DEC_OK);
	ck_assert_uint_eq(f.unit, 1);
	ck_assert_uint_eq(f.len, 4);
	ck_assert_uint_eq(f.pdu[3], 7);
}
END_TEST

START_TEST(noise_is_bounded)
{
	static const enum modbus_framing framings[] = { MODBUS_TCP, MODBUS_RTU, MODBUS_ASCII };
	struct modbus_stream s;
	struct modbus_frame f;
	size_t room;

	for (size_t k = 0; k < 3; k++) {
		modbus_stream_init(&s, framings[k], MODBUS_RESPONSE);
		for (int i = 0; i < 100000; i++) {
			uint8_t *p = modbus_stream_room(&s, &room);
			if (room == 0)
				ck_abort_msg("no room after %d bytes", i);
			*p = i % 200 == 0 ? ':' : '0';
			modbus_stream_commit(&s, 1);
			modbus_stream_next(&s, &expect, &f);
		}
	}
}
END_TEST

static bool
is_one(const void *arg, uint8_t unit)
{
	(void)arg;
	return unit == 1;
}

/* Unit 9 answers with the bytes of a request to unit 1 among its data. */
START_TEST(answers_of_other_slaves)
{
	static const uint8_t request[] = { 3, 0, 10, 0, 1 };
	static const struct modbus_expect nine = { .unit = 9, .fc = 3 };
	uint8_t ours[MODBUS_MAX_FRAME], answer[2 + 64] = { 3, 16 }, theirs[MODBUS_MAX_FRAME];
	struct modbus_stream s;
	struct modbus_frame f;
	size_t n = modbus_frame_encode(MODBUS_RTU, 0, 1, request, 5, ours);

	memcpy(answer + 2, ours, n);
	size_t m = modbus_frame_encode(MODBUS_RTU, 0, 9, answer, 18, theirs);
	modbus_stream_init(&s, MODBUS_RTU, MODBUS_REQUEST);
	for (size_t i = 1; i < m; i++) {
		modbus_stream_reset(&s);
		feed(&s, theirs, i);
		ck_assert_int_eq(modbus_stream_pass(&s, &nine), DEC_MORE);
	}
	modbus_stream_reset(&s);
	feed(&s, theirs, m);
	feed(&s, ours, n);
	ck_assert_int_eq(modbus_stream_pass(&s, &nine), DEC_OK);
	ck_assert_int_eq(modbus_stream_pass(&s, &nine), DEC_BAD);
	ck_assert_int_eq(modbus_stream_next(&s, NULL, &f), DEC_OK);
	ck_assert_uint_eq(f.unit, 1);
	/* The end of an answer whose beginning was missed, like the start of a long request. */
	feed(&s, (const uint8_t[]){ 1, 16, 0, 0, 0, 100, 200, 0 }, 8);
	feed(&s, ours, n);
	ck_assert_int_eq(modbus_stream_next(&s, NULL, &f), DEC_MORE);
	ck_assert_int_eq(modbus_stream_find(&s, is_one, NULL, &f), DEC_OK);
	ck_assert_uint_eq(f.len, 5);
	ck_assert(!modbus_stream_pending(&s));
	/* Not where more came behind it. */
	feed(&s, (const uint8_t[]){ 1, 16, 0, 0, 0, 100, 200, 0 }, 8);
	feed(&s, ours, n);
	feed(&s, ours, 1);
	ck_assert_int_eq(modbus_stream_find(&s, is_one, NULL, &f), DEC_MORE);
	ck_assert_uint_eq(s.len, 9 + n);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, answers_of_other_slaves);
	tcase_add_test(tc, read_holding_registers);
	tcase_add_test(tc, write_multiple_coils);
	tcase_add_test(tc, mask_write_and_fifo);
	tcase_add_test(tc, malformed_is_refused);
	tcase_add_test(tc, requests_have_limits);
	tcase_add_test(tc, tcp_frames_split_and_merged);
	tcase_add_test(tc, tcp_answer_behind_a_lying_length);
	tcase_add_test(tc, rtu_answer_inside_noise);
	tcase_add_test(tc, rtu_request_of_unknown_function);
	tcase_add_test(tc, ascii_restarts_at_a_colon);
	tcase_add_test(tc, noise_is_bounded);
}

UNIT_MAIN("modbus pdu, frame")
