/* The device type of the executable iec61850. */
#ifndef DEVICE_RUNNERS_IEC61850_IEC61850_H
#define DEVICE_RUNNERS_IEC61850_IEC61850_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device iec61850_client_device;

#endif
