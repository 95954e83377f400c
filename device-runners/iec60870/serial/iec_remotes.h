/*
 * The remote devices of a serial master (iec101_master, iec103_master), in the iec60870 runner:
 * which are enabled, their status events, the cycle of time synchronization. Messages are the
 * device's.
 */
#ifndef DEVICE_RUNNERS_IEC60870_SERIAL_IEC_REMOTES_H
#define DEVICE_RUNNERS_IEC60870_SERIAL_IEC_REMOTES_H

#include "device-runners/iec60870/iec_events.h"
#include "device-runners/iec60870/serial/iec_line.h"

struct iec_remotes;

struct iec_remote {
	struct iec_remotes *all;
	int station; /* of the line */
	char address[8];
	struct health_end *health;
	bool enabled;
	bool live; /* an enable event came, which is newer than the query */
	enum connection_status status;
	int64_t time_sync_ms; /* < 0: never */
	ev_timer time_sync;
};

/* A device implements these; remote->all is its first member. */
struct iec_remotes_ops {
	/* Sends the time to a connected remote, with LINK_STAMPED: a message that ends with a
	 * CP56Time2a, which is set when it leaves. */
	void (*sync_time)(struct iec_remote *remote);
	/* User data from it; valid until this returns. */
	void (*data)(struct iec_remote *remote, const uint8_t *data, size_t len);
	/* The connection is gone, or the remote was disabled. NULL: nothing to forget. */
	void (*lost)(struct iec_remote *remote);
};

/* The first member of a device. */
struct iec_remotes {
	struct iec_line line;
	struct iec_remote *list; /* one a station, in their order */
	int count;
	const struct iec_remotes_ops *ops;
	struct iec_zone *zone; /* the device's, of the time that is sent */
	struct iec_events events;
};

/* For the line, whose device is the struct iec_remotes. */
extern const struct iec_line_ops iec_remotes_line_ops;

/* After iec_line_init(), and iec_line_add() of each item of the checked list that is not
 * superseded. Exits when out of memory. */
void iec_remotes_init(struct iec_remotes *s, const struct json *list, struct iec_zone *zone,
    const struct iec_remotes_ops *ops);
/* The line as well. */
void iec_remotes_clear(struct iec_remotes *s);

/* start() of the device: asks for the last enable events, says ready, and opens the line. */
void iec_remotes_start(void *device);

/* describe_data() of the device, whose remotes have `rows` each: put() writes one of them. */
bool iec_remotes_describe(const struct iec_remotes *s, struct describe *d, size_t i, size_t rows,
    bool (*put)(const char *address, struct describe *d, size_t i));

/* The remote of an event {"system", "remote_device", ADDRESS, ...} that is the device's to read;
 * NULL where that was all: it was an enable event, or is refused. */
struct iec_remote *iec_remotes_take(struct iec_remotes *s, const struct runner_event *event);

#endif
