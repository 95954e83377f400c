/* Between the parts of lookup: lookup.c and lookup_process.c. */
#ifndef SUPERVISOR_LOOKUP_PRIVATE_H
#define SUPERVISOR_LOOKUP_PRIVATE_H

#include <ares.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/monotime.h"
#include "supervisor/net/lookup.h"

enum { LOOKUP_MAX_SOCKETS = 16, LOOKUP_BUCKETS = 256 };

enum lookup_state {
	LOOKUP_IDLE,
	LOOKUP_DNS,	/* c-ares has it */
	LOOKUP_QUEUED,	/* a process is due */
	LOOKUP_PROCESS, /* it runs */
};

/* Somebody who asked: waits for the look-up, then for the loop to hand out the answer. */
struct lookup_wait {
	struct lookup_wait **list; /* where it stands */
	struct lookup_wait *next;
	lookup_cb *cb;
	void *arg;
	struct lookup_addresses found; /* the answer; none: why */
	char why[256];
};

/* A name that is asked for, or remembered. */
struct lookup {
	struct lookups *all;
	struct lookup *next; /* of its bucket */
	char *name;
	enum lookup_state state;
	struct lookup_wait *waiting;
	struct lookup_addresses found;
	bool fresh; /* nobody has had what was found */
	struct monotime when;
	size_t first;  /* lookup_try_first() */
	bool kept;     /* it is remembered only */
	char why[256]; /* of c-ares, for when the process finds nothing either */
	/* Its process. */
	struct lookup_process *process; /* or NULL */
	int pipe;			/* -1: none */
	ev_io readable;
	ev_timer patience;
	size_t read; /* bytes of found that came */
};

/* A process that is not reaped yet. */
struct lookup_process {
	struct lookups *all;
	int pidfd; /* -1: free */
	ev_io ended;
};

struct lookup_socket {
	ev_io io;
	ares_socket_t fd; /* ARES_SOCKET_BAD: free */
};

struct lookups {
	struct ev_loop *loop;
	const char *program;
	ares_channel ares;
	struct stat conf; /* /etc/resolv.conf as it was when ares read it */
	struct lookup_socket sockets[LOOKUP_MAX_SOCKETS];
	ev_timer ares_timer;
	struct lookup_wait *answered;
	ev_timer answers; /* runs while there are any */
	struct lookup *buckets[LOOKUP_BUCKETS];
	struct lookup_process processes[LOOKUP_MAX_PROCESSES];
	unsigned kept;
	bool closing;
};

/* The end of a look-up; why NULL: found holds addresses. */
void lookup_end(struct lookup *n, const char *why);

/* lookup_process.c */
/* Whether /etc/nsswitch.conf names more for hosts than files and dns. */
bool lookup_process_is_needed(const struct lookups *l);
/* Starts the process, or makes it wait for another one to end. */
void lookup_process_start(struct lookup *n);
/* Kills it, if there is one: it is reaped when it has ended. */
void lookup_process_stop(struct lookup *n);
/* At the end of all: waits for those that were killed. */
void lookup_process_reap(struct lookups *l);

#endif
