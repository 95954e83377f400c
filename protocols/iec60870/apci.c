#include "protocols/iec60870/apci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
function_known(uint8_t octet)
{
	static const uint8_t functions[] = { APCI_STARTDT_ACT, APCI_STARTDT_CON, APCI_STOPDT_ACT,
		APCI_STOPDT_CON, APCI_TESTFR_ACT, APCI_TESTFR_CON };

	return memchr(functions, octet, sizeof(functions)) != NULL;
}

enum dec
apci_decode(struct apdu *apdu, const void *data, size_t len, size_t *used)
{
	struct cursor c = cursor_make(data, len);
	uint8_t start = cursor_u8(&c);

	if (len > 0 && start != APCI_START)
		return DEC_BAD;
	size_t size = cursor_u8(&c);
	if (len >= 2 && (size < APCI_SIZE - 2 || size > APCI_MAX - 2))
		return DEC_BAD;
	if (len < 2 || cursor_left(&c) < size)
		return DEC_MORE;
	*used = size + 2;
	uint16_t first = cursor_u16le(&c), second = cursor_u16le(&c);
	*apdu = (struct apdu){ .format = APCI_I, .send = first >> 1, .receive = second >> 1 };
	if (!(first & 1)) {
		apdu->len = size - (APCI_SIZE - 2);
		apdu->asdu = cursor_bytes(&c, apdu->len);
		return DEC_OK;
	}
	if (size != APCI_SIZE - 2)
		return DEC_BAD;
	apdu->send = 0;
	apdu->format = first & 2 ? APCI_U : APCI_S;
	if (apdu->format == APCI_S)
		return DEC_OK;
	apdu->receive = 0;
	apdu->function = first & 0xff;
	return function_known(first & 0xff) ? DEC_OK : DEC_BAD;
}

size_t
apci_encode(const struct apdu *apdu, uint8_t out[APCI_MAX])
{
	uint16_t first = apdu->format == APCI_I	  ? (uint16_t)(apdu->send << 1)
			 : apdu->format == APCI_S ? 1
						  : (uint16_t)apdu->function;
	uint16_t second = (uint16_t)(apdu->receive << 1);
	size_t len = apdu->format == APCI_I ? apdu->len : 0;

	out[0] = APCI_START;
	out[1] = (uint8_t)(APCI_SIZE - 2 + len);
	out[2] = (uint8_t)first;
	out[3] = (uint8_t)(first >> 8);
	out[4] = (uint8_t)second;
	out[5] = (uint8_t)(second >> 8);
	if (len)
		memcpy(out + APCI_SIZE, apdu->asdu, len);
	return APCI_SIZE + len;
}

const char *
apci_state_name(enum apci_state state)
{
	static const char *const names[] = { "stopped", "starting", "started", "stopping",
		"closed" };

	return names[state];
}

static void
put_frame(struct buffer *out, const struct apdu *apdu)
{
	uint8_t *room = buffer_reserve(out, APCI_SIZE + apdu->len);

	if (room)
		buffer_commit(out, apci_encode(apdu, room));
}

static void
put_u(struct buffer *out, enum apci_u function)
{
	put_frame(out, &(struct apdu){ .format = APCI_U, .function = function });
}

/* N(R) = what was received; with it everything is acknowledged. */
static uint16_t
acknowledge(struct apci *a)
{
	a->told = a->received;
	a->t2.ns = 0;
	return (uint16_t)(a->received % APCI_MODULO);
}

static void
put_s(struct apci *a, struct buffer *out)
{
	put_frame(out, &(struct apdu){ .format = APCI_S, .receive = acknowledge(a) });
}

void
apci_confirm(struct apci *a, struct buffer *out)
{
	if (a->state != APCI_CLOSED && a->told != a->received)
		put_s(a, out);
}

static enum apci_event
broken(struct apci *a, const char *why)
{
	a->state = APCI_CLOSED;
	a->why = why;
	return APCI_BROKEN;
}

