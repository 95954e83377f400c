#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buffer.h"
#include "supervisor/config/config.h"
#include "supervisor/config/device_type.h"
#include "tests/unit/suite.h"
#include "tests/unit/supervisor/config/loading.h"

#define MODULES "MODULES" /* in an expectation: all that are built */
#define BAD_NAME                                                                                   \
	"expected a name without '/', '?', '*' and control characters, as it is a segment of "     \
	"event "                                                                                   \
	"types"

static const struct {
	const char *text;
	const char *faults;
} bad[] = {
	{ "", "1:1 : the document is empty, expected an object\n" },
	{ "# nothing\n", "1:1 : the document is empty, expected an object\n" },
	{ "5\n", "1:1 : expected an object, found a number\n" },
	{ "[]\n", "1:1 : expected an object, found an array\n" },
	{ "{}\n", "1:1 devices: is missing\n"
		  "1:1 name: is missing (or gateway_name, where event types begin with it)\n" },
	{ "devices: []\n",
	    "1:1 name: is missing (or gateway_name, where event types begin with it)\n" },
	{ "name: g\n", "1:1 devices: is missing\n" },
	{ "name: 5\ndevices: {}\n", "1:7 name: expected a string, found a number\n"
				    "2:10 devices: expected an array, found an object\n" },
	{ "name: g\n devices: []\n",
	    "2:9 : not YAML: mapping values are not allowed in this context\n" },
	{ "name: [g\ndevices: []\n",
	    "2:8 : not YAML: while parsing a flow sequence, did not find expected ',' or ']'\n" },
	{ "name: \"g\n", "2:1 : not YAML: while scanning a quoted scalar, found unexpected end of "
			 "stream\n" },
	{ "name: \xc5\n", "1:7 : expected UTF-8, found other bytes\n" },
	{ "name: g\n# \xc5\xbe\xff\n", "2:4 : expected UTF-8, found other bytes\n" },
	{ "name: g\x01\n", "1:8 : not YAML: control characters are not allowed\n" },
	{ HEAD "---\nname: h\n", "3:1 : expected one document, found another\n" },
	{ HEAD "name: h\nlimits: {files: 1}\n",
	    "warning 3:7 : duplicate key 'name': this one counts, not that in line 1\n"
	    "4:17 limits.files: expected an integer from 16 to 65536, found 1\n" },
	{ HEAD "type: !gateway gateway\n", "3:7 type: the tag '!gateway' is not supported\n" },
	{ HEAD "control: !!set {}\n",
	    "3:10 control: tags other than the core ones are not supported\n" },
	{ HEAD "x: !!int y\n", "3:4 x: the value is not what its tag says\n"
			       "warning 3:1 x: unknown key, ignored\n" },
	{ HEAD "x: *y\n", "3:4 x: an alias of an anchor that was not given before it\n" },
	{ HEAD "x: &x [*x]\n", "3:8 x[0]: an alias within its own anchor\n" },
	{ HEAD "? [a, b]\n: c\n", "3:3 : expected a plain key, found an array or an object\n" },
	{ HEAD "x: {<<: 5}\n",
	    "3:9 x: '<<' expects an object or an array of objects, found a number\n" },
	{ HEAD "limits: {memory: .inf, files: 0xffffffffffffffffffff}\n",
	    "3:18 limits.memory: infinity and NaN can not be used in a configuration\n"
	    "3:31 limits.files: an integer of this notation that does not fit 64 bits\n"
	    "3:18 limits.memory: expected an integer from 33554432 to 1099511627776, found .inf\n"
	    "3:31 limits.files: expected an integer from 16 to 65536, found "
	    "0xffffffffffffffffffff\n" },

	{ HEAD "type: event\n", "3:7 type: expected one of gateway, found event\n" },
	{ HEAD "version: 1\n", "3:10 version: expected a string, found a number\n" },
	{ "name: ''\ndevices: []\n", "1:7 name: expected a name, found an empty string\n" },
	{ "name: a/b\ndevices: []\n", "1:7 name: " BAD_NAME "\n" },
	{ "gateway_name: '?'\ndevices: []\n", "1:15 gateway_name: " BAD_NAME "\n" },
	{ "name: \"a\\0b\"\ndevices: []\n", "1:7 name: a NUL in a string\n" },

	{ HEAD "event_server: 5\n",
	    "3:15 event_server: expected an object or null, found a number\n" },
	{ HEAD "event_server: {}\n",
	    "3:15 event_server: expected exactly one of eventer_server, monitor_component and "
	    "built_in, found 0\n" },
	{ HEAD "event_server: {require_operational: 1, eventer_server: {host: h}}\n",
	    "3:37 event_server.require_operational: expected a boolean, found a number\n"
	    "3:56 event_server.eventer_server.port: is missing\n" },
	{ HEAD "event_server:\n    eventer_server:\n        host: h\n        port: 65536\n",
	    "6:15 event_server.eventer_server.port: expected an integer from 1 to 65535, found "
	    "65536\n" },
	{ HEAD "event_server: {eventer_server: {host: h, port: 1}, built_in: {timeseries: -1}}\n",
	    "3:75 event_server.built_in.timeseries: expected an integer from 0 to 10000000, found "
	    "-1\n"
	    "3:15 event_server: expected exactly one of eventer_server, monitor_component and "
	    "built_in, found 2\n" },
	{ HEAD "event_server: {monitor_component: {host: h, port: 1, gateway_group: g}}\n",
	    "3:35 event_server.monitor_component.event_server_group: is missing\n" },
	{ HEAD "event_server: {built_in: {retention: [{type: a/*, count: 1}, {type: b}]}}\n",
	    "3:62 event_server.built_in.retention[1]: needs count, age or bytes\n" },
	{ HEAD "event_server: {built_in: {retention: [{type: a//b, age: 1}]}}\n",
	    "3:46 event_server.built_in.retention[0]: expected a type without empty segments, "
	    "found "
	    "'a//b'\n" },
	{ HEAD "event_server: {built_in: {listen: {host: h, token_file: t}}}\n",
	    "3:35 event_server.built_in.listen.port: is missing\n" },
	{ HEAD "event_server: {built_in: {listen: {host: '127.0.0.1', port: 1}}}\n",
	    "3:35 event_server.built_in.listen: needs token_file, or insecure: true on a loopback "
	    "address\n" },
	{ HEAD "event_server: {built_in: {listen: {host: h, port: 1, insecure: true}}}\n",
	    "3:35 event_server.built_in.listen: insecure is for loopback addresses: 'h' needs "
	    "token_file\n" },
	{ HEAD "event_server: {built_in: null}\nevent_server_address: tcp+sbs://h:1\n",
	    "4:23 event_server_address: expected either it or event_server, found both\n" },
	{ HEAD "event_server_address: ssl+sbs://h:1\n",
	    "3:23 event_server_address: expected an address as tcp+sbs://HOST:PORT, found "
	    "'ssl+sbs://h:1'\n" },
	{ HEAD "event_server_address: tcp+sbs://h\n",
	    "3:23 event_server_address: expected an address as tcp+sbs://HOST:PORT, found "
	    "'tcp+sbs://h'\n" },
	{ HEAD "event_server_address: tcp+sbs://::1:5\n",
	    "3:23 event_server_address: expected an address as tcp+sbs://HOST:PORT, found "
	    "'tcp+sbs://::1:5'\n" },
	{ HEAD "event_server_address: tcp+sbs://h:0\n",
	    "3:23 event_server_address: expected an address as tcp+sbs://HOST:PORT, found "
	    "'tcp+sbs://h:0'\n" },
	{ HEAD "event_server_group: e\n",
	    "1:1 monitor: is missing (as there is event_server_group)\n" },
	{ HEAD "monitor: {name: n, group: g, monitor_address: 'tcp+sbs://h:1'}\n",
	    "1:1 event_server_group: is missing\n" },
	{ HEAD "monitor: {name: n, group: g, monitor_address: 'tcp+sbs://h:1'}\n"
	       "event_server_group: e\nevent_server_address: 'tcp+sbs://h:1'\n",
	    "5:23 event_server_address: expected either event_server_address or monitor, found "
	    "both\n" },

	{ HEAD "sandbox: on\n", "3:10 sandbox: expected one of strict, best-effort, off, "
				"namespaces, found a boolean\n" },
	{ HEAD "sandbox: none\n",
	    "3:10 sandbox: expected one of strict, best-effort, off, namespaces, found none\n" },
	{ HEAD "limits: {memory: 1, files: 1, start_ms: 1, ping_ms: 1, stop_ms: 1, credit: 1}\n",
	    "3:18 limits.memory: expected an integer from 33554432 to 1099511627776, found 1\n"
	    "3:28 limits.files: expected an integer from 16 to 65536, found 1\n"
	    "3:41 limits.start_ms: expected an integer from 100 to 600000, found 1\n"
	    "3:53 limits.ping_ms: expected an integer from 100 to 600000, found 1\n"
	    "3:65 limits.stop_ms: expected an integer from 100 to 600000, found 1\n"
	    "3:76 limits.credit: expected an integer from 65536 to 67108864, found 1\n" },

	{ "name: g\ndevices: [5, {}]\n", "2:11 devices[0]: expected an object, found a number\n"
					 "2:14 devices[1].name: is missing\n"
					 "2:14 devices[1].module: is missing\n" },
	{ "name: g\ndevices:\n  - module: pymodbus\n    name: a/b\n",
	    "4:11 devices[0].name: " BAD_NAME "\n"
	    "3:13 devices[0].module: expected one of " MODULES ", found 'pymodbus'\n" },
	{ "name: g\ndevices:\n  - {module: " MASTER ", name: a}\n"
	  "  - {module: hat.gateway.devices.modbus.slave, name: a}\n"
	  "  - {module: " MASTER ", name: a}\n  - {module: " MASTER ", name: a}\n",
	    "5:55 devices[2].name: another modbus_master is called 'a' in line 3\n"
	    "6:55 devices[3].name: another modbus_master is called 'a' in line 3\n" },
	{ "name: g\ndevices:\n  - {runner: x, name: a}\n  - {runner: /x, name: b, type: 5}\n",
	    "3:14 devices[0].runner: expected an absolute path, found 'x'\n"
	    "3:5 devices[0].type: is missing (the device type of the runner)\n"
	    "4:33 devices[1].type: expected a string, found a number\n" },
	{ "name: g\ndevices:\n  - {runner: /x, name: a, type: a/b, sandbox: 5, limits: []}\n",
	    "3:58 devices[0].limits: expected an object or null, found an array\n"
	    "3:47 devices[0].sandbox: expected one of strict, best-effort, off, namespaces, found "
	    "5\n"
	    "3:33 devices[0].type: " BAD_NAME "\n" },

	{ HEAD "log: {version: 2, root: 5, handlers: []}\n",
	    "3:16 log.version: expected an integer from 1 to 1, found 2\n"
	    "3:38 log.handlers: expected an object, found an array\n"
	    "3:25 log.root: expected an object, found a number\n" },
	{ HEAD "log: {handlers: {s: {class: logging.handlers.SysLogHandler, host: 5}},\n"
	       "  root: {handlers: [s]}}\n",
	    "3:67 log.handlers.s.host: expected the name or the address of a host\n" },
	{ HEAD "log: {handlers: {s: {class: logging.handlers.SysLogHandler, host: h, port: 0}},\n"
	       "  root: {handlers: [s]}}\n",
	    "3:76 log.handlers.s.port: expected an integer from 1 to 65535\n" },
	{ HEAD
	    "log: {handlers: {s: {class: logging.handlers.SysLogHandler, address: [h, 99999]}},\n"
	    "  root: {handlers: [s]}}\n",
	    "3:74 log.handlers.s.address[1]: expected an integer from 1 to 65535\n" },
	{ HEAD "log: {handlers: {s: {class: logging.handlers.SysLogHandler, address: [h]}},\n"
	       "  root: {handlers: [s]}}\n",
	    "3:70 log.handlers.s.address: expected the path of a socket, or an "
	    "array of a host and a port\n" },
	{ HEAD "log: {handlers: {s: {class: logging.NullHandler}}, root: {handlers: s}}\n",
	    "3:69 log.root.handlers: expected an array of names of handlers, found a string\n" },
	{ HEAD "log: {loggers: {hat.gateway.devices: {handlers: [a]}}, root: {level: LOUD}}\n",
	    "warning 3:49 log.loggers.hat.gateway.devices.handlers: ignored: lines of devices go "
	    "where those of hat.gateway go\n"
	    "3:70 log.root.level: expected one of CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET or "
	    "a number, found LOUD\n" },
	{ HEAD "log: {root: {level: LOUD, handlers: [a]}}\n",
	    "3:21 log.root.level: expected one of CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET or "
	    "a number, found LOUD\n"
	    "3:38 log.root.handlers: expected the name of a handler in log.handlers\n" },
};

