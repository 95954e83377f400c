/*
 * SMPP 3.4 protocol data units of an ESME: framing, header, bodies and status
 * codes (SMPP v3.4 Issue 1.2, clauses 4 and 5). Pure.
 */
#ifndef PROTOCOLS_SMPP_PDU_H
#define PROTOCOLS_SMPP_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/cursor.h"

enum {
	SMPP_HEADER = 16,
	SMPP_MAX_PDU = 64 * 1024, /* octets; a longer one ends the connection */
	SMPP_MAX_SHORT = 254,	  /* octets of short_message, 5.2.22 */
	SMPP_MAX_ADDRESS = 20,	  /* octets of an address without its NUL, 5.2.8 and 5.2.9 */
	SMPP_MAX_SYSTEM_ID = 15,  /* 5.2.1 */
	SMPP_MAX_PASSWORD = 8,	  /* 5.2.2 */
	SMPP_MAX_SYSTEM_TYPE = 12,
	SMPP_MAX_SERVICE_TYPE = 5,
	SMPP_MAX_MESSAGE_ID = 64,
	SMPP_MAX_SEQUENCE = 0x7fffffff,
	SMPP_VERSION = 0x34,
	SMPP_RESPONSE = 0x80000000, /* bit of a command_id */
};

enum smpp_command {
	SMPP_GENERIC_NACK = 0x80000000,
	SMPP_BIND_RECEIVER = 0x01,
	SMPP_BIND_TRANSMITTER = 0x02,
	SMPP_SUBMIT_SM = 0x04,
	SMPP_DELIVER_SM = 0x05,
	SMPP_UNBIND = 0x06,
	SMPP_BIND_TRANSCEIVER = 0x09,
	SMPP_OUTBIND = 0x0b,
	SMPP_ENQUIRE_LINK = 0x15,
	SMPP_ALERT_NOTIFICATION = 0x102,
	SMPP_DATA_SM = 0x103,
};

/* Status codes that decide something; smpp_status_name() has all of clause 5.1.3. */
enum smpp_status {
	SMPP_ROK = 0,
	SMPP_RINVMSGLEN = 0x01,
	SMPP_RINVCMDLEN = 0x02,
	SMPP_RINVCMDID = 0x03,
	SMPP_RINVBNDSTS = 0x04,
	SMPP_RMSGQFUL = 0x14,
	SMPP_RTHROTTLED = 0x58,
};

/* Borrowed octets. */
struct smpp_str {
	const char *p;
	size_t len;
};

struct smpp_bind {
	struct smpp_str system_id, password, system_type, address_range;
	uint8_t version, ton, npi;
};

/* submit_sm and deliver_sm, 4.4.1 and 4.6.1. */
struct smpp_sm {
	struct smpp_str service_type, source, destination, schedule, validity, text;
	uint8_t source_ton, source_npi, dest_ton, dest_npi;
	uint8_t esm_class, protocol_id, priority, registered_delivery, replace;
	uint8_t data_coding, default_message;
	struct smpp_str payload; /* TLV message_payload; p NULL: none */
};

/* A PDU that was received. Everything is borrowed from the input. */
struct smpp_pdu {
	uint32_t command, status, sequence;
	struct smpp_str id; /* system_id of a bind's answer, message_id of a submit_sm's */
	struct smpp_sm sm;  /* of a deliver_sm */
	bool malformed;	    /* the body is not what the command says */
};

/* Finds the first PDU in len received octets. DEC_OK: *size octets; DEC_MORE; DEC_BAD: its length
 * is below 16 or above SMPP_MAX_PDU. The sequence number is set where 16 octets are there. */
enum dec smpp_frame(const void *data, size_t len, size_t *size, uint32_t *sequence);
/* Decodes one whole PDU of `size` octets. DEC_UNSUP: the command_id is unknown; header fields are
 * set. Unknown TLVs are skipped, 3.3. */
enum dec smpp_decode(struct smpp_pdu *pdu, const void *data, size_t size);

/* The body of a whole submit_sm or deliver_sm, and of a request to bind. False where the PDU is
 * another one, or is malformed. */
bool smpp_decode_sm(struct smpp_sm *sm, const void *data, size_t size);
bool smpp_decode_bind(struct smpp_bind *bind, const void *data, size_t size);

/* These append a whole PDU; strings longer than their field fail the buffer. */
void smpp_encode_bind(
    struct buffer *b, uint32_t command, uint32_t sequence, const struct smpp_bind *bind);
void smpp_encode_submit(struct buffer *b, uint32_t sequence, const struct smpp_sm *sm);
/* A PDU without a body: enquire_link, unbind, generic_nack, most answers. */
void smpp_encode_empty(struct buffer *b, uint32_t command, uint32_t status, uint32_t sequence);
/* An answer whose body is one C string: of a bind (system_id), submit_sm, deliver_sm, data_sm. */
void smpp_encode_answer(
    struct buffer *b, uint32_t command, uint32_t status, uint32_t sequence, const char *text);

/* "ESME_RTHROTTLED" without "ESME_": "RTHROTTLED"; "0x00000401" for what has no name. Uses text. */
const char *smpp_status_name(uint32_t status, char text[16]);
/* "submit_sm_resp"; NULL where the command is unknown. */
const char *smpp_command_name(uint32_t command);

#endif
