/* BER both ways: what is written is the shortest, what is read may be longer than it has to be, and
 * no prefix of a message is one. */
#include <stdio.h>
#include <stdlib.h>

#include "protocols/ber/ber.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static struct ber_writer w;
static uint8_t out[70000];

static void
begin_writing(void)
{
	ber_writer_init(&w, out, sizeof(out));
}

#define expect_written(...)                                                                        \
	do {                                                                                       \
		static const uint8_t want[] = { __VA_ARGS__ };                                     \
		ck_assert_uint_eq(ber_writer_done(&w), sizeof(want));                              \
		ck_assert_mem_eq(out, want, sizeof(want));                                         \
	} while (0)

#define reader_of(...)                                                                             \
	static const uint8_t bytes[] = { __VA_ARGS__ };                                            \
	struct ber_reader r;                                                                       \
	ber_reader_init(&r, bytes, sizeof(bytes), BER_MAX_DEPTH)

START_TEST(integers_are_written_in_as_few_octets_as_hold_them)
{
	static const struct {
		int64_t v;
		size_t octets;
	} rows[] = { { 0, 1 }, { 127, 1 }, { 128, 2 }, { -128, 1 }, { -129, 2 }, { 32767, 2 },
		{ 32768, 3 }, { INT32_MAX, 4 }, { INT32_MIN, 4 }, { UINT32_MAX, 5 },
		{ INT64_MAX, 8 }, { INT64_MIN, 8 }, { -1, 1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ber_reader r;
		begin_writing();
		ber_put_int(&w, BER_INTEGER, rows[i].v);
		expect(ber_writer_done(&w) == 2 + rows[i].octets);
		ber_reader_init(&r, out, w.len, 1);
		expect(ber_int(&r, BER_INTEGER) == rows[i].v);
		expect(ber_ok(&r) && !ber_more(&r));
	}
}
END_TEST

START_TEST(unsigned_keeps_its_sign_octet)
{
	begin_writing();
	ber_put_uint(&w, BER_APPLICATION(6), UINT64_MAX);
	ber_put_uint(&w, BER_APPLICATION(1), 0);
	ber_put_uint(&w, BER_APPLICATION(1), 128);
	expect_written(0x46, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /**/
	    0x41, 1, 0, /**/ 0x41, 2, 0, 0x80);
}
END_TEST

START_TEST(unsigned_is_read_without_its_sign_octet)
{
	reader_of(0x41, 4, 0xff, 0xff, 0xff, 0xff, /* as devices send it */
	    0x41, 5, 0, 0xff, 0xff, 0xff, 0xff,	   /* as it should be */
	    0x41, 0,				   /* nothing is 0 */
	    0x41, 7, 0, 0, 0, 0, 0, 0, 7,	   /* useless zeros */
	    0x46, 8, 0xff, 0, 0, 0, 0, 0, 0, 1,	   /* 64 bits */
	    0x41, 5, 1, 0, 0, 0, 0);		   /* too much */

	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(1), 4), UINT32_MAX);
	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(1), 4), UINT32_MAX);
	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(1), 4), 0);
	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(1), 4), 7);
	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(6), 8), UINT64_C(0xff00000000000001));
	ck_assert(ber_ok(&r));
	ck_assert_uint_eq(ber_uint(&r, BER_APPLICATION(1), 4), 0);
	ck_assert(!ber_ok(&r));
}
END_TEST

START_TEST(integers_may_have_useless_octets)
{
	reader_of(0x02, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,			  /* 5 */
	    0x02, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, /* -2 */
	    0x02, 0,								  /* 0 */
	    0x02, 0x81, 1, 9,			    /* the length in long form */
	    0x02, 9, 0, 0x80, 0, 0, 0, 0, 0, 0, 0); /* 2^63 */

	ck_assert_int_eq(ber_int(&r, BER_INTEGER), 5);
	ck_assert_int_eq(ber_int(&r, BER_INTEGER), -2);
	ck_assert_int_eq(ber_int(&r, BER_INTEGER), 0);
	ck_assert_int_eq(ber_int(&r, BER_INTEGER), 9);
	ck_assert(ber_ok(&r));
	ber_int(&r, BER_INTEGER);
	ck_assert(!ber_ok(&r));
}
END_TEST

