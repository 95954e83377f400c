/*
 * The requests of a runner: its plan, which is frozen, what it opens of it, and
 * its share of messages that cost no credit. In the supervisor.
 */
#ifndef SUPERVISOR_REQUESTS_H
#define SUPERVISOR_REQUESTS_H

#include <ev.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"
#include "supervisor/net/broker.h"

enum {
	REQUESTS_MAX_MESSAGES = 20000, /* that cost no credit, in one second: a flood beyond it */
	REQUESTS_MAX_BYTES = 16 * 1024 * 1024, /* of them */
	REQUESTS_MAX_OPENS = 500, /* in one second: the look-up of a cancelled one goes on */
};

struct plan_row {
	enum ipc_resource kind;
	uint16_t port;
	char *target;
	bool open; /* handed out at least once */
};

struct requests;

struct request_open {
	struct requests *requests;
	struct request_open *next;
	uint32_t id;
	size_t index;
	struct broker_request *request;
};

struct requests {
	struct broker *broker; /* borrowed; NULL: nothing is opened */
	/* fd >= 0 is the callee's; else error and a text for people, borrowed. */
	void (*on_opened)(void *arg, uint32_t id, int fd, int error, const char *why);
	void *arg;
	struct plan_row *plan;
	size_t plan_count;
	struct request_open *opens; /* under way */
	ev_tstamp second;	    /* when the counts below began */
	uint32_t messages, bytes, opened;
};

/* Functions that return a text return what is wrong with the request, or NULL. */

/* The plan of a checked PLAN. Copied. */
const char *requests_set_plan(struct requests *r, const msgpack_object_array *list);
/* Opens the plan's resource of this index; on_opened() may come at once, or later. A process that
 * is ending gets nothing any more. */
const char *requests_open(struct requests *r, uint32_t id, uint64_t index, bool ending);
/* An unknown id is one that was answered meanwhile. */
void requests_cancel(struct requests *r, uint32_t id);
/* Counts a message of len bytes that costs no credit; whether it is one too many. */
bool requests_is_flood(struct requests *r, ev_tstamp now, size_t len);
/* The process has ended: cancels what is under way, frees the plan, counts from 0. */
void requests_clear(struct requests *r);

#endif
