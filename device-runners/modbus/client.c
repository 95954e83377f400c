#include "device-runners/modbus/client.h"

#include <string.h>

#include "device-runners/runtime/reconnect.h"

/* Whether an answer says which request it belongs to. */
static bool
identified(const struct client *c)
{
	return c->conf.framing == MODBUS_TCP && !c->conf.zero_ids;
}

static struct client_late *
late_of(struct client *c, uint8_t unit)
{
	return c->conf.late ? &c->conf.late[unit] : &c->none;
}

void
client_init(
    struct client *c, const struct client_conf *conf, const struct client_ops *ops, void *arg)
{
	*c = (struct client){ .conf = *conf, .ops = ops, .arg = arg };
	modbus_stream_init(&c->stream, conf->framing, MODBUS_RESPONSE);
	client_reset(c);
}

void
client_reset(struct client *c)
{
	modbus_stream_reset(&c->stream);
	c->busy = false;
	c->answered = false;
	c->echo = CLIENT_ECHO_UNKNOWN;
	c->echo_doubts = 0;
	c->earliest = (struct monotime){ 0 };
	c->pace = (struct tty_pace){ .char_ns = c->conf.char_ns, .silence_ns = c->conf.silence_ns };
	if (!identified(c))
		memset(c->conf.late, 0, CLIENT_UNITS * sizeof(c->conf.late[0]));
}

static struct monotime
plus(struct monotime t, int64_t ns)
{
	return (struct monotime){ t.ns + ns };
}

void
client_open(struct client *c, struct monotime now)
{
	int64_t most_ns = RECONNECT_QUIET_MAX_MS * INT64_C(1000000);

	client_reset(c);
	if (c->conf.framing != MODBUS_TCP)
		c->earliest =
		    plus(now, c->conf.timeout_ns < most_ns ? c->conf.timeout_ns : most_ns);
}

