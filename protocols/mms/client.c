#include "protocols/mms/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocols/mms/client_private.h"

enum {
	NESTING = 10, /* what is proposed: what the deepest data object of IEC 61850-7-3 needs */
	MAX_INITIATE = 256,
};

/* The services that we propose, in ServiceSupportOptions: those of the client, informationReport,
 * conclude and cancel. */
static const uint8_t our_services[MMS_SERVICE_OCTETS] = { 0xee, 0x1c, [9] = 0x01, [10] = 0x18 };

struct mms_client *
mms_client_new(const struct mms_params *params)
{
	struct mms_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->params = *params;
	if (c->params.outstanding == 0)
		c->params.outstanding = 1;
	if (c->params.outstanding > MMS_MAX_OUTSTANDING)
		c->params.outstanding = MMS_MAX_OUTSTANDING;
	iso_init(&c->iso);
	return c;
}

void
mms_client_free(struct mms_client *c)
{
	if (!c)
		return;
	iso_clear(&c->iso);
	free(c);
}

const char *
mms_client_state_name(enum mms_client_state state)
{
	static const char *const names[] = {
		[MMS_CLOSED] = "closed",
		[MMS_CONNECTING] = "connecting",
		[MMS_ASSOCIATING] = "associating",
		[MMS_READY] = "ready",
		[MMS_CONCLUDING] = "concluding",
		[MMS_RELEASING] = "releasing",
	};

	return names[state];
}

const char *
mms_outcome_name(enum mms_outcome outcome)
{
	static const char *const names[] = {
		[MMS_ANSWERED] = "answered",
		[MMS_REFUSED] = "refused",
		[MMS_REJECTED] = "rejected",
		[MMS_MALFORMED] = "malformed answer",
		[MMS_TIMED_OUT] = "timed out",
		[MMS_LOST] = "connection lost",
	};

	return names[outcome];
}

/* --- Beginning and end --- */

void
mms_client_start(struct mms_client *c, struct buffer *out, struct monotime now)
{
	c->out = out;
	c->state = MMS_CONNECTING;
	c->now = c->heard = now;
	c->until = monotime_add_ms(now, c->params.associate_timeout_ms);
	c->agreed = (struct mms_initiate){ 0 };
	c->pdu_size = 0;
	c->window = 0;
	memset(c->calls, 0, sizeof(c->calls));
	c->next_id = 0;
	c->asked = c->ending = c->concluded = false;
	iso_start(&c->iso, &c->params.local, &c->params.remote, out);
}

/* Nothing more is sent or taken; what is to be told follows. */
static void
end(struct mms_client *c, const char *why)
{
	if (c->state == MMS_CLOSED)
		return;
	snprintf(c->why, sizeof(c->why), "%s", why);
	c->concluded = c->state == MMS_CONCLUDING || c->state == MMS_RELEASING;
	c->state = MMS_CLOSED;
	c->ending = true;
	c->pdu_size = 0;
}

void
mms_client_lost(struct mms_client *c, const char *why)
{
	end(c, why);
}

void
mms_client_abort(struct mms_client *c, const char *why)
{
	if (c->state == MMS_CLOSED)
		return;
	iso_abort(&c->iso);
	end(c, why);
}

void
mms_client_conclude(struct mms_client *c, struct monotime now)
{
	struct ber_writer w;

	c->now = now;
	if (c->state == MMS_CONCLUDING || c->state == MMS_RELEASING)
		return;
	if (c->state != MMS_READY) {
		mms_client_abort(c, "closed before there was an association");
		return;
	}
	mms_client_begin_pdu(c, &w);
	mms_put_conclude(&w);
	mms_client_send_pdu(c, &w);
	c->state = MMS_CONCLUDING;
	c->until = monotime_add_ms(now, MMS_CONCLUDE_MS);
}

/* --- Initiate --- */