/* With the modules that are built in the place of MODULES. */
static const char *
expected(const char *text)
{
	static char whole[4096];
	char modules[2048];
	const char *at = strstr(text, MODULES);

	if (!at)
		return text;
	device_type_list(modules, sizeof(modules));
	snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(at - text), text, modules,
	    at + strlen(MODULES));
	return whole;
}

START_TEST(bad_files_name_every_fault)
{
	struct config *c = load(bad[_i].text);

	ck_assert_str_eq(reported(), expected(bad[_i].faults));
	/* What is wrong with one device is that device's. */
	bool costs_device = false;
	for (size_t i = 0; c && i < c->device_count; i++)
		costs_device |= c->devices[i].fault != NULL;
	ck_assert(!c || costs_device);
	config_free(c);
}
END_TEST

#define GOOD "  - {module: hat.gateway.devices.modbus.slave, name: good}\n"
static const struct {
	const char *text, *fault; /* of the first device; NULL: the gateway's */
} costs[] = {
	{ "  - {module: site.devices.own, name: a}\n" GOOD, "module: expected one of " },
	{ "  - {module: hat.gateway.devices.modbus.slave, name: a, limits: {files: 1}}\n" GOOD,
	    "limits.files: expected an integer from 16 to 65536, found 1" },
	{ "  - {module: modbus_mastr, name: a}\n" GOOD, "module: expected one of " },
	{ "  - {runner: relative, type: t, name: a, sandbox: what}\n" GOOD,
	    "sandbox: expected one of strict, best-effort, off, namespaces, found what" },
	{ "  - {module: a/b, name: a}\n" GOOD, NULL },
	{ "  - {module: hat.gateway.devices.modbus.slave, name: a/b}\n" GOOD, NULL },
	{ "  - {name: a}\n" GOOD, NULL },
	{ "  - 5\n" GOOD, NULL },
};

