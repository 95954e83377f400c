/*
 * Transport of the OSI layers over TCP, in runner processes: TPKT (RFC 1006, clause 6) and class 0
 * of the connection-oriented transport protocol (ITU-T X.224, clause 13). Pure.
 */
#ifndef PROTOCOLS_ISO_TRANSPORT_H
#define PROTOCOLS_ISO_TRANSPORT_H

#include "common/buffer.h"
#include "common/cursor.h"
#include "protocols/iso/iso.h"

enum {
	TPKT_HEADER = 4,
	TPKT_MAX = 65535, /* octets, the header included */
	TPKT_MIN = 7,
	COTP_DT_HEADER = 3,
	COTP_MAX_SIZE_CODE =
	    11, /* 2^11 octets of a TPDU: the most that class 0 may propose, 13.3.4 */
	COTP_MIN_SIZE_CODE = 7,
};

/* Code of a TPDU, without the credit that class 0 has not. */
enum cotp_type {
	COTP_CR = 0xe0, /* connection request */
	COTP_CC = 0xd0, /* connection confirm */
	COTP_DR = 0x80, /* disconnect request */
	COTP_DT = 0xf0, /* data */
	COTP_ER = 0x70, /* error */
};

struct cotp_tpdu {
	enum cotp_type type;
	uint16_t destination, source; /* references; of CR, CC, DR; destination of ER */
	uint8_t protocol_class;	      /* of CR, CC */
	uint8_t size_code;	      /* of CR, CC: 2^n octets; 0: the parameter is absent */
	uint8_t reason;		      /* of DR: reason, of ER: reject cause */
	bool last;		      /* of DT: the TSDU ends with it */
	const uint8_t *data;	      /* of DT, borrowed */
	size_t len;
};

/* Finds the first TPKT in len octets. DEC_OK: *size octets, its header included. */
enum dec tpkt_frame(const void *data, size_t len, size_t *size);
/* Decodes what a whole TPKT of `size` octets holds. DEC_UNSUP: a TPDU that class 0 has not. */
enum dec cotp_decode(struct cotp_tpdu *t, const void *tpkt, size_t size);

/* These append a TPKT. Selectors of length 0 are left out. */
void cotp_encode_request(struct buffer *b, uint16_t source, uint8_t size_code,
    const struct iso_selector *calling, const struct iso_selector *called);
/* DTs of at most tpdu_size octets each, header included, that carry one TSDU. */
void cotp_encode_data(struct buffer *b, size_t tpdu_size, const void *data, size_t len);

/* "address unknown"; "reason 77" for what has no name. Uses text. */
const char *cotp_reason_text(uint8_t reason, char text[32]);

#endif
