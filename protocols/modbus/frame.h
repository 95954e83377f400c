/*
 * Modbus framing over any byte stream: TCP (MODBUS Messaging on TCP/IP, clause
 * 3.1.3, MBAP), RTU and ASCII (MODBUS over Serial Line V1.02, clauses 2.5.1 and
 * 2.5.2). RTU finds the end of a frame by the function's own length and its CRC;
 * silence is only the way out of noise. Pure; in the Modbus runner.
 */
#ifndef PROTOCOLS_MODBUS_FRAME_H
#define PROTOCOLS_MODBUS_FRAME_H

#include "protocols/modbus/pdu.h"

enum modbus_framing { MODBUS_TCP, MODBUS_RTU, MODBUS_ASCII };

enum {
	MODBUS_MAX_FRAME = 1 + 2 * (1 + MODBUS_MAX_PDU + 1) + 2, /* ASCII's is the longest */
	MODBUS_STREAM_SIZE = 1024,  /* bytes kept while no frame is found */
	MODBUS_MAX_LOOSE_PDU = 260, /* in an MBAP frame: some pad what they send */
};

struct modbus_frame {
	uint16_t transaction; /* TCP, else 0 */
	uint8_t unit;
	const uint8_t *pdu; /* borrowed from the stream until its next call */
	size_t len;	    /* up to MODBUS_MAX_LOOSE_PDU */
};

/* Returns the length of the frame. len <= MODBUS_MAX_PDU. */
size_t modbus_frame_encode(enum modbus_framing framing, uint16_t transaction, uint8_t unit,
    const uint8_t *pdu, size_t len, uint8_t out[MODBUS_MAX_FRAME]);

/* The answer that a master waits for: a stream finds it behind or inside of noise at once. */
struct modbus_expect {
	uint16_t transaction;
	uint8_t unit;
	uint8_t fc;
	bool or_zero; /* a transaction identifier of 0 will do as well */
};

/* Whether the frame is of the unit, function and transaction waited for. */
bool modbus_expected(
    enum modbus_framing framing, const struct modbus_expect *e, const struct modbus_frame *f);

struct modbus_stream {
	enum modbus_framing framing;
	enum modbus_direction dir; /* of what is received */
	uint64_t skipped;	   /* bytes thrown away, for ever */
	size_t head, len;	   /* content is buf[head .. head + len) */
	uint8_t buf[MODBUS_STREAM_SIZE];
	uint8_t pdu[MODBUS_STREAM_SIZE / 2]; /* an ASCII frame in binary */
};

void modbus_stream_init(
    struct modbus_stream *s, enum modbus_framing framing, enum modbus_direction dir);
/* The place for the next bytes, *room of them (never 0); then commit how many there are. */
uint8_t *modbus_stream_room(struct modbus_stream *s, size_t *room);
void modbus_stream_commit(struct modbus_stream *s, size_t n);

/* The next frame with a right checksum: DEC_OK, or DEC_MORE. expect may be NULL; with it, a frame
 * that fits is found wherever it starts. DEC_BAD: a TCP stream without expect lost its framing and
 * can not be followed. */
enum dec modbus_stream_next(
    struct modbus_stream *s, const struct modbus_expect *expect, struct modbus_frame *frame);
/* The line fell silent, so nothing that is left is still to be continued. DEC_OK: it is one RTU
 * frame (of a function whose length is not known), or there was a whole frame behind noise; call
 * again. DEC_MORE: the rest is thrown away. */
enum dec modbus_stream_silence(struct modbus_stream *s, struct modbus_frame *frame);
/* A stream that knows no silence (RTU over TCP): DEC_OK where its content is one request, to its
 * checksum, of a function whose length is not known; else DEC_MORE. */
enum dec modbus_stream_unknown(struct modbus_stream *s, struct modbus_frame *frame);
/* On an RTU line with other slaves, behind a request to one of them (unit and function in `of`):
 * passes over its answer. DEC_OK: it was there and is gone; DEC_MORE: it is still arriving;
 * DEC_BAD: what comes first is no such answer. */
enum dec modbus_stream_pass(struct modbus_stream *s, const struct modbus_expect *of);
/* Behind what is no request, or not yet: a whole RTU request for a unit that `ours` accepts, to the
 * last byte that came. DEC_OK, or DEC_MORE and nothing is changed. */
enum dec modbus_stream_find(struct modbus_stream *s, bool (*ours)(const void *arg, uint8_t unit),
    const void *arg, struct modbus_frame *frame);
/* Drops the first n <= s->len bytes, which are known to be no frame for us. */
void modbus_stream_drop(struct modbus_stream *s, size_t n);
/* Throws the content away. */
void modbus_stream_reset(struct modbus_stream *s);

static inline bool
modbus_stream_pending(const struct modbus_stream *s)
{
	return s->len > 0;
}

uint16_t modbus_crc(const uint8_t *p, size_t len);

#endif