START_TEST(a_fault_of_a_device_costs_the_device)
{
	static const char *const heads[] = { "name: g\ndevices:\n",
		"name: g\non_error: device\ndevices:\n", "name: g\non_error: gateway\ndevices:\n",
		"name: 5\ndevices:\n" };
	char text[512];

	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "%s%s", heads[i], costs[_i].text);
		struct config *c = load(text);
		ck_assert_uint_gt(strlen(reported()), 0);
		ck_assert_msg((c != NULL) == (costs[_i].fault && i < 2), "%s", text);
		if (!c)
			continue;
		ck_assert_uint_eq(c->device_count, 2);
		ck_assert_ptr_nonnull(c->devices[0].fault);
		ck_assert_int_eq(
		    strncmp(c->devices[0].fault, costs[_i].fault, strlen(costs[_i].fault)), 0);
		ck_assert_ptr_null(c->devices[1].fault);
		config_free(c);
	}
}
END_TEST

START_TEST(a_module_may_be_called_by_its_type)
{
	struct config *c = load_good("name: g\ndevices:\n  - {module: modbus_slave, name: a}\n");

	ck_assert_str_eq(c->devices[0].type, "modbus_slave");
	ck_assert_str_eq(c->devices[0].module, "hat.gateway.devices.modbus.slave");
	config_free(c);
	c = load("name: g\ndevices:\n  - {module: modbus_slve, name: a}\n");
	ck_assert_ptr_nonnull(strstr(c->devices[0].fault, "did you mean 'modbus_slave'?"));
	config_free(c);
}
END_TEST

