#include "event-server/query.h"

#include <errno.h>
#include <stdlib.h>

enum { QUERY_BLOCK = 64 /* patterns that are compared with a type at once */ };

void
query_clear(struct query *q)
{
	free(q->results);
	*q = (struct query){ 0 };
}

static int
add(struct query *q, const struct record *r)
{
	if (q->count == q->size) {
		size_t size = q->size ? q->size * 2 : 256;
		const struct record **results = realloc(q->results, size * sizeof(*results));
		if (!results)
			return -1;
		q->results = results;
		q->size = size;
	}
	q->results[q->count++] = r;
	return 0;
}

static bool
is_pattern(const struct eventer_type *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->segments[i].len == 1 && strchr("?*", t->segments[i].p[0]))
			return true;
	return false;
}

static bool
has_pattern(const struct eventer_types *types)
{
	struct eventer_types_iter it = eventer_types_begin(types);
	struct eventer_type type;

	while (eventer_types_next(&it, &type))
		if (!type.cut && is_pattern(&type))
			return true;
	return false;
}

/* Decoding a type costs ten times what comparing it does: once for a block of patterns. */
static void
select_matching(struct store *s, const struct eventer_type *patterns, size_t n)
{
	for (size_t i = 0; i < s->type_count; i++) {
		struct store_type *t = s->types[i];
		struct eventer_type type;
		struct eventer_types one = { 1, t->raw };
		if (t->query == s->query)
			continue;
		struct eventer_types_iter it = eventer_types_begin(&one);
		if (!eventer_types_next(&it, &type))
			continue;
		for (size_t k = 0; k < n && t->query != s->query; k++)
			if (eventer_type_match(
				type.segments, type.count, patterns[k].segments, patterns[k].count))
				t->query = s->query;
	}
}

/* Marks the types that the query asks for with its number. */
static int
select_types(struct store *s, const struct eventer_types *types)
{
	static struct eventer_type patterns[QUERY_BLOCK];
	struct eventer_types_iter it = eventer_types_begin(types);
	size_t work = 0, n = 0;

	s->query++;
	while (eventer_types_next(&it, &patterns[n])) {
		if (patterns[n].cut)
			continue;
		if (!is_pattern(&patterns[n])) {
			struct store_type *t = store_find_type(s, &patterns[n]);
			if (t)
				t->query = s->query;
			continue;
		}
		work += s->type_count;
		if (work > QUERY_MAX_WORK) {
			errno = E2BIG;
			return -1;
		}
		if (++n == QUERY_BLOCK) {
			select_matching(s, patterns, n);
			n = 0;
		}
	}
	if (n)
		select_matching(s, patterns, n);
	return 0;
}

static bool
selected(const struct store *s, const struct eventer_query *p, const struct record *r)
{
	return !p->has_types || r->type->query == s->query;
}

static int
compare_number(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;
	uint64_t m = (*x)->type->number, n = (*y)->type->number;

	return (m > n) - (m < n);
}

/* Types that are named cost what they are, however many others there are. */
static int
collect_named(struct query *q, struct store *s, const struct eventer_types *types)
{
	struct eventer_types_iter it = eventer_types_begin(types);
	struct eventer_type type;

	s->query++;
	while (eventer_types_next(&it, &type)) {
		struct store_type *t = type.cut ? NULL : store_find_type(s, &type);
		if (!t || !t->latest || t->query == s->query)
			continue;
		t->query = s->query;
		if (add(q, t->latest) < 0)
			return -1;
	}
	if (q->count)
		qsort(q->results, q->count, sizeof(*q->results), compare_number);
	return 0;
}

static int
collect_latest(struct query *q, struct store *s, const struct eventer_query *p)
{
	if (p->has_types && !has_pattern(&p->types))
		return collect_named(q, s, &p->types);
	for (size_t i = 0; i < s->type_count; i++) {
		const struct record *r = s->types[i]->latest;
		if (r && selected(s, p, r) && add(q, r) < 0)
			return -1;
	}
	return 0;
}

static bool
in_bounds(const struct timestamp *t, const struct eventer_time *from, const struct eventer_time *to)
{
	return (!from->set || eventer_time_cmp(t, &from->t) >= 0) &&
	       (!to->set || eventer_time_cmp(t, &to->t) <= 0);
}

static bool
wanted(const struct store *s, const struct eventer_query *p, const struct record *r)
{
	bool by_source = p->order_by == EVENTER_BY_SOURCE_TIMESTAMP;

	if (!r->source.set && (by_source || p->source_from.set || p->source_to.set))
		return false;
	return in_bounds(&r->timestamp, &p->from, &p->to) &&
	       (!r->source.set || in_bounds(&r->source.t, &p->source_from, &p->source_to)) &&
	       selected(s, p, r);
}

static int
compare_id(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;

	return eventer_id_cmp(&(*x)->id, &(*y)->id);
}

static int
compare_source(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;
	int order = eventer_time_cmp(&(*x)->source.t, &(*y)->source.t);

	return order ? order : compare_id(a, b);
}

static void
reverse(struct query *q)
{
	for (size_t i = 0; i < q->count / 2; i++) {
		const struct record *r = q->results[i];
		q->results[i] = q->results[q->count - 1 - i];
		q->results[q->count - 1 - i] = r;
	}
}

