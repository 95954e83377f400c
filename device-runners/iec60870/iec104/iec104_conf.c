#include "device-runners/iec60870/iec104/iec104_conf.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

const struct schema_field iec104_security_fields[] = {
	{ .key = "cert_path", .required = true, .is = { .kind = SCHEMA_STRING, .nullable = true } },
	{ .key = "key_path", .required = true, .is = { .kind = SCHEMA_STRING, .nullable = true } },
	{ .key = "verify_cert", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = "ca_path", .required = true, .is = { .kind = SCHEMA_STRING, .nullable = true } },
	{ .key = "verify_host", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "strict_mode", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "renegotiate_delay",

	    .is = { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = NULL },
};

int64_t
iec104_conf_ms(const struct json *conf, const char *key)
{
	int64_t ms = runner_config_ms(conf, key);

	return ms ? ms : 1;
}

static int
plan_file(struct runner *r, const struct json *security, const char *key)
{
	const char *path = json_str(json_get(security, key));

	return path && path[0] ? runner_plan_file(r, path) : -1;
}

static int
read_security(struct iec104_conf *c, struct runner *r, const struct json *j, bool server)
{
	struct tls_settings *t = &c->tls.settings;
	double renew = 0;

	c->tls = (struct tls_plan){ .cert = -1,
		.key = -1,
		.ca = -1,
		.keys = { "security.cert_path", "security.key_path", "security.ca_path" } };
	if (!j || j->type == JSON_NULL)
		return 0;
	t->server = server;
	/* hat-gateway looks at no names: where nobody asks, a wrong one is a warning. */
	t->watch_host = !json_bool(json_get(j, "verify_host"), &t->verify_host);
	json_bool(json_get(j, "verify_cert"), &t->verify);
	json_bool(json_get(j, "strict_mode"), &t->strict);
	if (json_double(json_get(j, "renegotiate_delay"), &renew) && renew > 0)
		c->renew_ms = iec104_conf_ms(j, "renegotiate_delay");
	t->renegotiation = c->renew_ms > 0;
	/* Revocation matters while a connection stands: twice the delay of new keys, as IEC 62351-3
	 * pairs the two. */
	c->tls.reload_ms = t->strict ? 2 * c->renew_ms : 0;
	c->tls.cert = plan_file(r, j, "cert_path");
	c->tls.key = plan_file(r, j, "key_path");
	c->tls.ca = plan_file(r, j, "ca_path");
	/* As elsewhere on the host, who is not told whom to trust trusts its authorities. */
	if (c->tls.ca < 0 && t->verify)
		c->tls.ca = runner_plan_file(r, SYSTEM_AUTHORITIES);
	return tls_plan_load(&c->tls, r, "security");
}

int
iec104_conf_read(struct iec104_conf *c, struct runner *r, const struct json *conf, bool slave,
    struct iec_map *map)
{
	struct apci_params *params = &c->params;
	const char *zone = json_str(json_get(conf, "time_zone"));
	int64_t k = 1, w = 1;

	json_int(json_get(conf, "send_window_size"), 1, APCI_MAX_WINDOW, &k);
	json_int(json_get(conf, "receive_window_size"), 1, APCI_MAX_WINDOW, &w);
	*params = (struct apci_params){ .controlling = !slave,
		.k = (uint32_t)k,
		.w = (uint32_t)w,
		.t1_ms = iec104_conf_ms(conf, "response_timeout"),
		.t2_ms = iec104_conf_ms(conf, "supervisory_timeout"),
		.t3_ms = iec104_conf_ms(conf, "test_timeout") };
	if (params->t2_ms >= params->t1_ms)
		runner_config_warning(r, "supervisory_timeout",
		    "expected less than response_timeout (t1): the peer may close the connection "
		    "before the acknowledgement");
	map->sizes = asdu_sizes_104;
	map->slave = slave;
	map->command_times = true;
	if (iec_zone_init(&map->zone, zone) < 0) {
		runner_config_error(r, "time_zone", "no such time zone: %s", zone);
		return -1;
	}
	return read_security(c, r, json_get(conf, "security"), slave);
}

void
iec104_conf_open(struct iec104_conf *c, struct iec104_conn *conn, struct runner *r, int fd,
    const char *host, const struct iec104_handler *handler, void *arg)
{
	struct tls *tls = tls_set_session(&c->files, fd, host);

	if (iec104_conn_open(conn, r, fd, &c->params, c->tls.ops, tls, handler, arg) < 0)
		runner_fail(r, "out of memory");
	iec104_conn_renew(conn, c->renew_ms);
}
