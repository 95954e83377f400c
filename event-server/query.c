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

static int
compare_source_down(const void *a, const void *b)
{
	return compare_source(b, a);
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

/* A selection of the first so many in an order that the series is not in, by a heap: one walk over
 * all there is, whatever came in former answers. */
typedef int compare_records(const void *a, const void *b);

struct selection {
	compare_records *compare;
	size_t max;
	const struct record *after; /* what a former answer ended with, or NULL */
};

/* The heap's top is the last of those selected. */
static void
sift_down(struct query *q, compare_records *compare)
{
	const struct record **heap = q->results;

	for (size_t i = 0, child = 1; child < q->count; i = child, child = 2 * i + 1) {
		if (child + 1 < q->count && compare(&heap[child + 1], &heap[child]) > 0)
			child++;
		if (compare(&heap[i], &heap[child]) >= 0)
			return;
		const struct record *r = heap[i];
		heap[i] = heap[child];
		heap[child] = r;
	}
}

static int
select_record(struct query *q, const struct selection *sel, const struct record *r)
{
	if (sel->after && sel->compare(&r, &sel->after) <= 0)
		return 0;
	if (q->count == sel->max) {
		if (sel->max && sel->compare(&r, &q->results[0]) < 0) {
			q->results[0] = r;
			sift_down(q, sel->compare);
		}
		return 0;
	}
	if (add(q, r) < 0)
		return -1;
	for (size_t i = q->count - 1, up; i > 0; i = up) {
		up = (i - 1) / 2;
		if (sel->compare(&q->results[i], &q->results[up]) <= 0)
			break;
		q->results[i] = q->results[up];
		q->results[up] = r;
	}
	return 0;
}

static void
end_selection(struct query *q, const struct selection *sel)
{
	if (q->count)
		qsort(q->results, q->count, sizeof(*q->results), sel->compare);
}

/* The series' events behind the one that a former answer ended with; it is found by its id, also
 * where it has left the series since. */
static size_t
events_up_to(const struct store *s, const struct eventer_id *id)
{
	size_t i = events_before(s, id);

	return i < s->series.count && eventer_id_cmp(&store_series(s, i)->id, id) == 0 ? i + 1 : i;
}

/* In the order of registration, no further than one event beyond what is answered. */
static int
collect_by_id(struct query *q, struct store *s, const struct eventer_query *p)
{
	bool down = p->order == EVENTER_DESCENDING;
	size_t i = 0, n = s->series.count, max = most_results(p);

	store_series_between(s, &p->from, &p->to, &i, &n);
	if (p->has_last_id && down && events_before(s, &p->last_id) < n)
		n = events_before(s, &p->last_id);
	if (p->has_last_id && !down && events_up_to(s, &p->last_id) > i)
		i = events_up_to(s, &p->last_id);
	while (q->count <= max && i < n) {
		const struct record *r = store_series(s, down ? --n : i++);
		if (wanted(s, p, r) && add(q, r) < 0)
			return -1;
	}
	return 0;
}

/* The event that ended a former answer must still be there. */
static int
collect_by_source(struct query *q, struct store *s, const struct eventer_query *p)
{
	struct selection sel = { .compare = p->order == EVENTER_DESCENDING ? compare_source_down
									   : compare_source,
		.max = most_results(p) + 1 };
	size_t i = 0, n = s->series.count;

	if (p->has_last_id) {
		size_t last = events_before(s, &p->last_id);
		if (last == events_up_to(s, &p->last_id))
			return 0;
		sel.after = store_series(s, last);
	}
	store_series_between(s, &p->from, &p->to, &i, &n);
	for (; i < n; i++) {
		const struct record *r = store_series(s, i);
		if (wanted(s, p, r) && select_record(q, &sel, r) < 0)
			return -1;
	}
	end_selection(q, &sel);
	return 0;
}

static int
collect_timeseries(struct query *q, struct store *s, const struct eventer_query *p)
{
	return p->order_by == EVENTER_BY_SOURCE_TIMESTAMP ? collect_by_source(q, s, p)
							  : collect_by_id(q, s, p);
}

/* Latest events that have left the series, in the order of registration. */
static int
collect_older(struct query *q, struct store *s, const struct eventer_query *p)
{
	const struct record *oldest = s->series.count ? store_series(s, 0) : NULL;
	const struct record last = { .id = p->last_id };
	const struct selection sel = { .compare = compare_id,
		.max = most_results(p) + 1,
		.after = p->has_last_id ? &last : NULL };

	for (size_t i = 0; i < s->type_count; i++) {
		const struct record *r = s->types[i]->latest;
		if (r && (!oldest || eventer_id_cmp(&r->id, &oldest->id) < 0) &&
		    select_record(q, &sel, r) < 0)
			return -1;
	}
	end_selection(q, &sel);
	return 0;
}

/* Everything of one server that is still known, in the order of registration: latest events that
 * have left the series come before it. */
static int
collect_server(struct query *q, struct store *s, const struct eventer_query *p)
{
	size_t i = p->has_last_id ? events_up_to(s, &p->last_id) : 0, max = most_results(p);

	if (p->server_id != s->state.server)
		return 0;
	if (i == 0 && collect_older(q, s, p) < 0)
		return -1;
	while (q->count <= max && i < s->series.count)
		if (add(q, store_series(s, i++)) < 0)
			return -1;
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

bool
query_is_long(const struct store *s, const struct eventer_query *params)
{
	return params->kind == EVENTER_QUERY_LATEST && s->type_count > QUERY_SLICE &&
	       (!params->has_types || has_pattern(&params->types));
}

int
query_walk_begin(struct query_walk *w, const struct store *s, const struct eventer_query *params)
{
	struct eventer_types_iter it = eventer_types_begin(&params->types);
	struct eventer_type type;
	size_t patterns = 0;

	w->all = !params->has_types;
	if (w->all)
		return 0;
	while (eventer_types_next(&it, &type))
		patterns += !type.cut && is_pattern(&type);
	if (patterns * s->type_count > QUERY_MAX_WORK) {
		errno = E2BIG;
		return -1;
	}
	return subs_init(&w->types, &params->types);
}

static int
add_found(struct query_walk *w, struct store_type *t)
{
	if (w->count == w->size) {
		size_t size = w->size ? w->size * 2 : 256;
		struct store_type **found = realloc(w->found, size * sizeof(struct store_type *));
		if (!found)
			return -1;
		w->found = found;
		w->size = size;
	}
	w->found[w->count++] = t;
	return 0;
}

int
query_walk_step(struct query_walk *w, struct store *s)
{
	for (size_t n = 0; n < QUERY_SLICE && w->at < s->type_count; n++, w->at++) {
		struct store_type *t = s->types[w->at];
		struct eventer_types one = { 1, t->raw };
		struct eventer_types_iter it = eventer_types_begin(&one);
		struct eventer_type type;
		if (!t->latest)
			continue;
		if (!w->all && (!eventer_types_next(&it, &type) || !subs_match(&w->types, &type)))
			continue;
		if (add_found(w, t) < 0)
			return -1;
	}
	return w->at < s->type_count;
}

int
query_walk_end(struct query_walk *w, struct query *q)
{
	const struct eventer_query latest = { .kind = EVENTER_QUERY_LATEST };

	q->count = 0;
	q->bytes = 0;
	q->more = false;
	for (size_t i = 0; i < w->count; i++)
		if (add(q, w->found[i]->latest) < 0)
			return -1;
	limit(q, &latest);
	return 0;
}

void
query_walk_clear(struct query_walk *w)
{
	subs_clear(&w->types);
	free(w->found);
	*w = (struct query_walk){ 0 };
}
