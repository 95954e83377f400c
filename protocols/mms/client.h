/*
 * The association of a client with an MMS server (IEC 61850-8-1, ISO 9506): TPKT to MMS as one
 * state machine over (octets or time, now), in runner processes. Pure: what is to be sent is
 * appended to the caller's buffer, what happened is asked for.
 *
 *	c = mms_client_new(&params);
 *	each connection:   mms_client_start(c, out, now);
 *	what was read:     mms_client_feed(c, data, len, now);
 *	a timer:           mms_client_tick(c, now), when mms_client_due() says so
 *	after feed, tick, and calls:
 *	                   while (mms_client_next(c, &event)) ...; send what is in out
 *
 * Each call that was taken (MMS_TAKEN) has exactly one MMS_EVENT_RESULT: an answer, a time-out, or
 * MMS_LOST when the association ends; only mms_client_start() and mms_client_free() forget calls.
 * An association ends with exactly one MMS_EVENT_ENDED, behind the results of its calls.
 *
 * A call that timed out keeps its place among the outstanding ones until the server answers it, so
 * that the server never sees more than it agreed to; a server that offers it is told to cancel the
 * call. When no answer at all comes, the status that is due finds no place either, and its time-out
 * ends the association.
 */
#ifndef PROTOCOLS_MMS_CLIENT_H
#define PROTOCOLS_MMS_CLIENT_H

#include "common/buffer.h"
#include "common/monotime.h"
#include "protocols/iso/iso.h"
#include "protocols/mms/service.h"

enum {
	MMS_MAX_OUTSTANDING = 32, /* calls without an answer, proposed at most */
	MMS_MAX_PDU = 65000,	  /* octets; what is proposed where the caller does not say */
	MMS_MIN_PDU = 256,	  /* a server that agrees to less is refused */
	MMS_CONCLUDE_MS = 1000,	  /* for the answers to conclude and release together */
};

struct mms_params {
	struct iso_address local, remote; /* remote: called; local: calling */
	int32_t local_detail;		  /* PDU octets that are proposed; 0: not proposed */
	unsigned outstanding; /* calls at once that are proposed, 1 .. MMS_MAX_OUTSTANDING */
	int64_t associate_timeout_ms; /* from mms_client_start() to MMS_EVENT_ASSOCIATED */
	int64_t response_timeout_ms;  /* of each call */
	int64_t status_delay_ms;      /* silence after which status is asked for; 0: never */
	int64_t status_timeout_ms;    /* of that */
};

enum mms_client_state {
	MMS_CLOSED,	 /* before mms_client_start(), and after the end */
	MMS_CONNECTING,	 /* transport connection */
	MMS_ASSOCIATING, /* session, presentation, ACSE and initiate: one exchange */
	MMS_READY,
	MMS_CONCLUDING,
	MMS_RELEASING,
};
const char *mms_client_state_name(enum mms_client_state state);

enum mms_event_kind {
	MMS_EVENT_ASSOCIATED, /* calls may be made */
	MMS_EVENT_RESULT,     /* result */
	MMS_EVENT_REPORT,     /* report */
	MMS_EVENT_ENDED,      /* why, concluded: close the connection once what is in out is sent */
};

enum mms_outcome {
	MMS_ANSWERED,  /* response is set; its parts may still say failure */
	MMS_REFUSED,   /* by a Confirmed-ErrorPDU: error is set */
	MMS_REJECTED,  /* by a RejectPDU: error.error_class is its type, error.code its reason */
	MMS_MALFORMED, /* the answer is not one of that service */
	MMS_TIMED_OUT,
	MMS_LOST, /* the association ended */
};
/* "refused", "timed out". */
const char *mms_outcome_name(enum mms_outcome outcome);

struct mms_result {
	uint64_t tag; /* of the call */
	enum mms_service service;
	enum mms_outcome outcome;
	struct mms_error error;
	struct mms_response response;
};

/* Borrowed from the client until the next call of any of its functions but those that make calls;
 * they keep what an event borrows. */
struct mms_event {
	enum mms_event_kind kind;
	struct mms_result result;
	struct mms_report report;
	const char *why; /* one sentence without a full stop: "transport: the server refused ..." */
	bool concluded;	 /* because mms_client_conclude() asked for it */
};

