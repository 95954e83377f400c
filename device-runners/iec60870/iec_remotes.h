/*
 * The remote devices of a serial master (iec101_master, iec103_master), in the iec60870 runner:
 * which are enabled, their status events, the cycle of time synchronization. Messages are the
 * device's.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_REMOTES_H
#define DEVICE_RUNNERS_IEC60870_IEC_REMOTES_H

#include "device-runners/iec60870/iec_line.h"

struct iec_remotes;

struct iec_remote {
	struct iec_remotes *all;
	int station; /* of the line */
	char address[8];
	bool enabled;
	enum iec_line_status status;
	int64_t time_sync_ms; /* < 0: never */
	ev_timer time_sync;
};

struct iec_remotes {
	struct runner *r;
	struct iec_line *line;
	struct iec_remote *list; /* one a station, in their order */
	int count;
	/* Sends the time to a connected remote. */
	void (*sync_time)(void *device, struct iec_remote *remote);
	void *device;
};

/* After iec_line_add() of each item of the checked list. Exits when out of memory. */
void iec_remotes_init(struct iec_remotes *s, struct runner *r, struct iec_line *line,
    const struct json *list, void (*sync_time)(void *, struct iec_remote *), void *device);
void iec_remotes_clear(struct iec_remotes *s);

/* Asks for the last enable events, says ready, and opens the line. */
void iec_remotes_start(struct iec_remotes *s);
/* For line ops: the endpoint's status, registered with those of the remotes that follow from it. */
void iec_remotes_on_line(struct iec_remotes *s, enum iec_line_status status);
/* LINK_UP and LINK_DOWN. */
void iec_remotes_on_up(struct iec_remotes *s, int station);
void iec_remotes_on_down(struct iec_remotes *s, int station, const char *reason);

/* The remote of an event {"system", "remote_device", ADDRESS, ...}, or NULL. */
struct iec_remote *iec_remotes_find(struct iec_remotes *s, const struct runner_event *event);
/* Takes an event {"system", "remote_device", ADDRESS, "enable"}; false where it is another. */
bool iec_remotes_take_enable(struct iec_remotes *s, const struct runner_event *event);
/* Warns that a system event is refused. */
void iec_remotes_refuse(const struct runner_event *event, const char *why);

#endif
