/*
 * The application layer of a controlled station of IEC 60870-5-101 and -104 (clause 7.4 of IEC
 * 60870-5-5, clause 7 of part 101), in a runner process: what each request of a master is answered,
 * the states and buffers of its data, system events to masters. Link or session is below it, behind
 * a sink.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_STATION_H
#define DEVICE_RUNNERS_IEC60870_IEC_STATION_H

#include "device-runners/iec60870/iec_events.h"
#include "device-runners/iec60870/iec_points.h"

struct iec_station;

/* One master that is connected; the first member of what the sink knows of it. */
struct iec_master {
	struct iec_station *station;
	struct iec_master *next;
	int64_t id;	    /* connection_id; 0: not connected */
	uint8_t originator; /* of its last command, for the responses */
	struct points_reader reader;
};

/* What is below a station. */
struct iec_sink {
	/* Sends an ASDU, or queues it (copied). confirmed false: by a service without confirmation,
	 * where the link has one. token: of a buffered change, else 0; iec_station_delivered() says
	 * that the master has it. False: it is not taken, and was logged where that is a loss. */
	bool (*send)(
	    struct iec_master *m, const void *asdu, size_t len, bool confirmed, uint64_t token);
	/* Whether the queue has room for buffered changes beside answers. */
	bool (*has_room)(const struct iec_master *m);
	/* Who that is in a log line. Valid until the next call. */
	const char *(*name)(const struct iec_master *m);
};

struct iec_station {
	struct runner *runner;
	const struct iec_sink *sink;
	struct iec_map map;
	uint8_t in;	 /* IEC_IN_: which companion standard */
	size_t max_asdu; /* bytes */
	struct points points;
	struct iec_master *masters; /* connected, by connection_id */
	int64_t last_id;
	struct iec_events events;
	struct limit input_limit;
	uint64_t *objects, *ignored;
	void (*started)(void *arg);
	void *arg;
	struct iec_event event; /* scratch */
};

/* Reads the checked keys POINTS_SCHEMA_FIELDS. The caller has set map, in and max_asdu. Returns 0,
 * or -1 after a configuration error; iec_station_clear() either way. Exits when out of memory. */
int iec_station_init(
    struct iec_station *s, struct runner *r, const struct iec_sink *sink, const struct json *conf);
void iec_station_clear(struct iec_station *s);
/* Asks for the last states; then calls started(arg), from the loop. */
void iec_station_start(struct iec_station *s, void (*started)(void *arg), void *arg);
void iec_station_on_event(struct iec_station *s, const struct runner_event *event);

/* Exits when out of memory. iec_master_clear() disconnects as well. */
void iec_master_init(struct iec_master *m, struct iec_station *s);
void iec_master_clear(struct iec_master *m);
/* It is there, with a new connection_id; and gone. */
void iec_master_connect(struct iec_master *m);
void iec_master_disconnect(struct iec_master *m);
/* It takes data from now on: everything that the buffers hold is sent. */
void iec_master_begin(struct iec_master *m);
/* There may be room again: what waits in the buffers is sent. */
void iec_master_resume(struct iec_master *m);
/* It has the change of this token. */
void iec_master_delivered(struct iec_master *m, uint64_t token);
/* Serves one ASDU of it. */
void iec_master_serve(struct iec_master *m, const void *bytes, size_t len);

#endif
