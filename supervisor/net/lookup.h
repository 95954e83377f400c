/*
 * Addresses of names, as getaddrinfo(3) would find them: numeric forms and
 * scopes, localhost, /etc/hosts and DNS by c-ares, and what else
 * /etc/nsswitch.conf names by gateway-resolve, a process for each name. Nothing
 * here blocks the loop.
 *
 * A look-up outlives whoever asked: what comes after all that patience is kept
 * for the next one who asks. So a silent name server or a silent first address
 * keeps nobody out for ever who waits for a second at a time.
 */
#ifndef SUPERVISOR_LOOKUP_H
#define SUPERVISOR_LOOKUP_H

#include <ev.h>
#include <sys/socket.h>

enum {
	LOOKUP_MAX_ADDRESSES = 8,  /* of a name, in the resolver's order */
	LOOKUP_FRESH_MS = 60000,   /* what nobody waited for is kept so long */
	LOOKUP_MAX_KEPT = 256,	   /* names that are remembered while nobody asks */
	LOOKUP_MAX_PROCESSES = 8,  /* at a time */
	LOOKUP_PROCESS_MS = 15000, /* then it is killed */
};

struct lookups;
struct lookup_wait;

/* Ports are 0. */
struct lookup_addresses {
	struct sockaddr_storage address[LOOKUP_MAX_ADDRESSES];
	socklen_t length[LOOKUP_MAX_ADDRESSES];
	size_t count;
	size_t first; /* which to try first: lookup_try_first() */
};

/* found: borrowed, with one address at least; or NULL, and why for people. Its lookup_wait is gone.
 */
typedef void lookup_cb(void *arg, const struct lookup_addresses *found, const char *why);

/* program: gateway-resolve, or NULL; borrowed. Returns NULL where the resolver cannot start. */
struct lookups *lookups_new(struct ev_loop *loop, const char *program);
/* No answer comes any more. NULL is fine. */
void lookups_free(struct lookups *l);

/* Calls back once, from the loop. Returns what lookup_cancel() takes; NULL when out of memory. */
struct lookup_wait *lookup_ask(struct lookups *l, const char *name, lookup_cb *cb, void *arg);
/* NULL is fine. The look-up itself goes on. */
void lookup_cancel(struct lookup_wait *w);
/* Address `index` of the name is the one to begin with next time: it answered, or the one before
 * it did not. */
void lookup_try_first(struct lookups *l, const char *name, size_t index);

#endif
