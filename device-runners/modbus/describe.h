/* What the Modbus devices will do, for people; conf is checked. In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_DESCRIBE_H
#define DEVICE_RUNNERS_MODBUS_DESCRIBE_H

struct json;
struct runner;

void describe_master(struct runner *r, const struct json *conf);
void describe_slave(struct runner *r, const struct json *conf);

#endif
