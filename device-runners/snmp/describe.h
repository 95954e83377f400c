/* The devices in `gatewayd --check --verbose`, and the frames in `gatewayctl trace`. In
 * the SNMP runner. */
#ifndef DEVICE_RUNNERS_SNMP_DESCRIBE_H
#define DEVICE_RUNNERS_SNMP_DESCRIBE_H

#include "common/json.h"
#include "device-runners/runtime/report/trace.h"

struct describe;
struct runner;

void describe_manager(struct runner *r, const struct json *conf);
void describe_trap_listener(struct runner *r, const struct json *conf);
/* A trace_decode(); arg is not used. */
void describe_frame(struct textbuf *out, const void *arg, enum trace_direction dir,
    const uint8_t *frame, size_t len);

/* The object of that OID, or any ("?"), as gatewayctl sees it. */
void describe_object(struct describe *d, const char *oid);

#endif
