/* Describes for people how an IEC 60870-5 device will act; conf is checked. In the iec60870 runner.
 */
#ifndef DEVICE_RUNNERS_IEC60870_DESCRIBE_H
#define DEVICE_RUNNERS_IEC60870_DESCRIBE_H

struct json;
struct runner;

void describe_101_master(struct runner *r, const struct json *conf);
void describe_101_slave(struct runner *r, const struct json *conf);
void describe_103_master(struct runner *r, const struct json *conf);
void describe_104_master(struct runner *r, const struct json *conf);
void describe_104_slave(struct runner *r, const struct json *conf);

#endif
