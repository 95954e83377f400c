#include "protocols/mms/text.h"

#include "protocols/iso/acse.h"
#include "protocols/iso/presentation.h"
#include "protocols/iso/session.h"
#include "protocols/iso/transport.h"
#include "protocols/mms/pdu.h"

enum {
	MAX_STRING =
	    65, /* characters that are shown of a string: an ObjectReference of half a line */
	MAX_OCTETS = 16,
	MAX_DEPTH = 12,
	VISIBLE_STRING = 26,
};

/* --- Values --- */

static void
put_octets(struct textbuf *t, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len && i < MAX_OCTETS; i++)
		textbuf_add(t, "%02x", p[i]);
	if (len > MAX_OCTETS)
		textbuf_add(t, "...");
}

static void
put_bits(struct textbuf *t, const struct mms_value *v)
{
	const uint8_t *data;
	size_t bits;

	if (!mms_value_bits(v, &data, &bits))
		return;
	textbuf_add(t, "bits ");
	for (size_t i = 0; i < bits && i < 8 * MAX_OCTETS && !textbuf_is_full(t); i++)
		textbuf_add(t, "%d", data[i / 8] >> (7 - i % 8) & 1);
}

static void
put_members(struct textbuf *t, struct mms_values list)
{
	const char *separator = "";
	struct mms_value v;

	textbuf_add(t, "{");
	while (!textbuf_is_full(t) && mms_values_next(&list, &v)) {
		textbuf_add(t, "%s", separator);
		mms_value_text(t, &v);
		separator = ", ";
	}
	textbuf_add(t, "}");
}

void
mms_value_text(struct textbuf *t, const struct mms_value *v)
{
	struct mms_utc_time utc;
	struct mms_values members;
	struct mms_str s;
	int64_t i;
	double d;
	bool b;

	if (mms_value_members(v, &members))
		put_members(t, members);
	else if (mms_value_bool(v, &b))
		textbuf_add(t, "%s", b ? "true" : "false");
	else if (mms_value_int(v, &i))
		textbuf_add(t, "%lld", (long long)i);
	else if (mms_value_float(v, &d, NULL))
		textbuf_add(t, "%g", d);
	else if (mms_value_str(v, &s))
		textbuf_quote(t, s.p, s.len, MAX_STRING);
	else if (mms_value_utc_time(v, &utc))
		textbuf_add(
		    t, "%u.%03u s", utc.seconds, (unsigned)((uint64_t)utc.fraction * 1000 >> 24));
	else if (v->kind == MMS_BIT_STRING)
		put_bits(t, v);
	else
		put_octets(t, v->data, v->len);
}

static void
put_accesses(struct textbuf *t, struct mms_list list)
{
	const char *separator = " ";
	struct mms_access a;

	while (!textbuf_is_full(t) && mms_access_next(&list, &a)) {
		textbuf_add(t, "%s", separator);
		if (a.success)
			mms_value_text(t, &a.value);
		else
			textbuf_add(t, "%s", mms_access_error_name(a.error));
		separator = ", ";
	}
}

/* --- Names --- */

static void
put_str(struct textbuf *t, struct mms_str s)
{
	textbuf_quote(t, s.p, s.len, MAX_STRING);
}

static void
put_name(struct textbuf *t, const struct mms_name *name)
{
	if (name->scope == MMS_DOMAIN) {
		put_str(t, name->domain);
		textbuf_add(t, "/");
	} else if (name->scope == MMS_ASSOCIATION) {
		textbuf_add(t, "@");
	}
	put_str(t, name->item);
}

static void
put_variables(struct textbuf *t, struct mms_list list)
{
	const char *separator = " ";
	struct mms_variable v;

	while (!textbuf_is_full(t) && mms_variable_next(&list, &v)) {
		textbuf_add(t, "%s", separator);
		put_name(t, &v.name);
		if (v.has_index)
			textbuf_add(t, "(%u)", v.index);
		if (v.component.p)
			put_str(t, v.component);
		separator = ", ";
	}
}

/* --- Services --- */

/* Every string in a request, in its order: the names of what it is about. */
static void
put_strings(struct textbuf *t, const uint8_t *data, size_t len, unsigned depth)
{
	struct ber_reader r;
	struct ber_element e;

	ber_reader_init(&r, data, len, 1);
	while (!textbuf_is_full(t) && ber_more(&r) && ber_next(&r, &e)) {
		if (e.tag & BER_CONSTRUCTED && depth > 0)
			put_strings(t, e.data, e.len, depth - 1);
		if (e.tag == VISIBLE_STRING || e.tag == BER_CONTEXT(1)) {
			textbuf_add(t, " ");
			textbuf_quote(t, e.data, e.len, MAX_STRING);
		}
	}
}

