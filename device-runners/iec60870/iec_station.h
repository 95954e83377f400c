/*
 * The application layer of a controlled station of IEC 60870-5-101 and -104 (clause 7.4 of IEC
 * 60870-5-5, clause 7 of part 101), in a runner process: what each request of a master is answered,
 * the states of its data, system events to masters.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_STATION_H
#define DEVICE_RUNNERS_IEC60870_IEC_STATION_H

#include "device-runners/iec60870/iec_events.h"
#include "device-runners/iec60870/iec_master.h"
#include "device-runners/iec60870/iec_points.h"
#include "device-runners/runtime/latest.h"

/* The first member of a device. */
struct iec_station {
	struct runner *runner;
	struct iec_map map;
	uint8_t in;	 /* IEC_IN_: which companion standard */
	size_t max_asdu; /* bytes */
	struct points points;
	struct iec_masters masters;
	struct iec_events events;
	struct limit input_limit;
	uint64_t *objects, *ignored;
	struct latest latest; /* the start's query */
};

/* Reads the checked keys POINTS_SCHEMA_FIELDS. The caller has set map, in and max_asdu. Returns 0,
 * or -1 after a configuration error; iec_station_clear() either way. Exits when out of memory. */
int iec_station_init(
    struct iec_station *s, struct runner *r, const struct iec_sink *sink, const struct json *conf);
void iec_station_clear(struct iec_station *s);
/* start() of the device: asks for the last states; then calls sink->start(device), from the loop.
 */
void iec_station_start(void *device);
/* Registers the first 'connections' event and says that the device is ready. */
void iec_station_ready(void *device);
/* All masters disconnect now: the last 'connections' event. */
void iec_station_stop(struct iec_station *s);
/* on_event() of the device. */
void iec_station_on_event(void *device, const struct runner_event *event);
/* Serves one ASDU of a master, a struct iec_master. */
void iec_station_serve(void *master, const uint8_t *bytes, size_t len);

#endif
