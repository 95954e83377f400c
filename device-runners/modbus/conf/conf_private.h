/* Shared by conf.c, conf_master.c and conf_slave.c. In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_CONF_PRIVATE_H
#define DEVICE_RUNNERS_MODBUS_CONF_PRIVATE_H

#include "common/json.h"
#include "common/schema/schema.h"
#include "device-runners/modbus/conf/conf.h"
#include "device-runners/runtime/runner.h"

#define CONF_SECONDS(minimum)                                                                      \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = (minimum), SCHEMA_UP_TO(RUNNER_MAX_SECONDS)          \
	}
#define CONF_NUMBER(minimum)                                                                       \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = (minimum), .max = 1e300                              \
	}
#define CONF_UNIT                                                                                  \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = 0, .max = 255                                           \
	}
#define CONF_TEXT                                                                                  \
	{                                                                                          \
		.kind = SCHEMA_STRING, .max = 4095                                                 \
	}
/* The keys of a data that both roles have. */
#define CONF_DATA_FIELDS                                                                           \
	{ .key = "name",                                                                           \
		.required = true,                                                                  \
		.is = { .kind = SCHEMA_STRING, .max = CONF_MAX_NAME } },                           \
	    { .key = "data_type",                                                                  \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_ENUM, .names = modbus_type_names } },                   \
	    { .key = "start_address",                                                              \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_INT, .max = MODBUS_ADDRESSES - 1 } },                   \
	    { .key = "bit_offset",                                                                 \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_INT, .max = 16 * MODBUS_ADDRESSES } },                  \
	    { .key = "type",                                                                       \
                                                                                                   \
		    .is = { .kind = SCHEMA_ENUM, .names = modbus_kind_names } },                   \
	    { .key = "byte_order",                                                                 \
                                                                                                   \
		    .is = { .kind = SCHEMA_ENUM, .names = conf_order_names } },                    \
	    { .key = "word_order",                                                                 \
                                                                                                   \
		    .is = { .kind = SCHEMA_ENUM, .names = conf_order_names } },                    \
	    { .key = "scale", .is = CONF_NUMBER(-1e300) },                                         \
	    { .key = "offset", .is = CONF_NUMBER(-1e300) },                                        \
	{                                                                                          \
		.key = "bit_count", .required = true,                                              \
		.is = {.kind = SCHEMA_INT,                                                         \
			.min = 1,                                                                  \
			.max = MODBUS_MAX_VALUE_BITS }                                             \
	}

extern const char *const conf_framing_names[], *const conf_transport_names[];
extern const char *const conf_order_names[]; /* of octets, of registers */

/* Seconds as nanoseconds; `otherwise` where the key is absent or null. */
int64_t conf_ns(const struct json *o, const char *key, int64_t otherwise);
int64_t conf_integer(const struct json *o, const char *key, int64_t otherwise);

/* A transport: its type, and the keys that go with it. variants_: of conf_transport_names. */
extern const struct schema_field conf_transport_fields[];
#define CONF_TRANSPORT(variants_)                                                                  \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .fields = conf_transport_fields, .tag = "type",             \
		.variants = variants_                                                              \
	}

/* Reads a checked transport. */
void conf_transport_load(
    struct conf_transport *t, struct runner *r, const struct json *tree, const char *path);
void conf_transport_clear(struct conf_transport *t);

/* Reads and checks one data that passed the schema. */
int conf_data_load(
    struct conf_data *d, struct runner *r, const struct json *tree, const char *path);
/* The last one of the data with one name counts: drops the others, each with a warning. path: of
 * the list. */
void conf_data_unique(struct runner *r, struct conf_data *data, size_t *n, const char *path);
void conf_data_free(struct conf_data *data, size_t n);

#endif
