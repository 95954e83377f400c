/*
 * Binary times of IEC 60870-5-4 clause 6.8 (CP16, CP24, CP56Time2a), in runner
 * processes: bytes <-> fields <-> wall clock. A CP56Time2a is local time of a
 * zone; reading a zone's rules needs files, so iec_zone_init() belongs before
 * the sandbox closes. Nothing later makes a system call.
 */
#ifndef PROTOCOLS_IEC60870_TIME_H
#define PROTOCOLS_IEC60870_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cursor.h"
#include "common/monotime.h"

/* Bytes of a time; also what says which fields of struct iec_time mean something. */
enum iec_time_size {
	IEC_TIME_NONE = 0,
	IEC_TIME_CP16 = 2, /* ms */
	IEC_TIME_CP24 = 3, /* ms, minute */
	IEC_TIME_CP32 = 4, /* ms, minute, hour: IEC 60870-5-103 */
	IEC_TIME_CP56 = 7,
};

struct iec_time {
	uint8_t size;	  /* enum iec_time_size */
	bool invalid;	  /* IV */
	bool substituted; /* GEN: the time was put in on the way */
	bool summer;	  /* SU */
	uint16_t ms;	  /* of the minute, 0..59999 */
	uint8_t minute;	  /* 0..59 */
	uint8_t hour;	  /* 0..23 */
	uint8_t weekday;  /* 1 Monday .. 7, 0 not used */
	uint8_t day;	  /* 1..31 */
	uint8_t month;	  /* 1..12 */
	uint8_t year;	  /* 0..99: 70..99 are 1970..1999, 0..69 are 2000..2069 */
};

/* Reads size bytes. Fields may hold what no clock shows: iec_time_valid() tells. */
void iec_time_decode(struct iec_time *t, struct cursor *c, enum iec_time_size size);
/* Writes t->size bytes to out and returns their end. */
uint8_t *iec_time_encode(const struct iec_time *t, uint8_t *out);
/* Whether all fields of its size name a moment (31 February does not). */
bool iec_time_valid(const struct iec_time *t);

/* Which local time the CP56Time2a of a device is in, with the offset of the last hour that was
 * asked for, both ways. */
struct iec_zone {
	bool utc;
	int64_t from_hour, to_hour;	/* cached hours since the epoch; INT64_MIN: none */
	int32_t from_offset, to_offset; /* seconds east of UTC in them */
	bool from_summer;
};

/* name NULL: the zone of the host (TZ, /etc/localtime); "UTC"; else a name of the zone data base. A
 * zone that is not UTC becomes the zone of this process: one zone a process. Returns 0, or -1 with
 * ENOENT when there is no such zone. */
int iec_zone_init(struct iec_zone *z, const char *name);

/* A CP56Time2a of ts, rounded to milliseconds (half to even). */
void iec_time_from_timestamp(struct iec_time *t, struct iec_zone *z, struct timestamp ts);
/* The moment of a valid time. now fills in what CP16, CP24 and CP32 leave out: the moment closest
 * to it. In the doubled hour of autumn and in the hour that spring skips the summer bit says which
 * offset from UTC is meant. Returns 0, or -1 with EINVAL where
 * the time is not valid. */
int iec_time_to_timestamp(
    const struct iec_time *t, struct iec_zone *z, struct timestamp now, struct timestamp *ts);

#endif
