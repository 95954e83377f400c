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
	{ .command = SMPP_GENERIC_NACK, .name = "generic_nack", .body = BODY_NONE },
	{ .command = SMPP_BIND_RECEIVER, .name = "bind_receiver", .body = BODY_BIND },
	{ .command = SMPP_BIND_RECEIVER | SMPP_RESPONSE,
	    .name = "bind_receiver_resp",
	    .body = BODY_ID },
	{ .command = SMPP_BIND_TRANSMITTER, .name = "bind_transmitter", .body = BODY_BIND },
	{ .command = SMPP_BIND_TRANSMITTER | SMPP_RESPONSE,
	    .name = "bind_transmitter_resp",
	    .body = BODY_ID },
	{ .command = SMPP_SUBMIT_SM, .name = "submit_sm", .body = BODY_SM },
	{ .command = SMPP_SUBMIT_SM | SMPP_RESPONSE, .name = "submit_sm_resp", .body = BODY_ID },
	{ .command = SMPP_DELIVER_SM, .name = "deliver_sm", .body = BODY_SM },
	{ .command = SMPP_DELIVER_SM | SMPP_RESPONSE, .name = "deliver_sm_resp", .body = BODY_ID },
	{ .command = SMPP_UNBIND, .name = "unbind", .body = BODY_NONE },
	{ .command = SMPP_UNBIND | SMPP_RESPONSE, .name = "unbind_resp", .body = BODY_NONE },
	{ .command = SMPP_BIND_TRANSCEIVER, .name = "bind_transceiver", .body = BODY_BIND },
	{ .command = SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE,
	    .name = "bind_transceiver_resp",
	    .body = BODY_ID },
	{ .command = SMPP_OUTBIND, .name = "outbind", .body = BODY_OTHER },
	{ .command = SMPP_ENQUIRE_LINK, .name = "enquire_link", .body = BODY_NONE },
	{ .command = SMPP_ENQUIRE_LINK | SMPP_RESPONSE,
	    .name = "enquire_link_resp",
	    .body = BODY_NONE },
	{ .command = SMPP_ALERT_NOTIFICATION, .name = "alert_notification", .body = BODY_OTHER },
	{ .command = SMPP_DATA_SM, .name = "data_sm", .body = BODY_OTHER },
	{ .command = SMPP_DATA_SM | SMPP_RESPONSE, .name = "data_sm_resp", .body = BODY_ID },
};

/* Clause 5.1.3. */
static const struct {
	uint32_t status;
	const char *name;
} statuses[] = {
	{ .status = 0x00, .name = "ROK" },
	{ .status = 0x01, .name = "RINVMSGLEN" },
	{ .status = 0x02, .name = "RINVCMDLEN" },
	{ .status = 0x03, .name = "RINVCMDID" },
	{ .status = 0x04, .name = "RINVBNDSTS" },
	{ .status = 0x05, .name = "RALYBND" },
	{ .status = 0x06, .name = "RINVPRTFLG" },
	{ .status = 0x07, .name = "RINVREGDLVFLG" },
	{ .status = 0x08, .name = "RSYSERR" },
	{ .status = 0x0a, .name = "RINVSRCADR" },
	{ .status = 0x0b, .name = "RINVDSTADR" },
	{ .status = 0x0c, .name = "RINVMSGID" },
	{ .status = 0x0d, .name = "RBINDFAIL" },
	{ .status = 0x0e, .name = "RINVPASWD" },
	{ .status = 0x0f, .name = "RINVSYSID" },
	{ .status = 0x11, .name = "RCANCELFAIL" },
	{ .status = 0x13, .name = "RREPLACEFAIL" },
	{ .status = 0x14, .name = "RMSGQFUL" },
	{ .status = 0x15, .name = "RINVSERTYP" },
	{ .status = 0x33, .name = "RINVNUMDESTS" },
	{ .status = 0x34, .name = "RINVDLNAME" },
	{ .status = 0x40, .name = "RINVDESTFLAG" },
	{ .status = 0x42, .name = "RINVSUBREP" },
	{ .status = 0x43, .name = "RINVESMCLASS" },
	{ .status = 0x44, .name = "RCNTSUBDL" },
	{ .status = 0x45, .name = "RSUBMITFAIL" },
	{ .status = 0x48, .name = "RINVSRCTON" },
	{ .status = 0x49, .name = "RINVSRCNPI" },
	{ .status = 0x50, .name = "RINVDSTTON" },
	{ .status = 0x51, .name = "RINVDSTNPI" },
	{ .status = 0x53, .name = "RINVSYSTYP" },
	{ .status = 0x54, .name = "RINVREPFLAG" },
	{ .status = 0x55, .name = "RINVNUMMSGS" },
	{ .status = 0x58, .name = "RTHROTTLED" },
	{ .status = 0x61, .name = "RINVSCHED" },
	{ .status = 0x62, .name = "RINVEXPIRY" },
	{ .status = 0x63, .name = "RINVDFTMSGID" },
	{ .status = 0x64, .name = "RX_T_APPN" },
	{ .status = 0x65, .name = "RX_P_APPN" },
	{ .status = 0x66, .name = "RX_R_APPN" },
	{ .status = 0x67, .name = "RQUERYFAIL" },
	{ .status = 0xc0, .name = "RINVOPTPARSTREAM" },
	{ .status = 0xc1, .name = "ROPTPARNOTALLWD" },
	{ .status = 0xc2, .name = "RINVPARLEN" },
	{ .status = 0xc3, .name = "RMISSINGOPTPARAM" },
	{ .status = 0xc4, .name = "RINVOPTPARAMVAL" },
	{ .status = 0xfe, .name = "RDELIVERYFAILURE" },
	{ .status = 0xff, .name = "RUNKNOWNERR" },
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
