#include "gatewayctl/blocks/blocks.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "gatewayctl/scl/scl.h"
#include "ipc/control.h"

/* The part that all serial lines have; the rest of each is required, except where a comment says
 * so. */
#define SERIAL                                                                                     \
	"  port: /dev/ttyS0\n"                                                                     \
	"  baudrate: 9600\n"                                                                       \
	"  bytesize: EIGHTBITS          # FIVEBITS to EIGHTBITS\n"                                 \
	"  parity: EVEN                 # NONE, EVEN, ODD, MARK, SPACE\n"                          \
	"  stopbits: ONE\n"                                                                        \
	"  flow_control: {xonxoff: false, rtscts: false, dsrdtr: false}\n"                         \
	"  silent_interval: 0.005       # seconds\n"

#define SIZES                                                                                      \
	"  cause_size: TWO              # octets, as the station has them\n"                       \
	"  asdu_address_size: TWO\n"                                                               \
	"  io_address_size: THREE\n"

#define APCI                                                                                       \
	"  response_timeout: 15         # t1, seconds\n"                                           \
	"  supervisory_timeout: 10      # t2\n"                                                    \
	"  test_timeout: 20             # t3\n"                                                    \
	"  send_window_size: 12         # k\n"                                                     \
	"  receive_window_size: 8       # w\n"

