#include "device-runners/iec61850/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/hex.h"
#include "common/schema/schema.h"
#include "protocols/iec61850/report.h"

enum {
	MAX_LIST = 100000,
	MAX_REPORT_ID = 129, /* characters; IEC 61850-8-1, table 47 */
	OUTSTANDING = 5,
	MAX_ARC = 0x7fffffff,
};

#define STRING                                                                                     \
	{                                                                                          \
		.kind = SCHEMA_STRING                                                              \
	}
#define SECONDS(least)                                                                             \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = least, SCHEMA_UP_TO(RUNNER_MAX_SECONDS)              \
	}
#define BOOL                                                                                       \
	{                                                                                          \
		.kind = SCHEMA_BOOL                                                                \
	}
#define WORD                                                                                       \
	{                                                                                          \
		.kind = SCHEMA_INT, .max = UINT32_MAX                                              \
	}
#define OBJECT(table)                                                                              \
	{                                                                                          \
		.kind = SCHEMA_OBJECT, .fields = table                                             \
	}
#define LIST(schema)                                                                               \
	{                                                                                          \
		.kind = SCHEMA_ARRAY, .max = MAX_LIST, .items = &schema                            \
	}
#define ANY                                                                                        \
	{                                                                                          \
		.kind = SCHEMA_ANY                                                                 \
	}

static const char *const rcb_types[] = { "BUFFERED", "UNBUFFERED", NULL };
static const char *const models[] = { "DIRECT_WITH_NORMAL_SECURITY", "SBO_WITH_NORMAL_SECURITY",
	"DIRECT_WITH_ENHANCED_SECURITY", "SBO_WITH_ENHANCED_SECURITY", NULL };
/* Triggers are the first of the reasons. */
static const char *const triggers[] = { "DATA_CHANGE", "QUALITY_CHANGE", "DATA_UPDATE", "INTEGRITY",
	"GENERAL_INTERROGATION", NULL };

static const struct schema any = ANY, arc = { .kind = SCHEMA_INT, .max = MAX_ARC },
			   trigger = { .kind = SCHEMA_ENUM, .names = triggers },
			   option = { .kind = SCHEMA_ENUM, .names = iec61850_option_names };