struct mms_client;

/* Copies params. NULL: out of memory. */
struct mms_client *mms_client_new(const struct mms_params *params);
/* Tells nobody anything. NULL is fine. */
void mms_client_free(struct mms_client *c);

/* Begins on a fresh TCP connection; forgets what was before. Borrows out until the end or the next
 * start. A failed out is the caller's to notice: the connection is broken. */
void mms_client_start(struct mms_client *c, struct buffer *out, struct monotime now);
/* Copies octets that were read. What cannot be kept, for lack of memory, ends the association. Call
 * mms_client_next() until it is false before the next octets. */
void mms_client_feed(struct mms_client *c, const void *data, size_t len, struct monotime now);
/* Takes the next event, or returns false. */
bool mms_client_next(struct mms_client *c, struct mms_event *e);
/* Time-outs and keep-alive. */
void mms_client_tick(struct mms_client *c, struct monotime now);
/* Milliseconds until mms_client_tick() is due, at least 0; -1: nothing is. */
int64_t mms_client_due(const struct mms_client *c, struct monotime now);
/* The connection is gone: results and MMS_EVENT_ENDED with why (copied) follow. */
void mms_client_lost(struct mms_client *c, const char *why);
/* Leaves in order: conclude, release, MMS_EVENT_ENDED, within MMS_CONCLUDE_MS. Without an
 * association it ends at once. */
void mms_client_conclude(struct mms_client *c, struct monotime now);
/* Leaves at once, by an abort; MMS_EVENT_ENDED with why (copied) follows. */
void mms_client_abort(struct mms_client *c, const char *why);

/* --- What was agreed on --- */

enum mms_client_state mms_client_state(const struct mms_client *c);
/* Octets of the longest PDU that may be sent; 0 without an association. */
size_t mms_client_pdu_size(const struct mms_client *c);
/* Calls that may be outstanding at once. */
unsigned mms_client_window(const struct mms_client *c);
/* Whether the server says that it serves that. */
bool mms_client_offers(const struct mms_client *c, enum mms_service service);

/* --- Calls --- */

enum mms_call {
	MMS_TAKEN,     /* sent; a result follows */
	MMS_FULL,      /* as many as agreed are outstanding: once one has its answer */
	MMS_TOO_LARGE, /* for one PDU of the negotiated size: split it, or fail */
	MMS_NOT_READY, /* no association */
};

/* Whether a call would be MMS_FULL or MMS_NOT_READY. */
bool mms_client_may_call(const struct mms_client *c);

/* Arguments are copied. tag is the caller's and comes back in the result. Answers to reads and
 * writes have as many parts as were asked for, in that order; others are MMS_MALFORMED. */
enum mms_call mms_client_read(struct mms_client *c, uint64_t tag,
    const struct mms_variable *variables, size_t count, struct monotime now);
/* data: count values, one behind the other, as mms_put_*() write them. */
enum mms_call mms_client_write(struct mms_client *c, uint64_t tag,
    const struct mms_variable *variables, size_t count, const void *data, size_t len,
    struct monotime now);
/* domain.p NULL: of the VMD. after.p NULL: from the beginning. */
enum mms_call mms_client_name_list(struct mms_client *c, uint64_t tag, enum mms_object_class object,
    struct mms_str domain, struct mms_str after, struct monotime now);
enum mms_call mms_client_variable_attributes(
    struct mms_client *c, uint64_t tag, const struct mms_name *variable, struct monotime now);
enum mms_call mms_client_define_list(struct mms_client *c, uint64_t tag,
    const struct mms_name *list, const struct mms_variable *variables, size_t count,
    struct monotime now);
enum mms_call mms_client_get_list(
    struct mms_client *c, uint64_t tag, const struct mms_name *list, struct monotime now);
enum mms_call mms_client_delete_list(
    struct mms_client *c, uint64_t tag, const struct mms_name *list, struct monotime now);
enum mms_call mms_client_identify(struct mms_client *c, uint64_t tag, struct monotime now);
enum mms_call mms_client_status(struct mms_client *c, uint64_t tag, struct monotime now);

#endif
