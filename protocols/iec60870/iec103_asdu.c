#include "protocols/iec60870/iec103_asdu.h"

#include <errno.h>

enum { SEPARATE = 0x80, HEADER = 4, GENERIC_BITSTRING = 2 };

static float
get_real(struct cursor *c)
{
	uint32_t bits = cursor_u32le(c);
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint8_t *
put_le(uint8_t *p, uint64_t v, unsigned n)
{
	for (; n; n--, v >>= 8)
		*p++ = (uint8_t)v;
	return p;
}

static uint8_t *
put_real(uint8_t *p, float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return put_le(p, bits, 4);
}

static uint8_t *
put_time(const struct iec103_object *o, uint8_t *p, enum iec_time_size size)
{
	struct iec_time t = o->time;

	t.size = (uint8_t)size;
	return iec_time_encode(&t, p);
}

/* Six bits of a double-point element are reserved: whatever a device sends there, its value counts.
 */
static uint8_t
get_double(struct cursor *c)
{
	return cursor_u8(c) & 3;
}

static void
get_rest(struct iec103_object *o, struct cursor *c, const uint8_t *from)
{
	o->rest = from;
	o->rest_len = cursor_ok(c) ? (size_t)(c->p - from) : 0;
}

static uint8_t *
put_rest(const struct iec103_object *o, uint8_t *p)
{
	if (o->rest_len)
		memcpy(p, o->rest, o->rest_len);
	return p + o->rest_len;
}

/* --- messages --- */

static void
get_tagged(struct iec103_object *o, struct cursor *c)
{
	o->value = get_double(c);
	iec_time_decode(&o->time, c, IEC_TIME_CP32);
	o->number = cursor_u8(c);
}

static uint8_t *
put_tagged(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->value;
	p = put_time(o, p, IEC_TIME_CP32);
	*p++ = o->number;
	return p;
}

static void
get_tagged_relative(struct iec103_object *o, struct cursor *c)
{
	o->value = get_double(c);
	o->relative = cursor_u16le(c);
	o->fault = cursor_u16le(c);
	iec_time_decode(&o->time, c, IEC_TIME_CP32);
	o->number = cursor_u8(c);
}

static uint8_t *
put_tagged_relative(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->value;
	p = put_le(p, o->relative, 2);
	p = put_le(p, o->fault, 2);
	p = put_time(o, p, IEC_TIME_CP32);
	*p++ = o->number;
	return p;
}

/* Bit 1 overflow, bit 2 error, bit 3 reserved, then 13 bits of value. */
static void
get_measurand(struct iec103_object *o, struct cursor *c)
{
	uint16_t v = cursor_u16le(c);

	o->overflow = v & 1;
	o->invalid = v & 2;
	o->measurand = (int16_t)((v >> 3) - (v & 0x8000 ? 0x2000 : 0));
}

static uint8_t *
put_measurand(const struct iec103_object *o, uint8_t *p)
{
	return put_le(
	    p, (uint16_t)o->measurand << 3 | (o->overflow ? 1 : 0) | (o->invalid ? 2 : 0), 2);
}

static void
get_location(struct iec103_object *o, struct cursor *c)
{
	o->real[0] = get_real(c);
	o->relative = cursor_u16le(c);
	o->fault = cursor_u16le(c);
	iec_time_decode(&o->time, c, IEC_TIME_CP32);
}

static uint8_t *
put_location(const struct iec103_object *o, uint8_t *p)
{
	p = put_real(p, o->real[0]);
	p = put_le(p, o->relative, 2);
	p = put_le(p, o->fault, 2);
	return put_time(o, p, IEC_TIME_CP32);
}

static void
get_identification(struct iec103_object *o, struct cursor *c)
{
	o->identity.compatibility = cursor_u8(c);
	for (unsigned i = 0; i < sizeof(o->identity.text); i++)
		o->identity.text[i] = cursor_u8(c);
	for (unsigned i = 0; i < sizeof(o->identity.software); i++)
		o->identity.software[i] = cursor_u8(c);
}

static uint8_t *
put_identification(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->identity.compatibility;
	memcpy(p, o->identity.text, sizeof(o->identity.text));
	p += sizeof(o->identity.text);
	memcpy(p, o->identity.software, sizeof(o->identity.software));
	return p + sizeof(o->identity.software);
}

static void
get_time_sync(struct iec103_object *o, struct cursor *c)
{
	iec_time_decode(&o->time, c, IEC_TIME_CP56);
}

static uint8_t *
put_time_sync(const struct iec103_object *o, uint8_t *p)
{
	return put_time(o, p, IEC_TIME_CP56);
}

static void
get_number(struct iec103_object *o, struct cursor *c)
{
	o->number = cursor_u8(c);
}

static uint8_t *
put_number(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->number;
	return p;
}

static void
get_command(struct iec103_object *o, struct cursor *c)
{
	o->value = get_double(c);
	o->number = cursor_u8(c);
}

static uint8_t *
put_command(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->value;
	*p++ = o->number;
	return p;
}

/* --- generic functions --- */

bool
iec103_generic_next(struct cursor *c, bool with_gin, struct iec103_generic *g)
{
	if (with_gin) {
		g->group = cursor_u8(c);
		g->entry = cursor_u8(c);
	}
	g->description = cursor_u8(c);
	g->data_type = cursor_u8(c);
	g->size = cursor_u8(c);
	uint8_t number = cursor_u8(c);
	g->number = number & 0x7F;
	g->more = number & 0x80;
	/* The size of a bit string is in bits, all others are in bytes. */
	g->value_len = g->data_type == GENERIC_BITSTRING ? (g->size + 7u) / 8 : g->size;
	g->values = cursor_bytes(c, g->number * g->value_len);
	return cursor_ok(c);
}

static void
get_count(struct iec103_object *o, struct cursor *c)
{
	uint8_t n = cursor_u8(c);

	o->count = n & 0x3F;
	o->counter = n & 0x40;
	o->more = n & 0x80;
}

static uint8_t *
put_count(const struct iec103_object *o, uint8_t *p)
{
	*p++ = (uint8_t)(o->count | (o->counter ? 0x40 : 0) | (o->more ? 0x80 : 0));
	return p;
}

static void
get_entries(struct iec103_object *o, struct cursor *c, bool with_gin)
{
	struct iec103_generic g;
	const uint8_t *from = c->p;

	for (unsigned i = 0; i < o->count && iec103_generic_next(c, with_gin, &g); i++)
		;
	get_rest(o, c, from);
}

static void
get_generic_data(struct iec103_object *o, struct cursor *c)
{
	o->number = cursor_u8(c);
	get_count(o, c);
	get_entries(o, c, true);
}

static uint8_t *
put_generic_data(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->number;
	return put_rest(o, put_count(o, p));
}

static void
get_generic_identification(struct iec103_object *o, struct cursor *c)
{
	o->number = cursor_u8(c);
	o->group = cursor_u8(c);
	o->entry = cursor_u8(c);
	get_count(o, c);
	get_entries(o, c, false);
}

static uint8_t *
put_generic_identification(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->number;
	*p++ = o->group;
	*p++ = o->entry;
	return put_rest(o, put_count(o, p));
}

static void
get_generic_command(struct iec103_object *o, struct cursor *c)
{
	o->number = cursor_u8(c);
	o->count = cursor_u8(c);
	const uint8_t *from = c->p;
	cursor_bytes(c, 3u * o->count); /* GIN, KOD */
	get_rest(o, c, from);
}

static uint8_t *
put_generic_command(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->number;
	*p++ = o->count;
	return put_rest(o, p);
}

/* --- disturbance data --- */

static void
get_recorded(struct iec103_object *o, struct cursor *c)
{
	o->fault = cursor_u16le(c);
	o->disturbance.status = cursor_u8(c);
	iec_time_decode(&o->time, c, IEC_TIME_CP56);
}

static uint8_t *
put_recorded(const struct iec103_object *o, uint8_t *p)
{
	p = put_le(p, o->fault, 2);
	*p++ = o->disturbance.status;
	return put_time(o, p, IEC_TIME_CP56);
}

static void
get_order(struct iec103_object *o, struct cursor *c)
{
	o->disturbance.order = cursor_u8(c);
	o->disturbance.order_for = cursor_u8(c);
	o->fault = cursor_u16le(c);
	o->disturbance.channel = cursor_u8(c);
}

static uint8_t *
put_order(const struct iec103_object *o, uint8_t *p)
{
	*p++ = o->disturbance.order;
	*p++ = o->disturbance.order_for;
	p = put_le(p, o->fault, 2);
	*p++ = o->disturbance.channel;
	return p;
}

/* The fields before FAN in types 26, 27 and 30. */
static void
get_tov(struct iec103_object *o, struct cursor *c)
{
	cursor_u8(c); /* not used */
	if (o->disturbance.with_tov)
		o->disturbance.order_for = cursor_u8(c);
}

static uint8_t *
put_tov(const struct iec103_object *o, uint8_t *p)
{
	*p++ = 0;
	if (o->disturbance.with_tov)
		*p++ = o->disturbance.order_for;
	return p;
}

static void
get_disturbance_ready(struct iec103_object *o, struct cursor *c)
{
	get_tov(o, c);
	o->fault = cursor_u16le(c);
	o->disturbance.faults = cursor_u16le(c);
	o->disturbance.channels = cursor_u8(c);
	o->elements = cursor_u16le(c);
	o->disturbance.interval = cursor_u16le(c);
	iec_time_decode(&o->time, c, IEC_TIME_CP32);
}

static uint8_t *
put_disturbance_ready(const struct iec103_object *o, uint8_t *p)
{
	p = put_tov(o, p);
	p = put_le(p, o->fault, 2);
	p = put_le(p, o->disturbance.faults, 2);
	*p++ = o->disturbance.channels;
	p = put_le(p, o->elements, 2);
	p = put_le(p, o->disturbance.interval, 2);
	return put_time(o, p, IEC_TIME_CP32);
}

static void
get_channel_ready(struct iec103_object *o, struct cursor *c)
{
	get_tov(o, c);
	o->fault = cursor_u16le(c);
	o->disturbance.channel = cursor_u8(c);
	for (int i = 0; i < 3; i++)
		o->real[i] = get_real(c);
}

static uint8_t *
put_channel_ready(const struct iec103_object *o, uint8_t *p)
{
	p = put_tov(o, p);
	p = put_le(p, o->fault, 2);
	*p++ = o->disturbance.channel;
	for (int i = 0; i < 3; i++)
		p = put_real(p, o->real[i]);
	return p;
}

static void
get_tags_ready(struct iec103_object *o, struct cursor *c)
{
	cursor_bytes(c, 2); /* not used */
	o->fault = cursor_u16le(c);
}

static uint8_t *
put_tags_ready(const struct iec103_object *o, uint8_t *p)
{
	return put_le(put_le(p, 0, 2), o->fault, 2);
}

static void
get_tags(struct iec103_object *o, struct cursor *c)
{
	o->fault = cursor_u16le(c);
	o->count = cursor_u8(c);
	o->elements = cursor_u16le(c);
	const uint8_t *from = c->p;
	cursor_bytes(c, 3u * o->count); /* function, information, value */
	get_rest(o, c, from);
}

static uint8_t *
put_tags(const struct iec103_object *o, uint8_t *p)
{
	p = put_le(p, o->fault, 2);
	*p++ = o->count;
	return put_rest(o, put_le(p, o->elements, 2));
}

static void
get_values(struct iec103_object *o, struct cursor *c)
{
	get_tov(o, c);
	o->fault = cursor_u16le(c);
	o->disturbance.channel = cursor_u8(c);
	o->count = cursor_u8(c);
	o->elements = cursor_u16le(c);
	const uint8_t *from = c->p;
	cursor_bytes(c, 2u * o->count);
	get_rest(o, c, from);
}

static uint8_t *
put_values(const struct iec103_object *o, uint8_t *p)
{
	p = put_tov(o, p);
	p = put_le(p, o->fault, 2);
	*p++ = o->disturbance.channel;
	*p++ = o->count;
	return put_rest(o, put_le(p, o->elements, 2));
}

/* --- ASDUs --- */

#define ROW_TOV(id_, text, function, tov)                                                          \
	[id_] = { .id = id_,                                                                       \
		.name = text,                                                                      \
		.may_have_tov = tov,                                                               \
		.get = get_##function,                                                             \
		.put = put_##function }
#define ROW(id, text, function) ROW_TOV(id, text, function, false)

static const struct iec103_type types[] = {
	ROW(IEC103_TIME_TAGGED, "time-tagged message", tagged),
	ROW(IEC103_TIME_TAGGED_RELATIVE, "time-tagged message with relative time", tagged_relative),
	ROW(IEC103_MEASURANDS_1, "measurands I", measurand),
	ROW(IEC103_MEASURAND_RELATIVE, "time-tagged measurand with relative time", location),
	ROW(IEC103_IDENTIFICATION, "identification", identification),
	ROW(IEC103_TIME_SYNC, "time synchronization", time_sync),
	ROW(IEC103_INTERROGATION, "general interrogation", number),
	ROW(IEC103_INTERROGATION_END, "end of general interrogation", number),
	ROW(IEC103_MEASURANDS_2, "measurands II", measurand),
	ROW(IEC103_GENERIC_DATA, "generic data", generic_data),
	ROW(IEC103_GENERIC_IDENTIFICATION, "generic identification", generic_identification),
	ROW(IEC103_COMMAND, "general command", command),
	ROW(IEC103_GENERIC_COMMAND, "generic command", generic_command),
	ROW(IEC103_RECORDED_DISTURBANCES, "list of recorded disturbances", recorded),
	ROW(IEC103_DISTURBANCE_ORDER, "order for disturbance data transmission", order),
	ROW(IEC103_DISTURBANCE_ACK, "acknowledgement for disturbance data transmission", order),
	ROW_TOV(IEC103_DISTURBANCE_READY, "ready for transmission of disturbance data",
	    disturbance_ready, true),
	ROW_TOV(IEC103_CHANNEL_READY, "ready for transmission of a channel", channel_ready, true),
	ROW(IEC103_TAGS_READY, "ready for transmission of tags", tags_ready),
	ROW(IEC103_TAGS, "transmission of tags", tags),
	ROW_TOV(IEC103_DISTURBANCE_VALUES, "transmission of disturbance values", values, true),
	ROW(IEC103_END_OF_TRANSMISSION, "end of transmission", order),
};

const struct iec103_type *
iec103_type_find(uint8_t id)
{
	return id < sizeof(types) / sizeof(types[0]) && types[id].name ? &types[id] : NULL;
}

bool
iec103_next(struct iec103_asdu *a, struct iec103_object *o)
{
	if (a->at == a->count)
		return false;
	*o = (struct iec103_object){ .disturbance.with_tov = a->with_tov };
	if (!a->elements || a->at == 0) {
		a->function = cursor_u8(&a->rest);
		a->information = cursor_u8(&a->rest);
	}
	o->function = a->function;
	o->information = a->information;
	a->type->get(o, &a->rest);
	if (!cursor_ok(&a->rest)) {
		a->at = a->count;
		return false;
	}
	a->at++;
	return true;
}

/* Whether its objects are exactly the bytes that there are. */
static bool
fits(const struct iec103_asdu *a)
{
	struct iec103_asdu walk = *a;
	struct iec103_object o;

	while (iec103_next(&walk, &o))
		;
	return cursor_done(&walk.rest);
}

enum dec
iec103_decode(struct iec103_asdu *a, const void *data, size_t len)
{
	struct cursor c = cursor_make(data, len);

	*a = (struct iec103_asdu){ .type_id = cursor_u8(&c) };
	uint8_t qualifier = cursor_u8(&c);
	a->elements = !(qualifier & SEPARATE);
	a->count = qualifier & 0x7F;
	a->cause = cursor_u8(&c);
	a->common = cursor_u8(&c);
	a->rest = c;
	a->type = iec103_type_find(a->type_id);
	if (!cursor_ok(&c))
		return DEC_MORE;
	if (!a->type)
		return DEC_UNSUP;
	a->with_tov = a->type->may_have_tov;
	if (fits(a))
		return DEC_OK;
	a->with_tov = false;
	return fits(a) ? DEC_OK : DEC_BAD;
}
/* More than any fixed part of an object. */
enum { OBJECT_MAX = 32 };

int
iec103_encode(uint8_t out[IEC103_MAX], const struct iec103_asdu *a,
    const struct iec103_object objects[], size_t n)
{
	const struct iec103_type *type = iec103_type_find(a->type_id);
	uint8_t buf[IEC103_MAX + OBJECT_MAX], *p = buf;

	if (!type || !n || n > IEC103_MAX_OBJECTS) {
		errno = EINVAL;
		return -1;
	}
	*p++ = a->type_id;
	*p++ = (uint8_t)((a->elements ? 0 : SEPARATE) | n);
	*p++ = a->cause;
	*p++ = a->common;
	for (size_t i = 0; i < n; i++) {
		if ((size_t)(p - buf) + objects[i].rest_len > IEC103_MAX)
			goto fail;
		if (!a->elements || i == 0) {
			*p++ = objects[i].function;
			*p++ = objects[i].information;
		}
		p = type->put(&objects[i], p);
		if (p - buf > IEC103_MAX)
			goto fail;
	}
	memcpy(out, buf, (size_t)(p - buf));
	return (int)(p - buf);
fail:
	errno = EMSGSIZE;
	return -1;
}

/* --- names --- */

const char *const iec103_double_names[] = { "TRANSIENT", "OFF", "ON", "ERROR", NULL };

const char *
iec103_cause_name(uint8_t cause)
{
	static const char *const names[] = {
		[IEC103_SPONTANEOUS] = "SPONTANEOUS",
		[IEC103_CYCLIC] = "CYCLIC",
		[IEC103_TEST_MODE] = "TEST_MODE",
		[IEC103_CAUSE_INTERROGATION] = "GENERAL_INTERROGATION",
		[IEC103_LOCAL_OPERATION] = "LOCAL_OPERATION",
		[IEC103_REMOTE_OPERATION] = "REMOTE_OPERATION",
	};

	return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : NULL;
}

const char *
iec103_measurand_name(uint8_t type_id, unsigned n)
{
	static const char *const names[2][9] = {
		{ "m1_i_l2", "m1_u_l12", "m1_p", "m1_q" },
		{ "m2_i_l1", "m2_i_l2", "m2_i_l3", "m2_u_l1e", "m2_u_l2e", "m2_u_l3e", "m2_p",
		    "m2_q", "m2_f" },
	};

	return n < 9 ? names[type_id == IEC103_MEASURANDS_2][n] : NULL;
}
