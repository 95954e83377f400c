/*
 * Shared by the parts of the association: its state (client.c) and its calls (client_call.c).
 */
#ifndef PROTOCOLS_MMS_CLIENT_PRIVATE_H
#define PROTOCOLS_MMS_CLIENT_PRIVATE_H

#include "protocols/iso/association.h"
#include "protocols/mms/client.h"
#include "protocols/mms/pdu.h"

enum {
	MMS_CLIENT_WHY = 200,
};

enum mms_call_state {
	CALL_FREE,
	CALL_WAITING,
	CALL_EXPIRED, /* timed out: the result is to be told */
	CALL_LATE,    /* it was told; an answer may still come */
};

struct mms_call_slot {
	enum mms_call_state state;
	bool internal; /* keep-alive: nobody is told */
	uint32_t id;
	uint64_t tag;
	enum mms_service service;
	size_t parts; /* of a read or a write: those that the answer must have */
	struct monotime until;
};

struct mms_client {
	struct mms_params params;
	struct iso_association iso;
	struct buffer *out;
	enum mms_client_state state;
	struct monotime now;   /* of what is being worked at */
	struct monotime until; /* of the association, of conclude */
	struct mms_initiate agreed;
	size_t pdu_size;
	unsigned window;
	struct mms_call_slot calls[MMS_MAX_OUTSTANDING];
	uint32_t next_id;
	struct monotime heard; /* the last PDU */
	bool asked;	       /* status was due, nothing was heard since */
	struct monotime asked_at;
	bool ending; /* ENDED is to be told, behind the results of calls */
	bool concluded;
	char why[MMS_CLIENT_WHY];
	uint8_t pdu[ISO_MAX_PDU]; /* one that is being written */
};

/* A PDU of at most the negotiated size; no window limits it. Send: false where it had no room. */
void mms_client_begin_pdu(struct mms_client *c, struct ber_writer *w);
bool mms_client_send_pdu(struct mms_client *c, const struct ber_writer *w);

/* The call of that invoke id, or NULL. */
struct mms_call_slot *mms_slot_find(struct mms_client *c, uint32_t id);
/* Frees the slot; *e is its result. Whether that is to be told. */
bool mms_slot_finish(struct mms_call_slot *call, enum mms_outcome outcome, struct mms_event *e);
/* Asks for status on our own behalf, where a place is free and no such call is outstanding. */
void mms_client_ask_alive(struct mms_client *c);

#endif
