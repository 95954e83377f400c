/*
 * Object identifiers (X.660), in runner processes: kept as the octets of their BER content, which
 * is one spelling for each (X.690, 8.19), so that two are equal where their octets are.
 */
#ifndef PROTOCOLS_BER_OID_H
#define PROTOCOLS_BER_OID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BER_OID_MAX_ARCS = 128,		      /* RFC 2578, 3.5 */
	BER_OID_MAX = 5 * BER_OID_MAX_ARCS,   /* octets; arcs have 32 bits */
	BER_OID_TEXT = 11 * BER_OID_MAX_ARCS, /* bytes of the longest text, its NUL included */
};

struct ber_oid {
	uint16_t len;
	uint8_t octets[BER_OID_MAX];
};

/* "1.3.6.1": decimal arcs of at most 2^32 - 1, two at least; the first is 0 to 2, the second below
 * 40 unless the first is 2. False where the text is none. */
bool ber_oid_parse(struct ber_oid *oid, const char *text);
/* Checks the octets of a content and copies them. False where they are none. */
bool ber_oid_read(struct ber_oid *oid, const uint8_t *data, size_t len);
/* text: BER_OID_TEXT bytes. Returns text. */
char *ber_oid_text(const struct ber_oid *oid, char *text);

bool ber_oid_equal(const struct ber_oid *a, const struct ber_oid *b);
/* Whether oid begins with all arcs of start; the same one does. */
bool ber_oid_starts_with(const struct ber_oid *oid, const struct ber_oid *start);

#endif
