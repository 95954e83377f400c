#include <stdio.h>
#include <stdlib.h>

#include "device-runners/modbus/conf/conf_private.h"

enum { PATH_TEXT = 256 };

static const struct schema_field data_fields[] = {
	CONF_DATA_FIELDS,
	{ .key = "interval",
	    .required = true,
	    .is = { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = "deadband", .is = CONF_NUMBER(0) },
	{ .key = NULL },
};
static const struct schema data_schema = { .kind = SCHEMA_OBJECT, .fields = data_fields };

static const struct schema_field remote_fields[] = {
	{ .key = "device_id", .required = true, .is = CONF_UNIT },
	{ .key = "timeout_poll_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "enabled", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "data",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .items = &data_schema, .max = CONF_MAX_DATA } },
	{ .key = "broadcast", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "one_request_per_data", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "max_bits",

	    .is = { .kind = SCHEMA_INT, .min = 1, .max = MODBUS_MAX_READ_BITS } },
	{ .key = "max_registers",

	    .is = { .kind = SCHEMA_INT, .min = 1, .max = MODBUS_MAX_READ_REGS } },
	{ .key = "hole_bits",

	    .is = { .kind = SCHEMA_INT, .max = MODBUS_MAX_READ_BITS } },
	{ .key = "hole_registers",

	    .is = { .kind = SCHEMA_INT, .max = MODBUS_MAX_READ_REGS } },
	{ .key = NULL },
};
static const struct schema remote_schema = { .kind = SCHEMA_OBJECT, .fields = remote_fields };

static const struct schema_field tcp_fields[] = {
	{ .key = "host", .required = true, .is = CONF_TEXT },
	{ .key = "port", .required = true, .is = SCHEMA_PORT },
	{ .key = NULL },
};
static const struct schema_field serial_fields[] = {
	TTY_SCHEMA_FIELDS,
	{ .key = "silent_interval", .required = true, .is = CONF_SECONDS(0) },
	{ .key = NULL },
};
static const struct schema_variant transports[] = {
	{ .name = "TCP", .fields = tcp_fields },
	{ .name = "SERIAL", .fields = serial_fields },
	{ .name = NULL },
};

static const struct schema_field connection_fields[] = {
	{ .key = "modbus_type",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = conf_framing_names } },
	{ .key = "transport", .required = true, .is = CONF_TRANSPORT(transports) },
	{ .key = "connect_timeout", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "connect_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "request_timeout", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "request_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "request_retry_immediate_count",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, SCHEMA_UP_TO(CONF_MAX_RETRIES) } },
	{ .key = "request_retry_delayed_count",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, SCHEMA_UP_TO(CONF_MAX_RETRIES) } },
	{ .key = "request_retry_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "connect_pause", .is = CONF_SECONDS(0) },
	{ .key = "accept_zero_transaction", .is = { .kind = SCHEMA_BOOL } },
	{ .key = NULL },
};

static const struct schema_field master_fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "connection",
	    .required = true,
	    .is = { .kind = SCHEMA_OBJECT, .fields = connection_fields } },
	{ .key = "remote_devices",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .items = &remote_schema, .max = 256 } },
	{ .key = NULL },
};
const struct schema conf_master_schema = { .kind = SCHEMA_OBJECT, .fields = master_fields };

/* One request must carry it, however small the configured batches are. */
static int
check_size(struct runner *r, const struct conf_data *d, const char *path)
{
	uint32_t quantity = conf_data_quantity(d);
	unsigned max = modbus_max_quantity(d->type);

	if (quantity <= max)
		return 0;
	runner_config_error(r, path,
	    "expected bit_offset + bit_count of at most %u for %s, found %u",
	    max * modbus_register_bits(d->type), modbus_type_names[d->type], d->offset + d->bits);
	return 1;
}

static int
load_data(struct conf_remote *remote, struct runner *r, const struct json *list, const char *path)
{
	char where[PATH_TEXT];
	int errors = 0;

	remote->data = runner_alloc(r, list->count ? list->count : 1, sizeof(*remote->data));
	json_foreach (item, list) {
		struct conf_data *d = &remote->data[remote->count];
		snprintf(where, sizeof(where), "%s.data[%zu]", path, remote->count++);
		errors += conf_data_load(d, r, item, where) || check_size(r, d, where);
		int64_t ns = conf_ns(item, "interval", -1);
		d->unit = remote->unit;
		if (ns >= 0 && !remote->broadcast)
			d->interval_us = ns / 1000;
		else if (ns >= 0)
			runner_config_warning(
			    r, where, "no device answers a broadcast: this data is never read");
	}
	snprintf(where, sizeof(where), "%s.data", path);
	conf_data_unique(r, remote->data, &remote->count, where);
	return errors;
}

