/*
 * Messages of SNMP (RFC 1157, 4; RFC 1901, 3; RFC 3412, 6; RFC 3414, 2.4), in runner processes.
 * Decoding borrows the bytes; bytes behind a message are passed over, as agents send them.
 */
#ifndef PROTOCOLS_SNMP_MESSAGE_H
#define PROTOCOLS_SNMP_MESSAGE_H

#include "protocols/snmp/pdu.h"
#include "protocols/snmp/usm.h"

enum snmp_version { SNMP_V1 = 0, SNMP_V2C = 1, SNMP_V3 = 3 };

enum {
	SNMP_AUTH = 1, /* msgFlags */
	SNMP_PRIV = 2,
	SNMP_REPORTABLE = 4,
	SNMP_LEVEL = SNMP_AUTH | SNMP_PRIV,
};

/* Borrowed bytes. */
struct snmp_text {
	const uint8_t *data;
	size_t len;
};

static inline bool
snmp_text_is(struct snmp_text t, const void *data, size_t len)
{
	return t.len == len && (len == 0 || memcmp(t.data, data, len) == 0);
}

/* The beginning of every message, and its PDU where that is not encrypted. */
struct snmp_message {
	enum snmp_version version;
	size_t size;		    /* bytes, without what came behind it */
	struct snmp_text community; /* of V1 and V2C */

	/* The fields of V3 follow. */
	int32_t id;
	int32_t max_size;
	uint8_t flags;
	struct snmp_text engine; /* authoritative */
	int32_t boots, time;
	struct snmp_text user, mac, salt;
	struct snmp_text encrypted; /* the scoped PDU; data NULL: it is not */
	struct snmp_text context_engine, context_name;
};

/* DEC_OK: pdu is read but for an encrypted one. DEC_UNSUP: a version or a security model that is
 * not ours. DEC_BAD: no message. For V3 nothing is proved yet. */
enum dec snmp_message_decode(
    struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data, size_t len);
/* The scoped PDU that was encrypted; padding behind it is passed over. */
enum dec snmp_scoped_decode(
    struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data, size_t len);

/* Whether data, of which m was decoded, carries the digest that these keys make. */
bool snmp_message_verify(const struct snmp_message *m, const uint8_t *data, enum usm_auth auth,
    const struct usm_keys *k);
/* Decrypts m->encrypted to scratch, which has as many bytes and outlives m, and decodes it. */
enum dec snmp_message_decrypt(struct snmp_message *m, struct snmp_pdu *pdu, enum usm_priv priv,
    const struct usm_keys *k, uint8_t *scratch);

/* --- Writing. Returns the bytes written, 0 where out has no room for them. --- */

/* The PDU of a message. */
struct snmp_content {
	enum snmp_pdu_type type;
	int32_t request_id;
	const uint8_t *bindings; /* content of the VarBindList */
	size_t len;
};

/* V1 and V2C. */
size_t snmp_community_encode(uint8_t *out, size_t size, enum snmp_version version,
    struct snmp_text community, const struct snmp_content *content);

/* V3: all of m but mac and encrypted is used; flags says what is done with auth, priv and keys.
 * salt: USM_SALT bytes where it is encrypted. */
size_t snmp_v3_encode(uint8_t *out, size_t size, const struct snmp_message *m,
    const struct snmp_content *content, enum usm_auth auth, enum usm_priv priv,
    const struct usm_keys *k);

/* RFC 3414, 5: usmStats 1.3.6.1.6.3.15.1.1.N, with or without the instance. */
enum usm_report {
	USM_REPORT_NONE,
	USM_REPORT_SECURITY_LEVEL = 1,
	USM_REPORT_TIME_WINDOW = 2,
	USM_REPORT_USER = 3,
	USM_REPORT_ENGINE = 4,
	USM_REPORT_DIGEST = 5,
	USM_REPORT_DECRYPTION = 6,
};

/* Which one the name of a binding is. */
enum usm_report usm_report_of(const struct snmp_binding *b);
/* One binding with such a counter, into a writer of the content of a VarBindList. */
void usm_report_put(struct ber_writer *w, enum usm_report report, uint32_t count);

#endif
