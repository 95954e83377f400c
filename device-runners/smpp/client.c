/*
 * smpp_client (gateway-smpp(7)), a device in a runner process: keeps a session
 * with a message centre, sends what system events ask for, and registers how
 * each message ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/remedy.h"
#include "device-runners/runtime/connection.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/report/describe.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/report/trace.h"
#include "device-runners/runtime/stream.h"
#include "device-runners/smpp/conf.h"
#include "device-runners/smpp/smpp.h"
#include "protocols/smpp/outbox.h"
#include "protocols/smpp/pdu_text.h"

enum {
	CLIENT_READ = 20 * 1024, /* octets a read: more than a record of TLS has */
	CLIENT_READS = 8,	 /* in one turn of the loop */
	CLIENT_MAX_OUT = 1024 * 1024,
	CLIENT_LIVED_MS = 10000, /* a session that stood so long earns an immediate reconnect */
	CLIENT_MAX_REQUEST = 32 * 1024, /* octets of a request_id */
	CLIENT_MAX_NODES = 10000,	/* of a payload */
	UDH_OCTETS = 6, /* concatenation with an 8-bit reference, TS 23.040 9.2.3.24.1 */
	UDH_ESM_CLASS = 0x40,
	UDH_PART = 134,	    /* octets of a part behind its header */
	UDH_PART_GSM = 153, /* septets, each in an octet */
	UDH_WHOLE = 140,
	UDH_WHOLE_GSM = 160,
};

struct client {
	struct runner *runner;
	struct ev_loop *loop;
	struct conf_client conf;
	struct tls_set files; /* of TLS */
	struct endpoint endpoint;
	struct health_end *health;
	struct stream stream;
	struct buffer in;
	size_t traced; /* octets of the stream's output that were traced */
	struct trace trace;
	struct smpp_session session;
	struct outbox outbox;
	uint8_t reference; /* of the last message in parts */
	ev_timer timer;
	struct limit info_limit, event_limit, result_limit;
	uint64_t *messages, *sent, *failed, *throttled, *received, *receipts, *connects;
};

/* --- results --- */

static void
register_result(struct client *c, const char *address, const char *request, const char *status,
    struct smpp_str id)
{
	static const char *const type[] = { "gateway", "message" };
	struct json_writer *w = runner_payload(c->runner);

	json_begin_object(w, NULL);
	if (request)
		json_put_raw(w, "request_id", request, strlen(request));
	json_put_str(w, "address", address);
	json_put_bool(w, "success", strcmp(status, "ROK") == 0);
	json_put_str(w, "status", status);
	if (id.p && id.len)
		json_put_strn(w, "message_id", id.p, id.len);
	else
		json_put_null(w, "message_id");
	json_end_object(w);
	runner_register_payload(c->runner, type, 2, NULL);
}

static void
on_result(void *arg, const struct outbox_result *result)
{
	struct client *c = arg;
	char text[16];
	const char *status = result->why ? result->why : smpp_status_name(result->status, text);
	bool done = !result->why && result->status == SMPP_ROK;
	struct smpp_str id = result->id;

	if (id.len > SMPP_MAX_MESSAGE_ID)
		id.len = SMPP_MAX_MESSAGE_ID;
	++*(done ? c->sent : c->failed);
	if (done)
		log_debug("message to %s sent", result->message->address);
	else
		limit_warning(&c->result_limit, "message to %s not sent: %s",
		    result->message->address, status);
	register_result(c, result->message->address, result->message->request, status, id);
}

static void
forget(void *arg, uint64_t tag)
{
	struct client *c = arg;

	smpp_session_forget(&c->session, tag);
}

/* --- what is said --- */

static void
show(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	(void)arg, (void)dir;
	smpp_pdu_text(out, p, len);
}

