#include "protocols/iso/association.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/iso/acse.h"
#include "protocols/iso/presentation.h"
#include "protocols/iso/session.h"
#include "protocols/iso/transport.h"

enum {
	OUR_REFERENCE = 1,
	MAX_IN = 4 * TPKT_MAX, /* octets that were fed and not asked for */
	MAX_TSDU = ISO_MAX_PDU + ISO_MAX_APDU_HEAD,
	MAX_END = 64, /* octets of a release or an abort */
};

void
iso_init(struct iso_association *a)
{
	*a = (struct iso_association){ .state = ISO_CLOSED };
	buffer_init(&a->in, MAX_IN);
	buffer_init(&a->tsdu, MAX_TSDU);
}

void
iso_clear(struct iso_association *a)
{
	buffer_clear(&a->in);
	buffer_clear(&a->tsdu);
	a->state = ISO_CLOSED;
}

void
iso_start(struct iso_association *a, const struct iso_address *local,
    const struct iso_address *remote, struct buffer *out)
{
	buffer_reset(&a->in);
	buffer_reset(&a->tsdu);
	a->used = 0;
	a->tsdu_lent = false;
	a->local = local;
	a->remote = remote;
	a->out = out;
	a->state = ISO_CONNECTING;
	a->tpdu_size = (size_t)1 << COTP_MAX_SIZE_CODE;
	cotp_encode_request(out, OUR_REFERENCE, COTP_MAX_SIZE_CODE, &local->tsel, &remote->tsel);
}

/* Takes back what the last event borrowed. */
static void
take_back(struct iso_association *a)
{
	buffer_consume(&a->in, a->used);
	a->used = 0;
	if (a->tsdu_lent)
		buffer_reset(&a->tsdu);
	a->tsdu_lent = false;
}

void
iso_feed(struct iso_association *a, const void *data, size_t len)
{
	if (a->state == ISO_CLOSED)
		return;
	take_back(a);
	buffer_append(&a->in, data, len);
}

/* --- Ends --- */

static bool __attribute__((format(printf, 3, 4)))
ended(struct iso_association *a, struct iso_event *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
	a->state = ISO_CLOSED;
	*e = (struct iso_event){ .kind = ISO_EVENT_ENDED, .why = a->why };
	return true;
}

/* The server sent what it may not send: it is told so by an abort. */
static bool
broken(struct iso_association *a, struct iso_event *e, const char *what)
{
	iso_abort(a);
	return ended(a, e, "%s", what);
}

static bool
released(struct iso_association *a, struct iso_event *e)
{
	a->state = ISO_CLOSED;
	*e = (struct iso_event){ .kind = ISO_EVENT_RELEASED };
	return true;
}

/* --- Session and what it carries --- */

static bool
read_answer(const struct presentation_value *v, struct acse_apdu *acse)
{
	return v->data && v->context == PRESENTATION_ACSE &&
	       acse_decode(acse, v->data, v->len) == DEC_OK && acse->type == ACSE_AARE;
}

static bool
refused_by_application(struct iso_association *a, const struct acse_apdu *acse, struct iso_event *e)
{
	char text[32];

	return ended(a, e, "application: the server refused the association: %s (%s)",
	    acse_diagnostic_text(acse, text), acse->result == 2 ? "transient" : "permanent");
}

static bool
on_refuse(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	struct presentation_end end;
	struct acse_apdu acse;
	char text[32];

	if (a->state != ISO_ASSOCIATING)
		return broken(a, e, "session: the server refused what is established");
	if (s->len == 0 || presentation_decode_refuse(&end, s->data, s->len) != DEC_OK)
		return ended(a, e, "session: the server refused the connection: %s",
		    session_reason_text(s->reason, text));
	if (read_answer(&end.value, &acse))
		return refused_by_application(a, &acse, e);
	return ended(a, e, "presentation: the server refused the connection: %s",
	    presentation_refuse_text(end.reason, text));
}

static bool
on_accept(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	struct presentation_accept p;
	struct acse_apdu acse;

	if (a->state != ISO_ASSOCIATING)
		return broken(a, e, "session: the server accepted what was not asked for");
	if (presentation_decode_accept(&p, s->data, s->len) != DEC_OK)
		return broken(a, e, "presentation: the server's accept is malformed");
	bool answered = read_answer(&p.value, &acse);
	if (answered && acse.result != 0)
		return refused_by_application(a, &acse, e);
	if (!p.acse || !p.mms)
		return broken(a, e, "presentation: the server refused a context");
	if (!answered || !acse.data)
		return broken(a, e, "application: the server's answer is malformed");
	a->state = ISO_OPEN;
	*e = (struct iso_event){ .kind = ISO_EVENT_ASSOCIATED, .data = acse.data, .len = acse.len };
	return true;
}

