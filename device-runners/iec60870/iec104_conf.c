#include "device-runners/iec60870/iec104_conf.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

const struct schema_field iec104_security_fields[] = {
	{ "cert_path", true, { .kind = SCHEMA_STRING, .nullable = true } },
	{ "key_path", true, { .kind = SCHEMA_STRING, .nullable = true } },
	{ "verify_cert", true, { .kind = SCHEMA_BOOL } },
	{ "ca_path", true, { .kind = SCHEMA_STRING, .nullable = true } },
	{ "verify_host", false, { .kind = SCHEMA_BOOL } },
	{ "strict_mode", false, { .kind = SCHEMA_BOOL } },
	{ "renegotiate_delay", false,
	    { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = NULL },
};

int64_t
iec104_conf_ms(const struct json *conf, const char *key)
{
	double s = 0;

	json_double(json_get(conf, key), &s);
	return s * 1000 < 1 ? 1 : (int64_t)(s * 1000);
}

static int
plan_file(struct runner *r, const struct json *security, const char *key)
{
	const char *path = json_str(json_get(security, key));

	return path && path[0] ? runner_plan_file(r, path) : -1;
}

static int
read_security(struct runner *r, const struct json *j, struct iec104_security *s)
{
	char why[TLS_WHY];
	double renew = 0;

	*s = (struct iec104_security){ .cert = -1, .key = -1, .ca = -1 };
	if (!j || j->type == JSON_NULL)
		return 0;
	s->configured = true;
	/* hat-gateway looks at no names: where nobody asks, a wrong one is a warning. */
	s->watch_host = !json_bool(json_get(j, "verify_host"), &s->verify_host);
	json_bool(json_get(j, "verify_cert"), &s->verify);
	json_bool(json_get(j, "strict_mode"), &s->strict);
	if (json_double(json_get(j, "renegotiate_delay"), &renew) && renew > 0)
		s->renew_ms = iec104_conf_ms(j, "renegotiate_delay");
	s->cert = plan_file(r, j, "cert_path");
	s->key = plan_file(r, j, "key_path");
	s->ca = plan_file(r, j, "ca_path");
	/* As elsewhere on the host, who is not told whom to trust trusts its authorities. */
	if (s->ca < 0 && s->verify)
		s->ca = runner_plan_file(r, SYSTEM_AUTHORITIES);
	s->ops = tls_load(why);
	if (!s->ops) {
		runner_config_error(r, "security", "%s", why);
		return -1;
	}
	s->ops->prepare();
	return 0;
}

struct tls_settings
iec104_tls_settings(const struct iec104_security *s, bool server)
{
	return (struct tls_settings){ .server = server,
		.verify = s->verify,
		.verify_host = s->verify_host,
		.watch_host = s->watch_host,
		.strict = s->strict,
		.renegotiation = s->renew_ms > 0 };
}

int
iec104_conf_read(struct runner *r, const struct json *conf, struct apci_params *params,
    struct iec_map *map, struct iec104_security *security)
{
	const char *zone = json_str(json_get(conf, "time_zone"));
	int64_t k = 1, w = 1;

	json_int(json_get(conf, "send_window_size"), 1, APCI_MAX_WINDOW, &k);
	json_int(json_get(conf, "receive_window_size"), 1, APCI_MAX_WINDOW, &w);
	*params = (struct apci_params){ .k = (uint32_t)k,
		.w = (uint32_t)w,
		.t1_ms = iec104_conf_ms(conf, "response_timeout"),
		.t2_ms = iec104_conf_ms(conf, "supervisory_timeout"),
		.t3_ms = iec104_conf_ms(conf, "test_timeout") };
	if (params->t2_ms >= params->t1_ms)
		runner_config_warning(r, "supervisory_timeout",
		    "expected less than response_timeout (t1): the peer may close the connection "
		    "before the acknowledgement");
	map->sizes = asdu_sizes_104;
	map->command_times = true;
	if (iec_zone_init(&map->zone, zone) < 0) {
		runner_config_error(r, "time_zone", "no such time zone: %s", zone);
		return -1;
	}
	return read_security(r, json_get(conf, "security"), security);
}
