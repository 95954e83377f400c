/*
 * Echo requests and replies of ICMP (RFC 792) and ICMPv6 (RFC 4443, 4), in runner processes.
 *
 * A datagram socket ("ping socket") of Linux sets identifier and checksum by itself and gives
 * messages without their IP header; a raw one of IPv4 gives them with it and takes what we write.
 */
#ifndef PROTOCOLS_ICMP_ICMP_H
#define PROTOCOLS_ICMP_ICMP_H

#include "common/cursor.h"

enum {
	ICMP_HEADER = 8,
	ICMP_DATA = 16, /* octets that the reply gives back */
	ICMP_ECHO = ICMP_HEADER + ICMP_DATA,
	ICMP_MAX = 1500, /* of a reply, IP header included: longer ones are not ours */
};

enum icmp_family { ICMP_V4, ICMP_V6 };

struct icmp_echo {
	uint16_t sequence;
	uint8_t data[ICMP_DATA];
};

/* Writes ICMP_ECHO octets. The checksum is that of IPv4; of IPv6 it is the kernel's. */
void icmp_request_encode(
    uint8_t out[ICMP_ECHO], enum icmp_family family, uint16_t id, const struct icmp_echo *echo);
/* The message that was received, without the IPv4 header that may be before it; NULL where that is
 * not one of ICMP. *len: its octets. */
const uint8_t *icmp_message(enum icmp_family family, const uint8_t *data, size_t *len);
/* DEC_OK: an echo reply of that family with data of ours; DEC_UNSUP: another message; DEC_BAD:
 * none. An IPv4 header before it is passed over, and the checksum then looked at, since the kernel
 * did not. */
enum dec icmp_reply_decode(
    struct icmp_echo *echo, enum icmp_family family, const uint8_t *data, size_t len);

#endif
