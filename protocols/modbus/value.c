#include "protocols/modbus/value.h"

#include <assert.h>
#include <errno.h>

enum {
	LIMB_DIGITS = 9,
	LIMB = 1000000000,
	MAX_LIMBS = MODBUS_MAX_VALUE_BITS / 32 + 1,
	MODBUS_MAX_EXPONENT = 100000,
};

const char *const modbus_type_names[] = { "COIL", "DISCRETE_INPUT", "HOLDING_REGISTER",
	"INPUT_REGISTER", "QUEUE", NULL };
static_assert(sizeof(modbus_type_names) / sizeof(modbus_type_names[0]) == MODBUS_TYPES + 1,
    "a name for each type, and the end");

static const struct {
	uint8_t fc;
	unsigned bits, max;
} types[MODBUS_TYPES] = {
	[MODBUS_COIL] = { .fc = MODBUS_READ_COILS, .bits = 1, .max = MODBUS_MAX_READ_BITS },
	[MODBUS_DISCRETE_INPUT] = { .fc = MODBUS_READ_DISCRETE_INPUTS,
	    .bits = 1,
	    .max = MODBUS_MAX_READ_BITS },
	[MODBUS_HOLDING_REGISTER] = { .fc = MODBUS_READ_HOLDING_REGISTERS,
	    .bits = 16,
	    .max = MODBUS_MAX_READ_REGS },
	[MODBUS_INPUT_REGISTER] = { .fc = MODBUS_READ_INPUT_REGISTERS,
	    .bits = 16,
	    .max = MODBUS_MAX_READ_REGS },
	[MODBUS_QUEUE] = { .fc = MODBUS_READ_FIFO_QUEUE, .bits = 16, .max = MODBUS_MAX_FIFO_REGS },
};

unsigned
modbus_register_bits(enum modbus_type type)
{
	return types[type].bits;
}

uint8_t
modbus_read_fc(enum modbus_type type)
{
	return types[type].fc;
}

unsigned
modbus_max_quantity(enum modbus_type type)
{
	return types[type].max;
}

/* Coils are numbered from the low bit of each byte, values from the high one. */
static uint8_t
mirror(uint8_t v)
{
	v = (uint8_t)(v >> 4 | v << 4);
	v = (uint8_t)((v & 0xcc) >> 2 | (v & 0x33) << 2);
	return (uint8_t)((v & 0xaa) >> 1 | (v & 0x55) << 1);
}

static unsigned
byte_at(const uint8_t *data, size_t len, size_t i, bool coils)
{
	if (i >= len)
		return 0;
	return coils ? mirror(data[i]) : data[i];
}

void
modbus_value_get(
    enum modbus_type type, const uint8_t *data, size_t len, size_t skip, size_t bits, uint8_t *out)
{
	bool coils = types[type].bits == 1;
	size_t size = modbus_value_size(bits);
	/* The bit at which the first output byte, with zero bits on its left, would begin. */
	size_t lead = size * 8 - bits;

	for (size_t i = 0; i < size; i++) {
		size_t begin = skip + i * 8 - (i ? lead : 0);
		unsigned two = byte_at(data, len, begin / 8, coils) << 8 |
			       byte_at(data, len, begin / 8 + 1, coils);
		uint8_t v = (uint8_t)(two << begin % 8 >> 8);
		out[i] = i ? v : (uint8_t)(v >> lead);
	}
}

static size_t
format_small(uint64_t v, char *out)
{
	char text[20];
	size_t i = sizeof(text);

	do
		text[--i] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(out, text + i, sizeof(text) - i);
	out[sizeof(text) - i] = '\0';
	return sizeof(text) - i;
}

/* Divides by 10^9 in place; returns the remainder. */
static uint32_t
divide(uint32_t *limbs, size_t *count)
{
	uint64_t rest = 0;

	for (size_t i = *count; i > 0; i--) {
		rest = rest << 32 | limbs[i - 1];
		limbs[i - 1] = (uint32_t)(rest / LIMB);
		rest %= LIMB;
	}
	while (*count && limbs[*count - 1] == 0)
		--*count;
	return (uint32_t)rest;
}