static const struct {
	const char *text, *warnings;
} odd[] = {
	{ HEAD "bogus: 1\n", "warning 3:1 bogus: unknown key, ignored\n" },
	{ HEAD "verzion: {a: 1}\n",
	    "warning 3:1 verzion: unknown key, ignored; did you mean 'version'?\n" },
	{ HEAD "bogus:\n  1\n", "warning 4:3 bogus: unknown key, ignored\n" },
	{ HEAD "adminer_server: {host: h, port: 1}\n",
	    "warning 3:17 adminer_server: not served, ignored; gatewayctl does what it was for\n" },
	{ HEAD "log: {formatters: {}, handlers: {f: {class: logging.FileHandler}, g: {}}}\n",
	    "warning 3:19 log.formatters: ignored: lines have the form of their target\n"
	    "warning 3:37 log.handlers.f: ignored: of handlers, streams, syslog and the journal "
	    "are "
	    "served, not logging.FileHandler\n"
	    "warning 3:70 log.handlers.g: ignored: of handlers, streams, syslog and the journal "
	    "are "
	    "served, not one without a class\n" },
	{ HEAD "log: {handlers: {c: {class: logging.StreamHandler, formatter: f, filters: [x],\n"
	       "  stream: ext://sys.stdout}, s: {class: logging.handlers.SysLogHandler, facility: "
	       "3},\n"
	       "  d: {class: logging.StreamHandler, stream: ext://sys.stderr}}}\n",
	    "warning 3:75 log.handlers.c.filters: ignored: not served\n"
	    "warning 4:11 log.handlers.c.stream: ignored: lines go to standard error, not to "
	    "ext://sys.stdout\n"
	    "warning 4:83 log.handlers.s.facility: ignored: not served\n" },
	{ HEAD "log: {loggers: {hat.gateway: {filters: [x], handlers: [], propagate: true},\n"
	       "  hat.gateway.devices: {propagate: false, filters: []}}, root: {filters: [y]}}\n",
	    "warning 4:74 log.root.filters: ignored: not served\n"
	    "warning 3:40 log.loggers.hat.gateway.filters: ignored: not served\n"
	    "warning 4:36 log.loggers.hat.gateway.devices.propagate: ignored: lines of devices go "
	    "where those of hat.gateway go\n" },
	{ HEAD "log: {loggers: {asyncio: {level: DEBUG}, hat.gatewayx: {}}}\n",
	    "warning 3:26 log.loggers.asyncio: ignored: no logger of this program\n"
	    "warning 3:56 log.loggers.hat.gatewayx: ignored: no logger of this program\n" },
	{ HEAD "log: {handlers: {s: {class: logging.handlers.SysLogHandler, comm_type: SSL}},\n"
	       "  root: {handlers: [s]}}\n",
	    "warning 3:72 log.handlers.s.comm_type: only UDP and TCP are served, the handler is "
	    "ignored\n" },
	{ HEAD "log: {handlers: {s: &s {class: logging.handlers.SysLogHandler}, t: *s},\n"
	       "  root: {handlers: [s, t]}}\n",
	    "warning 3:68 log.handlers.t: a second syslog handler is ignored\n" },
	{ HEAD "event_server_address: tcp+sbs://h:1\nevent_server_group: e\n",
	    "warning 4:21 event_server_group: ignored without monitor\n" },
};

START_TEST(what_is_not_served_is_a_warning)
{
	struct config *c = load(odd[_i].text);

	ck_assert_str_eq(reported(), odd[_i].warnings);
	ck_assert_ptr_nonnull(c);
	config_free(c);
}
END_TEST

START_TEST(defaults)
{
	struct config *c = load_good("name: g\ndevices:\n  - {module: " MASTER ", name: a}\n");
	const struct config_device *d = c->devices;

	ck_assert_str_eq(c->name, "g");
	ck_assert_str_eq(c->component_name, "g");
	ck_assert_str_eq(c->path, "test.yaml");
	ck_assert(!c->name_in_types);
	ck_assert_int_eq(c->server, CONFIG_SERVER_BUILT_IN);
	ck_assert_ptr_null(c->built_in.data);
	ck_assert_uint_eq(c->built_in.timeseries, CONFIG_TIMESERIES_DEFAULT);
	ck_assert_ptr_null(c->built_in.listen_host);
	ck_assert_ptr_null(c->control_group);
	ck_assert_int_eq(c->log.level, LOG_LEVEL_INFO);
	ck_assert(c->log.console.on && !c->log.syslog.on && !c->log.journal.on);
	ck_assert_uint_eq(c->device_count, 1);
	ck_assert_str_eq(d->name, "a");
	ck_assert_str_eq(d->type, "modbus_master");
	ck_assert_str_eq(d->family, "modbus");
	ck_assert_ptr_null(d->runner);
	ck_assert_int_eq(d->sandbox, IPC_SANDBOX_STRICT);
	ck_assert_int_eq(d->log_level, LOG_LEVEL_INFO);
	ck_assert_uint_eq(d->limits.memory, CONFIG_MEMORY_DEFAULT);
	ck_assert_uint_eq(d->limits.files, CONFIG_FILES_DEFAULT);
	ck_assert_uint_eq(d->limits.start_ms, CONFIG_START_MS_DEFAULT);
	ck_assert_uint_eq(d->limits.ping_ms, CONFIG_PING_MS_DEFAULT);
	ck_assert_uint_eq(d->limits.stop_ms, CONFIG_STOP_MS_DEFAULT);
	ck_assert_uint_eq(d->limits.credit, CONFIG_CREDIT_DEFAULT);
	config_free(c);
}
END_TEST

START_TEST(own_keys)
{
	struct config *c = load_good(
	    "name: g\nsandbox: off\nlimits: {files: 100}\n"
	    "control: {group: ops}\n"
	    "event_server:\n"
	    "  built_in: {data: /d, timeseries: 0, listen: {host: h, port: 9, token_file: /t}}\n"
	    "devices:\n"
	    "  - {runner: /r, type: t, name: a, sandbox: best-effort}\n"
	    "  - {runner: /r, module: hat.gateway.devices.ping, name: a,\n"
	    "     limits: {memory: 67108864, credit: 65536}}\n"
	    "  - {runner: /r, module: my.module, type: u, name: a}\n");
	const struct config_device *d = c->devices;

	ck_assert_str_eq(c->control_group, "ops");
	ck_assert_str_eq(c->built_in.data, "/d");
	ck_assert_uint_eq(c->built_in.timeseries, 0);
	ck_assert_str_eq(c->built_in.listen_host, "h");
	ck_assert_uint_eq(c->built_in.listen_port, 9);
	ck_assert_str_eq(c->built_in.token_file, "/t");
	ck_assert(!c->built_in.insecure);
	ck_assert_uint_eq(c->device_count, 3);
	ck_assert_str_eq(d[0].type, "t");
	ck_assert_str_eq(d[0].runner, "/r");
	ck_assert_ptr_null(d[0].family);
	ck_assert_int_eq(d[0].sandbox, IPC_SANDBOX_BEST_EFFORT);
	ck_assert_uint_eq(d[0].limits.files, 100);
	ck_assert_str_eq(d[1].type, "ping");
	ck_assert_int_eq(d[1].sandbox, IPC_SANDBOX_OFF);
	ck_assert_uint_eq(d[1].limits.memory, 67108864);
	ck_assert_uint_eq(d[1].limits.credit, 65536);
	ck_assert_uint_eq(d[1].limits.files, 100);
	ck_assert_str_eq(d[2].type, "u");
	config_free(c);
}
END_TEST

