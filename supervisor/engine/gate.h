/*
 * The gate to the link with the Event Server, which all devices share: who may
 * put the next message onto it. There are three rings, in which each party
 * stands once and has one message in turn:
 *
 *   own      the engine's and the operators' registers: first, and with room of their own
 *   events   what devices registered
 *   queries  of devices and operators; they take turns with the events
 *
 * A party has one query under way. What it cost the server, in time, the party
 * pays with a rest of the same length. Queries that were costly run alone.
 * Pure: no socket, no clock, no allocation.
 */
#ifndef SUPERVISOR_GATE_H
#define SUPERVISOR_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/monotime.h"

enum gate_ring { GATE_OWN, GATE_EVENTS, GATE_QUERIES, GATE_RING_COUNT };

enum {
	GATE_ROOM = 64 * 1024, /* unsent bytes of the link, from which devices wait */
	GATE_OWN_ROOM =
	    8 * 1024 * 1024,  /* from which the own ring waits: beyond any device's message */
	GATE_MAX_ASKED = 8,   /* queries under way, of all parties */
	GATE_COSTLY_MS = 100, /* a query that took so long: the party's next one runs alone */
	GATE_MAX_REST_MS = 2000,
};

/* One who puts messages onto the link; embedded in what it is for, which finds itself by owner. */
struct gate_party {
	void *owner;
	struct {
		struct gate_party *before, *after;
		bool waits;
	} in[GATE_RING_COUNT];
	bool is_device;	 /* what owner is */
	bool asking;	 /* a query of it is under way */
	int64_t took_ms; /* its last query */
	struct monotime rests_until;
};

struct gate {
	struct {
		struct gate_party *first, *last;
		size_t count;
	} rings[GATE_RING_COUNT];
	enum gate_ring turn;  /* GATE_EVENTS or GATE_QUERIES: which is asked first */
	size_t asked;	      /* queries under way */
	struct monotime rest; /* no query may leave before, unless the ring changes; 0: unknown */
};

/* It has a message for this ring; it enters at the end, where it is not in it. */
void gate_enter(struct gate *g, struct gate_party *p, enum gate_ring ring);
/* It has none any more. */
void gate_leave(struct gate *g, struct gate_party *p, enum gate_ring ring);
/* It is in none: it ends. A query of it that is under way still counts until gate_answered(). */
void gate_forget(struct gate *g, struct gate_party *p);
/* The party whose message of a ring goes onto the link, which has so many unsent bytes; it has left
 * the ring, and enters again where it has more. NULL: none now. */
struct gate_party *gate_next(
    struct gate *g, size_t unsent, struct monotime now, enum gate_ring *ring);
/* Somebody waits for the link to have room. */
bool gate_wants_room(const struct gate *g, size_t unsent);
/* Somebody has an own message, or events. */
bool gate_waits(const struct gate *g);
/* When a party of the query ring has rested; ns 0: none rests, or an answer comes before. */
struct monotime gate_wakes(const struct gate *g);

/* Its query is under way. */
void gate_asked(struct gate *g, struct gate_party *p);
/* The answer to a query of p (NULL: of one that was forgotten), sent at since. */
void gate_answered(
    struct gate *g, struct gate_party *p, struct monotime since, struct monotime now);
/* The link is down: no query is under way. Rings are as they were. */
void gate_reset(struct gate *g);

#endif
