/* modbus_slave: connections of masters, the cache's values, writes that are answered by events. In
 * the Modbus runner. */
#include "device-runners/modbus/slave.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-runners/modbus/data_value.h"
#include "device-runners/modbus/describe.h"
#include "device-runners/modbus/peer.h"
#include "device-runners/runtime/acceptor.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/connections.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/latest.h"
#include "device-runners/runtime/limit.h"

enum {
	MAX_PAYLOAD_NODES = 64, /* of a system event */
	REOPEN_MS = 1000,	/* a serial port that is gone is tried again */
	KEEP_IDLE_S = 60,	/* TCP keep-alive of masters: gone after 60 + 3 * 10 s */
	KEEP_INTERVAL_S = 10,
	KEEP_COUNT = 3,
};

struct slave {
	struct runner *runner;
	struct conf_slave conf;
	struct cache cache;
	struct latest latest; /* the start's query */
	bool *live;	      /* by data: an event came, which is newer than the query */
	uint32_t *names;      /* indices of the data, by name */
	bool stopped;
	struct acceptor acceptor; /* not on a serial line */
	struct endpoint endpoint; /* the serial line */
	struct connections listed;
	struct peers peers;
	uint64_t last_write;
	uint64_t boot; /* tells the writes of one start from another's */
	struct limit closed, invalid;
	uint64_t *requests, *writes, *connections;
};

/* --- Connections --- */

static size_t
list_connections(void *arg, struct json_writer *w)
{
	struct slave *s = arg;
	size_t count = peers_list(&s->peers, w);

	runner_set_link(s->runner, count ? "connected" : "disconnected");
	return count;
}

static void
on_changed(void *arg)
{
	connections_changed(&((struct slave *)arg)->listed);
}

static void
on_lost(void *arg, uint32_t connection_id, const struct peer_address *remote, const char *why)
{
	struct slave *s = arg;

	if (s->conf.transport.serial) {
		endpoint_lost(&s->endpoint, true, why);
		return;
	}
	limit_info(&s->closed, "connection of %s ended: %s", remote->host, why);
	acceptor_left(&s->acceptor, connection_id);
}

static void
on_request(void *arg, uint32_t connection_id)
{
	struct slave *s = arg;

	++*s->requests;
	if (!s->conf.transport.serial)
		acceptor_engaged(&s->acceptor, connection_id);
}

static bool
on_write(void *arg, uint32_t connection_id, char request_id[PEER_MAX_REQUEST_ID],
    const char *data_json, size_t len)
{
	struct slave *s = arg;
	struct json_writer *w = runner_payload(s->runner);

	if (runner_congested(s->runner))
		return false;
	snprintf(request_id, PEER_MAX_REQUEST_ID, "%016llx_%llu", (unsigned long long)s->boot,
	    (unsigned long long)++s->last_write);
	++*s->writes;
	json_begin_object(w, NULL);
	json_put_str(w, "request_id", request_id);
	json_put_int(w, "connection_id", connection_id);
	json_begin_array(w, "data");
	json_put_raw(w, NULL, data_json, len);
	json_end_array(w);
	json_end_object(w);
	runner_register_payload(s->runner, (const char *[]){ "gateway", "write" }, 2, NULL);
	return true;
}

static const struct peer_ops peer_ops = {
	.request = on_request,
	.write = on_write,
	.changed = on_changed,
	.lost = on_lost,
};

/* A master that vanished without a word must not keep its place for ever. */
static void
set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ .level = IPPROTO_TCP, .name = TCP_NODELAY, .value = 1 },
		{ .level = SOL_SOCKET, .name = SO_KEEPALIVE, .value = 1 },
		{ .level = IPPROTO_TCP, .name = TCP_KEEPIDLE, .value = KEEP_IDLE_S },
		{ .level = IPPROTO_TCP, .name = TCP_KEEPINTVL, .value = KEEP_INTERVAL_S },
		{ .level = IPPROTO_TCP, .name = TCP_KEEPCNT, .value = KEEP_COUNT },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof(options[i].value));
}

static int64_t
admit(void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	struct slave *s = arg;
	set_options(fd);
	++*s->connections;
	return peers_add(&s->peers, fd, local, remote);
}

