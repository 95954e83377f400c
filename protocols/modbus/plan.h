/*
 * Which read requests serve a list of data: those of one type and interval that
 * follow one another without a gap share a request, up to what a request may
 * ask for. Pure; in the Modbus runner.
 */
#ifndef PROTOCOLS_MODBUS_PLAN_H
#define PROTOCOLS_MODBUS_PLAN_H

#include "protocols/modbus/value.h"

enum {
	PLAN_NEVER = -1, /* interval of data that are not polled */
};

struct plan_point {
	enum modbus_type type;
	uint32_t start;	     /* address */
	uint32_t quantity;   /* registers from there, 1 or more */
	int64_t interval_us; /* or PLAN_NEVER */
};

struct plan_range {
	enum modbus_type type;
	uint32_t start, quantity;
	int64_t interval_us;
	size_t first, count; /* its points: order[first .. first + count) */
};

/* The limits of a device. Zeros stand for the protocol's own maxima, no holes, shared requests. */
struct plan_limits {
	uint32_t max_bits, max_registers;   /* of one request */
	uint32_t hole_bits, hole_registers; /* that may be read over */
	bool one_each;			    /* a request for each point */
};

/* Fills order (n indices into points) and ranges (room for n); returns how many ranges. A range is
 * sorted by address, ranges come in the order in which their types and intervals first appear.
 * (size_t)-1: out of memory. */
size_t plan_make(const struct plan_point *points, size_t n, const struct plan_limits *limits,
    uint32_t *order, struct plan_range *ranges);

/* The registers that some of a range's points take: of points[order[first .. first + count)]. */
void plan_cover(const struct plan_point *points, const uint32_t *order, struct plan_range *range);

#endif
