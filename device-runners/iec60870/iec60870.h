/* The device types of the executable iec60870. */
#ifndef DEVICE_RUNNERS_IEC60870_IEC60870_H
#define DEVICE_RUNNERS_IEC60870_IEC60870_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device iec104_master_device;
extern const struct runner_device iec104_slave_device;
extern const struct runner_device iec101_master_device, iec101_slave_device, iec103_master_device;

#endif