static void
initiate(struct mms_client *c)
{
	struct mms_initiate i = { .local_detail = c->params.local_detail,
		.calling = c->params.outstanding,
		.called = c->params.outstanding,
		.nesting = NESTING };
	uint8_t pdu[MAX_INITIATE];
	struct ber_writer w;

	memcpy(i.services, our_services, sizeof(our_services));
	ber_writer_init(&w, pdu, sizeof(pdu));
	mms_put_initiate(&w, &i);
	iso_associate(&c->iso, pdu, ber_writer_done(&w));
	c->state = MMS_ASSOCIATING;
}

static const char *
agree(struct mms_client *c, const struct mms_pdu *pdu)
{
	const struct mms_initiate *i = &pdu->u.initiate;
	int64_t most = c->params.local_detail > 0 ? c->params.local_detail : MMS_MAX_PDU;
	int64_t size = i->local_detail > 0 && i->local_detail < most ? i->local_detail : most;

	if (size < MMS_MIN_PDU)
		return "MMS: the PDU size that the server agrees to is too small";
	if (i->calling < 1)
		return "MMS: the server agrees to no outstanding calls";
	c->agreed = *i;
	c->pdu_size = (size_t)(size < ISO_MAX_PDU ? size : ISO_MAX_PDU);
	c->window =
	    i->calling < c->params.outstanding ? (unsigned)i->calling : c->params.outstanding;
	return NULL;
}

static bool
on_associated(struct mms_client *c, const struct iso_event *iso, struct mms_event *e)
{
	struct mms_pdu pdu;
	enum dec rc = mms_pdu_decode(&pdu, iso->data, iso->len);
	char text[64], why[MMS_CLIENT_WHY];

	if (rc == DEC_OK && pdu.type == MMS_INITIATE_ERROR) {
		snprintf(why, sizeof(why), "MMS: the server refused to initiate: %s",
		    mms_error_text(pdu.u.error, text));
		mms_client_abort(c, why);
		return false;
	}
	const char *wrong = rc == DEC_OK && pdu.type == MMS_INITIATE_RESPONSE
				? agree(c, &pdu)
				: "MMS: the server's answer to initiate is malformed";
	if (wrong) {
		mms_client_abort(c, wrong);
		return false;
	}
	c->state = MMS_READY;
	c->heard = c->now;
	*e = (struct mms_event){ .kind = MMS_EVENT_ASSOCIATED };
	return true;
}

/* --- What the server says, a function each; true: *e is to be told --- */

static size_t
parts_of(const struct mms_response *r)
{
	if (r->service == MMS_READ)
		return mms_list_count(r->u.read);
	return r->service == MMS_WRITE ? mms_list_count(r->u.written) : 0;
}

static bool
on_response(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	struct mms_call_slot *call = mms_slot_find(c, pdu->id);

	if (!call)
		return false;
	size_t parts = call->parts;
	bool tell = mms_slot_finish(call, MMS_ANSWERED, e);
	if (mms_response_decode(&e->result.response, &pdu->u.service) != DEC_OK ||
	    e->result.response.service != e->result.service ||
	    parts_of(&e->result.response) != parts)
		e->result.outcome = MMS_MALFORMED;
	return tell;
}

static bool
on_error(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	struct mms_call_slot *call = mms_slot_find(c, pdu->id);

	if (!call)
		return false;
	bool tell = mms_slot_finish(call, MMS_REFUSED, e);
	e->result.error = pdu->u.error;
	return tell;
}

/* Without an id it is of no request that we can name. */
static bool
on_reject(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	struct mms_call_slot *call = pdu->has_id ? mms_slot_find(c, pdu->id) : NULL;

	if (!call || pdu->u.error.error_class > MMS_REJECT_PDU)
		return false;
	bool tell = mms_slot_finish(call, MMS_REJECTED, e);
	e->result.error = pdu->u.error;
	return tell;
}

static bool
on_report(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	(void)c;
	*e = (struct mms_event){ .kind = MMS_EVENT_REPORT, .report = pdu->u.report };
	return true;
}

static bool
on_concluded(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	(void)pdu, (void)e;
	if (c->state != MMS_CONCLUDING)
		return false;
	iso_release(&c->iso);
	c->state = MMS_RELEASING;
	return false;
}

