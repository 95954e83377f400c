/*
 * The polls of a manager, in the configured order: which objects go into the next GET, and what of
 * its answer is news. Pure. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_POLL_H
#define DEVICE_RUNNERS_SNMP_POLL_H

#include "device-runners/snmp/answer.h"

enum { POLL_MAX_OIDS = 128 }; /* in one GET */

struct poll_item {
	struct ber_oid oid;
	char *text; /* owned */
	bool hex;
	bool alone;    /* goes into a GET of its own: the agent refused it beside others */
	size_t same;   /* index of the first item of this OID, whose cache counts */
	uint8_t *last; /* what was said last; owned, NULL: nothing yet */
	size_t last_len;
};

struct poll {
	struct poll_item *items; /* owned */
	size_t count;
	size_t most;  /* in one GET, as configured */
	size_t limit; /* as the agent can take them */
	size_t at;    /* item that the next GET begins with */
	size_t asked; /* items in the GET under way; 0 where nothing is polled but the connection */
};

/* An answer has news of an item. */
typedef void poll_news(
    void *arg, const struct poll_item *item, const char *cause, const struct answer_value *value);

/* -1 with ENOMEM. The items are filled by poll_add(). */
int poll_init(struct poll *p, size_t count, size_t most);
void poll_clear(struct poll *p);
/* text is copied. -1 with ENOMEM. */
int poll_add(struct poll *p, const struct ber_oid *oid, const char *text, bool hex);
/* All were added: finds those that are there twice. */
int poll_ready(struct poll *p);

/* Forgets what was said, and begins at the first item. */
void poll_reset(struct poll *p);
/* The bindings of the next GET, of at most size bytes; returns their length. Without items it is
 * that of 0.0, which only shows that the agent is there. */
size_t poll_next(struct poll *p, uint8_t *out, size_t size);
/* The object whose answer decides on the connection. */
const struct ber_oid *poll_oid(const struct poll *p);
/* The answer to it came: calls news() for each item that changed or is new, in order. If an
 * agent refused several at once, the same are asked for again by smaller GETs. Returns whether the
 * cycle is over. */
bool poll_answered(struct poll *p, const struct agent_answer *a, enum snmp_version version,
    poll_news *news, void *arg);

#endif
