#include "device-runners/iec60870/describe.h"

#include <stdio.h>
#include <string.h>

#include "device-runners/runtime/note.h"
#include "device-runners/runtime/runner.h"

enum { PERIOD = 48 };

#define MASTER_EVENTS                                                                              \
	"data/TYPE/ASDU/IO, command/TYPE/ASDU/IO, interrogation/ASDU, counter_interrogation/ASDU"
#define MASTER_ORDERS "command/TYPE/ASDU/IO, interrogation/ASDU, counter_interrogation/ASDU"

/* The remote devices of a line, each with its times. */
static void
describe_remotes(struct runner *r, const struct json *conf)
{
	char one[PERIOD], two[PERIOD], sync[PERIOD];

	json_foreach (remote, json_get(conf, "remote_devices")) {
		note_period(sync, sizeof(sync), remote, "time_sync_delay");
		if (json_get(remote, "direction"))
			runner_note(r, "remote device %s: direction %s, clock set %s",
			    note_value(remote, "address"), note_value(remote, "direction"), sync);
		else
			runner_note(r,
			    "remote device %s: class 1 polled %s, class 2 %s, clock set %s",
			    note_value(remote, "address"),
			    note_period(one, sizeof(one), remote, "poll_class1_delay"),
			    note_period(two, sizeof(two), remote, "poll_class2_delay"), sync);
	}
}

static void
describe_sizes(struct runner *r, const struct json *conf)
{
	runner_note(r,
	    "%s link; bytes of link address %s, cause %s, ASDU address %s, object address %s",
	    note_value(conf, "link_type"), note_value(conf, "device_address_size"),
	    note_value(conf, "cause_size"), note_value(conf, "asdu_address_size"),
	    note_value(conf, "io_address_size"));
}

static void
describe_points(struct runner *r, const struct json *conf)
{
	const struct json *buffers = json_get(conf, "buffers");
	char list[NOTE_MAX_LIST];
	size_t buffered = 0;

	json_foreach (p, json_get(conf, "data")) {
		const char *buffer = json_str(json_get(p, "buffer"));
		buffered += buffer && buffer[0];
	}
	runner_note(r, "%zu data, %zu of them in buffers (%s)", json_get(conf, "data")->count,
	    buffered, note_list(list, sizeof(list), buffers, "name"));
}

static void
describe_slave_events(struct runner *r, const struct json *conf)
{
	bool freezes = false;

	json_foreach (p, json_get(conf, "data"))
		freezes |= json_is_true(json_get(p, "freeze")) &&
			   strcmp(note_value(p, "data_type"), "BINARY_COUNTER") == 0;
	runner_note(r, "registers gateway/connections, gateway/command/TYPE/ASDU/IO%s",
	    freezes ? ", gateway/counter_interrogation/ASDU" : "");
	runner_note(r, "takes system/data/TYPE/ASDU/IO, system/command/TYPE/ASDU/IO");
}

void
describe_101_master(struct runner *r, const struct json *conf)
{
	runner_note(r, "master of IEC 60870-5-101; opens the line again after %s s",
	    note_value(conf, "reconnect_delay"));
	note_line(r, conf);
	describe_sizes(r, conf);
	describe_remotes(r, conf);
	runner_note(r, "registers gateway/status, below gateway/remote_device/ADDRESS: "
		       "status, " MASTER_EVENTS);
	runner_note(r, "takes below system/remote_device/ADDRESS: enable, " MASTER_ORDERS);
}

void
describe_101_slave(struct runner *r, const struct json *conf)
{
	char list[NOTE_MAX_LIST];

	runner_note(r, "slave of IEC 60870-5-101, link addresses %s",
	    note_list(list, sizeof(list), json_get(conf, "devices"), "address"));
	note_line(r, conf);
	describe_sizes(r, conf);
	describe_points(r, conf);
	describe_slave_events(r, conf);
}

void
describe_103_master(struct runner *r, const struct json *conf)
{
	runner_note(r, "master of IEC 60870-5-103; opens the line again after %s s",
	    note_value(conf, "reconnect_delay"));
	note_line(r, conf);
	describe_remotes(r, conf);
	runner_note(r, "registers gateway/status, below gateway/remote_device/ADDRESS: status, "
		       "data/TYPE/ASDU/FUN/INF, command/ASDU/FUN/INF, interrogation/ASDU");
	runner_note(r, "takes below system/remote_device/ADDRESS: enable, command/ASDU/FUN/INF, "
		       "interrogation/ASDU");
}

/* Times, windows and security of either role of 104. */
static void
describe_connection(struct runner *r, const struct json *conf)
{
	const struct json *s = json_get(conf, "security");

	runner_note(r, "t1 %s s, t2 %s s, t3 %s s, k %s, w %s",
	    note_value(conf, "response_timeout"), note_value(conf, "supervisory_timeout"),
	    note_value(conf, "test_timeout"), note_value(conf, "send_window_size"),
	    note_value(conf, "receive_window_size"));
	if (!s || s->type == JSON_NULL)
		runner_note(r, "no TLS");
	else
		runner_note(r, "TLS, the peer's certificate is %s%s",
		    json_is_true(json_get(s, "verify_cert")) ? "verified" : "not verified",
		    json_is_true(json_get(s, "strict_mode")) ? ", strict mode" : "");
}

void
describe_104_master(struct runner *r, const struct json *conf)
{
	char sync[PERIOD];

	runner_note(r,
	    "master of IEC 60870-5-104 at the first station that answers; connects again after "
	    "%s s, sets the clock %s",
	    note_value(conf, "reconnect_delay"),
	    note_period(sync, sizeof(sync), conf, "time_sync_delay"));
	describe_connection(r, conf);
	runner_note(r, "registers below gateway: status, " MASTER_EVENTS);
	runner_note(r, "takes below system: " MASTER_ORDERS);
}

void
describe_104_slave(struct runner *r, const struct json *conf)
{
	const struct json *hosts = json_get(conf, "remote_hosts");
	const struct json *most = json_get(conf, "max_connections");
	char list[NOTE_MAX_LIST];

	runner_note(r, "slave of IEC 60870-5-104 for masters: %s of %s",
	    most->type == JSON_NUMBER ? most->text : "any number",
	    hosts->type == JSON_ARRAY ? note_list(list, sizeof(list), hosts, NULL) : "any host");
	describe_connection(r, conf);
	describe_points(r, conf);
	describe_slave_events(r, conf);
}
