#include "protocols/modbus/typed.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/number.h"

const char *const modbus_kind_names[] = { "int16", "uint16", "int32", "uint32", "int64", "uint64",
	"float32", "float64", "string", NULL };
static_assert(sizeof(modbus_kind_names) / sizeof(modbus_kind_names[0]) == MODBUS_KINDS,
    "a name for each kind, and the end");

static const struct {
	uint8_t bits;
	bool is_signed, is_float;
} kinds[MODBUS_KINDS] = {
	[MODBUS_KIND_INT16] = { .bits = 16, .is_signed = true },
	[MODBUS_KIND_UINT16] = { .bits = 16 },
	[MODBUS_KIND_INT32] = { .bits = 32, .is_signed = true },
	[MODBUS_KIND_UINT32] = { .bits = 32 },
	[MODBUS_KIND_INT64] = { .bits = 64, .is_signed = true },
	[MODBUS_KIND_UINT64] = { .bits = 64 },
	[MODBUS_KIND_FLOAT32] = { .bits = 32, .is_signed = true, .is_float = true },
	[MODBUS_KIND_FLOAT64] = { .bits = 64, .is_signed = true, .is_float = true },
	[MODBUS_KIND_STRING] = { .bits = 0 },
};

unsigned
modbus_kind_bits(enum modbus_kind kind)
{
	return kinds[kind].bits;
}

/* The place of octet i of the number, big endian, among `size` octets. */
static size_t
place(const struct modbus_typed *t, size_t i, size_t size)
{
	if (t->swap_registers && size % 2 == 0)
		i = (size / 2 - 1 - i / 2) * 2 + i % 2;
	/* The last octet of an odd number of them has no neighbour. */
	return t->swap_octets && (i ^ 1) < size ? i ^ 1 : i;
}

static uint64_t
load(const struct modbus_typed *t, const uint8_t *value)
{
	size_t size = kinds[t->kind].bits / 8;
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | value[place(t, i, size)];
	return v;
}

static void
store(const struct modbus_typed *t, uint64_t v, uint8_t *value)
{
	size_t size = kinds[t->kind].bits / 8;

	for (size_t i = size; i > 0; i--, v >>= 8)
		value[place(t, i - 1, size)] = (uint8_t)v;
}

static int64_t
extend(uint64_t v, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	return (int64_t)((v ^ sign) - sign);
}

static double
from_float(uint64_t v, unsigned bits)
{
	uint32_t half = (uint32_t)v;
	float f;
	double d;

	memcpy(&f, &half, sizeof(f));
	memcpy(&d, &v, sizeof(d));
	return bits == 32 ? (double)f : d;
}

/* Without scale and offset. */
static double
raw_number(const struct modbus_typed *t, uint64_t v)
{
	unsigned bits = kinds[t->kind].bits;

	if (kinds[t->kind].is_float)
		return from_float(v, bits);
	return kinds[t->kind].is_signed ? (double)extend(v, bits) : (double)v;
}

double
modbus_typed_number(const struct modbus_typed *t, const uint8_t *value)
{
	double d = raw_number(t, load(t, value));

	d = t->scaled ? d * t->scale + t->offset : d;
	return isfinite(d) ? d : NAN;
}

/* A binary32 becomes the shortest text that is the same again; a scaled number gets as many digits
 * as are surely its own: 3 times 0.1 is 0.3. */
static double
tidy(const struct modbus_typed *t, double d)
{
	char text[MODBUS_MAX_NUMBER_TEXT];
	bool single = t->kind == MODBUS_KIND_FLOAT32;

	if (t->scaled) {
		snprintf(text, sizeof(text), "%.*g", single ? 8 : 15, d);
		return strtod(text, NULL);
	}
	for (int digits = 6; single && digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtof(text, NULL) == (float)d)
			return strtod(text, NULL);
	}
	return d;
}

