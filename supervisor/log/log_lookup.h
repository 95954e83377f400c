/*
 * Looks up the name of a syslog daemon's host for log_sink.h, from the loop and
 * again until it is found: at the start of an unattended machine there may be no
 * name server yet.
 */
#ifndef SUPERVISOR_LOG_LOOKUP_H
#define SUPERVISOR_LOG_LOOKUP_H

#include "common/monotime.h"
#include "supervisor/net/broker.h"
#include "supervisor/config/config.h"

enum {
	LOG_LOOKUP_RETRY_MS = 10000, /* between two attempts */
};

struct log_lookup {
	struct broker *broker;
	struct broker_request *request; /* or NULL */
	struct monotime retry;		/* not before */
	char host[256];			/* longer than any name (RFC 1035 section 2.3.4) */
	uint16_t port;
	bool told; /* the failure is logged */
};

/* After each log_sink_open(), of the same conf. broker: NULL while there is none. */
void log_lookup_start(struct log_lookup *l, struct broker *broker, const struct config_log *conf);
/* With log_sink_tick(). */
void log_lookup_tick(struct log_lookup *l, struct monotime now);
void log_lookup_stop(struct log_lookup *l);

#endif
