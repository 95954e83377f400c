#include "device-runners/iec60870/describe_data.h"

#include <stdio.h>

#include "common/number.h"
#include "device-runners/iec60870/describe_form.h"
#include "device-runners/runtime/report/describe.h"
#include "device-runners/iec60870/iec_station.h"

enum { REST = 48, NAME = 80, MAX_TYPE = 8 };

#define QUALITY "\"invalid\":false,\"not_topical\":false,\"substituted\":false,\"blocked\":false"
#define SPONTANEOUS                                                                                \
	"{\"is_test\":false,\"cause\":\"SPONTANEOUS\",\"data\":{\"value\":$value,\"quality\":{"

/* The payload of events of a kind, and the one that a slave is sent, as good as it gets. NULL:
 * gatewayctl is given the whole payload. */
static const struct {
	const char *value, *state;
} kinds[IEC_KINDS] = {
	[IEC_SINGLE] = { .value = "OFF|ON", .state = SPONTANEOUS QUALITY "}}}" },
	[IEC_DOUBLE] = { .value = "INTERMEDIATE|OFF|ON|FAULT", .state = SPONTANEOUS QUALITY "}}}" },
	[IEC_STEP_POSITION] = { .value = "json",
	    .state = SPONTANEOUS QUALITY ",\"overflow\":false}}}" },
	[IEC_BITSTRING] = { .value = "json",
	    .state = SPONTANEOUS QUALITY ",\"overflow\":false}}}" },
	[IEC_NORMALIZED] = { .value = "number -1..1",
	    .state = SPONTANEOUS QUALITY ",\"overflow\":false}}}" },
	[IEC_SCALED] = { .value = "integer -32768..32767",
	    .state = SPONTANEOUS QUALITY ",\"overflow\":false}}}" },
	[IEC_FLOATING] = { .value = "number",
	    .state = SPONTANEOUS QUALITY ",\"overflow\":false}}}" },
	[IEC_BINARY_COUNTER] = { .value = "integer -2147483648..2147483647",
	    .state = SPONTANEOUS
	    "\"invalid\":false,\"adjusted\":false,\"overflow\":false,\"sequence\":0}}}" },
	[IEC_PROTECTION] = { .value = "json", .state = NULL },
	[IEC_PROTECTION_START] = { .value = "json", .state = NULL },
	[IEC_PROTECTION_COMMAND] = { .value = "json", .state = NULL },
	[IEC_STATUS] = { .value = "json", .state = NULL },
	[IEC_REGULATING] = { .value = "LOWER|HIGHER", .state = NULL },
};

struct type {
	const char *segments[MAX_TYPE + 1];
};

/* {source, "remote_device", remote, rest...}, or without the two in the middle. */
static struct type
type_of(const char *source, const char *remote, const char *a, const char *b, const char *c,
    const char *e, const char *f)
{
	const char *const all[] = { source, remote ? "remote_device" : NULL, remote, a, b, c, e,
		f };
	struct type t = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			t.segments[n++] = all[i];
	return t;
}

static const char *
name_of(char text[NAME], const char *remote, const char *rest)
{
	snprintf(
	    text, NAME, "%.20s%s%.47s", remote ? remote : "", remote && *rest ? "/" : "", rest);
	return text;
}

static void
put_enable(struct describe *d, const char *remote)
{
	struct type gives = type_of("gateway", remote, "status", NULL, NULL, NULL, NULL);
	struct type takes = type_of("system", remote, "enable", NULL, NULL, NULL, NULL);
	const struct describe_verb enable = {
		.verb = "enable", .takes = takes.segments, .request = "$value"
	};

	describe_put(d, &(struct describe_data){ .name = remote,
			    .value = "boolean",
			    .about = "whether there is a connection to the device",
			    .gives = gives.segments,
			    .verbs = &enable,
			    .verb_count = 1 });
}

/* --- 101 and 104 --- */

#define ACTIVATION "{\"is_test\":false,\"cause\":\"ACTIVATION\","
static const char confirmed[] =
    "{\"is_negative_confirm\":false,\"cause\":\"ACTIVATION_CONFIRMATION\"}";

struct verbs {
	struct describe_verb list[2];
	size_t count;
};

/* To execute, and to select where that can be. */
static struct verbs
command_verbs(
    enum iec_kind kind, const struct type *takes, const struct type *result, const char *form)
{
	struct describe_verb v = { .verb = "command",
		.form = form,
		.takes = takes->segments,
		.request =
		    ACTIVATION "\"command\":{\"value\":$value,\"select\":false,\"qualifier\":0}}",
		.result = result->segments,
		.match = "{\"command\":{\"select\":false}}",
		.good = confirmed };
	struct describe_verb s = v;

