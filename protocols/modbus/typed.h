/*
 * Numbers and texts in registers, as devices of many makers keep them: integers
 * with and without a sign, IEEE 754, characters; octets and registers in either
 * order, scaled. Between a value's bits (value.h) and what people mean by it.
 * Pure; in the Modbus runner.
 */
#ifndef PROTOCOLS_MODBUS_TYPED_H
#define PROTOCOLS_MODBUS_TYPED_H

#include "protocols/modbus/value.h"

enum modbus_kind {
	MODBUS_KIND_NONE, /* the bits are one unsigned integer */
	MODBUS_KIND_INT16,
	MODBUS_KIND_UINT16,
	MODBUS_KIND_INT32,
	MODBUS_KIND_UINT32,
	MODBUS_KIND_INT64,
	MODBUS_KIND_UINT64,
	MODBUS_KIND_FLOAT32,
	MODBUS_KIND_FLOAT64,
	MODBUS_KIND_STRING,
	MODBUS_KINDS,
};

/* NULL-terminated, by enum modbus_kind from MODBUS_KIND_INT16 on: "int16", ... */
extern const char *const modbus_kind_names[];

struct modbus_typed {
	enum modbus_kind kind;
	bool swap_octets;     /* in each register, the low one first */
	bool swap_registers;  /* the low one first; not of a string */
	bool scaled;	      /* by scale and offset; never a string */
	double scale, offset; /* number = raw * scale + offset; scale is not 0 */
};

enum {
	MODBUS_MAX_NUMBER_TEXT = 40, /* of a number, with its NUL */
};

/* Bits that a value of this kind has; 0: any number of whole octets (a string). */
unsigned modbus_kind_bits(enum modbus_kind kind);

/* Writes the number as JSON, without a NUL, and returns how long it is; 0 where it is none (NaN,
 * infinity). value: of its kind's bits, as read. Not of a string. */
size_t modbus_typed_format(
    const struct modbus_typed *t, const uint8_t *value, char out[MODBUS_MAX_NUMBER_TEXT]);
/* The number as binary64, for comparison; NaN where it is none. */
double modbus_typed_number(const struct modbus_typed *t, const uint8_t *value);
/* Reads a JSON number: a raw integer is rounded to where there is a scale, else it must be one. 0,
 * or -1 with EINVAL or ERANGE. */
int modbus_typed_parse(const struct modbus_typed *t, const char *text, size_t len, uint8_t *value);

/* The characters up to the first NUL, of a value of so many bits; out: bits / 8. Returns how many.
 */
size_t modbus_typed_get_text(
    const struct modbus_typed *t, const uint8_t *value, size_t bits, char *out);
/* The rest is filled with NULs. 0, or -1 with ERANGE. */
int modbus_typed_put_text(
    const struct modbus_typed *t, const char *text, size_t len, uint8_t *value, size_t bits);

#endif
