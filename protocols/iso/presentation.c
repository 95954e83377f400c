#include "protocols/iso/presentation.h"

#include <stdio.h>

enum {
	MAX_DEPTH = 12,
	NORMAL_MODE = 1,
	ACCEPTANCE = 0, /* of a context */
};

#define USER_DATA BER_APPLICATION_C(1) /* fully-encoded-data */
#define MODE_SELECTOR BER_CONTEXT_C(0)
#define NORMAL_PARAMETERS BER_CONTEXT_C(2)

/* Object identifiers, as octets: X.217, ISO 9506, X.690. */
static const struct ber_oid acse_syntax = { 4, { 0x52, 1, 0, 1 } },
			    mms_syntax = { 5, { 0x28, 0xca, 0x22, 2, 1 } },
			    ber = { 2, { 0x51, 1 } };

/* --- Reading --- */

/* PDV-list (8.4.2): a value of a context. The transfer syntax is named where more than one was
 * agreed on; we agree on one. */
static void
read_list(struct ber_reader *r, struct presentation_value *v)
{
	struct ber_element e;

	ber_enter(r, BER_SEQUENCE);
	if (ber_is(r, BER_OBJECT_ID))
		ber_next(r, &e);
	v->context = ber_int(r, BER_INTEGER);
	if (!ber_next(r, &e))
		return;
	if (e.tag != BER_CONTEXT_C(0) && e.tag != BER_CONTEXT(1))
		ber_fail(r);
	v->data = e.data;
	v->len = e.len;
	ber_leave(r);
}

static void
read_user_data(struct ber_reader *r, struct presentation_value *v)
{
	ber_enter(r, USER_DATA);
	read_list(r, v);
	/* A second value would be of a context that we did not propose. */
	ber_leave(r);
}

static enum dec
done(const struct ber_reader *r)
{
	return ber_ok(r) && !ber_more(r) ? DEC_OK : DEC_BAD;
}

/* Result list: a row for each context that was proposed, in that order. */
static void
read_results(struct ber_reader *r, struct presentation_accept *a)
{
	bool *const contexts[] = { &a->acse, &a->mms };

	ber_enter(r, BER_CONTEXT_C(5));
	for (size_t i = 0; ber_more(r); i++) {
		ber_enter(r, BER_SEQUENCE);
		bool accepted = ber_int(r, BER_CONTEXT(0)) == ACCEPTANCE;
		if (i < sizeof(contexts) / sizeof(contexts[0]))
			*contexts[i] = accepted;
		ber_leave_rest(r);
	}
	ber_leave(r);
}

static void
read_normal_parameters(struct ber_reader *r, struct presentation_accept *a)
{
	struct ber_element e;

	ber_enter(r, NORMAL_PARAMETERS);
	while (ber_more(r))
		if (ber_is(r, BER_CONTEXT_C(5)))
			read_results(r, a);
		else if (ber_is(r, USER_DATA))
			read_user_data(r, &a->value);
		else
			ber_next(r, &e);
	ber_leave(r);
}

