#include "device-runners/iec60870/iec_events.h"

#include <stdio.h>
#include <string.h>

enum { TYPE_TEXT = 256 };

void
iec_events_init(struct iec_events *e, struct runner *r)
{
	*e = (struct iec_events){ .refused = runner_counter(r, "refused") };
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
