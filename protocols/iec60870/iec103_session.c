#include "protocols/iec60870/iec103_session.h"

#include <errno.h>
#include <stdlib.h>

void
iec103_session_init(struct iec103_session *s)
{
	*s = (struct iec103_session){ 0 };
	for (int k = 0; k < IEC103_REQUEST_KINDS; k++)
		s->queues[k].tail = &s->queues[k].head;
}

static struct iec103_request *
take(struct iec103_session *s, int kind)
{
	struct iec103_request *q = s->queues[kind].head;

	s->queues[kind].head = q->next;
	s->queues[kind].count--;
	s->note_bytes -= q->note_len;
	if (!q->next)
		s->queues[kind].tail = &s->queues[kind].head;
	return q;
}

void
iec103_session_clear(struct iec103_session *s)
{
	for (int k = 0; k < IEC103_REQUEST_KINDS; k++)
		while (s->queues[k].head)
			free(take(s, k));
}

int
iec103_session_ask(struct iec103_session *s, const struct iec103_request *request, const void *note,
    size_t note_len, struct monotime now)
{
	if (s->queues[request->kind].count == IEC103_SESSION_MAX ||
	    s->note_bytes + note_len > IEC103_SESSION_MAX_NOTES) {
		errno = ENOBUFS;
		return -1;
	}
	struct iec103_request *q = malloc(sizeof(*q) + note_len);
	if (!q)
		return -1;
	*q = *request;
	q->next = NULL;
	q->sent = false;
	q->send_until = monotime_add_ms(now, IEC103_SESSION_WAIT_MS);
	q->expires = monotime_add_ms(now, IEC103_SESSION_TIMEOUT_MS);
	q->note_len = note_len;
	s->note_bytes += note_len;
	if (note_len)
		memcpy(q->note, note, note_len);
	*s->queues[q->kind].tail = q;
	s->queues[q->kind].tail = &q->next;
	s->queues[q->kind].count++;
	return 0;
}

static size_t
encode(const struct iec103_request *q, uint8_t out[IEC103_MAX])
{
	bool command = q->kind == IEC103_REQUEST_COMMAND;
	struct iec103_asdu a = {
		.type_id = command ? IEC103_COMMAND : IEC103_INTERROGATION,
		.cause = command ? IEC103_COMMAND_ACK : IEC103_CAUSE_INTERROGATION,
		.common = q->common,
	};
	struct iec103_object o = { .function = q->function,
		.information = q->information,
		.value = q->value,
		.number = q->number };
	int n = iec103_encode(out, &a, &o, 1);

	return n > 0 ? (size_t)n : 0;
}

size_t
iec103_session_next(struct iec103_session *s, uint8_t out[IEC103_MAX])
{
	for (int k = 0; k < IEC103_REQUEST_KINDS; k++) {
		struct iec103_request *q = s->queues[k].head;
		if (!q || q->sent)
			continue;
		q->sent = true;
		q->number = s->next_number++;
		return encode(q, out);
	}
	return 0;
}

struct iec103_request *
iec103_session_answer(struct iec103_session *s, const struct iec103_asdu *a,
    const struct iec103_object *o, bool *success)
{
	int kind = a->type_id == IEC103_INTERROGATION_END ? IEC103_REQUEST_INTERROGATION
		   : a->type_id == IEC103_TIME_TAGGED &&
			   (a->cause == IEC103_COMMAND_ACK || a->cause == IEC103_COMMAND_NACK)
		       ? IEC103_REQUEST_COMMAND
		       : -1;

	if (kind < 0)
		return NULL;
	struct iec103_request *q = s->queues[kind].head;
	if (!q || !q->sent || q->number != o->number)
		return NULL;
	*success = a->cause != IEC103_COMMAND_NACK;
	return take(s, kind);
}

/* All wait equally long, so that the head is the first to expire. */
struct iec103_request *
iec103_session_expire(struct iec103_session *s, struct monotime now)
{
	for (int k = 0; k < IEC103_REQUEST_KINDS; k++) {
		const struct iec103_request *q = s->queues[k].head;
		if (q && monotime_cmp(now, q->sent ? q->expires : q->send_until) >= 0)
			return take(s, k);
	}
	return NULL;
}

struct monotime
iec103_session_deadline(const struct iec103_session *s)
{
	struct monotime at = { 0 };

	for (int k = 0; k < IEC103_REQUEST_KINDS; k++) {
		const struct iec103_request *q = s->queues[k].head;
		if (q && (!at.ns || monotime_cmp(q->expires, at) < 0))
			at = q->expires;
	}
	return at;
}