enum dec
presentation_decode_accept(struct presentation_accept *a, const uint8_t *data, size_t len)
{
	struct ber_reader r;
	struct ber_element e;

	*a = (struct presentation_accept){ 0 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	ber_enter(&r, BER_SET);
	while (ber_more(&r))
		if (ber_is(&r, NORMAL_PARAMETERS))
			read_normal_parameters(&r, a);
		else
			ber_next(&r, &e);
	ber_leave(&r);
	return done(&r);
}

/* A reason and user data, each optional, between what is not asked for. */
static void
read_end(struct ber_reader *r, struct presentation_end *end, uint32_t reason)
{
	struct ber_element e;

	while (ber_more(r))
		if (ber_is(r, reason))
			end->reason = ber_int(r, reason);
		else if (ber_is(r, USER_DATA))
			read_user_data(r, &end->value);
		else
			ber_next(r, &e);
	ber_leave(r);
}

enum dec
presentation_decode_refuse(struct presentation_end *e, const uint8_t *data, size_t len)
{
	struct ber_reader r;

	*e = (struct presentation_end){ .reason = -1 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	ber_enter(&r, BER_SEQUENCE);
	read_end(&r, e, BER_CONTEXT(10));
	e->by_provider = e->reason >= 0;
	return done(&r);
}

enum dec
presentation_decode_abort(struct presentation_end *e, const uint8_t *data, size_t len)
{
	struct ber_reader r;

	*e = (struct presentation_end){ .reason = -1 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	e->by_provider = ber_is(&r, BER_SEQUENCE);
	ber_enter(&r, e->by_provider ? BER_SEQUENCE : BER_CONTEXT_C(0));
	read_end(&r, e, BER_CONTEXT(0));
	return done(&r);
}

enum dec
presentation_decode_data(struct presentation_value *v, const uint8_t *data, size_t len)
{
	struct ber_reader r;

	*v = (struct presentation_value){ 0 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	read_user_data(&r, v);
	return done(&r);
}

/* --- Writing --- */

static void
put_context(struct ber_writer *w, int64_t id, const struct ber_oid *syntax)
{
	ber_begin(w, BER_SEQUENCE);
	ber_put_int(w, BER_INTEGER, id);
	ber_put_oid(w, BER_OBJECT_ID, syntax);
	ber_begin(w, BER_SEQUENCE);
	ber_put_oid(w, BER_OBJECT_ID, &ber);
	ber_end(w);
	ber_end(w);
}

static void
put_selector(struct ber_writer *w, uint32_t tag, const struct iso_selector *s)
{
	if (s->len)
		ber_put_bytes(w, tag, s->octets, s->len);
}

void
presentation_put_connect(struct ber_writer *w, const struct iso_selector *calling,
    const struct iso_selector *called, const void *data, size_t len)
{
	ber_begin(w, BER_SET);
	ber_begin(w, MODE_SELECTOR);
	ber_put_int(w, BER_CONTEXT(0), NORMAL_MODE);
	ber_end(w);
	ber_begin(w, NORMAL_PARAMETERS);
	put_selector(w, BER_CONTEXT(1), calling);
	put_selector(w, BER_CONTEXT(2), called);
	ber_begin(w, BER_CONTEXT_C(4));
	put_context(w, PRESENTATION_ACSE, &acse_syntax);
	put_context(w, PRESENTATION_MMS, &mms_syntax);
	ber_end(w);
	presentation_put_data(w, PRESENTATION_ACSE, data, len);
	ber_end(w);
	ber_end(w);
}

void
presentation_put_data(struct ber_writer *w, int64_t context, const void *data, size_t len)
{
	ber_begin(w, USER_DATA);
	ber_begin(w, BER_SEQUENCE);
	ber_put_int(w, BER_INTEGER, context);
	ber_begin(w, BER_CONTEXT_C(0));
	ber_put_raw(w, data, len);
	ber_end(w);
	ber_end(w);
	ber_end(w);
}

void
presentation_put_abort(struct ber_writer *w, const void *data, size_t len)
{
	ber_begin(w, BER_CONTEXT_C(0));
	presentation_put_data(w, PRESENTATION_ACSE, data, len);
	ber_end(w);
}

static const char *
text_of(const char *const *names, size_t count, int64_t reason, char text[32])
{
	if (reason >= 0 && (size_t)reason < count)
		return names[reason];
	snprintf(text, 32, "reason %lld", (long long)reason);
	return text;
}

const char *
presentation_refuse_text(int64_t reason, char text[32])
{
	static const char *const names[] = { "reason not specified", "temporary congestion",
		"local limit exceeded", "called presentation address unknown",
		"protocol version not supported", "default context not supported",
		"user data not readable", "no presentation access point available" };

	return text_of(names, sizeof(names) / sizeof(names[0]), reason, text);
}

const char *
presentation_abort_text(int64_t reason, char text[32])
{
	static const char *const names[] = { "reason not specified", "unrecognized PPDU",
		"unexpected PPDU", "unexpected session service primitive", "unrecognized parameter",
		"unexpected parameter", "invalid parameter value" };

	return text_of(names, sizeof(names) / sizeof(names[0]), reason, text);
}