/* A request to read has its variables one element deeper than one to write. */
static void
put_access_request(struct textbuf *t, enum mms_service service, const struct ber_element *e)
{
	struct ber_reader r;
	struct ber_element option;
	struct mms_report report;

	ber_reader_init(&r, e->data, e->len, MAX_DEPTH);
	if (service == MMS_READ && ber_is(&r, BER_CONTEXT(0)))
		ber_next(&r, &option);
	if (service == MMS_READ)
		ber_enter(&r, BER_CONTEXT_C(1));
	if (mms_access_decode(&report, &r) != DEC_OK) {
		textbuf_add(t, " damaged");
		return;
	}
	if (report.is_list)
		put_name(t, &report.list);
	put_variables(t, report.variables);
	if (service == MMS_WRITE) {
		textbuf_add(t, " =");
		put_accesses(t, report.results);
	}
}

static void
put_request(struct textbuf *t, const uint8_t *data, size_t len)
{
	struct ber_reader r;
	struct ber_element e;

	ber_reader_init(&r, data, len, MAX_DEPTH);
	ber_enter(&r, BER_CONTEXT_C(MMS_CONFIRMED_REQUEST));
	uint32_t id = (uint32_t)ber_uint(&r, BER_INTEGER, sizeof(id));
	if (!ber_next(&r, &e)) {
		textbuf_add(t, "request, damaged");
		return;
	}
	enum mms_service service = (enum mms_service)(e.tag & BER_MAX_NUMBER);
	textbuf_add(t, "request %u, %s", id, mms_service_name(service));
	if (service == MMS_READ || service == MMS_WRITE)
		put_access_request(t, service, &e);
	else if (e.tag & BER_CONSTRUCTED)
		put_strings(t, e.data, e.len, MAX_DEPTH);
}

static void
put_written(struct textbuf *t, struct mms_list list)
{
	const char *separator = " ";
	bool success;
	int64_t error;

	while (!textbuf_is_full(t) && mms_written_next(&list, &success, &error)) {
		textbuf_add(t, "%s%s", separator, success ? "done" : mms_access_error_name(error));
		separator = ", ";
	}
}

static void
put_names(struct textbuf *t, struct mms_list list, bool more)
{
	struct mms_str s;

	while (!textbuf_is_full(t) && mms_identifier_next(&list, &s)) {
		textbuf_add(t, " ");
		put_str(t, s);
	}
	if (more)
		textbuf_add(t, " and more");
}

static void
put_response(struct textbuf *t, const struct mms_pdu *pdu)
{
	struct mms_response a;

	textbuf_add(t, "response %u, ", pdu->id);
	if (mms_response_decode(&a, &pdu->u.service) != DEC_OK) {
		textbuf_add(t, "%s, damaged", mms_service_name(a.service));
		return;
	}
	textbuf_add(t, "%s", mms_service_name(a.service));
	if (a.service == MMS_READ)
		put_accesses(t, a.u.read);
	else if (a.service == MMS_WRITE)
		put_written(t, a.u.written);
	else if (a.service == MMS_GET_NAME_LIST)
		put_names(t, a.u.name_list.names, a.u.name_list.more_follows);
	else if (a.service == MMS_GET_LIST)
		put_variables(t, a.u.list.variables);
	else if (a.service == MMS_GET_VARIABLE_ATTRIBUTES)
		textbuf_add(t, " %s", mms_kind_name(a.u.attributes.type.kind));
}

static void
put_report(struct textbuf *t, const struct mms_report *r)
{
	textbuf_add(t, "report");
	if (r->is_list) {
		textbuf_add(t, " ");
		put_name(t, &r->list);
	}
	put_variables(t, r->variables);
	textbuf_add(t, ":");
	put_accesses(t, r->results);
}

/* --- PDUs --- */

static const char *const pdu_names[] = {
	[MMS_CONFIRMED_REQUEST] = "request",
	[MMS_CONFIRMED_RESPONSE] = "response",
	[MMS_CONFIRMED_ERROR] = "error",
	[MMS_UNCONFIRMED] = "report",
	[MMS_REJECT] = "reject",
	[MMS_CANCEL_REQUEST] = "cancel",
	[MMS_CANCEL_RESPONSE] = "cancel confirmed",
	[MMS_CANCEL_ERROR] = "cancel refused",
	[MMS_INITIATE_REQUEST] = "initiate",
	[MMS_INITIATE_RESPONSE] = "initiate confirmed",
	[MMS_INITIATE_ERROR] = "initiate refused",
	[MMS_CONCLUDE_REQUEST] = "conclude",
	[MMS_CONCLUDE_RESPONSE] = "conclude confirmed",
	[MMS_CONCLUDE_ERROR] = "conclude refused",
};

