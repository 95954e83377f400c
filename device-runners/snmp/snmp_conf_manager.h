/*
 * The configuration of a manager. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_CONF_MANAGER_H
#define DEVICE_RUNNERS_SNMP_CONF_MANAGER_H

#include "device-runners/snmp/snmp_conf.h"
#include "device-runners/snmp/poll.h"

struct snmp_conf_manager {
	struct agent_conf agent;
	char *host; /* owned */
	uint16_t port;
	int64_t connect_delay_ns, polling_delay_ns;
	struct poll poll;
	struct snmp_conf_oids hex;
};

extern const struct schema snmp_conf_manager_schema;
/* Checks conf and reads it. Reports everything that is wrong; -1 after at least one error. Both
 * ways snmp_conf_manager_clear() frees what was read. */
int snmp_conf_manager_load(struct snmp_conf_manager *m, struct runner *r, const struct json *conf);
void snmp_conf_manager_clear(struct snmp_conf_manager *m);

#endif