static const struct block {
	const char *type, *module, *keys;
} blocks[] = {
	{ .type = "modbus_master",
	    .module = "modbus.master",
	    .keys =
		"  connection:\n"
		"    modbus_type: TCP           # RTU, ASCII\n"
		"    transport: {type: TCP, host: 192.0.2.1, port: 502}\n"
		"    connect_timeout: 3         # seconds, as all times\n"
		"    connect_delay: 5           # between attempts\n"
		"    request_timeout: 2\n"
		"    request_delay: 0\n"
		"    request_retry_immediate_count: 1\n"
		"    request_retry_delayed_count: 1\n"
		"    request_retry_delay: 1\n"
		"  remote_devices:\n"
		"  - device_id: 1               # the unit identifier\n"
		"    enabled: true              # else by the event system/remote_device/1/enable\n"
		"    timeout_poll_delay: 5\n"
		"    data:\n"
		"    - name: voltage\n"
		"      interval: 1              # null: not read\n"
		"      data_type: HOLDING_REGISTER # INPUT_REGISTER, COIL, DISCRETE_INPUT, QUEUE\n"
		"      start_address: 0\n"
		"      bit_offset: 0\n"
		"      bit_count: 16\n" },
	{ .type = "modbus_slave",
	    .module = "modbus.slave",
	    .keys = "  modbus_type: TCP             # RTU, ASCII\n"
		    "  transport:\n"
		    "    type: TCP\n"
		    "    local_host: 0.0.0.0\n"
		    "    local_port: 5020\n"
		    "    remote_hosts: null         # or a list of the masters' addresses\n"
		    "    max_connections: null\n"
		    "    response_timeout: 2        # for what answers a write\n"
		    "    keep_alive_timeout: null\n"
		    "  data:\n"
		    "  - name: voltage\n"
		    "    device_id: 1\n"
		    "    data_type: HOLDING_REGISTER\n"
		    "    start_address: 0\n"
		    "    bit_offset: 0\n"
		    "    bit_count: 16\n" },
	{ .type = "iec101_master",
	    .module = "iec101.master",
	    .keys = SERIAL SIZES "  reconnect_delay: 5\n"
				 "  link_type: UNBALANCED        # BALANCED\n"
				 "  device_address_size: ONE     # ZERO, TWO\n"
				 "  remote_devices:\n"
				 "  - address: 1\n"
				 "    response_timeout: 1\n"
				 "    send_retry_count: 3\n"
				 "    poll_class1_delay: 1\n"
				 "    poll_class2_delay: 10      # null: not polled\n"
				 "    reconnect_delay: 10\n"
				 "    time_sync_delay: 3600      # null: never\n" },
	{ .type = "iec101_slave",
	    .module = "iec101.slave",
	    .keys = SERIAL SIZES
	    "  link_type: UNBALANCED        # BALANCED\n"
	    "  device_address_size: ONE\n"
	    "  devices:\n"
	    "  - address: 1\n"
	    "    keep_alive_timeout: 30\n"
	    "    reconnect_delay: 5\n"
	    "  buffers: []                  # - {name: changes, size: 1000}\n"
	    "  data:\n"
	    "  - {data_type: SINGLE, asdu_address: 1, io_address: 1, buffer: null}\n" },
	{ .type = "iec103_master",
	    .module = "iec103.master",
	    .keys = SERIAL "  reconnect_delay: 5\n"
			   "  remote_devices:\n"
			   "  - address: 1\n"
			   "    response_timeout: 1\n"
			   "    send_retry_count: 3\n"
			   "    poll_class1_delay: 0.5\n"
			   "    poll_class2_delay: 2\n"
			   "    reconnect_delay: 10\n"
			   "    time_sync_delay: 600       # null: never\n" },
	{ .type = "iec104_master",
	    .module = "iec104.master",
	    .keys = "  remote_addresses:            # the first that answers\n"
		    "  - {host: 192.0.2.1, port: 2404}\n" APCI "  reconnect_delay: 5\n"
		    "  time_sync_delay: 3600        # null: never\n"
		    "  security: null               # TLS: see gateway-iec104(7)\n" },
	{ .type = "iec104_slave",
	    .module = "iec104.slave",
	    .keys = "  local_host: 0.0.0.0\n"
		    "  local_port: 2404\n"
		    "  remote_hosts: null           # or a list of the masters' addresses\n"
		    "  max_connections: null\n" APCI
		    "  security: null               # TLS: see gateway-iec104(7)\n"
		    "  buffers: []                  # - {name: changes, size: 1000}\n"
		    "  data:\n"
		    "  - {data_type: SINGLE, asdu_address: 1, io_address: 1, buffer: null}\n" },
	{ .type = "iec61850_client",
	    .module = "iec61850.client",
	    .keys = "  connection:\n"
		    "    host: 192.0.2.1\n"
		    "    port: 102\n"
		    "    connect_timeout: 10        # seconds, as all times\n"
		    "    reconnect_delay: 10\n"
		    "    response_timeout: 10\n"
		    "    status_delay: 30\n"
		    "    status_timeout: 10\n"
		    "  value_types: []              # see gateway-iec61850(7)\n"
		    "  datasets: []\n"
		    "  rcbs: []\n"
		    "  data: []\n"
		    "  commands: []\n"
		    "  changes: []\n" },
	{ .type = "ping",
	    .module = "ping",
	    .keys = "  remote_devices:\n"
		    "  - name: router\n"
		    "    host: 192.0.2.1\n"
		    "    ping_delay: 5              # seconds, as all times\n"
		    "    ping_timeout: 2\n"
		    "    retry_count: 2\n"
		    "    retry_delay: 1\n" },
	{ .type = "smpp_client",
	    .module = "smpp.client",
	    .keys = "  remote_address: {host: 192.0.2.1, port: 2775}\n"
		    "  ssl: false\n"
		    "  system_id: gateway\n"
		    "  password: secret\n"
		    "  enquire_link_delay: 30       # null: never\n"
		    "  enquire_link_timeout: 10\n"
		    "  connect_timeout: 5\n"
		    "  reconnect_delay: 10\n"
		    "  short_message: true          # false: in message_payload\n"
		    "  priority: NORMAL             # BULK, URGENT, VERY_URGENT\n"
		    "  data_coding: UCS2\n"
		    "  message_encoding: utf-16-be\n"
		    "  message_timeout: 60\n" },
	{ .type = "snmp_manager",
	    .module = "snmp.manager",
	    .keys = "  version: V2C                 # V1; V3: see gateway-snmp(7)\n"
		    "  community: public\n"
		    "  remote_host: 192.0.2.1\n"
		    "  remote_port: 161\n"
		    "  connect_delay: 10            # seconds, as all times\n"
		    "  request_timeout: 2\n"
		    "  request_retry_count: 2\n"
		    "  request_retry_delay: 1\n"
		    "  polling_delay: 5\n"
		    "  polling_oids:\n"
		    "  - 1.3.6.1.2.1.1.3.0          # sysUpTime\n"
		    "  string_hex_oids: []          # whose octets are no text\n" },
	{ .type = "snmp_trap_listener",
	    .module = "snmp.trap_listener",
	    .keys = "  local_host: 0.0.0.0\n"
		    "  local_port: 10162\n"
		    "  users: []                    # of V3\n"
		    "  remote_devices:\n"
		    "  - name: switch\n"
		    "    version: V2C               # V1; V3 has context\n"
		    "    community: public          # null: any\n"
		    "    oids: [1.3.6.1.2.1.2.2.1.8.1]\n"
		    "    string_hex_oids: []\n" },
};

