/*
 * Answers HatEventer's queries from the store. Results borrow records, which
 * live until the next store_commit.
 */
#ifndef EVENT_SERVER_QUERY_H
#define EVENT_SERVER_QUERY_H

#include "event-server/store.h"
#include "event-server/subs.h"

enum {
	QUERY_MAX_RESULTS = 4096,   /* events of one answer, but for latest events */
	QUERY_MAX_BYTES = 16 << 20, /* of one answer; what is over it "follows" */
	QUERY_MAX_WORK =
	    50 * 1000 * 1000, /* patterns times event types of one query: half a second */
	QUERY_SLICE = 8192,   /* event types that one step of a walk looks at */
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

/* A query of latest events that looks at all types, in steps; what is registered meanwhile is in
 * its answer. Zeroed before query_walk_begin(). */
struct query_walk {
	struct subs types;
	bool all;		   /* types are not asked for */
	size_t at;		   /* the next type to look at */
	struct store_type **found; /* owned; each has a latest event */
	size_t count, size;
};

/* Whether a query is better answered so. */
bool query_is_long(const struct store *s, const struct eventer_query *params);
/* 0, or -1 with errno: E2BIG (QUERY_MAX_WORK), ENOMEM. */
int query_walk_begin(
    struct query_walk *w, const struct store *s, const struct eventer_query *params);
/* 1: there is more to look at; 0: all was; -1: out of memory. */
int query_walk_step(struct query_walk *w, struct store *s);
/* The answer, as of query_run(). */
int query_walk_end(struct query_walk *w, struct query *q);
void query_walk_clear(struct query_walk *w);

#endif
