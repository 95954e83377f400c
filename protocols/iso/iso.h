/*
 * The addresses of an association over the OSI layers (IEC 61850-8-1 table 105 and annex A of RFC
 * 1006), in runner processes: selectors of transport, session and presentation, and titles of the
 * application.
 */
#ifndef PROTOCOLS_ISO_ISO_H
#define PROTOCOLS_ISO_ISO_H

#include "protocols/ber/oid.h"

enum { ISO_MAX_SELECTOR = 16 };

/* Octets of a selector; len 0: it is sent empty or left out, as its layer has it. */
struct iso_selector {
	uint8_t octets[ISO_MAX_SELECTOR];
	uint8_t len;
};

struct iso_address {
	struct iso_selector tsel, ssel, psel;
	struct ber_oid ap_title; /* len 0: left out */
	bool has_ae_qualifier;
	int64_t ae_qualifier;
};

#endif
