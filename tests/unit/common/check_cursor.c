#include <stdlib.h>

#include "common/buffer.h"
#include "common/cursor.h"
#include "common/utf8.h"
#include "tests/unit/suite.h"

START_TEST(cursor_reads_both_orders)
{
	static const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09 };
	struct cursor c = cursor_make(bytes, sizeof(bytes));

	ck_assert_uint_eq(cursor_u8(&c), 0x01);
	ck_assert_uint_eq(cursor_u16be(&c), 0x0203);
	ck_assert_uint_eq(cursor_u16le(&c), 0x0504);
	ck_assert_uint_eq(cursor_u24le(&c), 0x080706);
	ck_assert(!cursor_done(&c));
	ck_assert_uint_eq(cursor_u8(&c), 0x09);
	ck_assert(cursor_done(&c));
}
END_TEST

START_TEST(cursor_error_is_sticky)
{
	static const uint8_t bytes[] = { 0x01, 0x02 };
	struct cursor c = cursor_make(bytes, sizeof(bytes));

	ck_assert_uint_eq(cursor_u32be(&c), 0);
	ck_assert(!cursor_ok(&c));
	ck_assert_uint_eq(cursor_u8(&c), 0);
	ck_assert(!cursor_done(&c));
	c = cursor_make(NULL, 5);
	ck_assert_uint_eq(cursor_left(&c), 0);
}
END_TEST

START_TEST(buffer_keeps_its_limit)
{
	struct buffer b;

	buffer_init(&b, 8);
	buffer_append(&b, "12345678", 8);
	ck_assert(!buffer_failed(&b));
	buffer_u8(&b, '9');
	ck_assert(buffer_failed(&b));
	ck_assert_uint_eq(b.len, 8);
	buffer_reset(&b);
	ck_assert(!buffer_failed(&b));
	buffer_clear(&b);
}
END_TEST

START_TEST(buffer_is_a_queue)
{
	struct buffer b;
	uint8_t next_in = 0, next_out = 0;

	buffer_init(&b, 1000);
	for (int turn = 0; turn < 10000; turn++) {
		for (int i = 0; i < 7; i++)
			buffer_u8(&b, next_in++);
		size_t take = (size_t)turn % 8 < b.len ? (size_t)turn % 8 : b.len;
		if (b.len > 900)
			take = b.len;
		for (size_t i = 0; i < take; i++)
			ck_assert_uint_eq(buffer_data(&b)[i], next_out++);
		buffer_consume(&b, take);
	}
	ck_assert(!buffer_failed(&b));
	ck_assert_uint_le(b.size, 1000);
	buffer_clear(&b);
}
END_TEST

START_TEST(buffer_writes_both_orders)
{
	static const uint8_t want[] = { 0x02, 0x01, 0x01, 0x02, 0x03 };
	struct buffer b;

	buffer_init(&b, 100);
	buffer_le(&b, 0x0102, 2);
	buffer_be(&b, 0x010203, 3);
	ck_assert_uint_eq(b.len, 5);
	ck_assert_mem_eq(buffer_data(&b), want, 5);
	buffer_reset(&b);
	buffer_printf(&b, "%0600d", 7);
	ck_assert(buffer_failed(&b));
	buffer_clear(&b);
	buffer_init(&b, 2000);
	buffer_printf(&b, "%0600d", 7);
	ck_assert_uint_eq(b.len, 600);
	buffer_clear(&b);
}
END_TEST

START_TEST(utf8_follows_rfc3629)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {
		{ "", true },
		{ "plain ascii, longer than a word", true },
		{ "\xc5\xbe\xc4\x8d", true },
		{ "\xe2\x82\xac", true },
		{ "\xf0\x9f\x98\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xc0\x80", false },	       /* overlong */
		{ "\xe0\x80\x80", false },     /* overlong */
		{ "\xf0\x80\x80\x80", false }, /* overlong */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
		{ "\x80", false },
		{ "\xc5", false },
		{ "\xe2\x82", false },
		{ "abcdefgh\xff", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    utf8_valid(rows[i].text, strlen(rows[i].text)) == rows[i].valid, "row %zu", i);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, cursor_reads_both_orders);
	tcase_add_test(tc, cursor_error_is_sticky);
	tcase_add_test(tc, buffer_keeps_its_limit);
	tcase_add_test(tc, buffer_is_a_queue);
	tcase_add_test(tc, buffer_writes_both_orders);
	tcase_add_test(tc, utf8_follows_rfc3629);
}

UNIT_MAIN("cursor, buffer, utf8")
