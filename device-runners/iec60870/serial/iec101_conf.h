/* The configurations of iec101.yaml: checked, and read into the line and its stations. In create().
 */
#ifndef DEVICE_RUNNERS_IEC60870_SERIAL_IEC101_CONF_H
#define DEVICE_RUNNERS_IEC60870_SERIAL_IEC101_CONF_H

#include "device-runners/iec60870/iec_json.h"
#include "device-runners/iec60870/serial/iec_line.h"

/* The differences between master and slave. */
struct iec101_conf_role {
	bool slave;
	const char *list; /* "remote_devices", "devices" */
	struct schema schema;
};

extern const struct iec101_conf_role iec101_conf_master, iec101_conf_slave;

/* Reads a checked one: sizes and zone into map, the line, one station an item of the list (in its
 * order). Returns 0, or -1 after a configuration error. */
int iec101_conf_load(struct runner *r, const struct json *conf, const struct iec101_conf_role *role,
    struct iec_map *map, struct iec_line *line, const struct iec_line_ops *ops, void *device);

#endif
