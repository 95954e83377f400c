#include "device-runners/smpp/conf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/schema/schema.h"
#include "device-runners/runtime/note.h"

enum { LIST_TEXT = 1024, MAX_ENCODING = 63 };

static const char *const priorities[] = { "BULK", "NORMAL", "URGENT", "VERY_URGENT", NULL };
static const char *const binds[] = { "TRANSCEIVER", "TRANSMITTER", NULL };
static const char *const longs[] = { "REFUSE", "PAYLOAD", "UDH", NULL };
/* The schema's spelling of CYRILLIC; the other one will do as well. */
static const char *const codings[] = { "DEFAULT", "ASCII", "UNSPECIFIED_1", "LATIN_1",
	"UNSPECIFIED_2", "JIS", "CYRLLIC", "LATIN_HEBREW", "UCS2", "PICTOGRAM", "MUSIC",
	"EXTENDED_KANJI", "KS", "CYRILLIC", NULL };
static const uint8_t coding_octets[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 6 };

#define SECONDS(least)                                                                             \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = least, SCHEMA_UP_TO(RUNNER_MAX_SECONDS)              \
	}
#define TEXT(most)                                                                                 \
	{                                                                                          \
		.kind = SCHEMA_STRING, .max = most                                                 \
	}
#define OCTET                                                                                      \
	{                                                                                          \
		.kind = SCHEMA_INT, .max = 255                                                     \
	}

static const struct schema_field address_fields[] = {
	{ .key = "host", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "port", .required = true, .is = SCHEMA_PORT },
	{ .key = NULL },
};
static const struct schema_field fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "remote_address",
	    .required = true,
	    .is = { .kind = SCHEMA_OBJECT, .fields = address_fields } },
	{ .key = "ssl", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = "ssl_verify", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "ssl_ca",

	    .is = { .kind = SCHEMA_STRING, .nullable = true, .max = PATH_MAX - 1 } },
	{ .key = "system_id", .required = true, .is = TEXT(SMPP_MAX_SYSTEM_ID) },
	{ .key = "password", .required = true, .is = TEXT(SMPP_MAX_PASSWORD) },
	{ .key = "enquire_link_delay",
	    .required = true,
	    .is = { .kind = SCHEMA_NUMBER,
		.nullable = true,
		.min = 0,
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS) } },
	{ .key = "enquire_link_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "connect_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "reconnect_delay", .required = true, .is = SECONDS(0) },
	{ .key = "short_message", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = "priority", .required = true, .is = { .kind = SCHEMA_ENUM, .names = priorities } },
	{ .key = "data_coding", .required = true, .is = { .kind = SCHEMA_ENUM, .names = codings } },
	{ .key = "message_encoding", .required = true, .is = TEXT(MAX_ENCODING) },
	{ .key = "message_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "bind", .is = { .kind = SCHEMA_ENUM, .names = binds } },
	{ .key = "system_type", .is = TEXT(SMPP_MAX_SYSTEM_TYPE) },
	{ .key = "service_type", .is = TEXT(SMPP_MAX_SERVICE_TYPE) },
	{ .key = "source_address", .is = TEXT(SMPP_MAX_ADDRESS) },
	{ .key = "source_ton", .is = OCTET },
	{ .key = "source_npi", .is = OCTET },
	{ .key = "destination_ton", .is = OCTET },
	{ .key = "destination_npi", .is = OCTET },
	{ .key = "registered_delivery", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "window",

	    .is = { .kind = SCHEMA_INT, .min = 1, .max = SMPP_MAX_WINDOW } },
	{ .key = "long_messages",

	    .is = { .kind = SCHEMA_ENUM, .names = longs } },
	{ .key = NULL },
};
const struct schema conf_client_schema = { .kind = SCHEMA_OBJECT, .fields = fields };

static uint8_t
octet(const struct json *conf, const char *key)
{
	int64_t v = 0;

	json_int(json_get(conf, key), 0, 255, &v);
	return (uint8_t)v;
}

/* C octet strings are ASCII, 3.1. */
static bool
is_ascii(const char *s)
{
	for (; *s; s++)
		if (*s & 0x80)
			return false;
	return true;
}

/* A text of the configuration into its place; returns 1 where it is at fault. */
static int
copy(struct runner *r, const struct json *conf, const char *key, char *to, size_t size,
    struct smpp_str *as)
{
	const struct json *j = json_get(conf, key);
	const char *text = j ? json_str(j) : "";

	if (!text || !is_ascii(text) || strlen(text) >= size) {
		runner_config_error(r, key, "expected at most %zu ASCII characters", size - 1);
		return 1;
	}
	snprintf(to, size, "%s", text);
	*as = (struct smpp_str){ to, strlen(to) };
	return 0;
}

static int
load_texts(struct conf_client *c, struct runner *r, const struct json *conf)
{
	struct smpp_bind *b = &c->params.bind;
	struct smpp_sm *m = &c->message;

	return copy(r, conf, "system_id", c->system_id, sizeof(c->system_id), &b->system_id) +
	       copy(r, conf, "password", c->password, sizeof(c->password), &b->password) +
	       copy(r, conf, "system_type", c->system_type, sizeof(c->system_type),
		   &b->system_type) +
	       copy(r, conf, "service_type", c->service_type, sizeof(c->service_type),
		   &m->service_type) +
	       copy(r, conf, "source_address", c->source, sizeof(c->source), &m->source);
}

