/* The counters of a device. In the supervisor. */
#ifndef SUPERVISOR_STATS_H
#define SUPERVISOR_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/monotime.h"

enum { STATS_MAX_COUNTERS = 32, STATS_MAX_NAME = 40 };

struct stats_counter {
	char name[STATS_MAX_NAME];
	uint64_t value;
};

/* How many events were registered by then. */
struct stats_sample {
	struct monotime when;
	uint64_t registered;
};

struct stats {
	/* Events to the Event Server; to the runner; lost either way. */
	uint64_t registered, delivered, dropped;
	uint64_t violations;
	uint64_t registered_in_life; /* by the runner, since it was started */
	struct stats_sample samples[2];
	/* The runner's own. */
	struct stats_counter counters[STATS_MAX_COUNTERS];
	size_t counter_count;
};

/* One of the runner's own counters; names beyond STATS_MAX_COUNTERS are not kept. */
void stats_set_counter(struct stats *s, const char *name, uint64_t value);
/* Taken at intervals by whoever shows rates. */
void stats_sample(struct stats *s, struct monotime now);
/* Events registered in a second, since the sample before the last, or since the process was
 * started: less than a second counts as one. */
double stats_rate(const struct stats *s, struct monotime started, struct monotime now);

#endif
