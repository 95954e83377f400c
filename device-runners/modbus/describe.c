#include "device-runners/modbus/describe.h"

#include <string.h>

#include "device-runners/runtime/note.h"
#include "device-runners/runtime/runner.h"

static bool
is_serial(const struct json *transport)
{
	return strcmp(note_value(transport, "type"), "SERIAL") == 0;
}

static void
describe_remote(struct runner *r, const struct json *remote)
{
	const struct json *data = json_get(remote, "data"), *least = NULL, *most = NULL;
	double a = 0, b = 0, v;
	size_t polled = 0;

	json_foreach (d, data) {
		const struct json *interval = json_get(d, "interval");
		if (!json_double(interval, &v))
			continue;
		if (polled == 0 || v < a) {
			a = v;
			least = interval;
		}
		if (polled++ == 0 || v > b) {
			b = v;
			most = interval;
		}
	}
	if (polled == 0)
		runner_note(r, "remote device %s: %zu values, none polled",
		    note_value(remote, "device_id"), data->count);
	else
		runner_note(r, "remote device %s: %zu values, %zu polled every %s%s%s s",
		    note_value(remote, "device_id"), data->count, polled, least->text,
		    a < b ? " to " : "", a < b ? most->text : "");
}

void
describe_master(struct runner *r, const struct json *conf)
{
	const struct json *c = json_get(conf, "connection"),
			  *remotes = json_get(conf, "remote_devices");
	const struct json *transport = json_get(c, "transport");
	char list[NOTE_MAX_LIST];

	runner_note(r, "master of Modbus %s; connects again after %s s, waits %s s for an answer",
	    note_value(c, "modbus_type"), note_value(c, "connect_delay"),
	    note_value(c, "request_timeout"));
	if (is_serial(transport))
		note_line(r, transport);
	json_foreach (remote, remotes)
		describe_remote(r, remote);
	note_list(list, sizeof(list), remotes, "device_id");
	runner_note(r,
	    "registers gateway/status, below gateway/remote_device/ID (%s): status, read/NAME, "
	    "write/NAME",
	    list);
	runner_note(r, "takes below system/remote_device/ID: enable, write/NAME");
}

void
describe_slave(struct runner *r, const struct json *conf)
{
	const struct json *transport = json_get(conf, "transport"), *data = json_get(conf, "data");
	const struct json *hosts = json_get(transport, "remote_hosts");
	const struct json *most = json_get(transport, "max_connections");
	char list[NOTE_MAX_LIST];

	runner_note(r, "slave of Modbus %s: %zu values; a write waits %s s for its answer",
	    note_value(conf, "modbus_type"), data->count,
	    note_value(transport, "response_timeout"));
	if (is_serial(transport))
		note_line(r, transport);
	else
		runner_note(r, "masters: %s of %s",
		    most && most->type == JSON_NUMBER ? most->text : "any number",
		    hosts->type == JSON_ARRAY ? note_list(list, sizeof(list), hosts, NULL)
					      : "any host");
	runner_note(r, "registers gateway/connections, gateway/write");
	runner_note(r, "takes system/data/NAME, system/write");
}
