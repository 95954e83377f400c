/*
 * modbus_master: the connection's life, events in and out. What is asked when is
 * sched.c's and remote.c's business, how it is asked client.c's. In the Modbus runner.
 */
#include "device-runners/modbus/master.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device-runners/modbus/client.h"
#include "device-runners/modbus/conf/conf.h"
#include "device-runners/modbus/describe.h"
#include "device-runners/modbus/events/master_events.h"
#include "device-runners/modbus/frames.h"
#include "device-runners/modbus/outcome.h"
#include "device-runners/modbus/sched.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/line.h"

enum {
	MAX_PAYLOAD_NODES = 32 * 1024,	    /* of a system event; a request_id may be anything */
	MAX_ID_TEXT = 64 * 1024,	    /* more than an event has */
	MAX_PENDING = 2 * MODBUS_MAX_FRAME, /* bytes that the kernel has not taken */
};

enum master_state {
	MASTER_IDLE,	   /* not started, or stopped */
	MASTER_QUERYING,   /* what is enabled */
	MASTER_CONNECTING, /* or waiting for the next attempt */
	MASTER_PAUSING,	   /* connected, before the first request */
	MASTER_CONNECTED,
};

struct master {
	struct runner *runner;
	struct ev_loop *loop;
	struct conf_master conf;
	enum master_state state;
	struct endpoint endpoint;
	ev_timer pause;		 /* before the first request */
	ev_timer wake;		 /* of the requests, on TCP */
	struct tty_alarm *alarm; /* of the requests, on a serial line; else NULL */
	struct monotime armed;	 /* when one of the two fires; 0 for not set */
	struct line line;
	struct frames frames;
	struct client client;
	struct client_late *late_answers; /* the client's; owned */
	struct sched sched;
	struct remote **remotes; /* owned, in the order of the configuration */
	bool *live; /* by remote: an enable event came: it is newer than the query's, and than the
		       configuration */
	bool *limited;	      /* by remote: it was said that it writes other values than asked */
	struct remote *asked; /* whose request is under way */
	bool asked_write;
	struct monotime asked_at;    /* when its frame was sent */
	struct health_end **healths; /* by remote; owned */
	bool probing;		     /* for an echo, on behalf of it */
	struct limit noise, bad_writes;
	uint64_t *requests, *timeouts, *late, *bad, *connects;
	struct master_events events;
};

static void pump(struct master *m);
static void arm(struct master *m, struct monotime at);

static size_t
index_of(const struct master *m, const struct remote *r)
{
	return (size_t)(remote_conf(r) - m->conf.remotes);
}

/* --- Health --- */

static struct health_end *
health_of(const struct master *m, const struct remote *r)
{
	return m->healths[index_of(m, r)];
}

/* No connection: nobody answers. */
static void
on_failed(void *arg, const char *why)
{
	struct master *m = arg;

	for (size_t i = 0; i < m->conf.count; i++)
		if (remote_is_enabled(m->remotes[i]))
			health_down_as_logged(m->healths[i], "not connected: %s", why);
}

static void
note_result(struct master *m, struct remote *r, enum client_result result,
    const struct modbus_pdu *res, struct monotime now)
{
	if (!remote_is_enabled(r))
		return;
	if (result == CLIENT_TIMEOUT)
		outcome_timed_out(health_of(m, r), m->conf.request_timeout_ns);
	else if (result == CLIENT_ANSWER)
		outcome_answered(health_of(m, r), res, now.ns - m->asked_at.ns);
}

/* --- The connection --- */

/* Answers writes that found no connection in time. */
static void
expire_writes(struct master *m)
{
	struct monotime now = monotime_now(), next = { INT64_MAX };

	for (size_t i = 0; i < m->conf.count; i++) {
		struct monotime at = remote_expire(m->remotes[i], now);
		next = monotime_cmp(at, next) < 0 ? at : next;
	}
	arm(m, next);
}

static void
lost(struct master *m, const char *why)
{
	bool answered = client_has_answered(&m->client);
	const struct remote *asked = client_is_busy(&m->client) && !m->probing ? m->asked : NULL;

	line_close(&m->line);
	frames_close(&m->frames);
	client_reset(&m->client);
	ev_timer_stop(m->loop, &m->pause);
	m->asked = NULL;
	m->probing = false;
	m->state = MASTER_CONNECTING;
	for (size_t i = 0; i < m->conf.count; i++) {
		struct remote *r = m->remotes[i];
		struct remote_loss loss = { .poll = r == asked && !m->asked_write,
			.write = r == asked && m->asked_write,
			.stale = answered };
		remote_offline(r, loss, monotime_now());
	}
	endpoint_lost(&m->endpoint, answered, why);
	expire_writes(m);
}