size_t
modbus_typed_format(
    const struct modbus_typed *t, const uint8_t *value, char out[MODBUS_MAX_NUMBER_TEXT])
{
	uint64_t v = load(t, value);

	if (!t->scaled && !kinds[t->kind].is_float) {
		char *end = kinds[t->kind].is_signed
				? number_put_int(out, extend(v, kinds[t->kind].bits))
				: number_put_uint(out, v);
		return (size_t)(end - out);
	}
	double d = modbus_typed_number(t, value);
	if (isnan(d))
		return 0;
	return (size_t)(number_put_double(out, tidy(t, d)) - out);
}

/* An integer of its own text: exact, however large. */
static int
parse_integer(const struct modbus_typed *t, const char *text, size_t len, uint8_t *value)
{
	unsigned bits = kinds[t->kind].bits;
	uint8_t big[8];
	uint64_t v = 0;

	if (modbus_value_parse(text, len, bits, big) < 0)
		return -1;
	for (size_t i = 0; i < bits / 8; i++)
		v = v << 8 | big[i];
	bool negative = text[0] == '-' && v != 0;
	if (kinds[t->kind].is_signed ? (extend(v, bits) < 0) != negative : negative) {
		errno = ERANGE;
		return -1;
	}
	store(t, v, value);
	return 0;
}

static int
store_float(const struct modbus_typed *t, double d, uint8_t *value)
{
	float f = (float)d;
	uint64_t v = 0;
	uint32_t half;

	if (kinds[t->kind].bits == 64) {
		memcpy(&v, &d, sizeof(v));
	} else {
		memcpy(&half, &f, sizeof(half));
		v = half;
	}
	if (!isfinite(d) || (kinds[t->kind].bits == 32 && !isfinite(f))) {
		errno = ERANGE;
		return -1;
	}
	store(t, v, value);
	return 0;
}

/* round() without libm, which a runner would load for nothing else. */
static double
round_half_away(double d)
{
	/* Beyond there are no fractions. */
	if (!(d > -0x1p52 && d < 0x1p52))
		return d;
	double whole = (double)(int64_t)d, rest = d - whole;
	return whole + (rest >= 0.5) - (rest <= -0.5);
}

static int
store_rounded(const struct modbus_typed *t, double d, uint8_t *value)
{
	unsigned bits = kinds[t->kind].bits;
	bool is_signed = kinds[t->kind].is_signed;
	double end = ldexp(1, (int)bits - is_signed), least = is_signed ? -end : 0;

	d = round_half_away(d);
	if (!(d >= least && d < end)) {
		errno = ERANGE;
		return -1;
	}
	store(t, is_signed ? (uint64_t)(int64_t)d : (uint64_t)d, value);
	return 0;
}

int
modbus_typed_parse(const struct modbus_typed *t, const char *text, size_t len, uint8_t *value)
{
	char copy[MODBUS_MAX_VALUE_TEXT], *end;

	if (!t->scaled && !kinds[t->kind].is_float)
		return parse_integer(t, text, len, value);
	if (len == 0 || len >= sizeof(copy)) {
		errno = len ? ERANGE : EINVAL;
		return -1;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	double d = strtod(copy, &end);
	if (*end) {
		errno = EINVAL;
		return -1;
	}
	if (t->scaled)
		d = (d - t->offset) / t->scale;
	return kinds[t->kind].is_float ? store_float(t, d, value) : store_rounded(t, d, value);
}

size_t
modbus_typed_get_text(const struct modbus_typed *t, const uint8_t *value, size_t bits, char *out)
{
	size_t size = bits / 8, len = 0;

	for (; len < size; len++) {
		out[len] = (char)value[place(t, len, size)];
		if (out[len] == '\0')
			break;
	}
	return len;
}

int
modbus_typed_put_text(
    const struct modbus_typed *t, const char *text, size_t len, uint8_t *value, size_t bits)
{
	size_t size = bits / 8;

	if (len > size) {
		errno = ERANGE;
		return -1;
	}
	for (size_t i = 0; i < size; i++)
		value[place(t, i, size)] = i < len ? (uint8_t)text[i] : 0;
	return 0;
}