/* FNV-1a. */
uint64_t
client_identity(uint8_t unit, const uint8_t *pdu, size_t len)
{
	uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ unit) * UINT64_C(0x100000001b3);

	for (size_t i = 0; i < len; i++)
		h = (h ^ pdu[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct monotime
later(struct monotime a, struct monotime b)
{
	return a.ns > b.ns ? a : b;
}

struct monotime
client_free_at(const struct client *c)
{
	struct monotime silent = tty_pace_free(&c->pace);
	/* A line that never falls silent is spoken to all the same, in the end. */
	struct monotime patience = plus(c->earliest, c->conf.timeout_ns + c->conf.silence_ns);

	if (c->earliest.ns && silent.ns > patience.ns)
		silent = patience;
	return later(c->earliest, silent);
}

struct monotime
client_hold(const struct client *c, uint8_t unit, uint8_t fc, uint64_t identity)
{
	const struct client_late *l = c->conf.late ? &c->conf.late[unit] : &c->none;

	if (l->owed == 0 || l->fc != fc)
		return (struct monotime){ 0 };
	/* The same question again: an answer to the first is an answer to it. */
	if (!l->ambiguous && l->identity == identity)
		return (struct monotime){ 0 };
	return l->until;
}

static void
finish(
    struct client *c, enum client_result result, const struct modbus_pdu *res, struct monotime now)
{
	c->busy = false;
	c->now = now;
	c->earliest = plus(now, c->conf.delay_ns);
	c->ops->done(c->arg, result, res);
}

void
client_send(struct client *c, uint8_t unit, const struct modbus_pdu *req, const uint8_t *pdu,
    size_t len, bool broadcast, struct monotime now)
{
	bool mbap = c->conf.framing == MODBUS_TCP;
	struct client_late *l = late_of(c, unit);

	c->now = now;
	c->transaction++;
	c->expect = (struct modbus_expect){ .transaction = mbap ? c->transaction : 0,
		.unit = unit,
		.fc = req->fc,
		.or_zero = c->conf.zero_ids };
	c->req = *req;
	if (!identified(c)) {
		c->identity = client_identity(unit, pdu, len);
		if (l->owed && monotime_cmp(l->until, now) <= 0) {
			l->owed = 0;
			l->missing = !l->ambiguous;
		}
	}
	/* Bytes that came unasked answer no request. */
	modbus_stream_reset(&c->stream);
	c->sent_len = modbus_frame_encode(c->conf.framing, c->transaction, unit, pdu, len, c->sent);
	c->echo_open = !mbap;
	c->echo_stripped = false;
	c->busy = true;
	tty_pace_sent(&c->pace, c->sent_len, now);
	c->deadline = plus(later(now, c->pace.busy_until), c->conf.timeout_ns);
	c->ops->send(c->arg, c->sent, c->sent_len);
	if (broadcast && c->busy) {
		c->pace.busy_until =
		    monotime_add_ms(c->pace.busy_until, mbap ? 0 : CLIENT_TURNAROUND_MS);
		finish(c, CLIENT_SENT, NULL, now);
	}
}

/* A late answer to a write is known by what it repeats. */
static bool
repeats_request(uint8_t fc)
{
	return fc != MODBUS_READ_FIFO_QUEUE && fc > MODBUS_READ_INPUT_REGISTERS;
}

/* Whether the right answer can have the bytes of its request. Among reads only that of 17 to 24
 * bits from 0x03xx on can: its byte count is 3. */
static bool
is_alike(const struct modbus_pdu *req)
{
	switch (req->fc) {
	case MODBUS_WRITE_SINGLE_COIL:
	case MODBUS_WRITE_SINGLE_REGISTER:
	case MODBUS_MASK_WRITE_REGISTER:
		return true;
	case MODBUS_READ_COILS:
	case MODBUS_READ_DISCRETE_INPUTS:
		return req->address >> 8 == 3 && (req->quantity + 7) / 8 == 3;
	default:
		return false;
	}
}

bool
client_needs_probe(const struct client *c, const struct modbus_pdu *req, struct modbus_pdu *probe)
{
	if (c->conf.framing == MODBUS_TCP || c->echo != CLIENT_ECHO_UNKNOWN || !is_alike(req))
		return false;
	*probe = (struct modbus_pdu){
		.fc = MODBUS_READ_HOLDING_REGISTERS, .address = req->address, .quantity = 1
	};
	if (req->fc == MODBUS_WRITE_SINGLE_COIL)
		probe->fc = MODBUS_READ_COILS;
	else if (req->fc == MODBUS_READ_COILS || req->fc == MODBUS_READ_DISCRETE_INPUTS)
		probe->fc = req->fc;
	return true;
}

static void
hear_echo(struct client *c)
{
	c->echo_open = false;
	c->echoes_dropped++;
	c->echo = CLIENT_ECHO_HEARD;
}

/* Takes the echo of our own frame off the stream, where it can be nothing else. False: it may still
 * be arriving. */
static bool
strip_echo(struct client *c)
{
	struct modbus_stream *s = &c->stream;
	size_t n = s->len < c->sent_len ? s->len : c->sent_len;

	if (!c->echo_open || is_alike(&c->req))
		return true;
	if (memcmp(s->buf + s->head, c->sent, n) != 0) {
		c->echo_open = false;
		return true;
	}
	if (n < c->sent_len)
		return false;
	modbus_stream_drop(s, n);
	c->echo_doubts = 0;
	hear_echo(c);
	c->echo_stripped = true;
	return true;
}

/* Whether an echo of the request would look like its answer. */
static bool
awaits_alike(const struct client *c)
{
	return c->echo == CLIENT_ECHO_HEARD && c->echo_open && is_alike(&c->req);
}

/* A frame with the bytes of the request, where the answer may have them too: on a line with an echo
 * the first of two, wherever it lies. */
static bool
take_echo(struct client *c, const struct modbus_frame *f)
{
	uint8_t frame[MODBUS_MAX_FRAME];
	size_t n = modbus_frame_encode(c->conf.framing, 0, f->unit, f->pdu, f->len, frame);
	if (n != c->sent_len || memcmp(frame, c->sent, n) != 0)
		return false;
	hear_echo(c);
	return true;
}

/* A request was answered, and it is clear whether its echo came before: a line that has had an echo
 * is believed to have none after two such answers, as one echo may have been hurt. */
static void
learn_echo(struct client *c)
{
	if (c->conf.framing == MODBUS_TCP)
		return;
	if (is_alike(&c->req)) {
		if (!c->echo_open)
			c->echo_doubts = 0;
	} else if (!c->echo_stripped) {
		c->echo = c->echo == CLIENT_ECHO_HEARD ? CLIENT_ECHO_UNKNOWN : CLIENT_ECHO_NONE;
	}
}

/* A frame that answers nothing that is asked now: perhaps one that is owed. */
static void
drop_late(struct client *c, const struct modbus_frame *f)
{
	struct client_late *l = late_of(c, f->unit);

	c->late_dropped++;
	if (l->owed && f->len && (f->pdu[0] & 0x7f) == l->fc)
		l->owed--;
}

/* Decodes an answer that is for the request under way; true where it is one to it. If its
 * identifier matched, it may be untidy. */
static bool
understand(const struct client *c, const struct modbus_frame *f, struct modbus_pdu *res)
{
	bool loose = c->conf.framing == MODBUS_TCP && f->transaction == c->expect.transaction;
	enum dec d = loose ? modbus_pdu_decode_padded(MODBUS_RESPONSE, f->pdu, f->len, res)
			   : modbus_pdu_decode(MODBUS_RESPONSE, f->pdu, f->len, res);

	return d == DEC_OK &&
	       (loose ? modbus_response_serves(&c->req, res) : modbus_response_fits(&c->req, res));
}

/* Whether the answer to a read may be the answer to an earlier read that timed out. Then it is
 * ignored. If it was the earlier one's, the right one comes now, and is waited for. */
static bool
is_doubtful(const struct client *c, struct client_late *l, struct monotime now)
{
	bool doubtful = l->missing && l->fc == c->req.fc && l->identity != c->identity &&
			!repeats_request(c->req.fc);

	l->missing = false;
	if (doubtful)
		*l = (struct client_late){ .fc = c->req.fc,
			.owed = 1,
			.ambiguous = true,
			.identity = c->identity,
			.until = plus(now, c->conf.timeout_ns) };
	return doubtful;
}

static void
on_frame(struct client *c, const struct modbus_frame *f, struct monotime now)
{
	struct modbus_pdu res;
	struct client_late *l = late_of(c, f->unit);

	if (!c->busy || !modbus_expected(c->conf.framing, &c->expect, f)) {
		drop_late(c, f);
		return;
	}
	if (awaits_alike(c) && take_echo(c, f))
		return;
	if (!understand(c, f, &res)) {
		/* On a line without identifiers it may be the answer that another request is
		 * owed; either way it is not ours. */
		c->bad_frames++;
		if (l->owed && l->fc == c->req.fc)
			l->owed--;
		return;
	}
	if (l->owed && l->fc == c->req.fc) {
		l->ambiguous = true;
		l->until = plus(now, c->conf.timeout_ns);
	}
	c->answered = true;
	learn_echo(c);
	finish(c, is_doubtful(c, l, now) ? CLIENT_AGAIN : CLIENT_ANSWER, &res, now);
}

void
client_received(struct client *c, struct monotime now)
{
	struct modbus_frame f;

	tty_pace_received(&c->pace, now);
	if (c->busy && !strip_echo(c))
		return;
	while (modbus_stream_pending(&c->stream) &&
	       modbus_stream_next(&c->stream, &c->expect, &f) == DEC_OK)
		on_frame(c, &f, now);
}

/* A request was not answered. What was taken for an echo may have been the answer, on a line that
 * was changed; where nothing at all came, the line has no echo. */
static void
doubt_echo(struct client *c)
{
	if (c->conf.framing == MODBUS_TCP)
		return;
	if (c->echo == CLIENT_ECHO_HEARD && is_alike(&c->req) && !c->echo_open) {
		if (++c->echo_doubts >= CLIENT_MAX_ECHO_DOUBTS)
			c->echo = CLIENT_ECHO_UNKNOWN;
	} else if (c->echo == CLIENT_ECHO_UNKNOWN && c->echo_open &&
		   !modbus_stream_pending(&c->stream)) {
		c->echo = CLIENT_ECHO_NONE;
	}
}

void
client_tick(struct client *c, struct monotime now)
{
	struct client_late *l = late_of(c, c->expect.unit);

	if (!c->busy || monotime_cmp(now, c->deadline) < 0)
		return;
	doubt_echo(c);
	modbus_stream_reset(&c->stream);
	if (!identified(c)) {
		if (l->owed == 0 || l->fc != c->req.fc || l->identity != c->identity)
			*l = (struct client_late){ .fc = c->req.fc, .identity = c->identity };
		if (l->owed < UINT8_MAX)
			l->owed++;
		l->until = plus(now, c->conf.timeout_ns);
	}
	finish(c, CLIENT_TIMEOUT, NULL, now);
}