static void
evict(void *arg, int64_t id)
{
	peers_drop(&((struct slave *)arg)->peers, (uint32_t)id, "another one needs its place");
}

static void
on_listening(void *arg)
{
	runner_ready(((struct slave *)arg)->runner);
}

static const struct acceptor_ops acceptor_ops = {
	.listening = on_listening,
	.admit = admit,
	.evict = evict,
};

static void
on_line(void *arg, enum connection_status status, int fd)
{
	struct slave *s = arg;

	if (status != CONNECTION_CONNECTED)
		return;
	health_masters_start(s->peers.health);
	peers_add(&s->peers, fd, NULL, NULL);
}

static void
on_failed(void *arg, const char *why)
{
	struct slave *s = arg;

	health_masters_closed(s->peers.health, why);
}

static const struct endpoint_ops endpoint_ops = { .status = on_line, .failed = on_failed };

/* A serial line may come and go; the device exists without it. */
static void
open_transport(struct slave *s)
{
	health_masters_start(s->peers.health);
	if (!s->conf.transport.serial) {
		acceptor_start(&s->acceptor);
		return;
	}
	endpoint_start(&s->endpoint);
	runner_ready(s->runner);
}

/* --- Events --- */

static int
by_name(const void *a, const void *b, void *arg)
{
	const struct conf_data *data = arg;

	return strcmp(data[*(const uint32_t *)a].name, data[*(const uint32_t *)b].name);
}

