/* An ICMP or ICMPv6 message as one line for people. Pure; in the runner of ping. */
#ifndef PROTOCOLS_ICMP_ICMP_TEXT_H
#define PROTOCOLS_ICMP_ICMP_TEXT_H

#include "common/textbuf.h"
#include "protocols/icmp/icmp.h"

/* Without an IP header: "echo reply, identifier 7, sequence 12, 16 bytes". */
void icmp_text(struct textbuf *t, enum icmp_family family, const uint8_t *p, size_t len);

#endif