static bool
on_data(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	struct presentation_value v;

	if (a->state != ISO_OPEN && a->state != ISO_RELEASING)
		return broken(a, e, "session: the server sent data before the association");
	if (presentation_decode_data(&v, s->data, s->len) != DEC_OK)
		return broken(a, e, "presentation: the server's data is malformed");
	if (v.context != PRESENTATION_MMS)
		return broken(a, e, "presentation: the server sent data of an unknown context");
	*e = (struct iso_event){ .kind = ISO_EVENT_DATA, .data = v.data, .len = v.len };
	return true;
}

static bool
on_abort(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	struct presentation_end end;
	struct acse_apdu acse;
	char text[32];

	if (s->len == 0 || presentation_decode_abort(&end, s->data, s->len) != DEC_OK)
		return ended(a, e, "session: the server aborted the connection");
	if (end.by_provider)
		return ended(a, e, "presentation: the server aborted the connection: %s",
		    presentation_abort_text(end.reason, text));
	if (end.value.data && acse_decode(&acse, end.value.data, end.value.len) == DEC_OK &&
	    acse.type == ACSE_ABRT && acse.by_provider)
		return ended(a, e, "application: the server's ACSE aborted the association");
	return ended(a, e, "application: the server aborted the association");
}

/* The server wants a release: it gets no answer but the abort that ends the connection as well. */
static bool
on_finish(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	(void)s;
	return broken(a, e, "session: the server ended the connection");
}

static bool
on_disconnect(struct iso_association *a, const struct session_spdu *s, struct iso_event *e)
{
	(void)s;
	if (a->state != ISO_RELEASING)
		return broken(a, e, "session: the server disconnected without a release");
	return released(a, e);
}

static const struct {
	enum session_type type;
	bool (*on)(struct iso_association *a, const struct session_spdu *s, struct iso_event *e);
} spdus[] = {
	{ .type = SESSION_DT, .on = on_data },
	{ .type = SESSION_AC, .on = on_accept },
	{ .type = SESSION_RF, .on = on_refuse },
	{ .type = SESSION_AB, .on = on_abort },
	{ .type = SESSION_FN, .on = on_finish },
	{ .type = SESSION_DN, .on = on_disconnect },
};

static bool
on_tsdu(struct iso_association *a, const uint8_t *data, size_t len, struct iso_event *e)
{
	struct session_spdu s;

	if (session_decode(&s, data, len) != DEC_OK)
		return broken(a, e, "session: the server's SPDU is malformed or unknown");
	for (size_t i = 0; i < sizeof(spdus) / sizeof(spdus[0]); i++)
		if (spdus[i].type == s.type)
			return spdus[i].on(a, &s, e);
	return broken(a, e, "session: an SPDU that no server sends");
}

/* --- Transport --- */

static bool
on_confirm(struct iso_association *a, const struct cotp_tpdu *t, struct iso_event *e)
{
	if (a->state != ISO_CONNECTING || t->destination != OUR_REFERENCE)
		return broken(a, e, "transport: the server confirmed what was not asked for");
	if (t->protocol_class != 0)
		return broken(a, e, "transport: the server does not speak class 0");
	if (t->size_code &&
	    (t->size_code < COTP_MIN_SIZE_CODE || t->size_code > COTP_MAX_SIZE_CODE))
		return broken(a, e, "transport: the server's TPDU size is out of range");
	if (t->size_code)
		a->tpdu_size = (size_t)1 << t->size_code;
	a->state = ISO_CONNECTED;
	*e = (struct iso_event){ .kind = ISO_EVENT_CONNECTED };
	return true;
}

/* A part of a TSDU; one that comes whole is not copied. */
static bool
on_part(struct iso_association *a, const struct cotp_tpdu *t, struct iso_event *e)
{
	if (a->state < ISO_ASSOCIATING)
		return broken(a, e, "transport: the server sent data before the association");
	if (t->last && a->tsdu.len == 0)
		return on_tsdu(a, t->data, t->len, e);
	buffer_append(&a->tsdu, t->data, t->len);
	if (buffer_failed(&a->tsdu))
		return broken(a, e, "transport: a TSDU is too long");
	if (!t->last)
		return false;
	a->tsdu_lent = true;
	return on_tsdu(a, buffer_data(&a->tsdu), a->tsdu.len, e);
}

static bool
on_transport_disconnect(struct iso_association *a, const struct cotp_tpdu *t, struct iso_event *e)
{
	char text[32];

	if (a->state == ISO_RELEASING)
		return released(a, e);
	return ended(a, e, "transport: the server %s: %s",
	    a->state == ISO_CONNECTING ? "refused the connection" : "disconnected",
	    cotp_reason_text(t->reason, text));
}

static bool
on_error(struct iso_association *a, const struct cotp_tpdu *t, struct iso_event *e)
{
	return ended(a, e, "transport: the server reports an error, cause %u", t->reason);
}

