/*
 * Answers HatEventer's queries from the store. Results borrow records, which
 * live until the next store_commit.
 */
#ifndef EVENT_SERVER_QUERY_H
#define EVENT_SERVER_QUERY_H

#include "event-server/store.h"

enum {
	QUERY_MAX_RESULTS = 4096,   /* events of one answer, but for latest events */
	QUERY_MAX_BYTES = 16 << 20, /* of one answer; what is over it "follows" */
	QUERY_MAX_WORK =
	    50 * 1000 * 1000, /* patterns times event types of one query: half a second */
};

struct query {
	const struct record **results; /* owned, kept for the next query */
	size_t count, size;
	size_t bytes; /* of the results, encoded */
	bool more;    /* further results exist, beyond a limit */
};

/* Fills q, which starts zeroed. -1 with errno: E2BIG (QUERY_MAX_WORK; q is then empty, with more),
 * ENOMEM. */
int query_run(struct query *q, struct store *s, const struct eventer_query *params);
void query_clear(struct query *q);

#endif
