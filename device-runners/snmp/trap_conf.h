/*
 * The configuration of a trap listener. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_TRAP_CONF_H
#define DEVICE_RUNNERS_SNMP_TRAP_CONF_H

#include "device-runners/snmp/listener.h"
#include "device-runners/snmp/snmp_conf.h"

/* A remote device: whose traps it takes, and which of their objects. */
struct trap_device {
	char *name; /* owned */
	enum snmp_version version;
	bool any;			   /* every community or context of that version */
	char *community;		   /* owned */
	struct listener_engine_id context; /* V3 */
	char *context_name;		   /* owned */
	struct snmp_conf_oids oids, hex;
};

struct trap_conf {
	char *host; /* owned */
	uint16_t port;
	struct listener_conf listener; /* its arrays are owned */
	struct trap_device *devices;   /* owned */
	size_t device_count;
};

extern const struct schema trap_conf_schema;
/* Checks conf and reads it; reports everything that is wrong. -1 after at least one error. Both
 * ways trap_conf_clear() frees what was read. */
int trap_conf_load(struct trap_conf *t, struct runner *r, const struct json *conf);
void trap_conf_clear(struct trap_conf *t);

#endif
