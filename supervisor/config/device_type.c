#include "supervisor/config/device_type.h"

#include <stdio.h>
#include <string.h>

#include "common/nearest.h"

#define MODULE(name) "hat.gateway.devices." name

static const struct device_type types[] = {
	{ MODULE("modbus.master"), "modbus_master", "modbus" },
	{ MODULE("modbus.slave"), "modbus_slave", "modbus" },
	{ MODULE("iec101.master"), "iec101_master", "iec60870" },
	{ MODULE("iec101.slave"), "iec101_slave", "iec60870" },
	{ MODULE("iec103.master"), "iec103_master", "iec60870" },
	{ MODULE("iec104.master"), "iec104_master", "iec60870" },
	{ MODULE("iec104.slave"), "iec104_slave", "iec60870" },
	{ MODULE("iec61850.client"), "iec61850_client", NULL },
	{ MODULE("ping"), "ping", "icmp" },
	{ MODULE("smpp.client"), "smpp_client", "smpp" },
	{ MODULE("snmp.manager"), "snmp_manager", "snmp" },
	{ MODULE("snmp.trap_listener"), "snmp_trap_listener", "snmp" },
};

enum {
	TYPE_COUNT = sizeof(types) / sizeof(types[0]),
};

const struct device_type *
device_type_find(const char *module)
{
	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (strcmp(types[i].module, module) == 0 || strcmp(types[i].type, module) == 0)
			return &types[i];
	return NULL;
}

const char *
device_type_nearest(const char *module)
{
	struct nearest n = nearest_begin(module);

	for (size_t i = 0; i < TYPE_COUNT; i++) {
		nearest_offer(&n, types[i].module);
		nearest_offer(&n, types[i].type);
	}
	return n.best;
}

void
device_type_list(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < TYPE_COUNT && used < size; i++)
		if (types[i].family)
			used += (size_t)snprintf(
			    text + used, size - used, "%s%s", used ? ", " : "", types[i].module);
}
