#include "protocols/icmp/icmp.h"

enum {
	V4_REQUEST = 8,
	V4_REPLY = 0,
	V6_REQUEST = 128,
	V6_REPLY = 129,
	CHECKSUM_AT = 2,
	IP_VERSION_4 = 4,
	IP_MIN_HEADER = 20,
	IP_PROTOCOL_AT = 9,
	IP_PROTOCOL_ICMP = 1,
};

/* RFC 1071; 0 over a message that carries its checksum. */
static uint16_t
checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len % 2)
		sum += (uint32_t)(p[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void
icmp_request_encode(
    uint8_t out[ICMP_ECHO], enum icmp_family family, uint16_t id, const struct icmp_echo *echo)
{
	const uint8_t head[ICMP_HEADER] = { family == ICMP_V4 ? V4_REQUEST : V6_REQUEST, 0, 0, 0,
		(uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(echo->sequence >> 8),
		(uint8_t)echo->sequence };

	memcpy(out, head, ICMP_HEADER);
	memcpy(out + ICMP_HEADER, echo->data, ICMP_DATA);
	uint16_t sum = family == ICMP_V4 ? checksum(out, ICMP_ECHO) : 0;
	out[CHECKSUM_AT] = (uint8_t)(sum >> 8);
	out[CHECKSUM_AT + 1] = (uint8_t)sum;
}

/* An IPv4 header is one by its first octet: as the type of a message that would be one of 64 to 79,
 * which are none of ours. False where it is cut short or not one of ICMP. */
static bool
pass_ip_header(struct cursor *c, bool *raw)
{
	*raw = cursor_left(c) && c->p[0] >> 4 == IP_VERSION_4;
	if (!*raw)
		return true;
	size_t size = (size_t)(c->p[0] & 15) * 4;
	const uint8_t *ip = size >= IP_MIN_HEADER ? cursor_bytes(c, size) : NULL;
	return ip && ip[IP_PROTOCOL_AT] == IP_PROTOCOL_ICMP;
}

const uint8_t *
icmp_message(enum icmp_family family, const uint8_t *data, size_t *len)
{
	struct cursor c = cursor_make(data, *len);
	bool raw;

	if (family == ICMP_V4 && !pass_ip_header(&c, &raw))
		return NULL;
	*len = cursor_left(&c);
	return c.p;
}

enum dec
icmp_reply_decode(struct icmp_echo *echo, enum icmp_family family, const uint8_t *data, size_t len)
{
	struct cursor c = cursor_make(data, len);
	bool raw = false;

	if (family == ICMP_V4 && !pass_ip_header(&c, &raw))
		return DEC_BAD;
	if (raw && checksum(c.p, cursor_left(&c)) != 0)
		return DEC_BAD;
	uint8_t type = cursor_u8(&c), code = cursor_u8(&c);
	cursor_u32be(&c); /* checksum and identifier */
	echo->sequence = cursor_u16be(&c);
	if (!cursor_ok(&c))
		return DEC_BAD;
	if (type != (family == ICMP_V4 ? V4_REPLY : V6_REPLY) || code != 0 ||
	    cursor_left(&c) != ICMP_DATA)
		return DEC_UNSUP;
	memcpy(echo->data, c.p, ICMP_DATA);
	return DEC_OK;
}
