#include "device-runners/iec60870/serial/iec101_conf.h"
#include "device-runners/iec60870/iec_points.h"

#include <stdio.h>
#include <string.h>

static const char *const link_types[] = { "BALANCED", "UNBALANCED", NULL };
static const char *const directions[] = { "B_TO_A", "A_TO_B", NULL };
static const char *const sizes[] = { "ONE", "TWO", "THREE", NULL };
static const char *const sizes_to_two[] = { "ONE", "TWO", NULL };
static const char *const sizes_from_zero[] = { "ZERO", "ONE", "TWO", NULL };

#define NAMES(list)                                                                                \
	{                                                                                          \
		.kind = SCHEMA_ENUM, .names = list                                                 \
	}
#define ADDRESS                                                                                    \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = 0, .max = 0xFFFF                                        \
	}
#define RETRIES                                                                                    \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = 0, SCHEMA_UP_TO(IEC_LINE_MAX_RETRIES)                   \
	}

#define BALANCED_FIELDS                                                                            \
	{ "direction", true, NAMES(directions) }, { "address", true, ADDRESS },                    \
	    { "response_timeout", true, IEC_LINE_SECONDS }, { "send_retry_count", true, RETRIES }, \
	    { "status_delay", true, IEC_LINE_SECONDS },                                            \
	{                                                                                          \
		"reconnect_delay", true, IEC_LINE_DELAY                                            \
	}

static const struct schema_field master_balanced[] = {
	BALANCED_FIELDS,
	{ "own_address", false, ADDRESS },
	{ "time_sync_delay", true, IEC_LINE_DELAY_OR_NULL },
	{ .key = NULL },
};
static const struct schema_field slave_balanced[] = {
	BALANCED_FIELDS,
	{ "master_address", false, ADDRESS },
	{ .key = NULL },
};
static const struct schema_field master_unbalanced[] = {
	{ "address", true, ADDRESS },
	{ "response_timeout", true, IEC_LINE_SECONDS },
	{ "send_retry_count", true, RETRIES },
	{ "poll_class1_delay", true, IEC_LINE_DELAY_OR_NULL },
	{ "poll_class2_delay", true, IEC_LINE_DELAY_OR_NULL },
	{ "reconnect_delay", true, IEC_LINE_DELAY },
	{ "time_sync_delay", true, IEC_LINE_DELAY_OR_NULL },
	{ .key = NULL },
};
static const struct schema_field slave_unbalanced[] = {
	{ "address", true, ADDRESS },
	{ "keep_alive_timeout", true, IEC_LINE_SECONDS },
	{ "reconnect_delay", true, IEC_LINE_DELAY },
	{ .key = NULL },
};

static const struct schema_field master_extra[] = {
	{ "reconnect_delay", true, IEC_LINE_DELAY },
	{ .key = NULL },
};
static const struct schema_field slave_extra[] = {
	POINTS_SCHEMA_FIELDS,
	{ .key = NULL },
};

const struct iec101_conf_role iec101_conf_master = {
	.slave = false,
	.list = "remote_devices",
	.extra = master_extra,
	.balanced = { .kind = SCHEMA_OBJECT, .fields = master_balanced },
	.unbalanced = { .kind = SCHEMA_OBJECT, .fields = master_unbalanced },
};
const struct iec101_conf_role iec101_conf_slave = {
	.slave = true,
	.list = "devices",
	.extra = slave_extra,
	.balanced = { .kind = SCHEMA_OBJECT, .fields = slave_balanced },
	.unbalanced = { .kind = SCHEMA_OBJECT, .fields = slave_unbalanced },
};

enum { MAX_FIELDS = 32 };

int
iec101_conf_check(struct runner *r, const struct json *conf, const struct iec101_conf_role *role)
{
	static const struct schema_field common[] = {
		{ "name", false, { .kind = SCHEMA_STRING } },
		IEC_LINE_SCHEMA_FIELDS,
		{ "cause_size", true, NAMES(sizes_to_two) },
		{ "asdu_address_size", true, NAMES(sizes_to_two) },
		{ "io_address_size", true, NAMES(sizes) },
		{ "link_type", true, NAMES(link_types) },
		{ .key = NULL },
	};
	/* Where the link type is not known, the list can not be looked into. */
	int type = json_enum(json_get(conf, "link_type"), link_types);
	struct schema_field fields[MAX_FIELDS];
	size_t n = 0;

	for (const struct schema_field *f = common; f->key; f++)
		fields[n++] = *f;
	for (const struct schema_field *f = role->extra; f->key; f++)
		fields[n++] = *f;
	fields[n++] = (struct schema_field){ "device_address_size", true,
		NAMES(type == 1 ? sizes_to_two : sizes_from_zero) };
	fields[n++] = (struct schema_field){ role->list, true,
		{ .kind = SCHEMA_ARRAY,
		    .max = LINK_MAX_STATIONS,
		    .items = type == 0	 ? &role->balanced
			     : type == 1 ? &role->unbalanced
					 : NULL } };
	fields[n] = (struct schema_field){ .key = NULL };
	struct schema whole = { .kind = SCHEMA_OBJECT, .open = true, .fields = fields };
	if (type < 0)
		fields[n - 1].is = (struct schema){ .kind = SCHEMA_ANY };
	return runner_check_config(r, conf, &whole, "");
}

