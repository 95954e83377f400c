/*
 * snmp_manager (gateway-snmp(7)), a device in a runner process: polls one agent, makes events of
 * what changes, reads and writes what system events ask for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/report/trace.h"
#include "device-runners/snmp/asked.h"
#include "device-runners/snmp/snmp_conf_manager.h"
#include "device-runners/snmp/describe.h"
#include "device-runners/snmp/snmp.h"
#include "device-runners/snmp/value.h"
#include "protocols/snmp/text.h"

enum {
	MANAGER_BURST = 64, /* datagrams that are read before a time-out is believed */
	MANAGER_NODES = 100000,
	POLL_SLOTS = 1, /* requests of the agent that are kept for polling */
};

enum manager_state { MANAGER_IDLE, MANAGER_OPENING, MANAGER_OPEN, MANAGER_WAITING };

struct manager {
	struct runner *runner;
	struct ev_loop *loop;
	struct snmp_conf_manager conf;
	struct agent agent;
	struct trace trace;
	struct asked_queue asked;
	enum manager_state state;
	const char *status; /* of the last event; NULL: none yet */
	int resource, fd;
	uint32_t open_id;
	bool polling; /* a GET of the polling is under way */
	bool cycle_due;
	ev_io io;
	ev_timer wake; /* the agent's */
	ev_timer life; /* the next attempt, or the next cycle */
	struct limit event_limit;
	struct health_end *health;
	struct monotime sent_at;
	uint64_t *requests, *timeouts, *strangers, *bad, *wrong_digests, *not_in_time, *reports,
	    *refused, *connects;
};

static void connect_now(struct manager *m);
static void pump(struct manager *m);

static void
set_status(struct manager *m, const char *status, const char *link)
{
	static const char *const type[] = { "gateway", "status" };

	if (m->status && strcmp(m->status, status) == 0)
		return;
	json_put_str(runner_payload(m->runner), NULL, status);
	runner_register_payload(m->runner, type, 2, NULL);
	runner_set_link(m->runner, link);
	m->status = status;
}

static void
set_timer(struct manager *m, ev_timer *w, int64_t ns)
{
	ev_timer_stop(m->loop, w);
	ev_now_update(m->loop);
	ev_timer_set(w, ns > 0 ? (double)ns * 1e-9 : 0., 0.);
	ev_timer_start(m->loop, w);
}

/* The timer may be early, which costs a turn of the loop; setting it for each request costs more.
 */
static void
arm(struct manager *m)
{
	struct monotime due = agent_deadline(&m->agent), now = monotime_now();

	if (due.ns == INT64_MAX)
		return;
	double in = (double)(due.ns - now.ns) * 1e-9;
	if (ev_is_active(&m->wake) && ev_timer_remaining(m->loop, &m->wake) <= in)
		return;
	set_timer(m, &m->wake, due.ns - now.ns);
}

static void
copy_counts(struct manager *m)
{
	const struct agent_counts *c = &m->agent.counts;

	*m->requests = c->requests;
	*m->timeouts = c->timeouts;
	*m->strangers = c->strangers;
	*m->bad = c->bad;
	*m->wrong_digests = c->wrong_digests;
	*m->not_in_time = c->not_in_time;
	*m->reports = c->reports;
}

/* --- Answers to the Event Server --- */

static void
register_read(struct manager *m, const char *oid, const char *session_id, size_t session_len,
    const char *cause, const struct answer_value *value, bool hex)
{
	const char *const type[] = { "gateway", "read", oid };
	struct json_writer *w = runner_payload(m->runner);

	json_begin_object(w, NULL);
	if (session_id)
		json_put_raw(w, "session_id", session_id, session_len);
	else
		json_put_null(w, "session_id");
	json_put_str(w, "cause", cause);
	answer_put(w, "data", value, hex, m->conf.agent.version);
	json_end_object(w);
	runner_register_payload(m->runner, type, 3, NULL);
}

static void
register_write(
    struct manager *m, const char *oid, const char *session_id, size_t session_len, bool success)
{
	const char *const type[] = { "gateway", "write", oid };
	struct json_writer *w = runner_payload(m->runner);

	json_begin_object(w, NULL);
	json_put_raw(w, "session_id", session_id, session_len);
	json_put_bool(w, "success", success);
	json_end_object(w);
	runner_register_payload(m->runner, type, 3, NULL);
}

static void
answer_asked(struct manager *m, struct asked *a, const struct agent_answer *answer)
{
	enum snmp_version version = m->conf.agent.version;

	if (a->write) {
		register_write(m, a->text, a->session_id, a->session_len,
		    answer_is_success(answer, &a->oid, version));
	} else {
		struct answer_value v = answer_read(answer, &a->oid, version);
		register_read(m, a->text, a->session_id, a->session_len, "REQUESTED", &v,
		    snmp_conf_oids_has(&m->conf.hex, a->oid.octets, a->oid.len));
	}
	asked_remove(&m->asked, a);
}

