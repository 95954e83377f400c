/* The device in `gatewayd --check --verbose` and `gatewayctl describe`. In the iec61850
 * runner. */
#ifndef DEVICE_RUNNERS_IEC61850_DESCRIBE_H
#define DEVICE_RUNNERS_IEC61850_DESCRIBE_H

#include "device-runners/iec61850/conf.h"

struct describe;

void describe_client(struct runner *r, const struct json *conf);
/* Data, then commands, then changes; false: no more. */
bool describe_client_data(const struct conf *c, struct describe *d, size_t index);

#endif
