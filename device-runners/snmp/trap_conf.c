#include "device-runners/snmp/trap_conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "device-runners/snmp/value.h"

enum {
	MAX_USERS = 1000,
	MAX_DEVICES = 1000,
	/* RFC 3411, SnmpEngineID: of an enterprise, text made by its administrator. This project
	 * has no enterprise number; 0 is reserved and nobody else's. */
	ENGINE_TEXT = 4,
	ENGINE_HEAD = 5,
};

static const struct schema_field user_fields[] = {
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING, .max = USM_MAX_USER } },
	{ .key = "authentication",
	    .required = true,
	    .is = CONF_NULLABLE(snmp_conf_authentication_fields) },
	{ .key = "privacy", .required = true, .is = CONF_NULLABLE(snmp_conf_privacy_fields) },
	{ .key = NULL },
};
static const struct schema user_schema = { .kind = SCHEMA_OBJECT, .fields = user_fields };

static const struct schema_field device_fields[] = {
	{ .key = "version",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = snmp_conf_version_names } },
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING, .max = CONF_MAX_TEXT } },
	{ .key = "oids", .required = true, .is = CONF_OIDS },
	{ .key = "string_hex_oids", .required = true, .is = CONF_OIDS },
	{ .key = NULL },
};
static const struct schema_field community_fields[] = {
	{ .key = "community",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .nullable = true, .max = CONF_MAX_TEXT } },
	{ .key = NULL },
};
static const struct schema_field context_fields[] = {
	{ .key = "context", .required = true, .is = CONF_NULLABLE(snmp_conf_context_fields) },
	{ .key = NULL },
};
static const struct schema_variant versions[] =
    SNMP_CONF_VARIANTS(community_fields, context_fields);
static const struct schema remote_schema = SNMP_CONF_BY_VERSION(device_fields, versions);
static const struct schema_field trap_fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "local_host",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .max = CONF_MAX_TEXT } },
	{ .key = "local_port", .required = true, .is = SCHEMA_PORT },
	{ .key = "users",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .max = MAX_USERS, .items = &user_schema } },
	{ .key = "remote_devices",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .max = MAX_DEVICES, .items = &remote_schema } },
	{ .key = "engine_id", .is = { .kind = SCHEMA_STRING } },
	{ .key = "time_window", .is = { .kind = SCHEMA_BOOL } },
	{ .key = NULL },
};
const struct schema trap_conf_schema = { .kind = SCHEMA_OBJECT, .fields = trap_fields };

static void
refuse_double(struct runner *r, const char *where, const char *name)
{
	char path[2 * CONF_PATH];

	snprintf(path, sizeof(path), "%sname", where);
	runner_config_error(r, path, "there is a user %s already", name);
}

static void
read_users(struct listener_conf *l, struct runner *r, const struct json *list)
{
	char where[CONF_PATH];

	l->users = runner_alloc(r, list->count + 1, sizeof(*l->users));
	json_foreach (user, list) {
		const char *name = json_str(json_get(user, "name"));
		snprintf(where, sizeof(where), "users[%zu].", l->user_count);
		for (size_t i = 0; name && i < l->user_count; i++)
			if (strcmp(l->users[i].name, name) == 0)
				refuse_double(r, where, name);
		snmp_conf_user_read(&l->users[l->user_count++], r, user, name, where);
	}
}

/* The context, and its engine as one whose informs are taken. */
static void
read_context(struct trap_conf *t, struct trap_device *d, struct runner *r,
    const struct json *context, const char *where)
{
	struct listener_conf *l = &t->listener;
	char path[2 * CONF_PATH];

	d->any = context->type != JSON_OBJECT;
	if (d->any)
		return;
	snprintf(path, sizeof(path), "%s.context.engine_id", where);
	d->context.len = snmp_conf_engine_read(
	    d->context.id, r, json_str(json_get(context, "engine_id")), false, path);
	d->context_name = snmp_conf_copy(r, json_str(json_get(context, "name")));
	l->known[l->known_count++] = d->context;
}