static void
begin_requests(struct master *m)
{
	struct monotime now = monotime_now();

	m->state = MASTER_CONNECTED;
	for (size_t i = 0; i < m->conf.count; i++)
		remote_online(m->remotes[i], now);
	pump(m);
}

static void
on_pause_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop, (void)events;
	begin_requests(w->data);
}

static void
on_connected(struct master *m, int fd)
{
	++*m->connects;
	client_open(&m->client, monotime_now());
	line_open(&m->line, fd);
	frames_open(&m->frames, &m->conf.transport, fd);
	if (m->conf.pause_ns == 0) {
		begin_requests(m);
		return;
	}
	m->state = MASTER_PAUSING;
	ev_timer_set(&m->pause, (double)m->conf.pause_ns * 1e-9, 0);
	ev_timer_start(m->loop, &m->pause);
}

static void
on_status(void *arg, enum connection_status status, int fd)
{
	struct master *m = arg;

	connection_tell(m->runner, status);
	if (status == CONNECTION_CONNECTED)
		on_connected(m, fd);
}

static const struct endpoint_ops endpoint_ops = { .status = on_status, .failed = on_failed };

/* --- Requests --- */

/* The answer to a broadcast. */
static const struct modbus_pdu taken;

static void
client_sends(void *arg, const uint8_t *frame, size_t len)
{
	struct master *m = arg;

	frames_sent(&m->frames, frame, len);
	m->asked_at = client_now(&m->client);
	health_sent(health_of(m, m->asked), len);
	/* A line that is lost says so when it is read; one that takes nothing times out. */
	if (line_write(&m->line, frame, len) < 0 && errno != EAGAIN)
		log_debug("write: %s", strerror(errno));
}

/* A device may hold another value than it was asked to: a limit of its own. */
static void
note_written(struct master *m, struct remote *r, const struct modbus_pdu *res)
{
	const struct modbus_pdu *req = remote_write(r);
	bool *limited = &m->limited[index_of(m, r)];

	if (*limited || !req || res->exception || res == &taken || modbus_response_fits(req, res))
		return;
	*limited = true;
	log_notice("device %u answers the write of %u to address %u with %u; further such answers "
		   "are not logged",
	    remote_conf(r)->unit, req->value, req->address, res->value);
}

static void
client_done(void *arg, enum client_result result, const struct modbus_pdu *res)
{
	struct master *m = arg;
	struct remote *r = m->asked;
	struct monotime now = client_now(&m->client);

	m->asked = NULL;
	/* A request that flow control held back must not be sent when it lets go: a write that
	 * has failed would be one of long ago. */
	if (result == CLIENT_TIMEOUT && m->conf.transport.serial)
		line_drop_output(&m->line);
	*m->timeouts += result == CLIENT_TIMEOUT;
	*m->late = client_late_answers(&m->client);
	*m->bad = client_bad_bytes(&m->client);
	note_result(m, r, result, res, now);
	if (result == CLIENT_SENT)
		res = &taken;
	if (res && res->exception)
		log_debug("device %u answers function %u with exception %u", remote_conf(r)->unit,
		    res->fc, res->exception);
	if (m->probing || result == CLIENT_AGAIN) {
		m->probing = false;
		return;
	}
	if (m->asked_write && res)
		note_written(m, r, res);
	if (m->asked_write)
		remote_on_write(r, res, now);
	else
		remote_on_poll(r, res, now);
}

static const struct client_ops client_ops = { .send = client_sends, .done = client_done };

static void
arm(struct master *m, struct monotime at)
{
	/* A timer that fires too early costs one turn; setting it for each request costs more. */
	if (at.ns == INT64_MAX || (m->armed.ns && m->armed.ns <= at.ns))
		return;
	m->armed = at;
	if (m->alarm) {
		tty_alarm_set(m->alarm, at);
		return;
	}
	double after = (double)(at.ns - monotime_now().ns) * 1e-9;
	ev_now_update(m->loop);
	ev_timer_stop(m->loop, &m->wake);
	ev_timer_set(&m->wake, after > 0 ? after : 0, 0);
	ev_timer_start(m->loop, &m->wake);
}

