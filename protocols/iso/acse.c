#include "protocols/iso/acse.h"

#include <stdio.h>

#include "protocols/iso/presentation.h"

enum { MAX_DEPTH = 8 };

#define AARQ BER_APPLICATION_C(0)
#define USER_INFORMATION BER_CONTEXT_C(30)

static const struct ber_oid mms_application = { 5, { 0x28, 0xca, 0x22, 2, 3 } },
			    ber = { 2, { 0x51, 1 } };

/* --- Reading --- */

/* Association-information: EXTERNAL, whose value is of one context. */
static void
read_user_information(struct ber_reader *r, struct acse_apdu *a)
{
	struct ber_element e;

	ber_enter(r, USER_INFORMATION);
	ber_enter(r, BER_EXTERNAL);
	while (ber_more(r)) {
		ber_next(r, &e);
		if (e.tag != BER_CONTEXT_C(0) && e.tag != BER_CONTEXT(1))
			continue;
		a->data = e.data;
		a->len = e.len;
	}
	ber_leave(r);
	ber_leave_rest(r);
}

static void
read_result(struct ber_reader *r, struct acse_apdu *a)
{
	ber_enter(r, BER_CONTEXT_C(2));
	a->result = ber_int(r, BER_INTEGER);
	ber_leave(r);
}

/* A CHOICE of the user's [1] and the provider's [2]. */
static void
read_diagnostic(struct ber_reader *r, struct acse_apdu *a)
{
	ber_enter(r, BER_CONTEXT_C(3));
	a->by_provider = ber_is(r, BER_CONTEXT_C(2));
	ber_enter(r, a->by_provider ? BER_CONTEXT_C(2) : BER_CONTEXT_C(1));
	a->diagnostic = ber_int(r, BER_INTEGER);
	ber_leave(r);
	ber_leave(r);
}

static void
read_response_part(struct ber_reader *r, struct acse_apdu *a)
{
	static const struct {
		uint32_t tag;
		void (*read)(struct ber_reader *r, struct acse_apdu *a);
	} parts[] = {
		{ .tag = BER_CONTEXT_C(2), .read = read_result },
		{ .tag = BER_CONTEXT_C(3), .read = read_diagnostic },
		{ .tag = USER_INFORMATION, .read = read_user_information },
	};
	struct ber_element e;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (ber_is(r, parts[i].tag)) {
			parts[i].read(r, a);
			return;
		}
	ber_next(r, &e);
}

static void
read_response(struct ber_reader *r, struct acse_apdu *a)
{
	a->result = -1;
	while (ber_more(r))
		read_response_part(r, a);
	/* The result is not optional. */
	if (a->result < 0)
		ber_fail(r);
}

static void
read_abort(struct ber_reader *r, struct acse_apdu *a)
{
	a->by_provider = ber_is(r, BER_CONTEXT(0)) && ber_int(r, BER_CONTEXT(0)) != 0;
}

static void
read_nothing(struct ber_reader *r, struct acse_apdu *a)
{
	(void)r, (void)a;
}

enum dec
acse_decode(struct acse_apdu *a, const uint8_t *data, size_t len)
{
	static void (*const readers[])(struct ber_reader * r, struct acse_apdu * a) = {
		[ACSE_AARE] = read_response,
		[ACSE_RLRQ] = read_nothing,
		[ACSE_RLRE] = read_nothing,
		[ACSE_ABRT] = read_abort,
	};
	struct ber_reader r;
	uint32_t tag;

	*a = (struct acse_apdu){ 0 };
	ber_reader_init(&r, data, len, MAX_DEPTH);
	if (!ber_peek(&r, &tag))
		return DEC_BAD;
	uint32_t type = tag & BER_MAX_NUMBER;
	if (tag != BER_APPLICATION_C(type) || type < ACSE_AARE || type > ACSE_ABRT)
		return DEC_UNSUP;
	a->type = (enum acse_type)type;
	ber_enter(&r, tag);
	readers[type](&r, a);
	ber_leave_rest(&r);
	return ber_ok(&r) && !ber_more(&r) ? DEC_OK : DEC_BAD;
}

/* --- Writing --- */

static void
put_titles(struct ber_writer *w, uint32_t title, uint32_t qualifier, const struct iso_address *a)
{
	if (a->ap_title.len) {
		ber_begin(w, title);
		ber_put_oid(w, BER_OBJECT_ID, &a->ap_title);
		ber_end(w);
	}
	if (a->has_ae_qualifier) {
		ber_begin(w, qualifier);
		ber_put_int(w, BER_INTEGER, a->ae_qualifier);
		ber_end(w);
	}
}

void
acse_put_request(struct ber_writer *w, const struct iso_address *calling,
    const struct iso_address *called, const void *data, size_t len)
{
	ber_begin(w, AARQ);
	ber_begin(w, BER_CONTEXT_C(1));
	ber_put_oid(w, BER_OBJECT_ID, &mms_application);
	ber_end(w);
	put_titles(w, BER_CONTEXT_C(2), BER_CONTEXT_C(3), called);
	put_titles(w, BER_CONTEXT_C(6), BER_CONTEXT_C(7), calling);
	ber_begin(w, USER_INFORMATION);
	ber_begin(w, BER_EXTERNAL);
	ber_put_oid(w, BER_OBJECT_ID, &ber);
	ber_put_int(w, BER_INTEGER, PRESENTATION_MMS);
	ber_begin(w, BER_CONTEXT_C(0));
	ber_put_raw(w, data, len);
	ber_end(w);
	ber_end(w);
	ber_end(w);
	ber_end(w);
}

void
acse_put_release(struct ber_writer *w)
{
	ber_begin(w, BER_APPLICATION_C(ACSE_RLRQ));
	ber_put_int(w, BER_CONTEXT(0), 0);
	ber_end(w);
}

void
acse_put_abort(struct ber_writer *w)
{
	ber_begin(w, BER_APPLICATION_C(ACSE_ABRT));
	ber_put_int(w, BER_CONTEXT(0), 0);
	ber_end(w);
}

const char *
acse_diagnostic_text(const struct acse_apdu *a, char text[32])
{
	static const char *const user[] = { "no reason given", "no reason given",
		"application context name not supported", "calling AP title not recognized",
		"calling AP invocation identifier not recognized",
		"calling AE qualifier not recognized",
		"calling AE invocation identifier not recognized", "called AP title not recognized",
		"called AP invocation identifier not recognized",
		"called AE qualifier not recognized",
		"called AE invocation identifier not recognized",
		"authentication mechanism name not recognized",
		"authentication mechanism name required", "authentication failure",
		"authentication required" };
	static const char *const provider[] = { "no reason given", "no reason given",
		"no common ACSE version" };
	const char *const *names = a->by_provider ? provider : user;
	size_t count = a->by_provider ? sizeof(provider) / sizeof(provider[0])
				      : sizeof(user) / sizeof(user[0]);

	if (a->diagnostic >= 0 && (size_t)a->diagnostic < count)
		return names[a->diagnostic];
	snprintf(text, 32, "diagnostic %lld", (long long)a->diagnostic);
	return text;
}
