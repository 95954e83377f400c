#include "device-runners/iec60870/iec104/iec104_conf.h"

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
read_security(struct runner *r, const struct json *j, bool server, struct iec104_security *s)
{
	struct tls_settings *t = &s->tls.settings;
	double renew = 0;

	*s = (struct iec104_security){ .tls = { .cert = -1, .key = -1, .ca = -1 } };
	if (!j || j->type == JSON_NULL)
		return 0;
	t->server = server;
	/* hat-gateway looks at no names: where nobody asks, a wrong one is a warning. */
	t->watch_host = !json_bool(json_get(j, "verify_host"), &t->verify_host);
	json_bool(json_get(j, "verify_cert"), &t->verify);
	json_bool(json_get(j, "strict_mode"), &t->strict);
	if (json_double(json_get(j, "renegotiate_delay"), &renew) && renew > 0)
		s->renew_ms = iec104_conf_ms(j, "renegotiate_delay");
	t->renegotiation = s->renew_ms > 0;
	/* Revocation matters while a connection stands: twice the delay of new keys, as IEC 62351-3
	 * pairs the two. */
	s->tls.reload_ms = t->strict ? 2 * s->renew_ms : 0;
	s->tls.cert = plan_file(r, j, "cert_path");
	s->tls.key = plan_file(r, j, "key_path");
	s->tls.ca = plan_file(r, j, "ca_path");
	/* As elsewhere on the host, who is not told whom to trust trusts its authorities. */
	if (s->tls.ca < 0 && t->verify)
		s->tls.ca = runner_plan_file(r, SYSTEM_AUTHORITIES);
	return tls_plan_load(&s->tls, r, "security");
}

int
iec104_conf_read(struct runner *r, const struct json *conf, bool server, struct apci_params *params,
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
	return read_security(r, json_get(conf, "security"), server, security);
}
