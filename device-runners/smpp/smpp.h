/* The device type of the executable smpp. */
#ifndef DEVICE_RUNNERS_SMPP_SMPP_H
#define DEVICE_RUNNERS_SMPP_SMPP_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device smpp_client_device;

#endif