/* A request that can not be asked is answered all the same. */
static void
refuse(struct manager *m, bool write, const char *oid, const struct buffer *session_id,
    const char *why)
{
	struct answer_value v = { .error = "GEN_ERR" };
	const char *id = (const char *)buffer_data(session_id);

	++*m->refused;
	limit_warning(&m->event_limit, "%s of %s refused: %s", write ? "write" : "read", oid, why);
	if (session_id->len == 0)
		return;
	if (write)
		register_write(m, oid, id, session_id->len, false);
	else
		register_read(m, oid, id, session_id->len, "REQUESTED", &v, false);
}

/* --- The connection --- */

static void
wait_and_connect(struct manager *m, int64_t ns)
{
	set_status(m, "DISCONNECTED", "disconnected");
	m->state = MANAGER_WAITING;
	set_timer(m, &m->life, ns);
}

static void
close_socket(struct manager *m)
{
	static const struct agent_answer closed = { .result = AGENT_CLOSED };

	ev_io_stop(m->loop, &m->io);
	ev_timer_stop(m->loop, &m->wake);
	ev_timer_stop(m->loop, &m->life);
	fd_close(m->fd);
	m->fd = -1;
	agent_close(&m->agent);
	while (m->asked.first)
		answer_asked(m, m->asked.first, &closed);
	m->polling = m->cycle_due = false;
	poll_reset(&m->conf.poll);
}

/* remedy: "" none. */
static void
lose(struct manager *m, const char *why, const char *remedy)
{
	bool was_connected = m->status && strcmp(m->status, "CONNECTED") == 0;

	health_down(m->health, "%s%s", why, remedy);
	close_socket(m);
	wait_and_connect(m, was_connected ? 0 : m->conf.connect_delay_ns);
}

static void
agent_sends(void *arg, const uint8_t *data, size_t len)
{
	struct manager *m = arg;

	m->sent_at = monotime_now();
	health_sent(m->health, len);
	trace_frame(&m->trace, TRACE_TX, data, len);
	/* An agent that is not there (ECONNREFUSED) may be soon: the time-out decides. */
	if (send(m->fd, data, len, MSG_NOSIGNAL) < 0)
		log_debug("send: %s", strerror(errno));
}

static void
on_up(void *arg)
{
	struct manager *m = arg;

	++*m->connects;
	m->cycle_due = true;
}

static void
on_unknown(void *arg)
{
	lose(arg, "no answer to the question for its engine",
	    remedy_text(REMEDY_SNMP, REMEDY_SNMP_NO_ENGINE));
}

static void
on_news(
    void *arg, const struct poll_item *item, const char *cause, const struct answer_value *value)
{
	register_read(arg, item->text, NULL, 0, cause, value, item->hex);
}

static void
on_polled(struct manager *m, const struct agent_answer *answer)
{
	const char *why = answer_closes(answer, poll_oid(&m->conf.poll));

	m->polling = false;
	if (answer->result == AGENT_CLOSED)
		return;
	if (why) {
		lose(m, why, answer_remedy(answer, m->conf.agent.version));
		return;
	}
	set_status(m, "CONNECTED", "connected");
	if (answer->result == AGENT_REPORT)
		health_error(m->health, "the agent refuses the user's requests: %s%s",
		    value_report(answer->report), answer_remedy(answer, m->conf.agent.version));
	else
		health_answered(m->health, monotime_now().ns - m->sent_at.ns, 0);
	if (!poll_answered(&m->conf.poll, answer, m->conf.agent.version, on_news, m)) {
		m->cycle_due = true;
		return;
	}
	set_timer(m, &m->life, m->conf.polling_delay_ns);
}

static void
on_done(void *arg, void *owner, const struct agent_answer *answer)
{
	struct manager *m = arg;
	struct asked *a = owner;

	if (owner == &m->conf.poll) {
		on_polled(m, answer);
		return;
	}
	bool lost = !a->write && answer->result == AGENT_TIMEOUT;
	answer_asked(m, a, answer);
	if (lost)
		lose(m, "no answer", answer_remedy(answer, m->conf.agent.version));
}

static const struct agent_ops agent_ops = {
	.send = agent_sends,
	.on_up = on_up,
	.on_unknown = on_unknown,
	.on_done = on_done,
};

/* --- Sending --- */

static void
poll_now(struct manager *m)
{
	static uint8_t bindings[POLL_MAX_OIDS * (BER_OID_MAX + 16)];
	size_t len = poll_next(&m->conf.poll, bindings, sizeof(bindings));

	m->cycle_due = false;
	m->polling = agent_ask(&m->agent, SNMP_GET, bindings, len, &m->conf.poll, monotime_now());
	if (!m->polling)
		lose(m, "a request that does not fit a datagram", "");
}