static void
ask(struct master *m, const struct sched_pick *p, struct monotime now)
{
	/* As much of it as is sent is written first: clearing all of it would cost more. */
	__attribute__((uninitialized)) uint8_t pdu[MODBUS_MAX_PDU];
	const struct conf_remote *conf = remote_conf(p->remote);
	struct modbus_pdu probe;
	if (!p->write && remote_is_retried(p->remote))
		health_retried(health_of(m, p->remote));
	const struct modbus_pdu *req =
	    p->write ? remote_write(p->remote) : remote_poll(p->remote, now);

	if (!conf->broadcast && client_needs_probe(&m->client, req, &probe)) {
		m->probing = true;
		req = &probe;
	}
	size_t len = modbus_pdu_encode(MODBUS_REQUEST, req, pdu);
	m->asked = p->remote;
	m->asked_write = p->write;
	++*m->requests;
	client_send(&m->client, conf->unit, req, pdu, len, conf->broadcast, now);
}

/* Sends what is to be sent and sets the timer for what is next. */
static void
pump(struct master *m)
{
	while (m->state == MASTER_CONNECTED && !client_is_busy(&m->client)) {
		struct monotime now = monotime_now(), free_at = client_free_at(&m->client);
		if (monotime_cmp(free_at, now) > 0) {
			arm(m, free_at);
			return;
		}
		struct sched_pick p =
		    sched_next(&m->sched, &m->client, !runner_congested(m->runner), now);
		if (!p.remote) {
			arm(m, p.wake);
			return;
		}
		ask(m, &p, now);
	}
	if (client_is_busy(&m->client))
		arm(m, client_deadline(&m->client));
}

static void
on_readable(void *arg)
{
	struct master *m = arg;
	uint64_t bad = client_bad_bytes(&m->client);
	size_t room;
	uint8_t *p = modbus_stream_room(&m->client.stream, &room);
	ssize_t n = line_read(&m->line, p, room);

	if (n < 0) {
		lost(m, errno ? strerror(errno) : "closed by the other side");
		return;
	}
	if (n == 0)
		return;
	frames_received(&m->frames, p, (size_t)n);
	if (m->asked)
		health_received(health_of(m, m->asked), (size_t)n);
	modbus_stream_commit(&m->client.stream, (size_t)n);
	struct monotime now = monotime_now();
	client_received(&m->client, now);
	if (client_bad_bytes(&m->client) != bad)
		limit_notice(&m->noise, "skipped bytes that are no Modbus answer");
	pump(m);
}

static const struct line_ops line_ops = { .readable = on_readable };

static void
on_wake(void *arg)
{
	struct master *m = arg;

	m->armed = (struct monotime){ 0 };
	if (m->state != MASTER_CONNECTED) {
		expire_writes(m);
		return;
	}
	/* An answer that is there came in time: it was us who came late, on a busy machine. */
	if (client_is_busy(&m->client) &&
	    monotime_cmp(client_deadline(&m->client), monotime_now()) <= 0)
		on_readable(m);
	if (m->state != MASTER_CONNECTED)
		return;
	client_tick(&m->client, monotime_now());
	pump(m);
}

static void
on_wake_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop, (void)events;
	on_wake(w->data);
}

/* --- Events that come in --- */

static struct remote *
find_remote(struct master *m, const char *text)
{
	char *end;
	unsigned long unit = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end)
		return NULL;
	for (size_t i = 0; i < m->conf.count; i++)
		if (remote_conf(m->remotes[i])->unit == unit)
			return m->remotes[i];
	return NULL;
}

static void
enable(struct master *m, struct remote *r, bool on)
{
	if (on != remote_is_enabled(r))
		health_off(health_of(m, r), on ? "nothing is known yet" : "disabled");
	remote_enable(r, on, monotime_now());
}

static void
on_enable(struct master *m, struct remote *r, const struct runner_event *e)
{
	m->live[index_of(m, r)] = true;
	enable(m, r, runner_event_is_true(e));
}

/* Enables the remote devices that no event has named. */
static void
enable_by_configuration(struct master *m)
{
	for (size_t i = 0; i < m->conf.count; i++)
		if (!m->live[i] && remote_conf(m->remotes[i])->enabled)
			enable(m, m->remotes[i], true);
}

