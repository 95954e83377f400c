/*
 * A limit for log lines that a peer can cause, in runner processes: a few per
 * period, then a count of those that were suppressed.
 */
#ifndef DEVICE_RUNNERS_LIMIT_H
#define DEVICE_RUNNERS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/monotime.h"

enum {
	LIMIT_LINES = 10, /* in one period */
	LIMIT_PERIOD_MS = 30000,
};

struct limit {
	struct monotime since; /* of the period; 0: none yet */
	uint32_t lines;	       /* asked for in it */
};

/* Whether a line may be written now. *suppressed: how many were not in the period before, once,
 * else 0. */
static inline bool
limit_allows(struct limit *l, struct monotime now, uint32_t *suppressed)
{
	*suppressed = 0;
	if (l->since.ns == 0 || monotime_diff_ms(now, l->since) >= LIMIT_PERIOD_MS) {
		*suppressed = l->lines > LIMIT_LINES ? l->lines - LIMIT_LINES : 0;
		*l = (struct limit){ .since = now };
	}
	return ++l->lines <= LIMIT_LINES;
}

#define limit_log(l, level, ...)                                                                   \
	do {                                                                                       \
		uint32_t suppressed_;                                                              \
		bool allowed_ = limit_allows(l, monotime_now(), &suppressed_);                     \
		if (suppressed_)                                                                   \
			log_write(level, NULL, NULL, "suppressed %u lines like the next one",      \
			    suppressed_);                                                          \
		if (allowed_)                                                                      \
			log_write(level, NULL, NULL, __VA_ARGS__);                                 \
	} while (0)
#define limit_warning(l, ...) limit_log(l, LOG_LEVEL_WARNING, __VA_ARGS__)
#define limit_notice(l, ...) limit_log(l, LOG_LEVEL_NOTICE, __VA_ARGS__)
#define limit_info(l, ...) limit_log(l, LOG_LEVEL_INFO, __VA_ARGS__)

#endif
