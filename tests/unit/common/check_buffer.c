#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "tests/unit/suite.h"

static struct buffer b;

static void
setup(void)
{
	buffer_init(&b, 100);
}

static void
teardown(void)
{
	buffer_clear(&b);
}

static void
holds(const void *p, size_t n)
{
	ck_assert_uint_eq(b.len, n);
	if (n)
		ck_assert_mem_eq(buffer_data(&b), p, n);
}

START_TEST(an_empty_one_allocates_nothing)
{
	ck_assert_ptr_null(b.data);
	ck_assert_ptr_null(buffer_data(&b));
	buffer_append(&b, NULL, 0);
	buffer_consume(&b, 0);
	buffer_truncate(&b, 0);
	ck_assert_ptr_null(b.data);
	ck_assert(!buffer_failed(&b));
}
END_TEST

START_TEST(grows_and_shrinks_at_both_ends)
{
	buffer_append(&b, "hello", 5);
	buffer_append_str(&b, " world");
	holds("hello world", 11);
	buffer_consume(&b, 6);
	holds("world", 5);
	buffer_truncate(&b, 3);
	holds("wor", 3);
	buffer_u8(&b, 'd');
	holds("word", 4);
	buffer_consume(&b, 4);
	holds("", 0);
}
END_TEST

START_TEST(numbers_of_either_order)
{
	buffer_le(&b, 0x0102030405060708, 8);
	buffer_be(&b, 0x0102030405060708, 8);
	buffer_le(&b, 0xaabbcc, 2);
	buffer_be(&b, 0xaabbcc, 2);
	buffer_le(&b, 1, 0);
	holds(
	    "\x08\x07\x06\x05\x04\x03\x02\x01\x01\x02\x03\x04\x05\x06\x07\x08\xcc\xbb\xbb\xcc", 20);
}
END_TEST

START_TEST(the_limit_is_kept_and_failure_sticks)
{
	char text[100];

	memset(text, 'x', sizeof(text));
	buffer_append(&b, text, 99);
	buffer_append(&b, "yy", 2);
	ck_assert(buffer_failed(&b));
	buffer_append(&b, "z", 1);
	ck_assert_uint_eq(b.len, 99);
	ck_assert_ptr_null(buffer_reserve(&b, 1));
	buffer_reset(&b);
	ck_assert(!buffer_failed(&b));
	buffer_append(&b, text, 100);
	ck_assert(!buffer_failed(&b));
	holds(text, 100);
}
END_TEST

START_TEST(sizes_that_would_wrap)
{
	ck_assert_ptr_null(buffer_reserve(&b, SIZE_MAX));
	buffer_reset(&b);
	buffer_append(&b, "x", 1);
	ck_assert_ptr_null(buffer_reserve(&b, SIZE_MAX));
	buffer_reset(&b);
	buffer_append(&b, "x", 1);
	ck_assert_ptr_null(buffer_reserve(&b, SIZE_MAX - 1));
	ck_assert(buffer_failed(&b));
}
END_TEST

/* What is consumed makes room for what follows, for ever. */
START_TEST(a_queue_never_needs_more_than_its_limit)
{
	char text[60];

	for (unsigned i = 0; i < 10000; i++) {
		memset(text, (int)(i & 0x7f), sizeof(text));
		buffer_append(&b, text, sizeof(text));
		ck_assert(!buffer_failed(&b));
		ck_assert_uint_le(b.size, 200);
		ck_assert_mem_eq(buffer_data(&b) + b.len - sizeof(text), text, sizeof(text));
		if (i > 0)
			buffer_consume(&b, 60);
		else
			buffer_consume(&b, 30);
	}
	ck_assert_uint_eq(b.len, 30);
}
END_TEST

START_TEST(formatted_text)
{
	buffer_printf(&b, "%d and %s", 7, "seven");
	holds("7 and seven", 11);
	buffer_printf(&b, "%200s", "");
	ck_assert(buffer_failed(&b));
	ck_assert_uint_eq(b.len, 11);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_one_allocates_nothing);
	tcase_add_test(tc, grows_and_shrinks_at_both_ends);
	tcase_add_test(tc, numbers_of_either_order);
	tcase_add_test(tc, the_limit_is_kept_and_failure_sticks);
	tcase_add_test(tc, sizes_that_would_wrap);
	tcase_add_test(tc, a_queue_never_needs_more_than_its_limit);
	tcase_add_test(tc, formatted_text);
}

UNIT_MAIN("buffer")
