#include "device-runners/snmp/describe.h"

#include "device-runners/runtime/report/describe.h"

#include <string.h>

#include "device-runners/runtime/note.h"
#include "device-runners/runtime/runner.h"
#include "protocols/snmp/text.h"

/* "SHA256 and AES", "SHA256 alone", "none" */
static void
note_user(struct runner *r, const char *name, const struct json *conf)
{
	const struct json *auth = json_get(conf, "authentication"),
			  *priv = json_get(conf, "privacy");

	if (auth->type != JSON_OBJECT)
		runner_note(r, "user %s: neither authenticated nor encrypted", name);
	else
		runner_note(r, "user %s: authentication %s, privacy %s", name,
		    note_value(auth, "type"),
		    priv->type == JSON_OBJECT ? note_value(priv, "type") : "none");
}

static void
note_context(struct runner *r, const struct json *context)
{
	if (context->type == JSON_OBJECT)
		runner_note(r, "context \"%s\" of engine %s", note_value(context, "name"),
		    note_value(context, "engine_id"));
}

void
describe_manager(struct runner *r, const struct json *conf)
{
	const struct json *oids = json_get(conf, "polling_oids"),
			  *most = json_get(conf, "max_oids_per_request");
	const char *version = note_value(conf, "version");

	runner_note(r, "manager of SNMP %s; waits %s s for an answer, tries %s times more", version,
	    note_value(conf, "request_timeout"), note_value(conf, "request_retry_count"));
	if (strcmp(version, "V3") == 0) {
		note_user(r, note_value(conf, "user"), conf);
		note_context(r, json_get(conf, "context"));
	}
	if (oids->count)
		runner_note(r, "%zu objects polled every %s s, at most %s in a request",
		    oids->count, note_value(conf, "polling_delay"),
		    most ? note_value(conf, "max_oids_per_request") : "1");
	else
		runner_note(r, "no object is polled; 0.0 is asked for every %s s to see the agent",
		    note_value(conf, "polling_delay"));
	runner_note(r, "registers gateway/status, gateway/read/OID, gateway/write/OID");
	runner_note(r, "takes system/read/OID, system/write/OID");
}

static void
describe_remote(struct runner *r, const struct json *conf)
{
	const struct json *community = json_get(conf, "community");
	const char *name = note_value(conf, "name"), *version = note_value(conf, "version");
	size_t count = json_get(conf, "oids")->count;

	if (community && community->type == JSON_STRING)
		runner_note(r, "remote device %s: %zu object%s of SNMP %s, one community", name,
		    count, LOG_PLURAL(count), version);
	else if (json_get(conf, "context") && json_get(conf, "context")->type == JSON_OBJECT)
		runner_note(r, "remote device %s: %zu object%s of SNMP %s, one context", name,
		    count, LOG_PLURAL(count), version);
	else
		runner_note(r, "remote device %s: %zu object%s of SNMP %s, from everybody", name,
		    count, LOG_PLURAL(count), version);
}

void
describe_trap_listener(struct runner *r, const struct json *conf)
{
	char names[NOTE_MAX_LIST];

	runner_note(r, "listener for SNMP traps and informs");
	json_foreach (user, json_get(conf, "users"))
		note_user(r, note_value(user, "name"), user);
	json_foreach (device, json_get(conf, "remote_devices"))
		describe_remote(r, device);
	runner_note(r, "registers gateway/data/NAME/OID (%s)",
	    note_list(names, sizeof(names), json_get(conf, "remote_devices"), "name"));
	runner_note(r, "takes nothing");
}

void
describe_frame(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *frame,
    size_t len)
{
	(void)arg, (void)dir;
	snmp_message_text(out, frame, len);
}

void
describe_object(struct describe *d, const char *oid)
{
	const char *const read[] = { "gateway", "read", oid, NULL };
	const char *const asks[] = { "system", "read", oid, NULL };
	const char *const takes[] = { "system", "write", oid, NULL };
	const char *const result[] = { "gateway", "write", oid, NULL };
	const struct describe_verb verbs[] = {
		{ .verb = "read",
		    .takes = asks,
		    .request = "{\"session_id\":$id}",
		    .result = read,
		    .match = "{\"session_id\":$id}" },
		{ .verb = "write",
		    .takes = takes,
		    .request = "{\"session_id\":$id,\"data\":$value}",
		    .result = result,
		    .match = "{\"session_id\":$id}",
		    .good = "{\"success\":true}",
		    .form =
			"{\"session_id\":\"json\",\"data\":{\"type\":\"INTEGER|UNSIGNED|COUNTER|"
			"BIG_COUNTER|TIME_TICKS|STRING|STRING_HEX|OBJECT_ID|IP_ADDRESS|"
			"ARBITRARY\",\"value\":\"integer|text\"}}" },
	};
	static const char *const parts[] = { "oid", NULL };

	describe_put(d, &(struct describe_data){ .name = oid,
			    .value = "json",
			    .about = "as {\"type\": \"INTEGER\", \"value\": 7}",
			    .gives = read,
			    .verbs = verbs,
			    .verb_count = 2,
			    .parts = parts });
}