static size_t
under_way(const struct manager *m)
{
	size_t n = 0;

	for (size_t i = 0; i < AGENT_MAX_REQUESTS; i++)
		n += m->agent.requests[i].owner != NULL;
	return n;
}

static void
ask_asked(struct manager *m)
{
	static const struct agent_answer none = { .result = AGENT_CLOSED };
	struct asked *a;

	while (under_way(m) < AGENT_MAX_REQUESTS - POLL_SLOTS && (a = asked_next(&m->asked))) {
		a->sent = agent_ask(&m->agent, a->write ? SNMP_SET : SNMP_GET, a->bindings, a->len,
		    a, monotime_now());
		if (!a->sent)
			answer_asked(m, a, &none);
	}
}

/* Asks what is to be asked, and sets the timer for what is next. */
static void
pump(struct manager *m)
{
	/* Answers pile up here while there is no way to the Event Server. */
	if (m->state == MANAGER_OPEN && m->agent.state == AGENT_UP &&
	    !runner_congested(m->runner)) {
		ask_asked(m);
		if (m->cycle_due && !m->polling)
			poll_now(m);
	}
	if (m->state == MANAGER_OPEN)
		arm(m);
	copy_counts(m);
}

/* --- Receiving --- */

/* One datagram; false where there is none. */
static bool
receive_one(struct manager *m)
{
	static uint8_t data[SNMP_MAX_DATAGRAM + 1];
	ssize_t n = recv(m->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0) {
		/* An error of an earlier datagram, as ECONNREFUSED, is no answer. */
		if (errno != EAGAIN)
			log_debug("receive: %s", strerror(errno));
		return errno != EAGAIN && errno != EBADF;
	}
	health_received(m->health, (size_t)n);
	trace_frame(&m->trace, TRACE_RX, data, (size_t)n);
	agent_receive(&m->agent, data, (size_t)n, monotime_now());
	return true;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct manager *m = w->data;

	(void)loop, (void)events;
	receive_one(m);
	pump(m);
}

/* An answer that is there came in time. */
static void
on_wake(struct ev_loop *loop, ev_timer *w, int events)
{
	struct manager *m = w->data;

	(void)loop, (void)events;
	for (int i = 0; i < MANAGER_BURST && m->state == MANAGER_OPEN; i++)
		if (!receive_one(m))
			break;
	if (m->state == MANAGER_OPEN)
		agent_tick(&m->agent, monotime_now());
	pump(m);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct manager *m = arg;

	m->open_id = 0;
	if (fd < 0) {
		lose(m, why ? why : strerror(error), "");
		return;
	}
	m->fd = fd;
	m->state = MANAGER_OPEN;
	ev_io_set(&m->io, fd, EV_READ);
	ev_io_start(m->loop, &m->io);
	trace_set_socket(&m->trace, fd);
	agent_open(&m->agent, monotime_now());
	pump(m);
}

static void
connect_now(struct manager *m)
{
	set_status(m, "CONNECTING", "connecting");
	m->state = MANAGER_OPENING;
	m->open_id = runner_open(m->runner, m->resource, on_opened, m);
}

static void
on_life(struct ev_loop *loop, ev_timer *w, int events)
{
	struct manager *m = w->data;

	(void)loop, (void)events;
	if (m->state == MANAGER_WAITING) {
		connect_now(m);
		return;
	}
	m->cycle_due = true;
	pump(m);
}

/* --- Events that come in --- */

/* The content of the one VarBind; 0 with a text in *why. */
static size_t
make_binding(uint8_t *out, size_t size, bool write, const struct ber_oid *oid,
    const struct json *data, enum snmp_version version, const char **why)
{
	static uint8_t value[SNMP_MAX_DATAGRAM];
	struct ber_writer w;
	size_t len = write ? value_encode(value, sizeof(value), data, version, why) : 0;

	if (write && len == 0)
		return 0;
	ber_writer_init(&w, out, size);
	snmp_binding_put(&w, oid, write ? value : NULL, len);
	*why = "the value is too long";
	return ber_writer_done(&w);
}

static void
ask(struct manager *m, bool write, const char *text, const struct json *payload,
    const struct buffer *session_id)
{
	static uint8_t binding[SNMP_MAX_DATAGRAM];
	const char *why = NULL;
	struct ber_oid oid;
	size_t len = 0;

	if (!ber_oid_parse(&oid, text))
		why = "no object identifier";
	else if (session_id->len == 0)
		why = "expected an object with session_id";
	else
		len = make_binding(binding, sizeof(binding), write, &oid, json_get(payload, "data"),
		    m->conf.agent.version, &why);
	if (len == 0)
		refuse(m, write, text, session_id, why);
	else if (m->state != MANAGER_OPEN || m->agent.state != AGENT_UP)
		refuse(m, write, text, session_id, "not connected");
	else if (!asked_add(&m->asked, write, &oid, text, session_id, binding, len))
		refuse(m, write, text, session_id, "too many requests wait");
}

