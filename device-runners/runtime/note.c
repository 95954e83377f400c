#include "device-runners/runtime/note.h"

#include <stdio.h>
#include <string.h>

#include "device-runners/runtime/runner.h"

const char *
note_value(const struct json *conf, const char *key)
{
	const struct json *j = key ? json_get(conf, key) : conf;

	return j && (j->type == JSON_STRING || j->type == JSON_NUMBER) ? j->text : "null";
}

const char *
note_period(char *text, size_t size, const struct json *conf, const char *key)
{
	const struct json *j = json_get(conf, key);

	if (j && j->type == JSON_NUMBER)
		snprintf(text, size, "every %s s", j->text);
	else
		snprintf(text, size, "never");
	return text;
}

const char *
note_list(char *text, size_t size, const struct json *list, const char *key)
{
	size_t used = 0, n = 0;

	snprintf(text, size, "none");
	json_foreach (item, list) {
		const char *value = note_value(item, key);
		if (used + strlen(value) + sizeof(", and 4294967295 more") > size) {
			snprintf(text + used, size - used, " and %zu more", list->count - n);
			break;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s", n ? ", " : "", value);
		n++;
	}
	return text;
}

void
note_line(struct runner *r, const struct json *line)
{
	const struct json *flow = json_get(line, "flow_control");
	static const char *const keys[] = { "xonxoff", "rtscts", "dsrdtr" };
	char control[64] = "";

	for (size_t i = 0, used = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_is_true(json_get(flow, keys[i])))
			used += (size_t)snprintf(
			    control + used, sizeof(control) - used, " %s", keys[i]);
	runner_note(r, "line: %s baud, %s, parity %s, stop bits %s, flow control%s, silence %s s",
	    note_value(line, "baudrate"), note_value(line, "bytesize"), note_value(line, "parity"),
	    note_value(line, "stopbits"), *control ? control : " none",
	    note_value(line, "silent_interval"));
}
