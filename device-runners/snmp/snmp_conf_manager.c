#include "device-runners/snmp/snmp_conf_manager.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	MIN_DELAY_NS = 1000000,	   /* between two cycles: a device is not asked without pause */
	MIN_CONNECT_NS = 50000000, /* between two attempts */
};

static const struct schema_field fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "version",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = snmp_conf_version_names } },
	{ .key = "remote_host",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .max = CONF_MAX_TEXT } },
	{ .key = "remote_port", .required = true, .is = SCHEMA_PORT },
	{ .key = "connect_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "request_timeout", .required = true, .is = CONF_SECONDS(0.001) },
	{ .key = "request_retry_count",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, SCHEMA_UP_TO(1000000) } },
	{ .key = "request_retry_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "polling_delay", .required = true, .is = CONF_SECONDS(0) },
	{ .key = "polling_oids", .required = true, .is = CONF_OIDS },
	{ .key = "string_hex_oids", .required = true, .is = CONF_OIDS },
	{ .key = "max_oids_per_request",

	    .is = { .kind = SCHEMA_INT, .min = 1, .max = POLL_MAX_OIDS } },
	{ .key = NULL },
};
static const struct schema_field community_fields[] = {
	{ .key = "community", .required = true, .is = CONF_TEXT },
	{ .key = NULL },
};
static const struct schema_field user_fields[] = {
	{ .key = "context", .required = true, .is = CONF_NULLABLE(snmp_conf_context_fields) },
	{ .key = "user", .required = true, .is = { .kind = SCHEMA_STRING, .max = USM_MAX_USER } },
	{ .key = "authentication",
	    .required = true,
	    .is = CONF_NULLABLE(snmp_conf_authentication_fields) },
	{ .key = "privacy", .required = true, .is = CONF_NULLABLE(snmp_conf_privacy_fields) },
	{ .key = NULL },
};
static const struct schema_variant versions[] = SNMP_CONF_VARIANTS(community_fields, user_fields);
const struct schema snmp_conf_manager_schema = SNMP_CONF_BY_VERSION(fields, versions);

static int64_t
at_least(int64_t v, int64_t least)
{
	return v > least ? v : least;
}

static void
read_poll(struct snmp_conf_manager *m, struct runner *r, const struct json *conf)
{
	const struct json *list = json_get(conf, "polling_oids");
	char path[CONF_PATH];
	int64_t most = 1;
	size_t at = 0;

	json_int(json_get(conf, "max_oids_per_request"), 1, POLL_MAX_OIDS, &most);
	if (poll_init(&m->poll, list->count, (size_t)most) < 0)
		runner_fail(r, "out of memory");
	json_foreach (item, list) {
		const char *text = json_str(item);
		struct ber_oid oid;
		snprintf(path, sizeof(path), "polling_oids[%zu]", at++);
		if (!text || !ber_oid_parse(&oid, text))
			runner_config_error(r, path,
			    "expected an object identifier, as 1.3.6.1.2.1.1.3.0, found %.60s",
			    text ? text : "something else");
		else if (poll_add(&m->poll, &oid, text,
			     snmp_conf_oids_has(&m->hex, oid.octets, oid.len)) < 0)
			runner_fail(r, "out of memory");
	}
	if (poll_ready(&m->poll) < 0)
		runner_fail(r, "out of memory");
}

static void
read_v3(struct agent_conf *s, struct runner *r, const struct json *conf)
{
	const struct json *context = json_get(conf, "context");

	snmp_conf_user_read(&s->user, r, conf, json_str(json_get(conf, "user")), "");
	if (context->type != JSON_OBJECT)
		return;
	s->own_context = true;
	s->context_engine_len = snmp_conf_engine_read(s->context_engine, r,
	    json_str(json_get(context, "engine_id")), false, "context.engine_id");
	s->context_name = snmp_conf_copy(r, json_str(json_get(context, "name")));
}

static void
read_agent(struct agent_conf *s, struct runner *r, const struct json *conf)
{
	int64_t retries = 0;

	json_int(json_get(conf, "request_retry_count"), 0, INT32_MAX, &retries);
	s->retries = (uint32_t)retries;
	s->timeout_ns = snmp_conf_ns(conf, "request_timeout");
	s->retry_delay_ns = snmp_conf_ns(conf, "request_retry_delay");
	s->boots = snmp_conf_boots();
	if (s->version == SNMP_V3)
		read_v3(s, r, conf);
	else
		s->community = snmp_conf_copy(r, json_str(json_get(conf, "community")));
}

int
snmp_conf_manager_load(struct snmp_conf_manager *m, struct runner *r, const struct json *conf)
{
	int64_t port = 0;

	*m = (struct snmp_conf_manager){ .host = NULL };
	if (runner_check_config(r, conf, &snmp_conf_manager_schema, "") > 0)
		return -1;
	m->agent.version = snmp_conf_version(conf);
	m->host = snmp_conf_copy(r, json_str(json_get(conf, "remote_host")));
	json_int(json_get(conf, "remote_port"), 1, 65535, &port);
	m->port = (uint16_t)port;
	m->connect_delay_ns = at_least(snmp_conf_ns(conf, "connect_delay"), MIN_CONNECT_NS);
	m->polling_delay_ns = at_least(snmp_conf_ns(conf, "polling_delay"), MIN_DELAY_NS);
	read_agent(&m->agent, r, conf);
	snmp_conf_oids_read(&m->hex, r, json_get(conf, "string_hex_oids"), "string_hex_oids");
	read_poll(m, r, conf);
	return 0;
}

void
snmp_conf_manager_clear(struct snmp_conf_manager *m)
{
	free(m->host);
	free(m->agent.community);
	free(m->agent.context_name);
	snmp_conf_oids_clear(&m->hex);
	poll_clear(&m->poll);
	explicit_bzero(m, sizeof(*m));
}
