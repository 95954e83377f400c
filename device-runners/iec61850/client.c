/*
 * iec61850_client (gateway-iec61850(7)), a device in a runner process: keeps an association with
 * one server, sets its reports up, makes events of them, and sends commands and changes.
 */
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec61850/describe.h"
#include "device-runners/iec61850/iec61850.h"
#include "device-runners/iec61850/requests.h"
#include "device-runners/iec61850/setup.h"
#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/report/trace.h"
#include "device-runners/runtime/stream.h"
#include "protocols/mms/text.h"

enum {
	CLIENT_READ = 16 * 1024, /* octets a read */
	CLIENT_READS = 8,	 /* in one turn of the loop */
	CLIENT_MAX_OUT = 1024 * 1024,
	CLIENT_QUERY = 64, /* types that one query asks for */
	TPKT_HEADER = 4,
	TPKT_VERSION = 3,
};

struct client {
	struct runner *runner;
	struct ev_loop *loop;
	struct conf conf;
	struct endpoint endpoint;
	struct health_end *health;
	struct stream stream;
	struct buffer in;
	size_t traced; /* octets of the stream's output that were traced */
	struct trace trace;
	struct mms_client *mms;
	struct setup setup;
	struct reports *reports;
	struct requests *requests;
	ev_timer timer;
	size_t asked_for; /* EntryIDs, of report control blocks before this one */
	bool paused;
	struct limit info_limit, event_limit;
	uint64_t *connects;
};

/* --- What is said --- */

static void
show(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	(void)arg, (void)dir;
	mms_frame_text(out, p, len);
}

/* Octets of the whole frame that p begins with; 0: more are needed. What is no TPKT is one frame.
 */
static size_t
frame(const uint8_t *p, size_t len)
{
	if (len > 0 && p[0] != TPKT_VERSION)
		return len;
	size_t size = len < TPKT_HEADER ? TPKT_HEADER : (size_t)p[2] << 8 | p[3];
	if (size < TPKT_HEADER)
		return len;
	return size <= len ? size : 0;
}

/* Traces the frames that were appended to the output, and writes it. */
static void
flush(struct client *c)
{
	struct buffer *out = stream_out(&c->stream);
	size_t size;

	if (out->len > c->traced)
		health_sent(c->health, out->len - c->traced);
	while (c->traced < out->len &&
	       (size = frame(buffer_data(out) + c->traced, out->len - c->traced))) {
		trace_frame(&c->trace, TRACE_TX, buffer_data(out) + c->traced, size);
		c->traced += size;
	}
	stream_flush(&c->stream);
	c->traced = out->len;
}

static void
arm(struct client *c)
{
	struct monotime now = monotime_now();
	int64_t due[] = { c->paused ? -1 : mms_client_due(c->mms, now),
		requests_due(c->requests, now) };
	int64_t least = -1;

	for (int i = 0; i < 2; i++)
		if (due[i] >= 0 && (least < 0 || due[i] < least))
			least = due[i];
	ev_timer_stop(c->loop, &c->timer);
	if (least < 0)
		return;
	ev_now_update(c->loop);
	ev_timer_set(&c->timer, (double)least / 1000, 0.);
	ev_timer_start(c->loop, &c->timer);
}

/* --- What happened --- */

static void
ended(struct client *c, const char *why)
{
	bool answered = c->setup.state == SETUP_DONE;

	flush(c);
	stream_close(&c->stream);
	setup_stop(&c->setup);
	requests_lost(c->requests);
	endpoint_lost(&c->endpoint, answered, why);
}

static void
on_result(struct client *c, const struct mms_result *r, struct monotime now)
{
	if (r->outcome == MMS_TIMED_OUT)
		health_timeout(c->health, "no answer to %s", mms_service_name(r->service));
	else if (r->outcome != MMS_LOST)
		health_answered(c->health, 0, 0);
	if (r->tag == SETUP_TAG)
		setup_result(&c->setup, r);
	else if (r->tag == REQUESTS_TAG)
		requests_result(c->requests, r, now);
}

static void
take(struct client *c, const struct mms_event *e, struct monotime now)
{
	switch (e->kind) {
	case MMS_EVENT_ASSOCIATED:
		endpoint_usable(&c->endpoint);
		setup_start(&c->setup);
		break;
	case MMS_EVENT_RESULT:
		on_result(c, &e->result, now);
		break;
	case MMS_EVENT_REPORT:
		if (!reports_take(c->reports, &e->report, now) &&
		    !requests_report(c->requests, &e->report))
			log_debug("a report of an unknown kind was ignored");
		break;
	case MMS_EVENT_ENDED:
		ended(c, e->why);
		break;
	}
}

