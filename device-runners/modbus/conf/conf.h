/*
 * The configurations of modbus_master and modbus_slave, checked and copied out
 * of their trees, and what both need of a transport. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_CONF_H
#define DEVICE_RUNNERS_MODBUS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-runners/runtime/tty.h"
#include "protocols/modbus/frame.h"
#include "protocols/modbus/plan.h"
#include "protocols/modbus/typed.h"

struct runner;

#define CONF_MAX_RETRIES 1000000 /* of either kind */
enum {
	CONF_MAX_DATA = 100 * 1000,    /* of one device, all its remote devices together */
	CONF_MAX_CONNECTIONS = 256,    /* of masters to a slave: all of them go into one event */
	CONF_MAX_NAME = 255,	       /* bytes of a data's name */
	CONF_MIN_TIMEOUT_NS = 1000000, /* of a request: less would only spin */
};

struct conf_transport {
	bool serial;
	enum modbus_framing framing;
	char *host; /* of a master over TCP, owned; a slave has its acceptor */
	uint16_t port;
	struct tty_params tty; /* path owned */
	int64_t silence_ns; /* between frames: the configured interval, at least 3.5 characters */
};

struct conf_data {
	char *name; /* owned */
	enum modbus_type type;
	uint8_t unit; /* a slave's; a master has it per remote device */
	uint16_t start;
	uint32_t offset, bits;
	int64_t interval_us; /* a master's; or PLAN_NEVER */
	struct modbus_typed typed;
	double deadband; /* a master's: how far a number moves without being said; 0: not at all */
};

struct conf_remote {
	uint8_t unit;
	bool broadcast; /* writes are answered by nobody, nothing is read */
	int64_t timeout_poll_delay_ns;
	bool enabled; /* where no event has said so or otherwise */
	struct plan_limits limits;
	struct conf_data *data; /* owned */
	size_t count;
};

struct conf_master {
	struct conf_transport transport;
	int64_t connect_timeout_ns, connect_delay_ns;
	int64_t pause_ns; /* after connect */
	int64_t request_timeout_ns, request_delay_ns;
	bool zero_ids; /* answers may have the transaction identifier 0 */
	unsigned retry_immediate, retry_delayed;
	int64_t retry_delay_ns;
	struct conf_remote *remotes; /* owned */
	size_t count;
};

struct conf_slave {
	struct conf_transport transport;
	int64_t response_timeout_ns;
	int64_t keep_alive_ns;	/* 0: none */
	struct conf_data *data; /* owned */
	size_t count;
};

struct json;
struct schema;
extern const struct schema conf_master_schema, conf_slave_schema;
/* Reports every fault to the runner. Returns 0, or -1 when there was an error; clear in both cases.
 */
int conf_master_load(struct conf_master *c, struct runner *r, const struct json *conf);
void conf_master_clear(struct conf_master *c);
int conf_slave_load(struct conf_slave *c, struct runner *r, const struct json *conf);
void conf_slave_clear(struct conf_slave *c);

/* The kind of its value, for people: "integer", "float32". */
const char *conf_kind_name(const struct conf_data *d);
/* Registers that a data takes from its start: (offset + bits) rounded up. */
uint32_t conf_data_quantity(const struct conf_data *d);

#endif
