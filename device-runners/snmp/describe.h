/* What `gatewayd --check --verbose` says of each device. In the SNMP runner. */
#ifndef DEVICE_RUNNERS_SNMP_DESCRIBE_H
#define DEVICE_RUNNERS_SNMP_DESCRIBE_H

#include "common/json.h"

struct runner;

void describe_manager(struct runner *r, const struct json *conf);
void describe_trap_listener(struct runner *r, const struct json *conf);

#endif
