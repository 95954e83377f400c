/*
 * Presentation of the OSI layers, in runner processes: the PPDUs of the kernel in normal mode, with
 * BER as the only transfer syntax and two contexts: ACSE and MMS (ITU-T X.226, clause 8, as IEC
 * 61850-8-1 uses it). Pure.
 */
#ifndef PROTOCOLS_ISO_PRESENTATION_H
#define PROTOCOLS_ISO_PRESENTATION_H

#include "common/cursor.h"
#include "protocols/ber/ber.h"
#include "protocols/iso/iso.h"

enum {
	PRESENTATION_ACSE = 1, /* identifiers of the contexts, as we propose them */
	PRESENTATION_MMS = 3,
};

/* User data: one value of one context. */
struct presentation_value {
	int64_t context;
	const uint8_t *data; /* encoded, borrowed; NULL: there is none */
	size_t len;
};

/* CPA: the connection is accepted. */
struct presentation_accept {
	bool acse, mms; /* whether these contexts are */
	struct presentation_value value;
};

/* CPR, or the ABORT of the user (ARU) or of the provider (ARP). */
struct presentation_end {
	bool by_provider;
	int64_t reason; /* of a provider; -1: none */
	struct presentation_value value;
};

/* Each: DEC_OK, or DEC_BAD. */
enum dec presentation_decode_accept(struct presentation_accept *a, const uint8_t *data, size_t len);
enum dec presentation_decode_refuse(struct presentation_end *e, const uint8_t *data, size_t len);
enum dec presentation_decode_abort(struct presentation_end *e, const uint8_t *data, size_t len);
/* Decodes the content of a session data transfer, finish or disconnect. */
enum dec presentation_decode_data(struct presentation_value *v, const uint8_t *data, size_t len);

/* CP, with data as the value of PRESENTATION_ACSE. Selectors of length 0 are left out. */
void presentation_put_connect(struct ber_writer *w, const struct iso_selector *calling,
    const struct iso_selector *called, const void *data, size_t len);
/* One value of a context. */
void presentation_put_data(struct ber_writer *w, int64_t context, const void *data, size_t len);
/* ARU, with data as the value of PRESENTATION_ACSE. */
void presentation_put_abort(struct ber_writer *w, const void *data, size_t len);

/* Reason of a refusal or of an abort by the provider; "reason 77" for what has no name. */
const char *presentation_refuse_text(int64_t reason, char text[32]);
const char *presentation_abort_text(int64_t reason, char text[32]);

#endif