static int
load_remote(struct conf_master *c, struct runner *r, const struct json *tree, const char *path)
{
	struct conf_remote *remote = &c->remotes[c->count];

	*remote = (struct conf_remote){
		.unit = (uint8_t)conf_integer(tree, "device_id", 0),
		.timeout_poll_delay_ns = conf_ns(tree, "timeout_poll_delay", 0),
		.enabled = json_is_true(json_get(tree, "enabled")),
		.limits = { .max_bits = (uint32_t)conf_integer(tree, "max_bits", 0),
		    .max_registers = (uint32_t)conf_integer(tree, "max_registers", 0),
		    .hole_bits = (uint32_t)conf_integer(tree, "hole_bits", 0),
		    .hole_registers = (uint32_t)conf_integer(tree, "hole_registers", 0),
		    .one_each = json_is_true(json_get(tree, "one_request_per_data")) },
	};
	/* 0 is everybody on a line, and on TCP as good an address as any. */
	remote->broadcast = remote->unit == 0 && c->transport.framing != MODBUS_TCP;
	json_bool(json_get(tree, "broadcast"), &remote->broadcast);
	if (remote->unit > 247 && c->transport.framing != MODBUS_TCP)
		runner_config_warning(r, path, "device_id above 247 is reserved on serial lines");
	c->count++;
	return load_data(remote, r, json_get(tree, "data"), path);
}

/* The last one of the remote devices with one device_id counts. */
static void
keep_last(struct conf_master *c, struct runner *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		size_t again = i + 1;
		while (again < c->count && c->remotes[again].unit != c->remotes[i].unit)
			again++;
		if (again == c->count) {
			c->remotes[kept++] = c->remotes[i];
			continue;
		}
		char path[PATH_TEXT];
		snprintf(path, sizeof(path), "remote_devices[%zu].device_id", again);
		runner_config_warning(
		    r, path, "%u again: this one counts, not that in [%zu]", c->remotes[i].unit, i);
		conf_data_free(c->remotes[i].data, c->remotes[i].count);
	}
	c->count = kept;
}

static void
read_connection(struct conf_master *c, const struct json *tree)
{
	c->connect_timeout_ns = conf_ns(tree, "connect_timeout", 0);
	c->connect_delay_ns = conf_ns(tree, "connect_delay", 0);
	c->pause_ns = conf_ns(tree, "connect_pause", 0);
	c->zero_ids = json_is_true(json_get(tree, "accept_zero_transaction"));
	c->request_timeout_ns = conf_ns(tree, "request_timeout", 0);
	if (c->request_timeout_ns < CONF_MIN_TIMEOUT_NS)
		c->request_timeout_ns = CONF_MIN_TIMEOUT_NS;
	c->request_delay_ns = conf_ns(tree, "request_delay", 0);
	c->retry_immediate = (unsigned)conf_integer(tree, "request_retry_immediate_count", 0);
	c->retry_delayed = (unsigned)conf_integer(tree, "request_retry_delayed_count", 0);
	c->retry_delay_ns = conf_ns(tree, "request_retry_delay", 0);
	c->transport.framing =
	    (enum modbus_framing)json_enum(json_get(tree, "modbus_type"), conf_framing_names);
}

int
conf_master_load(struct conf_master *c, struct runner *r, const struct json *conf)
{
	const struct json *connection = json_get(conf, "connection");
	const struct json *remotes = json_get(conf, "remote_devices");
	const struct json *transport = json_get(connection, "transport");
	char path[PATH_TEXT / 2];
	size_t i = 0;
	int errors = 0;

	*c = (struct conf_master){ 0 };
	if (runner_check_config(r, conf, &conf_master_schema, "") > 0)
		return -1;
	read_connection(c, connection);
	conf_transport_load(&c->transport, r, transport, "connection.transport");
	c->remotes = runner_alloc(r, remotes->count ? remotes->count : 1, sizeof(*c->remotes));
	json_foreach (item, remotes) {
		snprintf(path, sizeof(path), "remote_devices[%zu]", i++);
		errors += load_remote(c, r, item, path);
	}
	keep_last(c, r);
	return errors ? -1 : 0;
}

void
conf_master_clear(struct conf_master *c)
{
	conf_transport_clear(&c->transport);
	for (size_t i = 0; i < c->count; i++)
		conf_data_free(c->remotes[i].data, c->remotes[i].count);
	free(c->remotes);
	*c = (struct conf_master){ 0 };
}
