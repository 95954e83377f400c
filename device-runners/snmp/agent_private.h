/* Shared by agent.c and agent_v3.c. In the SNMP runner. */
#ifndef DEVICE_RUNNERS_SNMP_AGENT_PRIVATE_H
#define DEVICE_RUNNERS_SNMP_AGENT_PRIVATE_H

#include "device-runners/snmp/agent.h"

/* agent.c */
int32_t agent_next_id(struct agent *a);
struct agent_request *agent_find(struct agent *a, int32_t id);
/* Frees the request, then tells its owner. */
void agent_end(struct agent *a, struct agent_request *q, const struct agent_answer *answer);
/* Another try, now. False where it does not fit a datagram. */
bool agent_send(struct agent *a, struct agent_request *q, struct monotime now);

/* agent_v3.c */
void agent_discover(struct agent *a, struct monotime now);
size_t agent_v3_encode(struct agent *a, uint8_t *out, size_t size,
    const struct snmp_content *content, struct monotime now);
void agent_v3_receive(struct agent *a, struct snmp_message *m, struct snmp_pdu *pdu,
    const uint8_t *data, struct monotime now);

#endif
