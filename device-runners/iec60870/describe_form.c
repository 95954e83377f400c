#include "device-runners/iec60870/describe_form.h"

#include <stdio.h>

#define BOOLEAN(key) "\"" key "\":\"boolean\""
#define CAUSE(names) BOOLEAN("is_test") ",\"cause\":\"" names "|integer 0..63\""

#define INDICATION                                                                                 \
	BOOLEAN("invalid")                                                                         \
	"," BOOLEAN("not_topical") "," BOOLEAN("substituted") "," BOOLEAN("blocked")
#define MEASUREMENT INDICATION "," BOOLEAN("overflow")
#define PROTECTION INDICATION "," BOOLEAN("time_invalid")
#define COUNTER                                                                                    \
	BOOLEAN("invalid")                                                                         \
	"," BOOLEAN("adjusted") "," BOOLEAN("overflow") ",\"sequence\":\"boolean|integer 0..31\""
#define FOUR_PHASES BOOLEAN("general") "," BOOLEAN("l1") "," BOOLEAN("l2") "," BOOLEAN("l3")

/* qualified: a command has a qualifier. more: what follows the quality. */
static const struct {
	const char *value, *quality, *more;
	bool qualified;
} kinds[IEC_KINDS] = {
	[IEC_SINGLE] = { .value = "\"OFF|ON\"", .quality = INDICATION, .qualified = true },
	[IEC_DOUBLE] = { .value = "\"INTERMEDIATE|OFF|ON|FAULT\"",
	    .quality = INDICATION,
	    .qualified = true },
	[IEC_STEP_POSITION] = { .value = "{\"value\":\"integer -64..63\"," BOOLEAN("transient") "}",
	    .quality = MEASUREMENT },
	[IEC_BITSTRING] = { .value = "[\"integer 0..255\",4]", .quality = MEASUREMENT },
	[IEC_NORMALIZED] = { .value = "\"number -1..1\"", .quality = MEASUREMENT },
	[IEC_SCALED] = { .value = "\"integer -32768..32767\"", .quality = MEASUREMENT },
	[IEC_FLOATING] = { .value = "\"number|nan|inf|-inf\"", .quality = MEASUREMENT },
	[IEC_BINARY_COUNTER] = { .value = "\"integer -2147483648..2147483647\"",
	    .quality = COUNTER },
	[IEC_PROTECTION] = { .value = "\"OFF|ON\"",
	    .quality = PROTECTION,
	    .more = ",\"elapsed_time\":\"integer 0..65535\"" },
	[IEC_PROTECTION_START] = { .value =
				       "{" FOUR_PHASES "," BOOLEAN("ie") "," BOOLEAN("reverse") "}",
	    .quality = PROTECTION,
	    .more = ",\"duration_time\":\"integer 0..65535\"" },
	[IEC_PROTECTION_COMMAND] = { .value = "{" FOUR_PHASES "}",
	    .quality = PROTECTION,
	    .more = ",\"operating_time\":\"integer 0..65535\"" },
	[IEC_STATUS] = { .value = "{\"value\":[\"boolean\",16],\"change\":[\"boolean\",16]}",
	    .quality = MEASUREMENT },
	[IEC_REGULATING] = { .value = "\"LOWER|HIGHER\"", .qualified = true },
};

const char *
describe_form_data(enum iec_kind kind, char text[DESCRIBE_FORM])
{
	static const char head[] =
	    "{" CAUSE("PERIODIC|BACKGROUND_SCAN|SPONTANEOUS|REQUEST|REMOTE_COMMAND|LOCAL_COMMAND|"
		      "INTERROGATED_STATION|INTERROGATED_GROUP01..16|"
		      "INTERROGATED_COUNTER|INTERROGATED_COUNTER01..04");

	snprintf(text, DESCRIBE_FORM, "%s,\"data\":{\"value\":%s,\"quality%s\":{%s}%s}}", head,
	    kinds[kind].value, kind == IEC_NORMALIZED ? "?" : "",
	    kinds[kind].quality ? kinds[kind].quality : "",
	    kinds[kind].more ? kinds[kind].more : "");
	return text;
}

const char *
describe_form_command(enum iec_kind kind, bool slave, char text[DESCRIBE_FORM])
{
	static const char request[] = "{" CAUSE("ACTIVATION|DEACTIVATION");
	static const char answer[] = "{" CAUSE(
	    "ACTIVATION_CONFIRMATION|DEACTIVATION_CONFIRMATION|"
	    "ACTIVATION_TERMINATION|UNKNOWN_TYPE|UNKNOWN_CAUSE|UNKNOWN_ASDU_ADDRESS|"
	    "UNKNOWN_IO_ADDRESS") "," BOOLEAN("is_negative_confirm") ",\"connection_id\":\"integer "
								     "0..9223372036854775807\"";

	snprintf(text, DESCRIBE_FORM, "%s,\"command\":{\"value\":%s%s%s}}",
	    slave ? answer : request, kinds[kind].value,
	    kind == IEC_BITSTRING ? "" : "," BOOLEAN("select"),
	    kinds[kind].qualified ? ",\"qualifier\":\"integer 0..31\"" : "");
	return text;
}

const char *
describe_form_interrogation(bool counters)
{
	return counters ? "{" CAUSE("ACTIVATION|DEACTIVATION") ",\"request\":\"integer 0..63\","
							       "\"freeze\":\"READ|FREEZE|FREEZE_"
							       "AND_RESET|RESET\"}"
			: "{" CAUSE("ACTIVATION|DEACTIVATION") ",\"request\":\"integer 0..255\"}";
}

void
describe_parts_make(struct describe_parts *p, const struct asdu_sizes *sizes)
{
	snprintf(p->common, sizeof(p->common), "integer 0..%u", asdu_max_common(sizes));
	snprintf(p->object, sizeof(p->object), "integer 0..%u", asdu_max_object(sizes));
	p->list[0] = p->common;
	p->list[1] = p->object;
	p->list[2] = NULL;
}