enum { BLOCKS = sizeof(blocks) / sizeof(blocks[0]) };

static const struct block *
find(const char *type)
{
	struct nearest n = nearest_begin(type);

	for (size_t i = 0; i < BLOCKS; i++) {
		if (strcmp(blocks[i].type, type) == 0)
			return &blocks[i];
		nearest_offer(&n, blocks[i].type);
	}
	fprintf(stderr, "gatewayctl: no device type '%s'", type);
	if (n.best)
		fprintf(stderr, "; did you mean '%s'?", n.best);
	fprintf(stderr, "%s:", n.best ? " There are" : "; there are");
	for (size_t i = 0; i < BLOCKS; i++)
		fprintf(stderr, " %s", blocks[i].type);
	fprintf(stderr, "\n");
	return NULL;
}

static const char usage[] = "usage: gatewayctl new TYPE NAME\n"
			    "       gatewayctl new iec61850_client NAME --scl FILE [--ied IED]\n";

struct request {
	const char *type, *name, *scl, *ied;
	bool help;
};

static const struct option options[] = {
	{ .name = "scl", .has_arg = required_argument, .val = 's' },
	{ .name = "ied", .has_arg = required_argument, .val = 'i' },
	{ .name = "help", .has_arg = no_argument, .val = 'h' },
	{ .name = NULL },
};

const char *
blocks_type(size_t i)
{
	return i < BLOCKS ? blocks[i].type : NULL;
}

void
blocks_each_option(void (*each)(void *arg, const char *name), void *arg)
{
	for (const struct option *o = options; o->name; o++)
		each(arg, o->name);
}

const char *
blocks_with_value(const char *word)
{
	for (const struct option *o = options; o->name; o++)
		if (o->has_arg && strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0)
			return o->name;
	return NULL;
}

/* False on wrong usage. */
static bool
parse(struct request *r, int argc, char **argv)
{
	*r = (struct request){ 0 };
	optind = 0; /* glibc: begin again */
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == '?')
			return false;
		r->help |= option == 'h';
		if (option == 's')
			r->scl = optarg;
		if (option == 'i')
			r->ied = optarg;
	}
	if (r->help || argc - optind != 2)
		return r->help;
	r->type = argv[optind];
	r->name = argv[optind + 1];
	if (r->scl ? strcmp(r->type, "iec61850_client") == 0 : !r->ied)
		return true;
	fprintf(stderr, "gatewayctl: %s\n",
	    r->scl ? "--scl is for iec61850_client" : "--ied chooses in a file that --scl names");
	return false;
}

static void
print_block(const struct block *b, const char *device, const char *keys, size_t len)
{
	struct json_writer w;
	struct buffer name;

	buffer_init(&name, 4096);
	w = (struct json_writer){ .b = &name };
	json_put_str(&w, NULL, device);
	printf("# below 'devices:' of gatewayd.yaml; gateway-*(7) say what each key means\n"
	       "- module: hat.gateway.devices.%s\n"
	       "  name: %.*s\n"
	       "  enabled: true                # else by 'gatewayctl enable'\n",
	    b->module, (int)name.len, (const char *)buffer_data(&name));
	fwrite(keys, 1, len, stdout);
	buffer_clear(&name);
}

int
blocks_new(int argc, char **argv)
{
	struct request r;
	struct buffer keys;

	if (!parse(&r, argc, argv) || r.help) {
		fputs(usage, r.help ? stdout : stderr);
		return r.help ? CONTROL_DONE : CONTROL_USAGE;
	}
	const struct block *b = find(r.type);
	if (!b)
		return CONTROL_USAGE;
	if (!r.scl) {
		print_block(b, r.name, b->keys, strlen(b->keys));
		return CONTROL_DONE;
	}
	int code = scl_read(&keys, r.scl, r.ied);
	if (code == CONTROL_DONE)
		print_block(b, r.name, (const char *)buffer_data(&keys), keys.len);
	buffer_clear(&keys);
	return code;
}
