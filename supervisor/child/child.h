/*
 * One device as the supervisor sees it: its runner process, the channel to it,
 * its frozen plan, what it registered and has not left yet, and how it died.
 * child_fsm.h decides, this does. The engine owns the children.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ipc/channel.h"
#include "protocols/hat/eventer.h"
#include "supervisor/net/broker.h"
#include "supervisor/child/cgroup.h"
#include "supervisor/child/child_fsm.h"
#include "supervisor/config/config.h"

enum {
	CHILD_MAX_OBITUARIES = 8,
	CHILD_MAX_LINE = 256, /* of the runner's output that is kept */
	CHILD_MAX_COUNTERS = 32,
	CHILD_LOG_BURST = 50,	     /* lines of output relayed in one second */
	CHILD_LOG_BYTES = 64 * 1024, /* of output read in one second; more waits in the pipe */
	CHILD_LAST_READS = 512, /* of 4 KiB, of a dead runner's output: a pipe of 1 MiB, twice */
	CHILD_FREE_MESSAGES = 20000, /* that cost no credit, in one second: a flood beyond it */
	CHILD_FREE_OPENS = 500,	     /* in one second: the lookup of a cancelled one goes on */
	CHILD_FREE_BYTES = 16 * 1024 * 1024, /* of them, in one second */
	CHILD_CLOSED_MS = 200,		  /* a runner that closed its socket has this long to end */
	CHILD_EVENTS_MESSAGE = 48 * 1024, /* events to a runner go in messages of about this size */
};

struct child;

struct child_obituary {
	struct timestamp when;
	int64_t uptime_ms;
	pid_t pid;
	char cause[200]; /* "SIGSEGV", "exit code 1", "missed ping", ... */
	char last_line[CHILD_MAX_LINE];
	uint64_t events; /* that it registered */
};

struct child_plan {
	enum ipc_resource kind;
	uint16_t port;
	char *target;
	bool open; /* handed out at least once */
};

struct child_open {
	struct child *child; /* NULL: free */
	uint32_t id;
	size_t index;
	struct broker_request *request;
};

struct child_query {
	struct child *child; /* NULL: free */
	uint32_t id;
};

struct child_counter {
	char name[40];
	uint64_t value;
};

/* How many events it had registered by then. */
struct child_rate {
	struct monotime when;
	uint64_t registered;
};

/* What the owner of a child does for it. */
struct child_ops {
	/* child->pending got its first bytes. */
	void (*on_pending)(void *arg, struct child *c);
	/* The process is no more, or is: register it. */
	void (*on_running)(void *arg, struct child *c, bool running);
	/* Ask for the latest events of count encoded types (with prefix); answer with
	 * child_answer_query(query). Returns 0 or -1. */
	int (*on_query)(void *arg, struct child *c, struct child_query *query,
	    const struct eventer_types *types);
	void (*forget_query)(void *arg, struct child_query *query);
	void (*on_state)(void *arg, struct child *c, enum child_state before);
	void (*on_config_fault)(void *arg, struct child *c, enum schema_severity severity,
	    const char *path, const char *message);
	/* A line of what the device will do, before its plan. May be NULL. */
	void (*on_note)(void *arg, struct child *c, const char *note);
	/* Its plan is known, and frozen. May be NULL. */
	void (*on_plan)(void *arg, struct child *c);
	/* A frame of a traced device; may be NULL. */
	void (*on_trace)(void *arg, struct child *c, uint32_t direction,
	    const struct timestamp *when, const void *frame, size_t len);
};

/* What all children share. */
struct child_host {
	struct ev_loop *loop;
	struct broker *broker;
	const char *libexec;
	const char *zone; /* TZ for the runners */
	const struct child_ops *ops;
	const struct cgroup *cgroup; /* or NULL */
	void *arg;
	bool check_only;
};

struct child {
	const struct child_host *host;
	const struct config_device *conf; /* borrowed; child_reconfigure() changes it */
	struct eventer_prefix prefix;	  /* encoded, owned: the device's event types begin so */
	struct child_fsm fsm;
	ev_timer deadline;
	void *slot; /* the owner's */

