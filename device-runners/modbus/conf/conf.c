#include "device-runners/modbus/conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "device-runners/modbus/conf/conf_private.h"

enum { PATH_TEXT = 256 };

const char *const conf_framing_names[] = { "TCP", "RTU", "ASCII", NULL };
const char *const conf_transport_names[] = { "TCP", "SERIAL", NULL };
const char *const conf_order_names[] = { "big", "little", NULL };

int64_t
conf_ns(const struct json *o, const char *key, int64_t otherwise)
{
	double seconds;

	return json_double(json_get(o, key), &seconds) ? (int64_t)(seconds * 1e9 + 0.5) : otherwise;
}

int64_t
conf_integer(const struct json *o, const char *key, int64_t otherwise)
{
	int64_t v = otherwise;

	json_int(json_get(o, key), INT64_MIN, INT64_MAX, &v);
	return v;
}

static char *
copy(struct runner *r, const char *text)
{
	char *s = strdup(text ? text : "");

	if (!s)
		runner_fail(r, "out of memory");
	return s;
}

/* MODBUS over Serial Line, clause 2.5.1.1: at least 3.5 characters; above 19200 baud it recommends
 * 1.75 ms, which is for those who ask for less than 3.5 characters, and so for nothing certain. */
static int64_t
silence_ns(const struct tty_params *tty, int64_t configured)
{
	int64_t least = tty_char_ns(tty) * 7 / 2;

	if (configured >= least)
		return configured;
	return tty->baud > 19200 ? 1750000 : least;
}

static void
read_serial(struct conf_transport *t, struct runner *r, const struct json *tree, const char *path)
{
	tty_params_read(&t->tty, tree);
	t->tty.path = copy(r, t->tty.path);
	t->silence_ns = conf_ns(tree, "silent_interval", 0);
	if (t->framing == MODBUS_RTU)
		t->silence_ns = silence_ns(&t->tty, t->silence_ns);
	if (t->tty.dsrdtr)
		runner_config_warning(r, path,
		    "flow_control.dsrdtr: Linux has no DSR/DTR flow "
		    "control, DTR is raised and DSR not looked at");
}

const struct schema_field conf_transport_fields[] = {
	{ .key = "type",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = conf_transport_names } },
	{ .key = NULL },
};

void
conf_transport_load(
    struct conf_transport *t, struct runner *r, const struct json *tree, const char *path)
{
	t->serial = json_enum(json_get(tree, "type"), conf_transport_names) == 1;
	if (t->serial) {
		read_serial(t, r, tree, path);
	} else {
		t->host = copy(r, json_str(json_get(tree, "host")));
		t->port = (uint16_t)conf_integer(tree, "port", 502);
	}
	if (t->serial && t->framing == MODBUS_TCP)
		runner_config_warning(r, path, "modbus_type TCP on a serial line is unusual");
}

void
conf_transport_clear(struct conf_transport *t)
{
	free(t->host);
	free((char *)t->tty.path);
	*t = (struct conf_transport){ 0 };
}

const char *
conf_kind_name(const struct conf_data *d)
{
	enum modbus_kind kind = d->typed.kind;

	return kind == MODBUS_KIND_NONE ? "integer" : modbus_kind_names[kind - MODBUS_KIND_INT16];
}

uint32_t
conf_data_quantity(const struct conf_data *d)
{
	unsigned size = modbus_register_bits(d->type);

	return (d->offset + d->bits + size - 1) / size;
}

/* Reads what a data's bits mean; without a type they mean one unsigned integer. */
static void
read_typed(struct conf_data *d, const struct json *tree)
{
	struct modbus_typed *t = &d->typed;
	int kind = json_enum(json_get(tree, "type"), modbus_kind_names);

	t->kind = kind < 0 ? MODBUS_KIND_NONE : (enum modbus_kind)(kind + MODBUS_KIND_INT16);
	t->swap_octets = json_enum(json_get(tree, "byte_order"), conf_order_names) == 1;
	t->swap_registers = json_enum(json_get(tree, "word_order"), conf_order_names) == 1;
	t->scale = 1;
	t->scaled = json_double(json_get(tree, "scale"), &t->scale);
	t->scaled |= json_double(json_get(tree, "offset"), &t->offset);
	json_double(json_get(tree, "deadband"), &d->deadband);
}

