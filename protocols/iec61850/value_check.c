/* Whether a value of MMS is one of a type. */
#include "protocols/iec61850/type_private.h"

/* --- Enumerations --- */

static const char *const double_points[] = { "INTERMEDIATE", "OFF", "ON", "BAD", NULL };
static const char *const directions[] = { "UNKNOWN", "FORWARD", "BACKWARD", "BOTH", NULL };
static const char *const severities[] = { "UNKNOWN", "CRITICAL", "MAJOR", "MINOR", "WARNING",
	NULL };
static const char *const binary_controls[] = { "STOP", "LOWER", "HIGHER", "RESERVED", NULL };

const struct iec61850_names iec61850_enumerations[IEC61850_KINDS] = {
	[IEC61850_DOUBLE_POINT] = { .names = double_points, .coded = true, .count = 4 },
	[IEC61850_DIRECTION] = { .names = directions, .count = 4 },
	[IEC61850_SEVERITY] = { .names = severities, .count = 5 },
	[IEC61850_BINARY_CONTROL] = { .names = binary_controls, .coded = true, .count = 4 },
};

/* The first bit of a coded enumeration is its higher one. */
bool
iec61850_enumeration(enum iec61850_kind kind, const struct mms_value *value, int64_t *v)
{
	uint32_t flags;
	size_t bits;

	if (!iec61850_enumerations[kind].coded)
		return mms_value_int(value, v) && *v >= 0 && *v < iec61850_enumerations[kind].count;
	if (!mms_value_flags(value, &flags, &bits) || bits != 2)
		return false;
	*v = (int64_t)((flags & 1) << 1 | flags >> 1);
	return true;
}

/* --- Quality --- */

const char *const iec61850_validities[] = { "GOOD", "INVALID", "RESERVED", "QUESTIONABLE", NULL };
const char *const iec61850_details[] = { "OVERFLOW", "OUT_OF_RANGE", "BAD_REFERENCE", "OSCILLATORY",
	"FAILURE", "OLD_DATA", "INCONSISTENT", "INACCURATE", NULL };
const char *const iec61850_sources[] = { "PROCESS", "SUBSTITUTED", NULL };

/* --- Checks --- */

static bool
check_builtin(const struct iec61850_type *type, const struct mms_value *value)
{
	struct mms_values members;
	struct mms_value v;
	size_t n = 0;

	if (value->kind != MMS_STRUCTURE)
		return false;
	mms_value_members(value, &members);
	while (mms_values_next(&members, &v)) {
		const struct iec61850_type *t = type->kind == IEC61850_VECTOR ? &iec61850_analogue
						: type->kind == IEC61850_STEP_POSITION
						    ? (n ? &iec61850_boolean : &iec61850_integer)
						: v.kind == MMS_FLOAT ? &iec61850_float
								      : &iec61850_integer;
		if (++n > 2 || !iec61850_value_check(t, &v))
			return false;
	}
	return n > 0;
}

static bool
check_members(const struct iec61850_type *type, const struct mms_value *value)
{
	struct mms_values members;
	struct mms_value v;
	size_t n = 0;

	if (value->kind != (type->kind == IEC61850_ARRAY ? MMS_ARRAY : MMS_STRUCTURE))
		return false;
	mms_value_members(value, &members);
	for (; mms_values_next(&members, &v); n++)
		if (n == type->count ||
		    !iec61850_value_check(&type->members[type->kind == IEC61850_ARRAY ? 0 : n], &v))
			return false;
	return n == type->count;
}

bool
iec61850_value_check(const struct iec61850_type *type, const struct mms_value *value)
{
	static const enum mms_kind kinds[IEC61850_KINDS] = {
		[IEC61850_BOOLEAN] = MMS_BOOLEAN,
		[IEC61850_BIT_STRING] = MMS_BIT_STRING,
		[IEC61850_OCTET_STRING] = MMS_OCTET_STRING,
		[IEC61850_VISIBLE_STRING] = MMS_VISIBLE_STRING,
		[IEC61850_MMS_STRING] = MMS_MMS_STRING,
		[IEC61850_TIMESTAMP] = MMS_UTC_TIME,
	};
	const uint8_t *data;
	uint32_t flags;
	uint64_t u;
	size_t bits;
	int64_t i;
	double d;

	switch (type->kind) {
	case IEC61850_INTEGER:
		return mms_value_int(value, &i);
	case IEC61850_UNSIGNED:
		return mms_value_uint(value, &u) || mms_value_int(value, &i);
	case IEC61850_FLOAT:
		return mms_value_float(value, &d, NULL);
	case IEC61850_BIT_STRING:
		return mms_value_bits(value, &data, &bits);
	case IEC61850_QUALITY:
		return mms_value_flags(value, &flags, &bits) && bits == QUALITY_BITS;
	case IEC61850_DOUBLE_POINT:
	case IEC61850_DIRECTION:
	case IEC61850_SEVERITY:
	case IEC61850_BINARY_CONTROL:
		return iec61850_enumeration(type->kind, value, &i);
	case IEC61850_ANALOGUE:
	case IEC61850_VECTOR:
	case IEC61850_STEP_POSITION:
		return check_builtin(type, value);
	case IEC61850_ARRAY:
	case IEC61850_STRUCT:
		return check_members(type, value);
	default:
		return value->kind == kinds[type->kind];
	}
}
