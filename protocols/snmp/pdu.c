#include "protocols/snmp/pdu.h"

static const char *const error_names[SNMP_ERRORS] = { NULL, "TOO_BIG", "NO_SUCH_NAME", "BAD_VALUE",
	"READ_ONLY", "GEN_ERR", "NO_ACCESS", "WRONG_TYPE", "WRONG_LENGTH", "WRONG_ENCODING",
	"WRONG_VALUE", "NO_CREATION", "INCONSISTENT_VALUE", "RESOURCE_UNAVAILABLE", "COMMIT_FAILED",
	"UNDO_FAILED", "AUTHORIZATION_ERROR", "NOT_WRITABLE", "INCONSISTENT_NAME" };

const char *
snmp_error_name(int32_t status)
{
	return error_names[status >= 0 && status < SNMP_ERRORS ? status : SNMP_GEN_ERR];
}

static int32_t
read_int32(struct ber_reader *r)
{
	int64_t v = ber_int(r, BER_INTEGER);

	if (v < INT32_MIN || v > INT32_MAX)
		ber_fail(r);
	return (int32_t)v;
}

static void
read_bindings(struct ber_reader *r, struct snmp_pdu *pdu)
{
	if (!ber_enter(r, BER_SEQUENCE))
		return;
	pdu->list = (struct ber_element){ BER_SEQUENCE, r->c.p, cursor_left(&r->c) };
	for (pdu->count = 0; ber_more(r); pdu->count++) {
		if (pdu->count == SNMP_MAX_BINDINGS) {
			ber_fail(r);
			return;
		}
		struct snmp_binding *b = &pdu->bindings[pdu->count];
		ber_enter(r, BER_SEQUENCE);
		b->name.tag = BER_OBJECT_ID;
		b->name.data = ber_bytes(r, BER_OBJECT_ID, &b->name.len);
		ber_next(r, &b->value);
		ber_leave(r);
	}
	ber_leave(r);
}

/* RFC 1157, 4.1.6: enterprise, agent-addr, generic-trap, specific-trap, time-stamp. */
static void
read_trap_v1(struct ber_reader *r)
{
	size_t len;

	ber_bytes(r, BER_OBJECT_ID, &len);
	ber_bytes(r, SNMP_IP_ADDRESS, &len);
	ber_int(r, BER_INTEGER);
	ber_int(r, BER_INTEGER);
	ber_bytes(r, SNMP_TIME_TICKS, &len);
}

bool
snmp_pdu_read(struct ber_reader *r, struct snmp_pdu *pdu)
{
	uint32_t tag;

	pdu->request_id = pdu->error_status = pdu->error_index = 0;
	pdu->count = 0;
	if (!ber_peek(r, &tag) || tag < BER_CONTEXT_C(SNMP_GET) ||
	    tag > BER_CONTEXT_C(SNMP_REPORT)) {
		ber_fail(r);
		return false;
	}
	pdu->type = (enum snmp_pdu_type)(tag - BER_CONTEXT_C(0));
	ber_enter(r, tag);
	if (pdu->type == SNMP_TRAP_V1) {
		read_trap_v1(r);
	} else {
		pdu->request_id = read_int32(r);
		pdu->error_status = read_int32(r);
		pdu->error_index = read_int32(r);
	}
	read_bindings(r, pdu);
	ber_leave(r);
	return ber_ok(r);
}

bool
snmp_binding_is(const struct snmp_binding *b, const struct ber_oid *name)
{
	return b->name.len == name->len && memcmp(b->name.data, name->octets, name->len) == 0;
}

const struct snmp_binding *
snmp_pdu_find(const struct snmp_pdu *pdu, const struct ber_oid *name)
{
	for (size_t i = 0; i < pdu->count; i++)
		if (snmp_binding_is(&pdu->bindings[i], name))
			return &pdu->bindings[i];
	return NULL;
}

void
snmp_pdu_put(struct ber_writer *w, enum snmp_pdu_type type, int32_t request_id,
    const uint8_t *bindings, size_t len)
{
	ber_begin(w, BER_CONTEXT_C((uint32_t)type));
	ber_put_int(w, BER_INTEGER, request_id);
	ber_put_int(w, BER_INTEGER, SNMP_NO_ERROR);
	ber_put_int(w, BER_INTEGER, 0);
	ber_put_bytes(w, BER_SEQUENCE, bindings, len);
	ber_end(w);
}

void
snmp_binding_put(struct ber_writer *w, const struct ber_oid *name, const uint8_t *value, size_t len)
{
	ber_begin(w, BER_SEQUENCE);
	ber_put_oid(w, BER_OBJECT_ID, name);
	if (value)
		ber_put_raw(w, value, len);
	else
		ber_put_null(w, BER_NULL);
	ber_end(w);
}