static const struct schema_field connection_fields[] = {
	{ .key = "host", .required = true, .is = STRING },
	{ .key = "port", .required = true, .is = SCHEMA_PORT },
	{ .key = "connect_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "reconnect_delay", .required = true, .is = SECONDS(0) },
	{ .key = "response_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "status_delay", .required = true, .is = SECONDS(0.001) },
	{ .key = "status_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "local_tsel", .is = ANY },
	{ .key = "remote_tsel", .is = ANY },
	{ .key = "local_ssel", .is = ANY },
	{ .key = "remote_ssel", .is = ANY },
	{ .key = "local_psel", .is = ANY },
	{ .key = "remote_psel", .is = ANY },
	{ .key = "local_ap_title", .is = LIST(arc) },
	{ .key = "remote_ap_title", .is = LIST(arc) },
	{ .key = "local_ae_qualifier",

	    .is = { .kind = SCHEMA_INT, .max = MAX_ARC } },
	{ .key = "remote_ae_qualifier",

	    .is = { .kind = SCHEMA_INT, .max = MAX_ARC } },
	{ .key = "local_detail_calling",

	    .is = { .kind = SCHEMA_INT, .min = MMS_MIN_PDU, .max = MMS_MAX_PDU } },
	{ .key = NULL },
};
static const struct schema_field type_fields[] = {
	{ .key = "logical_device", .required = true, .is = STRING },
	{ .key = "logical_node", .required = true, .is = STRING },
	{ .key = "fc", .required = true, .is = STRING },
	{ .key = "name", .required = true, .is = STRING },
	{ .key = "type", .required = true, .is = ANY },
	{ .key = NULL },
};
static const struct schema_field value_fields[] = {
	{ .key = "logical_device", .required = true, .is = STRING },
	{ .key = "logical_node", .required = true, .is = STRING },
	{ .key = "fc", .required = true, .is = STRING },
	{ .key = "names", .required = true, .is = LIST(any) },
	{ .key = NULL },
};
static const struct schema type_schema = OBJECT(type_fields), value_schema = OBJECT(value_fields);
static const struct schema_field dataset_fields[] = {
	{ .key = "ref", .required = true, .is = ANY },
	{ .key = "values", .required = true, .is = LIST(value_schema) },
	{ .key = "dynamic", .required = true, .is = BOOL },
	{ .key = "replace", .is = BOOL },
	{ .key = NULL },
};
static const struct schema_field rcb_ref_fields[] = {
	{ .key = "logical_device", .required = true, .is = STRING },
	{ .key = "logical_node", .required = true, .is = STRING },
	{ .key = "type", .required = true, .is = { .kind = SCHEMA_ENUM, .names = rcb_types } },
	{ .key = "name", .required = true, .is = STRING },
	{ .key = NULL },
};
static const struct schema_field rcb_fields[] = {
	{ .key = "ref", .required = true, .is = OBJECT(rcb_ref_fields) },
	{ .key = "report_id",
	    .required = true,
	    .is = { .kind = SCHEMA_STRING, .max = MAX_REPORT_ID } },
	{ .key = "dataset", .required = true, .is = ANY },
	{ .key = "trigger_options", .is = LIST(trigger) },
	{ .key = "optional_fields", .is = LIST(option) },
	{ .key = "conf_revision", .is = WORD },
	{ .key = "buffer_time", .is = WORD },
	{ .key = "integrity_period", .is = WORD },
	{ .key = "purge_buffer", .is = BOOL },
	{ .key = "reservation_time",

	    .is = { .kind = SCHEMA_INT, .min = -1, .max = INT16_MAX } },
	{ .key = NULL },
};
static const struct schema_field data_fields[] = {
	{ .key = "name", .required = true, .is = STRING },
	{ .key = "rcb", .required = true, .is = OBJECT(rcb_ref_fields) },
	{ .key = "value", .required = true, .is = OBJECT(value_fields) },
	{ .key = "quality", .is = OBJECT(value_fields) },
	{ .key = "timestamp", .is = OBJECT(value_fields) },
	{ .key = "selected", .is = OBJECT(value_fields) },
	{ .key = NULL },
};
static const struct schema_field command_ref_fields[] = {
	{ .key = "logical_device", .required = true, .is = STRING },
	{ .key = "logical_node", .required = true, .is = STRING },
	{ .key = "name", .required = true, .is = STRING },
	{ .key = NULL },
};
static const struct schema_field command_fields[] = {
	{ .key = "name", .required = true, .is = STRING },
	{ .key = "model", .required = true, .is = { .kind = SCHEMA_ENUM, .names = models } },
	{ .key = "ref", .required = true, .is = OBJECT(command_ref_fields) },
	{ .key = "with_operate_time", .required = true, .is = BOOL },
	{ .key = NULL },
};
static const struct schema_field change_fields[] = {
	{ .key = "name", .required = true, .is = STRING },
	{ .key = "ref", .required = true, .is = OBJECT(value_fields) },
	{ .key = NULL },
};
static const struct schema dataset_schema = OBJECT(dataset_fields), rcb_schema = OBJECT(rcb_fields),
			   data_schema = OBJECT(data_fields),
			   command_schema = OBJECT(command_fields),
			   change_schema = OBJECT(change_fields);
static const struct schema_field fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "connection", .required = true, .is = OBJECT(connection_fields) },
	{ .key = "value_types", .required = true, .is = LIST(type_schema) },
	{ .key = "datasets", .required = true, .is = LIST(dataset_schema) },
	{ .key = "rcbs", .required = true, .is = LIST(rcb_schema) },
	{ .key = "data", .required = true, .is = LIST(data_schema) },
	{ .key = "commands", .required = true, .is = LIST(command_schema) },
	{ .key = "changes", .required = true, .is = LIST(change_schema) },
	{ .key = NULL },
};
const struct schema conf_schema = { .kind = SCHEMA_OBJECT, .fields = fields };

/* --- The connection --- */

static bool
hex_selector(struct iso_selector *s, const char *text)
{
	size_t n = strlen(text);

	s->len = (uint8_t)hex_read(text, n, s->octets, ISO_MAX_SELECTOR);
	return n == 2 * (size_t)s->len;
}

/* An integer, in so many octets, or a text of hexadecimal digits. */
static int
load_selector(struct iso_selector *s, struct runner *r, const struct json *conf, const char *key,
    unsigned octets)
{
	const struct json *j = json_get(conf, key);
	const char *text = json_str(j);
	char path[64];
	int64_t v;

	if (!j || (text && hex_selector(s, text)))
		return 0;
	if (json_int(j, 0, (INT64_C(1) << (8 * octets)) - 1, &v)) {
		for (unsigned i = 0; i < octets; i++)
			s->octets[i] = (uint8_t)(v >> 8 * (octets - 1 - i));
		s->len = (uint8_t)octets;
		return 0;
	}
	snprintf(path, sizeof(path), "connection.%s", key);
	runner_config_error(r, path,
	    "expected an integer of %u octets, or hexadecimal digits of at most 16 octets", octets);
	return 1;
}

static int
load_title(struct ber_oid *oid, struct runner *r, const struct json *conf, const char *key)
{
	const struct json *arcs = json_get(conf, key);
	char text[BER_OID_TEXT], path[64];
	size_t used = 0;

	if (!arcs)
		return 0;
	json_foreach (a, arcs)
		if (used < sizeof(text))
			used += (size_t)snprintf(
			    text + used, sizeof(text) - used, "%s%s", used ? "." : "", a->text);
	if (used > 0 && used < sizeof(text) && ber_oid_parse(oid, text))
		return 0;
	snprintf(path, sizeof(path), "connection.%s", key);
	runner_config_error(r, path, "expected the arcs of an object identifier");
	return 1;
}

static int
load_address(struct iso_address *a, struct runner *r, const struct json *conf, bool local)
{
	static const char *const remote_keys[] = { "remote_tsel", "remote_ssel", "remote_psel",
		"remote_ap_title", "remote_ae_qualifier" };
	static const char *const local_keys[] = { "local_tsel", "local_ssel", "local_psel",
		"local_ap_title", "local_ae_qualifier" };
	const char *const *k = local ? local_keys : remote_keys;

	a->has_ae_qualifier = json_int(json_get(conf, k[4]), 0, MAX_ARC, &a->ae_qualifier);
	return load_selector(&a->tsel, r, conf, k[0], 2) +
	       load_selector(&a->ssel, r, conf, k[1], 2) +
	       load_selector(&a->psel, r, conf, k[2], 4) + load_title(&a->ap_title, r, conf, k[3]);
}

static int
load_connection(struct conf *c, struct runner *r, const struct json *conf)
{
	struct mms_params *p = &c->params;
	int64_t detail = MMS_MAX_PDU, port = 0;

	json_int(json_get(conf, "local_detail_calling"), MMS_MIN_PDU, MMS_MAX_PDU, &detail);
	p->local_detail = (int32_t)detail;
	p->outstanding = OUTSTANDING;
	c->connect_ms = runner_config_ms(conf, "connect_timeout");
	c->reconnect_ms = runner_config_ms(conf, "reconnect_delay");
	p->associate_timeout_ms = c->connect_ms;
	p->response_timeout_ms = runner_config_ms(conf, "response_timeout");
	p->status_delay_ms = runner_config_ms(conf, "status_delay");
	p->status_timeout_ms = runner_config_ms(conf, "status_timeout");
	json_int(json_get(conf, "port"), 1, 65535, &port);
	c->port = (uint16_t)port;
	c->host = reference_text(r, "%s", json_str(json_get(conf, "host")) ?: "");
	c->address = runner_plan_connect(r, c->host, c->port);
	return load_address(&p->local, r, conf, true) + load_address(&p->remote, r, conf, false);
}

int
conf_load(struct conf *c, struct runner *r, const struct json *conf)
{
	*c = (struct conf){ .types = types_new() };
	if (!c->types)
		runner_fail(r, "out of memory");
	if (runner_check_config(r, conf, &conf_schema, "") > 0)
		return -1;
	int errors = load_connection(c, r, json_get(conf, "connection")) +
		     types_load(c->types, r, json_get(conf, "value_types"));
	errors += conf_load_model(c, r, conf);
	types_seal(c->types);
	return errors ? -1 : 0;
}

void
conf_clear(struct conf *c)
{
	conf_clear_model(c);
	types_free(c->types);
	free(c->host);
	*c = (struct conf){ 0 };
}
