/* Shared by config*.c, in the supervisor: faults with their places, and the parts of the check. */
#ifndef SUPERVISOR_CONFIG_PRIVATE_H
#define SUPERVISOR_CONFIG_PRIVATE_H

#include "supervisor/config/config.h"

struct config_check {
	struct config *c;
	config_report *report;
	void *arg;
	const char *file;
	unsigned errors, warnings;
	unsigned device_errors; /* of errors: those that cost a device */
	struct config_device
	    *device; /* being checked: its first error becomes its fault; or NULL */
};

/* A schema_report with a struct config_check as its arg. */
void config_fault(void *check, enum schema_severity severity, const struct json *where,
    const char *path, const char *message);
void config_error(struct config_check *k, const struct json *where, const char *path,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void config_warning(struct config_check *k, const struct json *where, const char *path,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The tables of all keys that are the supervisor's. */
extern const struct schema config_root_schema;	 /* but for what "devices" holds */
extern const struct schema config_device_schema; /* of an element of "devices" */
extern const struct schema_field config_limits_fields[], config_log_fields[];
extern const char *const config_sandbox_names[]; /* by enum ipc_sandbox */
extern const char *const config_server_keys[];	 /* of "event_server", exactly one of them */
/* A name (config_check_name()) as a regular expression of JSON Schema. */
#define CONFIG_NAME_PATTERN "^[^/?*\\u0000-\\u001f\\u007f]+$"

/* Checks the tree and fills k->c from it. */
void config_check_root(struct config_check *k, const struct json *root);
/* "devices": fills k->c->devices. log is the root's "log", or NULL. */
void config_check_devices(struct config_check *k, const struct json *root);
/* "log": fills k->c->log. */
void config_check_log(struct config_check *k, const struct json *log);
/* The level of a logger ("hat.gateway.devices.modbus.master"), by the closest name above it. */
enum log_level config_log_level(const struct json *log, const char *logger);

/* A segment of an event type: not empty, no '/', '?', '*' nor control character, CONFIG_MAX_NAME
 * bytes. Returns its text, or NULL after an error (none where j is NULL or no string). */
const char *config_check_name(struct config_check *k, const struct json *j, const char *path);
/* Whether two trees mean the same, whatever the order of keys. Out of memory is a difference. */
bool config_tree_equal(const struct json *a, const struct json *b);
/* Whether both were kept, and are the same bytes. */
bool config_text_equal(const struct config_text *a, const struct config_text *b);
/* Whether a key of a device is the supervisor's alone. */
bool config_is_supervisors_key(const char *key);

/* config_changes.c: the first password, community or token of the tree, or NULL. Trees are no
 * deeper than the reader allows. */
const struct json *config_find_secret(const struct json *j);

#endif
