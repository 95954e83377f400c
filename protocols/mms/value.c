#include "protocols/mms/value.h"

enum {
	FLOAT_SINGLE = 8, /* exponent width, the octet before an IEEE 754 number */
	FLOAT_DOUBLE = 11,
	UTC_OCTETS = 8,
	TIME_OF_DAY = 4,
	BINARY_TIME = 6,
	MAX_FLAGS = 32,
	CONTENT_MAX_ARCS = BER_OID_MAX,
};

/* The kinds of Data: their content's size in octets; max 0: no limit of its own. */
static const struct {
	const char *name;
	size_t min, max;
	bool constructed;
} kinds[] = {
	[MMS_ARRAY] = { .name = "array", .constructed = true },
	[MMS_STRUCTURE] = { .name = "structure", .constructed = true },
	[MMS_BOOLEAN] = { .name = "boolean", .min = 1, .max = 1 },
	[MMS_BIT_STRING] = { .name = "bit string", .min = 1 },
	[MMS_INTEGER] = { .name = "integer", .min = 1 },
	[MMS_UNSIGNED] = { .name = "unsigned", .min = 1 },
	[MMS_FLOAT] = { .name = "floating point", .min = 2 },
	[MMS_OCTET_STRING] = { .name = "octet string" },
	[MMS_VISIBLE_STRING] = { .name = "visible string" },
	[MMS_GENERALIZED_TIME] = { .name = "generalized time" },
	[MMS_BINARY_TIME] = { .name = "binary time", .min = TIME_OF_DAY, .max = BINARY_TIME },
	[MMS_BCD] = { .name = "BCD", .min = 1 },
	[MMS_BOOLEAN_ARRAY] = { .name = "boolean array", .min = 1 },
	[MMS_OBJECT_ID] = { .name = "object identifier", .min = 1, .max = CONTENT_MAX_ARCS },
	[MMS_MMS_STRING] = { .name = "MMS string" },
	[MMS_UTC_TIME] = { .name = "UTC time", .min = UTC_OCTETS, .max = UTC_OCTETS },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
mms_kind_name(enum mms_kind kind)
{
	return (size_t)kind < KINDS && kinds[kind].name ? kinds[kind].name : "unknown";
}

/* --- Reading --- */

static bool
is_value(const struct ber_element *e)
{
	uint32_t kind = e->tag & BER_MAX_NUMBER;

	if (kind >= KINDS || !kinds[kind].name)
		return false;
	uint32_t tag = kinds[kind].constructed ? BER_CONTEXT_C(kind) : BER_CONTEXT(kind);
	return e->tag == tag && e->len >= kinds[kind].min &&
	       (kinds[kind].max == 0 || e->len <= kinds[kind].max);
}

/* Whether the position of r, in depth elements, is in values; goes into those that have members. */
bool
mms_values_check(struct mms_values *list, const uint8_t *data, size_t len)
{
	const uint8_t *ends[MMS_MAX_NESTING];
	struct cursor c = cursor_make(data, len);
	struct ber_reader r;
	struct ber_element e;
	size_t depth = 0;

	*list = (struct mms_values){ c.p, c.p };
	ber_reader_init(&r, data, len, 0);
	for (;;) {
		if (!ber_more(&r)) {
			if (!ber_ok(&r))
				return false;
			if (depth == 0)
				break;
			r.c.end = ends[--depth];
			continue;
		}
		if (!ber_next(&r, &e) || !is_value(&e))
			return false;
		if (!(e.tag & BER_CONSTRUCTED))
			continue;
		if (depth == MMS_MAX_NESTING)
			return false;
		ends[depth++] = r.c.end;
		r.c.p = e.data;
		r.c.end = e.data + e.len;
	}
	list->end = c.end;
	return true;
}

bool
mms_values_next(struct mms_values *list, struct mms_value *v)
{
	struct ber_reader r;
	struct ber_element e;

	ber_reader_init(&r, list->p, (size_t)(list->end - list->p), 0);
	if (!ber_more(&r) || !ber_next(&r, &e)) {
		*v = (struct mms_value){ .data = list->end };
		list->p = list->end;
		return false;
	}
	*v = (struct mms_value){ (enum mms_kind)(e.tag & BER_MAX_NUMBER), e.data, e.len };
	list->p = r.c.p;
	return true;
}

size_t
mms_values_count(struct mms_values list)
{
	struct mms_value v;
	size_t n = 0;

	while (mms_values_next(&list, &v))
		n++;
	return n;
}

bool
mms_value_members(const struct mms_value *v, struct mms_values *list)
{
	*list = (struct mms_values){ v->data, v->data + v->len };
	if (v->kind == MMS_ARRAY || v->kind == MMS_STRUCTURE)
		return true;
	list->end = list->p;
	return false;
}

bool
mms_value_member(const struct mms_value *v, size_t n, struct mms_value *member)
{
	struct mms_values list;

	if (!mms_value_members(v, &list))
		return false;
	while (mms_values_next(&list, member))
		if (n-- == 0)
			return true;
	return false;
}

static struct ber_element
element_of(const struct mms_value *v)
{
	return (struct ber_element){ .data = v->data, .len = v->len };
}

bool
mms_value_bool(const struct mms_value *v, bool *out)
{
	if (v->kind != MMS_BOOLEAN)
		return false;
	*out = v->data[0] != 0;
	return true;
}

bool
mms_value_int(const struct mms_value *v, int64_t *out)
{
	struct ber_element e = element_of(v);
	uint64_t u;

	if (v->kind == MMS_INTEGER)
		return ber_element_int(&e, out);
	if (!mms_value_uint(v, &u) || u > INT64_MAX)
		return false;
	*out = (int64_t)u;
	return true;
}

bool
mms_value_uint(const struct mms_value *v, uint64_t *out)
{
	struct ber_element e = element_of(v);
	int64_t i;

	if (v->kind == MMS_UNSIGNED)
		return ber_element_uint(&e, sizeof(*out), out);
	if (v->kind != MMS_INTEGER || !ber_element_int(&e, &i) || i < 0)
		return false;
	*out = (uint64_t)i;
	return true;
}

bool
mms_value_float(const struct mms_value *v, double *out, bool *single)
{
	struct cursor c = cursor_make(v->data, v->len);
	uint8_t width = cursor_u8(&c);
	size_t octets = cursor_left(&c);

	if (v->kind != MMS_FLOAT || !((width == FLOAT_SINGLE && octets == sizeof(float)) ||
					(width == FLOAT_DOUBLE && octets == sizeof(double))))
		return false;
	if (single)
		*single = octets == sizeof(float);
	uint64_t bits = cursor_be(&c, octets);
	if (octets == sizeof(double)) {
		memcpy(out, &bits, sizeof(*out));
		return true;
	}
	uint32_t low = (uint32_t)bits;
	float f;
	memcpy(&f, &low, sizeof(f));
	*out = f;
	return true;
}

bool
mms_value_bits(const struct mms_value *v, const uint8_t **data, size_t *bits)
{
	struct ber_element e = element_of(v);

	return v->kind == MMS_BIT_STRING && ber_element_bits(&e, data, bits);
}

bool
mms_value_flags(const struct mms_value *v, uint32_t *out, size_t *bits)
{
	const uint8_t *data;

	if (!mms_value_bits(v, &data, bits) || *bits > MAX_FLAGS)
		return false;
	*out = 0;
	for (size_t i = 0; i < *bits; i++)
		*out |= (uint32_t)(data[i / 8] >> (7 - i % 8) & 1) << i;
	return true;
}

bool
mms_value_octets(const struct mms_value *v, const uint8_t **data, size_t *len)
{
	*data = v->data;
	*len = v->len;
	return v->kind == MMS_OCTET_STRING;
}

bool
mms_value_str(const struct mms_value *v, struct mms_str *out)
{
	*out = (struct mms_str){ (const char *)v->data, v->len };
	return v->kind == MMS_VISIBLE_STRING || v->kind == MMS_MMS_STRING;
}

bool
mms_value_utc_time(const struct mms_value *v, struct mms_utc_time *out)
{
	struct cursor c = cursor_make(v->data, v->len);

	if (v->kind != MMS_UTC_TIME)
		return false;
	out->seconds = cursor_u32be(&c);
	out->fraction = (uint32_t)cursor_be(&c, 3);
	out->quality = cursor_u8(&c);
	return cursor_done(&c);
}

bool
mms_value_binary_time(const struct mms_value *v, struct mms_binary_time *out)
{
	struct cursor c = cursor_make(v->data, v->len);

	if (v->kind != MMS_BINARY_TIME)
		return false;
	out->ms = cursor_u32be(&c);
	out->has_days = cursor_left(&c) > 0;
	out->days = out->has_days ? cursor_u16be(&c) : 0;
	return cursor_done(&c);
}

/* --- Writing --- */

void
mms_begin(struct ber_writer *w, enum mms_kind kind)
{
	ber_begin(w, BER_CONTEXT_C((uint32_t)kind));
}

/* 01 for true: what IEC 61850 devices send. */
void
mms_put_bool(struct ber_writer *w, bool v)
{
	ber_put_bytes(w, BER_CONTEXT(MMS_BOOLEAN), v ? "\1" : "\0", 1);
}

void
mms_put_int(struct ber_writer *w, int64_t v)
{
	ber_put_int(w, BER_CONTEXT(MMS_INTEGER), v);
}

void
mms_put_uint(struct ber_writer *w, uint64_t v)
{
	ber_put_uint(w, BER_CONTEXT(MMS_UNSIGNED), v);
}

static void
put_float(struct ber_writer *w, uint8_t width, uint64_t bits, size_t octets)
{
	uint8_t out[1 + sizeof(bits)] = { width };

	for (size_t i = 0; i < octets; i++)
		out[1 + i] = (uint8_t)(bits >> 8 * (octets - 1 - i));
	ber_put_bytes(w, BER_CONTEXT(MMS_FLOAT), out, 1 + octets);
}

void
mms_put_float(struct ber_writer *w, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_float(w, FLOAT_SINGLE, bits, sizeof(bits));
}

void
mms_put_double(struct ber_writer *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_float(w, FLOAT_DOUBLE, bits, sizeof(bits));
}

void
mms_put_bits(struct ber_writer *w, const uint8_t *data, size_t bits)
{
	ber_put_bits(w, BER_CONTEXT(MMS_BIT_STRING), data, bits);
}

void
mms_put_flags(struct ber_writer *w, uint32_t v, size_t bits)
{
	uint8_t data[MAX_FLAGS / 8] = { 0 };

	w->failed |= bits > MAX_FLAGS;
	for (size_t i = 0; i < bits && !w->failed; i++)
		data[i / 8] |= (uint8_t)((v >> i & 1) << (7 - i % 8));
	mms_put_bits(w, data, w->failed ? 0 : bits);
}

void
mms_put_octets(struct ber_writer *w, const void *data, size_t len)
{
	ber_put_bytes(w, BER_CONTEXT(MMS_OCTET_STRING), data, len);
}

void
mms_put_str(struct ber_writer *w, enum mms_kind kind, const char *p, size_t len)
{
	ber_put_bytes(w, BER_CONTEXT((uint32_t)kind), p, len);
}

void
mms_put_utc_time(struct ber_writer *w, const struct mms_utc_time *t)
{
	uint64_t v =
	    (uint64_t)t->seconds << 32 | (uint64_t)(t->fraction & 0xffffff) << 8 | t->quality;
	uint8_t out[UTC_OCTETS];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(v >> 8 * (sizeof(out) - 1 - i));
	ber_put_bytes(w, BER_CONTEXT(MMS_UTC_TIME), out, sizeof(out));
}

void
mms_put_binary_time(struct ber_writer *w, const struct mms_binary_time *t)
{
	uint64_t v = (uint64_t)t->ms << 16 | t->days;
	uint8_t out[BINARY_TIME];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(v >> 8 * (sizeof(out) - 1 - i));
	ber_put_bytes(
	    w, BER_CONTEXT(MMS_BINARY_TIME), out, t->has_days ? BINARY_TIME : TIME_OF_DAY);
}

void
mms_put_value(struct ber_writer *w, const struct mms_value *v)
{
	uint32_t kind = (uint32_t)v->kind;

	ber_put_bytes(w,
	    v->kind == MMS_ARRAY || v->kind == MMS_STRUCTURE ? BER_CONTEXT_C(kind)
							     : BER_CONTEXT(kind),
	    v->data, v->len);
}
