#include "protocols/smpp/session.h"

#include <stdio.h>

enum { ESM_RECEIPT_MASK = 0x3c, ESM_RECEIPT = 0x04 }; /* 5.2.12 */

static const struct smpp_event nothing = { .kind = SMPP_NOTHING };

static uint32_t
next_sequence(struct smpp_session *s)
{
	s->sequence = s->sequence >= SMPP_MAX_SEQUENCE ? 1 : s->sequence + 1;
	return s->sequence;
}

static struct smpp_event
ended(struct smpp_session *s, const char *what, const char *detail)
{
	struct smpp_event e = { .kind = SMPP_ENDED };

	s->state = SMPP_CLOSED;
	snprintf(e.why, sizeof(e.why), "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
	return e;
}

void
smpp_session_start(struct smpp_session *s, const struct smpp_params *params, struct buffer *out,
    struct monotime now)
{
	*s = (struct smpp_session){
		.params = params, .out = out, .state = SMPP_BINDING, .heard = now
	};
	s->bind_sequence = next_sequence(s);
	smpp_encode_bind(out, params->bind_command, s->bind_sequence, &params->bind);
}

/* --- what the peer says, a function each --- */

static struct smpp_event
bind_refused(struct smpp_session *s, uint32_t status)
{
	char name[16];
	struct smpp_event e = ended(s, "bind refused", smpp_status_name(status, name));

	e.status = status;
	return e;
}

static struct smpp_event
on_bind_answer(struct smpp_session *s, const struct smpp_pdu *p)
{
	if (s->state != SMPP_BINDING || p->sequence != s->bind_sequence ||
	    p->command != (s->params->bind_command | SMPP_RESPONSE))
		return nothing;
	if (p->status != SMPP_ROK)
		return bind_refused(s, p->status);
	s->state = SMPP_BOUND;
	return (struct smpp_event){ .kind = SMPP_ACCEPTED };
}

/* An answer to submit_sm, or a generic_nack that names one. */
static struct smpp_event
on_submit_answer(struct smpp_session *s, const struct smpp_pdu *p)
{
	for (unsigned i = 0; i < s->params->window; i++) {
		struct smpp_flight *f = &s->flights[i];
		if (f->sequence == 0 || f->sequence != p->sequence)
			continue;
		f->sequence = 0;
		return (struct smpp_event){
			.kind = SMPP_SUBMITTED, .tag = f->tag, .status = p->status, .id = p->id
		};
	}
	return nothing;
}

static struct smpp_event
on_nack(struct smpp_session *s, const struct smpp_pdu *p)
{
	if (s->state == SMPP_BINDING && (p->sequence == s->bind_sequence || p->sequence == 0))
		return bind_refused(s, p->status);
	/* A peer that does not know enquire_link is alive all the same. */
	if (s->enquiring && p->sequence == s->enquire_sequence)
		s->enquiring = false;
	struct smpp_pdu refused = *p;
	if (refused.status == SMPP_ROK)
		refused.status = SMPP_RINVCMDID;
	return on_submit_answer(s, &refused);
}

static struct smpp_event
on_enquire(struct smpp_session *s, const struct smpp_pdu *p)
{
	smpp_encode_empty(s->out, SMPP_ENQUIRE_LINK | SMPP_RESPONSE, SMPP_ROK, p->sequence);
	return nothing;
}

static struct smpp_event
on_enquire_answer(struct smpp_session *s, const struct smpp_pdu *p)
{
	if (p->sequence == s->enquire_sequence)
		s->enquiring = false;
	return nothing;
}

static struct smpp_event
on_unbind(struct smpp_session *s, const struct smpp_pdu *p)
{
	smpp_encode_empty(s->out, SMPP_UNBIND | SMPP_RESPONSE, SMPP_ROK, p->sequence);
	return ended(s, "the peer unbound", NULL);
}

static struct smpp_event
on_unbind_answer(struct smpp_session *s, const struct smpp_pdu *p)
{
	(void)p;
	return s->state == SMPP_UNBINDING ? ended(s, "unbound", NULL) : nothing;
}

/* 4.6.2: message_id of the answer is one NUL. A body that we cannot read is acknowledged as well:
 * the peer would repeat it for ever. */
static struct smpp_event
on_deliver(struct smpp_session *s, const struct smpp_pdu *p)
{
	if (s->state != SMPP_BOUND) {
		smpp_encode_answer(
		    s->out, SMPP_DELIVER_SM | SMPP_RESPONSE, SMPP_RINVBNDSTS, p->sequence, "");
		return nothing;
	}
	smpp_encode_answer(s->out, SMPP_DELIVER_SM | SMPP_RESPONSE, SMPP_ROK, p->sequence, "");
	return (struct smpp_event){ .kind = SMPP_DELIVERED,
		.receipt = (p->sm.esm_class & ESM_RECEIPT_MASK) == ESM_RECEIPT };
}

/* Without an answer, as 4.12 has it. */
static struct smpp_event
ignore(struct smpp_session *s, const struct smpp_pdu *p)
{
	(void)s, (void)p;
	return nothing;
}

/* A request that an ESME does not serve. */
static struct smpp_event
refuse(struct smpp_session *s, const struct smpp_pdu *p)
{
	smpp_encode_empty(s->out, p->command | SMPP_RESPONSE, SMPP_RINVCMDID, p->sequence);
	return nothing;
}

static const struct {
	uint32_t command;
	struct smpp_event (*on)(struct smpp_session *s, const struct smpp_pdu *p);
} inputs[] = {
	{ .command = SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, .on = on_bind_answer },
	{ .command = SMPP_BIND_TRANSMITTER | SMPP_RESPONSE, .on = on_bind_answer },
	{ .command = SMPP_BIND_RECEIVER | SMPP_RESPONSE, .on = on_bind_answer },
	{ .command = SMPP_SUBMIT_SM | SMPP_RESPONSE, .on = on_submit_answer },
	{ .command = SMPP_GENERIC_NACK, .on = on_nack },
	{ .command = SMPP_ENQUIRE_LINK, .on = on_enquire },
	{ .command = SMPP_ENQUIRE_LINK | SMPP_RESPONSE, .on = on_enquire_answer },
	{ .command = SMPP_UNBIND, .on = on_unbind },
	{ .command = SMPP_UNBIND | SMPP_RESPONSE, .on = on_unbind_answer },
	{ .command = SMPP_DELIVER_SM, .on = on_deliver },
	{ .command = SMPP_ALERT_NOTIFICATION, .on = ignore },
	{ .command = SMPP_OUTBIND, .on = ignore },
	{ .command = SMPP_DATA_SM, .on = refuse },
	{ .command = SMPP_SUBMIT_SM, .on = refuse },
	{ .command = SMPP_BIND_TRANSCEIVER, .on = refuse },
	{ .command = SMPP_BIND_TRANSMITTER, .on = refuse },
	{ .command = SMPP_BIND_RECEIVER, .on = refuse },
};

struct smpp_event
smpp_session_input(struct smpp_session *s, const void *data, size_t size, struct monotime now)
{
	struct smpp_pdu p;

	if (s->state == SMPP_CLOSED)
		return nothing;
	enum dec how = smpp_decode(&p, data, size);
	s->heard = now;
	if (how == DEC_BAD)
		return smpp_session_bad_frame(s, 0);
	for (size_t i = 0; how == DEC_OK && i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (inputs[i].command == p.command)
			return inputs[i].on(s, &p);
	/* 4.3: a request that is unknown is answered so; an answer never is. */
	if (!(p.command & SMPP_RESPONSE))
		smpp_encode_empty(s->out, SMPP_GENERIC_NACK, SMPP_RINVCMDID, p.sequence);
	return nothing;
}

struct smpp_event
smpp_session_bad_frame(struct smpp_session *s, uint32_t sequence)
{
	if (s->state == SMPP_CLOSED)
		return nothing;
	smpp_encode_empty(s->out, SMPP_GENERIC_NACK, SMPP_RINVCMDLEN, sequence);
	return ended(s, "a PDU's length is out of range", NULL);
}

int64_t
smpp_session_due(const struct smpp_session *s, struct monotime now)
{
	if (s->state != SMPP_BOUND || s->params->enquire_delay_ms == 0)
		return -1;
	int64_t left = s->enquiring
			   ? s->params->enquire_timeout_ms - monotime_diff_ms(now, s->enquired)
			   : s->params->enquire_delay_ms - monotime_diff_ms(now, s->heard);
	return left > 0 ? left : 0;
}

struct smpp_event
smpp_session_tick(struct smpp_session *s, struct monotime now)
{
	if (smpp_session_due(s, now) != 0)
		return nothing;
	if (s->enquiring)
		return ended(s, "no answer to enquire_link", NULL);
	s->enquiring = true;
	s->enquired = now;
	s->enquire_sequence = next_sequence(s);
	smpp_encode_empty(s->out, SMPP_ENQUIRE_LINK, SMPP_ROK, s->enquire_sequence);
	return nothing;
}

static struct smpp_flight *
free_flight(const struct smpp_session *s)
{
	for (unsigned i = 0; i < s->params->window; i++)
		if (s->flights[i].sequence == 0)
			return (struct smpp_flight *)&s->flights[i];
	return NULL;
}

bool
smpp_session_may_submit(const struct smpp_session *s)
{
	return s->state == SMPP_BOUND && free_flight(s);
}

void
smpp_session_submit(struct smpp_session *s, const struct smpp_sm *sm, uint64_t tag)
{
	struct smpp_flight *f = free_flight(s);

	*f = (struct smpp_flight){ .sequence = next_sequence(s), .tag = tag };
	smpp_encode_submit(s->out, f->sequence, sm);
}

void
smpp_session_forget(struct smpp_session *s, uint64_t tag)
{
	for (unsigned i = 0; s->params && i < s->params->window; i++)
		if (s->flights[i].sequence && s->flights[i].tag == tag)
			s->flights[i].sequence = 0;
}

void
smpp_session_unbind(struct smpp_session *s)
{
	if (s->state != SMPP_BOUND)
		return;
	s->state = SMPP_UNBINDING;
	smpp_encode_empty(s->out, SMPP_UNBIND, SMPP_ROK, next_sequence(s));
}
