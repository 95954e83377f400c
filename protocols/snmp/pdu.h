/*
 * PDUs of SNMP (RFC 1157, 4.1; RFC 3416, 3), in runner processes. Decoding borrows the bytes and
 * allocates nothing; a binding's value is looked at only when it is used, so that one that is
 * broken spoils itself alone.
 */
#ifndef PROTOCOLS_SNMP_PDU_H
#define PROTOCOLS_SNMP_PDU_H

#include "protocols/ber/ber.h"

enum {
	SNMP_MAX_BINDINGS = 256, /* of one PDU */
	SNMP_MAX_DEPTH = 8,	 /* elements in one another: a message needs 6 */
	SNMP_MAX_DATAGRAM = 65507,
};

/* Numbers of the context tags. */
enum snmp_pdu_type {
	SNMP_GET = 0,
	SNMP_GET_NEXT = 1,
	SNMP_RESPONSE = 2,
	SNMP_SET = 3,
	SNMP_TRAP_V1 = 4,
	SNMP_GET_BULK = 5,
	SNMP_INFORM = 6,
	SNMP_TRAP = 7,
	SNMP_REPORT = 8,
};

/* Tags of values: RFC 2578, 7.1, and RFC 3416, 3. */
#define SNMP_IP_ADDRESS BER_APPLICATION(0)
#define SNMP_COUNTER32 BER_APPLICATION(1)
#define SNMP_GAUGE32 BER_APPLICATION(2)
#define SNMP_TIME_TICKS BER_APPLICATION(3)
#define SNMP_OPAQUE BER_APPLICATION(4)
#define SNMP_COUNTER64 BER_APPLICATION(6)
#define SNMP_UINTEGER32 BER_APPLICATION(7) /* RFC 1442; obsolete, still sent */
#define SNMP_NO_SUCH_OBJECT BER_CONTEXT(0)
#define SNMP_NO_SUCH_INSTANCE BER_CONTEXT(1)
#define SNMP_END_OF_MIB_VIEW BER_CONTEXT(2)

/* RFC 3416, 3: error-status. */
enum snmp_error {
	SNMP_NO_ERROR = 0,
	SNMP_TOO_BIG = 1,
	SNMP_GEN_ERR = 5,
	SNMP_ERRORS = 19, /* how many there are */
};

struct snmp_binding {
	struct ber_element name; /* content of an OBJECT IDENTIFIER, borrowed, not checked */
	struct ber_element value;
};

struct snmp_pdu {
	enum snmp_pdu_type type;
	int32_t request_id;		   /* 0 in a trap of version 1 */
	int32_t error_status, error_index; /* as they came */
	size_t count;
	struct snmp_binding bindings[SNMP_MAX_BINDINGS];
	struct ber_element list; /* content of the VarBindList, as it came */
};

/* Reads the PDU that r stands at, all of it. False, with the error in r, where it is none, or has
 * more than SNMP_MAX_BINDINGS. From a trap of version 1 only the bindings are kept. */
bool snmp_pdu_read(struct ber_reader *r, struct snmp_pdu *pdu);

/* "TOO_BIG", ...; GEN_ERR for a status that does not exist. NULL for noError. */
const char *snmp_error_name(int32_t status);

bool snmp_binding_is(const struct snmp_binding *b, const struct ber_oid *name);
/* The first binding of that name, or NULL. */
const struct snmp_binding *snmp_pdu_find(const struct snmp_pdu *pdu, const struct ber_oid *name);

/* A PDU of any type but SNMP_TRAP_V1. bindings: the content of a VarBindList. */
void snmp_pdu_put(struct ber_writer *w, enum snmp_pdu_type type, int32_t request_id,
    const uint8_t *bindings, size_t len);
/* A VarBind, into a writer of the content of a VarBindList: unSpecified for a GET, or value, which
 * is encoded already. */
void snmp_binding_put(
    struct ber_writer *w, const struct ber_oid *name, const uint8_t *value, size_t len);

#endif
