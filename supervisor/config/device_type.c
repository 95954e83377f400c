#include "supervisor/config/device_type.h"

#include <stdio.h>
#include <string.h>

#include "common/nearest.h"

#define MODULE(name) "hat.gateway.devices." name

static const struct device_type types[] = {
	{ .module = MODULE("modbus.master"), .type = "modbus_master", .family = "modbus" },
	{ .module = MODULE("modbus.slave"), .type = "modbus_slave", .family = "modbus" },
	{ .module = MODULE("iec101.master"), .type = "iec101_master", .family = "iec60870" },
	{ .module = MODULE("iec101.slave"), .type = "iec101_slave", .family = "iec60870" },
	{ .module = MODULE("iec103.master"), .type = "iec103_master", .family = "iec60870" },
	{ .module = MODULE("iec104.master"),
	    .type = "iec104_master",
	    .family = "iec60870",
	    .tls_key = "security",
	    .tls_family = "iec60870-tls" },
	{ .module = MODULE("iec104.slave"),
	    .type = "iec104_slave",
	    .family = "iec60870",
	    .tls_key = "security",
	    .tls_family = "iec60870-tls" },
	{ .module = MODULE("iec61850.client"), .type = "iec61850_client", .family = "iec61850" },
	{ .module = MODULE("ping"), .type = "ping", .family = "icmp" },
	{ .module = MODULE("smpp.client"), .type = "smpp_client", .family = "smpp" },
	{ .module = MODULE("snmp.manager"), .type = "snmp_manager", .family = "snmp" },
	{ .module = MODULE("snmp.trap_listener"), .type = "snmp_trap_listener", .family = "snmp" },
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
device_type_family(const struct device_type *t, const struct json *conf)
{
	const struct json *tls = t->tls_key ? json_get(conf, t->tls_key) : NULL;

	return tls && tls->type != JSON_NULL ? t->tls_family : t->family;
}

const struct device_type *
device_type_at(size_t index)
{
	return index < TYPE_COUNT ? &types[index] : NULL;
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