int
apci_init(struct apci *a, const struct apci_params *params, struct monotime now)
{
	*a = (struct apci){ .params = *params, .t3 = monotime_add_ms(now, params->t3_ms) };
	a->sent_at = calloc(params->k, sizeof(*a->sent_at));
	if (!a->sent_at) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void
apci_clear(struct apci *a)
{
	int saved = errno;

	free(a->sent_at);
	a->sent_at = NULL;
	errno = saved;
}

/* Sends an act; its con is due within t1. */
static void
ask(struct apci *a, enum apci_u act, enum apci_u con, struct monotime now, struct buffer *out)
{
	put_u(out, act);
	a->waiting = con;
	a->t1 = monotime_add_ms(now, a->params.t1_ms);
}

void
apci_start(struct apci *a, struct monotime now, struct buffer *out)
{
	if (a->state != APCI_STOPPED)
		return;
	a->state = APCI_STARTING;
	ask(a, APCI_STARTDT_ACT, APCI_STARTDT_CON, now, out);
}

void
apci_stop(struct apci *a, struct monotime now, struct buffer *out)
{
	if (a->state != APCI_STARTED)
		return;
	apci_confirm(a, out);
	a->state = APCI_STOPPING;
	ask(a, APCI_STOPDT_ACT, APCI_STOPDT_CON, now, out);
}

/* N(R) acknowledges everything before it: from the oldest unacknowledged frame to the next one. */
static bool
take_receive_number(struct apci *a, uint16_t number)
{
	uint64_t ahead = (number - a->acked) % APCI_MODULO;

	if (ahead > a->sent - a->acked)
		return false;
	a->acked += ahead;
	return true;
}

/* The controlled station confirms STOPDT once all it sent is acknowledged. */
static enum apci_event
finish_stop(struct apci *a, struct buffer *out)
{
	if (a->params.controlling || a->state != APCI_STOPPING || a->acked != a->sent)
		return APCI_NOTHING;
	a->state = APCI_STOPPED;
	put_u(out, APCI_STOPDT_CON);
	return APCI_DISABLED;
}

static enum apci_event
on_started_act(struct apci *a, struct buffer *out)
{
	if (a->params.controlling)
		return broken(a, "STARTDT act from the controlled station");
	put_u(out, APCI_STARTDT_CON);
	if (a->state == APCI_STARTED)
		return APCI_NOTHING;
	a->state = APCI_STARTED;
	return APCI_ENABLED;
}

static enum apci_event
on_stop_act(struct apci *a, struct buffer *out)
{
	if (a->params.controlling)
		return broken(a, "STOPDT act from the controlled station");
	apci_confirm(a, out);
	a->state = APCI_STOPPING;
	return finish_stop(a, out);
}

/* A con that nobody waits for says nothing. */
static enum apci_event
on_con(struct apci *a, enum apci_u function)
{
	if (a->t1.ns == 0 || a->waiting != function)
		return APCI_NOTHING;
	a->t1.ns = 0;
	if (function == APCI_STARTDT_CON) {
		a->state = APCI_STARTED;
		return APCI_ENABLED;
	}
	if (function == APCI_STOPDT_CON) {
		a->state = APCI_STOPPED;
		return APCI_DISABLED;
	}
	return APCI_NOTHING;
}

static enum apci_event
on_u(struct apci *a, enum apci_u function, struct buffer *out)
{
	switch (function) {
	case APCI_STARTDT_ACT:
		return on_started_act(a, out);
	case APCI_STOPDT_ACT:
		return on_stop_act(a, out);
	case APCI_TESTFR_ACT:
		put_u(out, APCI_TESTFR_CON);
		return APCI_NOTHING;
	default:
		return on_con(a, function);
	}
}

static enum apci_event
on_i(struct apci *a, const struct apdu *apdu, struct monotime now)
{
	bool open =
	    a->state == APCI_STARTED || (a->state == APCI_STOPPING && a->params.controlling);

	if (!open)
		return broken(a, "an I frame while the data transfer is stopped");
	if (apdu->send != a->received % APCI_MODULO)
		return broken(a, "N(S) out of sequence");
	if (a->received == a->told)
		a->t2 = monotime_add_ms(now, a->params.t2_ms);
	a->received++;
	return APCI_ASDU;
}

enum apci_event
apci_receive(struct apci *a, const struct apdu *apdu, struct monotime now, struct buffer *out)
{
	if (a->state == APCI_CLOSED)
		return APCI_BROKEN;
	a->t3 = monotime_add_ms(now, a->params.t3_ms);
	if (apdu->format == APCI_U)
		return on_u(a, apdu->function, out);
	if (!take_receive_number(a, apdu->receive))
		return broken(a, "N(R) acknowledges what was not sent");
	if (apdu->format == APCI_S)
		return finish_stop(a, out);
	return on_i(a, apdu, now);
}

void
apci_settle(struct apci *a, struct buffer *out)
{
	if (a->state != APCI_CLOSED && a->received - a->told >= a->params.w)
		put_s(a, out);
}

enum apci_state
apci_state(const struct apci *a)
{
	return a->state;
}

const char *
apci_why(const struct apci *a)
{
	return a->why;
}

uint64_t
apci_sent(const struct apci *a)
{
	return a->sent;
}

uint64_t
apci_acked(const struct apci *a)
{
	return a->acked;
}

uint32_t
apci_window(const struct apci *a)
{
	return a->state == APCI_STARTED ? (uint32_t)(a->params.k - (a->sent - a->acked)) : 0;
}

void
apci_send(struct apci *a, const void *asdu, size_t len, struct monotime now, struct buffer *out)
{
	struct apdu apdu = { .format = APCI_I,
		.send = (uint16_t)(a->sent % APCI_MODULO),
		.receive = acknowledge(a),
		.asdu = asdu,
		.len = len };

	a->sent_at[a->sent % a->params.k] = now;
	a->sent++;
	put_frame(out, &apdu);
}

/* t1 of the oldest unacknowledged I frame. */
static struct monotime
send_deadline(const struct apci *a)
{
	if (a->acked == a->sent)
		return (struct monotime){ 0 };
	return monotime_add_ms(a->sent_at[a->acked % a->params.k], a->params.t1_ms);
}

static struct monotime
earlier(struct monotime a, struct monotime b)
{
	if (a.ns == 0 || b.ns == 0)
		return a.ns ? a : b;
	return monotime_cmp(a, b) < 0 ? a : b;
}

/* While an act waits for its con no test frame is due: its own t1 watches the line. */
struct monotime
apci_deadline(const struct apci *a)
{
	if (a->state == APCI_CLOSED)
		return (struct monotime){ 0 };
	struct monotime line = a->t1.ns ? a->t1 : a->t3;
	return earlier(earlier(line, a->t2), send_deadline(a));
}

static bool
due(struct monotime deadline, struct monotime now)
{
	return deadline.ns && monotime_cmp(deadline, now) <= 0;
}

enum apci_event
apci_timeout(struct apci *a, struct monotime now, struct buffer *out)
{
	if (a->state == APCI_CLOSED)
		return APCI_BROKEN;
	if (due(a->t1, now))
		return broken(a, a->waiting == APCI_TESTFR_CON	  ? "no TESTFR con within t1"
				 : a->waiting == APCI_STARTDT_CON ? "no STARTDT con within t1"
								  : "no STOPDT con within t1");
	if (due(send_deadline(a), now))
		return broken(a, "no acknowledgement within t1");
	if (due(a->t2, now))
		put_s(a, out);
	if (a->t1.ns == 0 && due(a->t3, now))
		ask(a, APCI_TESTFR_ACT, APCI_TESTFR_CON, now, out);
	return APCI_NOTHING;
}

void
apci_postpone(struct apci *a, int64_t ns)
{
	struct monotime *deadlines[] = { &a->t1, &a->t2, &a->t3 };

	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
		if (deadlines[i]->ns)
			deadlines[i]->ns += ns;
	for (uint64_t i = a->acked; i < a->sent; i++)
		a->sent_at[i % a->params.k].ns += ns;
}
