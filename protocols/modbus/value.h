/*
 * Values of any width in registers and coils: a value is a list of bits, read
 * register by register upwards and from the most significant bit down, as one
 * unsigned integer. As bytes it is big endian, right aligned, (bits + 7) / 8
 * long; as text it is decimal. Pure; in the Modbus runner.
 */
#ifndef PROTOCOLS_MODBUS_VALUE_H
#define PROTOCOLS_MODBUS_VALUE_H

#include "protocols/modbus/pdu.h"

enum modbus_type {
	MODBUS_COIL,
	MODBUS_DISCRETE_INPUT,
	MODBUS_HOLDING_REGISTER,
	MODBUS_INPUT_REGISTER,
	MODBUS_QUEUE,
	MODBUS_TYPES,
};

/* NULL-terminated, by enum modbus_type: "COIL", ... */
extern const char *const modbus_type_names[];

enum {
	MODBUS_MAX_VALUE_BITS = 2000, /* what one read request carries, of either size */
	MODBUS_MAX_VALUE = MODBUS_MAX_VALUE_BITS / 8,
	MODBUS_MAX_VALUE_TEXT = 604, /* decimal digits of it and a NUL */
};

/* 1 or 16. */
unsigned modbus_register_bits(enum modbus_type type);
/* The function that reads it, and how many of its registers one request may ask for. */
uint8_t modbus_read_fc(enum modbus_type type);
unsigned modbus_max_quantity(enum modbus_type type);

static inline size_t
modbus_value_size(size_t bits)
{
	return (bits + 7) / 8;
}

/* Takes bits from the data of an answer, the first `skip` bits (in reading order) left out. What
 * lies beyond len is zero. out: modbus_value_size(bits). */
void modbus_value_get(
    enum modbus_type type, const uint8_t *data, size_t len, size_t skip, size_t bits, uint8_t *out);

/* Writes the decimal digits and a NUL; returns how many digits. */
size_t modbus_value_format(const uint8_t *value, size_t bits, char out[MODBUS_MAX_VALUE_TEXT]);
/* Reads a JSON number that is an integer, also one written as 8.0 or 8e0; a negative one becomes
 * its two's complement. 0, or -1 with EINVAL (not an integer) or ERANGE (it does not fit). */
int modbus_value_parse(const char *text, size_t len, size_t bits, uint8_t *out);

/* A value that is written, as the requests it takes: mask writes for registers that it covers in
 * part, single or multiple writes for whole ones. */
struct modbus_write {
	enum modbus_type type; /* COIL or HOLDING_REGISTER */
	uint32_t address;      /* of the next request */
	unsigned skip;	       /* bits of that register left alone */
	size_t bits, done;     /* of the value */
	const uint8_t *value;  /* borrowed */
};

void modbus_write_init(struct modbus_write *w, enum modbus_type type, uint16_t address,
    size_t offset, size_t bits, const uint8_t *value);
/* The next request, its data in `data`; false when all of it was given. */
bool modbus_write_next(
    struct modbus_write *w, struct modbus_pdu *pdu, uint8_t data[2 * MODBUS_MAX_WRITE_REGS]);

#endif