START_TEST(tags_of_every_size)
{
	static const uint32_t numbers[] = { 0, 30, 31, 127, 128, 16383, 16384, BER_MAX_NUMBER };
	static const uint32_t kinds[] = { 0, BER_CLASS_APPLICATION, BER_CLASS_CONTEXT,
		BER_CLASS_PRIVATE, BER_CONSTRUCTED, BER_CLASS_PRIVATE | BER_CONSTRUCTED };

	for (size_t i = 0; i < 8 * 6; i++) {
		uint32_t tag = numbers[i % 8] | kinds[i / 8], seen;
		struct ber_reader r;
		begin_writing();
		ber_begin(&w, tag);
		ber_put_null(&w, BER_NULL);
		ber_end(&w);
		expect(ber_writer_done(&w) > 0);
		ber_reader_init(&r, out, w.len, 1);
		expect(ber_peek(&r, &seen) && seen == tag);
		expect(ber_is(&r, tag) && !ber_is(&r, tag ^ 1));
		expect(ber_enter(&r, tag));
		ber_null(&r, BER_NULL);
		ber_leave(&r);
		expect(ber_ok(&r) && !ber_more(&r));
	}
	begin_writing();
	ber_put_null(&w, BER_CONTEXT(31));
	expect_written(0x9f, 0x1f, 0);
}
END_TEST

