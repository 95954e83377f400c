#include "device-runners/iec60870/iec104/iec104_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/limit.h"
#include "protocols/iec60870/text.h"

enum { TLS_READ_BURST = 8 };

/* All connections read into this: one is served at a time. */
static uint8_t input[APCI_MAX + IEC104_READ];

static struct limit tls_limit; /* of lines about TLS that went well */
static struct limit name_limit;

static bool
is_open(const struct iec104_conn *c)
{
	return c->fd >= 0;
}

static void
stop_watchers(struct iec104_conn *c)
{
	ev_io_stop(c->loop, &c->watch.readable);
	ev_io_stop(c->loop, &c->watch.writable);
	ev_timer_stop(c->loop, &c->watch.timer);
	ev_timer_stop(c->loop, &c->watch.renewal);
	ev_prepare_stop(c->loop, &c->watch.flusher);
}

/* Bytes that the kernel could not send yet must not reach the station later: they would be a
 * command of long ago. */
static void
discard_unsent(int fd)
{
	static const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* The socket and what hangs on it; the connection stays to tell its handler. */
static void
release(struct iec104_conn *c)
{
	if (!is_open(c))
		return;
	stop_watchers(c);
	if (c->tls)
		c->tls_ops->close(c->tls);
	c->tls = NULL;
	if (c->controlling && apci_sent(&c->apci) != apci_acked(&c->apci))
		discard_unsent(c->fd);
	fd_close(c->fd);
	c->fd = -1;
	apci_clear(&c->apci);
	buffer_clear(&c->out);
	buffer_clear(&c->waiting.asdus);
	buffer_clear(&c->waiting.tokens);
	c->waiting.count = 0;
}

void
iec104_conn_close(struct iec104_conn *c)
{
	if (!c->loop)
		return;
	release(c);
	ev_timer_stop(c->loop, &c->watch.closing);
}

void
iec104_conn_break(struct iec104_conn *c, const char *why)
{
	if (!is_open(c))
		return;
	snprintf(c->why, sizeof(c->why), "%s", why);
	release(c);
	ev_timer_set(&c->watch.closing, 0., 0.);
	ev_timer_start(c->loop, &c->watch.closing);
}

static void
on_closing(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct iec104_conn *c = w->data;

	(void)loop, (void)revents;
	c->handler->on_closed(c->arg, c->why);
}

/* The timer stands at the earliest deadline or before it: frames only move deadlines back, and then
 * it is set again when it has fired in vain. */
static void
arm(struct iec104_conn *c, struct monotime now)
{
	if (!is_open(c))
		return;
	struct monotime next = c->handshaking ? c->handshake_until : apci_deadline(&c->apci);

	if (c->paused || next.ns == 0)
		return;
	double left = (double)(next.ns - now.ns) / 1e9;
	if (ev_is_active(&c->watch.timer) && ev_timer_remaining(c->loop, &c->watch.timer) <= left)
		return;
	ev_timer_stop(c->loop, &c->watch.timer);
	ev_timer_set(&c->watch.timer, left > 0 ? left : 0., 0.);
	ev_timer_start(c->loop, &c->watch.timer);
}

/* The frame in front: a record of TLS holds one, because peers (lib60870) look for the next frame
 * in the socket, not among the bytes that their TLS holds already. */
static size_t
first_frame(const struct buffer *out)
{
	return buffer_data(out)[1] + 2u;
}

static void
lose_tls(struct iec104_conn *c, enum tls_want want)
{
	iec104_conn_break(c, want == TLS_CLOSED ? "closed by the peer" : c->tls_ops->why(c->tls));
}

/* One write. Returns bytes written, 0 when it would block, -1 when the connection is lost. */
static ssize_t
put_bytes(struct iec104_conn *c)
{
	size_t n = 0;

	if (!c->tls) {
		ssize_t rc = write(c->fd, buffer_data(&c->out), c->out.len);
		if (rc >= 0 || errno == EAGAIN || errno == EINTR)
			return rc < 0 ? 0 : rc;
		iec104_conn_break(c, strerror(errno));
		return -1;
	}
	bool waited = c->write_waits;
	enum tls_want want =
	    c->tls_ops->write(c->tls, buffer_data(&c->out), first_frame(&c->out), &n);
	c->write_waits = want == TLS_WANTS_READ;
	switch (want) {
	case TLS_DONE:
		return (ssize_t)n;
	case TLS_WANTS_READ:
		/* The read may be what begins a handshake. */
		if (!waited && !c->paused)
			ev_feed_event(c->loop, &c->watch.readable, EV_READ);
		return 0;
	case TLS_WANTS_WRITE:
		return 0;
	default:
		lose_tls(c, want);
		return -1;
	}
}

/* A window may be wider than what the socket takes at once. */
static bool
may_send(const struct iec104_conn *c)
{
	return apci_window(&c->apci) && c->out.len < IEC104_MAX_OUT_ASDUS;
}

/* In front of each ASDU that waits. */
struct waiting_head {
	int64_t since_ns;
	uint8_t len;
};

/* Moves queued ASDUs into the window. */
static void
fill_window(struct iec104_conn *c, struct monotime now)
{
	struct waiting_head head;

	while (c->waiting.count && may_send(c)) {
		uint8_t *p = buffer_data(&c->waiting.asdus);
		memcpy(&head, p, sizeof(head));
		p += sizeof(head);
		int64_t waited_ms = (now.ns - head.since_ns) / 1000000;
		if (!c->handler->on_leaving ||
		    c->handler->on_leaving(c->arg, p, head.len, waited_ms)) {
			apci_send(&c->apci, p, head.len, now, &c->out);
			++*c->frames_out;
		}
		buffer_consume(&c->waiting.asdus, sizeof(head) + head.len);
		c->waiting.count--;
	}
}

/* Shows the frames that are about to leave; only whole ones are put into the buffer. */
static void
trace_out(struct iec104_conn *c)
{
	struct apdu apdu;
	size_t used;

	while (trace_is_wanted(&c->trace) && c->traced < c->out.len) {
		const uint8_t *p = buffer_data(&c->out) + c->traced;
		if (apci_decode(&apdu, p, c->out.len - c->traced, &used) != DEC_OK)
			break;
		trace_show(&c->trace, TRACE_TX, p, used);
		c->traced += used;
	}
	c->traced = c->out.len;
}

static void
write_out(struct iec104_conn *c)
{
	while (c->out.len) {
		trace_out(c);
		ssize_t n = put_bytes(c);
		if (n < 0)
			return;
		if (n == 0) {
			if (c->write_waits)
				ev_io_stop(c->loop, &c->watch.writable);
			else
				ev_io_start(c->loop, &c->watch.writable);
			return;
		}
		buffer_consume(&c->out, (size_t)n);
		c->traced -= (size_t)n;
		if (c->out.len == 0)
			fill_window(c, monotime_now());
	}
	ev_io_stop(c->loop, &c->watch.writable);
}

static void
flush(struct iec104_conn *c)
{
	if (!is_open(c) || c->handshaking)
		return;
	if (buffer_failed(&c->out)) {
		iec104_conn_break(c, "the peer does not read");
		return;
	}
	write_out(c);
	arm(c, monotime_now());
}

bool
iec104_conn_started(const struct iec104_conn *c)
{
	return is_open(c) && apci_state(&c->apci) == APCI_STARTED;
}

/* A message with a token, which its acknowledgement tells. */
struct pending {
	uint64_t number; /* of the message, counted from 1 */
	uint64_t token;
};

static bool
remember_token(struct iec104_conn *c, uint64_t number, uint64_t token)
{
	struct pending p = { number, token };

	if (token)
		buffer_append(&c->waiting.tokens, &p, sizeof(p));
	return !buffer_failed(&c->waiting.tokens);
}

static void
queue_reset(struct iec104_conn *c)
{
	size_t keep = 0;

	/* Messages that were sent can still be acknowledged. */
	for (struct pending p; keep + sizeof(p) <= c->waiting.tokens.len; keep += sizeof(p)) {
		memcpy(&p, buffer_data(&c->waiting.tokens) + keep, sizeof(p));
		if (p.number > apci_sent(&c->apci))
			break;
	}
	buffer_truncate(&c->waiting.tokens, keep);
	buffer_reset(&c->waiting.asdus);
	c->waiting.count = 0;
}

bool
iec104_conn_send(struct iec104_conn *c, const void *asdu, size_t len, uint64_t token)
{
	if (!iec104_conn_started(c) || len > APCI_MAX_ASDU)
		return false;
	ev_prepare_start(c->loop, &c->watch.flusher);
	if (c->waiting.count == 0 && may_send(c)) {
		apci_send(&c->apci, asdu, len, monotime_now(), &c->out);
		++*c->frames_out;
		return remember_token(c, apci_sent(&c->apci), token);
	}
	struct waiting_head head = { monotime_now().ns, (uint8_t)len };
	uint8_t *room = buffer_reserve(&c->waiting.asdus, sizeof(head) + len);
	if (!room) {
		/* Its content stands, and may still be sent. */
		c->waiting.asdus.failed = false;
		return false;
	}
	memcpy(room, &head, sizeof(head));
	memcpy(room + sizeof(head), asdu, len);
	buffer_commit(&c->waiting.asdus, sizeof(head) + len);
	c->waiting.count++;
	return remember_token(c, apci_sent(&c->apci) + c->waiting.count, token);
}

size_t
iec104_conn_room(const struct iec104_conn *c)
{
	size_t used = c->waiting.asdus.len + sizeof(struct waiting_head);

	return used < IEC104_MAX_QUEUE ? IEC104_MAX_QUEUE - used : 0;
}

/* Returns false when the connection is gone. */
static bool
take_event(struct iec104_conn *c, enum apci_event event, const struct apdu *apdu)
{
	switch (event) {
	case APCI_ASDU:
		c->handler->on_asdu(c->arg, apdu->asdu, apdu->len);
		break;
	case APCI_ENABLED:
	case APCI_DISABLED:
		/* ASDUs that waited for the window are not sent in another transfer. */
		if (!c->enabled || event == APCI_DISABLED)
			queue_reset(c);
		c->enabled = event == APCI_ENABLED;
		c->handler->on_enabled(c->arg, event == APCI_ENABLED);
		break;
	case APCI_BROKEN:
		iec104_conn_break(c, apci_why(&c->apci));
		break;
	default:
		break;
	}
	return is_open(c);
}

/* At once: what ends the connection, or the transfer, may be the next frame. */
static void
tell_delivered(struct iec104_conn *c)
{
	for (struct pending p; is_open(c) && c->waiting.tokens.len >= sizeof(p);) {
		memcpy(&p, buffer_data(&c->waiting.tokens), sizeof(p));
		if (p.number > apci_acked(&c->apci))
			break;
		buffer_consume(&c->waiting.tokens, sizeof(p));
		c->handler->on_delivered(c->arg, p.token);
	}
}

/* Serves the whole frames in data; returns how many bytes they had, or -1 when it is over. */
static ssize_t
serve_frames(struct iec104_conn *c, const uint8_t *data, size_t len, struct monotime now)
{
	size_t done = 0, used = 0;
	struct apdu apdu;
	enum dec rc;

	while ((rc = apci_decode(&apdu, data + done, len - done, &used)) == DEC_OK) {
		trace_frame(&c->trace, TRACE_RX, data + done, used);
		done += used;
		++*c->frames_in;
		enum apci_event event = apci_receive(&c->apci, &apdu, now, &c->out);
		tell_delivered(c);
		if (!is_open(c) || !take_event(c, event, &apdu))
			return -1;
	}
	if (rc == DEC_MORE)
		return (ssize_t)done;
	iec104_conn_break(c, "received bytes that are no frame");
	return -1;
}

static void
serve_input(struct iec104_conn *c, size_t len)
{
	struct monotime now = monotime_now();
	ssize_t done = serve_frames(c, input, len, now);

	if (done < 0)
		return;
	c->partial_len = len - (size_t)done;
	memcpy(c->partial, input + done, c->partial_len);
	fill_window(c, now);
	apci_settle(&c->apci, &c->out);
	flush(c);
}

/* One read, behind the beginning of a frame that was left over. Returns the bytes, 0 when there are
 * none, -1 when it is over. */
static ssize_t
get_bytes(struct iec104_conn *c)
{
	uint8_t *at = input + c->partial_len;
	size_t n = 0;

	if (!c->tls) {
		ssize_t rc = read(c->fd, at, IEC104_READ);
		if (rc > 0)
			return rc;
		if (rc < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		iec104_conn_break(c, rc == 0 ? "closed by the peer" : strerror(errno));
		return -1;
	}
	enum tls_want want = c->tls_ops->read(c->tls, at, IEC104_READ, &n);
	if (c->tls_ops->renewed(c->tls))
		limit_info(&tls_limit, "TLS: new keys");
	switch (want) {
	case TLS_DONE:
		return (ssize_t)n;
	case TLS_WANTS_WRITE:
		ev_io_start(c->loop, &c->watch.writable);
		return 0;
	case TLS_WANTS_READ:
		return 0;
	default:
		lose_tls(c, want);
		return -1;
	}
}

/* A read of TLS is one record, which is less than a read takes: what is left is in the socket,
 * which will be polled. The events of one read may wait for credit, those of a burst are too many.
 */
static void
serve(struct iec104_conn *c)
{
	for (int i = 0; i < (c->tls ? TLS_READ_BURST : 1); i++) {
		ssize_t n = get_bytes(c);
		if (n <= 0)
			return;
		memcpy(input, c->partial, c->partial_len);
		serve_input(c, c->partial_len + (size_t)n);
		if (!is_open(c) || runner_congested(c->runner))
			return;
	}
}

static void
begin(struct iec104_conn *c)
{
	struct monotime now = monotime_now();

	if (c->handler->on_ready)
		c->handler->on_ready(c->arg);
	if (c->controlling)
		apci_start(&c->apci, now, &c->out);
	flush(c);
}

static void
shake_hands(struct iec104_conn *c)
{
	char text[TLS_WHY];
	const char *host;

	switch (c->tls_ops->handshake(c->tls)) {
	case TLS_DONE:
		c->tls_ops->describe(c->tls, text);
		limit_info(&tls_limit, "TLS: %s", text);
		if ((host = c->tls_ops->misnamed(c->tls)))
			limit_warning(&name_limit,
			    "TLS: the peer's certificate does not name %s; any other certificate "
			    "of "
			    "its authority is accepted as well; set verify_host",
			    host);
		c->handshaking = false;
		ev_io_stop(c->loop, &c->watch.writable);
		ev_timer_stop(c->loop, &c->watch.timer);
		begin(c);
		if (is_open(c))
			serve(c);
		break;
	case TLS_WANTS_READ:
		ev_io_stop(c->loop, &c->watch.writable);
		break;
	case TLS_WANTS_WRITE:
		ev_io_start(c->loop, &c->watch.writable);
		break;
	case TLS_CLOSED:
		iec104_conn_break(c, "the peer closed during the TLS handshake");
		break;
	default:
		snprintf(text, sizeof(text), "TLS handshake: %.200s", c->tls_ops->why(c->tls));
		iec104_conn_break(c, text);
	}
}

/* After a read, which a write may have waited for. */
static void
resume_writing(struct iec104_conn *c)
{
	if (c->write_waits)
		flush(c);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct iec104_conn *c = w->data;

	(void)loop, (void)revents;
	if (c->handshaking)
		shake_hands(c);
	else if (runner_congested(c->runner))
		iec104_conn_pause(c);
	else
		serve(c);
	resume_writing(c);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct iec104_conn *c = w->data;

	(void)loop, (void)revents;
	if (c->handshaking)
		shake_hands(c);
	else
		flush(c);
	/* TLS may have waited for room before it could read on. */
	if (is_open(c) && c->tls && !c->handshaking && !c->paused)
		serve(c);
	resume_writing(c);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct iec104_conn *c = w->data;

	(void)revents;
	/* Bytes that are there came in time: it may be us who are late, on a busy machine. */
	on_readable(loop, &c->watch.readable, EV_READ);
	if (!is_open(c) || c->paused)
		return;
	if (c->handshaking)
		iec104_conn_break(c, "no TLS handshake in time");
	else if (take_event(c, apci_timeout(&c->apci, monotime_now(), &c->out), NULL))
		flush(c);
}

void
iec104_conn_pause(struct iec104_conn *c)
{
	if (!is_open(c) || c->paused)
		return;
	/* Frames that were taken are ours: the sender's t1 must not run for them. */
	if (!c->handshaking) {
		apci_confirm(&c->apci, &c->out);
		flush(c);
		if (!is_open(c))
			return;
	}
	c->paused = true;
	c->paused_since = monotime_now();
	ev_io_stop(c->loop, &c->watch.readable);
	ev_timer_stop(c->loop, &c->watch.timer);
}

void
iec104_conn_resume(struct iec104_conn *c)
{
	struct monotime now = monotime_now();

	if (!is_open(c) || !c->paused)
		return;
	c->paused = false;
	apci_postpone(&c->apci, now.ns - c->paused_since.ns);
	ev_io_start(c->loop, &c->watch.readable);
	if (c->write_waits)
		ev_feed_event(c->loop, &c->watch.readable, EV_READ);
	arm(c, now);
}

static void
on_renewal(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct iec104_conn *c = w->data;

	(void)loop, (void)revents;
	if (c->handshaking || c->paused)
		return;
	if (c->tls_ops->renew(c->tls))
		serve(c);
	else
		lose_tls(c, TLS_FAILED);
	resume_writing(c);
}

void
iec104_conn_renew(struct iec104_conn *c, int64_t ms)
{
	if (!is_open(c) || !c->tls || ms == 0)
		return;
	ev_timer_set(&c->watch.renewal, (double)ms / 1000, (double)ms / 1000);
	ev_timer_start(c->loop, &c->watch.renewal);
}

void
iec104_conn_check(struct iec104_conn *c, struct tls_context *context)
{
	if (is_open(c) && c->tls && !c->handshaking && !c->tls_ops->still_valid(c->tls, context))
		iec104_conn_break(c, c->tls_ops->why(c->tls));
}

static void
on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)revents;
	ev_prepare_stop(loop, w);
	flush(w->data);
}

