/*
 * The Modbus protocol data unit (MODBUS Application Protocol V1.1b3, clauses 4
 * and 6): function codes 1 to 6, 15, 16, 22 and 24, both directions, and
 * exceptions. Pure; used by the runner of the Modbus family.
 */
#ifndef PROTOCOLS_MODBUS_PDU_H
#define PROTOCOLS_MODBUS_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cursor.h"

enum {
	MODBUS_MAX_PDU = 253,	      /* bytes, clause 4.1 */
	MODBUS_MAX_READ_BITS = 2000,  /* of one request, clauses 6.1, 6.2 */
	MODBUS_MAX_READ_REGS = 125,   /* clauses 6.3, 6.4 */
	MODBUS_MAX_WRITE_BITS = 1968, /* clause 6.11 */
	MODBUS_MAX_WRITE_REGS = 123,  /* clause 6.12 */
	MODBUS_MAX_FIFO_REGS = 31,    /* clause 6.18 */
	MODBUS_ADDRESSES = 65536,
};

enum modbus_fc {
	MODBUS_READ_COILS = 1,
	MODBUS_READ_DISCRETE_INPUTS = 2,
	MODBUS_READ_HOLDING_REGISTERS = 3,
	MODBUS_READ_INPUT_REGISTERS = 4,
	MODBUS_WRITE_SINGLE_COIL = 5,
	MODBUS_WRITE_SINGLE_REGISTER = 6,
	MODBUS_WRITE_MULTIPLE_COILS = 15,
	MODBUS_WRITE_MULTIPLE_REGISTERS = 16,
	MODBUS_MASK_WRITE_REGISTER = 22,
	MODBUS_READ_FIFO_QUEUE = 24,
};

/* Exception codes, clause 7. A device may send others. */
enum modbus_exception {
	MODBUS_ILLEGAL_FUNCTION = 1,
	MODBUS_ILLEGAL_DATA_ADDRESS = 2,
	MODBUS_ILLEGAL_DATA_VALUE = 3,
	MODBUS_DEVICE_FAILURE = 4,
	MODBUS_ACKNOWLEDGE = 5, /* it takes its time: ask again */
	MODBUS_DEVICE_BUSY = 6,
	MODBUS_GATEWAY_PATH_UNAVAILABLE = 10,
	MODBUS_GATEWAY_TARGET_FAILED = 11,
};

enum modbus_direction { MODBUS_REQUEST, MODBUS_RESPONSE };

struct modbus_pdu {
	uint8_t fc;	   /* enum modbus_fc, never with 0x80; what was read where unsupported */
	uint8_t exception; /* of a response: 0 for none */
	uint16_t address;
	uint16_t quantity; /* bits or registers; of a FIFO answer its count */
	uint16_t value;	   /* fc 5 (0xff00 or 0), 6 */
	uint16_t and_mask, or_mask;
	const uint8_t
	    *data;  /* bits (clause 6.1) or big endian registers as on the wire; borrowed */
	size_t len; /* bytes of data */
};

/* Decodes exactly one PDU. DEC_UNSUP: fc is not one of ours (pdu->fc is set). Whether quantities
 * and values make sense is modbus_request_check()'s and modbus_response_fits()'s business. */
enum dec modbus_pdu_decode(
    enum modbus_direction dir, const uint8_t *p, size_t len, struct modbus_pdu *pdu);
/* Also where bytes follow it, as some devices pad what they send. */
enum dec modbus_pdu_decode_padded(
    enum modbus_direction dir, const uint8_t *p, size_t len, struct modbus_pdu *pdu);
/* Returns the length, or 0 where the PDU can not be written (unknown fc, too much data). */
size_t modbus_pdu_encode(
    enum modbus_direction dir, const struct modbus_pdu *pdu, uint8_t out[MODBUS_MAX_PDU]);

/* How long the PDU that starts with these bytes is: DEC_OK with *size, DEC_MORE, DEC_UNSUP for an
 * unknown function, DEC_BAD where its counts say more than MODBUS_MAX_PDU. */
enum dec modbus_pdu_size(enum modbus_direction dir, const uint8_t *p, size_t len, size_t *size);

/* 0, or the exception (clause 6's flow charts) that a decoded request deserves for its own fields.
 */
uint8_t modbus_request_check(const struct modbus_pdu *req);
/* Whether a decoded response can be the answer to the request: function, byte count, echoed fields.
 */
bool modbus_response_fits(const struct modbus_pdu *req, const struct modbus_pdu *res);
/* Whether it will do where something else already says that it is the answer: data may be longer
 * than asked, the value of a write another one. */
bool modbus_response_serves(const struct modbus_pdu *req, const struct modbus_pdu *res);

/* The bit of fc 1, 2, 15's data. */
static inline bool
modbus_bit(const uint8_t *data, size_t i)
{
	return data[i / 8] >> (i % 8) & 1;
}

#endif
