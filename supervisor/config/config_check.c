#include "common/trust.h"
#include "supervisor/config/config_private.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* The gateway's and the servers' keys. "devices" and "log" have files of their own. */

#define TEXT(max_bytes)                                                                            \
	{                                                                                          \
		.kind = SCHEMA_STRING, .max = (max_bytes)                                          \
	}
#define PORT                                                                                       \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = 1, .max = 65535                                         \
	}
#define OBJECT(table)                                                                              \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .fields = (table)                                           \
	}
#define OBJECT_OR_NULL(table)                                                                      \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .nullable = true, .fields = (table)                         \
	}

enum {
	MAX_HOST = 255,	 /* of a name (RFC 1035) */
	MAX_TEXT = 4096, /* of other texts */
};

static const struct schema_field monitor_component_fields[] = {
	{ .key = "host", .required = true, .is = TEXT(MAX_HOST) },
	{ .key = "port", .required = true, .is = PORT },
	{ .key = "gateway_group", .required = true, .is = TEXT(MAX_TEXT) },
	{ .key = "event_server_group", .required = true, .is = TEXT(MAX_TEXT) },
	{ .key = "token", .is = { .kind = SCHEMA_STRING, .nullable = true, .max = MAX_TEXT } },
	{ .key = NULL },
};

static const struct schema_field eventer_server_fields[] = {
	{ .key = "host", .required = true, .is = TEXT(MAX_HOST) },
	{ .key = "port", .required = true, .is = PORT },
	{ .key = "token", .is = { .kind = SCHEMA_STRING, .nullable = true, .max = MAX_TEXT } },
	{ .key = NULL },
};

static const struct schema_field listen_fields[] = {
	{ .key = "host", .required = true, .is = TEXT(MAX_HOST) },
	{ .key = "port", .required = true, .is = PORT },
	{ .key = "token_file", .is = TEXT(MAX_TEXT) },
	{ .key = "insecure", .is = { .kind = SCHEMA_BOOL } },
	{ .key = NULL },
};

static const struct schema_field retention_fields[] = {
	{ .key = "type", .required = true, .is = TEXT(CONFIG_RETENTION_TYPE) },
	{ .key = "count", .is = { .kind = SCHEMA_INT, .max = CONFIG_TIMESERIES_MAX } },
	{ .key = "age", .is = { .kind = SCHEMA_INT, .min = 1, .max = UINT32_MAX } },
	{ .key = "bytes", .is = { .kind = SCHEMA_INT, .max = UINT32_MAX } },
	{ .key = NULL },
};
static const struct schema retention_rule = OBJECT(retention_fields);

static const struct schema_field built_in_fields[] = {
	{ .key = "data", .is = TEXT(MAX_TEXT) },
	{ .key = "timeseries", .is = { .kind = SCHEMA_INT, .max = CONFIG_TIMESERIES_MAX } },
	{ .key = "retention",
	    .is = { .kind = SCHEMA_ARRAY, .max = CONFIG_RETENTION_MAX, .items = &retention_rule } },
	{ .key = "listen", .is = OBJECT_OR_NULL(listen_fields) },
	{ .key = NULL },
};

static const struct schema_field event_server_fields[] = {
	{ .key = "require_operational", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "monitor_component", .is = OBJECT(monitor_component_fields) },
	{ .key = "eventer_server", .is = OBJECT(eventer_server_fields) },
	{ .key = "built_in", .is = OBJECT_OR_NULL(built_in_fields) },
	{ .key = NULL },
};

static const struct schema_field monitor_fields[] = {
	{ .key = "name", .required = true, .is = TEXT(CONFIG_MAX_NAME) },
	{ .key = "group", .required = true, .is = TEXT(MAX_TEXT) },
	{ .key = "monitor_address", .required = true, .is = TEXT(MAX_TEXT) },
	{ .key = "component_address",
	    .is = { .kind = SCHEMA_STRING, .nullable = true, .max = MAX_TEXT } },
	{ .key = NULL },
};