START_TEST(generations_keep_their_names)
{
	struct config *c =
	    load_good("gateway_name: g\nevent_server_address: 'tcp+sbs://[::1]:23012'\n"
		      "devices: []\n");

	ck_assert(c->name_in_types);
	ck_assert_str_eq(c->name, "g");
	ck_assert_int_eq(c->server, CONFIG_SERVER_EVENTER);
	ck_assert_str_eq(c->server_host, "::1");
	ck_assert_uint_eq(c->server_port, 23012);
	config_free(c);

	c = load_good("gateway_name: g\nmonitor:\n  name: c\n  group: gg\n"
		      "  monitor_address: tcp+sbs://mon:23010\n  component_address: null\n"
		      "event_server_group: eg\ndevices: []\n");
	ck_assert(c->name_in_types);
	ck_assert_str_eq(c->name, "g");
	ck_assert_str_eq(c->component_name, "c");
	ck_assert_int_eq(c->server, CONFIG_SERVER_MONITOR);
	ck_assert_str_eq(c->server_host, "mon");
	ck_assert_str_eq(c->gateway_group, "gg");
	ck_assert_str_eq(c->event_server_group, "eg");
	config_free(c);

	c = load_good("name: c\ngateway_name: g\nevent_server:\n  require_operational: yes\n"
		      "  monitor_component: {host: h, port: 1, gateway_group: gg,\n"
		      "                      event_server_group: eg}\ndevices: []\n");
	ck_assert(c->name_in_types);
	ck_assert_str_eq(c->name, "g");
	ck_assert_str_eq(c->component_name, "c");
	ck_assert(c->require_operational);
	ck_assert_int_eq(c->server, CONFIG_SERVER_MONITOR);
	config_free(c);

	c = load_good("name: g\nevent_server: {eventer_server: {host: h, port: 2, token: t}}\n"
		      "devices: []\n");
	ck_assert(!c->name_in_types);
	ck_assert_int_eq(c->server, CONFIG_SERVER_EVENTER);
	ck_assert_str_eq(c->server_token, "t");
	config_free(c);
}
END_TEST

static const struct {
	const char *log;
	enum log_level gateway, master, slave; /* of the gateway, modbus.master, iec104.slave */
	int console, journal, syslog;	       /* level of the target, -1: off */
} logs[] = {
	{ "null", 6, 6, 6, 7, -1, -1 },
	{ "{}", 6, 6, 6, 7, -1, -1 },
	{ "{version: 1}", 4, 4, 4, 7, -1, -1 },
	{ "{root: {level: ERROR}}", 3, 3, 3, 7, -1, -1 },
	{ "{root: {level: CRITICAL}}", 3, 3, 3, 7, -1, -1 },
	{ "{root: {level: NOTSET}}", 7, 7, 7, 7, -1, -1 },
	{ "{root: {level: 25}}", 5, 5, 5, 7, -1, -1 },
	{ "{root: {level: info}}", 6, 6, 6, 7, -1, -1 },
	{ "{root: {level: INFO}, loggers: {hat.gateway.devices.modbus: {level: DEBUG}}}", 6, 7, 6,
	    7, -1, -1 },
	{ "{loggers: {hat: {level: ERROR}, hat.gateway.devices: {level: NOTSET},\n"
	  "  hat.gateway.devices.iec104.slave: {level: INFO}}}",
	    3, 3, 6, 7, -1, -1 },
	{ "{handlers: {c: {class: logging.StreamHandler, level: WARNING}},\n"
	  "  root: {level: INFO, handlers: [c]}}",
	    6, 6, 6, 4, -1, -1 },
	{ "{handlers: {j: {class: systemd.journal.JournalHandler}}, root: {handlers: [j]}}", 4, 4,
	    4, -1, 7, -1 },
	{ "{handlers: {s: {class: logging.handlers.SysLogHandler, level: ERROR},\n"
	  "  c: {class: logging.StreamHandler}}, loggers: {hat.gateway: {handlers: [s],\n"
	  "  propagate: false}}, root: {level: INFO, handlers: [c]}}",
	    6, 6, 6, -1, -1, 3 },
	{ "{handlers: {s: {class: logging.handlers.SysLogHandler, address: /dev/log},\n"
	  "  c: {class: logging.StreamHandler}}, loggers: {hat.gateway: {handlers: [s]}},\n"
	  "  root: {level: INFO, handlers: [c, s]}}",
	    6, 6, 6, 7, -1, 7 },
	{ "{handlers: {n: {class: logging.NullHandler}}, root: {handlers: [n]}}", 4, 4, 4, 7, -1,
	    -1 },
	{ "{handlers: {c: {class: logging.StreamHandler, level: ERROR}},\n"
	  "  loggers: {'': {level: INFO, handlers: [c]}}}",
	    6, 6, 6, 3, -1, -1 },
	{ "{handlers: {j: {class: systemd.journal.JournalHandler}},\n"
	  "  loggers: {root: {level: DEBUG, handlers: [j]}}}",
	    7, 7, 7, -1, 7, -1 },
};

static int
level_of(const struct config_log_target *t)
{
	return t->on ? (int)t->level : -1;
}

