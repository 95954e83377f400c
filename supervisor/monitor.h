/*
 * The Monitor Server's client (HatObserver): we are ready, get blessed, become
 * active, and hear where the active Event Server is.
 */
#ifndef SUPERVISOR_MONITOR_H
#define SUPERVISOR_MONITOR_H

#include "protocols/hat/observer.h"
#include "supervisor/broker.h"
#include "supervisor/config.h"
#include "supervisor/conn.h"

struct monitor_handler {
	/* observer.active or observer.event_server changed. */
	void (*on_change)(void *arg);
	/* Unreachable, lost, or asked to close: once, and nothing after it. */
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
	bool lost;
};

/* Connects. config is borrowed. Returns 0, or -1 when out of memory. */
int monitor_open(struct monitor *m, struct ev_loop *loop, struct broker *broker,
    const struct config *config, const struct monitor_handler *handler, void *arg);
/* The same configuration, in another place; borrowed. */
void monitor_move(struct monitor *m, const struct config *config);
void monitor_close(struct monitor *m);
/* All that our activity did has stopped: the token goes back, another may be blessed. */
void monitor_release(struct monitor *m);

#endif