static int
load_encoding(struct conf_client *c, struct runner *r, const struct json *conf)
{
	const char *coding = json_str(json_get(conf, "data_coding"));
	char known[LIST_TEXT];

	snprintf(c->encoding, sizeof(c->encoding), "%s",
	    json_str(json_get(conf, "message_encoding")) ?: "");
	if (smpp_codec_open(&c->codec, c->encoding) < 0) {
		smpp_codec_list(known, sizeof(known));
		runner_config_error(
		    r, "message_encoding", "unknown encoding %s; known: %s", c->encoding, known);
		return 1;
	}
	if (strcmp(coding, "UCS2") == 0 && !smpp_codec_is(c->encoding, "utf-16-be"))
		runner_config_warning(r, "message_encoding",
		    "data_coding UCS2 means utf-16-be; telephones will show %s wrong", c->encoding);
	if (strcmp(coding, "DEFAULT") == 0 && smpp_codec_is(c->encoding, "utf-8"))
		runner_config_warning(r, "message_encoding",
		    "data_coding DEFAULT means GSM 03.38 at most message centres (encoding gsm); "
		    "characters other than ASCII will be shown wrong");
	return 0;
}

static void
load_times(struct conf_client *c, const struct json *conf)
{
	c->connect_ms = runner_config_ms(conf, "connect_timeout");
	c->reconnect_ms = runner_config_ms(conf, "reconnect_delay");
	c->message_ms = runner_config_ms(conf, "message_timeout");
	if (json_get(conf, "enquire_link_delay")->type != JSON_NULL) {
		int64_t ms = runner_config_ms(conf, "enquire_link_delay");
		c->params.enquire_delay_ms = ms > 0 ? ms : 1;
	}
	c->params.enquire_timeout_ms = runner_config_ms(conf, "enquire_link_timeout");
}

static void
load_message(struct conf_client *c, const struct json *conf)
{
	int how = json_enum(json_get(conf, "long_messages"), longs);
	int64_t window = 1;

	json_int(json_get(conf, "window"), 1, SMPP_MAX_WINDOW, &window);
	c->params.window = (unsigned)window;
	c->params.bind_command = json_enum(json_get(conf, "bind"), binds) == 1
				     ? SMPP_BIND_TRANSMITTER
				     : SMPP_BIND_TRANSCEIVER;
	c->params.bind.version = SMPP_VERSION;
	c->long_messages = how < 0 ? LONG_REFUSE : (enum conf_long)how;
	c->message.priority = (uint8_t)json_enum(json_get(conf, "priority"), priorities);
	c->message.data_coding = coding_octets[json_enum(json_get(conf, "data_coding"), codings)];
	c->message.source_ton = octet(conf, "source_ton");
	c->message.source_npi = octet(conf, "source_npi");
	c->message.dest_ton = octet(conf, "destination_ton");
	c->message.dest_npi = octet(conf, "destination_npi");
	c->message.registered_delivery = json_is_true(json_get(conf, "registered_delivery"));
	json_bool(json_get(conf, "short_message"), &c->short_message);
}

static int
load_tls(struct conf_client *c, struct runner *r, const struct json *conf)
{
	const char *ca = json_str(json_get(conf, "ssl_ca"));
	bool wanted = json_is_true(json_get(conf, "ssl"));
	bool verify = json_is_true(json_get(conf, "ssl_verify"));

	c->tls = (struct tls_plan){ .cert = -1,
		.key = -1,
		.ca = -1,
		.keys = { NULL, NULL, "ssl_ca" },
		.settings = { .verify = verify, .verify_host = verify } };
	if (verify && (!wanted || !ca)) {
		runner_config_error(r, "ssl_verify", "expected %s beside it",
		    wanted ? "ssl_ca, the file of the authorities," : "ssl: true");
		return -1;
	}
	if (!wanted)
		return 0;
	if (verify)
		c->tls.ca = runner_plan_file(r, ca);
	else
		runner_config_warning(r, "ssl",
		    "the certificate of the message centre is not verified, as in hat-gateway; "
		    "ssl_verify and ssl_ca verify it");
	return tls_plan_load(&c->tls, r, "ssl");
}

int
conf_client_load(struct conf_client *c, struct runner *r, const struct json *conf)
{
	int64_t port = 0;

	*c = (struct conf_client){ .codec = { .iconv = (iconv_t)-1 } };
	if (runner_check_config(r, conf, &conf_client_schema, "") > 0)
		return -1;
	if (load_texts(c, r, conf) + load_encoding(c, r, conf) > 0)
		return -1;
	load_times(c, conf);
	load_message(c, conf);
	const struct json *address = json_get(conf, "remote_address");
	json_int(json_get(address, "port"), 1, 65535, &port);
	c->host = strdup(json_str(json_get(address, "host")));
	if (!c->host)
		runner_fail(r, "out of memory");
	c->address = runner_plan_connect(r, c->host, (uint16_t)port);
	return load_tls(c, r, conf);
}

void
conf_client_clear(struct conf_client *c)
{
	smpp_codec_close(&c->codec);
	free(c->host);
	c->host = NULL;
	explicit_bzero(c->password, sizeof(c->password));
}

void
conf_client_describe(struct runner *r, const struct json *conf)
{
	char text[64];

	runner_note(r, "SMPP client %s%s; connects again after %s s", note_value(conf, "system_id"),
	    json_is_true(json_get(conf, "ssl_verify")) ? " with TLS, verified"
	    : json_is_true(json_get(conf, "ssl"))      ? " with TLS"
						       : "",
	    note_value(conf, "reconnect_delay"));
	runner_note(r, "sends enquire_link %s, waits %s s for its answer",
	    note_period(text, sizeof(text), conf, "enquire_link_delay"),
	    note_value(conf, "enquire_link_timeout"));
	runner_note(r, "messages in %s as data_coding %s, each sent within %s s",
	    note_value(conf, "message_encoding"), note_value(conf, "data_coding"),
	    note_value(conf, "message_timeout"));
	runner_note(r, "registers gateway/status, gateway/message");
	runner_note(r, "takes system/message");
}
