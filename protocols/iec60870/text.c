#include "protocols/iec60870/text.h"

#include "protocols/iec60870/apci.h"

/* --- values of objects --- */

static const char *const single_names[] = { "OFF", "ON" };
static const char *const double_names[] = { "INTERMEDIATE", "OFF", "ON", "FAULT" };
static const char *const protection_names[] = { "INDETERMINATE", "OFF", "ON", "INDETERMINATE" };
static const char *const regulating_names[] = { "NOT PERMITTED", "LOWER", "HIGHER",
	"NOT PERMITTED" };

static const struct {
	const char *const *names;
	int32_t count;
} named[IEC_KINDS + 1] = {
	[IEC_SINGLE] = { .names = single_names, .count = 2 },
	[IEC_DOUBLE] = { .names = double_names, .count = 4 },
	[IEC_PROTECTION] = { .names = protection_names, .count = 4 },
	[IEC_REGULATING] = { .names = regulating_names, .count = 4 },
};

static void
put_value(struct textbuf *t, const struct iec_type *type, const struct iec_object *o)
{
	switch (type->kind) {
	case IEC_NO_VALUE:
		break;
	case IEC_BITSTRING:
	case IEC_STATUS:
	case IEC_PROTECTION_START:
	case IEC_PROTECTION_COMMAND:
		textbuf_add(t, " 0x%x", (uint32_t)o->value);
		break;
	case IEC_NORMALIZED:
		textbuf_add(t, " %.5f", o->value / 32768.0);
		break;
	case IEC_FLOATING:
		textbuf_add(t, " %g", (double)o->real);
		break;
	default:
		if (named[type->kind].names && o->value >= 0 && o->value < named[type->kind].count)
			textbuf_add(t, " %s", named[type->kind].names[o->value]);
		else
			textbuf_add(t, " %d%s", o->value, o->transient ? " in transit" : "");
	}
}

static const struct {
	uint8_t mask;
	const char *word;
} quality_words[] = {
	{ .mask = IEC_Q_INVALID, .word = "invalid" },
	{ .mask = IEC_Q_NOT_TOPICAL, .word = "not topical" },
	{ .mask = IEC_Q_SUBSTITUTED, .word = "substituted" },
	{ .mask = IEC_Q_BLOCKED, .word = "blocked" },
	{ .mask = IEC_Q_TIME_INVALID, .word = "elapsed time invalid" },
	{ .mask = IEC_Q_OVERFLOW, .word = "overflow" },
}, counter_words[] = {
	{ .mask = IEC_Q_INVALID, .word = "invalid" },
	{ .mask = IEC_Q_COUNTER_ADJUSTED, .word = "adjusted" },
	{ .mask = IEC_Q_COUNTER_OVERFLOW, .word = "overflow" },
};

static void
put_quality(struct textbuf *t, const struct iec_type *type, uint8_t quality)
{
	bool counter = type->quality == IEC_QUALITY_COUNTER;
	size_t n = counter ? sizeof(counter_words) / sizeof(counter_words[0])
			   : sizeof(quality_words) / sizeof(quality_words[0]);

	for (size_t i = 0; i < n; i++) {
		uint8_t mask = counter ? counter_words[i].mask : quality_words[i].mask;
		if (quality & mask)
			textbuf_add(
			    t, " %s", counter ? counter_words[i].word : quality_words[i].word);
	}
}

void
iec_time_text(struct textbuf *t, const struct iec_time *time)
{
	if (time->size == IEC_TIME_NONE)
		return;
	textbuf_add(t, " (");
	if (time->size == IEC_TIME_CP56)
		textbuf_add(t, "%u-%02u-%02u ", time->year + (time->year < 70 ? 2000 : 1900),
		    time->month, time->day);
	if (time->size >= IEC_TIME_CP32)
		textbuf_add(t, "%02u:", time->hour);
	if (time->size >= IEC_TIME_CP24)
		textbuf_add(t, "%02u:", time->minute);
	textbuf_add(
	    t, "%02u.%03u%s)", time->ms / 1000, time->ms % 1000, time->invalid ? " invalid" : "");
}

