#include "gatewayctl/command.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/nearest.h"

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
	json_begin_array(w, "types");
	for (int i = 0; i < argc; i++)
		json_put_str(w, NULL, argv[i]);
	for (size_t i = 0; i < o->history.types; i++)
		json_put_str(w, NULL, o->history.type[i]);
	json_end_array(w);
	return true;
}

static bool
put_health(struct json_writer *w, const struct options *o, int argc, char **argv)
{
	if (o->all)
		json_put_bool(w, "all", true);
	return put_list(w, "names", argc, argv);
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
	{ .id = CONTROL_STATUS,
	    .arguments = "[NAME...]",
	    .about = "print one line for each device",
	    .help =
		"SINCE is the time in the STATE; LAST EXIT is the cause of its last death; LINK\n"
		"is the device's own connection; EVENTS/S is what it registered in the last few\n"
		"seconds. REMOTES says how many of its remote ends are up. --watch prints it\n"
		"again each second.\n",
	    .options = OPTION_TABLE | OPTION_AGAIN,
	    .max = MANY,
	    .view = &view_status,
	    .request = put_names,
	    .names = NAMES_ALL },
	{ .id = CONTROL_SHOW,
	    .arguments = "NAME...",
	    .about = "print everything about devices",
	    .help = "State, process, sandbox as the kernel sees it, queues, counters, what it may\n"
		    "touch, and how it died.\n",
	    .min = 1,
	    .max = CONTROL_MAX_SHOWN,
	    .view = &view_show,
	    .request = put_names,
	    .names = NAMES_ALL },
	{ .id = CONTROL_TOP,
	    .arguments = "[NAME...]",
	    .about = "print devices by what they cost, live",
	    .help =
		"CPU of each device's process, its events, and the errors and time-outs of its\n"
		"remote ends. Keys: c, e, x, n sort by CPU, events, errors or name; / filters\n"
		"by a part of the name, Escape ends that; arrows, j and k choose a device,\n"
		"Enter shows it; q ends. Where there is no terminal: once, after a second.\n",
	    .options = OPTION_TABLE,
	    .max = MANY,
	    .view = &view_top,
	    .request = put_names,
	    .names = NAMES_ALL },
	{ .id = CONTROL_HEALTH,
	    .arguments = "[NAME...]",
	    .about = "print what is wrong, for people and monitoring",
	    .help =
		"The link to the Event Server, devices that are enabled and do not run, remote\n"
		"ends that are degraded or down. --all prints what is well, too.\n"
		"Exit code: 0 nothing is wrong, 1 something is degraded, 2 something is down,\n"
		"3 gatewayd is not reachable.\n",
	    .options = OPTION_TABLE | OPTION_ALL | OPTION_AGAIN,
	    .max = MANY,
	    .view = &view_health,
	    .request = put_health,
	    .names = NAMES_ALL },
	{ .id = CONTROL_INFO,
	    .arguments = "",
	    .about = "print the gateway and its link to the Event Server",
	    .help = "",
	    .view = &view_info,
	    .request = put_names },
	{ .id = CONTROL_WATCH,
	    .arguments = "[NAME...]",
	    .about = "print events and changes of state as they happen",
	    .help = "out: registered by a device. in: notified by the Event Server. A reader that\n"
		    "is too slow is cut off. Ends with Ctrl-C.\n",
	    .options = OPTION_TIMEOUT | OPTION_COUNT,
	    .max = MANY,
	    .view = &view_stream,
	    .request = put_names,
	    .names = NAMES_ALL },
	{ .id = CONTROL_EVENTS,
	    .arguments = "[TYPE...]",
	    .about = "print the latest event of each type, or the history",
	    .help =
		"TYPE is a whole event type, or a device's name and what follows its prefix; '?'\n"
		"stands for one segment, '*', last, for any rest. A name alone means all of that\n"
		"device; without TYPE, all of this gateway are printed.\n"
		"With --since, --until, --limit (the last N), --csv or --follow: the events of\n"
		"the Event Server's time series, in their order. TIME is 1h, 2d, 09:30 or\n"
		"'2026-11-28 09:30'.\n",
	    .options = OPTION_TIMEOUT | OPTION_TABLE | OPTION_HISTORY,
	    .max = MANY,
	    .view = &view_events,
	    .request = put_types,
	    .names = NAMES_TYPES },
	{ .id = CONTROL_SEND,
	    .arguments = "[NAME] TYPE [JSON]",
	    .about = "register a system event",
	    .help = "With NAME, TYPE is what follows 'system' in the device's event types:\n"
		    "  gatewayctl send plc1 remote_device/1/write/setpoint \\\n"
		    "      '{\"request_id\": \"1\", \"value\": 5}'\n"
		    "Without NAME, TYPE is a whole type: gateway/TYPE/NAME/system/...\n"
		    "What the running device would ignore is refused, without --force.\n",
	    .options = OPTION_ORDERED | OPTION_FORCE,
	    .min = 1,
	    .max = 3,
	    .view = &view_results,
	    .request = put_send },
	{ .id = CONTROL_ENABLE,
	    .arguments = "NAME...",
	    .about = "enable devices",
	    .help = "Registers the event 'enable' true; the Event Server keeps it over restarts.\n",
	    .options = OPTION_WAIT | OPTION_TIMEOUT,
	    .min = 1,
	    .max = MANY,
	    .view = &view_results,
	    .request = put_names,
	    .wait_for = "running",
	    .names = NAMES_ALL },
	{ .id = CONTROL_DISABLE,
	    .arguments = "NAME...",
	    .about = "disable devices",
	    .help = "Registers the event 'enable' false.\n",
	    .options = OPTION_WAIT | OPTION_TIMEOUT,
	    .min = 1,
	    .max = MANY,
	    .view = &view_results,
	    .request = put_names,
	    .wait_for = "disabled",
	    .names = NAMES_ALL },
	{ .id = CONTROL_RESTART,
	    .arguments = "NAME...",
	    .about = "restart the processes of devices",
	    .help = "It also ends the state 'failed'.\n",
	    .options = OPTION_WAIT | OPTION_TIMEOUT,
	    .min = 1,
	    .max = MANY,
	    .view = &view_results,
	    .request = put_names,
	    .wait_for = "running",
	    .names = NAMES_ALL },
	{ .id = CONTROL_DESCRIBE,
	    .arguments = "NAME",
	    .about = "print what data a device has, and what it takes",
	    .help = "The device has to be running. A ? in a name stands for any one part of it.\n",
	    .options = OPTION_TABLE,
	    .min = 1,
	    .max = 1,
	    .view = &view_describe,
	    .run = verbs_describe,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_EVENTS,
	    .name = "read",
	    .arguments = "NAME [DATA...]",
	    .about = "print the latest values of data",
	    .help = "The values are as the Event Server has them. DATA is a name as 'describe'\n"
		    "prints it; parts at its front may be left out.\n",
	    .options = OPTION_TABLE,
	    .min = 1,
	    .max = MANY,
	    .view = &view_read,
	    .run = verbs_read,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_SEND,
	    .name = "write",
	    .arguments = "NAME DATA VALUE",
	    .about = "write a value, and wait for the result",
	    .help =
		"Exit code: 0 written, 1 refused, failed or not answered in 30 s, or --timeout.\n",
	    .options = OPTION_TIMEOUT | OPTION_ORDERED,
	    .min = 3,
	    .max = 3,
	    .view = &view_results,
	    .run = verbs_write,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_SEND,
	    .name = "command",
	    .arguments = "NAME DATA VALUE",
	    .about = "command, and wait for the confirmation",
	    .help =
		"--select selects first, and executes when that is confirmed. VALUE: a number or\n"
		"a word, such as on.\n",
	    .options = OPTION_TIMEOUT | OPTION_ORDERED | OPTION_SELECT,
	    .min = 3,
	    .max = 3,
	    .view = &view_results,
	    .run = verbs_command,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_SEND,
	    .name = "interrogate",
	    .arguments = "NAME DATA [QUALIFIER]",
	    .about = "interrogate, and wait for confirmation",
	    .help =
		"DATA: interrogation/ADDRESS, or the common address alone, or\n"
		"counter_interrogation/ADDRESS. QUALIFIER: 20 (of counters 5) if it is missing.\n",
	    .options = OPTION_TIMEOUT,
	    .min = 2,
	    .max = 3,
	    .view = &view_results,
	    .run = verbs_interrogate,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_WAIT,
	    .arguments = "NAME [STATE...]",
	    .about = "wait until a device is in a state (running)",
	    .help =
		"States: disabled, starting, running, stopping, backoff, failed; connected (it\n"
		"runs, and its link is connected), healthy (and all its remote ends are up).\n"
		"Fails at once when the device has failed for good, and after 30 s, or\n"
		"--timeout.\n",
	    .options = OPTION_TIMEOUT,
	    .min = 1,
	    .max = 9,
	    .view = &view_results,
	    .request = put_wait,
	    .names = NAMES_FIRST },
	{ .id = CONTROL_TRACE,
	    .arguments = "NAME...",
	    .about = "print frames of devices, decoded",
	    .help =
		"rx: from the device. tx: to it. What each frame says, its bytes in hexadecimal,\n"
		"and the time at the device's process. Ends with Ctrl-C.\n"
		"--pcapng writes them to FILE ('-': standard output) for Wireshark instead.\n",
	    .options = OPTION_TIMEOUT | OPTION_COUNT | OPTION_PCAPNG,
	    .min = 1,
	    .max = MANY,
	    .view = &view_stream,
	    .request = put_names,
	    .names = NAMES_ALL },
	{ .id = CONTROL_LOG,
	    .arguments = "[NAME...] LEVEL",
	    .about = "set the log level of devices, or of everything",
	    .help =
		"LEVEL: error, warning, notice, info, debug. It holds until gatewayd exits, or\n"
		"until a reload changes 'log' in the configuration.\n",
	    .min = 1,
	    .max = MANY,
	    .view = &view_results,
	    .request = put_log,
	    .names = NAMES_BUT_LAST },
	{ .id = CONTROL_RELOAD,
	    .arguments = "",
	    .about = "reload the configuration",
	    .help =
		"It is checked first: a fault changes nothing. Devices whose configuration is\n"
		"unchanged keep running. --diff prints what a reload would do.\n"
		"New and changed devices are checked by their runners, which may take a while:\n"
		"the answer is waited for 60 s, or --timeout.\n",
	    .options = OPTION_DIFF | OPTION_TIMEOUT,
	    .view = &view_reload,
	    .request = put_reload },
	{ .arguments = NULL },
};

