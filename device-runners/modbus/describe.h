/* Describes for people how a Modbus device will act; conf is checked. In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_DESCRIBE_H
#define DEVICE_RUNNERS_MODBUS_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

#include "device-runners/modbus/conf/conf.h"

struct describe;
struct json;
struct runner;

void describe_master(struct runner *r, const struct json *conf);
void describe_slave(struct runner *r, const struct json *conf);

/* Data number i of a device, for gatewayctl (runner_device.describe_data). */
bool describe_master_data(const struct conf_master *c, struct describe *d, size_t i);
bool describe_slave_data(const struct conf_slave *c, struct describe *d, size_t i);

#endif
