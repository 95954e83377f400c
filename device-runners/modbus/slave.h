/* modbus_slave, see gateway-modbus(7). In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_SLAVE_H
#define DEVICE_RUNNERS_MODBUS_SLAVE_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device slave_device;

#endif
