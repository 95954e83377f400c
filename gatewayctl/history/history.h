/* `gatewayctl events` with a time: what the Event Server's time series has, page by page. */
#ifndef GATEWAYCTL_HISTORY_HISTORY_H
#define GATEWAYCTL_HISTORY_HISTORY_H

#include <signal.h>

#include "common/monotime.h"
#include "gatewayctl/command.h"
#include "gatewayctl/session.h"

/* "90s", "15m", "1h", "2d" or "1w" before now; or a date and time, "2026-11-28 09:30:00.5", of
 * which the time, or its seconds, may be left out: local time, or UTC where a Z follows; or a time
 * of today. */
bool history_parse_time(const char *text, struct timestamp now, struct timestamp *t);
/* Whether the options ask for history, not for latest events. */
bool history_is_wanted(const struct options *o);
/* types: as of `events`. stop: ends it when it becomes true. Returns the exit code. */
int history_run(struct session *client, const struct options *o, int count, char **types,
    const volatile sig_atomic_t *stop);

#endif