static const struct {
	enum cotp_type type;
	bool (*on)(struct iso_association *a, const struct cotp_tpdu *t, struct iso_event *e);
} tpdus[] = {
	{ .type = COTP_DT, .on = on_part },
	{ .type = COTP_CC, .on = on_confirm },
	{ .type = COTP_DR, .on = on_transport_disconnect },
	{ .type = COTP_ER, .on = on_error },
};

static bool
on_tpkt(struct iso_association *a, const uint8_t *data, size_t size, struct iso_event *e)
{
	struct cotp_tpdu t;

	if (cotp_decode(&t, data, size) != DEC_OK)
		return broken(a, e, "transport: the server's TPDU is malformed or unknown");
	for (size_t i = 0; i < sizeof(tpdus) / sizeof(tpdus[0]); i++)
		if (tpdus[i].type == t.type)
			return tpdus[i].on(a, &t, e);
	return broken(a, e, "transport: a TPDU that no server sends");
}

bool
iso_next(struct iso_association *a, struct iso_event *e)
{
	size_t size;

	while (a->state != ISO_CLOSED) {
		take_back(a);
		if (buffer_failed(&a->in))
			return broken(a, e, "transport: no memory for what the server sent");
		const uint8_t *data = buffer_data(&a->in);
		enum dec rc = tpkt_frame(data, a->in.len, &size);
		if (rc == DEC_BAD)
			return broken(a, e, "transport: what the server sent is no TPKT");
		if (rc == DEC_MORE)
			return false;
		a->used = size;
		if (on_tpkt(a, data, size, e))
			return true;
	}
	return false;
}

/* --- What is sent --- */

void
iso_associate(struct iso_association *a, const void *data, size_t len)
{
	uint8_t acse[ISO_MAX_CONNECT], presentation[ISO_MAX_CONNECT];
	struct ber_writer w, p;
	struct buffer session;

	ber_writer_init(&w, acse, sizeof(acse));
	acse_put_request(&w, a->local, a->remote, data, len);
	ber_writer_init(&p, presentation, sizeof(presentation));
	presentation_put_connect(&p, &a->local->psel, &a->remote->psel, acse, ber_writer_done(&w));
	buffer_init(&session, ISO_MAX_CONNECT);
	session_encode_connect(
	    &session, &a->local->ssel, &a->remote->ssel, presentation, ber_writer_done(&p));
	cotp_encode_data(a->out, a->tpdu_size, buffer_data(&session), session.len);
	a->out->failed |= session.failed;
	buffer_clear(&session);
	a->state = ISO_ASSOCIATING;
}

void
iso_send(struct iso_association *a, const void *pdu, size_t len)
{
	uint8_t *tsdu = malloc(len + ISO_MAX_APDU_HEAD);
	struct ber_writer w;

	if (!tsdu) {
		a->out->failed = true;
		return;
	}
	session_put_data_header(tsdu);
	ber_writer_init(&w, tsdu + SESSION_DT_HEADER, len + ISO_MAX_APDU_HEAD - SESSION_DT_HEADER);
	presentation_put_data(&w, PRESENTATION_MMS, pdu, len);
	cotp_encode_data(a->out, a->tpdu_size, tsdu, SESSION_DT_HEADER + ber_writer_done(&w));
	free(tsdu);
}

static void
send_end(struct iso_association *a, enum session_type type, const uint8_t *data, size_t len)
{
	struct buffer session;

	buffer_init(&session, 2 * MAX_END);
	session_encode_end(&session, type, data, len);
	cotp_encode_data(a->out, a->tpdu_size, buffer_data(&session), session.len);
	a->out->failed |= session.failed;
	buffer_clear(&session);
}

void
iso_release(struct iso_association *a)
{
	uint8_t acse[MAX_END], presentation[MAX_END];
	struct ber_writer w, p;

	ber_writer_init(&w, acse, sizeof(acse));
	acse_put_release(&w);
	ber_writer_init(&p, presentation, sizeof(presentation));
	presentation_put_data(&p, PRESENTATION_ACSE, acse, ber_writer_done(&w));
	send_end(a, SESSION_FN, presentation, ber_writer_done(&p));
	a->state = ISO_RELEASING;
}

/* Before the session there is nothing to abort: class 0 disconnects with the network connection. */
void
iso_abort(struct iso_association *a)
{
	uint8_t acse[MAX_END], presentation[MAX_END];
	struct ber_writer w, p;

	if (a->state >= ISO_ASSOCIATING) {
		ber_writer_init(&w, acse, sizeof(acse));
		acse_put_abort(&w);
		ber_writer_init(&p, presentation, sizeof(presentation));
		presentation_put_abort(&p, acse, ber_writer_done(&w));
		send_end(a, SESSION_AB, presentation, ber_writer_done(&p));
	}
	a->state = ISO_CLOSED;
}
