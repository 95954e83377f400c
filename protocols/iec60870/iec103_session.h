/*
 * Requests to one protection device of 103 and their answers (IEC 60870-5-103 clause 7.4.3
 * and 7.4.4), in the iec60870 runner. One general interrogation and one command at a time, paired
 * by scan number and return information identifier; others wait their turn. Pure: (state, event,
 * now) -> what to send, what came of it.
 */
#ifndef PROTOCOLS_IEC60870_IEC103_SESSION_H
#define PROTOCOLS_IEC60870_IEC103_SESSION_H

#include "common/monotime.h"
#include "protocols/iec60870/iec103_asdu.h"

enum {
	IEC103_SESSION_MAX = 256,		/* requests of a kind that may wait */
	IEC103_SESSION_MAX_NOTES = 1024 * 1024, /* bytes of their notes */
	IEC103_SESSION_TIMEOUT_MS = 100000,	/* from request to answer, waiting included */
	/* A request that has waited longer behind others is not sent: it would be a command of long
	 * ago. */
	IEC103_SESSION_WAIT_MS = 20000,
};

enum iec103_request_kind {
	IEC103_REQUEST_INTERROGATION,
	IEC103_REQUEST_COMMAND,
	IEC103_REQUEST_KINDS
};

struct iec103_request {
	struct iec103_request *next;
	enum iec103_request_kind kind;
	uint8_t common, function, information;
	uint8_t value;	/* of a command, enum iec103_double */
	uint8_t number; /* SCN or RII, once it was sent */
	bool sent;
	struct monotime send_until, expires;
	size_t note_len;
	char note[]; /* the caller's: comes back with the result */
};

struct iec103_session {
	struct {
		struct iec103_request *head, **tail;
		size_t count;
	} queues[IEC103_REQUEST_KINDS];
	size_t note_bytes;
	uint8_t next_number;
};

void iec103_session_init(struct iec103_session *s);
/* Forgets all requests. */
void iec103_session_clear(struct iec103_session *s);

/* Queues a request; the note is copied. common, function, information, value as in the ASDU.
 * Returns 0, or -1 with ENOBUFS, ENOMEM. */
int iec103_session_ask(struct iec103_session *s, const struct iec103_request *request,
    const void *note, size_t note_len, struct monotime now);
/* The ASDU to send now, its length; 0: none. */
size_t iec103_session_next(struct iec103_session *s, uint8_t out[IEC103_MAX]);

/* Whether that object answers the request under way: then it is taken out and returned, to be freed
 * by the caller; *success of a command. Else NULL. */
struct iec103_request *iec103_session_answer(struct iec103_session *s, const struct iec103_asdu *a,
    const struct iec103_object *o, bool *success);
/* Takes out one that waited too long, or NULL; to be freed by the caller. */
struct iec103_request *iec103_session_expire(struct iec103_session *s, struct monotime now);
/* When the next one expires; ns 0: never. */
struct monotime iec103_session_deadline(const struct iec103_session *s);

#endif
