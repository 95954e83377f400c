#include "device-runners/snmp/asked.h"

#include <stdlib.h>
#include <string.h>

void
asked_init(struct asked_queue *q)
{
	*q = (struct asked_queue){ .first = NULL };
	q->last = &q->first;
}

static size_t
size_of(const struct asked *a)
{
	return a->session_len + a->len;
}

static void
asked_free(struct asked *a)
{
	free(a->text);
	free(a->session_id);
	free(a->bindings);
	free(a);
}

static void *
copy(const void *data, size_t len)
{
	void *p = malloc(len ? len : 1);

	if (p && len)
		memcpy(p, data, len);
	return p;
}

struct asked *
asked_add(struct asked_queue *q, bool write, const struct ber_oid *oid, const char *text,
    const struct buffer *session_id, const uint8_t *bindings, size_t len)
{
	struct asked *a;

	if (q->count == ASKED_MAX || q->bytes + session_id->len + len > ASKED_MAX_BYTES)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	*a = (struct asked){ .write = write,
		.oid = *oid,
		.text = strdup(text),
		.session_id = copy(buffer_data(session_id), session_id->len),
		.session_len = session_id->len,
		.bindings = copy(bindings, len),
		.len = len };
	if (!a->text || !a->session_id || !a->bindings) {
		asked_free(a);
		return NULL;
	}
	*q->last = a;
	q->last = &a->next;
	q->count++;
	q->bytes += size_of(a);
	return a;
}

static bool
is_behind_its_like(const struct asked_queue *q, const struct asked *a)
{
	for (const struct asked *b = q->first; b != a; b = b->next)
		if (ber_oid_equal(&a->oid, &b->oid))
			return true;
	return false;
}

struct asked *
asked_next(const struct asked_queue *q)
{
	for (struct asked *a = q->first; a; a = a->next)
		if (!a->sent && !is_behind_its_like(q, a))
			return a;
	return NULL;
}

void
asked_remove(struct asked_queue *q, struct asked *a)
{
	struct asked **p = &q->first;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	if (q->last == &a->next)
		q->last = p;
	q->count--;
	q->bytes -= size_of(a);
	asked_free(a);
}
