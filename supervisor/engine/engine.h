/*
 * The engine (the seed's rules): created when the link to the Event Server is
 * up, destroyed when it is lost, and with it every device. It follows 'enable',
 * registers 'running', routes events to devices and theirs to the link.
 */
#ifndef SUPERVISOR_ENGINE_H
#define SUPERVISOR_ENGINE_H

#include <ev.h>
#include <stdbool.h>

#include "supervisor/child/child.h"
#include "supervisor/config/config.h"
#include "supervisor/engine/device_index.h"
#include "supervisor/engine/engine_device.h"
#include "supervisor/engine/eventlink.h"
#include "supervisor/engine/gate.h"
#include "supervisor/engine/turns.h"
#include "supervisor/engine/window.h"

enum {
	ENGINE_LEAVE_SLACK_MS = 3000,
	ENGINE_PUMP_MS =
	    4, /* of a turn, after which no further message is put onto the link in it */
	ENGINE_ANSWER_MS =
	    5000, /* for what an operator registers, until the Event Server answers */
	ENGINE_START_MS =
	    5, /* of a turn, after which no further device is started in it, or stopped */
	ENGINE_END_MS = 1000, /* the Event Server has this long to take what was sent, and close */
};

/* Subscriptions are said once a connection. If there is one a device, what a reload adds is
 * followed over a second connection until the first one is made again. */
struct engine_second {
	struct eventlink link;
	struct buffer subscription;
	char *name; /* its client's; owned */
};

struct engine_retired;
struct engine_message;

/* The answer to what the engine was asked to register or to query: eventlink_answer_cb; the loss of
 * the link, or no answer in time, is an error too. */
typedef eventlink_answer_cb engine_answer_cb;

/* A query of a device that is under way. */
struct engine_asked {
	struct engine *engine;	      /* NULL: free */
	struct engine_device *device; /* NULL: it is no more */
	struct child_query *query;    /* NULL: nobody waits for the answer */
	struct monotime since;
};

/* Devices that are enabled and start in turn; or all stop in turn, as the engine is destroyed. */
struct engine_starts {
	struct engine_device *first, *last;
	ev_timer timer, stop_timer;
	bool stopping;
	size_t stopped;	   /* devices that were told to */
	char unknown[120]; /* why it is not known which devices are enabled; "": it is */
};

/* Everything that leaves for the Event Server. */
struct engine_out {
	struct gate gate;
	struct window window;
	struct engine_asked asked[GATE_MAX_ASKED];
	struct engine_message
	    *messages; /* of the engine and of operators: waiting, or unanswered */
	ev_timer wake;
	unsigned iteration; /* of the loop, in which messages leave until that time */
	struct monotime until;
};

/* An observer (the control socket); any callback may be NULL. */
struct engine_watch {
	void *arg;
	void (*on_state)(void *arg, struct child *c, enum child_state before);
	void (*on_health)(void *arg, struct child *c);
	void (*on_link)(void *arg);
	/* Encoded RegisterEvents on their way to the Event Server. */
	void (*on_registered)(
	    void *arg, struct child *c, size_t count, const void *events, size_t len);
	/* c: the child that sent it, or NULL. */
	void (*on_notified)(void *arg, struct child *c, const struct eventer_event *e);
	/* The checked fields of a TRACE_FRAME, borrowed. */
	void (*on_trace)(void *arg, struct child *c, const msgpack_object *frame);
	void (*on_config_fault)(void *arg, struct child *c, enum schema_severity severity,
	    const char *path, const char *message);
};

struct engine {
	struct ev_loop *loop;
	const struct config *config;
	struct child_host host;
	struct eventlink link;
	struct eventlink_target target;
	struct buffer subscriptions;	/* encoded, of target */
	char *client_name;		/* of target; owned */
	struct engine_device **devices; /* in the configuration's order */
	size_t device_count;
	struct engine_device **sorted; /* by prefix, for routing */
	struct device_index by_name;   /* made when it is asked, again when devices change */
	struct engine_out out;
	struct engine_device *removed;	/* by reloads, while they end */
	struct engine_retired *retired; /* configurations that they borrow from */
	struct engine_second second;
	ev_prepare before_wait;
	struct turns turns;
	struct engine_starts starts;
	bool active;  /* the engine exists: link up, and operational where required */
	bool leaving; /* engine_disconnect() is under way */
	ev_timer leave_limit;
	void (*on_left)(void *arg);
	void *on_left_arg;
	struct engine_watch watch;
	uint64_t unrouted; /* events of no device of ours */
};

/* cgroup, libexec, zone: borrowed. Returns 0, or -1 when out of memory. */
int engine_init(struct engine *e, struct ev_loop *loop, struct broker *broker,
    struct cgroup *cgroup, const struct config *config, const char *libexec, const char *zone);
void engine_clear(struct engine *e);
/* The link goes to this server from now on; texts are borrowed. Only when disconnected. */
void engine_connect(struct engine *e, const struct eventlink_target *server);
/* Stops in order: each device sends its last events, 'running' false is registered for each,
 * everything is flushed, and the link closes. Then on_left is called once, from the loop. Devices
 * have their stop deadlines and ENGINE_LEAVE_SLACK_MS, the server has ENGINE_END_MS to close; then
 * the link is closed at once. A second call replaces on_left. */
void engine_disconnect(struct engine *e, void (*on_left)(void *arg), void *arg);
/* The configuration is `after` from now on. Devices that are the same go on; changed ones restart,
 * removed ones stop, added ones begin. The diff's rows are of the engine's configuration, `before`,
 * and `after`; `before` is the engine's on success, which frees it from the loop, when no device
 * uses it any more. The name and the server are the same in both; server: its texts in `after`.
 * Returns 0, or -1 with ENOMEM: then nothing has changed. */
int engine_reload(struct engine *e, const struct config_diff *diff, const struct config *after,
    struct config *before, const struct eventlink_target *server);
bool engine_is_leaving(const struct engine *e);
/* The link, to show its state. */
const struct eventlink *engine_link(const struct engine *e);
/* Whether the Event Server did not answer on so many connections in a row; then counting begins
 * again. */
bool engine_hangs(struct engine *e, uint32_t connections);
size_t engine_device_count(const struct engine *e);
/* The child of device i, in the configuration's order. */
struct child *engine_device_child(const struct engine *e, size_t i);
/* Registers count encoded events, whose buffer is taken, before those of devices. cb is called once
 * with the answer, within ENGINE_ANSWER_MS; NULL: none is wanted. Returns 0, or -1 with errno
 * (ENOTCONN, EMSGSIZE, ENOMEM): no answer comes. */
int engine_register(
    struct engine *e, size_t count, struct buffer *events, engine_answer_cb *cb, void *arg);
/* Events of any device. The query is copied; query->types.count is of the encoded types in the
 * buffer, which is taken. In turn with the queries of devices. Returns as above. */
int engine_query(struct engine *e, const struct eventer_query *query, struct buffer *types,
    engine_answer_cb *cb, void *arg);
/* At once, whatever the Event Server knows of it: until it says otherwise, or the next connection.
 */
void engine_disable(struct engine_device *d);
/* No answer comes for this arg; queries that wait are withdrawn. */
void engine_forget(struct engine *e, void *arg);
/* The device of that name ("plc1", or "type/name"), or NULL with errno: ENOENT, or ENOTUNIQ where
 * several types share the name, ENOMEM. Costs the same however many devices there are. */
struct engine_device *engine_find(struct engine *e, const char *name);

#endif
