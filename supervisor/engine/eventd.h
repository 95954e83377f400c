/*
 * The built-in Event Server: gateway-eventd as a supervised child of gatewayd,
 * over a Unix socket, where the configuration names no other.
 */
#ifndef SUPERVISOR_EVENTD_H
#define SUPERVISOR_EVENTD_H

#include <ev.h>

#include "supervisor/config/config.h"

struct eventd;

/* It listens: the first time, and after each restart. */
typedef void eventd_ready_cb(void *arg);

/* Starts program and restarts it when it dies, with backoff. Its socket is `socket_path`, its data
 * in the configured folder, else in `data`. All texts are borrowed. NULL when out of memory. */
struct eventd *eventd_start(struct ev_loop *loop, const char *program,
    const struct config_built_in *conf, const char *socket_path, const char *data,
    eventd_ready_cb *on_ready, void *arg);
/* SIGTERM, then waits for its end (at most 2 s, then SIGKILL). */
void eventd_stop(struct eventd *d);
/* It hangs: ends it at once, and with that starts it again. NULL is fine. */
void eventd_kill(struct eventd *d);
/* The same configuration, in another place; borrowed. NULL is fine. */
void eventd_move(struct eventd *d, const struct config_built_in *conf);
pid_t eventd_pid(const struct eventd *d);

#endif