/* Traces the PDUs that were appended to the output, and writes it. */
static void
flush(struct client *c)
{
	struct buffer *out = stream_out(&c->stream);
	size_t size;
	uint32_t sequence;

	while (c->traced < out->len && smpp_frame(buffer_data(out) + c->traced,
					   out->len - c->traced, &size, &sequence) == DEC_OK) {
		trace_frame(&c->trace, TRACE_TX, buffer_data(out) + c->traced, size);
		c->traced += size;
	}
	stream_flush(&c->stream);
	c->traced = out->len;
}

static bool
is_bound(const struct client *c)
{
	return endpoint_status(&c->endpoint) == CONNECTION_CONNECTED;
}

static void
arm(struct client *c)
{
	struct monotime now = monotime_now();
	int64_t due[] = { outbox_due(&c->outbox, now), -1 }, least = -1;

	if (is_bound(c))
		due[1] = smpp_session_due(&c->session, now);
	for (int i = 0; i < 2; i++)
		if (due[i] >= 0 && (least < 0 || due[i] < least))
			least = due[i];
	ev_timer_stop(c->loop, &c->timer);
	if (least < 0)
		return;
	ev_timer_set(&c->timer, (double)least / 1000, 0.);
	ev_timer_start(c->loop, &c->timer);
}

/* Sends what may be sent, and sets the timer. */
static void
pump(struct client *c)
{
	struct outbox_part_out part;

	while (is_bound(c) && smpp_session_may_submit(&c->session) &&
	       outbox_next(&c->outbox, monotime_now(), &part)) {
		struct smpp_sm sm = c->conf.message;
		sm.destination =
		    (struct smpp_str){ part.message->address, strlen(part.message->address) };
		bool whole = part.message->count == 1;
		if (!whole)
			sm.esm_class |= UDH_ESM_CLASS;
		if (whole && (!c->conf.short_message || part.octets.len > SMPP_MAX_SHORT))
			sm.payload = part.octets;
		else
			sm.text = part.octets;
		health_sent(c->health, part.octets.len);
		smpp_session_submit(&c->session, &sm, part.tag);
	}
	flush(c);
	arm(c);
}

/* --- connection --- */

static void
on_closed(void *arg, const char *why)
{
	struct client *c = arg;

	endpoint_lost(&c->endpoint, true, why);
}

static void
on_opened(void *arg, int address, int fd)
{
	struct client *c = arg;

	(void)address;
	c->traced = 0;
	buffer_reset(&c->in);
	trace_set_socket(&c->trace, fd);
	stream_open(&c->stream, fd, c->conf.tls.ops, tls_set_session(&c->files, fd, c->conf.host));
}

static void
on_status(void *arg, enum connection_status status, int fd)
{
	struct client *c = arg;

	(void)fd;
	connection_tell(c->runner, status);
	if (status == CONNECTION_CONNECTED) {
		++*c->connects;
		limit_info(&c->info_limit, "connected to %s", c->conf.host);
	} else if (status == CONNECTION_DISCONNECTED) {
		outbox_lost(&c->outbox, "CONNECTION_LOST");
		arm(c);
	}
}

static void
on_ready(void *arg)
{
	struct client *c = arg;

	smpp_session_start(&c->session, &c->conf.params, stream_out(&c->stream), monotime_now());
	flush(c);
}

/* The status of a single message says little of the server, except that it is too busy. */
static void
note_answer(struct client *c, uint32_t status)
{
	char text[16];

	if (status == SMPP_RTHROTTLED || status == SMPP_RMSGQFUL)
		health_error(c->health, "%s", smpp_status_name(status, text));
	else if (status != SMPP_ROK)
		health_note_error(c->health, "%s", smpp_status_name(status, text));
	else
		health_answered(c->health, 0, 0);
}