static bool
on_not_concluded(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	(void)pdu, (void)e;
	if (c->state == MMS_CONCLUDING)
		mms_client_abort(c, "MMS: the server refused to conclude");
	return false;
}

/* A request of the server: we serve none. */
static bool
on_request(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	struct ber_writer w;

	(void)e;
	mms_client_begin_pdu(c, &w);
	mms_put_reject(&w, &pdu->id, MMS_REJECT_REQUEST, MMS_UNRECOGNIZED_SERVICE);
	mms_client_send_pdu(c, &w);
	return false;
}

static bool
on_conclude(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	(void)pdu, (void)e;
	mms_client_abort(c, "MMS: the server concluded the association");
	return false;
}

static bool
ignore(struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e)
{
	(void)c, (void)pdu, (void)e;
	return false;
}

static bool (*const inputs[])(
    struct mms_client *c, const struct mms_pdu *pdu, struct mms_event *e) = {
	[MMS_CONFIRMED_REQUEST] = on_request,
	[MMS_CONFIRMED_RESPONSE] = on_response,
	[MMS_CONFIRMED_ERROR] = on_error,
	[MMS_UNCONFIRMED] = on_report,
	[MMS_REJECT] = on_reject,
	[MMS_CANCEL_REQUEST] = ignore,
	/* The cancelled call is answered by an error of its own. */
	[MMS_CANCEL_RESPONSE] = ignore,
	[MMS_CANCEL_ERROR] = ignore,
	[MMS_INITIATE_REQUEST] = ignore,
	[MMS_INITIATE_RESPONSE] = ignore,
	[MMS_INITIATE_ERROR] = ignore,
	[MMS_CONCLUDE_REQUEST] = on_conclude,
	[MMS_CONCLUDE_RESPONSE] = on_concluded,
	[MMS_CONCLUDE_ERROR] = on_not_concluded,
};

static bool
on_pdu(struct mms_client *c, const struct iso_event *iso, struct mms_event *e)
{
	struct mms_pdu pdu;
	enum dec rc = mms_pdu_decode(&pdu, iso->data, iso->len);
	struct ber_writer w;

	if (rc == DEC_OK) {
		c->heard = c->now;
		c->asked = false;
		return inputs[pdu.type](c, &pdu, e);
	}
	if (rc == DEC_UNSUP) {
		mms_client_begin_pdu(c, &w);
		mms_put_reject(&w, NULL, MMS_REJECT_PDU, MMS_UNKNOWN_PDU);
		mms_client_send_pdu(c, &w);
		return false;
	}
	mms_client_abort(c, "MMS: the server's PDU is malformed");
	return false;
}

void
mms_client_feed(struct mms_client *c, const void *data, size_t len, struct monotime now)
{
	if (c->state == MMS_CLOSED)
		return;
	c->now = now;
	iso_feed(&c->iso, data, len);
}

static bool
on_iso(struct mms_client *c, const struct iso_event *iso, struct mms_event *e)
{
	switch (iso->kind) {
	case ISO_EVENT_CONNECTED:
		initiate(c);
		return false;
	case ISO_EVENT_ASSOCIATED:
		return on_associated(c, iso, e);
	case ISO_EVENT_DATA:
		return on_pdu(c, iso, e);
	case ISO_EVENT_RELEASED:
		end(c, "released");
		return false;
	case ISO_EVENT_ENDED:
		end(c, iso->why);
		return false;
	}
	return false;
}

static bool
next_expired(struct mms_client *c, struct mms_event *e)
{
	for (size_t i = 0; i < c->window; i++) {
		struct mms_call_slot *call = &c->calls[i];
		if (call->state != CALL_EXPIRED)
			continue;
		bool tell = mms_slot_finish(call, MMS_TIMED_OUT, e);
		call->state = CALL_LATE;
		if (tell)
			return true;
	}
	return false;
}

/* Results of the calls that are lost, then the end. */
static bool
next_of_end(struct mms_client *c, struct mms_event *e)
{
	for (size_t i = 0; i < c->window; i++) {
		struct mms_call_slot *call = &c->calls[i];
		if (call->state != CALL_FREE && mms_slot_finish(call, MMS_LOST, e))
			return true;
	}
	c->ending = false;
	*e =
	    (struct mms_event){ .kind = MMS_EVENT_ENDED, .why = c->why, .concluded = c->concluded };
	return true;
}

