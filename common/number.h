/* Numbers as text, fast and exact, in any process. */
#ifndef COMMON_NUMBER_H
#define COMMON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum {
	NUMBER_MAX_INT = 20,	/* bytes of the longest integer, with its sign */
	NUMBER_MAX_DOUBLE = 32, /* bytes that a double may take */
};

/* Write decimal digits without a NUL and return their end. */
char *number_put_uint(char *out, uint64_t v);
char *number_put_int(char *out, int64_t v);
/* The shortest decimal that reads back as v, the closest of those to v; an integer keeps ".0". v is
 * finite. */
char *number_put_double(char *out, double v);

#endif