static void
put_plain(struct textbuf *t, const struct mms_pdu *pdu)
{
	const struct mms_initiate *i = &pdu->u.initiate;
	char text[64];

	textbuf_add(t, "%s", pdu_names[pdu->type]);
	if (pdu->has_id)
		textbuf_add(t, " %u", pdu->id);
	if (pdu->type == MMS_REJECT)
		textbuf_add(t, ", type %d, reason %d", pdu->u.error.error_class, pdu->u.error.code);
	else if (pdu->type == MMS_CONFIRMED_ERROR || pdu->type == MMS_CANCEL_ERROR ||
		 pdu->type == MMS_INITIATE_ERROR || pdu->type == MMS_CONCLUDE_ERROR)
		textbuf_add(t, ", %s", mms_error_text(pdu->u.error, text));
	else if (pdu->type == MMS_INITIATE_REQUEST || pdu->type == MMS_INITIATE_RESPONSE)
		textbuf_add(t, ", %lld octets, %lld calls", (long long)i->local_detail,
		    (long long)i->calling);
}

static void
put_pdu(struct textbuf *t, const uint8_t *data, size_t len)
{
	struct mms_pdu pdu;
	enum dec rc = mms_pdu_decode(&pdu, data, len);

	if (rc != DEC_OK)
		textbuf_add(t, "MMS, %s", rc == DEC_BAD ? "damaged" : "unknown PDU");
	else if (pdu.type == MMS_CONFIRMED_REQUEST)
		put_request(t, data, len);
	else if (pdu.type == MMS_CONFIRMED_RESPONSE)
		put_response(t, &pdu);
	else if (pdu.type == MMS_UNCONFIRMED)
		put_report(t, &pdu.u.report);
	else
		put_plain(t, &pdu);
}

/* --- The layers below --- */

static void
put_accept(struct textbuf *t, const struct session_spdu *s)
{
	struct presentation_accept p;
	struct acse_apdu a;

	textbuf_add(t, "accept");
	if (presentation_decode_accept(&p, s->data, s->len) != DEC_OK || !p.value.data ||
	    acse_decode(&a, p.value.data, p.value.len) != DEC_OK || a.type != ACSE_AARE || !a.data)
		return;
	textbuf_add(t, ", ");
	put_pdu(t, a.data, a.len);
}

static void
put_session(struct textbuf *t, const uint8_t *data, size_t len)
{
	static const struct {
		enum session_type type;
		const char *name;
	} names[] = {
		{ .type = SESSION_CN, .name = "connect" },
		{ .type = SESSION_RF, .name = "refuse" },
		{ .type = SESSION_FN, .name = "finish" },
		{ .type = SESSION_DN, .name = "disconnect" },
		{ .type = SESSION_AB, .name = "abort" },
		{ .type = SESSION_AA, .name = "abort accepted" },
	};
	struct presentation_value v;
	struct session_spdu s;

	if (session_decode(&s, data, len) != DEC_OK) {
		textbuf_add(t, "end of a PDU in parts, or damaged");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == s.type)
			textbuf_add(t, "%s", names[i].name);
	if (s.type == SESSION_AC)
		put_accept(t, &s);
	if (s.type != SESSION_DT)
		return;
	if (presentation_decode_data(&v, s.data, s.len) == DEC_OK)
		put_pdu(t, v.data, v.len);
	else
		textbuf_add(t, "presentation, damaged");
}

void
mms_frame_text(struct textbuf *t, const uint8_t *p, size_t len)
{
	struct cotp_tpdu c;
	char text[32];
	size_t size;

	if (tpkt_frame(p, len, &size) != DEC_OK || size != len ||
	    cotp_decode(&c, p, size) != DEC_OK) {
		textbuf_add(t, "no TPKT, %zu octets", len);
		return;
	}
	if (c.type == COTP_CR || c.type == COTP_CC)
		textbuf_add(t, "transport %s", c.type == COTP_CR ? "request" : "confirm");
	else if (c.type == COTP_DR)
		textbuf_add(t, "transport disconnect: %s", cotp_reason_text(c.reason, text));
	else if (c.type == COTP_ER)
		textbuf_add(t, "transport error, cause %u", c.reason);
	else if (!c.last)
		textbuf_add(t, "part of a PDU, %zu octets", c.len);
	else
		put_session(t, c.data, c.len);
}
