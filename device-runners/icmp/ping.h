/* The device type of the ping runner. */
#ifndef DEVICE_RUNNERS_ICMP_PING_H
#define DEVICE_RUNNERS_ICMP_PING_H

#include "device-runners/runtime/runner.h"

extern const struct runner_device ping_device;

#endif
