/* The data of the Modbus devices as gatewayctl sees them. In the Modbus runner. */
#include <inttypes.h>
#include <stdio.h>

#include "common/number.h"
#include "device-runners/modbus/describe.h"
#include "device-runners/runtime/report/describe.h"

enum { TEXT = 80 };

static const char *const type_names[] = {
	[MODBUS_COIL] = "coil",
	[MODBUS_DISCRETE_INPUT] = "discrete input",
	[MODBUS_HOLDING_REGISTER] = "holding register",
	[MODBUS_INPUT_REGISTER] = "input register",
	[MODBUS_QUEUE] = "queue",
};

/* The range of a value. A master takes integers without a type that are negative, too, as two's
 * complement; a slave does not. */
static const char *
value_of(const struct conf_data *d, bool negative, char text[TEXT])
{
	bool is_float =
	    d->typed.kind == MODBUS_KIND_FLOAT32 || d->typed.kind == MODBUS_KIND_FLOAT64;

	if (d->typed.kind == MODBUS_KIND_STRING)
		return "text";
	if (d->typed.kind != MODBUS_KIND_NONE)
		return is_float || d->typed.scaled ? "number" : "integer";
	if (d->bits == 1)
		return "integer 0..1";
	if (d->bits > 62)
		return "integer";
	snprintf(text, TEXT, "integer %s%" PRIu64 "..%" PRIu64, negative ? "-" : "",
	    negative ? UINT64_C(1) << (d->bits - 1) : 0, (UINT64_C(1) << d->bits) - 1);
	return text;
}

static const char *
about(const struct conf_data *d, char text[TEXT])
{
	bool is_bit = d->type == MODBUS_COIL || d->type == MODBUS_DISCRETE_INPUT;
	int n = snprintf(text, TEXT, "%s %u", type_names[d->type], d->start);

	if (d->typed.kind != MODBUS_KIND_NONE)
		snprintf(text + n, TEXT - (size_t)n, ", %s", conf_kind_name(d));
	else if (!is_bit || d->bits > 1)
		snprintf(text + n, TEXT - (size_t)n, ", %u bits from bit %u", d->bits, d->offset);
	return text;
}

static void
put_remote(struct describe *d, const char *unit)
{
	const char *const gives[] = { "gateway", "remote_device", unit, "status", NULL };
	const char *const takes[] = { "system", "remote_device", unit, "enable", NULL };
	const struct describe_verb enable = {
		.verb = "enable", .takes = takes, .request = "$value"
	};

	describe_put(d, &(struct describe_data){ .name = unit,
			    .value = "boolean",
			    .about = "whether the device is polled",
			    .gives = gives,
			    .verbs = &enable,
			    .verb_count = 1 });
}

static void
put_remote_data(struct describe *d, const char *unit, const struct conf_data *data)
{
	char name[CONF_MAX_NAME + 8], value[TEXT], text[TEXT];
	const char *const gives[] = { "gateway", "remote_device", unit, "read", data->name, NULL };
	const char *const takes[] = { "system", "remote_device", unit, "write", data->name, NULL };
	const char *const result[] = { "gateway", "remote_device", unit, "write", data->name,
		NULL };
	const struct describe_verb write = { .verb = "write",
		.takes = takes,
		.request = "{\"request_id\":$id,\"value\":$value}",
		.result = result,
		.match = "{\"request_id\":$id}",
		.good = "{\"result\":\"SUCCESS\"}" };
	bool writable = data->type == MODBUS_COIL || data->type == MODBUS_HOLDING_REGISTER;

	snprintf(name, sizeof(name), "%s/%s", unit, data->name);
	describe_put(d, &(struct describe_data){ .name = name,
			    .value = value_of(data, true, value),
			    .about = about(data, text),
			    .gives = gives,
			    .verbs = &write,
			    .verb_count = writable });
}

/* Each remote device, then its data. */
bool
describe_master_data(const struct conf_master *c, struct describe *d, size_t i)
{
	char unit[4];

	for (size_t k = 0; k < c->count; k++) {
		const struct conf_remote *r = &c->remotes[k];
		*number_put_uint(unit, r->unit) = '\0';
		if (i == 0)
			put_remote(d, unit);
		else if (i <= r->count)
			put_remote_data(d, unit, &r->data[i - 1]);
		if (i <= r->count)
			return true;
		i -= r->count + 1;
	}
	return false;
}

static void
put_slave_data(struct describe *d, const struct conf_data *data)
{
	char value[TEXT], text[TEXT], where[2 * TEXT];
	const char *const takes[] = { "system", "data", data->name, NULL };
	const struct describe_verb set = {
		.verb = "write", .takes = takes, .request = "{\"value\":$value}"
	};

	snprintf(where, sizeof(where), "device %u, %s", data->unit, about(data, text));
	describe_put(d, &(struct describe_data){ .name = data->name,
			    .value = value_of(data, false, value),
			    .about = where,
			    .verbs = &set,
			    .verb_count = 1 });
}

/* Its data, and then what masters write. */
bool
describe_slave_data(const struct conf_slave *c, struct describe *d, size_t i)
{
	static const char *const gives[] = { "gateway", "write", NULL };
	static const char *const takes[] = { "system", "write", NULL };
	static const struct describe_verb answer = { .verb = "answer",
		.takes = takes,
		.request = "{\"request_id\":$id,\"success\":$value}",
		.form = "{\"request_id\":\"text\",\"success\":\"boolean\"}" };

	if (i < c->count)
		put_slave_data(d, &c->data[i]);
	if (i == c->count)
		describe_put(d, &(struct describe_data){ .name = "write",
				    .value = "boolean",
				    .about = "what a master writes, and whether it was done",
				    .gives = gives,
				    .verbs = &answer,
				    .verb_count = 1 });
	return i <= c->count;
}
