/*
 * What clients of gateway-web may cost: how fast they may ask, how long a
 * connection may dawdle, under which names they may reach it.
 */
#ifndef WEB_GUARD_H
#define WEB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/monotime.h"

enum {
	GUARD_REQUEST_MS = 10000,  /* a connection has this long to send a whole request */
	GUARD_ANSWER_MS = 60000,   /* and its client this long to take the answer */
	GUARD_ASKS_A_SECOND = 20,  /* requests to gatewayd, for all clients */
	GUARD_PROBES_A_SECOND = 5, /* the same of /metrics, /healthz and /readyz, apart */
	GUARD_BURST_S = 2,
	GUARD_HOSTS = 16,
};

/* A bucket of what may be asked. */
struct guard_budget {
	double left;
	struct monotime when;
};

/* Whether one more may be asked now, of so many a second. */
bool guard_spend(struct guard_budget *b, unsigned a_second, struct monotime now);

/* The state of a connection. */
enum guard_phase { GUARD_WAITS, GUARD_ANSWERS, GUARD_STREAMS };

/* Whether a connection that is in the phase since then has had its time. */
bool guard_is_over(enum guard_phase phase, struct monotime since, struct monotime now);

/* Whether the Host of a request, or NULL, is one that is ours: an address, localhost, or one of
 * names. A page of elsewhere whose name was made to mean this machine's address has another. */
bool guard_allows_host(const char *host, const char *const names[], size_t count);

#endif