const char *
command_name(const struct command *c)
{
	return c->name ? c->name : control_command_name(c->id);
}

const struct command *
command_find(const char *name)
{
	for (const struct command *c = commands; c->arguments; c++)
		if (strcmp(command_name(c), name) == 0)
			return c;
	return NULL;
}

static const char *
nearest_command(const char *typed)
{
	struct nearest n = nearest_begin(typed);

	for (const struct command *c = commands; c->arguments; c++)
		nearest_offer(&n, command_name(c));
	return n.best;
}

const struct command *
command_match(const char *name, char *text, size_t size)
{
	const struct command *found = command_find(name);
	size_t used = 0, count = 0;

	if (found)
		return found;
	used = (size_t)snprintf(text, size, "'%s' may be", name);
	for (const struct command *c = commands; c->arguments; c++) {
		const char *whole = command_name(c);
		if (!*name || strncmp(whole, name, strlen(name)) != 0)
			continue;
		found = c;
		if (used < size)
			used += (size_t)snprintf(
			    text + used, size - used, "%s %s", count ? " or" : "", whole);
		count++;
	}
	if (count == 1)
		return found;
	const char *near = nearest_command(name);
	if (count == 0)
		snprintf(text, size, "unknown command '%s'%s%s%s", name,
		    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return NULL;
}