/* The word for the qualifier of a class, before the number. */
static const char *const qualifiers[] = {
	[IEC_CLASS_COMMAND] = "QU",
	[IEC_CLASS_END_OF_INIT] = "COI",
	[IEC_CLASS_INTERROGATION] = "QOI",
	[IEC_CLASS_COUNTER_INTERROGATION] = "RQT",
	[IEC_CLASS_RESET] = "QRP",
	[IEC_CLASS_PARAMETER] = "QPM",
	[IEC_CLASS_PARAMETER_ACTIVATION] = "QPA",
	[IEC_CLASS_FILE] = NULL,
};

static void
put_qualifier(struct textbuf *t, const struct iec_type *type, const struct iec_object *o)
{
	if (qualifiers[type->class] && (type->class != IEC_CLASS_COMMAND || o->qualifier))
		textbuf_add(t, " %s %u", qualifiers[type->class], o->qualifier);
	if (type->class == IEC_CLASS_COUNTER_INTERROGATION)
		textbuf_add(t, " FRZ %u", o->freeze);
	if (type->class == IEC_CLASS_COMMAND)
		textbuf_add(t, o->select ? " select" : " execute");
	if (type->class == IEC_CLASS_FILE)
		textbuf_add(t, " file %u section %u", o->file.name, o->file.section);
}

static void
put_object(struct textbuf *t, const struct iec_type *type, const struct iec_object *o)
{
	textbuf_add(t, ", %u", o->address);
	put_value(t, type, o);
	put_qualifier(t, type, o);
	put_quality(t, type, o->quality);
	iec_time_text(t, &o->time);
	if (o->defect)
		textbuf_add(t, " [%s]", o->defect);
}

/* --- ASDU --- */

static void
put_head(struct textbuf *t, const struct asdu_head *head)
{
	const char *cause = iec_cause_name(head->cause);

	if (head->type)
		textbuf_add(t, "%s ", head->type->name);
	else
		textbuf_add(t, "unknown type %u ", head->type_id);
	if (cause)
		textbuf_add(t, "%s", cause);
	else
		textbuf_add(t, "cause %u", head->cause);
	textbuf_add(t, "%s%s", head->negative ? " negative" : "", head->test ? " test" : "");
	if (head->originator)
		textbuf_add(t, ", originator %u", head->originator);
	textbuf_add(t, ", ASDU %u", head->common);
}

void
iec_asdu_text(struct textbuf *t, const struct asdu_sizes *sizes, const uint8_t *asdu, size_t len)
{
	struct asdu a = { 0 };
	struct iec_object o;
	enum dec dec = asdu_decode(&a, sizes, asdu, len);

	if (len < (size_t)2 + sizes->cause + sizes->common) {
		textbuf_add(t, "%zu bytes that are no ASDU", len);
		return;
	}
	if (dec == DEC_OK || dec == DEC_UNSUP)
		put_head(t, &a.head);
	if (dec != DEC_OK)
		textbuf_add(t,
		    dec == DEC_UNSUP  ? ", %zu bytes"
		    : dec == DEC_MORE ? "an ASDU that is shorter than it says, %zu bytes"
				      : "an ASDU that is longer than it says, %zu bytes",
		    len);
	while (dec == DEC_OK && !textbuf_is_full(t) && asdu_next(&a, &o))
		put_object(t, a.head.type, &o);
}

/* --- part 104 --- */

