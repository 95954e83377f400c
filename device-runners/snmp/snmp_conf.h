/*
 * Shared by the configurations of manager and trap listener: users, contexts, lists of object
 * identifiers. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_CONF_H
#define DEVICE_RUNNERS_SNMP_CONF_H

#include "common/schema/schema.h"
#include "device-runners/runtime/runner.h"
#include "protocols/snmp/message.h"

enum {
	CONF_MAX_TEXT = 255, /* bytes of a community, a context name */
	CONF_MAX_OIDS = 10000,
	CONF_PATH = 128,
};

extern const struct schema snmp_conf_oid_schema;
extern const struct schema_field snmp_conf_context_fields[], snmp_conf_authentication_fields[],
    snmp_conf_privacy_fields[];

#define CONF_SECONDS(least)                                                                        \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = (least), SCHEMA_UP_TO(RUNNER_MAX_SECONDS)            \
	}
#define CONF_TEXT                                                                                  \
	{                                                                                          \
		.kind = SCHEMA_STRING, .max = CONF_MAX_TEXT                                        \
	}
#define CONF_OIDS                                                                                  \
	{                                                                                          \
		.kind = SCHEMA_ARRAY, .max = CONF_MAX_OIDS, .items = &snmp_conf_oid_schema         \
	}
#define CONF_NULLABLE(fields_)                                                                     \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .nullable = true, .fields = fields_                         \
	}

extern const char *const snmp_conf_version_names[]; /* V1, V2C, V3 */

/* An object whose keys depend on its version: the first versions have a community. */
#define SNMP_CONF_BY_VERSION(fields_, variants_)                                                   \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .fields = fields_, .tag = "version", .variants = variants_  \
	}
#define SNMP_CONF_VARIANTS(community, user)                                                        \
	{                                                                                          \
		{ .name = "V1", .fields = community }, { .name = "V2C", .fields = community },     \
		    { .name = "V3", .fields = user },                                              \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}

/* The version that the checked configuration names. */
enum snmp_version snmp_conf_version(const struct json *conf);

/* Object identifiers in order, each once. */
struct snmp_conf_oids {
	struct ber_oid *oids; /* owned */
	size_t count;
};

/* Reads a list that passed CONF_OIDS; reports each text that is no OID. */
void snmp_conf_oids_read(
    struct snmp_conf_oids *set, struct runner *r, const struct json *list, const char *path);
void snmp_conf_oids_clear(struct snmp_conf_oids *set);
/* name: content of an OBJECT IDENTIFIER. */
bool snmp_conf_oids_has(const struct snmp_conf_oids *set, const uint8_t *name, size_t len);

/* Reads authentication and privacy of conf, which passed its schema, and makes the keys of their
 * passwords; reports what does not go together. name: of the user; where: path of conf, "" or one
 * that ends with '.'. */
void snmp_conf_user_read(struct usm_user *u, struct runner *r, const struct json *conf,
    const char *name, const char *where);

/* An engine ID, 5 to 32 octets (RFC 3411), or, where it is not our own, fewer with a warning.
 * Returns their number; 0 after an error. */
size_t snmp_conf_engine_read(
    uint8_t out[USM_MAX_ENGINE], struct runner *r, const char *text, bool own, const char *path);

/* Seconds as nanoseconds. */
int64_t snmp_conf_ns(const struct json *conf, const char *key);
/* Copies a text; NULL stays NULL. */
char *snmp_conf_copy(struct runner *r, const char *text);
/* Seconds since 2020-01-01: boots of an engine without a file, which grow from start to start. */
uint32_t snmp_conf_boots(void);
uint64_t snmp_conf_chance(void);

#endif