/* The fault in the type for these bits, or NULL. */
static const char *
typed_fault(const struct conf_data *d)
{
	const struct modbus_typed *t = &d->typed;

	if (t->kind == MODBUS_KIND_NONE)
		return t->swap_octets || t->swap_registers || t->scaled || d->deadband > 0
			   ? "expected type along with byte_order, word_order, scale, offset and "
			     "deadband"
			   : NULL;
	if (modbus_register_bits(d->type) != 16)
		return "expected no type for data of single bits";
	if (t->kind == MODBUS_KIND_STRING && d->bits % 8)
		return "expected bit_count to be a multiple of 8 for type string";
	if (t->kind == MODBUS_KIND_STRING && (t->swap_registers || t->scaled || d->deadband > 0))
		return "expected no word_order, scale, offset and deadband for type string";
	return t->scale == 0 ? "expected scale to be other than 0" : NULL;
}

static int
check_typed(const struct conf_data *d, struct runner *r, const char *path)
{
	unsigned bits = modbus_kind_bits(d->typed.kind);
	const char *fault = typed_fault(d);

	if (!fault && (bits == 0 || bits == d->bits))
		return 0;
	if (fault)
		runner_config_error(r, path, "%s", fault);
	else
		runner_config_error(r, path, "expected bit_count %u for type %s, found %u", bits,
		    conf_kind_name(d), d->bits);
	return 1;
}

int
conf_data_load(struct conf_data *d, struct runner *r, const struct json *tree, const char *path)
{
	*d = (struct conf_data){
		.name = copy(r, json_str(json_get(tree, "name"))),
		.type = (enum modbus_type)json_enum(json_get(tree, "data_type"), modbus_type_names),
		.unit = (uint8_t)conf_integer(tree, "device_id", 0),
		.start = (uint16_t)conf_integer(tree, "start_address", 0),
		.offset = (uint32_t)conf_integer(tree, "bit_offset", 0),
		.bits = (uint32_t)conf_integer(tree, "bit_count", 1),
		.interval_us = PLAN_NEVER,
	};
	uint32_t quantity = conf_data_quantity(d);

	read_typed(d, tree);
	if (d->start + quantity > MODBUS_ADDRESSES) {
		runner_config_error(r, path,
		    "expected start_address + (bit_offset + bit_count) / %u of at most %d, found "
		    "%u + %u",
		    modbus_register_bits(d->type), MODBUS_ADDRESSES, d->start, quantity);
		return 1;
	}
	if (d->offset >= modbus_register_bits(d->type))
		runner_config_warning(r, path,
		    "bit_offset %u is not in the first register, which has %u bits: start_address "
		    "%u "
		    "is not read",
		    d->offset, modbus_register_bits(d->type), d->start);
	return check_typed(d, r, path);
}

struct named {
	const char *name;
	size_t index;
};

static int
by_name(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	return r ? r : (a->index > b->index) - (a->index < b->index);
}

void
conf_data_unique(struct runner *r, struct conf_data *data, size_t *n, const char *path)
{
	struct named *names = calloc(*n ? *n : 1, sizeof(*names));
	char where[PATH_TEXT];
	size_t kept = 0;

	if (!names)
		runner_fail(r, "out of memory");
	for (size_t i = 0; i < *n; i++)
		names[i] = (struct named){ data[i].name, i };
	qsort(names, *n, sizeof(*names), by_name);
	for (size_t i = 1; i < *n; i++) {
		const struct named *earlier = &names[i - 1], *later = &names[i];
		if (strcmp(earlier->name, later->name) != 0)
			continue;
		snprintf(where, sizeof(where), "%s[%zu].name", path, later->index);
		runner_config_warning(r, where, "%.60s again: this one counts, not that in [%zu]",
		    later->name, earlier->index);
		free(data[earlier->index].name);
		data[earlier->index].name = NULL;
	}
	free(names);
	for (size_t i = 0; i < *n; i++)
		if (data[i].name)
			data[kept++] = data[i];
	*n = kept;
}

void
conf_data_free(struct conf_data *data, size_t n)
{
	for (size_t i = 0; data && i < n; i++)
		free(data[i].name);
	free(data);
}