static size_t
format_large(const uint8_t *value, size_t size, char *out)
{
	uint32_t limbs[MAX_LIMBS] = { 0 };
	char text[MODBUS_MAX_VALUE_TEXT + LIMB_DIGITS];
	size_t count = (size + 3) / 4, at = sizeof(text);

	for (size_t i = 0; i < size; i++)
		limbs[i / 4] |= (uint32_t)value[size - 1 - i] << 8 * (i % 4);
	while (count) {
		uint32_t rest = divide(limbs, &count);
		for (int i = 0; i < LIMB_DIGITS && (count || rest); i++, rest /= 10)
			text[--at] = (char)('0' + rest % 10);
	}
	if (at == sizeof(text))
		text[--at] = '0';
	size_t len = sizeof(text) - at;
	memcpy(out, text + at, len);
	out[len] = '\0';
	return len;
}

size_t
modbus_value_format(const uint8_t *value, size_t bits, char out[MODBUS_MAX_VALUE_TEXT])
{
	size_t size = modbus_value_size(bits);
	uint64_t v = 0;

	if (size > sizeof(v))
		return format_large(value, size, out);
	for (size_t i = 0; i < size; i++)
		v = v << 8 | value[i];
	return format_small(v, out);
}

/* value * 10 + digit; false when it does not fit. */
static bool
append_digit(uint8_t *value, size_t size, unsigned digit)
{
	for (size_t i = size; i > 0; i--) {
		digit += value[i - 1] * 10U;
		value[i - 1] = (uint8_t)digit;
		digit >>= 8;
	}
	return digit == 0;
}

/* A JSON number: its digits without leading and trailing zeros, and how many zeros follow them. */
struct decimal {
	bool negative;
	char digits[MODBUS_MAX_VALUE_TEXT];
	size_t len;
	int64_t zeros; /* less than 0: it has a fraction */
};

/* Behind an 'e'. Exponents of more digits than any value has are all alike. */
static int
read_exponent(const char *p, const char *end, int64_t *e)
{
	bool negative = p < end && *p == '-';

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end)
		return -1;
	for (*e = 0; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		if (*e < MODBUS_MAX_EXPONENT)
			*e = *e * 10 + (*p - '0');
	}
	*e = negative ? -*e : *e;
	return 0;
}

/* 0, or -1 with EINVAL or ERANGE. */
static int
read_decimal(const char *p, size_t len, struct decimal *d)
{
	const char *end = p + len;
	bool fraction = false, any = false;
	int64_t e = 0;

	*d = (struct decimal){ .negative = len > 0 && *p == '-' };
	errno = EINVAL;
	for (p += d->negative; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.' && any && !fraction) {
			fraction = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			return -1;
		any = true;
		d->zeros -= fraction;
		if (*p == '0' && d->len == 0)
			continue;
		if (d->len == sizeof(d->digits)) {
			errno = ERANGE;
			return -1;
		}
		d->digits[d->len++] = *p;
	}
	if (!any || (p < end && read_exponent(p + 1, end, &e) < 0))
		return -1;
	d->zeros += e;
	for (; d->len && d->digits[d->len - 1] == '0'; d->zeros++)
		d->len--;
	return 0;
}

/* In place, and false where a value of so many bits has no room for the sign. */
static bool
negate(uint8_t *value, size_t bits)
{
	size_t size = modbus_value_size(bits), top = (bits - 1) % 8;
	unsigned carry = 1;
	bool least = value[0] >> top == 1;

	for (size_t i = 0; i < size; i++) {
		least = least && (i == 0 ? (value[0] & ((1U << top) - 1)) == 0 : value[i] == 0);
	}
	if (value[0] >> top && !least)
		return false;
	for (size_t i = size; i > 0; i--) {
		carry += (uint8_t)~value[i - 1];
		value[i - 1] = (uint8_t)carry;
		carry >>= 8;
	}
	value[0] &= (uint8_t)((2U << top) - 1);
	return true;
}

int
modbus_value_parse(const char *text, size_t len, size_t bits, uint8_t *out)
{
	size_t size = modbus_value_size(bits);
	struct decimal d;

	memset(out, 0, size);
	if (read_decimal(text, len, &d) < 0)
		return -1;
	if (d.len == 0)
		return 0;
	errno = d.zeros < 0 ? EINVAL : ERANGE;
	if (d.zeros < 0 || (int64_t)d.len + d.zeros >= MODBUS_MAX_VALUE_TEXT)
		return -1;
	for (size_t i = 0; i < d.len + (size_t)d.zeros; i++)
		if (!append_digit(out, size, i < d.len ? (unsigned)(d.digits[i] - '0') : 0))
			return -1;
	if (bits % 8 && out[0] >> bits % 8)
		return -1;
	return !d.negative || negate(out, bits) ? 0 : -1;
}

