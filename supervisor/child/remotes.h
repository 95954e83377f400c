/*
 * The health of a device's remote ends as its runner tells it (HEALTH), for
 * gatewayctl. In the supervisor.
 */
#ifndef SUPERVISOR_REMOTES_H
#define SUPERVISOR_REMOTES_H

#include <ev.h>
#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "common/monotime.h"
#include "ipc/message.h"

/* Longer texts are cut. */
enum { REMOTES_MAX_NAME = 64, REMOTES_MAX_WHAT = 240 };

struct remote_end {
	enum ipc_remote_state state;
	struct timestamp since;
	char name[REMOTES_MAX_NAME], what[REMOTES_MAX_WHAT], last_error[REMOTES_MAX_WHAT];
	uint64_t counters[IPC_REMOTE_COUNTERS];
	ev_tstamp heard; /* when bytes of it were told of last; 0: never */
};

struct remotes {
	struct remote_end **ends; /* by key, NULL: none; owned */
	size_t room;
	size_t counts[IPC_REMOTE_STATE_COUNT];
	ev_tstamp second; /* in which messages are counted */
	unsigned messages;
};

/* Takes a checked HEALTH. Returns what is wrong with it, or NULL; nothing of one that is wrong
 * counts. */
const char *remotes_update(struct remotes *r, const msgpack_object_array *list, ev_tstamp now);
/* The process has ended: nothing is known any more. */
void remotes_clear(struct remotes *r);

/* Those that are asked for anything. */
size_t remotes_total(const struct remotes *r);
/* The worst state of them; OFF where there are none. */
enum ipc_remote_state remotes_worst(const struct remotes *r);

#endif
