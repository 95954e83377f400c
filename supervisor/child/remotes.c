#include "supervisor/child/remotes.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"

enum { FIRST_ROOM = 8 };

/* Checks an element: [key, nil or [name, state, since, what, last error, counters]]. */
static const char *
check(const msgpack_object *f)
{
	if (f[0].via.u64 >= IPC_MAX_REMOTES)
		return "more than 1024 remote ends";
	if (f[1].type == MSGPACK_OBJECT_ARRAY &&
	    f[1].via.array.ptr[1].via.u64 >= IPC_REMOTE_STATE_COUNT)
		return "an unknown state of a remote end";
	return NULL;
}

static bool
make_room(struct remotes *r, size_t key)
{
	size_t room = r->room ? r->room : FIRST_ROOM;

	while (room <= key)
		room *= 2;
	if (room == r->room)
		return true;
	struct remote_end **ends = realloc(r->ends, room * sizeof(struct remote_end *));
	if (!ends)
		return false;
	memset(ends + r->room, 0, (room - r->room) * sizeof(struct remote_end *));
	r->ends = ends;
	r->room = room;
	return true;
}

static void
drop(struct remotes *r, size_t key)
{
	if (key >= r->room || !r->ends[key])
		return;
	r->counts[r->ends[key]->state]--;
	free(r->ends[key]);
	r->ends[key] = NULL;
}

/* Without memory it is not shown. */
static void
set(struct remotes *r, size_t key, const msgpack_object *f, ev_tstamp now)
{
	struct remote_end *e = make_room(r, key) ? r->ends[key] : NULL;

	if (e)
		r->counts[e->state]--;
	else if (key >= r->room || !(e = r->ends[key] = calloc(1, sizeof(*e))))
		return;
	ipc_copy_text(e->name, sizeof(e->name), &f[0].via.str);
	e->state = (enum ipc_remote_state)f[1].via.u64;
	e->since = ipc_timestamp(&f[2]);
	ipc_copy_text(e->what, sizeof(e->what), &f[3].via.str);
	ipc_copy_text(e->last_error, sizeof(e->last_error), &f[4].via.str);
	if (f[5].via.array.ptr[IPC_REMOTE_BYTES_IN].via.u64 > e->counters[IPC_REMOTE_BYTES_IN])
		e->heard = now;
	for (size_t i = 0; i < IPC_REMOTE_COUNTERS; i++)
		e->counters[i] = f[5].via.array.ptr[i].via.u64;
	r->counts[e->state]++;
}

const char *
remotes_update(struct remotes *r, const msgpack_object_array *list, ev_tstamp now)
{
	if (now - r->second >= 1.) {
		r->second = now;
		r->messages = 0;
	}
	if (++r->messages > IPC_MAX_HEALTH_RATE)
		return "a flood of health";
	for (uint32_t i = 0; i < list->size; i++) {
		const char *why = check(list->ptr[i].via.array.ptr);
		if (why)
			return why;
	}
	for (uint32_t i = 0; i < list->size; i++) {
		const msgpack_object *f = list->ptr[i].via.array.ptr;
		if (f[1].type == MSGPACK_OBJECT_NIL)
			drop(r, f[0].via.u64);
		else
			set(r, f[0].via.u64, f[1].via.array.ptr, now);
	}
	return NULL;
}

void
remotes_clear(struct remotes *r)
{
	for (size_t i = 0; i < r->room; i++)
		free(r->ends[i]);
	free(r->ends);
	*r = (struct remotes){ 0 };
}

size_t
remotes_total(const struct remotes *r)
{
	return r->counts[IPC_REMOTE_UP] + r->counts[IPC_REMOTE_DEGRADED] +
	       r->counts[IPC_REMOTE_DOWN];
}

enum ipc_remote_state
remotes_worst(const struct remotes *r)
{
	for (size_t s = IPC_REMOTE_STATE_COUNT - 1; s > IPC_REMOTE_OFF; s--)
		if (r->counts[s])
			return (enum ipc_remote_state)s;
	return IPC_REMOTE_OFF;
}
