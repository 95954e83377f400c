/* The health of a device, as the outcome of a request to it shows. In the Modbus
 * runner. */
#ifndef DEVICE_RUNNERS_MODBUS_OUTCOME_H
#define DEVICE_RUNNERS_MODBUS_OUTCOME_H

#include <stdint.h>

#include "device-runners/runtime/report/health.h"
#include "protocols/modbus/pdu.h"

/* A response came, perhaps an exception, after ns nanoseconds. A device whose gateway says that it
 * is not there is down. */
void outcome_answered(struct health_end *h, const struct modbus_pdu *res, int64_t ns);
/* No response came in that time. */
void outcome_timed_out(struct health_end *h, int64_t timeout_ns);

#endif
