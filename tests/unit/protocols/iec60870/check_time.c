#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/iec60870/time.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static struct iec_zone zone;

static struct timestamp
to_timestamp(const struct iec_time *t)
{
	struct timestamp ts = { 0, 0 };

	ck_assert_int_eq(
	    iec_time_to_timestamp(t, &zone, (struct timestamp){ 1700000000, 0 }, &ts), 0);
	return ts;
}

START_TEST(octets_of_cp56)
{
	static const uint8_t bytes[] = {
		0x39, 0x30, /* 12345 ms */
		0xe2,	    /* IV, GEN, minute 34 */
		0x8d,	    /* SU, 13 h */
		0x4e,	    /* Tuesday, 14 */
		0x0b,	    /* November */
		0x17,	    /* 2023 */
	};
	struct cursor c = cursor_make(bytes, sizeof(bytes));
	struct iec_time t;
	uint8_t out[IEC_TIME_CP56];

	iec_time_decode(&t, &c, IEC_TIME_CP56);
	ck_assert(cursor_done(&c));
	ck_assert(t.invalid && t.substituted && t.summer && iec_time_valid(&t));
	ck_assert_uint_eq(t.ms, 12345);
	ck_assert_uint_eq(t.minute, 34);
	ck_assert_uint_eq(t.hour, 13);
	ck_assert_uint_eq(t.weekday, 2);
	ck_assert_uint_eq(t.day, 14);
	ck_assert_ptr_eq(iec_time_encode(&t, out), out + sizeof(out));
	ck_assert_mem_eq(out, bytes, sizeof(bytes));
	for (size_t n = 0; n < sizeof(bytes); n++) {
		c = cursor_make(bytes, n);
		iec_time_decode(&t, &c, IEC_TIME_CP56);
		ck_assert(!cursor_ok(&c));
	}
}
END_TEST

