#include "protocols/mms/pdu.h"

enum {
	MAX_DEPTH = 8,
	VERSION = 1,
	CONFORMANCE_BITS = 11,
	PDU_TYPES = 14,
};

bool
mms_initiate_offers(const struct mms_initiate *i, unsigned service)
{
	return service < MMS_SERVICE_BITS && i->services[service / 8] >> (7 - service % 8) & 1;
}

/* --- Reading --- */

static void
read_id(struct ber_reader *r, struct mms_pdu *pdu, uint32_t tag)
{
	pdu->id = (uint32_t)ber_uint(r, tag, sizeof(pdu->id));
	pdu->has_id = ber_ok(r);
}

static void
read_request(struct ber_reader *r, struct mms_pdu *pdu)
{
	read_id(r, pdu, BER_INTEGER);
	ber_leave_rest(r);
}

static void
read_response(struct ber_reader *r, struct mms_pdu *pdu)
{
	read_id(r, pdu, BER_INTEGER);
	ber_next(r, &pdu->u.service);
	ber_leave_rest(r);
}

/* ServiceError, whose element was entered: the class is the tag in it. */
static void
read_error(struct ber_reader *r, struct mms_error *error)
{
	struct ber_element e;
	int64_t code;

	*error = (struct mms_error){ -1, -1 };
	ber_enter(r, BER_CONTEXT_C(0));
	if (ber_next(r, &e) && ber_element_int(&e, &code) && code >= 0 && code <= INT16_MAX)
		*error = (struct mms_error){ (int)(e.tag & 0xff), (int)code };
	ber_leave_rest(r);
	ber_leave_rest(r);
}

static void
read_confirmed_error(struct ber_reader *r, struct mms_pdu *pdu)
{
	struct ber_element e;

	read_id(r, pdu, BER_CONTEXT(0));
	if (ber_is(r, BER_CONTEXT(1)))
		ber_next(r, &e);
	ber_enter(r, BER_CONTEXT_C(2));
	read_error(r, &pdu->u.error);
	ber_leave_rest(r);
}

static void
read_cancel_error(struct ber_reader *r, struct mms_pdu *pdu)
{
	read_id(r, pdu, BER_CONTEXT(0));
	ber_enter(r, BER_CONTEXT_C(1));
	read_error(r, &pdu->u.error);
	ber_leave_rest(r);
}

/* Initiate-ErrorPDU and Conclude-ErrorPDU are a ServiceError. */
static void
read_plain_error(struct ber_reader *r, struct mms_pdu *pdu)
{
	read_error(r, &pdu->u.error);
}

static void
read_unconfirmed(struct ber_reader *r, struct mms_pdu *pdu)
{
	if (mms_report_decode(&pdu->u.report, r) != DEC_OK)
		ber_fail(r);
	ber_leave_rest(r);
}

static void
read_reject(struct ber_reader *r, struct mms_pdu *pdu)
{
	struct ber_element e;
	int64_t reason = -1;

	if (ber_is(r, BER_CONTEXT(0)))
		read_id(r, pdu, BER_CONTEXT(0));
	if (!ber_next(r, &e))
		return;
	if (!ber_element_int(&e, &reason) || reason < 0 || reason > UINT8_MAX)
		reason = -1;
	pdu->u.error = (struct mms_error){ (int)(e.tag & 0xff), (int)reason };
	ber_leave_rest(r);
}

static void
read_support(struct ber_reader *r, struct mms_initiate *i)
{
	size_t bits;

	ber_enter(r, BER_CONTEXT_C(4));
	i->version = ber_int(r, BER_CONTEXT(0));
	ber_bits(r, BER_CONTEXT(1), &bits);
	const uint8_t *services = ber_bits(r, BER_CONTEXT(2), &bits);
	size_t octets = (bits + 7) / 8;
	if (services)
		memcpy(i->services, services,
		    octets < sizeof(i->services) ? octets : sizeof(i->services));
	ber_leave_rest(r);
}

static void
read_initiate(struct ber_reader *r, struct mms_pdu *pdu)
{
	struct mms_initiate *i = &pdu->u.initiate;

	*i = (struct mms_initiate){ 0 };
	if (ber_is(r, BER_CONTEXT(0)))
		i->local_detail = ber_int(r, BER_CONTEXT(0));
	i->calling = ber_int(r, BER_CONTEXT(1));
	i->called = ber_int(r, BER_CONTEXT(2));
	if (ber_is(r, BER_CONTEXT(3)))
		i->nesting = ber_int(r, BER_CONTEXT(3));
	read_support(r, i);
	ber_leave_rest(r);
}

static void
read_nothing(struct ber_reader *r, struct mms_pdu *pdu)
{
	(void)pdu;
	ber_leave(r);
}

