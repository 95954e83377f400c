/* An SNMP message as one line for people. Pure; in the SNMP runner. */
#ifndef PROTOCOLS_SNMP_TEXT_H
#define PROTOCOLS_SNMP_TEXT_H

#include "common/textbuf.h"
#include "protocols/snmp/message.h"

/* "v2c response 5: 1.3.6.1.2.1.1.5.0 "ups7"". The community is not shown; of an encrypted message
 * what is in the clear is. */
void snmp_message_text(struct textbuf *t, const uint8_t *data, size_t len);
/* The PDU of a message that was decrypted. */
void snmp_pdu_text(struct textbuf *t, const struct snmp_pdu *pdu);

#endif
