#include "protocols/smpp/pdu.h"

#include <stdio.h>
#include <string.h>

enum { TLV_MESSAGE_PAYLOAD = 0x0424 };

enum body { BODY_NONE, BODY_ID, BODY_SM, BODY_BIND, BODY_OTHER };

static const struct {
	uint32_t command;
	const char *name;
	enum body body;
} commands[] = {
	{ SMPP_GENERIC_NACK, "generic_nack", BODY_NONE },
	{ SMPP_BIND_RECEIVER, "bind_receiver", BODY_BIND },
	{ SMPP_BIND_RECEIVER | SMPP_RESPONSE, "bind_receiver_resp", BODY_ID },
	{ SMPP_BIND_TRANSMITTER, "bind_transmitter", BODY_BIND },
	{ SMPP_BIND_TRANSMITTER | SMPP_RESPONSE, "bind_transmitter_resp", BODY_ID },
	{ SMPP_SUBMIT_SM, "submit_sm", BODY_SM },
	{ SMPP_SUBMIT_SM | SMPP_RESPONSE, "submit_sm_resp", BODY_ID },
	{ SMPP_DELIVER_SM, "deliver_sm", BODY_SM },
	{ SMPP_DELIVER_SM | SMPP_RESPONSE, "deliver_sm_resp", BODY_ID },
	{ SMPP_UNBIND, "unbind", BODY_NONE },
	{ SMPP_UNBIND | SMPP_RESPONSE, "unbind_resp", BODY_NONE },
	{ SMPP_BIND_TRANSCEIVER, "bind_transceiver", BODY_BIND },
	{ SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE, "bind_transceiver_resp", BODY_ID },
	{ SMPP_OUTBIND, "outbind", BODY_OTHER },
	{ SMPP_ENQUIRE_LINK, "enquire_link", BODY_NONE },
	{ SMPP_ENQUIRE_LINK | SMPP_RESPONSE, "enquire_link_resp", BODY_NONE },
	{ SMPP_ALERT_NOTIFICATION, "alert_notification", BODY_OTHER },
	{ SMPP_DATA_SM, "data_sm", BODY_OTHER },
	{ SMPP_DATA_SM | SMPP_RESPONSE, "data_sm_resp", BODY_ID },
};

/* Clause 5.1.3. */
static const struct {
	uint32_t status;
	const char *name;
} statuses[] = {
	{ 0x00, "ROK" },
	{ 0x01, "RINVMSGLEN" },
	{ 0x02, "RINVCMDLEN" },
	{ 0x03, "RINVCMDID" },
	{ 0x04, "RINVBNDSTS" },
	{ 0x05, "RALYBND" },
	{ 0x06, "RINVPRTFLG" },
	{ 0x07, "RINVREGDLVFLG" },
	{ 0x08, "RSYSERR" },
	{ 0x0a, "RINVSRCADR" },
	{ 0x0b, "RINVDSTADR" },
	{ 0x0c, "RINVMSGID" },
	{ 0x0d, "RBINDFAIL" },
	{ 0x0e, "RINVPASWD" },
	{ 0x0f, "RINVSYSID" },
	{ 0x11, "RCANCELFAIL" },
	{ 0x13, "RREPLACEFAIL" },
	{ 0x14, "RMSGQFUL" },
	{ 0x15, "RINVSERTYP" },
	{ 0x33, "RINVNUMDESTS" },
	{ 0x34, "RINVDLNAME" },
	{ 0x40, "RINVDESTFLAG" },
	{ 0x42, "RINVSUBREP" },
	{ 0x43, "RINVESMCLASS" },
	{ 0x44, "RCNTSUBDL" },
	{ 0x45, "RSUBMITFAIL" },
	{ 0x48, "RINVSRCTON" },
	{ 0x49, "RINVSRCNPI" },
	{ 0x50, "RINVDSTTON" },
	{ 0x51, "RINVDSTNPI" },
	{ 0x53, "RINVSYSTYP" },
	{ 0x54, "RINVREPFLAG" },
	{ 0x55, "RINVNUMMSGS" },
	{ 0x58, "RTHROTTLED" },
	{ 0x61, "RINVSCHED" },
	{ 0x62, "RINVEXPIRY" },
	{ 0x63, "RINVDFTMSGID" },
	{ 0x64, "RX_T_APPN" },
	{ 0x65, "RX_P_APPN" },
	{ 0x66, "RX_R_APPN" },
	{ 0x67, "RQUERYFAIL" },
	{ 0xc0, "RINVOPTPARSTREAM" },
	{ 0xc1, "ROPTPARNOTALLWD" },
	{ 0xc2, "RINVPARLEN" },
	{ 0xc3, "RMISSINGOPTPARAM" },
	{ 0xc4, "RINVOPTPARAMVAL" },
	{ 0xfe, "RDELIVERYFAILURE" },
	{ 0xff, "RUNKNOWNERR" },
};

/* A mandatory field of a body: where it is in the structure, and how it is written. */
enum kind { KIND_OCTET, KIND_CSTR, KIND_TEXT };