static int64_t
integer(const struct json *o, const char *key)
{
	int64_t v = 0;

	json_int(json_get(o, key), 0, INT32_MAX, &v);
	return v;
}

/* The address of a remote device, or of a slave's device, is that of the secondary station there.
 * On a balanced line the other direction may have another one. */
static void
read_addresses(struct link_station_conf *sc, const struct json *item)
{
	bool slave = json_get(item, "master_address");

	sc->address = (uint16_t)integer(item, "address");
	sc->own_address = (uint16_t)integer(item, slave ? "master_address" : "own_address");
	sc->two_addresses = slave || json_get(item, "own_address");
	if (!slave)
		return;
	uint16_t device = sc->address;
	sc->address = sc->own_address;
	sc->own_address = device;
}

static struct link_station_conf
read_station(const struct json *item)
{
	struct link_station_conf sc = {
		.dir = json_enum(json_get(item, "direction"), directions) == 1,
		.retries = (unsigned)integer(item, "send_retry_count"),
		.response_ms = iec_line_ms(item, "response_timeout", 1),
		.status_ms = iec_line_ms(item, "status_delay", 1),
		.poll_ms = { iec_line_ms(item, "poll_class1_delay", -1),
		    iec_line_ms(item, "poll_class2_delay", -1) },
		.reconnect_ms = iec_line_ms(item, "reconnect_delay", 0),
		.keep_alive_ms = iec_line_ms(item, "keep_alive_timeout", 1),
	};

	read_addresses(&sc, item);
	return sc;
}

/* A slave has no delay for the tty of its own: the shortest of its devices'. */
static int64_t
tty_reconnect_ms(const struct json *conf, const struct iec101_conf_role *role)
{
	int64_t least = iec_line_ms(conf, "reconnect_delay", -1);

	json_foreach (item, json_get(conf, role->list)) {
		int64_t ms = iec_line_ms(item, "reconnect_delay", 0);
		if (role->slave && (least < 0 || ms < least))
			least = ms;
	}
	return least < 0 ? 1000 : least;
}

int
iec101_conf_load(struct runner *r, const struct json *conf, const struct iec101_conf_role *role,
    struct iec_map *map, struct iec_line *line, const struct iec_line_ops *ops, void *device)
{
	bool balanced = json_enum(json_get(conf, "link_type"), link_types) == 0;
	struct link_conf link = {
		.mode = balanced      ? LINK_BALANCED
			: role->slave ? LINK_SLAVE
				      : LINK_MASTER,
		.address_size =
		    (uint8_t)json_enum(json_get(conf, "device_address_size"), sizes_from_zero),
		.controlling = !role->slave,
	};
	int errors = 0, i = 0;
	char path[64];

	*map = (struct iec_map){ .slave = role->slave };
	map->sizes.cause = (uint8_t)(1 + json_enum(json_get(conf, "cause_size"), sizes));
	map->sizes.common = (uint8_t)(1 + json_enum(json_get(conf, "asdu_address_size"), sizes));
	map->sizes.object = (uint8_t)(1 + json_enum(json_get(conf, "io_address_size"), sizes));
	iec_zone_init(&map->zone, NULL);
	iec_line_init(line, r, conf, &link, tty_reconnect_ms(conf, role), ops, device);
	iec_line_set_sizes(line, &map->sizes);
	json_foreach (item, json_get(conf, role->list)) {
		struct link_station_conf sc = read_station(item);
		snprintf(path, sizeof(path), "%s[%d].address", role->list, i++);
		/* Events name a device by its address alone, whatever its direction. */
		if (!role->slave && iec_line_superseded(item))
			iec_line_warn_superseded(line, path);
		else
			errors += iec_line_add(line, &sc, path) < 0;
	}
	return errors ? -1 : 0;
}
