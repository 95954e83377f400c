/*
 * Decides which request goes out next on a Modbus master's connection. Writes before
 * polls, remote devices in turn. Those whose last request timed out share one turn of the round, so
 * that however many are silent, the others wait for one request timeout at a time. Pure. In the
 * Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_SCHED_H
#define DEVICE_RUNNERS_MODBUS_SCHED_H

#include "device-runners/modbus/client.h"
#include "device-runners/modbus/remote.h"

enum {
	/* Then a poll that waits comes between, so that a flood of writes does not end all reading.
	 */
	SCHED_WRITES_IN_A_ROW = 16,
};

struct sched {
	struct remote *const *remotes; /* borrowed */
	size_t count;
	size_t turn_write, turn_poll, turn_suspect; /* who comes first, each in its round */
	unsigned writes;			    /* sent since the last poll */
	size_t round; /* requests that the healthy are still good for before a suspect's */
};

struct sched_pick {
	struct remote *remote; /* NULL: nobody yet */
	bool write;
	struct monotime wake; /* where nobody: when to ask again; INT64_MAX ns for never */
};

void sched_init(struct sched *s, struct remote *const *remotes, size_t count);
/* polls: whether reading is allowed now (it is not while the way to the Event Server is full). */
struct sched_pick sched_next(
    struct sched *s, const struct client *c, bool polls, struct monotime now);

#endif