START_TEST(log_levels_and_targets)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "name: g\nlog: %s\ndevices:\n  - {module: " MASTER ", name: a}\n"
	    "  - {module: hat.gateway.devices.iec104.slave, name: a}\n",
	    logs[_i].log);
	struct config *c = load_good(text);
	ck_assert_int_eq(c->log.level, logs[_i].gateway);
	ck_assert_int_eq(c->devices[0].log_level, logs[_i].master);
	ck_assert_int_eq(c->devices[1].log_level, logs[_i].slave);
	ck_assert_int_eq(level_of(&c->log.console), logs[_i].console);
	ck_assert_int_eq(level_of(&c->log.journal), logs[_i].journal);
	ck_assert_int_eq(level_of(&c->log.syslog), logs[_i].syslog);
	config_free(c);
}
END_TEST

static const struct {
	const char *keys;
	enum config_syslog transport;
	const char *host;
	unsigned port;
} syslogs[] = {
	{ "address: /dev/log", CONFIG_SYSLOG_LOCAL, "/dev/log", 514 },
	{ "address: [logs, 1514]", CONFIG_SYSLOG_UDP, "logs", 1514 },
	{ "level: INFO", CONFIG_SYSLOG_UDP, "localhost", 514 },
	{ "host: h, port: 6514, comm_type: UDP", CONFIG_SYSLOG_UDP, "h", 6514 },
	{ "host: h, port: 6514, comm_type: TCP", CONFIG_SYSLOG_TCP, "h", 6514 },
	{ "address: [h, 514], socktype: ext://socket.SOCK_STREAM", CONFIG_SYSLOG_TCP, "h", 514 },
	{ "address: [h, 514], socktype: ext://socket.SOCK_DGRAM", CONFIG_SYSLOG_UDP, "h", 514 },
	{ "address: /dev/log, socktype: ext://socket.SOCK_STREAM", CONFIG_SYSLOG_LOCAL, "/dev/log",
	    514 },
};

START_TEST(syslog_addresses)
{
	char text[512];

	snprintf(text, sizeof(text),
	    HEAD "log: {handlers: {s: {class: hat.syslog.handler.SyslogHandler, %s}},\n"
		 "  root: {handlers: [s]}}\n",
	    syslogs[_i].keys);
	struct config *c = load_good(text);
	ck_assert(c->log.syslog.on);
	ck_assert_int_eq(c->log.syslog_transport, syslogs[_i].transport);
	ck_assert_uint_eq(c->log.syslog_port, syslogs[_i].port);
	ck_assert_str_eq(c->log.syslog_host, syslogs[_i].host);
	config_free(c);
}
END_TEST

START_TEST(paths_find_their_lines)
{
	struct config *c = load_good("name: g\n"				      /* 1 */
				     "log: {loggers: {hat.gateway: {level: INFO}}}\n" /* 2 */
				     "devices:\n"				      /* 3 */
				     "  - module: " MASTER "\n"			      /* 4 */
				     "    name: a\n"				      /* 5 */
				     "    connection:\n"			      /* 6 */
				     "      transport:\n"			      /* 7 */
				     "        port: 1\n"			      /* 8 */
				     "    data: [{name: x},\n"			      /* 9 */
				     "           {name: y}]\n");		      /* 10 */
	static const struct {
		const char *path;
		uint32_t line, column;
	} rows[] = {
		{ "", 1, 1 },
		{ "name", 1, 7 },
		{ "log.loggers.hat.gateway.level", 2, 38 },
		{ "devices[0].name", 5, 11 },
		{ "devices[0].connection.transport.port", 8, 15 },
		{ "devices[0].connection.transport.host", 7, 7 },
		{ "devices[0].connection.nothing.host", 6, 5 },
		{ "devices[0].data[1].name", 10, 19 },
		{ "devices[0].data[2].name", 9, 11 },
		{ "devices[0].data[", 9, 11 },
		{ "devices[0].data[x]", 9, 11 },
		{ "nothing", 1, 1 },
		{ "name[0]", 1, 7 },
		{ "name.x", 1, 7 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct json *j = config_find(c, rows[i].path);
		ck_assert_msg(j->line == rows[i].line && j->column == rows[i].column, "%s: %u:%u",
		    rows[i].path, j->line, j->column);
	}
	ck_assert_uint_eq(config_device_find(c->devices, "connection.transport.port")->line, 8);
	ck_assert_ptr_eq(config_device_find(c->devices, "no"), c->devices[0].conf);
	config_free(c);
}
END_TEST

START_TEST(runner_gets_its_own_tree)
{
	struct config *c = load_good("name: g\ndevices:\n"
				     "  - {module: " MASTER ", name: \"\\u017e\\\"\", limits: {},\n"
				     "     sandbox: off, runner: /r, type: t,\n"
				     "     a: 0x1F, b: [yes, ~, .5, 1_000, '5'], c: {type: x}}\n");
	struct buffer b;

	buffer_init(&b, 4096);
	config_device_json(c->devices, &b);
	buffer_u8(&b, 0);
	ck_assert(!buffer_failed(&b));
	ck_assert_str_eq((const char *)buffer_data(&b),
	    "{\"module\":\"" MASTER "\",\"name\":\"\xc5\xbe\\\"\",\"type\":\"t\",\"a\":31,"
	    "\"b\":[true,null,0.5,1000,\"5\"],\"c\":{\"type\":\"x\"}}");
	buffer_clear(&b);
	config_free(c);
}
END_TEST

static const struct {
	const char *file;
	size_t devices;
	const char *warnings;
} samples[] = {
	{ "minimal", 1, "" },
	{ "seed-naming", 1, "" },
	{ "monitor", 1, "" },
	{ "own-keys", 2, "" },
	{ "hat-gateway-0.6-full", 6,
	    "warning 46:1 adminer_server: not served, ignored; gatewayctl does what it was for\n"
	    "warning 7:5 log.formatters: ignored: lines have the form of their target\n"
	    "warning 23:9 log.handlers.file_handler: ignored: of handlers, streams, syslog and the "
	    "journal are served, not logging.handlers.RotatingFileHandler\n"
	    "warning 31:9 log.loggers.asyncio: ignored: no logger of this program\n" },
};

START_TEST(samples_load)
{
	char path[128];

	snprintf(path, sizeof(path), "etc/samples/%s.yaml", samples[_i].file);
	buffer_reset(&faults);
	struct config *c = config_load(path, on_fault, NULL);
	ck_assert_str_eq(reported(), samples[_i].warnings);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->path, path);
	ck_assert_uint_eq(c->device_count, samples[_i].devices);
	config_free(c);
}
END_TEST

