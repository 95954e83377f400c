/*
 * The bytes of one connection over TCP, with TLS where the device is configured
 * for it: reads, and what is to be written while the kernel does not take it.
 * A loss is told from the loop, never from within a call. In runner processes.
 */
#ifndef DEVICE_RUNNERS_STREAM_H
#define DEVICE_RUNNERS_STREAM_H

#include <ev.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tls.h"

struct stream_ops {
	/* The connection can be used: at once, or after the handshake of TLS. */
	void (*ready)(void *arg);
	/* There may be something to read: call stream_read() until it returns 0. */
	void (*readable)(void *arg);
	/* The connection is lost and closed. */
	void (*closed)(void *arg, const char *why);
};

struct stream {
	struct runner *runner;
	struct ev_loop *loop;
	const struct stream_ops *ops;
	void *arg;
	int fd; /* -1: closed */
	const struct tls_ops *tls_ops;
	struct tls *tls;
	bool handshaking, write_waits;
	ev_io in, out_io;
	ev_timer closing;
	struct buffer out;
	char why[TLS_WHY];
};

/* limit: bytes that may wait to be written. Borrows ops, arg. */
void stream_init(
    struct stream *s, struct runner *r, size_t limit, const struct stream_ops *ops, void *arg);
/* Takes fd (connected, non-blocking) and tls (NULL: none). ready() follows from the loop. */
void stream_open(struct stream *s, int fd, const struct tls_ops *tls_ops, struct tls *tls);
/* Closes without telling anybody. A closed one is fine. */
void stream_close(struct stream *s);
bool stream_is_open(const struct stream *s);
/* Bytes that are appended here are written by stream_flush(). */
struct buffer *stream_out(struct stream *s);
/* Writes what the kernel takes; the rest goes as soon as it does. A failed buffer ends the
 * connection. */
void stream_flush(struct stream *s);
/* Bytes that were read, 0: none now, or the connection ended, which closed() will tell. */
size_t stream_read(struct stream *s, void *p, size_t size);
/* The same, into a buffer: at most size bytes are added. Exits when out of memory. */
size_t stream_read_buffer(struct stream *s, struct buffer *in, size_t size);
/* Ends the connection; closed() follows with why. */
void stream_break(struct stream *s, const char *why);
/* Breaks a TLS connection whose peer's certificate does not hold by newly read files. */
void stream_check(struct stream *s, struct tls_context *context);
/* Stops and starts reading. */
void stream_pause(struct stream *s, bool pause);

#endif
