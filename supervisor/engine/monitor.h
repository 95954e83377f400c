/*
 * The Monitor Server's client (HatObserver): we are ready, get blessed, become
 * active, and hear where the active Event Server is.
 */
#ifndef SUPERVISOR_MONITOR_H
#define SUPERVISOR_MONITOR_H

#include "protocols/hat/observer.h"
#include "supervisor/net/broker.h"
#include "supervisor/config/config.h"
#include "supervisor/net/conn.h"

enum {
	/* A Monitor Server pings a silent component after 20 s, and may bless another one after
	 * 40 s. A gateway that is cut off notices that earlier. A gateway that was frozen for that
	 * long assumes it. */
	MONITOR_CUT_MS = 17000, /* without a sign of life of its machine */
	MONITOR_FROZEN_MS = 19000,
	MONITOR_BEAT_MS = 1000,
	MONITOR_MAX_TEXT = 512,	 /* of monitor_explain() */
	MONITOR_KEEPALIVE_S = 5, /* idle time before the first probe; the others every 4 s */
	MONITOR_PROBE_S = 4,
};

struct monitor_handler {
	/* observer.active or observer.event_server changed. */
	void (*on_change)(void *arg);
	/* Unreachable, lost, or asked to close: called once; no call follows it. */
	void (*on_lost)(void *arg, const char *why);
};

struct monitor {
	struct ev_loop *loop;
	const struct config *config;
	const struct monitor_handler *handler;
	void *arg;
	struct broker_request *connecting;
	struct conn conn;
	struct observer observer;
	ev_timer beat;
	struct monotime beaten;
	bool lost;
};

/* Connects. config is borrowed. Returns 0, or -1 when out of memory. */
int monitor_open(struct monitor *m, struct ev_loop *loop, struct broker *broker,
    const struct config *config, const struct monitor_handler *handler, void *arg);
/* The same configuration, in another place; borrowed. */
void monitor_move(struct monitor *m, const struct config *config);
void monitor_close(struct monitor *m);
bool monitor_is_open(const struct monitor *m);
/* The active Event Server while we are active; else NULL. Borrowed until the next change. */
const struct observer_event_server *monitor_event_server(const struct monitor *m);
/* A word for where we are: connecting, standing by, answering, active, releasing. */
const char *monitor_state_name(const struct monitor *m);
/* The condition for devices to run, for people; "" when the Monitor Server allows it. */
void monitor_explain(const struct monitor *m, char *text, size_t size);
/* The devices have stopped: gives the token back, another gateway may be blessed. */
void monitor_release(struct monitor *m);

#endif
