/*
 * The events of a device on their way: those of its runner until the link to
 * the Event Server takes them, with the credit that they hold; those for its
 * runner until they leave in one message; and its queries. In the supervisor;
 * no socket here.
 *
 * An event on its way from a driver to the Event Server is written four times in
 * user space, besides the payload itself:
 * 1. runner_register() writes it into the batch: the driver's texts are its own,
 *    and a message is as long as what one turn of the loop brings.
 * 2. send_batch() puts the batch behind its message's header, which has the
 *    number of events: a batch may have to wait for credit, and others of the
 *    runner's messages leave before it.
 * 3. uplink_take() checks it, and writes it as the Event Server's protocol has it,
 *    with the device's prefix, into pending: the packet's buffer serves all
 *    runners, and the link may be busy.
 * 4. eventlink_register() puts a device's pending events into the link's output,
 *    when the gate gives the device its turn: one stream has the events of all.
 * The kernel copies it into and out of both sockets.
 */
#ifndef SUPERVISOR_UPLINK_H
#define SUPERVISOR_UPLINK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/hash_set.h"
#include "ipc/message.h"
#include "protocols/hat/eventer.h"

enum { UPLINK_EVENTS_MESSAGE = 48 * 1024 /* about the size of a message of events to a runner */ };

struct child;

struct child_query {
	struct child *child;
	struct uplink *uplink;
	struct child_query *next;
	uint32_t id;
	bool sent;	     /* to the Event Server; else it waits */
	uint32_t count;	     /* types */
	struct buffer types; /* encoded, of one that waits */
	size_t size;	     /* bytes of its types */
};

struct uplink {
	const struct eventer_prefix *prefix; /* of the device's event types; borrowed */
	/* From the runner: chunks of {u32 count, u32 len, u64 cost} and encoded RegisterEvents. The
	 * window is the device's, not the process': credit, to_return and outstanding are parts of
	 * it, whoever holds them. */
	struct buffer pending;
	uint32_t window;
	struct hash_set types; /* that the device has registered, in all its lives */
	size_t max_types;
	int64_t credit;	      /* what the runner may still register */
	uint64_t outstanding; /* what pending events hold, of this life or an earlier one */
	uint64_t to_return;   /* free again, and the runner does not know yet */
	/* To the runner. */
	struct buffer events;
	msgpack_packer packer;
	uint32_t events_count;
	struct child_query *queries; /* in the order of their coming */
};

/* window: bytes of credit. */
void uplink_init(struct uplink *u, const struct eventer_prefix *prefix, uint32_t window);
void uplink_clear(struct uplink *u);
/* In force for the next process. */
void uplink_set_window(struct uplink *u, uint32_t window);
/* A process starts: returns the credit that it begins with. */
uint32_t uplink_begin(struct uplink *u);

/* Puts an event of the supervisor's own behind those that are pending; costs no credit. Returns
 * false when there is no room for it. */
bool uplink_put(struct uplink *u, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json);
/* Beyond so many types the events of others are dropped; at first there is no bound. */
void uplink_set_types(struct uplink *u, size_t max);
/* The events of a REGISTER. Returns what is wrong with it, or NULL and how many of them are kept;
 * those of types beyond the bound are not, and their credit is free again. */
const char *uplink_take(struct uplink *u, const void *body, size_t len, uint32_t *count);
/* The oldest chunk, borrowed until uplink_took(). Returns false when nothing is pending. */
bool uplink_peek(const struct uplink *u, uint32_t *count, const void **events, size_t *len);
/* The oldest chunk is gone: frees its credit. Returns how many events it had. */
uint32_t uplink_took(struct uplink *u);
/* The credit that the runner is to be told of now, which is its own then; 0: none. It goes back in
 * quarters of the window, so that it costs no message an event. */
uint32_t uplink_return_credit(struct uplink *u);

/* Whether the event's type begins with the device's prefix, and has more. */
bool uplink_owns_event(const struct uplink *u, const struct eventer_event *e);
/* Whether the events for the runner have to leave before this one. */
bool uplink_is_full(const struct uplink *u, const struct eventer_event *e);
/* Adds an event for the runner. Returns why it is refused, or NULL. */
const char *uplink_add(struct uplink *u, const struct eventer_event *e);
/* Packs the events for the runner, which is left with none, as an array into the message out. */
void uplink_pack_events(struct uplink *u, msgpack_packer *p, struct buffer *out);
void uplink_drop_events(struct uplink *u);

/* A query of this child, or NULL: too many at once, or out of memory. */
struct child_query *uplink_begin_query(struct uplink *u, struct child *child, uint32_t id);
/* The query that has waited for longest, or NULL. */
struct child_query *uplink_waiting_query(struct uplink *u);
/* Bytes of the types of all its queries, those that wait and those that were sent. */
size_t uplink_query_bytes(const struct uplink *u);
/* It is freed. */
void uplink_end_query(struct child_query *q);

#endif
