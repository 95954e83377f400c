/*
 * The requests of the Event Server to a manager, reads and writes of single objects, in their
 * order: each is answered once, whatever happens. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_ASKED_H
#define DEVICE_RUNNERS_SNMP_ASKED_H

#include "common/json.h"
#include "device-runners/snmp/agent.h"

enum {
	ASKED_MAX = 1000,		   /* that wait */
	ASKED_MAX_BYTES = 4 * 1024 * 1024, /* of their values and session_ids */
};

struct asked {
	struct asked *next;
	bool write, sent;
	struct ber_oid oid;
	char *text;	  /* the segment of the event type */
	char *session_id; /* JSON, as it came */
	size_t session_len;
	uint8_t *bindings;
	size_t len;
};

struct asked_queue {
	struct asked *first, **last;
	size_t count, bytes;
};

void asked_init(struct asked_queue *q);
/* Copies all. NULL where too many wait, or with ENOMEM. */
struct asked *asked_add(struct asked_queue *q, bool write, const struct ber_oid *oid,
    const char *text, const struct buffer *session_id, const uint8_t *bindings, size_t len);
/* The first that was not sent, and of whose object none before it still waits for its answer; NULL:
 * none. */
struct asked *asked_next(const struct asked_queue *q);
/* Takes it out and frees it. */
void asked_remove(struct asked_queue *q, struct asked *a);

#endif
