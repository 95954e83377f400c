/*
 * The events of a device of IEC 60870-5-101 or -104, in runner processes: those that it registers
 * for information objects, and system events, which are read, or refused with a line in the log and
 * a counter.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_EVENTS_H
#define DEVICE_RUNNERS_IEC60870_IEC_EVENTS_H

#include "device-runners/iec60870/iec_json.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/runner.h"

struct iec_events {
	struct runner *runner;
	struct limit limit;
	uint64_t *refused;
	struct iec_event event; /* scratch */
};

void iec_events_init(struct iec_events *e, struct runner *r);
/* Registers the event of an object; its type begins with prefix. connection: of a slave's command,
 * else -1. Returns NULL, or why there is no event (see iec_event_make()). */
const char *iec_events_register(struct iec_events *e, const char *const prefix[], size_t prefix_len,
    struct iec_map *map, const struct asdu_head *head, const struct iec_object *o,
    int64_t connection);
/* Reads what follows the first `prefix` segments of an event's type, of which the first must be
 * "system". False where the event was refused. */
bool iec_events_read(struct iec_events *e, const struct runner_event *event, size_t prefix,
    struct iec_map *map, struct iec_request *q);
struct health_end;
/* An ASDU came from a station: what it does not know (clause 7.2.3, causes 44 to 47) is logged, and
 * is the last error of its health. */
void iec_events_judge(
    struct iec_events *e, struct health_end *station, const struct asdu_head *head);
/* The event has no effect; why is a part of a sentence. */
void iec_events_refuse(struct iec_events *e, const struct runner_event *event, const char *why);

#endif