	if (!iec_type_choose(IEC_CLASS_COMMAND, kind, IEC_TIME_NONE, false))
		return (struct verbs){ .count = 0 };
	if (kind == IEC_BITSTRING) {
		v.request = ACTIVATION "\"command\":{\"value\":$value}}";
		v.match = "";
		return (struct verbs){ .list = { v }, .count = 1 };
	}
	s.verb = "select";
	s.match = "{\"command\":{\"select\":true}}";
	s.request = ACTIVATION "\"command\":{\"value\":$value,\"select\":true,\"qualifier\":0}}";
	if (kind == IEC_NORMALIZED || kind == IEC_SCALED || kind == IEC_FLOATING) {
		v.request = ACTIVATION "\"command\":{\"value\":$value,\"select\":false}}";
		s.request = ACTIVATION "\"command\":{\"value\":$value,\"select\":true}}";
	}
	return (struct verbs){ .list = { v, s }, .count = 2 };
}

static void
put_kind(struct describe *d, const char *remote, enum iec_kind kind, const char *const *parts)
{
	char form[DESCRIBE_FORM];
	const char *word = iec_kind_name(kind);
	struct type gives = type_of("gateway", remote, "data", word, "?", "?", NULL);
	struct type takes = type_of("system", remote, "command", word, "?", "?", NULL);
	struct type result = type_of("gateway", remote, "command", word, "?", "?", NULL);
	struct verbs verbs =
	    command_verbs(kind, &takes, &result, describe_form_command(kind, false, form));
	char rest[REST], name[NAME];

	snprintf(rest, sizeof(rest), "%s/?/?", word);
	describe_put(d, &(struct describe_data){ .name = name_of(name, remote, rest),
			    .value = kinds[kind].value,
			    .about = "common address, object address",
			    .gives = kind == IEC_REGULATING ? NULL : gives.segments,
			    .verbs = verbs.list,
			    .verb_count = verbs.count,
			    .parts = parts });
}

static void
put_interrogation(struct describe *d, const char *remote, bool counters, const char *const *parts)
{
	const char *word = counters ? "counter_interrogation" : "interrogation";
	struct type takes = type_of("system", remote, word, "?", NULL, NULL, NULL);
	struct type result = type_of("gateway", remote, word, "?", NULL, NULL, NULL);
	const struct describe_verb v = { .verb = counters ? "interrogate_counters" : "interrogate",
		.takes = takes.segments,
		.request = counters ? ACTIVATION "\"request\":$value,\"freeze\":\"READ\"}"
				    : ACTIVATION "\"request\":$value}",
		.result = result.segments,
		.match = "",
		.good = confirmed,
		.form = describe_form_interrogation(counters) };
	char rest[REST], name[NAME];

	snprintf(rest, sizeof(rest), "%s/?", word);
	describe_put(d, &(struct describe_data){ .name = name_of(name, remote, rest),
			    .value = counters ? "integer 0..63" : "integer 0..255",
			    .about = counters ? "common address; 5 all counters, 1 to 4 groups"
					      : "common address; 20 station, 21 to 36 groups",
			    .gives = result.segments,
			    .verbs = &v,
			    .verb_count = 1,
			    .parts = parts });
}

static struct asdu_sizes master_sizes = { .cause = 2, .common = 2, .object = 3 };

void
describe_iec_master_sizes(const struct asdu_sizes *sizes)
{
	master_sizes = *sizes;
}

size_t
describe_iec_master_count(const char *remote)
{
	return IEC_KINDS + 2 + (remote != NULL);
}

bool
describe_iec_master_data(const char *remote, struct describe *d, size_t i)
{
	struct describe_parts parts;

	describe_parts_make(&parts, &master_sizes);
	if (i < IEC_KINDS)
		put_kind(d, remote, (enum iec_kind)i, parts.list);
	else if (i < IEC_KINDS + 2)
		put_interrogation(d, remote, i > IEC_KINDS, (const char *[]){ parts.common, NULL });
	else if (remote && i == IEC_KINDS + 2)
		put_enable(d, remote);
	return i < describe_iec_master_count(remote);
}

