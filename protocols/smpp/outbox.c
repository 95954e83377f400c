#include "protocols/smpp/outbox.h"

#include <stdlib.h>
#include <string.h>

enum { PART_BITS = 8 };
_Static_assert(TEXT_MAX_PARTS < 1 << PART_BITS, "a part's index fits its tag");

static const struct smpp_str no_id;

void
outbox_init(struct outbox *q, outbox_result_cb *on_result, outbox_forget_cb *forget, void *arg)
{
	*q = (struct outbox){ .on_result = on_result, .forget = forget, .arg = arg };
	TAILQ_INIT(&q->list);
}

static void
message_free(struct outbox_message *m)
{
	free(m->address);
	free(m->request);
	free(m->octets);
	free(m);
}

static void
take_out(struct outbox *q, struct outbox_message *m)
{
	TAILQ_REMOVE(&q->list, m, entry);
	q->messages--;
	q->bytes -= m->bytes;
	for (size_t i = 0; i < m->count; i++)
		if (m->parts[i].state == PART_SENT)
			q->forget(q->arg, m->number << PART_BITS | i);
}

static void
finish(struct outbox *q, struct outbox_message *m, uint32_t status, const char *why,
    struct smpp_str id)
{
	take_out(q, m);
	const struct outbox_result result = {
		.message = m, .status = status, .why = why, .id = id
	};
	q->on_result(q->arg, &result);
	message_free(m);
}

void
outbox_clear(struct outbox *q)
{
	struct outbox_message *m;

	while ((m = TAILQ_FIRST(&q->list))) {
		TAILQ_REMOVE(&q->list, m, entry);
		message_free(m);
	}
	q->messages = 0;
	q->bytes = 0;
}

static size_t
set_parts(struct outbox_message *m, const size_t *parts, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		m->parts[i].offset = (uint32_t)total;
		m->parts[i].len = (uint32_t)parts[i];
		total += parts[i];
	}
	return total;
}

int
outbox_put(struct outbox *q, const char *address, const char *request, const uint8_t *octets,
    const size_t *parts, size_t count, struct monotime deadline)
{
	if (q->messages >= OUTBOX_MAX_MESSAGES || q->bytes >= OUTBOX_MAX_BYTES)
		return -1;
	struct outbox_message *m = calloc(1, sizeof(*m) + count * sizeof(m->parts[0]));
	if (!m)
		return -1;
	size_t total = set_parts(m, parts, count);
	m->address = strdup(address);
	m->request = request ? strdup(request) : NULL;
	m->octets = malloc(total ? total : 1);
	if (!m->address || !m->octets || (request && !m->request)) {
		message_free(m);
		return -1;
	}
	if (total)
		memcpy(m->octets, octets, total);
	m->number = ++q->number;
	m->deadline = deadline;
	m->count = count;
	m->bytes = sizeof(*m) + total + strlen(address) + (request ? strlen(request) : 0);
	TAILQ_INSERT_TAIL(&q->list, m, entry);
	q->messages++;
	q->bytes += m->bytes;
	return 0;
}

static bool
is_throttled(const struct outbox *q, struct monotime now)
{
	return q->throttle_ms && monotime_diff_ms(now, q->throttled) < q->throttle_ms;
}

bool
outbox_next(struct outbox *q, struct monotime now, struct outbox_part_out *part)
{
	struct outbox_message *m;

	if (is_throttled(q, now))
		return false;
	TAILQ_FOREACH(m, &q->list, entry)
	{
		for (size_t i = 0; i < m->count; i++) {
			if (m->parts[i].state != PART_WAITS)
				continue;
			m->parts[i].state = PART_SENT;
			*part = (struct outbox_part_out){ .message = m,
				.octets = { (const char *)m->octets + m->parts[i].offset,
				    m->parts[i].len },
				.tag = m->number << PART_BITS | i };
			return true;
		}
	}
	return false;
}

static struct outbox_message *
find(const struct outbox *q, uint64_t tag)
{
	struct outbox_message *m;

	TAILQ_FOREACH(m, &q->list, entry)
	if (m->number == tag >> PART_BITS)
		return m;
	return NULL;
}

static void
throttle(struct outbox *q, struct monotime now)
{
	q->throttle_ms = q->throttle_ms ? q->throttle_ms * 2 : OUTBOX_THROTTLE_MS;
	if (q->throttle_ms > OUTBOX_THROTTLE_MAX_MS)
		q->throttle_ms = OUTBOX_THROTTLE_MAX_MS;
	q->throttled = now;
}

void
outbox_answer(
    struct outbox *q, uint64_t tag, uint32_t status, struct smpp_str id, struct monotime now)
{
	struct outbox_message *m = find(q, tag);
	size_t i = tag & ((1 << PART_BITS) - 1);

	if (!m || i >= m->count || m->parts[i].state != PART_SENT)
		return;
	if (status == SMPP_RTHROTTLED || status == SMPP_RMSGQFUL) {
		m->parts[i].state = PART_WAITS;
		/* A whole window may be answered so at once. */
		if (!is_throttled(q, now))
			throttle(q, now);
		return;
	}
	m->parts[i].state = PART_TAKEN;
	q->throttle_ms = 0;
	if (status != SMPP_ROK || ++m->taken == m->count)
		finish(q, m, status, NULL, id);
}

/* The peer has a part of it, or has not: nobody knows. */
static bool
has_unanswered(const struct outbox_message *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->parts[i].state == PART_SENT)
			return true;
	return false;
}

static void
end_where(struct outbox *q, bool (*ends)(const struct outbox_message *m), const char *why)
{
	for (struct outbox_message *m = TAILQ_FIRST(&q->list), *next; m; m = next) {
		next = TAILQ_NEXT(m, entry);
		if (!ends || ends(m))
			finish(q, m, 0, why, no_id);
	}
}

void
outbox_lost(struct outbox *q, const char *why)
{
	end_where(q, has_unanswered, why);
	q->throttle_ms = 0;
}

void
outbox_end(struct outbox *q, const char *why)
{
	end_where(q, NULL, why);
}

void
outbox_expire(struct outbox *q, struct monotime now)
{
	/* All wait equally long: the list is in the order of deadlines. */
	struct outbox_message *m;

	while ((m = TAILQ_FIRST(&q->list)) && monotime_cmp(m->deadline, now) <= 0)
		finish(q, m, 0, "TIMEOUT", no_id);
}

int64_t
outbox_due(const struct outbox *q, struct monotime now)
{
	const struct outbox_message *m = TAILQ_FIRST(&q->list);

	if (!m)
		return -1;
	int64_t left = monotime_diff_ms(m->deadline, now) + 1;
	if (is_throttled(q, now)) {
		int64_t free_in = q->throttle_ms - monotime_diff_ms(now, q->throttled);
		left = left < free_in ? left : free_in;
	}
	return left > 0 ? left : 0;
}
