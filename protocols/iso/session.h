/*
 * Session of the OSI layers, in runner processes: the SPDUs of the kernel and the duplex functional
 * unit, version 2 (ITU-T X.225, clause 8). Pure.
 */
#ifndef PROTOCOLS_ISO_SESSION_H
#define PROTOCOLS_ISO_SESSION_H

#include "common/buffer.h"
#include "common/cursor.h"
#include "protocols/iso/iso.h"

/* Octets in front of the user data of a DT: GIVE TOKENS and DATA TRANSFER without parameters. */
enum { SESSION_DT_HEADER = 4 };

enum session_type {
	SESSION_DT = 1,	 /* data transfer, behind GIVE TOKENS */
	SESSION_FN = 9,	 /* finish */
	SESSION_DN = 10, /* disconnect: the answer to finish */
	SESSION_RF = 12, /* refuse */
	SESSION_CN = 13, /* connect */
	SESSION_AC = 14, /* accept */
	SESSION_AB = 25, /* abort */
	SESSION_AA = 26, /* abort accept */
};

struct session_spdu {
	enum session_type type;
	int reason;	     /* of RF; -1: none */
	const uint8_t *data; /* user data, borrowed */
	size_t len;
};

/* Decodes one whole TSDU. DEC_UNSUP: another SPDU. */
enum dec session_decode(struct session_spdu *s, const void *data, size_t len);

/* These append one TSDU. User data is copied; selectors of length 0 are left out. */
void session_encode_connect(struct buffer *b, const struct iso_selector *calling,
    const struct iso_selector *called, const void *data, size_t len);
/* SESSION_FN, SESSION_AB: the transport connection is not kept. */
void session_encode_end(struct buffer *b, enum session_type type, const void *data, size_t len);
/* Writes the header in front of the data of a SESSION_DT. */
void session_put_data_header(uint8_t header[SESSION_DT_HEADER]);

/* "rejected by the called user"; "reason 77" for what has no name. Uses text. */
const char *session_reason_text(int reason, char text[32]);

#endif