START_TEST(a_full_configuration_of_hat_gateway)
{
	struct config *c = config_load("etc/samples/hat-gateway-0.6-full.yaml", on_fault, NULL);

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->server, CONFIG_SERVER_EVENTER);
	ck_assert_int_eq(c->log.level, LOG_LEVEL_INFO);
	ck_assert_int_eq(level_of(&c->log.console), LOG_LEVEL_WARNING);
	ck_assert_int_eq(level_of(&c->log.syslog), LOG_LEVEL_DEBUG);
	ck_assert_int_eq(c->log.syslog_transport, CONFIG_SYSLOG_TCP);
	ck_assert_int_eq(c->devices[0].log_level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(c->devices[3].log_level, LOG_LEVEL_INFO);
	/* What '<<' brought in, and what was there before it. */
	const struct json *connection = json_get(c->devices[1].conf, "connection");
	ck_assert_str_eq(json_get(connection, "modbus_type")->text, "TCP");
	ck_assert_str_eq(json_get(connection, "request_retry_delay")->text, "5");
	ck_assert_ptr_null(json_get(connection, "<<"));
	ck_assert_uint_eq(connection->count, 9);
	config_free(c);
}
END_TEST

/* The examples of gatewayd.yaml(5), between ".Bd -literal" and ".Ed" of its section EXAMPLES. */
START_TEST(examples_of_the_manual_load)
{
	FILE *f = fopen("man/gatewayd.yaml.5", "r");
	char line[256];
	bool examples = false, inside = false;
	struct buffer b;
	int count = 0;

	ck_assert_ptr_nonnull(f);
	buffer_init(&b, 1 << 16);
	while (fgets(line, sizeof(line), f)) {
		if (strcmp(line, ".Sh EXAMPLES\n") == 0)
			examples = true;
		if (strcmp(line, ".Ed\n") == 0 && inside) {
			buffer_u8(&b, 0);
			config_free(load_good((const char *)buffer_data(&b)));
			buffer_reset(&b);
			inside = false;
			count++;
		}
		if (inside)
			buffer_append_str(&b, line);
		if (strncmp(line, ".Bd -literal", 12) == 0 && examples)
			inside = true;
	}
	fclose(f);
	buffer_clear(&b);
	ck_assert_int_eq(count, 3);
}
END_TEST

START_TEST(unreadable_files)
{
	char fifo[] = "/tmp/check_config_XXXXXX";
	static const struct {
		const char *path, *fault;
	} rows[] = {
		{ "/nonexistent/gatewayd.yaml", "0:0 : No such file or directory\n" },
		{ "etc", "0:0 : expected a regular file\n" },
		{ "/dev/null", "0:0 : expected a regular file\n" },
		{ NULL, "0:0 : expected a regular file\n" },
	};

	ck_assert_ptr_nonnull(mkdtemp(fifo));
	char path[64];
	snprintf(path, sizeof(path), "%s/fifo", fifo);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buffer_reset(&faults);
		ck_assert_ptr_null(config_load(rows[i].path ? rows[i].path : path, on_fault, NULL));
		ck_assert_str_eq(reported(), rows[i].fault);
	}
	unlink(path);
	rmdir(fifo);
}
END_TEST

START_TEST(faults_are_counted_not_poured_out)
{
	struct buffer b;
	size_t lines = 0;

	buffer_init(&b, 1 << 20);
	buffer_append_str(&b, "name: g\ndevices:\n");
	for (int i = 0; i < 300; i++)
		buffer_append_str(&b, "  - 5\n");
	buffer_u8(&b, 0);
	ck_assert_ptr_null(load((const char *)buffer_data(&b)));
	const char *text = reported(), *last = text;
	for (const char *p = text; *p; p++)
		if (*p == '\n' && ++lines == CONFIG_MAX_FAULTS)
			last = p + 1;
	ck_assert_uint_eq(lines, CONFIG_MAX_FAULTS + 1);
	ck_assert_str_eq(last, "warning 0:0 : and 100 more\n");
	buffer_clear(&b);
}
END_TEST

START_TEST(too_many_devices)
{
	struct buffer b;

	buffer_init(&b, 1 << 20);
	buffer_append_str(&b, "name: g\ndevices:\n");
	for (int i = 0; i < CONFIG_MAX_DEVICES + 1; i++)
		buffer_printf(&b, "  - {module: " MASTER ", name: a%d}\n", i);
	buffer_u8(&b, 0);
	ck_assert_ptr_null(load((const char *)buffer_data(&b)));
	ck_assert_str_eq(reported(), "2:1 devices: expected at most 4096 elements, found 4097\n");
	buffer_clear(&b);
}
END_TEST

static void
put_entries(struct buffer *b, const char *key, char open, const char *format, char close)
{
	buffer_printf(b, "  %s: %c", key, open);
	for (int i = 0; i <= 5000; i++)
		buffer_printf(b, format, i);
	buffer_printf(b, "%c\n", close);
}

