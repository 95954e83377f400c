/*
 * ACSE, the association control of the application layer, in runner processes: the APDUs of the
 * kernel (ITU-T X.227, clause 9, as IEC 61850-8-1 uses it). Pure.
 */
#ifndef PROTOCOLS_ISO_ACSE_H
#define PROTOCOLS_ISO_ACSE_H

#include "common/cursor.h"
#include "protocols/ber/ber.h"
#include "protocols/iso/iso.h"

enum acse_type {
	ACSE_AARE = 1, /* associate response */
	ACSE_RLRQ = 2, /* release request */
	ACSE_RLRE = 3, /* release response */
	ACSE_ABRT = 4, /* abort */
};

struct acse_apdu {
	enum acse_type type;
	int64_t result;	     /* of AARE: 0 accepted, 1 rejected permanent, 2 transient */
	bool by_provider;    /* of AARE: the diagnostic is the provider's; of ABRT: who aborted */
	int64_t diagnostic;  /* of AARE */
	const uint8_t *data; /* of AARE: the value of the user information, borrowed; NULL: none */
	size_t len;
};

/* DEC_UNSUP: an APDU that no server sends. */
enum dec acse_decode(struct acse_apdu *a, const uint8_t *data, size_t len);

/* AARQ; user information of context PRESENTATION_MMS. Titles that are left out are not sent. */
void acse_put_request(struct ber_writer *w, const struct iso_address *calling,
    const struct iso_address *called, const void *data, size_t len);
/* RLRQ, normal. */
void acse_put_release(struct ber_writer *w);
/* ABRT by the service user. */
void acse_put_abort(struct ber_writer *w);

/* "called AP title not recognized"; "diagnostic 77" for what has no name. Uses text. */
const char *acse_diagnostic_text(const struct acse_apdu *a, char text[32]);

#endif
