/* The time series of gateway-eventd's store: the ring of the last events, and how much of it stays.
 */
#include <errno.h>
#include <stdlib.h>

#include "event-server/store_private.h"

enum { FIRST_RING = 1024, FIRST_GONE = 256 };

/* It is deleted from the db by the next commit. Out of memory it stays there, until the next start
 * finds it too much. */
void
series_note_gone(struct store *s, uint64_t seq)
{
	struct series *l = &s->series;

	if (l->gone_count == l->gone_size) {
		size_t size = l->gone_size ? l->gone_size * 2 : FIRST_GONE;
		uint64_t *gone = realloc(l->gone, size * sizeof(*gone));
		if (!gone)
			return;
		l->gone = gone;
		l->gone_size = size;
	}
	l->gone[l->gone_count++] = seq;
}

/* It has left its place. */
static void
series_forget(struct store *s, struct record *r)
{
	struct retention_rule *rule = r->type->rule;

	if (rule) {
		rule->count--;
		rule->bytes -= record_size(r->len);
	}
	if (s->db)
		series_note_gone(s, r->seq);
	store_record_unref(s, r);
}

void
series_drop_oldest(struct store *s)
{
	struct record *r = s->series.ring[s->series.first];

	s->series.first = (s->series.first + 1) % s->series.size;
	s->series.count--;
	series_forget(s, r);
}

int
series_reserve(struct store *s, size_t n)
{
	size_t size = s->series.size ? s->series.size : FIRST_RING;

	if (s->series.count + n <= s->series.size)
		return 0;
	while (size < s->series.count + n)
		size *= 2;
	struct record **ring = malloc(size * sizeof(struct record *));
	if (!ring)
		return -1;
	for (size_t i = 0; i < s->series.count; i++)
		ring[i] = s->series.ring[(s->series.first + i) % s->series.size];
	free(s->series.ring);
	s->series.ring = ring;
	s->series.size = size;
	s->series.first = 0;
	return 0;
}

void
series_push(struct store *s, struct record *r, uint64_t seq)
{
	struct retention_rule *rule = r->type->rule;

	if (s->series.count &&
	    eventer_time_cmp(&r->timestamp, &store_series(s, s->series.count - 1)->timestamp) < 0)
		s->series.ordered = seq;
	if (rule) {
		rule->count++;
		rule->bytes += record_size(r->len);
	}
	r->seq = seq;
	s->series.next = seq + 1;
	s->series.ring[(s->series.first + s->series.count) % s->series.size] = r;
	s->series.count++;
}

void
store_set_retention(struct store *s, const struct retention *r)
{
	s->retention = *r;
	for (size_t i = 0; i < r->count; i++)
		for (size_t k = 0; k < r->rules[i].segment_count; k++)
			s->retention.rules[i].segments[k].p =
			    s->retention.rules[i].text +
			    (r->rules[i].segments[k].p - r->rules[i].text);
	for (size_t i = 0; i < s->type_count; i++) {
		struct eventer_types one = { 1, s->types[i]->raw };
		struct eventer_types_iter it = eventer_types_begin(&one);
		struct eventer_type type;
		if (eventer_types_next(&it, &type))
			s->types[i]->rule = retention_find(&s->retention, &type);
	}
	for (size_t i = 0; i < s->series.count; i++) {
		const struct record *record = store_series(s, i);
		if (record->type->rule) {
			record->type->rule->count++;
			record->type->rule->bytes += record_size(record->len);
		}
	}
}

/* What is beyond the bounds of a rule: events that are left to drop. */
struct excess {
	uint64_t count, bytes;
	struct timestamp oldest; /* older ones go */
};

static uint64_t
beyond(uint64_t v, uint64_t max)
{
	return v > max ? v - max : 0;
}

static void
excess_of(struct excess *x, const struct retention_rule *rule, struct timestamp now)
{
	*x = (struct excess){ .count = beyond(rule->count, rule->max_count),
		.bytes = beyond(rule->bytes, rule->max_bytes),
		.oldest = { INT64_MIN, 0 } };
	if (rule->max_age_s != INT64_MAX)
		__builtin_sub_overflow(now.s, rule->max_age_s, &x->oldest.s);
}

static bool
is_excess(struct excess *x, const struct record *r)
{
	uint64_t size = record_size(r->len);

	if (x->count == 0 && x->bytes == 0 && eventer_time_cmp(&r->timestamp, &x->oldest) >= 0)
		return false;
	x->count -= x->count > 0;
	x->bytes -= x->bytes < size ? x->bytes : size;
	return true;
}

void
store_retain(struct store *s, struct timestamp now)
{
	struct excess excess[RETENTION_MAX_RULES];
	struct series *l = &s->series;
	size_t kept = 0;

	if (s->retention.count == 0)
		return;
	for (size_t i = 0; i < s->retention.count; i++)
		excess_of(&excess[i], &s->retention.rules[i], now);
	for (size_t i = 0; i < l->count; i++) {
		struct record *r = l->ring[(l->first + i) % l->size];
		const struct retention_rule *rule = r->type->rule;
		if (rule && is_excess(&excess[rule - s->retention.rules], r))
			series_forget(s, r);
		else
			l->ring[(l->first + kept++) % l->size] = r;
	}
	l->count = kept;
}

/* Whether so much is beyond a bound that a walk over the series pays. */
static bool
is_far_beyond(const struct store *s)
{
	for (size_t i = 0; i < s->retention.count; i++) {
		const struct retention_rule *rule = &s->retention.rules[i];
		uint64_t slack = rule->max_count / 8;
		if (slack < s->series.count / 64)
			slack = s->series.count / 64;
		if (beyond(rule->count, rule->max_count) > (slack < 8192 ? slack : 8192) ||
		    beyond(rule->bytes, rule->max_bytes) > rule->max_bytes / 8 + (1 << 20))
			return true;
	}
	return false;
}

void
series_make_room(struct store *s)
{
	if (is_far_beyond(s))
		store_retain(s, s->state.last);
	while (s->series.count &&
	       (s->series.count + s->staged_count > s->series.max || s->bytes > STORE_SERIES_BYTES))
		series_drop_oldest(s);
}

const struct record *
store_series(const struct store *s, size_t i)
{
	return s->series.ring[(s->series.first + i) % s->series.size];
}

/* The first event from <= i < to whose timestamp is not less, or is greater; they are ordered. */
static size_t
bound(const struct store *s, size_t from, size_t to, const struct timestamp *t, bool greater)
{
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (eventer_time_cmp(&store_series(s, middle)->timestamp, t) < greater)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

size_t
series_find(const struct store *s, uint64_t seq)
{
	size_t from = 0, to = s->series.count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (store_series(s, middle)->seq < seq)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

void
store_series_between(const struct store *s, const struct eventer_time *first,
    const struct eventer_time *last, size_t *from, size_t *to)
{
	size_t start = series_find(s, s->series.ordered);

	if (last->set && start < *to)
		*to = bound(s, start > *from ? start : *from, *to, &last->t, true);
	if (first->set && start <= *from)
		*from = bound(s, *from, *to, &first->t, false);
}