/* Index of the data, or -1. */
static int
find_data(const struct slave *s, const char *name)
{
	size_t low = 0, high = s->conf.count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(name, s->conf.data[s->names[mid]].name);
		if (order == 0)
			return (int)s->names[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

static struct json_doc *
parse(const struct runner_event *e)
{
	char err[128];

	if (e->payload != RUNNER_PAYLOAD_JSON)
		return NULL;
	return json_parse(e->data, e->len, MAX_PAYLOAD_NODES, err, sizeof(err));
}

static void
take_value(struct slave *s, int index, const struct json *payload)
{
	const struct conf_data *d = &s->conf.data[index];
	const struct json *value = json_get(payload, "value");
	uint8_t bytes[MODBUS_MAX_VALUE];

	/* Bits that are a plain number have no sign here, as in hat-gateway. */
	bool negative = d->typed.kind == MODBUS_KIND_NONE && value && value->type == JSON_NUMBER &&
			value->text[0] == '-';

	if (!negative && data_value_parse(d, value, bytes) == 0)
		cache_set(&s->cache, (size_t)index, bytes);
	else
		limit_warning(&s->invalid, "value of %s refused: expected {value: %s of %u bits}",
		    d->name, conf_kind_name(d), d->bits);
}

static void
on_data(struct slave *s, const struct runner_event *e, bool live)
{
	int index = e->type_len == 3 ? find_data(s, e->type[2]) : -1;
	struct json_doc *doc;

	if (index < 0) {
		log_debug("a value of data that is not configured was ignored");
		return;
	}
	/* A value of the query is older than one that came meanwhile. */
	if (!live && s->live[index])
		return;
	s->live[index] |= live;
	doc = parse(e);
	take_value(s, index, doc ? json_root(doc) : NULL);
	json_free(doc);
}

static void
on_written(struct slave *s, const struct runner_event *e)
{
	struct json_doc *doc = parse(e);
	const struct json *root = doc ? json_root(doc) : NULL;
	const char *id = json_str(json_get(root, "request_id"));
	bool success = false;

	if (!id || !json_bool(json_get(root, "success"), &success))
		log_warning(
		    "write response refused: expected {request_id: string, success: boolean}");
	if (id)
		peers_written(&s->peers, id, success);
	json_free(doc);
}

static void
slave_on_event(void *device, const struct runner_event *e)
{
	struct slave *s = device;

	if (e->type_len >= 2 && strcmp(e->type[0], "system") == 0 &&
	    strcmp(e->type[1], "data") == 0)
		on_data(s, e, true);
	else if (e->type_len == 2 && strcmp(e->type[0], "system") == 0 &&
		 strcmp(e->type[1], "write") == 0)
		on_written(s, e);
	else
		log_debug("an event of an unknown type was ignored");
}

static void
on_cached(void *arg, const struct runner_event *e)
{
	struct slave *s = arg;

	if (s->stopped)
		return;
	if (e) {
		on_data(s, e, false);
		return;
	}
	connections_changed(&s->listed);
	open_transport(s);
}

/* --- Life --- */

static void
slave_free(void *device)
{
	struct slave *s = device;

	if (!s)
		return;
	peers_clear(&s->peers);
	acceptor_clear(&s->acceptor);
	cache_clear(&s->cache);
	free(s->live);
	free(s->names);
	conf_slave_clear(&s->conf);
	free(s);
}

static void
make_counters(struct slave *s)
{
	s->requests = runner_counter(s->runner, "requests");
	s->writes = runner_counter(s->runner, "writes");
	s->connections = runner_counter(s->runner, "connections");
}

static void
plan_transport(struct slave *s, const struct json *transport)
{
	const struct conf_transport *t = &s->conf.transport;

	if (!t->serial) {
		acceptor_configure(&s->acceptor, transport, "transport.", CONF_MAX_CONNECTIONS);
		return;
	}
	const struct endpoint_conf conf = {
		.resource = runner_plan_tty(s->runner, t->tty.path),
		.tty = &t->tty,
		.delay_ns = REOPEN_MS * INT64_C(1000000),
	};
	endpoint_init(&s->endpoint, s->runner, &conf, &endpoint_ops, s);
}

static void *
slave_create(struct runner *r, const struct json *conf)
{
	struct slave *s = runner_alloc(r, 1, sizeof(*s));

	s->runner = r;
	acceptor_init(&s->acceptor, r, &acceptor_ops, s);
	if (conf_slave_load(&s->conf, r, conf) < 0) {
		slave_free(s);
		return NULL;
	}
	s->live = calloc(s->conf.count + 1, sizeof(*s->live));
	s->names = calloc(s->conf.count + 1, sizeof(*s->names));
	if (!s->live || !s->names || cache_init(&s->cache, s->conf.data, s->conf.count) < 0 ||
	    getrandom(&s->boot, sizeof(s->boot), 0) != sizeof(s->boot))
		runner_fail(r, "out of memory");
	for (uint32_t i = 0; i < s->conf.count; i++)
		s->names[i] = i;
	qsort_r(s->names, s->conf.count, sizeof(*s->names), by_name, s->conf.data);
	plan_transport(s, json_get(conf, "transport"));
	make_counters(s);
	connections_init(&s->listed, r, list_connections, s);
	peers_init(&s->peers, r, &s->conf, &s->cache, &peer_ops, s);
	return s;
}

static bool
data_type(void *arg, size_t i, struct latest_type *t)
{
	const struct slave *s = arg;

	if (i >= s->conf.count)
		return false;
	t->type = (struct runner_type){ { "system", "data", s->conf.data[i].name }, 3 };
	return true;
}

static void
slave_start(void *device)
{
	static const struct runner_type values = { { "system", "data", "*" }, 3 };
	struct slave *s = device;

	s->latest = (struct latest){ .type = data_type, .cb = on_cached, .arg = s };
	latest_ask(&s->latest, s->runner, &values);
}

static void
slave_on_credit(void *device)
{
	struct slave *s = device;

	acceptor_resume(&s->acceptor);
}

static void
slave_stop(void *device)
{
	struct slave *s = device;

	s->stopped = true;
	connections_stop(&s->listed);
	endpoint_stop(&s->endpoint);
	acceptor_stop(&s->acceptor);
	peers_close(&s->peers);
}

static bool
slave_describe_data(void *device, struct describe *d, size_t i)
{
	return describe_slave_data(&((struct slave *)device)->conf, d, i);
}

const struct runner_device slave_device = {
	.type = "modbus_slave",
	.schema = &conf_slave_schema,
	.create = slave_create,
	.describe = describe_slave,
	.describe_data = slave_describe_data,
	.start = slave_start,
	.on_event = slave_on_event,
	.on_credit = slave_on_credit,
	.stop = slave_stop,
	.free = slave_free,
};
