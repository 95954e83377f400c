#include "device-runners/modbus/frames.h"

#include <stdlib.h>
#include <string.h>

#include "protocols/modbus/text.h"

static const char *const protocols[] = {
	[MODBUS_TCP] = "modbus-tcp",
	[MODBUS_RTU] = "modbus-rtu",
	[MODBUS_ASCII] = "modbus-ascii",
};

static void
decode(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	const struct frames *f = arg;
	enum modbus_direction sent =
	    f->received == MODBUS_REQUEST ? MODBUS_RESPONSE : MODBUS_REQUEST;

	modbus_frame_text(out, f->framing, dir == TRACE_RX ? f->received : sent, p, len);
}

void
frames_init(struct frames *f, struct runner *r, const struct conf_transport *transport,
    enum modbus_direction received)
{
	*f = (struct frames){ .framing = transport->framing, .received = received };
	trace_init(&f->trace, r, protocols[f->framing], received == MODBUS_REQUEST, decode, f);
}

void
frames_open(struct frames *f, const struct conf_transport *transport, int fd)
{
	if (transport->serial)
		trace_set_name(&f->trace, transport->tty.path);
	else
		trace_set_socket(&f->trace, fd);
}

static void
show(struct frames *f, const struct modbus_frame *frame)
{
	uint8_t bytes[2 * MODBUS_STREAM_SIZE];
	size_t n = modbus_frame_encode(
	    f->framing, frame->transaction, frame->unit, frame->pdu, frame->len, bytes);

	trace_frame(&f->trace, TRACE_RX, bytes, n);
}

static enum dec
next(struct modbus_stream *s, struct modbus_frame *frame)
{
	return modbus_stream_next(s, NULL, frame);
}

/* Shows the frames that `step` finds, and before each what it skipped. */
static void
drain(struct frames *f, enum dec (*step)(struct modbus_stream *s, struct modbus_frame *frame))
{
	struct modbus_stream *s = f->stream;
	struct modbus_frame frame;
	enum dec dec;

	do {
		const uint8_t *before = s->buf + s->head; /* stays until more is read */
		size_t had = s->len;
		uint64_t skipped = s->skipped;
		dec = step(s, &frame);
		size_t noise = (size_t)(s->skipped - skipped);
		/* All that is left was given up; a TCP stream that lost its framing is followed
		 * from the next bytes on. */
		if (dec == DEC_BAD)
			modbus_stream_reset(s);
		if (dec == DEC_BAD || (dec == DEC_MORE && s->len == 0))
			noise = had;
		if (noise)
			trace_noise(&f->trace, before, noise);
		if (dec == DEC_OK)
			show(f, &frame);
	} while (dec == DEC_OK);
}

void
frames_received(struct frames *f, const uint8_t *bytes, size_t len)
{
	if (!trace_is_wanted(&f->trace)) {
		frames_close(f);
		return;
	}
	if (!f->stream && (f->stream = malloc(sizeof(*f->stream))))
		modbus_stream_init(f->stream, f->framing, f->received);
	for (size_t room; f->stream && len > 0; bytes += room, len -= room) {
		uint8_t *to = modbus_stream_room(f->stream, &room);
		room = room < len ? room : len;
		memcpy(to, bytes, room);
		modbus_stream_commit(f->stream, room);
		drain(f, next);
	}
}

void
frames_sent(struct frames *f, const uint8_t *frame, size_t len)
{
	/* Bytes that a serial line has brought before are not continued any more. */
	if (f->stream && f->framing != MODBUS_TCP)
		drain(f, modbus_stream_silence);
	trace_frame(&f->trace, TRACE_TX, frame, len);
}

void
frames_close(struct frames *f)
{
	if (f->stream)
		drain(f, modbus_stream_silence);
	free(f->stream);
	f->stream = NULL;
}
