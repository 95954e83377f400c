#include <stdio.h>
#include <stdlib.h>

#include "device-runners/runtime/acceptor.h"
#include "device-runners/modbus/conf/conf_private.h"

enum { PATH_TEXT = 256 };

static const struct schema_field data_fields[] = {
	CONF_DATA_FIELDS,
	{ .key = "device_id", .required = true, .is = CONF_UNIT },
	{ .key = NULL },
};
static const struct schema data_schema = { .kind = SCHEMA_OBJECT, .fields = data_fields };

static const struct schema_field tcp_fields[] = {
	{ .key = "local_host", .required = true, .is = CONF_TEXT },
	{ .key = "local_port", .required = true, .is = { .kind = SCHEMA_INT, .max = 65535 } },
	ACCEPTOR_SCHEMA_FIELDS,
	{ .key = "response_timeout", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "keep_alive_timeout",
	    .required = true,
	    .is = { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0.001,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = NULL },
};
static const struct schema_field serial_fields[] = {
	TTY_SCHEMA_FIELDS,
	{ .key = "silent_interval", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "response_timeout", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "keep_alive_timeout", .required = true, .is = CONF_SECONDS(0.001) },
	{ .key = NULL },
};
static const struct schema_variant transports[] = {
	{ .name = "TCP", .fields = tcp_fields },
	{ .name = "SERIAL", .fields = serial_fields },
	{ .name = NULL },
};

static const struct schema_field slave_fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "modbus_type",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = conf_framing_names } },
	{ .key = "transport", .required = true, .is = CONF_TRANSPORT(transports) },
	{ .key = "data",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .items = &data_schema, .max = CONF_MAX_DATA } },
	{ .key = NULL },
};
const struct schema conf_slave_schema = { .kind = SCHEMA_OBJECT, .fields = slave_fields };

static int
load_data(struct conf_slave *c, struct runner *r, const struct json *list)
{
	char where[PATH_TEXT];
	int errors = 0;

	c->data = runner_alloc(r, list->count ? list->count : 1, sizeof(*c->data));
	json_foreach (item, list) {
		struct conf_data *d = &c->data[c->count];
		snprintf(where, sizeof(where), "data[%zu]", c->count++);
		errors += conf_data_load(d, r, item, where);
		if (d->unit == 0)
			runner_config_warning(r, where, "device_id 0 is broadcast: never answered");
	}
	conf_data_unique(r, c->data, &c->count, "data");
	return errors;
}

int
conf_slave_load(struct conf_slave *c, struct runner *r, const struct json *conf)
{
	const struct json *transport = json_get(conf, "transport");

	*c = (struct conf_slave){ 0 };
	if (runner_check_config(r, conf, &conf_slave_schema, ""))
		return -1;
	c->transport.framing =
	    (enum modbus_framing)json_enum(json_get(conf, "modbus_type"), conf_framing_names);
	conf_transport_load(&c->transport, r, transport, "transport");
	c->response_timeout_ns = conf_ns(transport, "response_timeout", 0);
	c->keep_alive_ns = conf_ns(transport, "keep_alive_timeout", 0);
	return load_data(c, r, json_get(conf, "data")) ? -1 : 0;
}

void
conf_slave_clear(struct conf_slave *c)
{
	conf_transport_clear(&c->transport);
	conf_data_free(c->data, c->count);
	*c = (struct conf_slave){ 0 };
}
