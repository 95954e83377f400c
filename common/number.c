#include "common/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MIN_DIGITS = 15, /* any decimal of so many digits survives binary64 */
	MAX_DIGITS = 17, /* no binary64 needs more */
	MAX_SCALE = 22,	 /* a mantissa times 10^22 fits 128 bits */
};

static const uint64_t powers[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
	1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000,
	1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
	10000000000000000000u };

char *
number_put_uint(char *out, uint64_t v)
{
	char text[NUMBER_MAX_INT];
	size_t i = sizeof(text);

	do
		text[--i] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(out, text + i, sizeof(text) - i);
	return out + (sizeof(text) - i);
}

char *
number_put_int(char *out, int64_t v)
{
	if (v < 0)
		*out++ = '-';
	return number_put_uint(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* digits / 10^scale, without the zeros at the end of the fraction. */
static char *
put_decimal(char *out, uint64_t digits, unsigned scale)
{
	while (scale > 1 && digits % 10 == 0) {
		digits /= 10;
		scale--;
	}
	uint64_t whole = scale < 20 ? digits / powers[scale] : 0;
	uint64_t rest = scale < 20 ? digits % powers[scale] : digits;
	out = number_put_uint(out, whole);
	*out++ = '.';
	for (unsigned i = scale; i > 0; i--) {
		out[i - 1] = (char)('0' + rest % 10);
		rest /= 10;
	}
	return out + scale;
}

/* The general case: the C library reads back what it wrote. */
static char *
put_slowly(char *out, double v)
{
	char text[NUMBER_MAX_DOUBLE];

	for (int digits = MIN_DIGITS; digits <= MAX_DIGITS; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	size_t len = strlen(text);
	memcpy(out, text, len);
	return out + len;
}

/* v = m / 2^shift, 1e-5 <= v < 1e15, m of 53 bits. Looks for the shortest of 15, 16, 17 digits
 * within half a unit of the last place: all of it fits 128 bits, so nothing is rounded but the
 * result. */
#ifdef __SIZEOF_INT128__
typedef unsigned __int128 u128;

static char *
put_exactly(char *out, uint64_t m, unsigned shift, unsigned scale17)
{
	for (unsigned scale = scale17 - (MAX_DIGITS - MIN_DIGITS); scale <= scale17; scale++) {
		u128 ten = scale < 20 ? (u128)powers[scale] : (u128)powers[19] * powers[scale - 19];
		u128 product = m * ten, one = (u128)1 << shift;
		u128 rest = product & (one - 1);
		uint64_t digits = (uint64_t)(product >> shift);
		if (rest > one / 2 || (rest == one / 2 && digits % 2)) {
			digits++;
			rest = one - rest;
		}
		/* An even mantissa wins ties when read back. */
		if (rest * 2 < ten || (rest * 2 == ten && m % 2 == 0))
			return put_decimal(out, digits, scale);
	}
	return NULL;
}
#else
/* On a machine without 128 bits the C library finds the same digits. */
static char *
put_exactly(char *out, uint64_t m, unsigned shift, unsigned scale17)
{
	double v = ldexp((double)m, -(int)shift);
	char text[NUMBER_MAX_DOUBLE];

	(void)scale17;
	for (int digits = MIN_DIGITS; digits <= MAX_DIGITS; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits - 1, v);
		if (strtod(text, NULL) != v)
			continue;
		long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
		text[1] = text[0]; /* over the point */
		return put_decimal(
		    out, strtoull(text + 1, NULL, 10), (unsigned)(digits - 1 - exponent));
	}
	return NULL;
}
#endif

char *
number_put_double(char *out, double v)
{
	double a = fabs(v);
	int exponent;

	if (a == rint(a) && a < 1e15) {
		if (signbit(v))
			*out++ = '-';
		out = number_put_uint(out, (uint64_t)a);
		memcpy(out, ".0", 2);
		return out + 2;
	}
	if (!(a >= 1e-5 && a < 1e15))
		return put_slowly(out, v);
	uint64_t m = (uint64_t)ldexp(frexp(a, &exponent), 53);
	unsigned scale = MAX_DIGITS;
	for (double limit = 1; scale > 0 && a >= limit; limit *= 10)
		scale--;
	for (double limit = 0.1; scale >= MAX_DIGITS && scale < MAX_SCALE && a < limit; limit /= 10)
		scale++;
	/* A power of two has a closer neighbour below: leave it to the library. */
	if (m == UINT64_C(1) << 52)
		return put_slowly(out, v);
	char *start = out;
	if (signbit(v))
		*out++ = '-';
	char *end = put_exactly(out, m, (unsigned)(53 - exponent), scale);
	return end ? end : put_slowly(start, v);
}
