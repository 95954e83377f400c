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
	{ .key = "direction", .required = true, .is = NAMES(directions) },                         \
	    { .key = "address", .required = true, .is = ADDRESS },                                 \
	    { .key = "response_timeout", .required = true, .is = IEC_LINE_SECONDS },               \
	    { .key = "send_retry_count", .required = true, .is = RETRIES },                        \
	    { .key = "status_delay", .required = true, .is = IEC_LINE_SECONDS },                   \
	{                                                                                          \
		.key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY                   \
	}

static const struct schema_field master_balanced_item[] = {
	BALANCED_FIELDS,
	{ .key = "own_address", .is = ADDRESS },
	{ .key = "time_sync_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = NULL },
};
static const struct schema_field slave_balanced_item[] = {
	BALANCED_FIELDS,
	{ .key = "master_address", .is = ADDRESS },
	{ .key = NULL },
};
static const struct schema_field master_unbalanced_item[] = {
	{ .key = "address", .required = true, .is = ADDRESS },
	{ .key = "response_timeout", .required = true, .is = IEC_LINE_SECONDS },
	{ .key = "send_retry_count", .required = true, .is = RETRIES },
	{ .key = "poll_class1_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = "poll_class2_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY },
	{ .key = "time_sync_delay", .required = true, .is = IEC_LINE_DELAY_OR_NULL },
	{ .key = NULL },
};
static const struct schema_field slave_unbalanced_item[] = {
	{ .key = "address", .required = true, .is = ADDRESS },
	{ .key = "keep_alive_timeout", .required = true, .is = IEC_LINE_SECONDS },
	{ .key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY },
	{ .key = NULL },
};

#define COMMON_FIELDS                                                                              \
	RUNNER_SCHEMA_FIELDS, IEC_LINE_SCHEMA_FIELDS,                                              \
	    { .key = "cause_size", .required = true, .is = NAMES(sizes_to_two) },                  \
	    { .key = "asdu_address_size", .required = true, .is = NAMES(sizes_to_two) },           \
	    { .key = "io_address_size", .required = true, .is = NAMES(sizes) },                    \
	{                                                                                          \
		.key = "link_type", .required = true, .is = NAMES(link_types)                      \
	}

static const struct schema_field master_fields[] = {
	COMMON_FIELDS,
	{ .key = "reconnect_delay", .required = true, .is = IEC_LINE_DELAY },
	{ .key = NULL },
};
static const struct schema_field slave_fields[] = {
	COMMON_FIELDS,
	POINTS_SCHEMA_FIELDS,
	{ .key = NULL },
};

/* The link type decides the size of its addresses, and the items of the role's list. */
#define VARIANT(role, link, list, sizes_)                                                          \
	static const struct schema role##_##link##_schema = {                                      \
		.kind = SCHEMA_OBJECT,                                                             \
		.fields = role##_##link##_item,                                                    \
	};                                                                                         \
	static const struct schema_field role##_##link##_fields[] = {                              \
		{ .key = "device_address_size", .required = true, .is = NAMES(sizes_) },           \
		{ .key = list,                                                                     \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_ARRAY,                                                  \
			.max = LINK_MAX_STATIONS,                                                  \
			.items = &role##_##link##_schema } },                                      \
		{ .key = NULL },                                                                   \
	}
#define MASTER_LIST "remote_devices"
#define SLAVE_LIST "devices"
VARIANT(master, balanced, MASTER_LIST, sizes_from_zero);
VARIANT(master, unbalanced, MASTER_LIST, sizes_to_two);
VARIANT(slave, balanced, SLAVE_LIST, sizes_from_zero);
VARIANT(slave, unbalanced, SLAVE_LIST, sizes_to_two);

static const struct schema_variant master_links[] = {
	{ .name = "BALANCED", .fields = master_balanced_fields },
	{ .name = "UNBALANCED", .fields = master_unbalanced_fields },
	{ .name = NULL },
};
static const struct schema_variant slave_links[] = {
	{ .name = "BALANCED", .fields = slave_balanced_fields },
	{ .name = "UNBALANCED", .fields = slave_unbalanced_fields },
	{ .name = NULL },
};

const struct iec101_conf_role iec101_conf_master = {
	.slave = false,
	.list = MASTER_LIST,
	.schema = { .kind = SCHEMA_OBJECT,
	    .fields = master_fields,
	    .tag = "link_type",
	    .variants = master_links },
};
const struct iec101_conf_role iec101_conf_slave = {
	.slave = true,
	.list = SLAVE_LIST,
	.schema = { .kind = SCHEMA_OBJECT,
	    .fields = slave_fields,
	    .tag = "link_type",
	    .variants = slave_links },
};

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
	struct link_station_conf sc = iec_line_remote(item);

	sc.dir = json_enum(json_get(item, "direction"), directions) == 1;
	sc.status_ms = iec_line_ms(item, "status_delay", 1);
	sc.keep_alive_ms = iec_line_ms(item, "keep_alive_timeout", 1);
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

	*map = (struct iec_map){ .slave = role->slave };
	map->sizes.cause = (uint8_t)(1 + json_enum(json_get(conf, "cause_size"), sizes));
	map->sizes.common = (uint8_t)(1 + json_enum(json_get(conf, "asdu_address_size"), sizes));
	map->sizes.object = (uint8_t)(1 + json_enum(json_get(conf, "io_address_size"), sizes));
	iec_zone_init(&map->zone, NULL);
	iec_line_init(line, r, conf, &link, tty_reconnect_ms(conf, role), ops, device);
	iec_line_set_sizes(line, &map->sizes);
	json_foreach (item, json_get(conf, role->list)) {
		struct link_station_conf sc = read_station(item);
		errors += iec_line_add(line, &sc, item, role->list, i++) < 0;
	}
	return errors ? -1 : 0;
}
