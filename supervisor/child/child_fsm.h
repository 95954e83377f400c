/*
 * The policy by which a runner, or the built-in Event Server, is started,
 * watched, stopped and restarted (gatewayd(8), SUPERVISION). Pure: (state,
 * event, now) -> actions. Used by process.c, which does what it says.
 */
#ifndef SUPERVISOR_CHILD_FSM_H
#define SUPERVISOR_CHILD_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/monotime.h"

enum {
	CHILD_BACKOFF_FIRST_MS = 500, /* the second restart; the first is immediate */
	CHILD_BACKOFF_MAX_MS = 30000,
	CHILD_PING_MS = 5000,	  /* between a pong and the next ping, where ping_ms is not less: a
				   * runner ends     by itself after 15 s without a ping */
	CHILD_PING_SLOT_MS = 250, /* pings of many devices go out together */
	CHILD_SETTLED_MS = 30000, /* running this long forgets earlier failures */
	CHILD_LATE_MS =
	    100, /* a deadline that is noticed later was missed by us: we were held up */
	CHILD_ASKED_MS = 120000, /* for the start, while the Event Server owes it an answer */
	CHILD_EXCUSE_MS = 1000,	 /* then this much more, once, to read what came in time */
};

enum child_state {
	CHILD_DISABLED,
	CHILD_STARTING, /* a process, not ready yet */
	CHILD_RUNNING,
	CHILD_STOPPING, /* asked to stop, or killed: waiting for its end */
	CHILD_BACKOFF,	/* dead; restarts at the deadline */
	CHILD_FAILED,	/* its configuration is at fault: restarts when told */
	CHILD_STATE_COUNT,
};

enum child_event {
	CHILD_ENABLE,
	CHILD_DISABLE,
	CHILD_READY,	   /* the runner said so */
	CHILD_PONG,	   /* the answer to our ping */
	CHILD_DIED,	   /* the process ended */
	CHILD_DIED_CONFIG, /* it ended with EX_CONFIG */
	CHILD_SPAWN_ERROR, /* it could not be started */
	CHILD_VIOLATION,   /* it must go: contract broken, not reading */
	CHILD_HUNG,	   /* it must go: it does not answer */
	CHILD_RESTART,	   /* an operator, or a changed configuration */
	CHILD_ASKED,	   /* it waits for the Event Server's answer to a query */
	CHILD_ANSWERED,	   /* it does not any more */
	CHILD_DEADLINE,	   /* fsm.deadline has come */
	CHILD_EVENT_COUNT,
};

/* The caller does these, in this order. */
enum child_action {
	CHILD_DO_SPAWN = 1,
	CHILD_DO_STOP = 2, /* send STOP */
	CHILD_DO_KILL = 4,
	CHILD_DO_PING = 8,
	CHILD_DO_RUNNING_TRUE = 16,  /* register 'running' true */
	CHILD_DO_RUNNING_FALSE = 32, /* register 'running' false */
};

/* Why a kill was asked for. */
enum child_kill {
	CHILD_KILL_NONE,
	CHILD_KILL_NEVER_READY,
	CHILD_KILL_MISSED_PING,
	CHILD_KILL_NEVER_STOPPED,
	CHILD_KILL_VIOLATION,
	CHILD_KILL_HUNG,
};

/* 0: none. If ping_ms is 0 it is not pinged. */
struct child_deadlines {
	uint32_t start_ms, ping_ms, stop_ms;
};

struct child_fsm {
	enum child_state state;
	struct monotime since;	  /* of the state */
	struct monotime deadline; /* of CHILD_DEADLINE; ns 0: none */
	struct child_deadlines limits;
	enum child_kill kill; /* of the process that is ending */
	uint32_t failures;    /* deaths since it last ran for CHILD_SETTLED_MS */
	uint32_t restarts;    /* ever */
	bool wanted;	      /* enabled */
	bool announced;	      /* 'running' true was registered */
	bool pinged;	      /* a pong is due */
	bool excused;	      /* the deadline is one that was put off */
};

void child_fsm_init(struct child_fsm *f, const struct child_deadlines *limits, struct monotime now);
/* random: any value, for the jitter. Returns a set of enum child_action. */
unsigned child_fsm_step(
    struct child_fsm *f, enum child_event event, struct monotime now, uint32_t random);

/* "disabled", "starting", ...: the same in text, JSON and log. */
const char *child_state_name(enum child_state state);
const char *child_kill_name(enum child_kill kill);

#endif
