/* Shared by the files about types and values. Pure. */
#ifndef PROTOCOLS_IEC61850_TYPE_PRIVATE_H
#define PROTOCOLS_IEC61850_TYPE_PRIVATE_H

#include "protocols/iec61850/type.h"

extern const struct iec61850_type iec61850_integer, iec61850_float, iec61850_boolean,
    iec61850_analogue;

/* Members of the types that the standard has built of others; json: its name in an event. */
enum { IEC61850_BUILTINS = 6 };
extern const struct iec61850_builtin {
	enum iec61850_kind kind;
	const char *name, *json;
	const struct iec61850_type *type;
	bool required;
} iec61850_builtins[IEC61850_BUILTINS];

/* Enumerations by their names. coded: two bits, else an integer. */
extern const struct iec61850_names {
	const char *const *names;
	bool coded;
	int64_t count;
} iec61850_enumerations[IEC61850_KINDS];
/* The number of an enumeration's value; false: it has another type, or is none of them. */
bool iec61850_enumeration(enum iec61850_kind kind, const struct mms_value *value, int64_t *v);

/* Quality and UtcTime: bits, and names of their values (IEC 61850-8-1, 8.2 and 8.1.3.6). */
enum {
	QUALITY_BITS = 13,
	QUALITY_SOURCE = 10,
	QUALITY_TEST = 11,
	QUALITY_BLOCKED = 12,
	FIRST_DETAIL = 2,
	TIME_LEAP = 0x80,
	TIME_FAILURE = 0x40,
	TIME_NOT_SYNCHRONIZED = 0x20,
	TIME_ACCURACY = 0x1f,
	TIME_MAX_ACCURACY = 24,
};

extern const char *const iec61850_validities[], *const iec61850_details[],
						    *const iec61850_sources[];

#endif