static const struct schema_field control_fields[] = {
	{ .key = "group", .is = TEXT(MAX_HOST) },
	{ .key = "observe_group", .is = TEXT(MAX_HOST) },
	{ .key = NULL },
};

static const char *const gateway_type[] = { "gateway", NULL };

/* The cost of a fault in a device's part of the file. */
static const char *const on_error_names[] = { "device", "gateway", NULL };

static const struct schema_field root_fields[] = {
	{ .key = "type", .is = { .kind = SCHEMA_ENUM, .names = gateway_type } },
	{ .key = "version", .is = TEXT(MAX_TEXT) },
	{ .key = "log",
	    .is = { .kind = SCHEMA_OBJECT,
		.nullable = true,
		.open = true,
		.fields = config_log_fields } },
	{ .key = "name", .is = TEXT(0) },
	{ .key = "gateway_name", .is = TEXT(0) },
	{ .key = "event_server", .is = OBJECT_OR_NULL(event_server_fields) },
	{ .key = "event_server_address", .is = TEXT(MAX_TEXT) },
	{ .key = "monitor", .is = OBJECT(monitor_fields) },
	{ .key = "event_server_group", .is = TEXT(MAX_TEXT) },
	{ .key = "devices",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .max = CONFIG_MAX_DEVICES } },
	{ .key = "adminer_server", .is = { .kind = SCHEMA_ANY } },
	{ .key = "control", .is = OBJECT_OR_NULL(control_fields) },
	/* Defaults of the devices' own. */
	{ .key = "sandbox", .is = { .kind = SCHEMA_ENUM, .names = config_sandbox_names } },
	{ .key = "limits", .is = OBJECT_OR_NULL(config_limits_fields) },
	{ .key = "on_error", .is = { .kind = SCHEMA_ENUM, .names = on_error_names } },
	{ .key = NULL },
};

const struct schema config_root_schema = OBJECT(root_fields);

const char *
config_check_name(struct config_check *k, const struct json *j, const char *path)
{
	const char *name = json_str(j);

	if (!name)
		return NULL;
	const char *bad = name;
	while ((unsigned char)*bad >= 0x20 && *bad != 0x7f && !strchr("/?*", *bad))
		bad++;
	if (j->len == 0)
		config_error(k, j, path, "expected a name, found an empty string");
	else if (*bad)
		config_error(k, j, path,
		    "expected a name without '/', '?', '*' and control characters, as it is a "
		    "segment "
		    "of event types");
	else if (j->len > CONFIG_MAX_NAME)
		config_error(k, j, path, "expected a name of at most %d bytes, found %zu",
		    CONFIG_MAX_NAME, j->len);
	else
		return name;
	return NULL;
}

/* There are three generations: name alone (0.6 and later), gateway_name alone (before), or both,
 * where name is the Monitor Server's component and gateway_name goes into the event types. */
static void
check_gateway_name(struct config_check *k, const struct json *root)
{
	const struct json *name = json_get(root, "name"), *seed = json_get(root, "gateway_name");
	struct config *c = k->c;

	if (!name && !seed)
		config_error(k, root, "name",
		    "is missing (or gateway_name, where event types begin with it)");
	const char *name_text = config_check_name(k, name, "name");
	const char *seed_text = config_check_name(k, seed, "gateway_name");
	c->name_in_types = seed != NULL;
	c->name = seed ? seed_text : name_text;
	c->component_name = name ? name_text : seed_text;
}

static uint16_t
port_of(const struct json *o)
{
	int64_t port = 0;

	json_int(json_get(o, "port"), 1, 65535, &port);
	return (uint16_t)port;
}

