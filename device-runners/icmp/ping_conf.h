/*
 * The configuration of a ping device. In the ping runner.
 */
#ifndef DEVICE_RUNNERS_ICMP_PING_CONF_H
#define DEVICE_RUNNERS_ICMP_PING_CONF_H

#include "device-runners/icmp/probe.h"
#include "device-runners/runtime/runner.h"

struct ping_host {
	char *name, *address; /* owned */
	struct probe_conf probe;
};

struct ping_conf {
	struct ping_host *hosts; /* owned */
	size_t count;
};

extern const struct schema ping_conf_schema;
/* Checks conf and reads it; reports everything that is wrong. -1 after at least one error; both
 * ways ping_conf_clear() frees what was read. */
int ping_conf_load(struct ping_conf *c, struct runner *r, const struct json *conf);
void ping_conf_clear(struct ping_conf *c);
/* For `gatewayd --check --verbose`. */
void ping_conf_describe(struct runner *r, const struct json *conf);

#endif