struct field {
	enum kind kind;
	size_t offset;
	size_t max; /* octets of a string, its NUL left out */
};

#define OCTET(type, member)                                                                        \
	{                                                                                          \
		.kind = KIND_OCTET, .offset = offsetof(struct type, member)                        \
	}
#define CSTR(type, member, max_)                                                                   \
	{                                                                                          \
		.kind = KIND_CSTR, .offset = offsetof(struct type, member), .max = max_            \
	}

/* 4.1.5 */
static const struct field bind_fields[] = {
	CSTR(smpp_bind, system_id, SMPP_MAX_SYSTEM_ID),
	CSTR(smpp_bind, password, SMPP_MAX_PASSWORD),
	CSTR(smpp_bind, system_type, SMPP_MAX_SYSTEM_TYPE),
	OCTET(smpp_bind, version),
	OCTET(smpp_bind, ton),
	OCTET(smpp_bind, npi),
	CSTR(smpp_bind, address_range, 40),
};

/* 4.4.1, 4.6.1 */
static const struct field sm_fields[] = {
	CSTR(smpp_sm, service_type, SMPP_MAX_SERVICE_TYPE),
	OCTET(smpp_sm, source_ton),
	OCTET(smpp_sm, source_npi),
	CSTR(smpp_sm, source, SMPP_MAX_ADDRESS),
	OCTET(smpp_sm, dest_ton),
	OCTET(smpp_sm, dest_npi),
	CSTR(smpp_sm, destination, SMPP_MAX_ADDRESS),
	OCTET(smpp_sm, esm_class),
	OCTET(smpp_sm, protocol_id),
	OCTET(smpp_sm, priority),
	CSTR(smpp_sm, schedule, 16),
	CSTR(smpp_sm, validity, 16),
	OCTET(smpp_sm, registered_delivery),
	OCTET(smpp_sm, replace),
	OCTET(smpp_sm, data_coding),
	OCTET(smpp_sm, default_message),
	{ .kind = KIND_TEXT, .offset = offsetof(struct smpp_sm, text), .max = SMPP_MAX_SHORT },
};

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0]),
	STATUSES = sizeof(statuses) / sizeof(statuses[0]),
	BIND_FIELDS = sizeof(bind_fields) / sizeof(bind_fields[0]),
	SM_FIELDS = sizeof(sm_fields) / sizeof(sm_fields[0]),
};

static int
command_index(uint32_t command)
{
	for (int i = 0; i < COMMANDS; i++)
		if (commands[i].command == command)
			return i;
	return -1;
}

const char *
smpp_command_name(uint32_t command)
{
	int i = command_index(command);

	return i < 0 ? NULL : commands[i].name;
}

