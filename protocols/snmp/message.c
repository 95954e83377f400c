#include "protocols/snmp/message.h"

enum { SECURITY_USM = 3 }; /* RFC 3411, SnmpSecurityModel */

static const uint8_t usm_stats[] = { 0x2b, 6, 1, 6, 3, 15, 1, 1 };

static struct snmp_text
read_text(struct ber_reader *r)
{
	struct snmp_text t;

	t.data = ber_bytes(r, BER_OCTET_STRING, &t.len);
	return t;
}

static int32_t
read_in(struct ber_reader *r, int64_t min, int64_t max)
{
	int64_t v = ber_int(r, BER_INTEGER);

	if (v < min || v > max)
		ber_fail(r);
	return (int32_t)v;
}

/* RFC 3414, 2.4 */
static void
read_security(struct ber_reader *r, struct snmp_message *m)
{
	ber_enter(r, BER_OCTET_STRING);
	ber_enter(r, BER_SEQUENCE);
	m->engine = read_text(r);
	m->boots = read_in(r, 0, INT32_MAX);
	m->time = read_in(r, 0, INT32_MAX);
	m->user = read_text(r);
	m->mac = read_text(r);
	m->salt = read_text(r);
	ber_leave(r);
	ber_leave(r);
	if (m->engine.len > USM_MAX_ENGINE || m->user.len > USM_MAX_USER)
		ber_fail(r);
}

static void
read_scoped(struct ber_reader *r, struct snmp_message *m, struct snmp_pdu *pdu)
{
	ber_enter(r, BER_SEQUENCE);
	m->context_engine = read_text(r);
	m->context_name = read_text(r);
	snmp_pdu_read(r, pdu);
	ber_leave(r);
}

/* RFC 3412, 6. False where the security model is another one. */
static bool
read_v3(struct ber_reader *r, struct snmp_message *m, struct snmp_pdu *pdu)
{
	ber_enter(r, BER_SEQUENCE);
	m->id = read_in(r, 0, INT32_MAX);
	m->max_size = read_in(r, 0, INT32_MAX);
	struct snmp_text flags = read_text(r);
	int32_t model = read_in(r, 1, INT32_MAX);
	ber_leave(r);
	if (!ber_ok(r) || flags.len != 1) {
		ber_fail(r);
		return true;
	}
	m->flags = flags.data[0];
	if (model != SECURITY_USM)
		return false;
	read_security(r, m);
	if ((m->flags & SNMP_LEVEL) == SNMP_PRIV)
		ber_fail(r); /* privacy without authentication */
	if (m->flags & SNMP_PRIV)
		m->encrypted = read_text(r);
	else
		read_scoped(r, m, pdu);
	return true;
}

enum dec
snmp_message_decode(struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data, size_t len)
{
	struct ber_reader r;

	*m = (struct snmp_message){ .version = SNMP_V1 };
	pdu->count = 0;
	ber_reader_init(&r, data, len, SNMP_MAX_DEPTH);
	ber_enter(&r, BER_SEQUENCE);
	int64_t version = ber_int(&r, BER_INTEGER);
	if (!ber_ok(&r))
		return DEC_BAD;
	m->version = (enum snmp_version)version;
	if (version == SNMP_V3) {
		if (!read_v3(&r, m, pdu))
			return DEC_UNSUP;
	} else if (version == SNMP_V1 || version == SNMP_V2C) {
		m->community = read_text(&r);
		snmp_pdu_read(&r, pdu);
	} else {
		return DEC_UNSUP;
	}
	ber_leave(&r);
	m->size = (size_t)(r.c.p - data);
	return ber_ok(&r) ? DEC_OK : DEC_BAD;
}

enum dec
snmp_scoped_decode(struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data, size_t len)
{
	struct ber_reader r;

	ber_reader_init(&r, data, len, SNMP_MAX_DEPTH);
	read_scoped(&r, m, pdu);
	return ber_ok(&r) ? DEC_OK : DEC_BAD;
}

bool
snmp_message_verify(
    const struct snmp_message *m, const uint8_t *data, enum usm_auth auth, const struct usm_keys *k)
{
	uint8_t mac[USM_MAX_MAC];
	size_t size = usm_mac_size(auth);

	if (size == 0 || m->mac.len != size)
		return false;
	usm_mac(auth, k, data, m->size, (size_t)(m->mac.data - data), mac);
	return usm_mac_equal(mac, m->mac.data, size);
}

enum dec
snmp_message_decrypt(struct snmp_message *m, struct snmp_pdu *pdu, enum usm_priv priv,
    const struct usm_keys *k, uint8_t *scratch)
{
	if (priv == USM_NO_PRIV || m->salt.len != USM_SALT ||
	    !usm_decrypt(priv, k, m->boots, m->time, m->salt.data, m->encrypted.data,
		m->encrypted.len, scratch))
		return DEC_BAD;
	return snmp_scoped_decode(m, pdu, scratch, m->encrypted.len);
}

