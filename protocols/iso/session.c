#include "protocols/iso/session.h"

#include <stdio.h>

/* Parameter identifiers, table 11 and following of X.225. */
enum {
	PGI_CONNECT_ITEM = 5,
	PI_PROTOCOL_OPTIONS = 19,
	PI_REQUIREMENTS = 20,
	PI_VERSION = 22,
	PI_TRANSPORT_DISCONNECT = 17,
	PI_REASON = 50,
	PI_CALLING = 51,
	PI_CALLED = 52,
	PGI_USER_DATA = 193,
	PGI_EXTENDED_USER_DATA = 194,
	VERSION_2 = 2,
	DUPLEX = 2,
	RELEASE_TRANSPORT = 1,
	MAX_USER_DATA = 512, /* octets; more are extended user data */
	LONG_LENGTH = 255,
};

/* Length indicator (8.2.5): one octet, or 255 and two. */
static size_t
read_length(struct cursor *c)
{
	uint8_t len = cursor_u8(c);

	return len == LONG_LENGTH ? cursor_u16be(c) : len;
}

static struct cursor
read_part(struct cursor *c)
{
	size_t len = read_length(c);
	const uint8_t *p = cursor_bytes(c, len);

	return cursor_make(p, len);
}

static bool
read_parameters(struct session_spdu *s, struct cursor *c)
{
	while (cursor_ok(c) && cursor_left(c) > 0) {
		uint8_t id = cursor_u8(c);
		struct cursor value = read_part(c);
		if (!cursor_ok(c))
			return false;
		if (id == PGI_USER_DATA || id == PGI_EXTENDED_USER_DATA) {
			s->data = value.p;
			s->len = cursor_left(&value);
		} else if (id == PI_REASON && cursor_left(&value) > 0) {
			/* User data stands behind a reason of the called user (8.3.5.11). */
			s->reason = cursor_u8(&value);
			s->data = value.p;
			s->len = cursor_left(&value);
		}
	}
	return cursor_ok(c);
}

/* GIVE TOKENS and, behind it, DATA TRANSFER have one number; basic concatenation, 6.3.7. */
static enum dec
decode_data(struct session_spdu *s, struct cursor *c)
{
	uint8_t type = cursor_u8(c);

	read_part(c);
	if (!cursor_ok(c))
		return DEC_BAD;
	s->data = c->p;
	s->len = cursor_left(c);
	return type == SESSION_DT ? DEC_OK : DEC_UNSUP;
}

static bool
is_known(uint8_t type)
{
	static const uint8_t known[] = { SESSION_FN, SESSION_DN, SESSION_RF, SESSION_CN, SESSION_AC,
		SESSION_AB, SESSION_AA };

	return memchr(known, type, sizeof(known));
}

enum dec
session_decode(struct session_spdu *s, const void *data, size_t len)
{
	struct cursor c = cursor_make(data, len);
	uint8_t type = cursor_u8(&c);
	struct cursor parameters = read_part(&c);

	*s = (struct session_spdu){ .type = (enum session_type)type, .reason = -1 };
	if (!cursor_ok(&c))
		return DEC_BAD;
	if (type == SESSION_DT)
		return decode_data(s, &c);
	if (!is_known(type))
		return DEC_UNSUP;
	return read_parameters(s, &parameters) ? DEC_OK : DEC_BAD;
}

static void
put_length(struct buffer *b, size_t len)
{
	if (len < LONG_LENGTH) {
		buffer_u8(b, (uint8_t)len);
		return;
	}
	buffer_u8(b, LONG_LENGTH);
	buffer_be(b, len, 2);
}

static size_t
part_octets(size_t len)
{
	return len < LONG_LENGTH ? 2 + len : 4 + len;
}

static void
put_part(struct buffer *b, uint8_t id, const void *data, size_t len)
{
	buffer_u8(b, id);
	put_length(b, len);
	buffer_append(b, data, len);
}

static void
put_user_data(struct buffer *b, const void *data, size_t len)
{
	put_part(b, len > MAX_USER_DATA ? PGI_EXTENDED_USER_DATA : PGI_USER_DATA, data, len);
}

static size_t
selector_octets(const struct iso_selector *s)
{
	return s->len ? part_octets(s->len) : 0;
}

static void
put_selector(struct buffer *b, uint8_t id, const struct iso_selector *s)
{
	if (s->len)
		put_part(b, id, s->octets, s->len);
}

void
session_encode_connect(struct buffer *b, const struct iso_selector *calling,
    const struct iso_selector *called, const void *data, size_t len)
{
	static const uint8_t fixed[] = { PGI_CONNECT_ITEM, 6, PI_PROTOCOL_OPTIONS, 1, 0, PI_VERSION,
		1, VERSION_2, PI_REQUIREMENTS, 2, 0, DUPLEX };

	buffer_u8(b, SESSION_CN);
	put_length(b,
	    sizeof(fixed) + selector_octets(calling) + selector_octets(called) + part_octets(len));
	buffer_append(b, fixed, sizeof(fixed));
	put_selector(b, PI_CALLING, calling);
	put_selector(b, PI_CALLED, called);
	put_user_data(b, data, len);
}

void
session_encode_end(struct buffer *b, enum session_type type, const void *data, size_t len)
{
	static const uint8_t release[] = { PI_TRANSPORT_DISCONNECT, 1, RELEASE_TRANSPORT };

	buffer_u8(b, (uint8_t)type);
	put_length(b, sizeof(release) + part_octets(len));
	buffer_append(b, release, sizeof(release));
	put_user_data(b, data, len);
}

void
session_put_data_header(uint8_t header[SESSION_DT_HEADER])
{
	static const uint8_t octets[SESSION_DT_HEADER] = { 1, 0, SESSION_DT, 0 };

	memcpy(header, octets, sizeof(octets));
}

/* 8.3.5.11. */
static const struct {
	int reason;
	const char *name;
} reasons[] = {
	{ .reason = 0, .name = "rejected by the called user" },
	{ .reason = 1, .name = "congestion at the called user" },
	{ .reason = 2, .name = "rejected by the called user, with data" },
	{ .reason = 129, .name = "session selector unknown" },
	{ .reason = 130, .name = "no user is attached to the session selector" },
	{ .reason = 131, .name = "congestion at connect time" },
	{ .reason = 132, .name = "proposed versions not supported" },
	{ .reason = 133, .name = "rejected by the provider" },
	{ .reason = 134, .name = "rejected by the provider: implementation restriction" },
};

const char *
session_reason_text(int reason, char text[32])
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	snprintf(text, 32, "reason %d", reason);
	return text;
}