/* The fault in a write, or NULL. */
static const char *
write_fault(const struct remote *r, const struct conf_data *d, const struct json *value)
{
	if (!r)
		return "UNKNOWN_DEVICE";
	if (!d)
		return "UNKNOWN_DATA";
	if (d->type != MODBUS_COIL && d->type != MODBUS_HOLDING_REGISTER)
		return "NOT_WRITABLE";
	return value ? NULL : "INVALID_DATA_VALUE";
}

/* Queues a write, or answers what is wrong with it. unit: as the event has it. */
static void
take_write(struct master *m, struct remote *r, const char *unit, const char *name,
    const struct json *root, const char *request_id)
{
	const struct conf_data *d = r ? remote_find(r, name) : NULL;
	const struct json *value = json_get(root, "value");
	const char *fault = write_fault(r, d, value);
	struct remote_written refused = { .request_id = request_id, .result = fault };

	if (fault) {
		limit_warning(
		    &m->bad_writes, "write of %s to device %s refused: %s", name, unit, fault);
		master_events_written(&m->events, unit, name, &refused);
		return;
	}
	remote_add_write(r, d, request_id, value, monotime_now());
	if (m->state != MASTER_CONNECTED)
		expire_writes(m);
}

static void
on_write(struct master *m, struct remote *r, const char *unit, const char *name,
    const struct runner_event *e)
{
	char err[128];
	struct json_doc *doc =
	    e->payload == RUNNER_PAYLOAD_JSON
		? json_parse(e->data, e->len, MAX_PAYLOAD_NODES, err, sizeof(err))
		: NULL;
	const struct json *root = doc ? json_root(doc) : NULL;
	const struct json *id = json_get(root, "request_id");
	struct buffer text;

	buffer_init(&text, MAX_ID_TEXT);
	if (id)
		json_put_tree(&(struct json_writer){ .b = &text }, NULL, id);
	buffer_u8(&text, 0);
	if (id && !buffer_failed(&text))
		take_write(m, r, unit, name, root, (const char *)buffer_data(&text));
	else
		limit_warning(&m->bad_writes,
		    "write of %s to device %s ignored: expected {request_id: any, value: ...}",
		    name, unit);
	buffer_clear(&text);
	json_free(doc);
}

static void
master_on_event(void *device, const struct runner_event *e)
{
	struct master *m = device;

	if (e->type_len < 4 || strcmp(e->type[0], "system") != 0 ||
	    strcmp(e->type[1], "remote_device") != 0) {
		log_debug("ignored an event of an unknown type");
		return;
	}
	struct remote *r = find_remote(m, e->type[2]);
	if (e->type_len == 5 && strcmp(e->type[3], "write") == 0)
		on_write(m, r, e->type[2], e->type[4], e);
	else if (!r)
		log_debug("ignored an event for a remote device that is not configured");
	else if (e->type_len == 4 && strcmp(e->type[3], "enable") == 0)
		on_enable(m, r, e);
	else
		log_debug("ignored an event of an unknown type");
	pump(m);
}

static void
on_enabled_result(void *arg, const struct runner_event *e)
{
	struct master *m = arg;

	if (m->state != MASTER_QUERYING)
		return;
	if (!e) {
		enable_by_configuration(m);
		m->state = MASTER_CONNECTING;
		endpoint_start(&m->endpoint);
		return;
	}
	struct remote *r = e->type_len == 4 ? find_remote(m, e->type[2]) : NULL;
	if (r && !m->live[index_of(m, r)])
		on_enable(m, r, e);
}

static void
master_on_credit(void *device)
{
	pump(device);
}

/* --- Life --- */

static void
master_free(void *device)
{
	struct master *m = device;

	if (!m)
		return;
	for (size_t i = 0; m->remotes && i < m->conf.count; i++)
		remote_free(m->remotes[i]);
	free(m->remotes);
	free(m->live);
	free(m->limited);
	free(m->healths);
	free(m->late_answers);
	line_clear(&m->line);
	frames_close(&m->frames);
	tty_alarm_free(m->alarm);
	conf_master_clear(&m->conf);
	free(m);
}

static void
make_endpoint(struct master *m)
{
	const struct conf_transport *t = &m->conf.transport;
	struct endpoint_conf conf = {
		.resource = t->serial ? runner_plan_tty(m->runner, t->tty.path)
				      : runner_plan_connect(m->runner, t->host, t->port),
		.tty = t->serial ? &t->tty : NULL,
		.delay_ns = m->conf.connect_delay_ns,
		.lived_ns = 1, /* a connection has lived when it has answered */
		.timeout_ns = m->conf.connect_timeout_ns,
	};

	endpoint_init(&m->endpoint, m->runner, &conf, &endpoint_ops, m);
}

