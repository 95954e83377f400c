#include "protocols/iec60870/time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	HOUR = 3600,
	DAY = 86400,
	EPOCH_WEEKDAY = 3, /* 1970-01-01 was a Thursday; Monday is 0 */
};

/* Floor division and its remainder for times before 1970. */
static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
static int64_t
days_from_civil(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = floor_div(year, 400);
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	days += 719468;
	int64_t era = floor_div(days, 146097);
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

static unsigned
days_of_month(int year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static int
full_year(const struct iec_time *t)
{
	return t->year < 70 ? 2000 + t->year : 1900 + t->year;
}

void
iec_time_decode(struct iec_time *t, struct cursor *c, enum iec_time_size size)
{
	*t = (struct iec_time){ .size = (uint8_t)size };
	if (size == IEC_TIME_NONE)
		return;
	t->ms = cursor_u16le(c);
	if (size >= IEC_TIME_CP24) {
		uint8_t b = cursor_u8(c);
		t->minute = b & 0x3f;
		t->substituted = b & 0x40;
		t->invalid = b & 0x80;
	}
	if (size >= IEC_TIME_CP32) {
		uint8_t b = cursor_u8(c);
		t->hour = b & 0x1f;
		t->summer = b & 0x80;
	}
	if (size == IEC_TIME_CP56) {
		uint8_t b = cursor_u8(c);
		t->day = b & 0x1f;
		t->weekday = b >> 5;
		t->month = cursor_u8(c) & 0x0f;
		t->year = cursor_u8(c) & 0x7f;
	}
}

uint8_t *
iec_time_encode(const struct iec_time *t, uint8_t *out)
{
	uint8_t bytes[IEC_TIME_CP56] = {
		(uint8_t)t->ms,
		(uint8_t)(t->ms >> 8),
		(uint8_t)(t->minute | t->substituted << 6 | t->invalid << 7),
		(uint8_t)(t->hour | t->summer << 7),
		(uint8_t)(t->day | t->weekday << 5),
		t->month,
		t->year,
	};

	memcpy(out, bytes, t->size);
	return out + t->size;
}

bool
iec_time_valid(const struct iec_time *t)
{
	if (t->size == IEC_TIME_NONE || t->ms > 59999 || t->minute > 59 || t->hour > 23)
		return false;
	if (t->size < IEC_TIME_CP56)
		return true;
	return t->year <= 99 && t->month >= 1 && t->month <= 12 && t->day >= 1 &&
	       t->day <= days_of_month(full_year(t), t->month);
}

int
iec_zone_init(struct iec_zone *z, const char *name)
{
	*z = (struct iec_zone){ .from_hour = INT64_MIN, .to_hour = INT64_MIN };
	if (name && strcmp(name, "UTC") == 0) {
		z->utc = true;
		return 0;
	}
	if (name) {
		char path[256];
		size_t len = strlen(name);
		static const char dir[] = "/usr/share/zoneinfo/";
		if (len == 0 || len > sizeof(path) - sizeof(dir) || name[0] == '/' ||
		    strstr(name, "..")) {
			errno = ENOENT;
			return -1;
		}
		memcpy(path, dir, sizeof(dir) - 1);
		memcpy(path + sizeof(dir) - 1, name, len + 1);
		if (access(path, R_OK) != 0) {
			errno = ENOENT;
			return -1;
		}
		if (setenv("TZ", name, 1) != 0)
			return -1;
	}
	tzset();
	return 0;
}

/* Seconds east of UTC at t. localtime_r() works from what tzset() read. */
static int32_t
offset_at(int64_t t, bool *summer)
{
	time_t time = (time_t)t;
	struct tm tm;

	if (!localtime_r(&time, &tm)) {
		*summer = false;
		return 0;
	}
	*summer = tm.tm_isdst > 0;
	return (int32_t)tm.tm_gmtoff;
}

static int32_t
zone_offset(struct iec_zone *z, int64_t t, bool *summer)
{
	bool at_end;

	*summer = false;
	if (z->utc)
		return 0;
	int64_t hour = floor_div(t, HOUR);
	if (hour == z->from_hour) {
		*summer = z->from_summer;
		return z->from_offset;
	}
	int32_t offset = offset_at(t, summer);
	bool at_start;
	if (offset_at(hour * HOUR, &at_start) == offset && at_start == *summer &&
	    offset_at(hour * HOUR + HOUR - 1, &at_end) == offset && at_end == *summer) {
		z->from_hour = hour;
		z->from_offset = offset;
		z->from_summer = *summer;
	}
	return offset;
}

/* The offset with which local seconds become UTC. *sure: the hour has only one such offset. In the
 * doubled hour of autumn, and in the hour that spring skips, the summer bit says which offset the
 * clock had. */
static int32_t
local_offset(int64_t local, bool summer, bool *sure)
{
	bool unused;
	int32_t before = offset_at(local - DAY, &unused);
	int32_t after = offset_at(local + DAY, &unused);

	*sure = before == after;
	bool with_before = offset_at(local - before, &unused) == before;
	if (before == after)
		return before;
	bool with_after = offset_at(local - after, &unused) == after;
	if (with_before != with_after)
		return with_before ? before : after;
	int32_t larger = before > after ? before : after;
	int32_t smaller = before > after ? after : before;
	return summer ? larger : smaller;
}

static int64_t
zone_to_utc(struct iec_zone *z, int64_t local, bool summer)
{
	if (z->utc)
		return local;
	int64_t hour = floor_div(local, HOUR);
	if (hour == z->to_hour)
		return local - z->to_offset;
	bool sure;
	int32_t offset = local_offset(local, summer, &sure);
	if (sure) {
		z->to_hour = hour;
		z->to_offset = offset;
	}
	return local - offset;
}

void
iec_time_from_timestamp(struct iec_time *t, struct iec_zone *z, struct timestamp ts)
{
	uint32_t ms = ts.us / 1000, rest = ts.us % 1000;
	int64_t year;
	unsigned month, day;
	bool summer;

	if (rest > 500 || (rest == 500 && ms % 2))
		ms++;
	ts.s += ms / 1000;
	ms %= 1000;
	int64_t local = ts.s + zone_offset(z, ts.s, &summer);
	int64_t days = floor_div(local, DAY);
	int64_t of_day = local - days * DAY;
	civil_from_days(days, &year, &month, &day);
	*t = (struct iec_time){
		.size = IEC_TIME_CP56,
		.summer = summer,
		.ms = (uint16_t)(of_day % 60 * 1000 + ms),
		.minute = (uint8_t)(of_day / 60 % 60),
		.hour = (uint8_t)(of_day / HOUR),
		.weekday =
		    (uint8_t)(days + EPOCH_WEEKDAY - floor_div(days + EPOCH_WEEKDAY, 7) * 7 + 1),
		.day = (uint8_t)day,
		.month = (uint8_t)month,
		.year = (uint8_t)(year - floor_div(year, 100) * 100),
	};
}

/* The closest to now of the moments that repeat every period seconds. of_period_ms: where in
 * the period it is. All in local time. */
static int64_t
closest_ms(int64_t now_ms, int64_t of_period_ms, int64_t period_ms)
{
	int64_t t = floor_div(now_ms, period_ms) * period_ms + of_period_ms;

	if (t - now_ms > period_ms / 2)
		t -= period_ms;
	else if (now_ms - t > period_ms / 2)
		t += period_ms;
	return t;
}

int
iec_time_to_timestamp(
    const struct iec_time *t, struct iec_zone *z, struct timestamp now, struct timestamp *ts)
{
	int64_t of_day_ms = (t->hour * 60 + t->minute) * INT64_C(60000) + t->ms;

	if (!iec_time_valid(t)) {
		errno = EINVAL;
		return -1;
	}
	if (t->size == IEC_TIME_CP56) {
		int64_t days = days_from_civil(full_year(t), t->month, t->day);
		int64_t local = days * DAY + of_day_ms / 1000;
		ts->s = zone_to_utc(z, local, t->summer);
		ts->us = (uint32_t)(of_day_ms % 1000 * 1000);
		return 0;
	}
	int64_t period_ms = t->size == IEC_TIME_CP16   ? 60000
			    : t->size == IEC_TIME_CP24 ? HOUR * 1000
						       : DAY * INT64_C(1000);
	bool summer;
	int32_t offset = zone_offset(z, now.s, &summer);
	int64_t ms = closest_ms((now.s + offset) * 1000 + now.us / 1000, of_day_ms, period_ms);
	ts->s = floor_div(ms, 1000) - offset;
	ts->us = (uint32_t)(ms - floor_div(ms, 1000) * 1000) * 1000;
	return 0;
}