/* Cancel-RequestPDU and its response are an invoke id, without an element of their own. */
static void
read_cancel(struct ber_reader *r, struct mms_pdu *pdu)
{
	uint64_t id;
	struct ber_element e = { .data = r->c.p, .len = cursor_left(&r->c) };

	pdu->has_id = ber_element_uint(&e, sizeof(pdu->id), &id);
	pdu->id = pdu->has_id ? (uint32_t)id : 0;
	if (!pdu->has_id)
		ber_fail(r);
	ber_leave_rest(r);
}

static const struct {
	bool primitive;
	void (*read)(struct ber_reader *r, struct mms_pdu *pdu);
} types[PDU_TYPES] = {
	[MMS_CONFIRMED_REQUEST] = { .read = read_request },
	[MMS_CONFIRMED_RESPONSE] = { .read = read_response },
	[MMS_CONFIRMED_ERROR] = { .read = read_confirmed_error },
	[MMS_UNCONFIRMED] = { .read = read_unconfirmed },
	[MMS_REJECT] = { .read = read_reject },
	[MMS_CANCEL_REQUEST] = { .primitive = true, .read = read_cancel },
	[MMS_CANCEL_RESPONSE] = { .primitive = true, .read = read_cancel },
	[MMS_CANCEL_ERROR] = { .read = read_cancel_error },
	[MMS_INITIATE_REQUEST] = { .read = read_initiate },
	[MMS_INITIATE_RESPONSE] = { .read = read_initiate },
	[MMS_INITIATE_ERROR] = { .read = read_plain_error },
	[MMS_CONCLUDE_REQUEST] = { .primitive = true, .read = read_nothing },
	[MMS_CONCLUDE_RESPONSE] = { .primitive = true, .read = read_nothing },
	[MMS_CONCLUDE_ERROR] = { .read = read_plain_error },
};

enum dec
mms_pdu_decode(struct mms_pdu *pdu, const uint8_t *data, size_t len)
{
	struct ber_reader r;
	uint32_t tag;

	*pdu = (struct mms_pdu){ 0 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	if (!ber_peek(&r, &tag))
		return DEC_BAD;
	uint32_t type = tag & BER_MAX_NUMBER;
	if (type >= PDU_TYPES ||
	    tag != (types[type].primitive ? BER_CONTEXT(type) : BER_CONTEXT_C(type)))
		return DEC_UNSUP;
	pdu->type = (enum mms_pdu_type)type;
	ber_enter(&r, tag);
	types[type].read(&r, pdu);
	return ber_ok(&r) && !ber_more(&r) ? DEC_OK : DEC_BAD;
}

/* --- Writing --- */

void
mms_put_initiate(struct ber_writer *w, const struct mms_initiate *i)
{
	/* str1, str2, vnam, valt, vlis */
	static const uint8_t conformance[] = { 0xf1, 0 };

	ber_begin(w, BER_CONTEXT_C(MMS_INITIATE_REQUEST));
	if (i->local_detail)
		ber_put_int(w, BER_CONTEXT(0), i->local_detail);
	ber_put_int(w, BER_CONTEXT(1), i->calling);
	ber_put_int(w, BER_CONTEXT(2), i->called);
	if (i->nesting)
		ber_put_int(w, BER_CONTEXT(3), i->nesting);
	ber_begin(w, BER_CONTEXT_C(4));
	ber_put_int(w, BER_CONTEXT(0), VERSION);
	ber_put_bits(w, BER_CONTEXT(1), conformance, CONFORMANCE_BITS);
	ber_put_bits(w, BER_CONTEXT(2), i->services, MMS_SERVICE_BITS);
	ber_end(w);
	ber_end(w);
}

void
mms_begin_request(struct ber_writer *w, uint32_t id)
{
	ber_begin(w, BER_CONTEXT_C(MMS_CONFIRMED_REQUEST));
	ber_put_uint(w, BER_INTEGER, id);
}

void
mms_put_cancel(struct ber_writer *w, uint32_t id)
{
	ber_put_uint(w, BER_CONTEXT(MMS_CANCEL_REQUEST), id);
}

void
mms_put_conclude(struct ber_writer *w)
{
	ber_put_null(w, BER_CONTEXT(MMS_CONCLUDE_REQUEST));
}

void
mms_put_reject(struct ber_writer *w, const uint32_t *id, unsigned type, int reason)
{
	ber_begin(w, BER_CONTEXT_C(MMS_REJECT));
	if (id)
		ber_put_uint(w, BER_CONTEXT(0), *id);
	ber_put_int(w, BER_CONTEXT(type), reason);
	ber_end(w);
}
