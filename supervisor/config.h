/*
 * The configuration file (gatewayd.yaml(5)), in the supervisor: YAML into a
 * tree with line numbers, checked whole, every fault reported. What a device
 * type's own keys mean is checked by its runner; see runner_config_error().
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/log.h"
#include "common/schema.h"

enum {
	CONFIG_MAX_FILE = 64 * 1024 * 1024, /* bytes of a file */
	CONFIG_MAX_NODES = 4 * 1000 * 1000, /* values in it */
	CONFIG_MAX_DEVICES = 4096,
};

enum config_server {
	CONFIG_SERVER_BUILT_IN, /* gateway-eventd as our child, over a Unix socket */
	CONFIG_SERVER_EVENTER,  /* one Event Server at host:port */
	CONFIG_SERVER_MONITOR,  /* found, and we made active, by a Monitor Server */
};

enum config_sandbox { CONFIG_SANDBOX_STRICT, CONFIG_SANDBOX_BEST_EFFORT, CONFIG_SANDBOX_OFF };

/* Of one runner process; each has a default. */
struct config_limits {
	uint64_t memory;  /* bytes of address space (RLIMIT_AS) */
	uint32_t files;   /* open file descriptors */
	uint32_t start_ms, ping_ms, stop_ms; /* deadlines: ready, pong, end after stop */
	uint32_t credit;  /* bytes of events that may be under way to the Event Server */
};

struct config_device {
	const char *name;   /* unique per type; no '/' */
	const char *type;   /* "modbus_master" */
	const char *family; /* runner executable below libexec, "modbus"; NULL when runner is set */
	const char *runner; /* absolute path of a third party's runner, or NULL */
	const struct json *conf; /* the device's own tree */
	enum config_sandbox sandbox;
	struct config_limits limits;
};

struct config {
	struct json_doc *doc;      /* owns all texts below */
	const char *path;          /* of the file; owned */
	const char *name;          /* the gateway's */
	bool name_in_types;        /* seed naming: gateway/<name>/<type>/<device>/... */
	enum config_server server;
	bool require_operational;
	const char *server_host;   /* of the Event Server or the Monitor Server */
	uint16_t server_port;
	const char *server_token;  /* expected token of the Event Server, or NULL */
	const char *gateway_group, *event_server_group;
	const struct json *built_in; /* gateway-eventd's own keys, or NULL */
	const char *control_group;   /* group that may use the control socket, or NULL */
	enum log_level log_level;
	const struct json *log;      /* hat-gateway's "log", as it stands, or NULL */
	struct config_device *devices; /* owned, in the file's order */
	size_t device_count;
};

/* One fault: "FILE:LINE:COLUMN: PATH: MESSAGE". */
typedef void config_report(void *arg, enum schema_severity severity, const char *file,
    uint32_t line, uint32_t column, const char *path, const char *message);

/* Loads and checks; reports every fault. Returns a configuration for config_free(), or NULL when
 * there was an error (warnings alone are none). */
struct config *config_load(const char *path, config_report *report, void *arg);
void config_free(struct config *c);

/* Finds the node of path ("devices[3].connection.port") in the tree, or the closest one above it:
 * how a runner's config_error gets its line and column. Never NULL. */
const struct json *config_find(const struct config *c, const char *path);

/* Whether the device would be started the same way in both (same type, runner, sandbox, limits and
 * own tree): what reload asks. */
bool config_device_equal(const struct config_device *a, const struct config_device *b);

#endif