bool
mms_client_next(struct mms_client *c, struct mms_event *e)
{
	struct iso_event iso;

	if (next_expired(c, e))
		return true;
	while (c->state != MMS_CLOSED && iso_next(&c->iso, &iso))
		if (on_iso(c, &iso, e))
			return true;
	return c->ending && next_of_end(c, e);
}

/* --- Time --- */

/* Silence that is too long is asked about, and then is the end. */
static void
keep_alive(struct mms_client *c)
{
	if (c->asked) {
		if (monotime_diff_ms(c->now, c->asked_at) >= c->params.status_timeout_ms)
			mms_client_abort(c, "MMS: no answer to status");
		return;
	}
	if (monotime_diff_ms(c->now, c->heard) < c->params.status_delay_ms)
		return;
	c->asked = true;
	c->asked_at = c->now;
	mms_client_ask_alive(c);
}

/* The time-out of our own status is that of the association. */
static bool
expires(const struct mms_call_slot *call)
{
	return call->state == CALL_WAITING && !call->internal;
}

static void
expire(struct mms_client *c, struct mms_call_slot *call)
{
	struct ber_writer w;

	call->state = CALL_EXPIRED;
	if (!mms_initiate_offers(&c->agreed, MMS_OFFERS_CANCEL))
		return;
	mms_client_begin_pdu(c, &w);
	mms_put_cancel(&w, call->id);
	mms_client_send_pdu(c, &w);
}

void
mms_client_tick(struct mms_client *c, struct monotime now)
{
	static const char *const late[] = {
		[MMS_CONNECTING] = "transport: no answer from the server in time",
		[MMS_ASSOCIATING] = "no answer to the association request in time",
		[MMS_CONCLUDING] = "MMS: no answer to conclude",
		[MMS_RELEASING] = "application: no answer to the release",
	};

	c->now = now;
	if (c->state == MMS_CLOSED)
		return;
	if (c->state != MMS_READY) {
		if (monotime_cmp(now, c->until) >= 0)
			mms_client_abort(c, late[c->state]);
		return;
	}
	for (size_t i = 0; i < c->window; i++)
		if (expires(&c->calls[i]) && monotime_cmp(now, c->calls[i].until) >= 0)
			expire(c, &c->calls[i]);
	if (c->params.status_delay_ms > 0)
		keep_alive(c);
}

static struct monotime
earlier(struct monotime a, struct monotime b)
{
	return a.ns == 0 || monotime_cmp(b, a) < 0 ? b : a;
}

int64_t
mms_client_due(const struct mms_client *c, struct monotime now)
{
	struct monotime first = { 0 };

	if (c->state == MMS_CLOSED)
		return -1;
	if (c->state != MMS_READY)
		first = c->until;
	for (size_t i = 0; i < c->window && c->state == MMS_READY; i++)
		if (expires(&c->calls[i]))
			first = earlier(first, c->calls[i].until);
	if (c->state == MMS_READY && c->params.status_delay_ms > 0)
		first = earlier(
		    first, c->asked ? monotime_add_ms(c->asked_at, c->params.status_timeout_ms)
				    : monotime_add_ms(c->heard, c->params.status_delay_ms));
	if (first.ns == 0)
		return -1;
	/* Rounded up: a timer that fires early would find nothing to do. */
	int64_t left = -monotime_diff_ms(now, first);
	return left > 0 ? left : 0;
}

/* --- What was agreed on --- */

enum mms_client_state
mms_client_state(const struct mms_client *c)
{
	return c->state;
}

size_t
mms_client_pdu_size(const struct mms_client *c)
{
	return c->pdu_size;
}

unsigned
mms_client_window(const struct mms_client *c)
{
	return c->state == MMS_READY ? c->window : 0;
}

bool
mms_client_offers(const struct mms_client *c, enum mms_service service)
{
	return mms_initiate_offers(&c->agreed, (unsigned)service);
}
