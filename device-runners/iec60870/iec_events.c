#include "device-runners/iec60870/iec_events.h"

#include <stdio.h>
#include <string.h>

#include "common/remedy.h"
#include "device-runners/runtime/report/health.h"

enum { TYPE_TEXT = 256 };

void
iec_events_init(struct iec_events *e, struct runner *r)
{
	*e = (struct iec_events){ .runner = r, .refused = runner_counter(r, "refused") };
}

const char *
iec_events_register(struct iec_events *e, const char *const prefix[], size_t prefix_len,
    struct iec_map *map, const struct asdu_head *head, const struct iec_object *o,
    int64_t connection)
{
	struct iec_event *event = &e->event;
	/* As many as the event has are written, and no others are read. */
	__attribute__((uninitialized)) const char *type[RUNNER_MAX_SEGMENTS];
	/* CP24Time2a has no date. */
	struct timestamp now = { 0 };
	if (head->type->time == IEC_TIME_CP24)
		now = timestamp_now();
	const char *why = iec_event_make(event, map, head, o, connection, now);

	if (why)
		return why;
	memcpy(type, prefix, prefix_len * sizeof(*type));
	memcpy(type + prefix_len, event->type, event->type_len * sizeof(*type));
	runner_register(e->runner, type, prefix_len + event->type_len,
	    event->has_timestamp ? &event->timestamp : NULL, event->text, event->len);
	return NULL;
}

void
iec_events_judge(struct iec_events *e, struct health_end *station, const struct asdu_head *head)
{
	static const char *const unknown[] = {
		[IEC_UNKNOWN_TYPE] = "type",
		[IEC_UNKNOWN_CAUSE] = "cause of transmission",
		[IEC_UNKNOWN_ASDU_ADDRESS] = "common address",
		[IEC_UNKNOWN_IO_ADDRESS] = "address of an object",
	};
	const char *what =
	    head->cause < sizeof(unknown) / sizeof(unknown[0]) ? unknown[head->cause] : NULL;
	char text[HEALTH_MAX_WHAT];

	if (!what)
		return;
	snprintf(text, sizeof(text), "the station answers %s to common address %u: unknown %s%s",
	    head->type->name, head->common, what, remedy_text(REMEDY_IEC60870, head->cause));
	health_note_error(station, "%s", text);
	limit_warning(&e->limit, "%s", text);
}

void
iec_events_refuse(struct iec_events *e, const struct runner_event *event, const char *why)
{
	char text[TYPE_TEXT] = "";
	size_t at = 0;

	++*e->refused;
	for (size_t i = 0; i < event->type_len && at < sizeof(text); i++)
		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "%s%s", i ? "/" : "", event->type[i]);
	limit_warning(&e->limit, "refused event %s: %s", text, why);
}

bool
iec_events_read(struct iec_events *e, const struct runner_event *event, size_t prefix,
    struct iec_map *map, struct iec_request *q)
{
	const struct timestamp *ts = event->has_source_timestamp ? &event->source_timestamp : NULL;
	char text[IEC_JSON_WHY] = "";
	const char *why = NULL;

	if (event->type_len <= prefix || strcmp(event->type[0], "system") != 0)
		why = "expected a system event";
	else if (event->payload != RUNNER_PAYLOAD_JSON)
		why = "expected a JSON payload";
	else if (iec_request_read(q, map, event->type + prefix, event->type_len - prefix, ts,
		     event->data, event->len, text) < 0)
		why = text;
	if (why)
		iec_events_refuse(e, event, why);
	return !why;
}