static void
drain(struct client *c, struct monotime now)
{
	struct mms_event e;

	while (mms_client_next(c->mms, &e))
		take(c, &e, now);
}

/* Sends what may be sent, and sets the timer. */
static void
pump(struct client *c)
{
	struct monotime now = monotime_now();

	drain(c, now);
	enum setup_state before = c->setup.state;
	setup_pump(&c->setup, now);
	if (c->setup.state == SETUP_FAILED) {
		mms_client_abort(c->mms, c->setup.why);
		drain(c, now);
	} else if (c->setup.state == SETUP_DONE && before != SETUP_DONE) {
		limit_info(&c->info_limit, "%zu report control block%s set up", c->conf.rcb_count,
		    LOG_PLURAL(c->conf.rcb_count));
	}
	requests_pump(c->requests, now);
	if (stream_is_open(&c->stream))
		flush(c);
	arm(c);
}

/* --- The connection --- */

static void
on_closed(void *arg, const char *why)
{
	struct client *c = arg;

	mms_client_lost(c->mms, why);
	pump(c);
}

static void
on_opened(void *arg, int address, int fd)
{
	struct client *c = arg;

	(void)address;
	c->traced = 0;
	c->paused = false;
	buffer_reset(&c->in);
	reports_reset(c->reports);
	trace_set_socket(&c->trace, fd);
	stream_open(&c->stream, fd, NULL, NULL);
}

static void
on_status(void *arg, enum connection_status status, int fd)
{
	struct client *c = arg;

	(void)fd;
	connection_tell(c->runner, status);
	if (status != CONNECTION_CONNECTED)
		return;
	++*c->connects;
	limit_info(&c->info_limit, "connected to %s", c->conf.host);
}

static void
on_ready(void *arg)
{
	struct client *c = arg;

	mms_client_start(c->mms, stream_out(&c->stream), monotime_now());
	pump(c);
}

/* Hands the whole frames that were read on. */
static void
serve(struct client *c)
{
	size_t size;

	while (stream_is_open(&c->stream) && c->in.len &&
	       (size = frame(buffer_data(&c->in), c->in.len))) {
		struct monotime now = monotime_now();
		trace_frame(&c->trace, TRACE_RX, buffer_data(&c->in), size);
		mms_client_feed(c->mms, buffer_data(&c->in), size, now);
		buffer_consume(&c->in, size);
		drain(c, now);
	}
}

static void
read_some(struct client *c)
{
	for (int i = 0; i < CLIENT_READS && stream_is_open(&c->stream); i++) {
		size_t n = stream_read_buffer(&c->stream, &c->in, CLIENT_READ);
		if (n == 0)
			break;
		health_received(c->health, n);
		serve(c);
	}
}

static void
on_readable(void *arg)
{
	struct client *c = arg;

	read_some(c);
	/* The server waits while nobody takes the events. */
	if (stream_is_open(&c->stream) && runner_congested(c->runner)) {
		c->paused = true;
		stream_pause(&c->stream, true);
	}
	pump(c);
}

static const struct stream_ops stream_ops = {
	.ready = on_ready,
	.readable = on_readable,
	.closed = on_closed,
};

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct client *c = w->data;

	(void)loop, (void)revents;
	if (!c->paused) {
		read_some(c); /* an answer that is already there counts */
		mms_client_tick(c->mms, monotime_now());
	}
	requests_tick(c->requests, monotime_now());
	pump(c);
}

static void
client_on_credit(void *device)
{
	struct client *c = device;

	if (!c->paused || runner_congested(c->runner))
		return;
	c->paused = false;
	if (!stream_is_open(&c->stream))
		return;
	stream_pause(&c->stream, false);
	on_readable(c);
}

/* The association has a time-out of its own, which is the same. */
static void
on_late(void *arg)
{
	struct client *c = arg;

	read_some(c);
	if (endpoint_status(&c->endpoint) == CONNECTION_CONNECTED || !stream_is_open(&c->stream)) {
		pump(c);
		return;
	}
	mms_client_abort(c->mms, "no association within connect_timeout");
	pump(c);
}

static const struct endpoint_ops endpoint_ops = {
	.status = on_status,
	.opened = on_opened,
	.late = on_late,
};

/* --- Events --- */

static void
client_on_event(void *device, const struct runner_event *event)
{
	struct client *c = device;

	if (event->type_len < 2 || strcmp(event->type[0], "system") != 0 ||
	    strcmp(event->type[1], "enable") == 0)
		return;
	if (event->type_len != 3 ||
	    (strcmp(event->type[1], "command") != 0 && strcmp(event->type[1], "change") != 0)) {
		limit_warning(&c->event_limit, "unknown event system/%s ignored", event->type[1]);
		return;
	}
	requests_event(c->requests, event);
	pump(c);
}

