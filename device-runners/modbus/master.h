/* modbus_master, see gateway-modbus(7). In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_MASTER_H
#define DEVICE_RUNNERS_MODBUS_MASTER_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device master_device;

#endif
