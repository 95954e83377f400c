#include "device-runners/iec61850/describe.h"

#include <stdio.h>

#include "device-runners/runtime/note.h"
#include "device-runners/runtime/report/describe.h"
#include "protocols/iec61850/control.h"

void
describe_client(struct runner *r, const struct json *conf)
{
	const struct json *connection = json_get(conf, "connection");
	char names[NOTE_MAX_LIST];

	runner_note(r, "client of the IEC 61850 server %s; connects again after %s s",
	    note_value(connection, "host"), note_value(connection, "reconnect_delay"));
	runner_note(r, "asks for the status after %s s of silence, waits %s s for its answer",
	    note_value(connection, "status_delay"), note_value(connection, "status_timeout"));
	json_foreach (rcb, json_get(conf, "rcbs")) {
		const struct json *ref = json_get(rcb, "ref");
		runner_note(r, "report control block %s/%s %s, %s",
		    note_value(ref, "logical_device"), note_value(ref, "logical_node"),
		    note_value(ref, "name"),
		    note_value(ref, "type")[0] == 'B' ? "buffered" : "unbuffered");
	}
	runner_note(r, "registers gateway/status, gateway/entry_id/REPORT, gateway/data/NAME (%s)",
	    note_list(names, sizeof(names), json_get(conf, "data"), "name"));
	runner_note(r, "registers gateway/command/NAME, gateway/change/NAME");
	runner_note(r, "takes system/command/NAME (%s)",
	    note_list(names, sizeof(names), json_get(conf, "commands"), "name"));
	runner_note(r, "takes system/change/NAME (%s)",
	    note_list(names, sizeof(names), json_get(conf, "changes"), "name"));
}

#define CONTROL(action)                                                                            \
	"{\"session_id\":$id,\"action\":\"" action "\",\"value\":$value,"                          \
	"\"origin\":{\"category\":\"REMOTE_CONTROL\",\"identification\":\"gatewayctl\"},"          \
	"\"test\":false,\"checks\":[]}"
#define FORM                                                                                       \
	"{\"session_id\":\"json\",\"action\":\"SELECT|CANCEL|OPERATE\",\"value\":\"%s\","          \
	"\"origin\":{\"category\":\"%s\",\"identification\":\"text\"},"                            \
	"\"test\":\"boolean\",\"checks\":[\"SYNCHRO|INTERLOCK\"]}"
#define MATCH(action) "{\"session_id\":$id,\"action\":\"" action "\"}"
#define GOOD "{\"success\":true}"

static const char *
value_of(const struct iec61850_type *type)
{
	static const char *const words[IEC61850_KINDS] = { [IEC61850_BOOLEAN] = "boolean",
		[IEC61850_INTEGER] = "integer",
		[IEC61850_UNSIGNED] = "integer",
		[IEC61850_VISIBLE_STRING] = "text",
		[IEC61850_MMS_STRING] = "text",
		[IEC61850_DOUBLE_POINT] = "INTERMEDIATE|OFF|ON|BAD",
		[IEC61850_BINARY_CONTROL] = "STOP|LOWER|HIGHER|RESERVED" };

	return words[type->kind] ? words[type->kind] : "json";
}

/* Data, commands and changes have names of their own: "data/breaker", "command/breaker". */
enum { ROW_NAME = 300, FORM_SIZE = 512 };

static const char *
row_name(char text[ROW_NAME], const char *kind, const char *name)
{
	snprintf(text, ROW_NAME, "%s/%s", kind, name);
	return text;
}

static void
put_data(const struct conf_data *data, struct describe *d)
{
	const char *const gives[] = { "gateway", "data", data->name, NULL };
	char text[ROW_NAME];

	describe_put(d, &(struct describe_data){ .name = row_name(text, "data", data->name),
			    .value = value_of(data->parts[CONF_VALUE].type),
			    .about = data->parts[CONF_VALUE].item,
			    .gives = gives });
}

static void
make_form(char form[FORM_SIZE], const char *value)
{
	char names[200] = "";
	size_t used = 0;

	for (size_t i = 0; iec61850_category_names[i]; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? "|" : "",
		    iec61850_category_names[i]);
	snprintf(form, FORM_SIZE, FORM, value, names);
}

static void
put_command(const struct conf_command *command, struct describe *d)
{
	const char *const takes[] = { "system", "command", command->name, NULL };
	const char *const result[] = { "gateway", "command", command->name, NULL };
	char text[ROW_NAME], form[FORM_SIZE];
	make_form(form, value_of(command->type));
	const struct describe_verb verbs[] = {
		{ .verb = "command",
		    .takes = takes,
		    .form = form,
		    .request = CONTROL("OPERATE"),
		    .result = result,
		    .match = MATCH("OPERATE"),
		    .good = GOOD },
		{ .verb = "select",
		    .takes = takes,
		    .form = form,
		    .request = CONTROL("SELECT"),
		    .result = result,
		    .match = MATCH("SELECT"),
		    .good = GOOD },
	};
	describe_put(d, &(struct describe_data){ .name = row_name(text, "command", command->name),
			    .value = value_of(command->type),
			    .about = command->item,
			    .verbs = verbs,
			    .verb_count = 2 });
}

static void
put_change(const struct conf_change *change, struct describe *d)
{
	const char *const takes[] = { "system", "change", change->name, NULL };
	const char *const result[] = { "gateway", "change", change->name, NULL };
	const struct describe_verb write = { .verb = "write",
		.takes = takes,
		.request = "{\"session_id\":$id,\"value\":$value}",
		.result = result,
		.match = "{\"session_id\":$id}",
		.good = GOOD };
	char text[ROW_NAME];

	describe_put(d, &(struct describe_data){ .name = row_name(text, "change", change->name),
			    .value = value_of(change->ref.type),
			    .about = change->ref.item,
			    .verbs = &write,
			    .verb_count = 1 });
}

bool
describe_client_data(const struct conf *c, struct describe *d, size_t index)
{
	if (index < c->data_count) {
		put_data(&c->data[index], d);
		return true;
	}
	index -= c->data_count;
	if (index < c->command_count) {
		put_command(&c->commands[index], d);
		return true;
	}
	index -= c->command_count;
	if (index < c->change_count)
		put_change(&c->changes[index], d);
	return index < c->change_count;
}
