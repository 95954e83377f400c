/*
 * Frames for people, in runner processes: `gatewayctl trace` and the log level
 * debug show each frame that a device receives and sends, decoded in a line.
 * Costs a comparison while neither asks.
 */
#ifndef DEVICE_RUNNERS_REPORT_TRACE_H
#define DEVICE_RUNNERS_REPORT_TRACE_H

#include <sys/socket.h>

#include "common/textbuf.h"
#include "device-runners/runtime/runner.h"

enum {
	TRACE_ADDRESS = 128, /* of a socket, or the path of a serial port */
	TRACE_TEXT = 480,    /* bytes of a decoded line */
};

enum trace_direction { TRACE_RX, TRACE_TX };

/* Decodes foreign bytes, which are hostile: writes one line of plain text. */
typedef void trace_decode(struct textbuf *out, const void *arg, enum trace_direction dir,
    const uint8_t *frame, size_t len);

/* The frames of one connection, or of one device where that is the same. */
struct trace {
	struct runner *runner;
	const char *protocol; /* a word of gateway-ipc(7) */
	trace_decode *decode;
	const void *arg;
	bool serves; /* the device is the server: a slave, a controlled station */
	char local[TRACE_ADDRESS], remote[TRACE_ADDRESS]; /* "192.0.2.1:502", a path, or "" */
};

/* protocol: a constant of at most IPC_MAX_TEXT bytes. Borrows arg. */
void trace_init(struct trace *t, struct runner *r, const char *protocol, bool serves,
    trace_decode *decode, const void *arg);
/* Its addresses: those of a connected socket, */
void trace_set_socket(struct trace *t, int fd);
/* of who is at the other side of a socket that is not connected, */
void trace_set_remote(struct trace *t, const struct sockaddr_storage *remote);
/* or its name: the path of a serial port, a host. Is cut. */
void trace_set_name(struct trace *t, const char *name);

/* Whether somebody wants to see frames. */
bool trace_is_wanted(const struct trace *t);
/* One frame that was received, or is sent. */
void trace_show(struct trace *t, enum trace_direction dir, const void *frame, size_t len);
/* Bytes that were received and are no frame of the protocol. */
void trace_noise(struct trace *t, const void *bytes, size_t len);
static inline void
trace_frame(struct trace *t, enum trace_direction dir, const void *frame, size_t len)
{
	if (trace_is_wanted(t))
		trace_show(t, dir, frame, len);
}

#endif
