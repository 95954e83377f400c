/*
 * Types of values as the configuration of a client names them, and values between MMS and the JSON
 * of events (IEC 61850-7-3 on IEC 61850-8-1, clause 8), in the iec61850 runner. Pure.
 */
#ifndef PROTOCOLS_IEC61850_TYPE_H
#define PROTOCOLS_IEC61850_TYPE_H

#include "common/json.h"
#include "protocols/mms/value.h"

enum iec61850_kind {
	IEC61850_BOOLEAN,
	IEC61850_INTEGER,
	IEC61850_UNSIGNED,
	IEC61850_FLOAT,
	IEC61850_BIT_STRING,
	IEC61850_OCTET_STRING,
	IEC61850_VISIBLE_STRING,
	IEC61850_MMS_STRING,
	IEC61850_QUALITY,
	IEC61850_TIMESTAMP,
	IEC61850_DOUBLE_POINT,
	IEC61850_DIRECTION,
	IEC61850_SEVERITY,
	IEC61850_ANALOGUE,
	IEC61850_VECTOR,
	IEC61850_STEP_POSITION,
	IEC61850_BINARY_CONTROL,
	IEC61850_ARRAY,
	IEC61850_STRUCT,
	IEC61850_KINDS,
};

enum {
	IEC61850_MAX_NESTING = 10,     /* of arrays and structs */
	IEC61850_MAX_MEMBERS = 1000,   /* of a struct */
	IEC61850_MAX_ELEMENTS = 65536, /* of an array */
};

struct iec61850_type {
	enum iec61850_kind kind;
	char *name;		       /* of a member of a struct, else NULL */
	struct iec61850_type *members; /* of a struct; of an array: the type of its elements */
	size_t count;		       /* of members; of an array: its elements */
};

/* "QUALITY"; of what is read from a configuration. */
const char *iec61850_kind_name(enum iec61850_kind kind);

/* A step from a value into it: a member by its name, or an element by its index. */
struct iec61850_step {
	const char *name; /* NULL: an index */
	size_t index;
};

/* A type of the configuration; a tree that iec61850_type_free() frees. NULL: why, 100 bytes, says
 * what is wrong with it. */
struct iec61850_type *iec61850_type_new(const struct json *conf, char why[100]);
void iec61850_type_free(struct iec61850_type *type);
/* Whether they are the same but for their own names. */
bool iec61850_type_equal(const struct iec61850_type *a, const struct iec61850_type *b);
/* The type of what is reached by the steps, or NULL: members of ANALOGUE are i and f, of VECTOR mag
 * and ang, of STEP_POSITION posVal and transInd. Borrowed from type, or a constant. */
const struct iec61850_type *iec61850_type_at(
    const struct iec61850_type *type, const struct iec61850_step *steps, size_t count);
/* The value that is reached by them; false where it has none there. */
bool iec61850_value_at(const struct iec61850_type *type, const struct mms_value *value,
    const struct iec61850_step *steps, size_t count, struct mms_value *out);

/* Whether the value is one of that type. */
bool iec61850_value_check(const struct iec61850_type *type, const struct mms_value *value);
/* Writes a value that was checked. */
void iec61850_value_to_json(struct json_writer *w, const char *key,
    const struct iec61850_type *type, const struct mms_value *value);
/* Writes the value of JSON as MMS has it. False where it is none of that type. */
bool iec61850_value_from_json(
    struct ber_writer *w, const struct iec61850_type *type, const struct json *json);

#endif
