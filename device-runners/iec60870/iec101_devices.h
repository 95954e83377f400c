/* The device types of the serial protocols, for the table of main.c. */
#ifndef DEVICE_RUNNERS_IEC60870_IEC101_DEVICES_H
#define DEVICE_RUNNERS_IEC60870_IEC101_DEVICES_H

#include "device-runners/runner.h"

extern const struct runner_device iec101_master, iec101_slave, iec103_master;

#endif
