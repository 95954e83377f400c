#include "protocols/snmp/text.h"

enum { TEXT_SHOWN = 64, ENGINE_SHOWN = 32 };

static const char *const types[] = {
	[SNMP_GET] = "get-request",
	[SNMP_GET_NEXT] = "get-next-request",
	[SNMP_RESPONSE] = "response",
	[SNMP_SET] = "set-request",
	[SNMP_TRAP_V1] = "trap",
	[SNMP_GET_BULK] = "get-bulk-request",
	[SNMP_INFORM] = "inform-request",
	[SNMP_TRAP] = "trap",
	[SNMP_REPORT] = "report",
};

/* The kinds of values that are unsigned numbers, and those without a value. */
static const struct {
	uint32_t tag;
	uint8_t octets; /* 0: no number */
	const char *word;
} kinds[] = {
	{ .tag = SNMP_COUNTER32, .octets = 4, .word = "Counter32" },
	{ .tag = SNMP_GAUGE32, .octets = 4, .word = "Gauge32" },
	{ .tag = SNMP_TIME_TICKS, .octets = 4, .word = "TimeTicks" },
	{ .tag = SNMP_COUNTER64, .octets = 8, .word = "Counter64" },
	{ .tag = SNMP_UINTEGER32, .octets = 4, .word = "UInteger32" },
	{ .tag = BER_NULL, .octets = 0, .word = "" },
	{ .tag = SNMP_NO_SUCH_OBJECT, .octets = 0, .word = " noSuchObject" },
	{ .tag = SNMP_NO_SUCH_INSTANCE, .octets = 0, .word = " noSuchInstance" },
	{ .tag = SNMP_END_OF_MIB_VIEW, .octets = 0, .word = " endOfMibView" },
};

static void
put_oid(struct textbuf *t, const struct ber_element *e)
{
	struct ber_oid oid;
	char text[BER_OID_TEXT];

	if (ber_oid_read(&oid, e->data, e->len))
		textbuf_add(t, "%s", ber_oid_text(&oid, text));
	else
		textbuf_add(t, "(no object identifier)");
}

static void
put_known(struct textbuf *t, const struct ber_element *v)
{
	uint64_t number;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].tag != v->tag)
			continue;
		if (kinds[i].octets == 0)
			textbuf_add(t, "%s", kinds[i].word);
		else if (ber_element_uint(v, kinds[i].octets, &number))
			textbuf_add(t, " %s %llu", kinds[i].word, (unsigned long long)number);
		else
			textbuf_add(t, " %s damaged", kinds[i].word);
		return;
	}
	textbuf_add(t, " (value of tag 0x%x, %zu bytes)", v->tag, v->len);
}

static void
put_value(struct textbuf *t, const struct ber_element *v)
{
	int64_t number;

	if (v->tag == BER_INTEGER && ber_element_int(v, &number)) {
		textbuf_add(t, " %lld", (long long)number);
	} else if (v->tag == BER_OCTET_STRING) {
		textbuf_add(t, " ");
		textbuf_quote(t, v->data, v->len, TEXT_SHOWN);
	} else if (v->tag == BER_OBJECT_ID) {
		textbuf_add(t, " ");
		put_oid(t, v);
	} else if (v->tag == SNMP_IP_ADDRESS && v->len == 4) {
		textbuf_add(t, " %u.%u.%u.%u", v->data[0], v->data[1], v->data[2], v->data[3]);
	} else {
		put_known(t, v);
	}
}

void
snmp_pdu_text(struct textbuf *t, const struct snmp_pdu *pdu)
{
	textbuf_add(t, "%s %d", types[pdu->type], pdu->request_id);
	if (pdu->type == SNMP_GET_BULK)
		textbuf_add(
		    t, " non-repeaters %d max-repetitions %d", pdu->error_status, pdu->error_index);
	else if (pdu->error_status)
		textbuf_add(t, " %s at %d", snmp_error_name(pdu->error_status), pdu->error_index);
	for (size_t i = 0; i < pdu->count && !textbuf_is_full(t); i++) {
		textbuf_add(t, i ? ", " : ": ");
		put_oid(t, &pdu->bindings[i].name);
		put_value(t, &pdu->bindings[i].value);
	}
}

static void
put_v3(struct textbuf *t, const struct snmp_message *m)
{
	textbuf_add(t, "user ");
	textbuf_quote(t, m->user.data, m->user.len, USM_MAX_USER);
	textbuf_add(t, "%s%s, engine ", m->flags & SNMP_AUTH ? " auth" : "",
	    m->flags & SNMP_PRIV ? " priv" : "");
	for (size_t i = 0; i < m->engine.len && i < ENGINE_SHOWN; i++)
		textbuf_add(t, "%02x", m->engine.data[i]);
	textbuf_add(t, "%s boots %d time %d, ", m->engine.len ? "" : "unknown", m->boots, m->time);
}

void
snmp_message_text(struct textbuf *t, const uint8_t *data, size_t len)
{
	struct snmp_message m = { 0 };
	struct snmp_pdu pdu;
	enum dec dec = snmp_message_decode(&m, &pdu, data, len);

	if (dec != DEC_OK) {
		textbuf_add(t,
		    dec == DEC_UNSUP ? "a version or security model that is not known, %zu bytes"
				     : "%zu bytes that are no message",
		    len);
		return;
	}
	textbuf_add(t, m.version == SNMP_V1 ? "v1 " : m.version == SNMP_V2C ? "v2c " : "v3 ");
	if (m.version == SNMP_V3)
		put_v3(t, &m);
	if (m.encrypted.data)
		textbuf_add(t, "message %d, encrypted", m.id);
	else
		snmp_pdu_text(t, &pdu);
}
