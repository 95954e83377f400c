/*
 * The events of REGISTER as bytes: what a runner writes and the supervisor
 * reads, thousands of times a second; so without a tree in between. Every other
 * message goes through msgpack-c. The bytes are msgpack all the same.
 */
#ifndef IPC_EVENT_H
#define IPC_EVENT_H

#include "common/cursor.h"
#include "common/monotime.h"
#include "ipc/message.h"

struct ipc_text {
	const char *p;
	size_t len;
};

enum ipc_payload { IPC_PAYLOAD_NONE, IPC_PAYLOAD_JSON, IPC_PAYLOAD_BINARY };

/* Texts are borrowed. */
struct ipc_event {
	size_t count; /* segments, 1 to IPC_MAX_SEGMENTS */
	struct ipc_text segments[IPC_MAX_SEGMENTS];
	/* Set by reading: its type as it came, and whether that is ASCII without a NUL. */
	struct ipc_text type;
	bool plain;
	bool has_source;
	struct timestamp source;
	enum ipc_payload payload;
	struct ipc_text payload_type; /* of a binary one */
	struct ipc_text data;
};

/* Reads one event [N?TP] and moves behind it. NULL, or what is wrong with it, a constant text. This
 * is the one check of an event: bytes, limits, UTF-8, and JSON where the payload is one. known: a
 * payload of the same message that was JSON, or no bytes; then this event's, if it is JSON. */
const char *ipc_event_read(struct ipc_event *e, struct cursor *c, struct ipc_text *known);
/* The count of a REGISTER's body that ipc_check() took; its events follow, and nothing behind them:
 * the reader looks at both. */
uint32_t ipc_events_begin(struct cursor *c);

/* The most bytes that ipc_event_write() needs. */
size_t ipc_event_bound(const struct ipc_event *e);
/* Writes the event and returns its end. */
uint8_t *ipc_event_write(const struct ipc_event *e, uint8_t *p);

#endif
