/*
 * The TCP listener of the built-in Event Server (event_server.built_in.listen),
 * in the supervisor: a side door, that keeps nobody from working where it cannot
 * be had. It is opened by the broker, as what runners use is, and handed over to
 * gateway-eventd, which may open nothing.
 */
#ifndef SUPERVISOR_SIDE_LISTENER_H
#define SUPERVISOR_SIDE_LISTENER_H

#include <ev.h>
#include <stdint.h>

#include "common/monotime.h"
#include "supervisor/net/broker.h"

enum { SIDE_LISTENER_RETRY_MS = 2000, SIDE_LISTENER_MAX_WHY = 400 };

struct side_listener {
	struct ev_loop *loop;
	struct broker *broker;
	const char *host; /* borrowed; NULL: none is configured */
	uint16_t port;
	int to; /* the socket of gateway-eventd; -1: it does not run */
	struct broker_request *request;
	ev_timer retry;
	char why[SIDE_LISTENER_MAX_WHY]; /* "": it listens, or was not tried yet */
};

void side_listener_init(struct side_listener *l, struct ev_loop *loop, struct broker *broker);
/* Opens it now, again and again until it can be had, and sends it to `to`, a Unix socket that stays
 * the caller's. host is borrowed; NULL: nothing is done. */
void side_listener_start(struct side_listener *l, const char *host, uint16_t port, int to);
/* The process is gone, and with it the listener. */
void side_listener_stop(struct side_listener *l);
/* Why nobody can connect to it; "" otherwise. */
const char *side_listener_why(const struct side_listener *l);

#endif
