/*
 * Shared by IEC 104 master and slave, in runner processes: the configuration of timers and
 * windows, security and time zone, and the connections that follow it.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC104_IEC104_CONF_H
#define DEVICE_RUNNERS_IEC60870_IEC104_IEC104_CONF_H

#include "common/schema/schema.h"
#include "device-runners/iec60870/iec104/iec104_conn.h"
#include "device-runners/iec60870/iec_json.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tls_set.h"
#include "protocols/iec60870/apci.h"

/* Rows of both schemas. */
#define IEC104_NUMBER(key_, required_, min_, max_)                                                 \
	{                                                                                          \
		.key = key_, .required = required_,                                                \
		.is = {.kind = SCHEMA_NUMBER,                                                      \
			.min = min_,                                                               \
			SCHEMA_UP_TO(max_) }                                                       \
	}
#define IEC104_CONF_ROWS                                                                           \
	RUNNER_SCHEMA_FIELDS, IEC104_NUMBER("response_timeout", true, 0.001, RUNNER_MAX_SECONDS),  \
	    IEC104_NUMBER("supervisory_timeout", true, 0.001, RUNNER_MAX_SECONDS),                 \
	    IEC104_NUMBER("test_timeout", true, 0.001, RUNNER_MAX_SECONDS),                        \
	    { .key = "send_window_size",                                                           \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_INT, .min = 1, SCHEMA_UP_TO(APCI_MAX_WINDOW) } },       \
	    { .key = "receive_window_size",                                                        \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_INT, .min = 1, SCHEMA_UP_TO(APCI_MAX_WINDOW) } },       \
	    { .key = "time_zone",                                                                  \
                                                                                                   \
		    .is = { .kind = SCHEMA_STRING, .nullable = true, .max = 128 } },               \
	{                                                                                          \
		.key = "security",                                                                 \
		.is = {.kind = SCHEMA_OBJECT,                                                      \
			.nullable = true,                                                          \
			.fields = iec104_security_fields }                                         \
	}

extern const struct schema_field iec104_security_fields[];

struct iec104_conf {
	struct apci_params params;
	struct tls_plan tls;
	struct tls_set files; /* of TLS */
	int64_t renew_ms;     /* new keys so often; 0: never */
};

/* Reads a checked configuration into c and map; reports what the schema cannot say. Loads TLS and
 * zone data, plans the files. slave: it is accepted and controlled, else it connects and controls.
 * Returns 0, or -1 after at least one runner_config_error(). */
int iec104_conf_read(struct iec104_conf *c, struct runner *r, const struct json *conf, bool slave,
    struct iec_map *map);
/* iec104_conn_open() as configured. host: for TLS, NULL: whoever it is. Exits when out of memory.
 */
void iec104_conf_open(struct iec104_conf *c, struct iec104_conn *conn, struct runner *r, int fd,
    const char *host, const struct iec104_handler *handler, void *arg);
/* Seconds of a number as milliseconds, at least 1. */
int64_t iec104_conf_ms(const struct json *conf, const char *key);

#endif
