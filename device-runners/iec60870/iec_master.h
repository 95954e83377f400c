/*
 * The masters of a controlled station of IEC 60870-5-101 or -104, in a runner process: which are
 * connected, the event that lists them, the buffered changes that each has not been sent yet. Link
 * or session is below them, behind a sink.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_MASTER_H
#define DEVICE_RUNNERS_IEC60870_IEC_MASTER_H

#include <netinet/in.h>

#include "device-runners/iec60870/iec_points.h"
#include "device-runners/runtime/connections.h"
#include "device-runners/runtime/report/health.h"

struct iec_masters;

/* The first member of what the sink knows of a master. */
struct iec_master {
	struct iec_masters *all;
	char name[INET6_ADDRSTRLEN]; /* in log lines */
	struct iec_master *next;
	int64_t id;	    /* connection_id; 0: not connected */
	bool shown;	    /* in 'connections' events */
	uint8_t originator; /* of its last command, for the responses */
	struct points_reader reader;
	struct health_end *health; /* while it is shown */
};

/* The link or session below a station. */
struct iec_sink {
	/* The last states of the data are known: masters may come, and iec_station_ready() is to be
	 * called. */
	void (*start)(void *device);
	/* Sends an ASDU, or queues it (copied). confirmed false: by a service without confirmation,
	 * where the link has one. token: of a buffered change, else 0; iec_master_delivered() says
	 * that the master has it. False: it is not taken, and was logged where that is a loss. */
	bool (*send)(
	    struct iec_master *m, const void *asdu, size_t len, bool confirmed, uint64_t token);
	/* Whether the queue has room for buffered changes beside answers. */
	bool (*has_room)(const struct iec_master *m);
	/* Its keys in the 'connections' event, beside connection_id. */
	void (*put)(const struct iec_master *m, struct json_writer *w);
	bool link_is_count; /* The link state is the number of masters that are shown. */
};

struct iec_masters {
	const struct iec_sink *sink;
	void *device;
	struct points *points;
	struct iec_master *first; /* connected, by connection_id */
	int64_t last_id;
	struct connections listed;
	struct health_masters *health;
};

/* Borrows sink, device and points. */
void iec_masters_init(struct iec_masters *s, struct runner *r, const struct iec_sink *sink,
    void *device, struct points *points);
/* The connected master of a connection_id; NULL: none. */
struct iec_master *iec_masters_find(const struct iec_masters *s, int64_t id);
/* All are gone: one 'connections' event. */
void iec_masters_disconnect(struct iec_masters *s);

/* Copies name. Exits when out of memory. iec_master_clear() disconnects as well. */
void iec_master_init(struct iec_master *m, struct iec_masters *s, const char *name);
void iec_master_clear(struct iec_master *m);
/* It is there, with a new connection_id; it is shown in 'connections' events from now on; and gone.
 */
void iec_master_connect(struct iec_master *m);
void iec_master_show(struct iec_master *m);
void iec_master_disconnect(struct iec_master *m);
/* It takes data from now on: everything that the buffers hold is sent. */
void iec_master_begin(struct iec_master *m);
/* The buffers hold more than it was sent. */
void iec_master_send_changes(struct iec_master *m);
/* There may be room again: what waits in the buffers is sent. */
void iec_master_resume(struct iec_master *m);
/* A struct iec_master has the change of this token. */
void iec_master_delivered(void *master, uint64_t token);

#endif
