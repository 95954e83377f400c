/* Shared by listener.c and listener_v3.c. In the SNMP runner. */
#ifndef DEVICE_RUNNERS_SNMP_LISTENER_PRIVATE_H
#define DEVICE_RUNNERS_SNMP_LISTENER_PRIVATE_H

#include "device-runners/snmp/listener.h"

/* listener.c: hands on the PDU of a message that is proved. NULL, or why it is dropped. */
const char *listener_hear(
    struct listener *l, const struct snmp_message *m, const struct snmp_pdu *pdu);

/* listener_v3.c */
const char *listener_v3_receive(struct listener *l, struct snmp_message *m, struct snmp_pdu *pdu,
    const uint8_t *data, struct monotime now);

#endif
