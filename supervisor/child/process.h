/*
 * A process of the supervisor's: a runner, or the built-in Event Server. One
 * mechanism starts it, reads its output, watches it by a pidfd, stops it by its
 * deadline, reaps it, keeps how it died and starts it again: child_fsm.h
 * decides, this does. Nothing here waits: a process that is given up is reaped
 * by its pidfd when it has ended.
 */
#ifndef SUPERVISOR_PROCESS_H
#define SUPERVISOR_PROCESS_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/log.h"
#include "common/monotime.h"
#include "supervisor/child/cgroup.h"
#include "supervisor/child/child_fsm.h"
#include "supervisor/child/lock.h"
#include "supervisor/child/output.h"

enum {
	PROCESS_MAX_OBITUARIES = 8,
	PROCESS_FD = 3,		 /* what a process gets beside its standard descriptors */
	PROCESS_EXTRA_FD = 4,	 /* and another one, where there is one */
	PROCESS_MAX_WORDS = 240, /* bytes of a reason */
	PROCESS_MAX_TROUBLE = 544,
	PROCESS_DEADLINES_A_TURN = 64, /* of the loop; the others come in the next one */
	PROCESS_TURN_MS = 8,	       /* of a turn of the loop, after which no other is reaped */
	PROCESS_KILL_MS = 1000,	       /* a killed process has this long to end, at our own end */
};

struct process;

/* How processes end that are not asked to. */
enum process_cause {
	PROCESS_VIOLATION, /* it broke its contract */
	PROCESS_DEADLINE,  /* it was not ready, did not answer or did not stop in time */
	PROCESS_MEMORY,	   /* killed by the kernel at its limit */
	PROCESS_SIGNAL,
	PROCESS_CONFIGURATION, /* exit code 78, or refused by gatewayd */
	PROCESS_EXIT,
	PROCESS_CAUSES,
};

struct process_obituary {
	struct timestamp when;
	int64_t uptime_ms;
	pid_t pid;
	char cause[280]; /* "SIGSEGV", "exit code 1", "missed ping", ... */
	char last_line[OUTPUT_MAX_LINE];
	uint64_t events; /* that it registered: the owner's to say */
};

/* The owner of a process implements these: all that are not said to be optional. */
struct process_ops {
	/* Calls process_exec(). Returns 0, or -1 with errno: then there is no process. Why not may
	 * be said in process_set_last_words(). */
	int (*spawn)(void *arg);
	/* Asks it to end. NULL: SIGTERM does. */
	void (*stop)(void *arg);
	/* NULL where the ping deadline is 0. */
	void (*ping)(void *arg);
	/* It is ready, or is no more after it was. */
	void (*on_running)(void *arg, bool running);
	void (*on_state)(void *arg, enum child_state before);
	/* It was reaped. Returns whether nothing more is to be heard from it; where it is, the
	 * owner calls process_finish() later. NULL: nothing is. */
	bool (*on_reaped)(void *arg);
	/* The owner frees what belonged to it. o: how it died, to be completed; NULL where it ended
	 * as it was told. */
	void (*on_ended)(void *arg, struct process_obituary *o);
};

struct process_options {
	struct ev_loop *loop;
	const struct process_ops *ops; /* borrowed */
	void *arg;
	const char *name;      /* "runner", "gateway-eventd": in the log. Borrowed */
	const char *device;    /* whose it is, in the log, or NULL. Borrowed */
	struct cgroup *cgroup; /* or NULL; borrowed */
	struct child_deadlines limits;
	bool once; /* a check: it ends by itself, is not started again, and is hardly logged */
};

/* The program to start. */
struct process_exec {
	const char *path;
	const char *const *argv; /* with the name, NULL at the end */
	int fd;			 /* becomes PROCESS_FD; -1: none. The caller's */
	int extra_fd;		 /* becomes PROCESS_EXTRA_FD; 0: none. The caller's */
	uint64_t memory;	 /* bytes that its control group may have; 0: it gets no group */
	struct lock lock;	 /* what lock_prepare() takes */
};

/* NULL when out of memory. */
struct process *process_new(const struct process_options *options);
/* Forgets it. A process that is left gets signum (SIGKILL, SIGTERM) and is reaped when it ends. No
 * callback comes. NULL is fine. */
void process_free(struct process *p, int signum);
/* Waits until processes that were freed have ended: those that need longer than ms, together, are
 * killed. Only where the loop does not run any more. */
void process_reap_freed(int ms);

/* Starts it: an empty environment, nothing inherited but standard input from /dev/null,
 * output into our pipe, and fd; a session of its own. Returns 0, or -1 with errno. */
int process_exec(struct process *p, const struct process_exec *exec);
/* In spawn(), in place of process_exec(), where what is configured is at fault: it fails with that
 * cause in its obituary, and is not tried again by itself. */
void process_refuse(struct process *p, const char *cause);
/* Acts on the event as child_fsm.h decides. */
void process_step(struct process *p, enum child_event event);
/* After on_reaped() returned false: nothing more is to be heard from it. */
void process_finish(struct process *p);
void process_kill(struct process *p);
/* The cause of its end, where it is killed for breaking its contract (CHILD_VIOLATION). */
void process_set_violation(struct process *p, const char *why);
/* The cause of its end as it says it; the first counts where keep_first is set. */
void process_set_last_words(struct process *p, const char *words, bool keep_first);
void process_set_device(struct process *p, const char *device);
void process_set_limits(struct process *p, const struct child_deadlines *limits);
/* Output above that level is not logged. */
void process_set_log_level(struct process *p, enum log_level level);

enum child_state process_state(const struct process *p);
struct monotime process_since(const struct process *p); /* of the state */
bool process_is_wanted(const struct process *p);
bool process_awaits_pong(const struct process *p);
/* 0: there is none. */
pid_t process_pid(const struct process *p);
bool process_is_reaped(const struct process *p);
/* Whether it is being killed for CHILD_VIOLATION. */
bool process_is_violating(const struct process *p);
uint32_t process_restarts(const struct process *p);
uint32_t process_deaths(const struct process *p);
uint32_t process_deaths_by(const struct process *p, enum process_cause cause);
/* A word: "violation". */
const char *process_cause_name(enum process_cause cause);
struct monotime process_spawned(const struct process *p);
/* The duration of the last start, in nanoseconds. */
uint64_t process_exec_ns(const struct process *p);
enum log_level process_log_level(const struct process *p);
const char *process_last_line(const struct process *p);
/* What keeps it from running, of this attempt or the last one: the errno of its start, or how it
 * died with its last line. "": it runs, is not wanted, or was not tried yet. */
const char *process_trouble(const struct process *p);
/* Index 0 is the latest death; NULL: there were not so many, or it is not kept. */
const struct process_obituary *process_obituary(const struct process *p, size_t index);

#endif