static void
take(struct client *c, const struct smpp_event *e)
{
	char why[256];

	switch (e->kind) {
	case SMPP_ACCEPTED:
		endpoint_usable(&c->endpoint);
		break;
	case SMPP_SUBMITTED:
		note_answer(c, e->status);
		*c->throttled += e->status == SMPP_RTHROTTLED || e->status == SMPP_RMSGQFUL;
		outbox_answer(&c->outbox, e->tag, e->status, e->id, monotime_now());
		break;
	case SMPP_DELIVERED:
		++*(e->receipt ? c->receipts : c->received);
		break;
	case SMPP_ENDED:
		flush(c);
		snprintf(why, sizeof(why), "%s%s", e->why, remedy_text(REMEDY_SMPP, e->status));
		stream_break(&c->stream, why);
		break;
	case SMPP_NOTHING:
		break;
	}
}

/* Serves the whole PDUs that were read. */
static void
serve(struct client *c)
{
	uint32_t sequence = 0;
	size_t size;
	enum dec rc = DEC_MORE;

	while (stream_is_open(&c->stream) &&
	       (rc = smpp_frame(buffer_data(&c->in), c->in.len, &size, &sequence)) == DEC_OK) {
		trace_frame(&c->trace, TRACE_RX, buffer_data(&c->in), size);
		struct smpp_event e =
		    smpp_session_input(&c->session, buffer_data(&c->in), size, monotime_now());
		take(c, &e);
		buffer_consume(&c->in, size);
	}
	if (rc == DEC_BAD && stream_is_open(&c->stream)) {
		struct smpp_event e = smpp_session_bad_frame(&c->session, sequence);
		take(c, &e);
	}
}

static void
on_readable(void *arg)
{
	struct client *c = arg;

	for (int i = 0; i < CLIENT_READS && stream_is_open(&c->stream); i++) {
		size_t n = stream_read_buffer(&c->stream, &c->in, CLIENT_READ);
		if (n == 0)
			break;
		health_received(c->health, n);
		serve(c);
	}
	if (stream_is_open(&c->stream))
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
	if (stream_is_open(&c->stream)) /* an answer that is already there counts */
		on_readable(c);
	struct monotime now = monotime_now();
	outbox_expire(&c->outbox, now);
	if (is_bound(c)) {
		struct smpp_event e = smpp_session_tick(&c->session, now);
		take(c, &e);
		if (stream_is_open(&c->stream))
			pump(c);
	} else {
		arm(c);
	}
}

/* An answer that is already there counts. */
static void
on_late(void *arg)
{
	struct client *c = arg;

	on_readable(c);
	if (is_bound(c))
		return;
	stream_close(&c->stream);
	endpoint_lost(&c->endpoint, false, "no session within connect_timeout");
}

static const struct endpoint_ops endpoint_ops = {
	.status = on_status,
	.opened = on_opened,
	.late = on_late,
};

/* --- messages --- */

/* A text as it goes into the queue. */
struct encoded {
	struct buffer octets;
	size_t parts[TEXT_MAX_PARTS], count;
};

/* Puts a header of concatenation before each part, TS 23.040 9.2.3.24.1. */
static void
add_headers(struct client *c, struct encoded *e, struct buffer *out)
{
	size_t at = 0;

	c->reference++;
	for (size_t i = 0; i < e->count; i++) {
		const uint8_t header[UDH_OCTETS] = { 5, 0, 3, c->reference, (uint8_t)e->count,
			(uint8_t)(i + 1) };
		buffer_append(out, header, sizeof(header));
		buffer_append(out, buffer_data(&e->octets) + at, e->parts[i]);
		at += e->parts[i];
		e->parts[i] += UDH_OCTETS;
	}
}

static enum smpp_text_result
encode_whole(struct client *c, const char *text, struct encoded *e, size_t limit)
{
	buffer_reset(&e->octets);
	return smpp_text_encode(&c->conf.codec, text, limit, 1, &e->octets, e->parts, &e->count);
}

