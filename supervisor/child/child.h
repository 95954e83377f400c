/*
 * One device as the supervisor sees it: its runner (process.h), the channel to
 * it, its frozen plan (requests.h), its events on their way (uplink.h), and its
 * numbers (stats.h). The engine owns the children.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <ev.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/hat/eventer.h"
#include "supervisor/child/cgroup.h"
#include "supervisor/child/process.h"
#include "supervisor/child/remotes.h"
#include "supervisor/child/requests.h"
#include "supervisor/child/stats.h"
#include "supervisor/config/config.h"
#include "supervisor/net/broker.h"

enum { CHILD_CLOSED_MS = 200 /* a runner that closed its socket has this long to end */ };

struct child;
struct child_query;

/* The owner of a child implements these. */
struct child_ops {
	/* It has its first pending events. */
	void (*on_pending)(void *arg, struct child *c);
	/* The process is no more, or is: register it. */
	void (*on_running)(void *arg, struct child *c, bool running);
	/* It has a query that waits: child_peek_query(). NULL: queries are refused. */
	void (*on_query)(void *arg, struct child *c);
	/* The answer to a query that was sent is not awaited any more. */
	void (*forget_query)(void *arg, struct child *c, struct child_query *query);
	void (*on_state)(void *arg, struct child *c, enum child_state before);
	/* News of its remote ends. May be NULL. */
	void (*on_health)(void *arg, struct child *c);
	void (*on_config_fault)(void *arg, struct child *c, enum schema_severity severity,
	    const char *path, const char *message);
	/* A line of what the device will do, before its plan. May be NULL. */
	void (*on_note)(void *arg, struct child *c, const char *note);
	/* Its plan is known, and frozen. May be NULL. */
	void (*on_plan)(void *arg, struct child *c);
	/* A frame of a traced device: the checked fields of a TRACE_FRAME, borrowed. May be NULL.
	 */
	void (*on_trace)(void *arg, struct child *c, const msgpack_object *frame);
};

/* Shared by all children. */
struct child_host {
	struct ev_loop *loop;
	struct broker *broker;
	const char *libexec;
	const char *zone; /* TZ for the runners */
	const struct child_ops *ops;
	struct cgroup *cgroup; /* or NULL */
	void *arg;
	bool check_only;
};

/* Bytes that wait. */
struct child_queues {
	size_t to_event_server, to_runner;
	int64_t credit; /* that the runner has; 0 where there is none */
	uint64_t credit_outstanding;
};

/* owner: whatever the caller wants to find again with child_owner(). segments: the device's event
 * type prefix. Copied. NULL when out of memory. */
struct child *child_new(const struct child_host *host, const struct config_device *conf,
    const struct sbs_str *segments, size_t count, enum log_level level, void *owner);
/* A process that is left is killed, and reaped when it has ended. */
void child_free(struct child *c);

void child_enable(struct child *c, bool enabled);
void child_restart(struct child *c);
/* Limits are others from now on, but for those of the process itself. Borrowed. */
void child_tune(struct child *c, const struct config_device *conf);
/* The device's configuration is another from now on; restarts what runs. Borrowed. */
void child_reconfigure(struct child *c, const struct config_device *conf);
/* The same configuration, in another place. Borrowed. */
void child_move(struct child *c, const struct config_device *conf);
/* At once, where there is a process. */
void child_kill(struct child *c);
/* It violated the protocol: counted, logged with the packet (NULL where there is none), killed;
 * nothing that it says after this counts. */
void child_violate(struct child *c, const char *why, const void *packet, size_t len);
void child_set_log_level(struct child *c, enum log_level level);
void child_set_trace(struct child *c, bool on);

/* --- events --- */

bool child_owns_event(const struct child *c, const struct eventer_event *e);
/* One event that it owns, for the runner; dropped and counted where none takes it. */
void child_put_event(struct child *c, const struct eventer_event *e);
void child_flush_events(struct child *c);
/* The query that has waited for longest and its encoded types (with prefix), or NULL. Borrowed
 * until child_sent_query(), after which an answer is owed: child_answer_query(). */
struct child_query *child_peek_query(struct child *c, struct eventer_types *types);
void child_sent_query(struct child_query *q);
/* The answer: events (NULL: none), of which those that are not the device's own are left out;
 * error: what is wrong or missing, or NULL. */
void child_answer_query(
    struct child_query *q, struct eventer_events_iter *events, const char *error);

/* Puts one event of our own behind the runner's pending ones. */
void child_register(struct child *c, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json);
/* An event of the device was registered past child_register(). */
void child_count_registered(struct child *c);
bool child_has_pending(const struct child *c);
/* Takes the oldest chunk; returns false when there is none. Its bytes are borrowed until
 * child_took(), which gives their credit back. */
bool child_peek(const struct child *c, uint32_t *count, const void **events, size_t *len);
void child_took(struct child *c);
/* Throws away what is pending; the credit comes back. */
void child_drop_pending(struct child *c);

/* --- its description --- */

/* A page of what the runner says of its data: rows of a checked DESCRIPTION, borrowed; next: where
 * the following page begins, 0: this was the last one. rows NULL: the process has ended. */
typedef void child_description_cb(void *arg, const msgpack_object_array *rows, uint32_t next);
/* Asks a running device for the page that begins at `from`. Answered once, later. Returns 0, or -1
 * with errno: ENOTCONN where it is not running, EBUSY where too many are asked for. */
int child_describe(struct child *c, uint32_t from, child_description_cb *cb, void *arg);
/* The callbacks with this arg do not come any more. */
void child_forget_description(struct child *c, const void *arg);

/* --- what is known of it --- */

void *child_owner(const struct child *c);
const struct config_device *child_conf(const struct child *c);
const struct eventer_prefix *child_prefix(const struct child *c);
/* Its state, pid, restarts, obituaries. */
const struct process *child_process(const struct child *c);
/* Resident memory of its process in bytes; -1: not known. It is read each `each` times that it is
 * asked for, of different devices at different times, and the first time. */
int64_t child_memory(struct child *c, unsigned each);
enum child_state child_state(const struct child *c);
bool child_is_wanted(const struct child *c);
/* There is a process. */
bool child_is_alive(const struct child *c);
bool child_is_traced(const struct child *c);
enum log_level child_log_level(const struct child *c);
/* Its link to the field as it says, "" unknown. */
const char *child_link(const struct child *c);
/* The health of its remote ends. */
const struct remotes *child_remotes(const struct child *c);
const struct stats *child_stats(const struct child *c);
/* Takes a sample of its numbers, for child_event_rate(): events registered in a second. */
void child_sample(struct child *c, struct monotime now);
double child_event_rate(const struct child *c, struct monotime now);
struct child_queues child_queues(const struct child *c);
/* The event types that it has registered, and how many events of others were dropped. */
struct child_types {
	size_t count;
	uint64_t refused;
};
struct child_types child_types(const struct child *c);
/* The rows of its plan, *count of them. */
const struct plan_row *child_plan(const struct child *c, size_t *count);

#endif
