#include "supervisor/child/stats.h"

#include <stdio.h>
#include <string.h>

void
stats_set_counter(struct stats *s, const char *name, uint64_t value)
{
	size_t i = 0;

	while (i < s->counter_count && strcmp(s->counters[i].name, name) != 0)
		i++;
	if (i == STATS_MAX_COUNTERS)
		return;
	if (i == s->counter_count) {
		snprintf(s->counters[i].name, sizeof(s->counters[i].name), "%s", name);
		s->counter_count++;
	}
	s->counters[i].value = value;
}

void
stats_sample(struct stats *s, struct monotime now)
{
	s->samples[0] = s->samples[1];
	s->samples[1] = (struct stats_sample){ now, s->registered };
}

double
stats_rate(const struct stats *s, struct monotime started, struct monotime now)
{
	struct stats_sample from = s->samples[0];

	if (monotime_cmp(from.when, started) < 0)
		from = (struct stats_sample){ started, s->registered - s->registered_in_life };
	int64_t ms = monotime_diff_ms(now, from.when);
	return (double)(s->registered - from.registered) * 1e3 / (double)(ms > 1000 ? ms : 1000);
}
