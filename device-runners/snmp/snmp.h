/* The device types of the SNMP runner. */
#ifndef DEVICE_RUNNERS_SNMP_SNMP_H
#define DEVICE_RUNNERS_SNMP_SNMP_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device snmp_manager_device, snmp_trap_listener_device;

#endif