static void
drop_front(struct query *q, size_t n)
{
	q->count -= n;
	memmove(q->results, q->results + n, q->count * sizeof(*q->results));
}

/* What a former answer ended with, and all before it, goes. By timestamp the id alone tells, also
 * where that event has left the series since; by source timestamp it must still be there. */
static void
resume(struct query *q, const struct eventer_query *p)
{
	size_t n = 0;

	if (!p->has_last_id)
		return;
	if (p->order_by == EVENTER_BY_SOURCE_TIMESTAMP) {
		while (n < q->count && eventer_id_cmp(&q->results[n]->id, &p->last_id) != 0)
			n++;
		drop_front(q, n < q->count ? n + 1 : n);
		return;
	}
	int before = p->order == EVENTER_ASCENDING ? -1 : 1;
	while (n < q->count) {
		int order = eventer_id_cmp(&q->results[n]->id, &p->last_id);
		if (order != 0 && order != before)
			break;
		n++;
	}
	drop_front(q, n);
}

/* How many of a series' events come before the id, itself not counted. */
static size_t
events_before(const struct store *s, const struct eventer_id *id)
{
	size_t from = 0, to = s->series.count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (eventer_id_cmp(&store_series(s, middle)->id, id) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The most results of a query that is answered in parts. */
static size_t
most_results(const struct eventer_query *p)
{
	if (!p->has_max_results || p->max_results > QUERY_MAX_RESULTS)
		return QUERY_MAX_RESULTS;
	return p->max_results < 0 ? 0 : (size_t)p->max_results;
}

/* In the order of registration, no further than one event beyond what is answered. What a former
 * answer ended with is found by its id, also where it has left the series since. */
static int
collect_by_id(struct query *q, struct store *s, const struct eventer_query *p)
{
	bool down = p->order == EVENTER_DESCENDING;
	size_t i = 0, n = s->series.count, max = most_results(p);

	if (p->has_last_id) {
		i = events_before(s, &p->last_id);
		n = i;
		if (!down && i < s->series.count &&
		    eventer_id_cmp(&store_series(s, i)->id, &p->last_id) == 0)
			i++;
		if (!down)
			n = s->series.count;
	}
	while (q->count <= max && (down ? n > 0 : i < n)) {
		const struct record *r = store_series(s, down ? --n : i++);
		if (wanted(s, p, r) && add(q, r) < 0)
			return -1;
	}
	return 0;
}

static int
collect_timeseries(struct query *q, struct store *s, const struct eventer_query *p)
{
	if (p->order_by != EVENTER_BY_SOURCE_TIMESTAMP)
		return collect_by_id(q, s, p);
	for (size_t i = 0; i < s->series.count; i++) {
		const struct record *r = store_series(s, i);
		if (wanted(s, p, r) && add(q, r) < 0)
			return -1;
	}
	if (q->count)
		qsort(q->results, q->count, sizeof(*q->results), compare_source);
	if (p->order == EVENTER_DESCENDING)
		reverse(q);
	resume(q, p);
	return 0;
}

/* Everything of one server that is still known, in the order of registration: latest events that
 * have left the series come before it. */
static int
collect_server(struct query *q, struct store *s, const struct eventer_query *p)
{
	const struct record *oldest = s->series.count ? store_series(s, 0) : NULL;

	if (p->server_id != s->state.server)
		return 0;
	for (size_t i = 0; i < s->type_count; i++) {
		const struct record *r = s->types[i]->latest;
		if (r && (!oldest || eventer_id_cmp(&r->id, &oldest->id) < 0) && add(q, r) < 0)
			return -1;
	}
	if (q->count)
		qsort(q->results, q->count, sizeof(*q->results), compare_id);
	for (size_t i = 0; i < s->series.count; i++)
		if (add(q, store_series(s, i)) < 0)
			return -1;
	struct eventer_query ascending = {
		.order = EVENTER_ASCENDING, .has_last_id = p->has_last_id, .last_id = p->last_id
	};
	resume(q, &ascending);
	return 0;
}

static void
limit(struct query *q, const struct eventer_query *p)
{
	size_t max = q->count;

	if (p->kind != EVENTER_QUERY_LATEST && most_results(p) < max)
		max = most_results(p);
	size_t n = 0;
	while (n < max && q->bytes + q->results[n]->len <= QUERY_MAX_BYTES)
		q->bytes += q->results[n++]->len;
	q->more = n < q->count;
	q->count = n;
}

int
query_run(struct query *q, struct store *s, const struct eventer_query *params)
{
	static int (*const collect[])(
	    struct query * q, struct store * s, const struct eventer_query *p) = {
		[EVENTER_QUERY_LATEST] = collect_latest,
		[EVENTER_QUERY_TIMESERIES] = collect_timeseries,
		[EVENTER_QUERY_SERVER] = collect_server,
	};

	q->count = 0;
	q->bytes = 0;
	q->more = false;
	bool named = params->kind == EVENTER_QUERY_LATEST && params->has_types &&
		     !has_pattern(&params->types);
	if (params->has_types && !named && select_types(s, &params->types) < 0) {
		q->more = errno == E2BIG;
		return -1;
	}
	if (collect[params->kind](q, s, params) < 0)
		return -1;
	limit(q, params);
	return 0;
}