/* Looking for each of the one kind among the others would take hours in a file of a few MiB. */
START_TEST(too_many_handlers_and_loggers)
{
	struct buffer b;

	buffer_init(&b, 1 << 20);
	buffer_append_str(&b, "name: g\ndevices: []\nlog:\n  version: 1\n");
	put_entries(&b, "loggers", '{', "hat.gateway.%d: {}, ", '}');
	put_entries(&b, "handlers", '{', "h%d: {class: logging.NullHandler}, ", '}');
	buffer_u8(&b, 0);
	ck_assert_ptr_null(load((const char *)buffer_data(&b)));
	ck_assert_str_eq(reported(), "5:12 log.loggers: expected at most 5000, found 5001\n"
				     "6:13 log.handlers: expected at most 5000, found 5001\n");
	buffer_reset(&b);
	buffer_append_str(&b, "name: g\ndevices: []\nlog:\n  version: 1\n"
			      "  handlers: {h: {class: logging.NullHandler}}\n  root:\n  ");
	put_entries(&b, "handlers", '[', "h, ", ']');
	buffer_u8(&b, 0);
	ck_assert_ptr_null(load((const char *)buffer_data(&b)));
	ck_assert_str_eq(reported(), "7:15 log.root.handlers: expected at most 5000, found 5001\n");
	buffer_clear(&b);
}
END_TEST

START_TEST(limits_of_file_and_name)
{
	char path[] = "/tmp/check_config_XXXXXX", text[512], name[CONFIG_MAX_NAME + 2];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, CONFIG_MAX_FILE + 1), 0);
	buffer_reset(&faults);
	ck_assert_ptr_null(config_load(path, on_fault, NULL));
	ck_assert_str_eq(reported(), "0:0 : longer than 67108864 bytes\n");
	close(fd);
	unlink(path);

	memset(name, 'n', sizeof(name) - 1);
	name[CONFIG_MAX_NAME] = '\0';
	snprintf(text, sizeof(text), "name: %s\ndevices: []\n", name);
	config_free(load_good(text));
	name[CONFIG_MAX_NAME] = 'n';
	name[CONFIG_MAX_NAME + 1] = '\0';
	snprintf(text, sizeof(text), "name: %s\ndevices: []\n", name);
	ck_assert_ptr_null(load(text));
	ck_assert_str_eq(reported(), "1:7 name: expected a name of at most 255 bytes, found 256\n");
}
END_TEST

START_TEST(faults_are_printed_as_compilers_do)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	config_report_print(f, SCHEMA_ERROR, "a.yaml", 3, 7, "name", "is wrong");
	config_report_print(f, SCHEMA_WARNING, "a.yaml", 3, 7, "", "is odd");
	config_report_print(f, SCHEMA_ERROR, "a.yaml", 0, 0, "", "is not there");
	fclose(f);
	ck_assert_str_eq(text, "a.yaml:3:7: name: is wrong\na.yaml:3:7: warning: is odd\n"
			       "a.yaml: is not there\n");
	free(text);
}
END_TEST

/* A device of so many points; *cpu_ns: what it took of the processor. */
static struct config *
load_points(int count, int64_t *cpu_ns)
{
	struct timespec before, after;
	struct buffer b;

	buffer_init(&b, 32 << 20);
	buffer_append_str(
	    &b, "name: g\ndevices:\n  - module: " MASTER "\n    name: a\n    data:\n");
	for (int i = 0; i < count; i++)
		buffer_printf(&b,
		    "      - name: point%d\n        interval: 1\n        data_type: COIL\n"
		    "        start_address: %d\n        bit_offset: 0\n        bit_count: 1\n",
		    i, i);
	buffer_u8(&b, 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	struct config *c = load((const char *)buffer_data(&b));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	*cpu_ns =
	    (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + (after.tv_nsec - before.tv_nsec);
	ck_assert_str_eq(reported(), "");
	ck_assert_ptr_nonnull(c);
	buffer_clear(&b);
	return c;
}

/* What is caught here is a cost that is not linear: it would be a hundredfold. */
START_TEST(fifty_thousand_points_cost_ten_times_five_thousand)
{
	int64_t few, many;
	struct buffer b;

	config_free(load_points(5000, &few));
	struct config *c = load_points(50000, &many);
	ck_assert_int_lt(many, 30 * few);
	ck_assert_uint_eq(config_device_find(c->devices, "data[49999].name")->line, 6 + 49999 * 6);
	buffer_init(&b, 32 << 20);
	config_device_json(c->devices, &b);
	ck_assert(!buffer_failed(&b) && json_valid((const char *)buffer_data(&b), b.len));
	config_free(c);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_table_test(tc, bad_files_name_every_fault, bad);
	tcase_add_table_test(tc, a_fault_of_a_device_costs_the_device, costs);
	tcase_add_test(tc, a_module_may_be_called_by_its_type);
	tcase_add_table_test(tc, what_is_not_served_is_a_warning, odd);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, own_keys);
	tcase_add_test(tc, generations_keep_their_names);
	tcase_add_table_test(tc, log_levels_and_targets, logs);
	tcase_add_table_test(tc, syslog_addresses, syslogs);
	tcase_add_test(tc, paths_find_their_lines);
	tcase_add_test(tc, runner_gets_its_own_tree);
	tcase_add_table_test(tc, samples_load, samples);
	tcase_add_test(tc, a_full_configuration_of_hat_gateway);
	tcase_add_test(tc, examples_of_the_manual_load);
	tcase_add_test(tc, unreadable_files);
	tcase_add_test(tc, faults_are_counted_not_poured_out);
	tcase_add_test(tc, too_many_devices);
	tcase_add_test(tc, too_many_handlers_and_loggers);
	tcase_add_test(tc, limits_of_file_and_name);
	tcase_add_test(tc, faults_are_printed_as_compilers_do);
	tcase_add_test(tc, fifty_thousand_points_cost_ten_times_five_thousand);
}

UNIT_MAIN("config")
