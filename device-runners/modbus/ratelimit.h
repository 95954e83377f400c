/* How often something is worth a log line: once in a while, with how many went unsaid. In the
 * Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_RATELIMIT_H
#define DEVICE_RUNNERS_MODBUS_RATELIMIT_H

#include <stdbool.h>

#include "common/monotime.h"

enum { RATELIMIT_MS = 10 * 1000 };

struct ratelimit {
	struct monotime next; /* when a line may be written again */
	unsigned count;	      /* times since the last line */
};

/* Whether to write a line now; *count is how many times it happened since the last one, this
 * included. */
static inline bool
ratelimit_pass(struct ratelimit *l, struct monotime now, unsigned *count)
{
	l->count++;
	if (monotime_cmp(now, l->next) < 0)
		return false;
	*count = l->count;
	l->count = 0;
	l->next = monotime_add_ms(now, RATELIMIT_MS);
	return true;
}

#endif
