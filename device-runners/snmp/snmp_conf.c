#include "device-runners/snmp/snmp_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "device-runners/snmp/value.h"

enum {
	SHORT_PASSWORD = 8, /* RFC 3414, 11.2, wants that many octets at least */
	YEAR_2020 = 1577836800,
	MIN_ENGINE = 5,
};

const char *const snmp_conf_version_names[] = { "V1", "V2C", "V3", NULL };

const struct schema snmp_conf_oid_schema = { .kind = SCHEMA_STRING, .max = BER_OID_TEXT };

const struct schema_field snmp_conf_context_fields[] = {
	{ .key = "engine_id", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING, .max = CONF_MAX_TEXT } },
	{ .key = NULL },
};
const struct schema_field snmp_conf_authentication_fields[] = {
	{ .key = "type", .required = true, .is = { .kind = SCHEMA_ENUM, .names = usm_auth_names } },
	{ .key = "password", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = NULL },
};
const struct schema_field snmp_conf_privacy_fields[] = {
	{ .key = "type", .required = true, .is = { .kind = SCHEMA_ENUM, .names = usm_priv_names } },
	{ .key = "password", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = NULL },
};

enum snmp_version
snmp_conf_version(const struct json *conf)
{
	static const enum snmp_version versions[] = { SNMP_V1, SNMP_V2C, SNMP_V3 };

	return versions[json_enum(json_get(conf, "version"), snmp_conf_version_names)];
}

static int
by_octets(const void *pa, const void *pb)
{
	const struct ber_oid *a = pa, *b = pb;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->octets, b->octets, a->len);
}

void
snmp_conf_oids_read(
    struct snmp_conf_oids *set, struct runner *r, const struct json *list, const char *path)
{
	char where[CONF_PATH];
	size_t at = 0;

	set->count = 0;
	set->oids = runner_alloc(r, list->count ? list->count : 1, sizeof(*set->oids));
	json_foreach (item, list) {
		const char *text = json_str(item);
		snprintf(where, sizeof(where), "%s[%zu]", path, at++);
		if (text && ber_oid_parse(&set->oids[set->count], text))
			set->count++;
		else
			runner_config_error(r, where,
			    "expected an object identifier, as 1.3.6.1.2.1.1.3.0, found %.60s",
			    text ? text : "something else");
	}
	qsort(set->oids, set->count, sizeof(*set->oids), by_octets);
}

void
snmp_conf_oids_clear(struct snmp_conf_oids *set)
{
	free(set->oids);
	*set = (struct snmp_conf_oids){ .oids = NULL };
}

bool
snmp_conf_oids_has(const struct snmp_conf_oids *set, const uint8_t *name, size_t len)
{
	size_t from = 0, to = set->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct ber_oid *oid = &set->oids[middle];
		int order =
		    oid->len != len ? (oid->len < len ? -1 : 1) : memcmp(oid->octets, name, len);
		if (order == 0)
			return true;
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

/* The key of one password; the digest is that of authentication for both (RFC 3414, 2.6). */
static void
read_password(uint8_t key[USM_MAX_KEY], struct runner *r, const struct json *o, enum usm_auth auth,
    const char *where, const char *what)
{
	const struct json *password = json_get(o, "password");
	char path[CONF_PATH];

	snprintf(path, sizeof(path), "%s%s.password", where, what);
	if (password->len == 0) {
		runner_config_error(r, path, "an empty password makes no key");
		return;
	}
	if (password->len < SHORT_PASSWORD)
		runner_config_warning(
		    r, path, "shorter than %d octets: agents refuse such", SHORT_PASSWORD);
	usm_password_to_key(auth, password->text, password->len, key);
}

void
snmp_conf_user_read(struct usm_user *u, struct runner *r, const struct json *conf, const char *name,
    const char *where)
{
	const struct json *auth = json_get(conf, "authentication"),
			  *priv = json_get(conf, "privacy");
	char path[CONF_PATH];

	*u = (struct usm_user){ .auth = USM_NO_AUTH };
	snprintf(u->name, sizeof(u->name), "%s", name ? name : "");
	if (auth->type == JSON_OBJECT) {
		u->auth = (enum usm_auth)(json_enum(json_get(auth, "type"), usm_auth_names) + 1);
		read_password(u->auth_key, r, auth, u->auth, where, "authentication");
	}
	if (priv->type != JSON_OBJECT)
		return;
	if (u->auth == USM_NO_AUTH) {
		snprintf(path, sizeof(path), "%sprivacy", where);
		runner_config_error(r, path, "there is no privacy without authentication");
		return;
	}
	u->priv = (enum usm_priv)(json_enum(json_get(priv, "type"), usm_priv_names) + 1);
	read_password(u->priv_key, r, priv, u->auth, where, "privacy");
}

size_t
snmp_conf_engine_read(
    uint8_t out[USM_MAX_ENGINE], struct runner *r, const char *text, bool own, const char *path)
{
	int n = text ? value_hex(text, out, USM_MAX_ENGINE) : -1;

	if (n < 0 || (own && n < MIN_ENGINE)) {
		runner_config_error(r, path,
		    "expected %d to %d octets in hexadecimal digits, found %.80s", MIN_ENGINE,
		    USM_MAX_ENGINE, text ? text : "something else");
		return 0;
	}
	if (n < MIN_ENGINE)
		runner_config_warning(r, path, "an engine ID has %d octets at least", MIN_ENGINE);
	return (size_t)n;
}

int64_t
snmp_conf_ns(const struct json *conf, const char *key)
{
	double seconds = 0;

	json_double(json_get(conf, key), &seconds);
	return (int64_t)(seconds * 1e9 + 0.5);
}

char *
snmp_conf_copy(struct runner *r, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		runner_fail(r, "out of memory");
	return copy;
}

uint32_t
snmp_conf_boots(void)
{
	int64_t s = timestamp_now().s - YEAR_2020;

	return s < 1 ? 1 : (uint32_t)(s & INT32_MAX);
}

uint64_t
snmp_conf_chance(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uint64_t)monotime_now().ns;
	return seed;
}
