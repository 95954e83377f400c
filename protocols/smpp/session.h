/*
 * The session of an ESME with an SMSC: bind, enquire_link in both directions,
 * a window of submit_sm, unbind (SMPP v3.4, clauses 2.2 and 2.8). A state
 * machine over (state, PDU or time-out, now): what it says is appended to the
 * caller's buffer, what happened is returned. Pure.
 */
#ifndef PROTOCOLS_SMPP_SESSION_H
#define PROTOCOLS_SMPP_SESSION_H

#include "common/monotime.h"
#include "protocols/smpp/pdu.h"

enum { SMPP_MAX_WINDOW = 64 /* submit_sm without an answer */ };

enum smpp_state { SMPP_CLOSED, SMPP_BINDING, SMPP_BOUND, SMPP_UNBINDING };

enum smpp_event_kind {
	SMPP_NOTHING,
	SMPP_ACCEPTED,	/* the bind was */
	SMPP_SUBMITTED, /* tag, status, id: an answer to a submit_sm */
	SMPP_DELIVERED, /* sm: a message or receipt came, and was acknowledged */
	SMPP_ENDED,	/* why; status of a refused bind: close the connection once what was said is
			   sent */
};

struct smpp_event {
	enum smpp_event_kind kind;
	uint64_t tag;
	uint32_t status;
	struct smpp_str id; /* borrowed from the PDU */
	bool receipt;	    /* of SMPP_DELIVERED */
	char why[96];
};

struct smpp_params {
	uint32_t bind_command;
	struct smpp_bind bind;	  /* borrowed for the life of the session */
	int64_t enquire_delay_ms; /* 0: never */
	int64_t enquire_timeout_ms;
	unsigned window; /* 1 .. SMPP_MAX_WINDOW */
};

struct smpp_flight {
	uint32_t sequence; /* 0: free */
	uint64_t tag;
};

struct smpp_session {
	const struct smpp_params *params;
	struct buffer *out;
	enum smpp_state state;
	uint32_t sequence; /* the last one that we used */
	uint32_t bind_sequence, enquire_sequence;
	bool enquiring;			 /* an enquire_link of ours has no answer yet */
	struct monotime heard, enquired; /* the peer's last PDU; our enquire_link */
	struct smpp_flight flights[SMPP_MAX_WINDOW];
};

/* Begins on a fresh connection: appends the bind to out. Borrows params and out. */
void smpp_session_start(struct smpp_session *s, const struct smpp_params *params,
    struct buffer *out, struct monotime now);
/* One whole PDU of `size` octets, from smpp_frame(). */
struct smpp_event smpp_session_input(
    struct smpp_session *s, const void *pdu, size_t size, struct monotime now);
/* smpp_frame() said DEC_BAD: answers with generic_nack and ends the session. */
struct smpp_event smpp_session_bad_frame(struct smpp_session *s, uint32_t sequence);
/* Sends enquire_link when it is due, ends the session when its answer is overdue. */
struct smpp_event smpp_session_tick(struct smpp_session *s, struct monotime now);
/* Milliseconds until smpp_session_tick() is due, at least 0; -1: nothing is. */
int64_t smpp_session_due(const struct smpp_session *s, struct monotime now);

/* Whether a submit_sm may be sent now: bound, and the window has room. */
bool smpp_session_may_submit(const struct smpp_session *s);
/* Sends one; its answer comes as SMPP_SUBMITTED with the tag. */
void smpp_session_submit(struct smpp_session *s, const struct smpp_sm *sm, uint64_t tag);
/* No answer to that tag is waited for any more; a late one is ignored. */
void smpp_session_forget(struct smpp_session *s, uint64_t tag);
/* Says unbind where the session is bound. Nothing more may be submitted. */
void smpp_session_unbind(struct smpp_session *s);

#endif
