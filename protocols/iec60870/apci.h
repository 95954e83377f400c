/*
 * APCI of IEC 60870-5-104 (clause 5 of part 104), in runner processes: frames
 * <-> fields, and the transport state machine over (state, frame or time,
 * now): STARTDT, STOPDT, TESTFR, sequence numbers modulo 32768, windows k and
 * w, t1 .. t3. Pure: bytes to send go to a buffer of the caller, who owns the
 * socket. t0 is the caller's as well, who connects.
 */
#ifndef PROTOCOLS_IEC60870_APCI_H
#define PROTOCOLS_IEC60870_APCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/cursor.h"
#include "common/monotime.h"

#define APCI_MAX_WINDOW 32767 /* of k and w */
enum {
	APCI_START = 0x68,
	APCI_SIZE = 6,	/* bytes of an APDU without ASDU */
	APCI_MAX = 255, /* bytes of the longest APDU */
	APCI_MAX_ASDU = 249,
	APCI_MODULO = 32768,
};

enum apci_format { APCI_I, APCI_S, APCI_U };

enum apci_u {
	APCI_STARTDT_ACT = 0x07,
	APCI_STARTDT_CON = 0x0b,
	APCI_STOPDT_ACT = 0x13,
	APCI_STOPDT_CON = 0x23,
	APCI_TESTFR_ACT = 0x43,
	APCI_TESTFR_CON = 0x83,
};

struct apdu {
	enum apci_format format;
	enum apci_u function; /* U */
	uint16_t send;	      /* N(S): I */
	uint16_t receive;     /* N(R): I, S */
	const uint8_t *asdu;  /* I: borrowed */
	size_t len;
};

/* Reads the frame at the beginning of data. DEC_OK: *used bytes are its. DEC_MORE: it is not there
 * whole. DEC_BAD: start octet, length or function are not of the standard; the connection is lost.
 */
enum dec apci_decode(struct apdu *apdu, const void *data, size_t len, size_t *used);
/* Writes it; returns its size. An ASDU over APCI_MAX_ASDU is our own bug. */
size_t apci_encode(const struct apdu *apdu, uint8_t out[APCI_MAX]);

enum apci_state {
	APCI_STOPPED,  /* only U and S frames */
	APCI_STARTING, /* controlling: STARTDT act sent */
	APCI_STARTED,
	APCI_STOPPING, /* controlling: STOPDT act sent; controlled: it came, sent data is
			  unacknowledged */
	APCI_CLOSED,   /* broken; why says by what */
};

const char *apci_state_name(enum apci_state state);

struct apci_params {
	bool controlling; /* the master's side */
	uint32_t k, w;	  /* 1 .. APCI_MAX_WINDOW */
	int64_t t1_ms, t2_ms, t3_ms;
};

struct apci {
	struct apci_params params;
	enum apci_state state;
	uint64_t sent, acked;	  /* I frames since the start: sent, and acknowledged by the peer */
	uint64_t received, told;  /* I frames received, and acknowledged by us */
	struct monotime *sent_at; /* owned: of the unacknowledged ones, by number modulo k */
	struct monotime t1;	  /* deadline of a U act that waits for its con; 0: none */
	enum apci_u waiting;	  /* which con */
	struct monotime t2, t3;	  /* deadlines; 0: none */
	const char *why;	  /* of APCI_CLOSED */
};

/* A connection stands. Returns 0, or -1 with ENOMEM. */
int apci_init(struct apci *a, const struct apci_params *params, struct monotime now);
void apci_clear(struct apci *a);

/* Controlling station: asks to begin or end the data transfer. */
void apci_start(struct apci *a, struct monotime now, struct buffer *out);
void apci_stop(struct apci *a, struct monotime now, struct buffer *out);

/* The meaning of a received frame for the user. */
enum apci_event {
	APCI_NOTHING,
	APCI_ASDU,     /* an I frame in sequence: its ASDU is to be served */
	APCI_ENABLED,  /* data transfer began */
	APCI_DISABLED, /* and ended */
	APCI_BROKEN,   /* the peer broke the protocol: close, see why */
};

enum apci_event apci_receive(
    struct apci *a, const struct apdu *apdu, struct monotime now, struct buffer *out);
/* After the frames of one read: acknowledges when w or more wait for it. */
void apci_settle(struct apci *a, struct buffer *out);

/* Acknowledges all that came, if it was not yet: before the line is not looked at for a while. */
void apci_confirm(struct apci *a, struct buffer *out);

enum apci_state apci_state(const struct apci *a);
/* The fault that ended the protocol; of APCI_CLOSED. */
const char *apci_why(const struct apci *a);
/* The number of I frames that were sent since the start, and acknowledged by the peer. The first
 * has number 1. */
uint64_t apci_sent(const struct apci *a);
uint64_t apci_acked(const struct apci *a);
/* How many more I frames may go out now: 0 unless started. */
uint32_t apci_window(const struct apci *a);
/* Sends an ASDU; only while apci_window() > 0 and len <= APCI_MAX_ASDU. */
void apci_send(
    struct apci *a, const void *asdu, size_t len, struct monotime now, struct buffer *out);

/* The caller did not look at the line for so long: what was due in it is due that much later. */
void apci_postpone(struct apci *a, int64_t ns);

/* When apci_timeout() is to be called; ns 0: never. */
struct monotime apci_deadline(const struct apci *a);
/* Serves what is due: test frames, acknowledgements. APCI_BROKEN when t1 is over. */
enum apci_event apci_timeout(struct apci *a, struct monotime now, struct buffer *out);

#endif
