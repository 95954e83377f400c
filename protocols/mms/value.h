/*
 * Values of MMS: Data (ISO 9506-2, 14.4.2, as IEC 61850-8-1 clause 8 uses it), in runner processes.
 *
 * A value is a view of octets that were received: nothing is copied, nothing is allocated. Lists
 * are checked once, as a whole, by mms_values_check(); each list and value that this module or a
 * decoder of protocols/mms hands out has passed it. So a walk over a list cannot fail, and the
 * accessors below fail only where a value is of another kind or out of range. A view lives as long
 * as the octets do.
 *
 * Values are written to a ber_writer, elements one behind the other; a structure or an array is
 * what stands between mms_begin() and ber_end().
 */
#ifndef PROTOCOLS_MMS_VALUE_H
#define PROTOCOLS_MMS_VALUE_H

#include "protocols/ber/ber.h"

enum {
	MMS_MAX_NESTING = 16, /* structures and arrays that stand in one another */
	MMS_MAX_IDENTIFIER =
	    255, /* octets of a name, as devices send it; IEC 61850 has 64 and 129 */
};

/* The number of the context tag. */
enum mms_kind {
	MMS_ARRAY = 1,
	MMS_STRUCTURE = 2,
	MMS_BOOLEAN = 3,
	MMS_BIT_STRING = 4,
	MMS_INTEGER = 5,
	MMS_UNSIGNED = 6,
	MMS_FLOAT = 7,
	MMS_OCTET_STRING = 9,
	MMS_VISIBLE_STRING = 10,
	MMS_GENERALIZED_TIME = 11,
	MMS_BINARY_TIME = 12,
	MMS_BCD = 13,
	MMS_BOOLEAN_ARRAY = 14,
	MMS_OBJECT_ID = 15,
	MMS_MMS_STRING = 16,
	MMS_UTC_TIME = 17,
};

/* Borrowed octets, without a NUL. p NULL: absent. */
struct mms_str {
	const char *p;
	size_t len;
};

struct mms_value {
	enum mms_kind kind;
	const uint8_t *data; /* content, borrowed */
	size_t len;
};

/* Values that stand one behind the other. A copy is a second position in the same list. */
struct mms_values {
	const uint8_t *p, *end;
};

/* "structure"; "unknown" for what is none. */
const char *mms_kind_name(enum mms_kind kind);

/* --- Reading --- */

/* Checks len octets that must be values and nothing else: tags that Data has, lengths, nesting of
 * at most MMS_MAX_NESTING, content of a size that its kind can have. False where they are not. */
bool mms_values_check(struct mms_values *list, const uint8_t *data, size_t len);
/* The next value of a list that was checked; false at its end. */
bool mms_values_next(struct mms_values *list, struct mms_value *v);
size_t mms_values_count(struct mms_values list);
/* The members of an array or a structure; false where v is of another kind. */
bool mms_value_members(const struct mms_value *v, struct mms_values *list);
/* Member n, from 0; false where there is none. */
bool mms_value_member(const struct mms_value *v, size_t n, struct mms_value *member);

bool mms_value_bool(const struct mms_value *v, bool *out);
/* The value of an integer or an unsigned, if it fits. */
bool mms_value_int(const struct mms_value *v, int64_t *out);
bool mms_value_uint(const struct mms_value *v, uint64_t *out);
/* single: whether it came as 32 bits; NULL: not asked. */
bool mms_value_float(const struct mms_value *v, double *out, bool *single);
/* Bit 0 is the top bit of the first octet. */
bool mms_value_bits(const struct mms_value *v, const uint8_t **data, size_t *bits);
/* The first bits as a number: bit n of the string is bit n of *out; those that are not there are 0.
 * False where there are more than 32. */
bool mms_value_flags(const struct mms_value *v, uint32_t *out, size_t *bits);
/* Octets of an octet string. */
bool mms_value_octets(const struct mms_value *v, const uint8_t **data, size_t *len);
/* Text of a visible string or an MMS string: octets as the device sent them. */
bool mms_value_str(const struct mms_value *v, struct mms_str *out);

/* UtcTime (IEC 61850-8-1, 8.1.3.7). */
struct mms_utc_time {
	uint32_t seconds;  /* since 1970 */
	uint32_t fraction; /* 24 bits of a second */
	uint8_t quality;   /* bit 7 leap second known, 6 clock failure, 5 not synchronised, 4..0
			      accuracy */
};
bool mms_value_utc_time(const struct mms_value *v, struct mms_utc_time *out);

/* TimeOfDay, of 4 or 6 octets (ISO 9506-2, 14.4.2.2). */
struct mms_binary_time {
	uint32_t ms;   /* since midnight */
	uint16_t days; /* since 1984-01-01 */
	bool has_days;
};
bool mms_value_binary_time(const struct mms_value *v, struct mms_binary_time *out);

/* --- Writing --- */

/* MMS_ARRAY or MMS_STRUCTURE, until ber_end(). */
void mms_begin(struct ber_writer *w, enum mms_kind kind);
void mms_put_bool(struct ber_writer *w, bool v);
void mms_put_int(struct ber_writer *w, int64_t v);
void mms_put_uint(struct ber_writer *w, uint64_t v);
void mms_put_float(struct ber_writer *w, float v);
void mms_put_double(struct ber_writer *w, double v);
void mms_put_bits(struct ber_writer *w, const uint8_t *data, size_t bits);
/* Bit n of v is bit n of the string, as mms_value_flags() reads it. bits: at most 32. */
void mms_put_flags(struct ber_writer *w, uint32_t v, size_t bits);
void mms_put_octets(struct ber_writer *w, const void *data, size_t len);
/* MMS_VISIBLE_STRING or MMS_MMS_STRING. */
void mms_put_str(struct ber_writer *w, enum mms_kind kind, const char *p, size_t len);
void mms_put_utc_time(struct ber_writer *w, const struct mms_utc_time *t);
void mms_put_binary_time(struct ber_writer *w, const struct mms_binary_time *t);
/* A value that was received, as it is. */
void mms_put_value(struct ber_writer *w, const struct mms_value *v);

/* A str of a text with a NUL. */
static inline struct mms_str
mms_str(const char *text)
{
	return (struct mms_str){ text, text ? strlen(text) : 0 };
}

static inline bool
mms_str_equal(struct mms_str a, struct mms_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

#endif
