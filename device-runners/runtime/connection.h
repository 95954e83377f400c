/*
 * The words for the state of a connection: in the payloads of status events and
 * in what gatewayctl shows under LINK. In runner processes.
 */
#ifndef DEVICE_RUNNERS_CONNECTION_H
#define DEVICE_RUNNERS_CONNECTION_H

#include "device-runners/runtime/runner.h"

enum connection_status {
	CONNECTION_CONNECTING,
	CONNECTION_CONNECTED,
	CONNECTION_DISCONNECTED,
};

/* "CONNECTING", "CONNECTED", "DISCONNECTED". */
const char *connection_status_name(enum connection_status status);
/* Registers the name as the payload of an event of this type, without a source timestamp. */
void connection_register_status(
    struct runner *r, const char *const type[], size_t type_len, enum connection_status status);
/* Registers gateway/status, and tells gatewayctl. */
void connection_tell(struct runner *r, enum connection_status status);
/* Tells gatewayctl alone: the link's word is the name in small letters. */
void connection_set_link(struct runner *r, enum connection_status status);

#endif