START_TEST(impossible_times)
{
	static const struct iec_time rows[] = {
		{ .size = 7, .ms = 60000, .day = 1, .month = 1 },
		{ .size = 7, .minute = 60, .day = 1, .month = 1 },
		{ .size = 7, .hour = 24, .day = 1, .month = 1 },
		{ .size = 7, .day = 0, .month = 1 },
		{ .size = 7, .day = 32, .month = 1 },
		{ .size = 7, .day = 1, .month = 0 },
		{ .size = 7, .day = 1, .month = 13 },
		{ .size = 7, .day = 29, .month = 2, .year = 23 },
		{ .size = 7, .day = 31, .month = 4 },
		{ .size = 7, .day = 1, .month = 1, .year = 100 },
		{ .size = 3, .minute = 60 },
		{ .size = 0 },
	};
	struct timestamp ts;

	ck_assert_int_eq(iec_zone_init(&zone, "UTC"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(!iec_time_valid(&rows[i]), "row %zu", i);
		ck_assert_int_eq(
		    iec_time_to_timestamp(&rows[i], &zone, (struct timestamp){ 0 }, &ts), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert(
	    iec_time_valid(&(struct iec_time){ .size = 7, .day = 29, .month = 2, .year = 24 }));
	ck_assert(
	    iec_time_valid(&(struct iec_time){ .size = 7, .day = 29, .month = 2, .year = 0 }));
}
END_TEST

/* In autumn 02:00 .. 03:00 comes twice: first as summer time. In spring it does not come at all. */
START_TEST(doubled_and_skipped_hour)
{
	struct iec_time t = {
		.size = 7, .minute = 30, .hour = 2, .day = 29, .month = 10, .year = 23
	};

	ck_assert_int_eq(iec_zone_init(&zone, "Europe/Zagreb"), 0);
	t.summer = true;
	ck_assert_int_eq(to_timestamp(&t).s, 1698539400);
	t.summer = false;
	ck_assert_int_eq(to_timestamp(&t).s, 1698539400 + 3600);
	t.summer = true; /* asked again: the hour is not cached */
	ck_assert_int_eq(to_timestamp(&t).s, 1698539400);
	t = (struct iec_time){
		.size = 7, .minute = 30, .hour = 2, .day = 31, .month = 3, .year = 24
	};
	t.summer = true;
	ck_assert_int_eq(to_timestamp(&t).s, 1711845000);
	t.summer = false;
	ck_assert_int_eq(to_timestamp(&t).s, 1711845000 + 3600);
}
END_TEST

/* Every half hour of two years, in zones with whole and odd offsets: there and back. */
START_TEST(there_and_back)
{
	static const char *const zones[] = { "UTC", "Europe/Zagreb", "America/New_York",
		"Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham" };

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		expect(iec_zone_init(&zone, zones[i]) == 0);
		for (int64_t s = 1672531200; s < 1672531200 + 2 * 366 * 86400; s += 1800) {
			struct iec_time t;
			iec_time_from_timestamp(&t, &zone, (struct timestamp){ s, 7000 });
			struct timestamp back = to_timestamp(&t);
			expect_msg(back.s == s && back.us == 7000, "%s: %ld became %ld", zones[i],
			    (long)s, (long)back.s);
		}
	}
}
END_TEST

START_TEST(milliseconds_are_rounded)
{
	static const struct {
		struct timestamp ts;
		uint16_t ms;
		uint8_t minute;
	} rows[] = { { { 0, 499 }, 0, 0 }, { { 0, 500 }, 0, 0 }, { { 0, 1500 }, 2, 0 },
		{ { 59, 999600 }, 0, 1 }, { { -1, 999999 }, 0, 0 } };
	struct iec_time t;

	ck_assert_int_eq(iec_zone_init(&zone, "UTC"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		iec_time_from_timestamp(&t, &zone, rows[i].ts);
		ck_assert_msg(
		    t.ms == rows[i].ms && t.minute == rows[i].minute, "row %zu: %u", i, t.ms);
	}
	iec_time_from_timestamp(&t, &zone, (struct timestamp){ 1700000000, 0 });
	ck_assert_uint_eq(t.weekday, 2);
	iec_time_from_timestamp(&t, &zone, (struct timestamp){ -86400, 0 });
	ck_assert_uint_eq(t.weekday, 3);
	ck_assert_uint_eq(t.year, 69);
}
END_TEST

/* The moment closest to now, over the hour and in odd zones. */
START_TEST(short_times_are_completed)
{
	struct timestamp now = { 1700000000, 0 }, ts; /* 22:13:20 UTC */
	struct iec_time t = { .size = 3, .minute = 13, .ms = 20500 };

	ck_assert_int_eq(iec_zone_init(&zone, "UTC"), 0);
	ck_assert_int_eq(iec_time_to_timestamp(&t, &zone, now, &ts), 0);
	ck_assert_int_eq(ts.s, now.s);
	ck_assert_uint_eq(ts.us, 500000);
	t.minute = 59;
	ck_assert_int_eq(iec_time_to_timestamp(&t, &zone, now, &ts), 0);
	ck_assert_int_eq(ts.s, now.s - 14 * 60); /* 21:59:20, not 22:59:20 */
	ck_assert_int_eq(iec_zone_init(&zone, "Asia/Kolkata"), 0);
	t.minute = 43; /* 03:43:20 there */
	ck_assert_int_eq(iec_time_to_timestamp(&t, &zone, now, &ts), 0);
	ck_assert_int_eq(ts.s, now.s);
	t = (struct iec_time){ .size = 4, .hour = 3, .minute = 40 };
	ck_assert_int_eq(iec_time_to_timestamp(&t, &zone, now, &ts), 0);
	ck_assert_int_eq(ts.s, now.s - 200);
	t = (struct iec_time){ .size = 2, .ms = 19000 };
	ck_assert_int_eq(iec_time_to_timestamp(&t, &zone, now, &ts), 0);
	ck_assert_int_eq(ts.s, now.s - 1);
}
END_TEST

START_TEST(zones_that_are_none)
{
	static const char *const names[] = { "", "Nowhere/City", "../../etc/passwd",
		"/etc/passwd" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(iec_zone_init(&zone, names[i]), -1);
		ck_assert_int_eq(errno, ENOENT);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, octets_of_cp56);
	tcase_add_test(tc, impossible_times);
	tcase_add_test(tc, doubled_and_skipped_hour);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, milliseconds_are_rounded);
	tcase_add_test(tc, short_times_are_completed);
	tcase_add_test(tc, zones_that_are_none);
}

UNIT_MAIN("iec_time")