static void
manager_on_event(void *device, const struct runner_event *e)
{
	struct manager *m = device;
	struct buffer session_id;
	char err[128];

	if (e->type_len != 3 || strcmp(e->type[0], "system") != 0 ||
	    (strcmp(e->type[1], "read") != 0 && strcmp(e->type[1], "write") != 0)) {
		log_debug("an event of an unknown type was ignored");
		return;
	}
	struct json_doc *doc = e->payload == RUNNER_PAYLOAD_JSON
				   ? json_parse(e->data, e->len, MANAGER_NODES, err, sizeof(err))
				   : NULL;
	const struct json *payload = doc ? json_root(doc) : NULL;
	const struct json *id = json_get(payload, "session_id");
	buffer_init(&session_id, SNMP_MAX_DATAGRAM);
	if (id)
		json_put_tree(&(struct json_writer){ .b = &session_id }, NULL, id);
	ask(m, e->type[1][0] == 'w', e->type[2], payload, &session_id);
	buffer_clear(&session_id);
	json_free(doc);
	pump(m);
}

static void
manager_on_credit(void *device)
{
	pump(device);
}

/* --- Life --- */

static void
manager_start(void *device)
{
	struct manager *m = device;

	runner_ready(m->runner);
	connect_now(m);
}

static void
manager_stop(void *device)
{
	struct manager *m = device;

	runner_cancel(m->runner, m->open_id);
	m->state = MANAGER_IDLE;
	close_socket(m);
	copy_counts(m);
	set_status(m, "DISCONNECTED", "disconnected");
}

static void
manager_free(void *device)
{
	struct manager *m = device;

	if (!m)
		return;
	snmp_conf_manager_clear(&m->conf);
	free(m);
}

static void
make_counters(struct manager *m)
{
	m->requests = runner_counter(m->runner, "requests");
	m->timeouts = runner_counter(m->runner, "timeouts");
	m->strangers = runner_counter(m->runner, "unexpected_messages");
	m->bad = runner_counter(m->runner, "bad_messages");
	m->wrong_digests = runner_counter(m->runner, "wrong_digests");
	m->not_in_time = runner_counter(m->runner, "not_in_time_window");
	m->reports = runner_counter(m->runner, "reports");
	m->refused = runner_counter(m->runner, "refused");
	m->connects = runner_counter(m->runner, "connects");
}

/* An encrypted message is shown as it is, and then what it says. */
static void
describe_exchange(struct textbuf *out, const void *arg, enum trace_direction dir,
    const uint8_t *frame, size_t len)
{
	static struct snmp_pdu pdu;
	const struct manager *m = arg;

	describe_frame(out, NULL, dir, frame, len);
	if (!agent_peek(&m->agent, frame, len, &pdu))
		return;
	textbuf_add(out, ": ");
	snmp_pdu_text(out, &pdu);
}

static void *
manager_create(struct runner *r, const struct json *conf)
{
	struct manager *m = runner_alloc(r, 1, sizeof(*m));

	m->runner = r;
	m->loop = runner_loop(r);
	m->fd = -1;
	if (snmp_conf_manager_load(&m->conf, r, conf) < 0) {
		manager_free(m);
		return NULL;
	}
	trace_init(&m->trace, r, "snmp", false, describe_exchange, m);
	asked_init(&m->asked);
	make_counters(m);
	agent_init(&m->agent, &m->conf.agent, &agent_ops, m, snmp_conf_chance());
	m->health = health_add(r, "agent %s:%u", m->conf.host, (unsigned)m->conf.port);
	m->resource = runner_plan_udp(r, m->conf.host, m->conf.port);
	ev_init(&m->io, on_readable);
	ev_init(&m->wake, on_wake);
	ev_init(&m->life, on_life);
	m->io.data = m->wake.data = m->life.data = m;
	return m;
}

/* The polled objects, then any object. */
static bool
manager_describe_data(void *device, struct describe *d, size_t i)
{
	const struct poll *p = &((struct manager *)device)->conf.poll;

	if (i <= p->count)
		describe_object(d, i < p->count ? p->items[i].text : "?");
	return i <= p->count;
}

const struct runner_device snmp_manager_device = {
	.type = "snmp_manager",
	.schema = &snmp_conf_manager_schema,
	.create = manager_create,
	.describe = describe_manager,
	.describe_data = manager_describe_data,
	.start = manager_start,
	.on_event = manager_on_event,
	.on_credit = manager_on_credit,
	.stop = manager_stop,
	.free = manager_free,
};