/* --- Life --- */

static void ask_entry_ids(struct client *c);

static void
on_entry_id(void *arg, const struct runner_event *event)
{
	struct client *c = arg;
	char err[64];

	if (!event) {
		ask_entry_ids(c);
		return;
	}
	if (event->type_len != 3 || event->payload != RUNNER_PAYLOAD_JSON)
		return;
	struct json_doc *doc = json_parse(event->data, event->len, 10, err, sizeof(err));
	const char *hex = doc ? json_str(json_root(doc)) : NULL;
	if (hex)
		reports_seed(c->reports, event->type[2], hex);
	json_free(doc);
}

/* Asks for those of the next report control blocks; connects when all are known. */
static void
ask_entry_ids(struct client *c)
{
	struct runner_type types[CLIENT_QUERY];
	size_t n = 0;

	for (; c->asked_for < c->conf.rcb_count && n < CLIENT_QUERY; c->asked_for++)
		if (c->conf.rcbs[c->asked_for].buffered)
			types[n++] = (struct runner_type){ .segments = { "gateway", "entry_id",
							       c->conf.rcbs[c->asked_for].id },
				.len = 3 };
	if (n)
		runner_query(c->runner, types, n, on_entry_id, c);
	else
		endpoint_start(&c->endpoint);
}

static void
client_start(void *device)
{
	struct client *c = device;

	runner_ready(c->runner);
	ask_entry_ids(c);
}

static void
client_stop(void *device)
{
	struct client *c = device;

	ev_timer_stop(c->loop, &c->timer);
	requests_lost(c->requests);
	if (stream_is_open(&c->stream)) {
		/* The answer cannot be waited for. */
		mms_client_conclude(c->mms, monotime_now());
		mms_client_abort(c->mms, "the device stops");
		flush(c);
	}
	stream_close(&c->stream);
	if (endpoint_status(&c->endpoint) == CONNECTION_DISCONNECTED)
		connection_tell(c->runner, CONNECTION_DISCONNECTED);
	endpoint_stop(&c->endpoint);
}

static void
client_free(void *device)
{
	struct client *c = device;

	if (!c)
		return;
	stream_close(&c->stream);
	mms_client_free(c->mms);
	reports_free(c->reports);
	requests_free(c->requests);
	buffer_clear(&c->in);
	conf_clear(&c->conf);
	free(c);
}

static bool
client_describe_data(void *device, struct describe *d, size_t index)
{
	const struct client *c = device;

	return describe_client_data(&c->conf, d, index);
}

static void
prepare(struct client *c)
{
	c->health = health_add(c->runner, "server %s:%u", c->conf.host, (unsigned)c->conf.port);
	const struct endpoint_conf endpoint = {
		.resource = c->conf.address,
		.delay_ns = c->conf.reconnect_ms * INT64_C(1000000),
		.timeout_ns = c->conf.connect_ms * INT64_C(1000000),
		.health = c->health,
	};

	c->mms = mms_client_new(&c->conf.params);
	if (!c->mms)
		runner_fail(c->runner, "out of memory");
	c->reports = reports_new(c->runner, &c->conf);
	c->requests = requests_new(c->runner, &c->conf, c->mms);
	setup_init(&c->setup, &c->conf, c->reports, c->mms);
	endpoint_init(&c->endpoint, c->runner, &endpoint, &endpoint_ops, c);
	c->connects = runner_counter(c->runner, "connections");
}

static void *
client_create(struct runner *r, const struct json *conf)
{
	struct client *c = runner_alloc(r, 1, sizeof(*c));

	c->runner = r;
	c->loop = runner_loop(r);
	stream_init(&c->stream, r, CLIENT_MAX_OUT, &stream_ops, c);
	trace_init(&c->trace, r, "mms", false, show, NULL);
	/* A frame, and what came behind it. */
	buffer_init(&c->in, UINT16_MAX + 2 * CLIENT_READ);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->timer.data = c;
	if (conf_load(&c->conf, r, conf) < 0) {
		client_free(c);
		return NULL;
	}
	prepare(c);
	return c;
}

const struct runner_device iec61850_client_device = {
	.type = "iec61850_client",
	.schema = &conf_schema,
	.create = client_create,
	.describe = describe_client,
	.describe_data = client_describe_data,
	.start = client_start,
	.on_event = client_on_event,
	.on_credit = client_on_credit,
	.stop = client_stop,
	.free = client_free,
};