static void
read_device(struct trap_conf *t, struct trap_device *d, struct runner *r, const struct json *conf,
    const char *where)
{
	const struct json *community = json_get(conf, "community");
	char path[2 * CONF_PATH];

	d->version = snmp_conf_version(conf);
	d->name = snmp_conf_copy(r, json_str(json_get(conf, "name")));
	snprintf(path, sizeof(path), "%s.oids", where);
	snmp_conf_oids_read(&d->oids, r, json_get(conf, "oids"), path);
	snprintf(path, sizeof(path), "%s.string_hex_oids", where);
	snmp_conf_oids_read(&d->hex, r, json_get(conf, "string_hex_oids"), path);
	if (d->version == SNMP_V3) {
		read_context(t, d, r, json_get(conf, "context"), where);
		return;
	}
	d->community = snmp_conf_copy(r, json_str(community));
	d->any = !d->community;
}

static void
read_devices(struct trap_conf *t, struct runner *r, const struct json *list)
{
	char where[64];

	t->devices = calloc(list->count + 1, sizeof(*t->devices));
	t->listener.known = calloc(list->count + 1, sizeof(*t->listener.known));
	if (!t->devices || !t->listener.known)
		runner_fail(r, "out of memory");
	json_foreach (device, list) {
		snprintf(where, sizeof(where), "remote_devices[%zu]", t->device_count);
		read_device(t, &t->devices[t->device_count++], r, device, where);
	}
}

/* Our own engine ID: as configured, else of the device's name, which stays from start to start. */
static void
read_engine(struct listener_conf *l, struct runner *r, const struct json *conf)
{
	const struct json *text = json_get(conf, "engine_id");
	const char *name = runner_name(r);
	size_t len = strlen(name), room = USM_MAX_ENGINE - ENGINE_HEAD;

	if (text) {
		l->engine.len =
		    snmp_conf_engine_read(l->engine.id, r, json_str(text), true, "engine_id");
		return;
	}
	memcpy(l->engine.id, (const uint8_t[]){ 0x80, 0, 0, 0, ENGINE_TEXT }, ENGINE_HEAD);
	if (len <= room) {
		memcpy(l->engine.id + ENGINE_HEAD, name, len);
		l->engine.len = ENGINE_HEAD + len;
		return;
	}
	/* Its end tells names apart as well as its beginning. */
	memcpy(l->engine.id + ENGINE_HEAD, name, room / 2);
	memcpy(
	    l->engine.id + ENGINE_HEAD + room / 2, name + len - (room - room / 2), room - room / 2);
	l->engine.len = USM_MAX_ENGINE;
}

int
trap_conf_load(struct trap_conf *t, struct runner *r, const struct json *conf)
{
	const struct json *window = json_get(conf, "time_window");
	int64_t port = 0;

	*t = (struct trap_conf){ .host = NULL };
	if (runner_check_config(r, conf, &trap_conf_schema, "") > 0)
		return -1;
	t->host = snmp_conf_copy(r, json_str(json_get(conf, "local_host")));
	json_int(json_get(conf, "local_port"), 1, 65535, &port);
	t->port = (uint16_t)port;
	t->listener.boots = snmp_conf_boots();
	t->listener.time_window = !window || json_is_true(window);
	if (!t->listener.time_window)
		runner_config_warning(
		    r, "time_window", "false: traps that were recorded are taken when sent again");
	read_engine(&t->listener, r, conf);
	read_users(&t->listener, r, json_get(conf, "users"));
	read_devices(t, r, json_get(conf, "remote_devices"));
	return 0;
}

void
trap_conf_clear(struct trap_conf *t)
{
	for (size_t i = 0; i < t->device_count; i++) {
		struct trap_device *d = &t->devices[i];
		free(d->name);
		free(d->community);
		free(d->context_name);
		snmp_conf_oids_clear(&d->oids);
		snmp_conf_oids_clear(&d->hex);
	}
	free(t->devices);
	free(t->listener.known);
	if (t->listener.users)
		explicit_bzero(
		    t->listener.users, t->listener.user_count * sizeof(*t->listener.users));
	free(t->listener.users);
	free(t->host);
	*t = (struct trap_conf){ .host = NULL };
}