START_TEST(lengths_of_every_size)
{
	static const struct {
		size_t len, head;
	} rows[] = { { 0, 2 }, { 127, 2 }, { 128, 3 }, { 255, 3 }, { 256, 4 }, { 65535, 4 },
		{ 65536, 5 } };
	static uint8_t content[65536];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ber_reader r;
		size_t len;
		begin_writing();
		ber_begin(&w, BER_SEQUENCE);
		ber_put_raw(&w, content, rows[i].len);
		ber_end(&w);
		expect(ber_writer_done(&w) == rows[i].head + rows[i].len);
		ber_reader_init(&r, out, w.len, 1);
		expect(ber_bytes(&r, BER_SEQUENCE, &len) && len == rows[i].len);
	}
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		const char *what;
		uint8_t bytes[12];
		size_t len;
	} rows[] = {
		{ "indefinite length", { 0x30, 0x80, 0x05, 0x00, 0x00, 0x00 }, 6 },
		{ "reserved length", { 0x30, 0xff, 0x05, 0x00 }, 4 },
		{ "length beyond the end", { 0x04, 0x03, 1, 2 }, 4 },
		{ "length of 64 bits",
		    { 0x04, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 10 },
		{ "length of 9 octets", { 0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 11 },
		{ "small number in high form", { 0x1f, 0x1e, 0x00 }, 3 },
		{ "number with a leading zero", { 0x1f, 0x80, 0x7f, 0x00 }, 4 },
		{ "number of 35 bits", { 0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00 }, 7 },
		{ "nothing", { 0 }, 0 },
		{ "a tag alone", { 0x04 }, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ber_reader r;
		struct ber_element e;
		ber_reader_init(&r, rows[i].bytes, rows[i].len, 8);
		expect_msg(!ber_next(&r, &e), "taken: %s", rows[i].what);
		expect(!ber_ok(&r) && !ber_more(&r) && e.data == NULL);
	}
}
END_TEST

START_TEST(nothing_is_read_past_the_element)
{
	/* A sequence of 3 octets whose string says 5; the bytes are there, behind it. */
	reader_of(0x30, 3, 0x04, 5, 'a', 'b', 'c', 'd', 'e');
	size_t len;

	ck_assert(ber_enter(&r, BER_SEQUENCE));
	ck_assert_ptr_null(ber_bytes(&r, BER_OCTET_STRING, &len));
	ck_assert(!ber_ok(&r));
	/* Sticky through everything. */
	ber_leave(&r);
	ck_assert(!ber_ok(&r) && !ber_more(&r));
	ck_assert(!ber_enter(&r, BER_SEQUENCE));
}
END_TEST

START_TEST(leaving_wants_everything_read)
{
	static const uint8_t bytes[] = { 0x30, 4, 0x05, 0, 0x05, 0, 0x02, 1, 7 };
	struct ber_reader r;

	ber_reader_init(&r, bytes, sizeof(bytes), 8);
	ck_assert(ber_enter(&r, BER_SEQUENCE));
	ber_null(&r, BER_NULL);
	ber_leave_rest(&r);
	ck_assert_int_eq(ber_int(&r, BER_INTEGER), 7);
	ck_assert(ber_ok(&r));
	ber_leave(&r); /* nothing was entered */
	ck_assert(!ber_ok(&r));

	ber_reader_init(&r, bytes, sizeof(bytes), 8);
	ck_assert(ber_enter(&r, BER_SEQUENCE));
	ber_null(&r, BER_NULL);
	ber_leave(&r);
	ck_assert(!ber_ok(&r));
}
END_TEST

START_TEST(depth_is_limited)
{
	struct ber_reader r;

	begin_writing();
	for (int i = 0; i < BER_MAX_DEPTH; i++)
		ber_begin(&w, BER_CONTEXT_C(1));
	for (int i = 0; i < BER_MAX_DEPTH; i++)
		ber_end(&w);
	ck_assert_uint_eq(ber_writer_done(&w), 2 * BER_MAX_DEPTH);
	ber_reader_init(&r, out, w.len, 8);
	for (int i = 0; i < 8; i++)
		ck_assert(ber_enter(&r, BER_CONTEXT_C(1)));
	ck_assert(!ber_enter(&r, BER_CONTEXT_C(1)));
	ck_assert(!ber_ok(&r));
	ber_reader_init(&r, out, w.len, 1000);
	for (int i = 0; i < BER_MAX_DEPTH; i++)
		ck_assert(ber_enter(&r, BER_CONTEXT_C(1)));
	ck_assert(ber_ok(&r));
	ber_begin(&w, BER_SEQUENCE);
	begin_writing();
	for (int i = 0; i <= BER_MAX_DEPTH; i++)
		ber_begin(&w, BER_SEQUENCE);
	ck_assert(w.failed);
}
END_TEST

START_TEST(writer_that_is_full_or_open_gives_nothing)
{
	uint8_t room[131];

	ber_writer_init(&w, room, 130);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_hole(&w, BER_OCTET_STRING, 126);
	ck_assert(!w.failed);
	ck_assert_uint_eq(ber_writer_done(&w), 0); /* open */
	ber_end(&w);				   /* the length needs an octet more */
	ck_assert_uint_eq(ber_writer_done(&w), 0);
	ck_assert(w.failed);

	ber_writer_init(&w, room, 131);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_hole(&w, BER_OCTET_STRING, 126);
	ber_end(&w);
	ck_assert_uint_eq(ber_writer_done(&w), 131);
	ck_assert_uint_eq(w.hole, 5);
	ck_assert_uint_eq(room[4], 126);
	ber_end(&w); /* nothing is open */
	ck_assert_uint_eq(ber_writer_done(&w), 0);
}
END_TEST

START_TEST(hole_moves_with_what_is_around_it)
{
	static const uint8_t filler[300];
	size_t len;
	struct ber_reader r;

	begin_writing();
	ber_begin(&w, BER_SEQUENCE);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_bytes(&w, BER_OCTET_STRING, filler, 200);
	ber_put_hole(&w, BER_CONTEXT(3), 12);
	ber_end(&w);
	ber_put_bytes(&w, BER_OCTET_STRING, filler, 300);
	ber_end(&w);
	memset(out + w.hole, 0xaa, 12);
	ber_reader_init(&r, out, ber_writer_done(&w), 8);
	ber_enter(&r, BER_SEQUENCE);
	ber_enter(&r, BER_SEQUENCE);
	ber_bytes(&r, BER_OCTET_STRING, &len);
	const uint8_t *p = ber_bytes(&r, BER_CONTEXT(3), &len);
	ck_assert_ptr_eq(p, out + w.hole);
	ck_assert_uint_eq(len, 12);
	ber_leave(&r);
	ber_bytes(&r, BER_OCTET_STRING, &len);
	ber_leave(&r);
	ck_assert(ber_ok(&r) && !ber_more(&r));
}
END_TEST

START_TEST(bits_booleans_and_nulls)
{
	static const uint8_t ones[] = { 0xff, 0xff };
	size_t bits;
	struct ber_reader r;

	begin_writing();
	ber_put_bits(&w, BER_BIT_STRING, ones, 11);
	ber_put_bits(&w, BER_CONTEXT(1), NULL, 0);
	ber_put_bool(&w, BER_BOOLEAN, true);
	ber_put_bool(&w, BER_BOOLEAN, false);
	ber_put_null(&w, BER_NULL);
	expect_written(3, 3, 5, 0xff, 0xe0, 0x81, 1, 0, 1, 1, 0xff, 1, 1, 0, 5, 0);
	ber_reader_init(&r, out, w.len, 1);
	const uint8_t *p = ber_bits(&r, BER_BIT_STRING, &bits);
	ck_assert_uint_eq(bits, 11);
	ck_assert_uint_eq(p[1], 0xe0);
	ber_bits(&r, BER_CONTEXT(1), &bits);
	ck_assert_uint_eq(bits, 0);
	ck_assert(ber_bool(&r, BER_BOOLEAN));
	ck_assert(!ber_bool(&r, BER_BOOLEAN));
	ber_null(&r, BER_NULL);
	ck_assert(ber_ok(&r) && !ber_more(&r));
}
END_TEST

START_TEST(bits_booleans_and_nulls_that_are_none)
{
	static const uint8_t rows[][4] = { { 3, 0 }, { 3, 1, 1 }, { 3, 2, 8, 0xff } };
	struct ber_reader r;
	size_t bits;

	for (size_t i = 0; i < 3; i++) {
		ber_reader_init(&r, rows[i], (size_t)rows[i][1] + 2, 1);
		expect(!ber_bits(&r, BER_BIT_STRING, &bits) && bits == 0 && !ber_ok(&r));
	}
	ber_reader_init(&r, "\x01\x00", 2, 1);
	ck_assert(!ber_bool(&r, BER_BOOLEAN) && !ber_ok(&r));
	ber_reader_init(&r, "\x05\x01\x00", 3, 1);
	ber_null(&r, BER_NULL);
	ck_assert(!ber_ok(&r));
}
END_TEST

/* A message of SNMPv2c (RFC 3416): GET of sysUpTime.0. */
static const uint8_t get[] = {
	0x30, 0x26,						    /* Message */
	0x02, 0x01, 0x01,					    /* version: v2c */
	0x04, 0x06, 'p', 'u', 'b', 'l', 'i', 'c',		    /* community */
	0xa0, 0x19,						    /* GetRequest-PDU */
	0x02, 0x01, 0x01,					    /* request-id */
	0x02, 0x01, 0x00,					    /* error-status */
	0x02, 0x01, 0x00,					    /* error-index */
	0x30, 0x0e,						    /* variable-bindings */
	0x30, 0x0c,						    /* VarBind */
	0x06, 0x08, 0x2b, 0x06, 0x01, 0x02, 0x01, 0x01, 0x03, 0x00, /* name */
	0x05, 0x00,						    /* unSpecified */
};

static bool
read_get(struct ber_reader *r, struct ber_oid *oid)
{
	size_t len;

	ber_enter(r, BER_SEQUENCE);
	ber_int(r, BER_INTEGER);
	ber_bytes(r, BER_OCTET_STRING, &len);
	ber_enter(r, BER_CONTEXT_C(0));
	for (int i = 0; i < 3; i++)
		ber_int(r, BER_INTEGER);
	ber_enter(r, BER_SEQUENCE);
	ber_enter(r, BER_SEQUENCE);
	ber_oid(r, BER_OBJECT_ID, oid);
	ber_null(r, BER_NULL);
	for (int i = 0; i < 4; i++)
		ber_leave(r);
	return ber_ok(r) && !ber_more(r);
}

START_TEST(frame_both_ways_and_no_prefix_of_it)
{
	struct ber_reader r;
	struct ber_oid oid;
	char text[BER_OID_TEXT];

	ber_reader_init(&r, get, sizeof(get), 8);
	ck_assert(read_get(&r, &oid));
	ck_assert_str_eq(ber_oid_text(&oid, text), "1.3.6.1.2.1.1.3.0");
	for (size_t len = 0; len < sizeof(get); len++) {
		uint8_t *copy = malloc(len + 1);
		memcpy(copy, get, len);
		ber_reader_init(&r, copy, len, 8);
		expect_msg(!read_get(&r, &oid), "taken at %zu bytes", len);
		free(copy);
	}
	begin_writing();
	ber_begin(&w, BER_SEQUENCE);
	ber_put_int(&w, BER_INTEGER, 1);
	ber_put_bytes(&w, BER_OCTET_STRING, "public", 6);
	ber_begin(&w, BER_CONTEXT_C(0));
	ber_put_int(&w, BER_INTEGER, 1);
	ber_put_int(&w, BER_INTEGER, 0);
	ber_put_int(&w, BER_INTEGER, 0);
	ber_begin(&w, BER_SEQUENCE);
	ber_begin(&w, BER_SEQUENCE);
	ck_assert(ber_oid_parse(&oid, "1.3.6.1.2.1.1.3.0"));
	ber_put_oid(&w, BER_OBJECT_ID, &oid);
	ber_put_null(&w, BER_NULL);
	for (int i = 0; i < 4; i++)
		ber_end(&w);
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(get));
	ck_assert_mem_eq(out, get, sizeof(get));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, integers_are_written_in_as_few_octets_as_hold_them);
	tcase_add_test(tc, unsigned_keeps_its_sign_octet);
	tcase_add_test(tc, unsigned_is_read_without_its_sign_octet);
	tcase_add_test(tc, integers_may_have_useless_octets);
	tcase_add_test(tc, tags_of_every_size);
	tcase_add_test(tc, lengths_of_every_size);
	tcase_add_test(tc, what_is_refused);
	tcase_add_test(tc, nothing_is_read_past_the_element);
	tcase_add_test(tc, leaving_wants_everything_read);
	tcase_add_test(tc, depth_is_limited);
	tcase_add_test(tc, writer_that_is_full_or_open_gives_nothing);
	tcase_add_test(tc, hole_moves_with_what_is_around_it);
	tcase_add_test(tc, bits_booleans_and_nulls);
	tcase_add_test(tc, bits_booleans_and_nulls_that_are_none);
	tcase_add_test(tc, frame_both_ways_and_no_prefix_of_it);
}

UNIT_MAIN("ber")