	/* The process; pid 0: none. */
	pid_t pid;
	int pidfd, output;
	ev_io exited, printed;
	ev_timer closed, muted;
	struct monotime spawned;
	bool out_of_memory; /* the kernel killed it for its group's limit */
	bool reaped, gone;  /* its status is known; its channel is closed */
	int status;
	char violation[160];
	char closing_words[160]; /* the reason of its CLOSED message */
	struct channel channel;
	char line[CHILD_MAX_LINE]; /* the line of output that is being read */
	size_t line_len;
	char last_line[CHILD_MAX_LINE];
	ev_tstamp log_second;
	uint32_t log_count, log_bytes, log_suppressed;
	ev_tstamp free_second; /* since when the next two count */
	uint32_t free_messages, free_bytes, free_opens;
	uint32_t faults; /* of its configuration, in this life */

	struct child_plan *plan;
	size_t plan_count;
	struct child_open opens[IPC_MAX_ASKED];
	struct child_query queries[IPC_MAX_ASKED];

	/* Events from it: chunks of {u32 count, u32 len, u64 cost} and encoded RegisterEvents. */
	struct buffer pending;
	int64_t credit;	      /* what the runner may still register */
	uint64_t outstanding; /* credit that pending events hold, of this life or an earlier one */
	uint64_t to_return;   /* credit that is free again and was not told yet */
	/* Events to it that leave at child_flush_events(). */
	struct buffer events;
	msgpack_packer events_packer;
	uint32_t events_count;

	uint64_t registered, delivered, dropped, violations;
	uint64_t events_since_spawn;
	struct child_rate rates[2]; /* older, newer; taken by whoever shows rates */
	uint64_t exec_ns;	    /* what the last spawn took */
	char link[40];
	bool tracing;
	enum log_level log_level;
	struct child_counter counters[CHILD_MAX_COUNTERS];
	size_t counter_count;
	struct child_obituary obituaries[CHILD_MAX_OBITUARIES]; /* a ring; deaths counts all */
	uint32_t deaths;
};

/* segments: the device's event type prefix. Copied. NULL when out of memory. */
struct child *child_new(const struct child_host *host, const struct config_device *conf,
    const struct sbs_str *segments, size_t count, enum log_level level);
/* Kills and reaps (waits for) a process that is left. */
void child_free(struct child *c);

void child_enable(struct child *c, bool enabled);
void child_restart(struct child *c);
/* The device's configuration is another from now on; restarts what runs. Borrowed. */
void child_reconfigure(struct child *c, const struct config_device *conf);
/* There is a process. */
bool child_is_alive(const struct child *c);

/* Whether the event's type begins with the device's prefix, and has more. */
bool child_owns_event(const struct child *c, const struct eventer_event *e);
/* One event that it owns, for the runner; dropped and counted where none takes it. */
void child_put_event(struct child *c, const struct eventer_event *e);
void child_flush_events(struct child *c);
/* The events of a query's answer; what is not the device's own is left out. */
void child_answer_query(struct child_query *q, struct eventer_events_iter *events);

/* Puts one event of our own into pending, behind the runner's. */
void child_register(struct child *c, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json);
/* Takes the oldest chunk; returns false when there is none. Its bytes are borrowed until
 * child_took(), which gives their credit back. */
bool child_peek(struct child *c, uint32_t *count, const void **events, size_t *len);
void child_took(struct child *c);
/* Throws away what is pending; the credit comes back. */
void child_drop_pending(struct child *c);

void child_set_log_level(struct child *c, enum log_level level);
void child_set_trace(struct child *c, bool on);
/* The latest obituary, or NULL; index 0 is the latest. */
const struct child_obituary *child_obituary(const struct child *c, size_t index);

/* child_process.c: used by child.c. */
int child_spawn(struct child *c);
/* In place of a process, of a device whose part of the file is at fault: the obituary says why. */
void child_refuse(struct child *c);
void child_kill(struct child *c);
/* The first fault of its configuration is the cause of its end. */
void child_note_fault(struct child *c, bool is_error, const char *path, const char *message);
void child_step(struct child *c, enum child_event event);
/* Closes what belonged to the process; then the policy hears of its death. */
void child_end(struct child *c);
void child_violate(struct child *c, const char *why, const void *packet, size_t len);
/* Counts a message that costs no credit; whether it is one too many. */
bool child_is_flood(struct child *c, size_t len);
/* child.c */
void child_on_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len);

/* child_events.c: used by child.c. */
void child_on_register(void *arg, const void *body, size_t len);
/* What child->events holds as a page of a query's answer. */
void child_send_query_page(struct child *c, uint32_t id, bool more);

#endif
