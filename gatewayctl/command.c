#include "gatewayctl/command.h"

#include <string.h>

#include "common/log.h"

enum { MANY = CONTROL_MAX_NAMES };

static bool
put_list(struct json_writer *w, const char *key, int argc, char **argv)
{
	if (argc == 0)
		return true;
	json_begin_array(w, key);
	for (int i = 0; i < argc; i++)
		json_put_str(w, NULL, argv[i]);
	json_end_array(w);
	return true;
}

static bool
put_names(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	(void)o;
	return put_list(w, "names", argc, argv);
}

static bool
put_types(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	(void)o;
	return put_list(w, "types", argc, argv);
}

static bool
looks_like_json(const char *text)
{
	return json_valid(text, strlen(text));
}

/* TYPE [JSON], or NAME TYPE [JSON] where the first is no whole type. */
static bool
put_send(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	bool relative = argc == 3 || (argc == 2 && strncmp(argv[0], "gateway/", 8) != 0);
	const char *payload = argc == 3 || (argc == 2 && !relative) ? argv[argc - 1] : NULL;

	(void)o;
	if (payload && !looks_like_json(payload)) {
		fprintf(stderr,
		    "gatewayctl: the payload is not JSON (a text needs quotes of its own: "
		    "'\"on\"'): %s\n",
		    payload);
		return false;
	}
	if (argc == 1 && strncmp(argv[0], "gateway/", 8) != 0)
		return false;
	if (relative)
		json_put_str(w, "name", argv[0]);
	json_put_str(w, "type", argv[relative ? 1 : 0]);
	if (payload)
		json_put_str(w, "payload", payload);
	return true;
}

static bool
put_wait(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	(void)o;
	put_list(w, "names", 1, argv);
	return put_list(
	    w, "states", argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : &(char *){ "running" });
}

static bool
put_log(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	(void)o;
	if (log_level_parse(argv[argc - 1]) < LOG_LEVEL_ERROR) {
		fprintf(stderr,
		    "gatewayctl: expected one of error, warning, notice, info, debug, "
		    "found '%s'\n",
		    argv[argc - 1]);
		return false;
	}
	put_list(w, "names", argc - 1, argv);
	json_put_str(w, "level", argv[argc - 1]);
	return true;
}

static bool
put_reload(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	(void)argc, (void)argv;
	json_put_bool(w, "diff", o->diff);
	return true;
}

const struct command commands[] = {
	{ CONTROL_STATUS, "[NAME...]", "one line a device",
	    "SINCE is the time in the STATE; LAST EXIT says how its process died last; LINK\n"
	    "is the device's own connection; EVENTS/S is what it registered in the last few\n"
	    "seconds.\n",
	    0, 0, MANY, &view_status, put_names, NULL },
	{ CONTROL_SHOW, "NAME...", "all there is to know of a device",
	    "Its state, process, sandbox as the kernel sees it, queues, counters, what it\n"
	    "may touch, and how it died.\n",
	    0, 1, CONTROL_MAX_SHOWN, &view_show, put_names, NULL },
	{ CONTROL_INFO, "", "the gateway and its link to the Event Server", "", 0, 0, 0, &view_info,
	    put_names, NULL },
	{ CONTROL_WATCH, "[NAME...]", "live events and state changes, until Ctrl-C",
	    "out: registered by a device. in: notified by the Event Server. A reader that is\n"
	    "too slow is cut off.\n",
	    OPTION_TIMEOUT | OPTION_COUNT, 0, MANY, &view_stream, put_names, NULL },
	{ CONTROL_EVENTS, "[TYPE...]", "the latest events, as the Event Server keeps them",
	    "TYPE is a whole event type, or a device's name and what follows its prefix; '?'\n"
	    "stands for one segment, '*', last, for any rest. A name alone means all of that\n"
	    "device's; nothing at all, all of this gateway's.\n",
	    OPTION_TIMEOUT, 0, MANY, &view_events, put_types, NULL },
	{ CONTROL_SEND, "[NAME] TYPE [JSON]", "registers a system event",
	    "With NAME, TYPE is what follows 'system' in the device's event types:\n"
	    "  gatewayctl send plc1 remote_device/1/write/setpoint \\\n"
	    "      '{\"request_id\": \"1\", \"value\": 5}'\n"
	    "Without, it is a whole type: gateway/TYPE/NAME/system/...\n",
	    OPTION_ORDERED, 1, 3, &view_results, put_send, NULL },
	{ CONTROL_ENABLE, "NAME...", "enables devices",
	    "Registers the event 'enable' true; the Event Server keeps it over restarts.\n",
	    OPTION_WAIT | OPTION_TIMEOUT, 1, MANY, &view_results, put_names, "running" },
	{ CONTROL_DISABLE, "NAME...", "disables devices", "Registers the event 'enable' false.\n",
	    OPTION_WAIT | OPTION_TIMEOUT, 1, MANY, &view_results, put_names, "disabled" },
	{ CONTROL_RESTART, "NAME...", "stops the device's process and starts it anew",
	    "Also the way out of the state 'failed'.\n", OPTION_WAIT | OPTION_TIMEOUT, 1, MANY,
	    &view_results, put_names, "running" },
	{ CONTROL_WAIT, "NAME [STATE...]", "waits until the device is in a state (running)",
	    "States: disabled, starting, running, stopping, backoff, failed. Refused at once\n"
	    "when the device has failed for good, and when the time is over (30 s, or\n"
	    "--timeout).\n",
	    OPTION_TIMEOUT, 1, 7, &view_results, put_wait, NULL },
	{ CONTROL_TRACE, "NAME...", "raw frames of devices, until Ctrl-C",
	    "rx: from the device. tx: to it. Hexadecimal, with the time at the device's\n"
	    "process.\n",
	    OPTION_TIMEOUT | OPTION_COUNT, 1, MANY, &view_stream, put_names, NULL },
	{ CONTROL_LOG, "[NAME...] LEVEL", "sets the log level of devices, or of everything",
	    "LEVEL: error, warning, notice, info, debug. It lasts until gatewayd ends, or a\n"
	    "reload changes 'log' in the configuration.\n",
	    0, 1, MANY, &view_results, put_log, NULL },
	{ CONTROL_RELOAD, "", "reads the configuration anew",
	    "It is checked first: a fault changes nothing. Devices whose configuration is\n"
	    "the same go on undisturbed. --diff says what would happen, and does nothing.\n"
	    "New and changed devices are checked by their runners, which may take a while:\n"
	    "60 s (or --timeout) are waited for the answer.\n",
	    OPTION_DIFF | OPTION_TIMEOUT, 0, 0, &view_reload, put_reload, NULL },
	{ 0 },
};

const struct command *
command_find(const char *name)
{
	for (const struct command *c = commands; c->arguments; c++)
		if (strcmp(control_command_name(c->id), name) == 0)
			return c;
	return NULL;
}
