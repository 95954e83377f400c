/*
 * The frames of one Modbus connection for `gatewayctl trace` and the log:
 * follows what is received byte by byte, by the protocol's own framing, and
 * shows whole frames, and what is no frame as it came. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_FRAMES_H
#define DEVICE_RUNNERS_MODBUS_FRAMES_H

#include "device-runners/modbus/conf/conf.h"
#include "device-runners/runtime/report/trace.h"

struct frames {
	struct trace trace;
	enum modbus_framing framing;
	enum modbus_direction received;
	struct modbus_stream *stream; /* of what is received; owned; NULL while nobody looks */
};

/* received: of a master, responses. Borrows transport. The frames do not move afterwards. */
void frames_init(struct frames *f, struct runner *r, const struct conf_transport *transport,
    enum modbus_direction received);
/* A connection, or a serial line, is open. */
void frames_open(struct frames *f, const struct conf_transport *transport, int fd);
/* One whole frame. */
void frames_sent(struct frames *f, const uint8_t *frame, size_t len);
/* Bytes that were read. */
void frames_received(struct frames *f, const uint8_t *bytes, size_t len);
/* The connection is over. A closed one is fine, and one of zeros. */
void frames_close(struct frames *f);

#endif
