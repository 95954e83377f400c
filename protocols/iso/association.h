/*
 * An association over the OSI layers, from TPKT to ACSE, as its initiator, in runner processes: one
 * state machine over octets. It carries the PDUs of one application, MMS. Pure: what is to be sent
 * is appended to the caller's buffer. Times are the caller's.
 */
#ifndef PROTOCOLS_ISO_ASSOCIATION_H
#define PROTOCOLS_ISO_ASSOCIATION_H

#include "common/buffer.h"
#include "protocols/iso/iso.h"

enum {
	ISO_WHY = 160,
	ISO_MAX_PDU = 65536,	/* octets of an application's PDU, in both directions */
	ISO_MAX_APDU_HEAD = 64, /* of what the layers put around it */
	ISO_MAX_CONNECT = 4096, /* octets of a connect with all its layers */
};

enum iso_state {
	ISO_CLOSED,
	ISO_CONNECTING,	 /* transport: CR was sent */
	ISO_CONNECTED,	 /* CC came: the caller associates */
	ISO_ASSOCIATING, /* session CN with all that is in it was sent */
	ISO_OPEN,
	ISO_RELEASING,
};

enum iso_event_kind {
	ISO_EVENT_CONNECTED,  /* call iso_associate() */
	ISO_EVENT_ASSOCIATED, /* data: the user information of the answer */
	ISO_EVENT_DATA,	      /* data: a PDU */
	ISO_EVENT_RELEASED,   /* the server agreed to iso_release() */
	ISO_EVENT_ENDED,      /* why */
};

/* Borrowed until the next iso_next(), iso_feed() or iso_start(). */
struct iso_event {
	enum iso_event_kind kind;
	const uint8_t *data;
	size_t len;
	const char *why; /* "LAYER: what happened", without a full stop */
};

struct iso_association {
	const struct iso_address *local, *remote;
	struct buffer *out;
	enum iso_state state;
	size_t tpdu_size;
	struct buffer in;   /* what was fed and not yet used */
	size_t used;	    /* octets of it that the last event borrowed */
	struct buffer tsdu; /* one that comes in parts */
	bool tsdu_lent;	    /* the last event borrowed it */
	char why[ISO_WHY];
};

void iso_init(struct iso_association *a);
void iso_clear(struct iso_association *a);

/* Sends the request for a transport connection; forgets what was before. Borrows all until the end.
 */
void iso_start(struct iso_association *a, const struct iso_address *local,
    const struct iso_address *remote, struct buffer *out);
/* Copies octets that were read. Without memory the next event is ISO_EVENT_ENDED. */
void iso_feed(struct iso_association *a, const void *data, size_t len);
/* Takes the next event, or returns false. Nothing follows ISO_EVENT_ENDED and ISO_EVENT_RELEASED.
 */
bool iso_next(struct iso_association *a, struct iso_event *e);

/* After ISO_EVENT_CONNECTED: the rest of the connection, with user information of the application.
 * len: at most 1,024. */
void iso_associate(struct iso_association *a, const void *data, size_t len);
/* A PDU of at most ISO_MAX_PDU octets. Only in ISO_OPEN. */
void iso_send(struct iso_association *a, const void *pdu, size_t len);
/* Only in ISO_OPEN. */
void iso_release(struct iso_association *a);
/* Sends what aborts in the state that there is, and closes. */
void iso_abort(struct iso_association *a);

#endif