static void
put_content(struct ber_writer *w, const struct snmp_content *c)
{
	snmp_pdu_put(w, c->type, c->request_id, c->bindings, c->len);
}

size_t
snmp_community_encode(uint8_t *out, size_t size, enum snmp_version version,
    struct snmp_text community, const struct snmp_content *content)
{
	struct ber_writer w;

	ber_writer_init(&w, out, size);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_int(&w, BER_INTEGER, version);
	ber_put_bytes(&w, BER_OCTET_STRING, community.data, community.len);
	put_content(&w, content);
	ber_end(&w);
	return ber_writer_done(&w);
}

static void
put_scoped(struct ber_writer *w, const struct snmp_message *m, const struct snmp_content *content)
{
	ber_begin(w, BER_SEQUENCE);
	ber_put_bytes(w, BER_OCTET_STRING, m->context_engine.data, m->context_engine.len);
	ber_put_bytes(w, BER_OCTET_STRING, m->context_name.data, m->context_name.len);
	put_content(w, content);
	ber_end(w);
}

/* The scoped PDU is written where it will stand, encrypted, and then wrapped. */
static void
put_encrypted(struct ber_writer *w, const struct snmp_message *m,
    const struct snmp_content *content, enum usm_priv priv, const struct usm_keys *k)
{
	struct ber_writer scoped;

	ber_begin(w, BER_OCTET_STRING);
	if (w->failed || w->size - w->len < USM_BLOCK) {
		w->failed = true;
		return;
	}
	ber_writer_init(&scoped, w->data + w->len, w->size - w->len - USM_BLOCK);
	put_scoped(&scoped, m, content);
	size_t len = ber_writer_done(&scoped);
	w->failed |= len == 0;
	if (w->failed)
		return;
	w->len += usm_encrypt(priv, k, m->boots, m->time, m->salt.data, w->data + w->len, len);
	ber_end(w);
}

static void
put_security(struct ber_writer *w, const struct snmp_message *m, enum usm_auth auth)
{
	ber_begin(w, BER_OCTET_STRING);
	ber_begin(w, BER_SEQUENCE);
	ber_put_bytes(w, BER_OCTET_STRING, m->engine.data, m->engine.len);
	ber_put_int(w, BER_INTEGER, m->boots);
	ber_put_int(w, BER_INTEGER, m->time);
	ber_put_bytes(w, BER_OCTET_STRING, m->user.data, m->user.len);
	ber_put_hole(w, BER_OCTET_STRING, m->flags & SNMP_AUTH ? usm_mac_size(auth) : 0);
	ber_put_bytes(w, BER_OCTET_STRING, m->salt.data, m->flags & SNMP_PRIV ? USM_SALT : 0);
	ber_end(w);
	ber_end(w);
}

size_t
snmp_v3_encode(uint8_t *out, size_t size, const struct snmp_message *m,
    const struct snmp_content *content, enum usm_auth auth, enum usm_priv priv,
    const struct usm_keys *k)
{
	uint8_t mac[USM_MAX_MAC];
	struct ber_writer w;

	ber_writer_init(&w, out, size);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_int(&w, BER_INTEGER, SNMP_V3);
	ber_begin(&w, BER_SEQUENCE);
	ber_put_int(&w, BER_INTEGER, m->id);
	ber_put_int(&w, BER_INTEGER, m->max_size);
	ber_put_bytes(&w, BER_OCTET_STRING, &m->flags, 1);
	ber_put_int(&w, BER_INTEGER, SECURITY_USM);
	ber_end(&w);
	put_security(&w, m, auth);
	if (m->flags & SNMP_PRIV)
		put_encrypted(&w, m, content, priv, k);
	else
		put_scoped(&w, m, content);
	ber_end(&w);
	size_t len = ber_writer_done(&w);
	if (len && m->flags & SNMP_AUTH) {
		usm_mac(auth, k, out, len, w.hole, mac);
		memcpy(out + w.hole, mac, usm_mac_size(auth));
	}
	return len;
}

enum usm_report
usm_report_of(const struct snmp_binding *b)
{
	const uint8_t *p = b->name.data;

	if (b->name.len <= sizeof(usm_stats) || memcmp(p, usm_stats, sizeof(usm_stats)) != 0)
		return USM_REPORT_NONE;
	uint8_t n = p[sizeof(usm_stats)];
	return n >= USM_REPORT_SECURITY_LEVEL && n <= USM_REPORT_DECRYPTION ? (enum usm_report)n
									    : USM_REPORT_NONE;
}

void
usm_report_put(struct ber_writer *w, enum usm_report report, uint32_t count)
{
	uint8_t name[sizeof(usm_stats) + 2];

	memcpy(name, usm_stats, sizeof(usm_stats));
	name[sizeof(usm_stats)] = (uint8_t)report;
	name[sizeof(usm_stats) + 1] = 0;
	ber_begin(w, BER_SEQUENCE);
	ber_put_bytes(w, BER_OBJECT_ID, name, sizeof(name));
	ber_put_uint(w, SNMP_COUNTER32, count);
	ber_end(w);
}
