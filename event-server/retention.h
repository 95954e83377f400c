/*
 * How much of the time series gateway-eventd keeps of types that fit a
 * pattern: so many events, of such an age, of so many bytes. Pure; the store
 * counts, and drops.
 */
#ifndef EVENT_SERVER_RETENTION_H
#define EVENT_SERVER_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/hat/eventer.h"

enum { RETENTION_MAX_RULES = 16, RETENTION_MAX_TEXT = 1024 };

struct retention_rule {
	char text[RETENTION_MAX_TEXT]; /* of the type */
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	size_t segment_count;
	uint64_t max_count, max_bytes; /* UINT64_MAX: no bound */
	int64_t max_age_s;	       /* INT64_MAX: no bound */
	uint64_t count, bytes;	       /* of what the series has of it */
};

struct retention {
	struct retention_rule rules[RETENTION_MAX_RULES];
	size_t count;
};

/* Reads "TYPE:count=N,age=S,bytes=N", of which one bound is needed; the last colon counts. age is
 * in seconds. Returns NULL, or what is wrong. */
const char *retention_add(struct retention *r, const char *text);
/* The first rule whose pattern the type fits, or NULL. */
struct retention_rule *retention_find(struct retention *r, const struct eventer_type *type);

#endif