static enum smpp_text_result
encode_parts(struct client *c, const char *text, struct encoded *e)
{
	struct buffer out;

	buffer_reset(&e->octets);
	enum smpp_text_result rc =
	    smpp_text_encode(&c->conf.codec, text, c->conf.codec.gsm ? UDH_PART_GSM : UDH_PART,
		TEXT_MAX_PARTS, &e->octets, e->parts, &e->count);
	if (rc != TEXT_OK)
		return rc;
	buffer_init(&out, e->octets.len + e->count * UDH_OCTETS);
	add_headers(c, e, &out);
	buffer_clear(&e->octets);
	e->octets = out;
	return buffer_failed(&out) ? TEXT_TOO_LONG : TEXT_OK;
}

static enum smpp_text_result
encode(struct client *c, const char *text, struct encoded *e)
{
	bool udh = c->conf.short_message && c->conf.long_messages == LONG_UDH;
	bool payload = !c->conf.short_message || c->conf.long_messages == LONG_PAYLOAD;
	size_t limit = payload			  ? SMPP_MAX_PDU / 2
		       : udh && c->conf.codec.gsm ? UDH_WHOLE_GSM
		       : udh			  ? UDH_WHOLE
						  : SMPP_MAX_SHORT;
	enum smpp_text_result rc = encode_whole(c, text, e, limit);

	return rc == TEXT_TOO_LONG && udh ? encode_parts(c, text, e) : rc;
}

static const char *
put_message(struct client *c, const char *address, const char *text, const char *request)
{
	static const char *const words[] = {
		[TEXT_UNENCODABLE] = "UNENCODABLE", [TEXT_TOO_LONG] = "TOO_LONG"
	};
	static struct encoded e;

	buffer_init(&e.octets, SMPP_MAX_PDU);
	enum smpp_text_result rc = encode(c, text, &e);
	const char *why = rc == TEXT_OK ? NULL : words[rc];
	struct monotime deadline = monotime_add_ms(monotime_now(), c->conf.message_ms);
	if (!why && outbox_put(&c->outbox, address, request, buffer_data(&e.octets), e.parts,
			e.count, deadline) < 0)
		why = "QUEUE_FULL";
	buffer_clear(&e.octets);
	return why;
}

static const char *
check_address(const char *address)
{
	size_t n = address ? strlen(address) : 0;

	if (n == 0 || n > SMPP_MAX_ADDRESS)
		return "INVALID_ADDRESS";
	for (; *address; address++)
		if (*address <= ' ' || *address == 0x7f)
			return "INVALID_ADDRESS";
	return NULL;
}

static void
refuse(struct client *c, const char *address, const char *request, const char *why)
{
	++*c->failed;
	limit_warning(&c->event_limit, "message refused: %s", why);
	register_result(c, address, request, why, (struct smpp_str){ 0 });
}

static void
on_message(struct client *c, const struct json *payload)
{
	const char *address = json_str(json_get(payload, "address"));
	const char *text = json_str(json_get(payload, "message"));
	const struct json *id = json_get(payload, "request_id");
	struct buffer request;
	struct json_writer w = { .b = &request };

	++*c->messages;
	buffer_init(&request, CLIENT_MAX_REQUEST);
	if (id) {
		json_put_tree(&w, NULL, id);
		buffer_u8(&request, 0);
	}
	const char *echo = id && !buffer_failed(&request) ? (char *)buffer_data(&request) : NULL;
	const char *why = check_address(address);
	if (!why && !text)
		why = "INVALID_MESSAGE";
	if (!why)
		why = put_message(c, address, text, echo);
	if (why)
		refuse(c, address, echo, why);
	buffer_clear(&request);
	pump(c);
}

static void
client_on_event(void *device, const struct runner_event *event)
{
	struct client *c = device;
	char err[128];

	if (event->type_len < 2 || strcmp(event->type[0], "system") != 0 ||
	    strcmp(event->type[1], "enable") == 0)
		return;
	if (event->type_len != 2 || strcmp(event->type[1], "message") != 0) {
		limit_warning(&c->event_limit, "unknown event system/%s ignored", event->type[1]);
		return;
	}
	struct json_doc *doc =
	    event->payload == RUNNER_PAYLOAD_JSON
		? json_parse(event->data, event->len, CLIENT_MAX_NODES, err, sizeof(err))
		: NULL;
	on_message(c, doc ? json_root(doc) : NULL);
	json_free(doc);
}