static void
take_built_in(struct config *c, const struct json *built_in)
{
	const struct json *listen = json_get(built_in, "listen");
	int64_t timeseries = CONFIG_TIMESERIES_DEFAULT;

	json_int(json_get(built_in, "timeseries"), 0, CONFIG_TIMESERIES_MAX, &timeseries);
	c->server = CONFIG_SERVER_BUILT_IN;
	c->built_in = (struct config_built_in){
		.data = json_str(json_get(built_in, "data")),
		.timeseries = (uint32_t)timeseries,
		.retention = json_get(built_in, "retention"),
		.listen_host = json_str(json_get(listen, "host")),
		.listen_port = port_of(listen),
		.token_file = json_str(json_get(listen, "token_file")),
		.insecure = json_is_true(json_get(listen, "insecure")),
	};
}

/* gateway-eventd looks at the address itself; the file is refused before that. */
static bool
is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       strncmp(host, "127.", 4) == 0;
}

static void
check_listen(struct config_check *k, const struct json *listen)
{
	static const char path[] = "event_server.built_in.listen";
	const struct config_built_in *b = &k->c->built_in;
	char why[512];

	if (b->token_file) {
		enum trust t = trust_path(b->token_file, TRUST_SECRET, why, sizeof(why));
		if (t == TRUST_WRITABLE)
			config_error(k, listen, path, "token_file refused: %.300s", why);
		if (t == TRUST_READABLE)
			config_warning(k, listen, path, "token_file: %.300s", why);
	}
	if (!b->listen_host || b->token_file)
		return;
	if (!b->insecure)
		config_error(
		    k, listen, path, "needs token_file, or insecure: true on a loopback address");
	else if (!is_loopback(b->listen_host))
		config_error(k, listen, path,
		    "insecure is for loopback addresses: '%.80s' needs token_file", b->listen_host);
}

/* Reports what the schema cannot express: gateway-eventd would not start with it. */
static void
check_retention(struct config_check *k, const struct json *rules)
{
	size_t i = 0;

	if (!rules || rules->type != JSON_ARRAY)
		return;
	json_foreach (rule, rules) {
		char path[80];
		const char *type = json_str(json_get(rule, "type"));
		size_t len = type ? strlen(type) : 0;
		snprintf(path, sizeof(path), "event_server.built_in.retention[%zu]", i++);
		if (!json_get(rule, "count") && !json_get(rule, "age") && !json_get(rule, "bytes"))
			config_error(k, rule, path, "needs count, age or bytes");
		if (len && (type[0] == '/' || type[len - 1] == '/' || strstr(type, "//")))
			config_error(k, json_get(rule, "type"), path,
			    "expected a type without empty segments, found '%.80s'", type);
	}
}

static void
take_eventer_server(struct config *c, const struct json *eventer_server)
{
	c->server = CONFIG_SERVER_EVENTER;
	c->server_host = json_str(json_get(eventer_server, "host"));
	c->server_port = port_of(eventer_server);
	c->server_token = json_str(json_get(eventer_server, "token"));
}

static void
take_monitor_component(struct config *c, const struct json *monitor_component)
{
	c->server = CONFIG_SERVER_MONITOR;
	c->server_host = json_str(json_get(monitor_component, "host"));
	c->server_port = port_of(monitor_component);
	c->server_token = json_str(json_get(monitor_component, "token"));
	c->gateway_group = json_str(json_get(monitor_component, "gateway_group"));
	c->event_server_group = json_str(json_get(monitor_component, "event_server_group"));
}

const char *const config_server_keys[] = { "eventer_server", "monitor_component", "built_in",
	NULL };

static void (*const take_server[])(struct config *c,
    const struct json *server) = { take_eventer_server, take_monitor_component, take_built_in };

static void
check_event_server(struct config_check *k, const struct json *event_server)
{
	int found = 0;

	for (size_t i = 0; config_server_keys[i]; i++) {
		const struct json *server = json_get(event_server, config_server_keys[i]);
		if (!server)
			continue;
		take_server[i](k->c, server);
		found++;
	}
	check_listen(k, json_get(json_get(event_server, "built_in"), "listen"));
	check_retention(k, json_get(json_get(event_server, "built_in"), "retention"));
	if (found != 1 && event_server->type == JSON_OBJECT)
		config_error(k, event_server, "event_server",
		    "expected exactly one of eventer_server, monitor_component and built_in, found "
		    "%d",
		    found);
	k->c->require_operational = json_is_true(json_get(event_server, "require_operational"));
}