static void
init_watchers(struct iec104_conn *c)
{
	ev_io_init(&c->watch.readable, on_readable, c->fd, EV_READ);
	ev_io_init(&c->watch.writable, on_writable, c->fd, EV_WRITE);
	ev_timer_init(&c->watch.timer, on_timer, 0., 0.);
	ev_timer_init(&c->watch.closing, on_closing, 0., 0.);
	ev_timer_init(&c->watch.renewal, on_renewal, 0., 0.);
	c->watch.readable.data = c->watch.writable.data = c->watch.timer.data =
	    c->watch.closing.data = c;
	ev_prepare_init(&c->watch.flusher, on_flush);
	c->watch.renewal.data = c->watch.flusher.data = c;
}

static void
show(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	(void)arg, (void)dir;
	iec104_frame_text(out, p, len);
}

int
iec104_conn_open(struct iec104_conn *c, struct runner *r, int fd, const struct apci_params *params,
    const struct tls_ops *ops, struct tls *tls, const struct iec104_handler *handler, void *arg)
{
	struct monotime now = monotime_now();
	struct apci apci;

	if (apci_init(&apci, params, now) < 0)
		return -1;
	*c = (struct iec104_conn){ .runner = r,
		.loop = runner_loop(r),
		.handler = handler,
		.arg = arg,
		.fd = fd,
		.tls_ops = ops,
		.tls = tls,
		.handshaking = tls != NULL,
		.handshake_until = monotime_add_ms(now, TLS_HANDSHAKE_MS),
		.apci = apci,
		.frames_in = runner_counter(r, "frames_in"),
		.frames_out = runner_counter(r, "frames_out") };
	buffer_init(&c->out, IEC104_MAX_OUT);
	buffer_init(&c->waiting.asdus, IEC104_MAX_QUEUE);
	buffer_init(&c->waiting.tokens, IEC104_MAX_TOKENS);
	init_watchers(c);
	c->controlling = params->controlling;
	trace_init(&c->trace, r, "iec104", !c->controlling, show, NULL);
	trace_set_socket(&c->trace, fd);
	ev_io_start(c->loop, &c->watch.readable);
	if (c->handshaking) {
		arm(c, now);
		shake_hands(c);
	} else {
		begin(c);
	}
	return 0;
}
