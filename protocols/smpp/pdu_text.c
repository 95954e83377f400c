#include "protocols/smpp/pdu_text.h"

enum { ID_SHOWN = 65 };

static void
put_quoted(struct textbuf *t, const char *before, struct smpp_str s)
{
	textbuf_add(t, "%s", before);
	textbuf_quote(t, s.p ? s.p : "", s.len, ID_SHOWN);
}

static void
put_message(struct textbuf *t, const struct smpp_sm *sm)
{
	const struct smpp_str *text = sm->payload.p ? &sm->payload : &sm->text;

	put_quoted(t, " from ", sm->source);
	put_quoted(t, " to ", sm->destination);
	textbuf_add(t, ", class 0x%02x, coding %u, %zu bytes%s", sm->esm_class, sm->data_coding,
	    text->len, sm->payload.p ? " of payload" : "");
}

void
smpp_pdu_text(struct textbuf *t, const uint8_t *p, size_t len)
{
	struct smpp_pdu pdu;
	struct smpp_bind bind;
	char status[16];
	enum dec dec = smpp_decode(&pdu, p, len);

	if (dec == DEC_BAD) {
		textbuf_add(t, "%zu bytes that are no PDU", len);
		return;
	}
	const char *name = smpp_command_name(pdu.command);
	if (name)
		textbuf_add(t, "%s %u", name, pdu.sequence);
	else
		textbuf_add(t, "command 0x%08x %u", pdu.command, pdu.sequence);
	if (pdu.command & SMPP_RESPONSE)
		textbuf_add(t, " %s", smpp_status_name(pdu.status, status));
	if (pdu.id.p)
		put_quoted(t, ", id ", pdu.id);
	if (smpp_decode_sm(&pdu.sm, p, len))
		put_message(t, &pdu.sm);
	else if (smpp_decode_bind(&bind, p, len))
		put_quoted(t, ", system ", bind.system_id);
	if (pdu.malformed)
		textbuf_add(t, ", malformed");
}