static void
make_counters(struct master *m)
{
	m->requests = runner_counter(m->runner, "requests");
	m->timeouts = runner_counter(m->runner, "timeouts");
	m->late = runner_counter(m->runner, "late_answers");
	m->bad = runner_counter(m->runner, "bad_bytes");
	m->connects = runner_counter(m->runner, "connects");
	master_events_init(&m->events, m->runner);
}

static void
make_client(struct master *m)
{
	const struct conf_master *c = &m->conf;
	struct client_conf conf = {
		.framing = c->transport.framing,
		.zero_ids = c->zero_ids,
		.timeout_ns = c->request_timeout_ns,
		.delay_ns = c->request_delay_ns,
		.silence_ns = c->transport.silence_ns,
		.char_ns = c->transport.serial ? tty_char_ns(&c->transport.tty) : 0,
	};

	if (conf.framing != MODBUS_TCP || conf.zero_ids)
		conf.late = m->late_answers =
		    runner_alloc(m->runner, CLIENT_UNITS, sizeof(*conf.late));
	client_init(&m->client, &conf, &client_ops, m);
}

static void *
master_create(struct runner *r, const struct json *conf)
{
	struct master *m = runner_alloc(r, 1, sizeof(*m));

	m->runner = r;
	m->loop = runner_loop(r);
	line_init(&m->line, m->loop, MAX_PENDING, &line_ops, m);
	if (conf_master_load(&m->conf, r, conf) < 0) {
		master_free(m);
		return NULL;
	}
	m->remotes = calloc(m->conf.count + 1, sizeof(*m->remotes));
	m->live = calloc(m->conf.count + 1, sizeof(*m->live));
	m->limited = calloc(m->conf.count + 1, sizeof(*m->limited));
	m->healths = calloc(m->conf.count + 1, sizeof(*m->healths));
	if (!m->remotes || !m->live || !m->limited || !m->healths)
		runner_fail(r, "out of memory");
	for (size_t i = 0; i < m->conf.count; i++) {
		m->healths[i] = health_add(r, "device %u", m->conf.remotes[i].unit);
		health_off(m->healths[i], "disabled");
	}
	for (size_t i = 0; i < m->conf.count; i++)
		if (!(m->remotes[i] = remote_new(
			  &m->conf, &m->conf.remotes[i], &master_events_remote, &m->events)))
			runner_fail(r, "out of memory");
	make_endpoint(m);
	make_counters(m);
	make_client(m);
	frames_init(&m->frames, r, &m->conf.transport, MODBUS_RESPONSE);
	sched_init(&m->sched, m->remotes, m->conf.count);
	ev_init(&m->pause, on_pause_over);
	ev_init(&m->wake, on_wake_timer);
	m->pause.data = m;
	m->wake.data = m;
	if (m->conf.transport.serial && !(m->alarm = tty_alarm_new(m->loop, on_wake, m)))
		runner_fail(r, "out of memory");
	return m;
}

static void
master_start(void *device)
{
	static const struct runner_type enables = { { "system", "remote_device", "?", "enable" },
		4 };
	struct master *m = device;

	runner_ready(m->runner);
	m->state = MASTER_QUERYING;
	runner_query(m->runner, &enables, 1, on_enabled_result, m);
}

static void
master_stop(void *device)
{
	struct master *m = device;

	ev_timer_stop(m->loop, &m->pause);
	ev_timer_stop(m->loop, &m->wake);
	m->state = MASTER_IDLE;
	line_close(&m->line);
	frames_close(&m->frames);
	for (size_t i = 0; i < m->conf.count; i++) {
		remote_refuse_writes(m->remotes[i], "NOT_CONNECTED");
		remote_offline(m->remotes[i], (struct remote_loss){ 0 }, monotime_now());
	}
	endpoint_stop(&m->endpoint);
}

static bool
master_describe_data(void *device, struct describe *d, size_t i)
{
	return describe_master_data(&((struct master *)device)->conf, d, i);
}

const struct runner_device master_device = {
	.type = "modbus_master",
	.schema = &conf_master_schema,
	.create = master_create,
	.describe = describe_master,
	.describe_data = master_describe_data,
	.start = master_start,
	.on_event = master_on_event,
	.on_credit = master_on_credit,
	.stop = master_stop,
	.free = master_free,
};
