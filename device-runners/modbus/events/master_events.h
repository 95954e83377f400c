/* The events that a modbus_master registers of its remote devices, in the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_EVENTS_MASTER_EVENTS_H
#define DEVICE_RUNNERS_MODBUS_EVENTS_MASTER_EVENTS_H

#include "device-runners/modbus/remote.h"
#include "device-runners/runtime/runner.h"

struct master_events {
	struct runner *runner;
	uint64_t *writes; /* answered */
};

/* Borrows r. */
void master_events_init(struct master_events *e, struct runner *r);
/* The answer to a write of data `name` of device `unit`, both as the write's event has them. */
void master_events_written(struct master_events *e, const char *unit, const char *name,
    const struct remote_written *written);

/* Registers what happens at a remote device; its argument is a struct master_events. */
extern const struct remote_ops master_events_remote;

#endif
