/*
 * The control socket, in the supervisor: who may connect, how many, how much
 * may wait for them. What the commands do is in control_commands.c and
 * control_stream.c. A client can cost itself its connection, and nobody else
 * anything: it is never waited for.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <ev.h>

#include "common/json.h"
#include "ipc/control.h"
#include "supervisor/engine/engine.h"
#include "supervisor/engine/eventd.h"
#include "supervisor/engine/idle.h"
#include "supervisor/engine/monitor.h"

enum {
	CONTROL_SLICE_US = 1000, /* of a turn, for one answer; what one device takes comes on top */
	CONTROL_MAX_CLIENTS = 64,
	CONTROL_MAX_OBSERVERS = 32,	       /* of them */
	CONTROL_IDLE_MS = 10000,	       /* a client that asks nothing is disconnected */
	CONTROL_MAX_WAITING = 8 * 1024 * 1024, /* bytes that wait for one client's answer */
	CONTROL_MAX_BEHIND = 1024 * 1024,      /* the same of a stream: it is too slow then */
	CONTROL_MAX_TOTAL = 32 * 1024 * 1024,  /* bytes that wait for all clients together */
	CONTROL_BUDGET = 1000,		       /* for all clients in a second: */
	CONTROL_OBSERVER_BUDGET = 500,	       /* of it, for observers */
	CONTROL_CONNECT_COST = 1,
	CONTROL_REQUEST_COST = 4,
	CONTROL_RATE_MS = 5000, /* events per second are of this time, up to twice it */
};

struct control;
struct control_client;

/* Control asks these of the gateway. */
struct control_hooks {
	void *arg;
	const char *config_path; /* borrowed */
	/* Reloads the configuration, or says with `diff` what that would do: rows of "change"
	 * (removed, changed, added, same, error, warning), "what" (a device, "event server", a
	 * place in the file) and "detail" by control_begin_row(), at once or later; then
	 * control_reload_done(). Returns 0, or -1 with a text for people in err: then nothing
	 * follows. */
	int (*reload)(void *arg, bool diff, struct control_client *to, char *err, size_t err_size);
	/* The client is gone: its reload goes on without it. */
	void (*forget_reload)(void *arg, struct control_client *client);
	/* The Monitor Server's client, or NULL where the configuration has none. */
	const struct monitor *(*monitor)(void *arg);
	/* The built-in Event Server, or NULL where there is none. */
	const struct eventd *(*eventd)(void *arg);
};

/* Opens the socket at `path`, for the configuration's control_group; and where it has an
 * observe_group, a second one beside it, CONTROL_OBSERVE_NAME, whose clients may only look. Both
 * have mode 0660. Takes engine's watch. An existing socket is replaced where its process is dead.
 * Returns NULL with a message in err. */
struct control *control_open(struct ev_loop *loop, struct engine *engine, const char *path,
    const struct config *config, const struct control_hooks *hooks, char *err, size_t err_size);
/* The key of a group that this machine does not have, without which control_open() fails, and what
 * to say then; NULL: all are there. */
const char *control_missing_group(const struct config *config);
#define CONTROL_NO_GROUP "expected a group of this machine, as gatewayd does not start without it"
/* Closes and removes it. NULL is fine. */
void control_close(struct control *c);
size_t control_client_count(const struct control *c);
/* Clients or devices changed: tells the devices whether somebody listens. */
void control_stream_update(struct control *c);

/* The end of a reload; error NULL where it was done. */
void control_reload_done(struct control_client *client, const char *error);
/* Devices were added or removed: tells the watching clients. NULL is fine. */
void control_devices_changed(struct control *c);

/* A row of the answer: begin, put the members, end. */
struct json_writer *control_begin_row(struct control_client *client);
/* False where the row is larger than a packet may be, or too much waits: the row is gone. */
bool control_end_row(struct control_client *client);

#endif
