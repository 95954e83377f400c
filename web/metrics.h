/*
 * The numbers of the control socket's `metrics` as Prometheus reads them: in
 * its text format, or in OpenMetrics. Pure: takes rows, writes text, piece by
 * piece, so that it is never in memory as a whole.
 */
#ifndef WEB_METRICS_H
#define WEB_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"
#include "common/json.h"

#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum {
	METRICS_MAX_DEVICES = 4096,
	METRICS_MAX_ENDS = 64,		      /* remote ends of a device; gatewayd gives no more */
	METRICS_MAX_COUNTERS = 32,	      /* that a runner counts by names of its own */
	METRICS_MAX_BYTES = 64 * 1024 * 1024, /* of what is kept of the rows */
	METRICS_PIECE = 32 * 1024,
};

struct metrics;

/* open: OpenMetrics. NULL when out of memory. */
struct metrics *metrics_new(bool open);
void metrics_free(struct metrics *m);
/* A row of the answer; what it has too much, or of another kind, is left out. False when out of
 * memory. */
bool metrics_add(struct metrics *m, const struct json *row);
/* Writes the next piece, about METRICS_PIECE bytes. False: that was the last one. */
bool metrics_write(struct metrics *m, struct buffer *b);

/* Whether a request with this Accept (or NULL) wants OpenMetrics. */
bool metrics_wants_open(const char *accept);

#endif