/* "tcp+sbs://HOST:PORT", HOST in brackets where it is IPv6: the first generation's addresses. */
static void
check_address(struct config_check *k, const struct json *j, const char *path)
{
	static const char scheme[] = "tcp+sbs://";
	const char *text = json_str(j);

	if (!text)
		return;
	const char *host = text + sizeof(scheme) - 1, *colon = strrchr(text, ':');
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0 || colon < host)
		goto bad;
	size_t len = (size_t)(colon - host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len) || memchr(host, '/', len)) {
		goto bad;
	}
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (len == 0 || len > MAX_HOST || colon[1] < '0' || colon[1] > '9' || *end || port == 0 ||
	    port > 65535)
		goto bad;
	k->c->server_port = (uint16_t)port;
	k->c->address_host = strndup(host, len);
	if (!k->c->address_host)
		config_error(k, j, path, "out of memory");
	k->c->server_host = k->c->address_host;
	return;
bad:
	config_error(k, j, path, "expected an address as tcp+sbs://HOST:PORT, found '%.80s'", text);
}

/* The first generation: "monitor" with "event_server_group", or "event_server_address". */
static void
check_old_server(struct config_check *k, const struct json *root)
{
	const struct json *monitor = json_get(root, "monitor");
	const struct json *group = json_get(root, "event_server_group");
	const struct json *address = json_get(root, "event_server_address");

	if (address && monitor)
		config_error(k, address, "event_server_address",
		    "expected either event_server_address or monitor, found both");
	else if (address && group)
		config_warning(k, group, "event_server_group", "ignored without monitor");
	if (address && !monitor) {
		k->c->server = CONFIG_SERVER_EVENTER;
		check_address(k, address, "event_server_address");
	}
	if (!monitor)
		return;
	if (!group)
		config_error(k, root, "event_server_group", "is missing");
	k->c->server = CONFIG_SERVER_MONITOR;
	check_address(k, json_get(monitor, "monitor_address"), "monitor.monitor_address");
	k->c->component_name = json_str(json_get(monitor, "name"));
	k->c->gateway_group = json_str(json_get(monitor, "group"));
	k->c->event_server_group = json_str(group);
}

static void
check_servers(struct config_check *k, const struct json *root)
{
	static const char *const old_keys[] = { "monitor", "event_server_address",
		"event_server_group" };
	const struct json *event_server = json_get(root, "event_server"), *old = NULL;

	for (size_t i = 0; !old && i < 3; i++)
		old = json_get(root, old_keys[i]);
	if (event_server && event_server->type == JSON_NULL)
		event_server = NULL;
	if (event_server && old)
		config_error(k, old, old->key, "expected either it or event_server, found both");
	take_built_in(k->c, NULL);
	if (event_server)
		check_event_server(k, event_server);
	else
		check_old_server(k, root);
	if (!event_server && old && !json_get(root, "monitor") &&
	    !json_get(root, "event_server_address"))
		config_error(k, root, "monitor", "is missing (as there is event_server_group)");
}

void
config_check_root(struct config_check *k, const struct json *root)
{
	const struct json *adminer = json_get(root, "adminer_server");

	schema_check(root, &config_root_schema, "", config_fault, k);
	if (root->type != JSON_OBJECT)
		return;
	check_gateway_name(k, root);
	check_servers(k, root);
	if (adminer)
		config_warning(k, adminer, "adminer_server",
		    "not served, ignored; gatewayctl does what it was for");
	k->c->device_faults = json_enum(json_get(root, "on_error"), on_error_names) != 1;
	k->c->control_group = json_str(json_get(json_get(root, "control"), "group"));
	k->c->observe_group = json_str(json_get(json_get(root, "control"), "observe_group"));
	config_check_log(k, json_get(root, "log"));
	config_check_devices(k, root);
}