/* --- life --- */

static void
on_files(void *arg)
{
	struct client *c = arg;

	endpoint_start(&c->endpoint);
}

static void
on_renewed(void *arg, struct tls_context *context)
{
	struct client *c = arg;

	stream_check(&c->stream, context);
}

static void
client_check(void *device)
{
	struct client *m = device;

	tls_set_check(&m->files, m->runner, &m->conf.tls);
}

static void
client_start(void *device)
{
	static const struct tls_set_ops ops = { .ready = on_files, .renewed = on_renewed };
	struct client *c = device;

	runner_ready(c->runner);
	tls_set_start(&c->files, c->runner, &c->conf.tls, &ops, c);
}

static void
client_stop(void *device)
{
	struct client *c = device;

	ev_timer_stop(c->loop, &c->timer);
	tls_set_stop(&c->files);
	if (stream_is_open(&c->stream) && is_bound(c)) {
		smpp_session_unbind(&c->session);
		flush(c);
	}
	stream_close(&c->stream);
	outbox_end(&c->outbox, "STOPPED");
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
	outbox_clear(&c->outbox);
	buffer_clear(&c->in);
	tls_set_clear(&c->files);
	conf_client_clear(&c->conf);
	free(c);
}

static void *
client_create(struct runner *r, const struct json *conf)
{
	struct client *c = runner_alloc(r, 1, sizeof(*c));

	c->runner = r;
	c->loop = runner_loop(r);
	stream_init(&c->stream, r, CLIENT_MAX_OUT, &stream_ops, c);
	trace_init(&c->trace, r, "smpp", false, show, NULL);
	buffer_init(&c->in, SMPP_MAX_PDU + CLIENT_READ);
	outbox_init(&c->outbox, on_result, forget, c);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->timer.data = c;
	if (conf_client_load(&c->conf, r, conf) < 0) {
		client_free(c);
		return NULL;
	}
	c->health = health_add(r, "SMSC %s", c->conf.host);
	const struct endpoint_conf endpoint = {
		.resource = c->conf.address,
		.delay_ns = c->conf.reconnect_ms * INT64_C(1000000),
		.lived_ns = CLIENT_LIVED_MS * INT64_C(1000000),
		.timeout_ns = c->conf.connect_ms * INT64_C(1000000),
		.health = c->health,
		.stays_connecting = true,
	};
	endpoint_init(&c->endpoint, r, &endpoint, &endpoint_ops, c);
	c->messages = runner_counter(r, "messages");
	c->sent = runner_counter(r, "sent");
	c->failed = runner_counter(r, "failed");
	c->throttled = runner_counter(r, "throttled");
	c->received = runner_counter(r, "received");
	c->receipts = runner_counter(r, "receipts");
	c->connects = runner_counter(r, "connections");
	return c;
}

static bool
client_describe_data(void *device, struct describe *d, size_t i)
{
	static const char *const gives[] = { "gateway", "message", NULL };
	static const char *const takes[] = { "system", "message", NULL };
	static const struct describe_verb send = { .verb = "send",
		.takes = takes,
		.request = "{\"address\":\"\",\"message\":$value}",
		.form = "{\"address\":\"text\",\"message\":\"text\",\"request_id?\":\"json\"}" };

	(void)device;
	if (i == 0)
		describe_put(d, &(struct describe_data){ .name = "message",
				    .value = "text",
				    .about = "short messages, and how each went",
				    .gives = gives,
				    .verbs = &send,
				    .verb_count = 1 });
	return i == 0;
}

const struct runner_device smpp_client_device = {
	.type = "smpp_client",
	.schema = &conf_client_schema,
	.create = client_create,
	.describe = conf_client_describe,
	.describe_data = client_describe_data,
	.check = client_check,
	.start = client_start,
	.on_event = client_on_event,
	.stop = client_stop,
	.free = client_free,
};