static void
put_point(struct describe *d, const struct point *p)
{
	char common[12], address[12], name[NAME], form[DESCRIBE_FORM];
	const char *word = iec_kind_name((enum iec_kind)p->kind);
	bool whole = !kinds[p->kind].state;

	*number_put_uint(common, p->common) = '\0';
	*number_put_uint(address, p->address) = '\0';
	struct type takes = type_of("system", NULL, "data", word, common, address, NULL);
	const struct describe_verb v = { .verb = "write",
		.takes = takes.segments,
		.request = whole ? "$value" : kinds[p->kind].state,
		.form = describe_form_data((enum iec_kind)p->kind, form) };
	/* Events of gatewayctl have a time. */
	bool timed = iec_type_choose(IEC_CLASS_DATA, (enum iec_kind)p->kind, IEC_TIME_CP56, true);
	snprintf(name, sizeof(name), "%s/%s/%s", word, common, address);
	describe_put(d, &(struct describe_data){ .name = name,
			    .value = kinds[p->kind].value,
			    .about = "common address, object address",
			    .gives = takes.segments,
			    .verbs = &v,
			    .verb_count = timed });
}

/* Commands of a kind from masters, and the answers to them. */
static void
put_answer(struct describe *d, enum iec_kind kind, const char *const *parts)
{
	const char *word = iec_kind_name(kind);
	struct type gives = type_of("gateway", NULL, "command", word, "?", "?", NULL);
	struct type takes = type_of("system", NULL, "command", word, "?", "?", NULL);
	char name[NAME], form[DESCRIBE_FORM];
	const struct describe_verb answer = { .verb = "answer",
		.takes = takes.segments,
		.request = "$value",
		.form = describe_form_command(kind, true, form) };

	if (!iec_type_choose(IEC_CLASS_COMMAND, kind, IEC_TIME_NONE, false))
		return;
	snprintf(name, sizeof(name), "command/%s/?/?", word);
	describe_put(d, &(struct describe_data){ .name = name,
			    .value = "json",
			    .about = "common address, object address",
			    .gives = gives.segments,
			    .verbs = &answer,
			    .verb_count = 1,
			    .parts = parts });
}

bool
describe_iec_slave_data(void *device, struct describe *d, size_t i)
{
	const struct iec_station *station = device;
	const struct points *points = &station->points;
	struct describe_parts parts;

	describe_parts_make(&parts, &station->map.sizes);
	if (i < points->count)
		put_point(d, &points->list[i]);
	else if (i < points->count + IEC_KINDS)
		put_answer(d, (enum iec_kind)(i - points->count), parts.list);
	return i < points->count + IEC_KINDS;
}

/* --- 103 --- */

static const char *const octets[] = { "integer 0..255", "integer 0..255", "integer 0..255", NULL };

static void
put_103_command(struct describe *d, const char *remote)
{
	struct type takes = type_of("system", remote, "command", "?", "?", "?", NULL);
	struct type result = type_of("gateway", remote, "command", "?", "?", "?", NULL);
	const struct describe_verb v = { .verb = "command",
		.takes = takes.segments,
		.request = "{\"session_id\":$id,\"value\":$value}",
		.result = result.segments,
		.match = "{\"session_id\":$id}",
		.good = "{\"success\":true}" };
	char name[NAME];

	describe_put(d, &(struct describe_data){ .name = name_of(name, remote, "?/?/?"),
			    .value = "TRANSIENT|OFF|ON|ERROR",
			    .about = "common address, function type, information number",
			    .verbs = &v,
			    .verb_count = 1,
			    .parts = octets });
}

static void
put_103_values(struct describe *d, const char *remote)
{
	struct type gives = type_of("gateway", remote, "data", "?", "?", "?", "?");
	char name[NAME];

	describe_put(d, &(struct describe_data){ .name = name_of(name, remote, "data/?/?/?/?"),
			    .value = "json",
			    .about = "type, common address, function type, information number",
			    .gives = gives.segments });
}

static void
put_103_interrogation(struct describe *d, const char *remote)
{
	struct type takes = type_of("system", remote, "interrogation", "?", NULL, NULL, NULL);
	struct type result = type_of("gateway", remote, "interrogation", "?", NULL, NULL, NULL);
	const struct describe_verb v = {
		.verb = "interrogate", .takes = takes.segments, .result = result.segments
	};
	char name[NAME];

	describe_put(d, &(struct describe_data){ .name = name_of(name, remote, "interrogation/?"),
			    .about = "common address",
			    .verbs = &v,
			    .verb_count = 1,
			    .parts = octets + 2 });
}

size_t
describe_103_count(void)
{
	return 4;
}

bool
describe_103_data(const char *remote, struct describe *d, size_t i)
{
	static void (*const rows[])(struct describe *, const char *) = { put_enable, put_103_values,
		put_103_command, put_103_interrogation };

	if (i < describe_103_count())
		rows[i](d, remote);
	return i < describe_103_count();
}
