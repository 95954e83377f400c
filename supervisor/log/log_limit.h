/*
 * How many log lines of one kind may pass, in the supervisor: a token bucket for
 * each (device, event), in a table of fixed size. Pure: the caller says what time
 * it is. Lines left out are counted, and the count is logged when lines pass again.
 */
#ifndef SUPERVISOR_LOG_LIMIT_H
#define SUPERVISOR_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/monotime.h"

enum {
	LOG_LIMIT_BURST = 50,	   /* lines at once: a start with all its devices' first words */
	LOG_LIMIT_REFILL_MS = 200, /* then one line in this time */
	LOG_LIMIT_KINDS = 1024, /* followed at a time; more take the place of the longest quiet */
	LOG_LIMIT_NAME = 64,	/* bytes of device and event that are compared and told */
};

struct log_limit_kind {
	char device[LOG_LIMIT_NAME], event[LOG_LIMIT_NAME]; /* "" for none */
	struct monotime last; /* refilled up to here; never: a free place */
	uint32_t tokens;
	uint64_t left_out; /* lines since the last that passed */
};

struct log_limit {
	struct log_limit_kind kinds[LOG_LIMIT_KINDS];
	uint64_t forgotten; /* lines that kinds had left out whose place was taken */
};

/* All free. */
void log_limit_init(struct log_limit *l);
/* Whether a line may pass; *left_out is how many before it did not (0 where it may not either).
 * device and event may be NULL. */
bool log_limit_take(struct log_limit *l, const char *device, const char *event, struct monotime now,
    uint64_t *left_out);
/* A kind that left lines out and could pass one again now (or, with all, that left lines out), for
 * a line that says so; *left_out is taken. Kinds that lost their place are counted together,
 * as "other kinds" of no device. NULL when there is none (left). */
const struct log_limit_kind *log_limit_reopened(
    struct log_limit *l, struct monotime now, bool all, uint64_t *left_out);

#endif
