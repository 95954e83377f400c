/*
 * The built-in Event Server: gateway-eventd as a process of gatewayd's, over a
 * Unix socket, where the configuration names no other. child/process.h starts,
 * watches and stops it; here is what is its own: arguments, socket, readiness.
 */
#ifndef SUPERVISOR_EVENTD_H
#define SUPERVISOR_EVENTD_H

#include <ev.h>

#include "supervisor/child/process.h"
#include "supervisor/config/config.h"
#include "supervisor/net/broker.h"

struct eventd;

/* It listens: the first time, and after each restart. */
typedef void eventd_ready_cb(void *arg);
typedef void eventd_stopped_cb(void *arg);

/* Starts program and restarts it when it dies, with backoff. Its socket is `socket_path`, its data
 * in the configured folder, else in `data`, which is made. All texts and broker are borrowed. NULL
 * when out of memory. */
struct eventd *eventd_start(struct ev_loop *loop, struct broker *broker, const char *program,
    const struct config_built_in *conf, const char *socket_path, const char *data,
    eventd_ready_cb *on_ready, void *arg);
/* SIGTERM, and SIGKILL after EVENTD_STOP_MS; then on_stopped, from the loop, in which
 * eventd_free() may be called. A second call replaces on_stopped. */
void eventd_stop(struct eventd *d, eventd_stopped_cb *on_stopped, void *arg);
/* A process that is left gets SIGTERM, and is reaped when it has ended. NULL is fine. */
void eventd_free(struct eventd *d);
/* Ends it at once, and with that starts it again. why: what it does, for the log. */
void eventd_kill(struct eventd *d, const char *why);
/* It runs, and nobody can connect any more: somebody removed its socket. */
bool eventd_is_lost(const struct eventd *d);
/* Looks whether the folder of its events is still the one that it has open, and says what changed.
 * If another one with events took its place, it is started again. */
void eventd_look_at_folder(struct eventd *d);
/* Why nobody can connect to it over TCP, where event_server.built_in.listen says so; "". */
const char *eventd_listener_fault(const struct eventd *d);
/* The same configuration, in another place; borrowed. NULL is fine. */
void eventd_move(struct eventd *d, const struct config_built_in *conf);
const struct process *eventd_process(const struct eventd *d);
/* What it counts, for number_read(); NULL while it does not run. Valid until the loop goes on. */
const uint64_t *eventd_numbers(const struct eventd *d);

enum {
	EVENTD_START_MS = 120000, /* until it listens: it reads all that it has kept first */
	EVENTD_STOP_MS = 2000,
};

#endif