static const char *
function_name(enum apci_u function)
{
	static const struct {
		enum apci_u function;
		const char *name;
	} names[] = {
		{ .function = APCI_STARTDT_ACT, .name = "STARTDT act" },
		{ .function = APCI_STARTDT_CON, .name = "STARTDT con" },
		{ .function = APCI_STOPDT_ACT, .name = "STOPDT act" },
		{ .function = APCI_STOPDT_CON, .name = "STOPDT con" },
		{ .function = APCI_TESTFR_ACT, .name = "TESTFR act" },
		{ .function = APCI_TESTFR_CON, .name = "TESTFR con" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].function == function)
			return names[i].name;
	return "?";
}

void
iec104_frame_text(struct textbuf *t, const uint8_t *p, size_t len)
{
	struct apdu apdu;
	size_t used = 0;

	if (apci_decode(&apdu, p, len, &used) != DEC_OK || used != len) {
		textbuf_add(t, "%zu bytes that are no frame", len);
	} else if (apdu.format == APCI_U) {
		textbuf_add(t, "U %s", function_name(apdu.function));
	} else if (apdu.format == APCI_S) {
		textbuf_add(t, "S %u", apdu.receive);
	} else {
		textbuf_add(t, "I %u/%u, ", apdu.send, apdu.receive);
		iec_asdu_text(t, &asdu_sizes_104, apdu.asdu, apdu.len);
	}
}

/* --- FT1.2 --- */

static const char *const requests[16] = {
	[FT12_RESET_LINK] = "reset of remote link",
	[FT12_RESET_PROCESS] = "reset of user process",
	[FT12_TEST] = "test function of link",
	[FT12_DATA] = "user data",
	[FT12_DATA_NO_REPLY] = "user data, no reply",
	[FT12_RESET_FCB] = "reset FCB",
	[FT12_REQ_ACCESS_DEMAND] = "request access demand",
	[FT12_REQ_STATUS] = "request status of link",
	[FT12_REQ_CLASS1] = "request class 1",
	[FT12_REQ_CLASS2] = "request class 2",
};

static const char *const responses[16] = {
	[FT12_ACK] = "ACK",
	[FT12_NACK] = "NACK",
	[FT12_RES_DATA] = "respond user data",
	[FT12_RES_NO_DATA] = "respond no data",
	[FT12_RES_STATUS] = "status of link",
	[FT12_NOT_FUNCTIONING] = "link not functioning",
	[FT12_NOT_IMPLEMENTED] = "link service not implemented",
};

static void
put_link(struct textbuf *t, const struct ft12_params *params, const struct ft12_frame *f)
{
	bool primary = f->kind == FT12_PRIMARY;
	const char *name = (primary ? requests : responses)[f->function & 15];

	if (params->address_size)
		textbuf_add(t, "link %u, ", f->address);
	if (name)
		textbuf_add(t, "%s", name);
	else
		textbuf_add(t, "%s %u", primary ? "request" : "response", f->function);
	if (params->direction)
		textbuf_add(t, f->dir ? " DIR" : "");
	if (primary)
		textbuf_add(t, "%s", f->fcv ? (f->fcb ? " FCB 1" : " FCB 0") : "");
	else
		textbuf_add(t, "%s%s", f->acd ? " ACD" : "", f->dfc ? " DFC" : "");
}

void
ft12_frame_text(struct textbuf *t, const struct ft12_params *params, const struct asdu_sizes *sizes,
    const uint8_t *p, size_t len)
{
	struct ft12_frame f = { 0 };
	size_t size = 0;
	enum dec dec = ft12_decode(params, p, len, &f, &size);

	if ((dec != DEC_OK && dec != DEC_UNSUP) || size != len) {
		textbuf_add(t, "%zu bytes that are no frame", len);
		return;
	}
	if (f.kind == FT12_SINGLE) {
		textbuf_add(t, "single character E5");
		return;
	}
	put_link(t, params, &f);
	if (f.len == 0)
		return;
	textbuf_add(t, ", ");
	if (sizes)
		iec_asdu_text(t, sizes, f.data, f.len);
	else
		iec103_asdu_text(t, f.data, f.len);
}
