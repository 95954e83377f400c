/*
 * FT1.2 frames (IEC 60870-5-1 clause 6.2.4.2, IEC 60870-5-2 clause 5): the single character E5,
 * frames of fixed length (start 10) and of variable length (start 68), with a link address of 0, 1
 * or 2 bytes. Used by 101 and 103, in the iec60870 runner. Pure: bytes <-> struct, and a receiver
 * that finds frames in a stream with anything in it.
 */
#ifndef PROTOCOLS_IEC60870_FT12_H
#define PROTOCOLS_IEC60870_FT12_H

#include "common/cursor.h"

enum {
	FT12_MAX_USER = 255,		    /* L: control field, address and link user data */
	FT12_MAX_FRAME = FT12_MAX_USER + 6, /* start, L, L, start ... checksum, end */
	FT12_RX_SIZE = 4 * FT12_MAX_FRAME,  /* what a receiver holds at once */
};

/* Function codes of the primary station (PRM = 1), IEC 60870-5-2 tables 1 and 3. */
enum ft12_request {
	FT12_RESET_LINK = 0,
	FT12_RESET_PROCESS = 1,
	FT12_TEST = 2,
	FT12_DATA = 3,		/* SEND/CONFIRM */
	FT12_DATA_NO_REPLY = 4, /* SEND/NO REPLY */
	FT12_RESET_FCB = 7,	/* of 103 only */
	FT12_REQ_ACCESS_DEMAND = 8,
	FT12_REQ_STATUS = 9,
	FT12_REQ_CLASS1 = 10,
	FT12_REQ_CLASS2 = 11,
};

/* Function codes of the secondary station (PRM = 0), tables 2 and 4. */
enum ft12_response {
	FT12_ACK = 0,
	FT12_NACK = 1,
	FT12_RES_DATA = 8,
	FT12_RES_NO_DATA = 9,
	FT12_RES_STATUS = 11,
	FT12_NOT_FUNCTIONING = 14,
	FT12_NOT_IMPLEMENTED = 15,
};

enum ft12_kind {
	FT12_SINGLE,	/* the character E5: a positive or empty answer without an address */
	FT12_PRIMARY,	/* PRM = 1 */
	FT12_SECONDARY, /* PRM = 0 */
};

struct ft12_params {
	uint8_t address_size; /* 0, 1, 2 */
	bool direction;	      /* balanced: bit 7 of the control field is DIR */
};

struct ft12_frame {
	enum ft12_kind kind;
	bool dir;	     /* DIR: true from A to B; false where params.direction is */
	bool fcb, fcv;	     /* primary */
	bool acd, dfc;	     /* secondary */
	uint8_t function;    /* enum ft12_request or ft12_response */
	uint16_t address;    /* 0 where address_size is */
	const uint8_t *data; /* link user data, borrowed */
	size_t len;
};

/* The address that every secondary station takes for its own (clause 5.1.3); address_size 1 or 2.
 */
uint16_t ft12_broadcast(uint8_t address_size);

/* Writes at most FT12_MAX_FRAME bytes; fixed length where there is no data. Returns the length, or
 * -1 with EINVAL (address, function) or EMSGSIZE (data). */
int ft12_encode(
    const struct ft12_params *p, const struct ft12_frame *f, uint8_t out[FT12_MAX_FRAME]);

/* One frame at the start of the bytes. DEC_OK and DEC_UNSUP (valid, function code not defined) set
 * *f, which borrows from bytes, and *size. DEC_BAD: no frame starts here. */
enum dec ft12_decode(
    const struct ft12_params *p, const void *bytes, size_t len, struct ft12_frame *f, size_t *size);

/* The receiver: finds frames among garbage. E5 is believed where a frame may begin and nothing but
 * another frame follows, not among garbage: a damaged frame may hold any byte. */
struct ft12_rx {
	struct ft12_params params;
	uint8_t buf[FT12_RX_SIZE];
	size_t head, len;
	bool lost;	  /* garbage was seen, a boundary not yet */
	uint64_t garbage; /* bytes skipped, ever */
};

void ft12_rx_init(struct ft12_rx *rx, struct ft12_params params);
/* Takes up to n bytes, returns how many. Frames given before are no longer valid. */
size_t ft12_rx_put(struct ft12_rx *rx, const void *bytes, size_t n);
/* The next frame: DEC_OK or DEC_UNSUP with *f valid until the next put; DEC_MORE: none. */
enum dec ft12_rx_next(struct ft12_rx *rx, struct ft12_frame *f);
/* The line was quiet for longer than a frame may pause: what is incomplete will stay so. */
void ft12_rx_gap(struct ft12_rx *rx);
/* An incomplete frame waits for more bytes. */
bool ft12_rx_partial(const struct ft12_rx *rx);

#endif
