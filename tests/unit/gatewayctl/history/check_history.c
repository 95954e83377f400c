#include <stdlib.h>
#include <time.h>

#include "gatewayctl/history/history.h"
#include "tests/unit/suite.h"

/* 2026-11-28 10:00:00.25 UTC, where it is 11:00. */
static const struct timestamp now = { 1795860000, 250000 };

static const struct {
	const char *text;
	int64_t s;
	uint32_t us;
} good[] = {
	{ "0s", 1795860000, 250000 },
	{ "1s", 1795859999, 250000 },
	{ "0.5s", 1795859999, 750000 },
	{ "15m", 1795860000 - 900, 250000 },
	{ "1h", 1795860000 - 3600, 250000 },
	{ "2d", 1795860000 - 2 * 86400, 250000 },
	{ "1w", 1795860000 - 7 * 86400, 250000 },
	{ "2026-11-28T10:00:00Z", 1795860000, 0 },
	{ "2026-11-28T10:00:00.123456Z", 1795860000, 123456 },
	{ "2026-11-28 11:00:00.5", 1795860000, 500000 },
	{ "2026-11-28 11:00", 1795860000, 0 },
	{ "2026-11-28", 1795860000 - 11 * 3600, 0 },
	{ "2026-07-01 12:00", 1782900000, 0 }, /* summer: two hours before UTC */
	{ "09:30", 1795860000 - 5400, 0 },
	{ "09:30:10", 1795860000 - 5390, 0 },
};

static const char *const bad[] = { "", "1", "h", "1x", "1hh", "-1h", "nan", "infs", "2026-13-01",
	"2026-11-28T10", "2026-11-28 10:00:00 Z", "10:00:00.5x", "25:00", "yesterday" };

static void
setup(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
}

START_TEST(times_that_are_read)
{
	struct timestamp t = { 0 };

	ck_assert_msg(history_parse_time(good[_i].text, now, &t), "%s", good[_i].text);
	ck_assert_msg(t.s == good[_i].s && t.us == good[_i].us, "%s: %lld.%06u", good[_i].text,
	    (long long)t.s, (unsigned)t.us);
}
END_TEST

START_TEST(times_that_are_none)
{
	struct timestamp t;

	ck_assert_msg(!history_parse_time(bad[_i], now, &t), "%s", bad[_i]);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_table_test(tc, times_that_are_read, good);
	tcase_add_table_test(tc, times_that_are_none, bad);
}

UNIT_MAIN("history")