const char *
smpp_status_name(uint32_t status, char text[16])
{
	for (int i = 0; i < STATUSES; i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	snprintf(text, 16, "0x%08x", (unsigned)status);
	return text;
}

enum dec
smpp_frame(const void *data, size_t len, size_t *size, uint32_t *sequence)
{
	struct cursor c = cursor_make(data, len);

	if (len < 4)
		return DEC_MORE;
	*size = cursor_u32be(&c);
	*sequence = 0;
	if (len >= SMPP_HEADER) {
		cursor_bytes(&c, 8);
		*sequence = cursor_u32be(&c);
	}
	if (*size < SMPP_HEADER || *size > SMPP_MAX_PDU)
		return DEC_BAD;
	return len < *size ? DEC_MORE : DEC_OK;
}

/* A C string of any length: what a peer sends too long is still its text. */
static struct smpp_str
read_cstr(struct cursor *c)
{
	const uint8_t *end = cursor_left(c) ? memchr(c->p, 0, cursor_left(c)) : NULL;

	if (!end) {
		cursor_fail(c);
		return (struct smpp_str){ 0 };
	}
	struct smpp_str s = { (const char *)c->p, (size_t)(end - c->p) };
	c->p = end + 1;
	return s;
}

static void
read_fields(struct cursor *c, const struct field *fields, size_t count, void *to)
{
	for (size_t i = 0; i < count && cursor_ok(c); i++) {
		char *at = (char *)to + fields[i].offset;
		struct smpp_str s;
		switch (fields[i].kind) {
		case KIND_OCTET:
			*(uint8_t *)at = cursor_u8(c);
			break;
		case KIND_CSTR:
			s = read_cstr(c);
			memcpy(at, &s, sizeof(s));
			break;
		case KIND_TEXT:
			s.len = cursor_u8(c);
			s.p = (const char *)cursor_bytes(c, s.len);
			memcpy(at, &s, sizeof(s));
			break;
		}
	}
}

/* 5.3: unknown ones are skipped. */
static void
read_tlvs(struct cursor *c, struct smpp_str *payload)
{
	while (cursor_ok(c) && cursor_left(c) > 0) {
		uint16_t tag = cursor_u16be(c);
		size_t len = cursor_u16be(c);
		const uint8_t *p = cursor_bytes(c, len);
		if (p && tag == TLV_MESSAGE_PAYLOAD)
			*payload = (struct smpp_str){ (const char *)p, len };
	}
}

enum dec
smpp_decode(struct smpp_pdu *pdu, const void *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	struct smpp_str ignored;

	*pdu = (struct smpp_pdu){ 0 };
	if (size < SMPP_HEADER || cursor_u32be(&c) != size)
		return DEC_BAD;
	pdu->command = cursor_u32be(&c);
	pdu->status = cursor_u32be(&c);
	pdu->sequence = cursor_u32be(&c);
	int i = command_index(pdu->command);
	if (i < 0)
		return DEC_UNSUP;
	/* An answer that says an error may come without its body, 3.2. */
	if (commands[i].body == BODY_ID && cursor_left(&c) > 0) {
		pdu->id = read_cstr(&c);
		read_tlvs(&c, &ignored);
	} else if (commands[i].body == BODY_SM) {
		read_fields(&c, sm_fields, SM_FIELDS, &pdu->sm);
		read_tlvs(&c, &pdu->sm.payload);
	}
	pdu->malformed = !cursor_ok(&c);
	return DEC_OK;
}

/* A cursor on the body of a PDU whose command is one of these; a failed one otherwise. */
static struct cursor
body_of(const void *data, size_t size, const uint32_t of[], size_t count)
{
	struct cursor c = cursor_make(data, size);
	bool found = false;

	cursor_bytes(&c, 4);
	uint32_t command = cursor_u32be(&c);
	cursor_bytes(&c, 8);
	for (size_t i = 0; i < count; i++)
		found |= of[i] == command;
	if (!found)
		cursor_fail(&c);
	return c;
}

bool
smpp_decode_sm(struct smpp_sm *sm, const void *data, size_t size)
{
	static const uint32_t of[] = { SMPP_SUBMIT_SM, SMPP_DELIVER_SM };
	struct cursor c = body_of(data, size, of, 2);

	*sm = (struct smpp_sm){ 0 };
	read_fields(&c, sm_fields, SM_FIELDS, sm);
	read_tlvs(&c, &sm->payload);
	return cursor_ok(&c);
}

bool
smpp_decode_bind(struct smpp_bind *bind, const void *data, size_t size)
{
	static const uint32_t of[] = { SMPP_BIND_RECEIVER, SMPP_BIND_TRANSMITTER,
		SMPP_BIND_TRANSCEIVER };
	struct cursor c = body_of(data, size, of, 3);

	*bind = (struct smpp_bind){ 0 };
	read_fields(&c, bind_fields, BIND_FIELDS, bind);
	return cursor_ok(&c);
}

static size_t
begin(struct buffer *b, uint32_t command, uint32_t status, uint32_t sequence)
{
	size_t start = b->len;

	buffer_be(b, 0, 4);
	buffer_be(b, command, 4);
	buffer_be(b, status, 4);
	buffer_be(b, sequence, 4);
	return start;
}

static void
end(struct buffer *b, size_t start)
{
	if (buffer_failed(b))
		return;
	uint32_t size = (uint32_t)(b->len - start);
	uint8_t *p = buffer_data(b) + start;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(size >> (24 - 8 * i));
}

static void
write_fields(struct buffer *b, const struct field *fields, size_t count, const void *from)
{
	for (size_t i = 0; i < count; i++) {
		const char *at = (const char *)from + fields[i].offset;
		struct smpp_str s = { 0 };
		if (fields[i].kind == KIND_OCTET) {
			buffer_u8(b, *(const uint8_t *)at);
			continue;
		}
		memcpy(&s, at, sizeof(s));
		if (s.len > fields[i].max)
			b->failed = true;
		if (fields[i].kind == KIND_TEXT)
			buffer_u8(b, (uint8_t)s.len);
		buffer_append(b, s.p, s.len);
		if (fields[i].kind == KIND_CSTR)
			buffer_u8(b, 0);
	}
}

void
smpp_encode_bind(
    struct buffer *b, uint32_t command, uint32_t sequence, const struct smpp_bind *bind)
{
	size_t start = begin(b, command, 0, sequence);

	write_fields(b, bind_fields, BIND_FIELDS, bind);
	end(b, start);
}

void
smpp_encode_submit(struct buffer *b, uint32_t sequence, const struct smpp_sm *sm)
{
	size_t start = begin(b, SMPP_SUBMIT_SM, 0, sequence);

	write_fields(b, sm_fields, SM_FIELDS, sm);
	if (sm->payload.p) {
		if (sm->payload.len > UINT16_MAX)
			b->failed = true;
		buffer_be(b, TLV_MESSAGE_PAYLOAD, 2);
		buffer_be(b, sm->payload.len, 2);
		buffer_append(b, sm->payload.p, sm->payload.len);
	}
	end(b, start);
}

void
smpp_encode_empty(struct buffer *b, uint32_t command, uint32_t status, uint32_t sequence)
{
	end(b, begin(b, command, status, sequence));
}

void
smpp_encode_answer(
    struct buffer *b, uint32_t command, uint32_t status, uint32_t sequence, const char *text)
{
	size_t start = begin(b, command, status, sequence);

	buffer_append(b, text, strlen(text) + 1);
	end(b, start);
}
