/* ASDUs of IEC 60870-5-103 for people; the other half of text.c. */
#include "protocols/iec60870/iec103_asdu.h"
#include "protocols/iec60870/text.h"

static void
put_double(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " %s", iec103_double_names[o->value & 3]);
}

static void
put_tagged(struct textbuf *t, const struct iec103_object *o)
{
	put_double(t, o);
	iec_time_text(t, &o->time);
}

static void
put_measurand(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " %.5f%s%s", o->measurand / 4096.0, o->overflow ? " overflow" : "",
	    o->invalid ? " invalid" : "");
}

static void
put_location(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " %g", (double)o->real[0]);
	iec_time_text(t, &o->time);
}

static void
put_identity(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " ");
	textbuf_quote(t, o->identity.text, sizeof(o->identity.text), sizeof(o->identity.text));
}

static void
put_time(struct textbuf *t, const struct iec103_object *o)
{
	iec_time_text(t, &o->time);
}

static void
put_scan(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " scan %u", o->number);
}

static void
put_command(struct textbuf *t, const struct iec103_object *o)
{
	put_double(t, o);
	textbuf_add(t, " return %u", o->number);
}

static void
put_generic(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " return %u, %u entries", o->number, o->count);
}

static void
put_fault(struct textbuf *t, const struct iec103_object *o)
{
	textbuf_add(t, " fault %u", o->fault);
}

/* Types without a row say no more than their address. */
static void (*const details[])(struct textbuf *t, const struct iec103_object *o) = {
	[IEC103_TIME_TAGGED] = put_tagged,
	[IEC103_TIME_TAGGED_RELATIVE] = put_tagged,
	[IEC103_MEASURANDS_1] = put_measurand,
	[IEC103_MEASURAND_RELATIVE] = put_location,
	[IEC103_IDENTIFICATION] = put_identity,
	[IEC103_TIME_SYNC] = put_time,
	[IEC103_INTERROGATION] = put_scan,
	[IEC103_INTERROGATION_END] = put_scan,
	[IEC103_MEASURANDS_2] = put_measurand,
	[IEC103_GENERIC_DATA] = put_generic,
	[IEC103_GENERIC_IDENTIFICATION] = put_generic,
	[IEC103_COMMAND] = put_command,
	[IEC103_GENERIC_COMMAND] = put_generic,
	[IEC103_RECORDED_DISTURBANCES] = put_fault,
	[IEC103_DISTURBANCE_ORDER] = put_fault,
	[IEC103_DISTURBANCE_ACK] = put_fault,
	[IEC103_DISTURBANCE_READY] = put_fault,
	[IEC103_TAGS_READY] = put_fault,
	[IEC103_TAGS] = put_fault,
	[IEC103_END_OF_TRANSMISSION] = put_fault,
};

static void
put_object(struct textbuf *t, uint8_t type, const struct iec103_object *o)
{
	textbuf_add(t, ", FUN %u INF %u", o->function, o->information);
	if (type < sizeof(details) / sizeof(details[0]) && details[type])
		details[type](t, o);
}

/* Causes of transmission of clause 7.2.3 that no event bears. */
static const char *const causes[] = {
	[3] = "reset of the frame count bit",
	[4] = "reset of the communication unit",
	[5] = "start",
	[6] = "power on",
	[IEC103_CAUSE_TIME_SYNC] = "time synchronization",
	[IEC103_CAUSE_INTERROGATION_END] = "end of general interrogation",
	[IEC103_COMMAND_ACK] = "command accepted",
	[IEC103_COMMAND_NACK] = "command refused",
	[31] = "transmission of disturbance data",
};

static void
put_cause(struct textbuf *t, const struct iec103_asdu *a)
{
	const char *name = iec103_cause_name(a->cause);

	if (!name && a->cause < sizeof(causes) / sizeof(causes[0]))
		name = causes[a->cause];
	if (a->cause == IEC103_COMMAND_ACK && a->type_id == IEC103_COMMAND)
		name = "command";
	if (name)
		textbuf_add(t, ", %s", name);
	else
		textbuf_add(t, ", cause %u", a->cause);
}

void
iec103_asdu_text(struct textbuf *t, const uint8_t *asdu, size_t len)
{
	struct iec103_asdu a = { 0 };
	struct iec103_object o;
	enum dec dec = iec103_decode(&a, asdu, len);

	if (dec != DEC_OK && dec != DEC_UNSUP) {
		textbuf_add(t, "%zu bytes that are no ASDU", len);
		return;
	}
	if (a.type)
		textbuf_add(t, "%s (%u)", a.type->name, a.type_id);
	else
		textbuf_add(t, "type %u, %zu bytes", a.type_id, len);
	put_cause(t, &a);
	textbuf_add(t, ", ASDU %u", a.common);
	while (dec == DEC_OK && !textbuf_is_full(t) && iec103_next(&a, &o))
		put_object(t, a.type_id, &o);
}
