#include "device-runners/modbus/client.h"

#include <string.h>

#include "device-runners/runtime/reconnect.h"

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
	c->echoes = false;
	c->earliest = (struct monotime){ 0 };
	c->pace = (struct tty_pace){ .char_ns = c->conf.char_ns, .silence_ns = c->conf.silence_ns };
	if (c->conf.framing != MODBUS_TCP)
		memset(c->late, 0, sizeof(c->late));
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
	const struct client_late *l = &c->late[unit];

	if (c->conf.framing == MODBUS_TCP || l->owed == 0 || l->fc != fc)
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
	c->earliest = plus(now, c->conf.delay_ns);
	c->ops->done(c->arg, result, res);
}

void
client_send(struct client *c, uint8_t unit, const struct modbus_pdu *req, const uint8_t *pdu,
    size_t len, bool broadcast, struct monotime now)
{
	bool mbap = c->conf.framing == MODBUS_TCP;
	struct client_late *l = &c->late[unit];

	c->transaction++;
	c->expect = (struct modbus_expect){ mbap ? c->transaction : 0, unit, req->fc };
	c->req = *req;
	if (!mbap) {
		c->identity = client_identity(unit, pdu, len);
		if (l->owed && monotime_cmp(l->until, now) <= 0)
			l->owed = 0;
	}
	/* What came unasked belongs to nobody. */
	modbus_stream_reset(&c->stream);
	c->sent_len = modbus_frame_encode(c->conf.framing, c->transaction, unit, pdu, len, c->sent);
	c->echo_open = !mbap;
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

/* Takes the echo of our own frame off the stream. False: it may still be arriving. */
static bool
strip_echo(struct client *c)
{
	struct modbus_stream *s = &c->stream;
	size_t n = s->len < c->sent_len ? s->len : c->sent_len;
	/* Their answers are the requests again: only a known echo is one. */
	bool alike = c->req.fc == MODBUS_WRITE_SINGLE_COIL ||
		     c->req.fc == MODBUS_WRITE_SINGLE_REGISTER ||
		     c->req.fc == MODBUS_MASK_WRITE_REGISTER;

	if (!c->echo_open || (alike && !c->echoes))
		return true;
	if (memcmp(s->buf + s->head, c->sent, n) != 0) {
		c->echo_open = false;
		return true;
	}
	if (n < c->sent_len)
		return false;
	modbus_stream_drop(s, n);
	c->echo_open = false;
	c->echoes = true;
	c->echoes_dropped++;
	return true;
}

/* A frame that answers nothing that is asked now: perhaps one that is owed. */
static void
drop_late(struct client *c, const struct modbus_frame *f)
{
	struct client_late *l = &c->late[f->unit];

	c->late_dropped++;
	if (c->conf.framing != MODBUS_TCP && l->owed && f->len && (f->pdu[0] & 0x7f) == l->fc)
		l->owed--;
}

static void
on_frame(struct client *c, const struct modbus_frame *f, struct monotime now)
{
	struct modbus_pdu res;
	struct client_late *l = &c->late[f->unit];
	bool tcp = c->conf.framing == MODBUS_TCP;

	if (!c->busy || f->unit != c->expect.unit ||
	    (tcp && f->transaction != c->expect.transaction) ||
	    (f->len && (f->pdu[0] & 0x7f) != c->req.fc)) {
		drop_late(c, f);
		return;
	}
	if (modbus_pdu_decode(MODBUS_RESPONSE, f->pdu, f->len, &res) != DEC_OK ||
	    !modbus_response_fits(&c->req, &res)) {
		/* On a line without identifiers it may be the answer that another request is
		 * owed; either way it is not ours. */
		c->bad_frames++;
		if (!tcp && l->owed && l->fc == c->req.fc)
			l->owed--;
		return;
	}
	if (!tcp && l->owed && l->fc == c->req.fc) {
		l->ambiguous = true;
		l->until = plus(now, c->conf.timeout_ns);
	}
	c->answered = true;
	finish(c, CLIENT_ANSWER, &res, now);
}

void
client_received(struct client *c, struct monotime now)
{
	struct modbus_frame f;

	tty_pace_received(&c->pace, now);
	if (c->busy && !strip_echo(c))
		return;
	while (modbus_stream_next(&c->stream, &c->expect, &f) == DEC_OK)
		on_frame(c, &f, now);
}

void
client_tick(struct client *c, struct monotime now)
{
	struct client_late *l = &c->late[c->expect.unit];

	if (!c->busy || monotime_cmp(now, c->deadline) < 0)
		return;
	/* The echo that was taken away may have been the answer. */
	if (c->echoes && !c->echo_open && !modbus_stream_pending(&c->stream))
		c->echoes = false;
	modbus_stream_reset(&c->stream);
	if (c->conf.framing != MODBUS_TCP) {
		if (l->owed == 0 || l->fc != c->req.fc || l->identity != c->identity)
			*l = (struct client_late){ .fc = c->req.fc, .identity = c->identity };
		if (l->owed < UINT8_MAX)
			l->owed++;
		l->until = plus(now, c->conf.timeout_ns);
	}
	finish(c, CLIENT_TIMEOUT, NULL, now);
}
