/*
 * System events that a device of IEC 60870-5-101 or -104 takes: read, or refused with a line in the
 * log and a counter. In runner processes.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_EVENTS_H
#define DEVICE_RUNNERS_IEC60870_IEC_EVENTS_H

#include "device-runners/iec60870/iec_json.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/runner.h"

struct iec_events {
	struct limit limit;
	uint64_t *refused;
};

void iec_events_init(struct iec_events *e, struct runner *r);
/* Reads what follows the first `prefix` segments of an event's type, of which the first must be
 * "system". False where the event was refused. */
bool iec_events_read(struct iec_events *e, const struct runner_event *event, size_t prefix,
    struct iec_map *map, struct iec_request *q);
/* The event has no effect; why is a part of a sentence. */
void iec_events_refuse(struct iec_events *e, const struct runner_event *event, const char *why);

#endif