void
modbus_write_init(struct modbus_write *w, enum modbus_type type, uint16_t address, size_t offset,
    size_t bits, const uint8_t *value)
{
	unsigned size = types[type].bits;

	*w = (struct modbus_write){ .type = type,
		.address = address + (uint32_t)(offset / size),
		.skip = (unsigned)(offset % size),
		.bits = bits,
		.value = value };
}

/* n <= 16 bits of the value, from the i-th in reading order. */
static uint16_t
value_bits(const struct modbus_write *w, size_t i, size_t n)
{
	size_t lead = modbus_value_size(w->bits) * 8 - w->bits;
	unsigned v = 0;

	for (size_t at = lead + i; at < lead + i + n; at++)
		v = v << 1 | (w->value[at / 8] >> (7 - at % 8) & 1);
	return (uint16_t)v;
}

static void
next_coils(struct modbus_write *w, struct modbus_pdu *pdu, uint8_t *data)
{
	size_t n = w->bits - w->done;

	if (n > MODBUS_MAX_WRITE_BITS)
		n = MODBUS_MAX_WRITE_BITS;
	*pdu = (struct modbus_pdu){ .fc = MODBUS_WRITE_MULTIPLE_COILS,
		.address = (uint16_t)w->address,
		.quantity = (uint16_t)n,
		.data = data,
		.len = (n + 7) / 8 };
	memset(data, 0, pdu->len);
	for (size_t i = 0; i < n; i++)
		data[i / 8] |= (uint8_t)(value_bits(w, w->done + i, 1) << i % 8);
	if (w->bits == 1) {
		pdu->fc = MODBUS_WRITE_SINGLE_COIL;
		pdu->value = data[0] ? 0xff00 : 0;
		pdu->len = 0;
	}
	w->address += (uint32_t)n;
	w->done += n;
}

static void
next_mask(struct modbus_write *w, struct modbus_pdu *pdu)
{
	size_t left = w->bits - w->done, room = 16 - w->skip, n = left < room ? left : room;
	unsigned shift = (unsigned)(room - n);
	unsigned covered = ((1U << n) - 1) << shift;

	*pdu = (struct modbus_pdu){ .fc = MODBUS_MASK_WRITE_REGISTER,
		.address = (uint16_t)w->address,
		.quantity = 1,
		.and_mask = (uint16_t)~covered,
		.or_mask = (uint16_t)(value_bits(w, w->done, n) << shift) };
	w->skip = 0;
	w->address++;
	w->done += n;
}

static void
next_registers(struct modbus_write *w, struct modbus_pdu *pdu, uint8_t *data)
{
	size_t n = (w->bits - w->done) / 16;

	if (n > MODBUS_MAX_WRITE_REGS)
		n = MODBUS_MAX_WRITE_REGS;
	*pdu = (struct modbus_pdu){ .fc = MODBUS_WRITE_MULTIPLE_REGISTERS,
		.address = (uint16_t)w->address,
		.quantity = (uint16_t)n,
		.data = data,
		.len = 2 * n };
	for (size_t i = 0; i < n; i++) {
		uint16_t v = value_bits(w, w->done + 16 * i, 16);
		data[2 * i] = (uint8_t)(v >> 8);
		data[2 * i + 1] = (uint8_t)v;
		pdu->value = v;
	}
	if (n == 1) {
		pdu->fc = MODBUS_WRITE_SINGLE_REGISTER;
		pdu->len = 0;
	}
	w->address += (uint32_t)n;
	w->done += 16 * n;
}

bool
modbus_write_next(
    struct modbus_write *w, struct modbus_pdu *pdu, uint8_t data[2 * MODBUS_MAX_WRITE_REGS])
{
	if (w->done == w->bits)
		return false;
	if (w->type == MODBUS_COIL)
		next_coils(w, pdu, data);
	else if (w->skip || w->bits - w->done < 16)
		next_mask(w, pdu);
	else
		next_registers(w, pdu, data);
	return true;
}
