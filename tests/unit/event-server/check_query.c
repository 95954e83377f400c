/* Pages of queries against a plain look at all that is kept. */
#include <stdio.h>
#include <stdlib.h>

#include "event-server/query.h"
#include "event-server/store.h"
#include "tests/unit/suite.h"

enum { EVENTS = 300, KEPT = 120, TYPES = 7, QUERIES = 400, PAGE = 9 };

static struct store s;
static struct query q;
static const struct record *expected[EVENTS];
static size_t expected_count;

static void
put(int type, const struct timestamp *source)
{
	struct eventer_prefix none = { 0 };
	char name[16];
	struct sbs_str segment = { name, (size_t)snprintf(name, sizeof(name), "t%d", type) };
	struct eventer_events_iter it;
	struct eventer_event e;
	struct buffer b;

	buffer_init(&b, 1000);
	sbs_put_int(&b, 1);
	eventer_put_register_event(&b, &none, &segment, 1, source, NULL);
	struct sbs_str data = { (const char *)buffer_data(&b), b.len };
	ck_assert_int_eq(eventer_register_req_decode(data, &it), DEC_OK);
	ck_assert(eventer_events_next(&it, &e));
	ck_assert_int_eq(store_stage(&s, &e), 0);
	buffer_clear(&b);
}

/* Sessions of one to three events; now and then the clock goes back. */
static void
fill(bool jumps)
{
	struct timestamp now = { 1000, 0 }, before;

	for (int left = EVENTS; left > 0;) {
		now.s += jumps && rand() % 40 == 0 ? -100 : rand() % 3;
		store_begin_session(&s, now, &before);
		for (int n = 1 + rand() % 3; n > 0 && left > 0; n--, left--) {
			struct timestamp source = { 500 + rand() % 50, 0 };
			/* The first type leaves the series, and is still the latest of its kind. */
			put(left > EVENTS / 2 ? rand() % TYPES : 3 + rand() % (TYPES - 3),
			    rand() % 3 ? &source : NULL);
		}
		ck_assert_int_eq(store_commit(&s), 0);
		store_release(&s);
	}
}

static void
setup(void)
{
	char err[200];

	srand(7);
	q = (struct query){ 0 };
	ck_assert_int_eq(store_init(&s, NULL, 1, KEPT, err, sizeof(err)), 0);
}

static void
teardown(void)
{
	store_clear(&s);
	query_clear(&q);
}

static struct eventer_time
some_time(int64_t from, int64_t span)
{
	return (struct eventer_time){ rand() % 2, { from + rand() % span, 0 } };
}

static bool
fits(const struct eventer_query *p, const struct record *r)
{
	if (p->kind == EVENTER_QUERY_SERVER)
		return true;
	bool by_source = p->order_by == EVENTER_BY_SOURCE_TIMESTAMP;
	if (!r->source.set && (by_source || p->source_from.set || p->source_to.set))
		return false;
	return (!p->from.set || eventer_time_cmp(&r->timestamp, &p->from.t) >= 0) &&
	       (!p->to.set || eventer_time_cmp(&r->timestamp, &p->to.t) <= 0) &&
	       (!p->source_from.set || eventer_time_cmp(&r->source.t, &p->source_from.t) >= 0) &&
	       (!p->source_to.set || eventer_time_cmp(&r->source.t, &p->source_to.t) <= 0);
}

static const struct eventer_query *ordered_by;

static int
compare(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;
	int order = 0;

	if (ordered_by->order_by == EVENTER_BY_SOURCE_TIMESTAMP)
		order = eventer_time_cmp(&(*x)->source.t, &(*y)->source.t);
	if (order == 0)
		order = eventer_id_cmp(&(*x)->id, &(*y)->id);
	return ordered_by->order == EVENTER_ASCENDING ? order : -order;
}

static void
expect(const struct eventer_query *p)
{
	expected_count = 0;
	for (size_t i = 0; i < s.series.count; i++)
		if (fits(p, store_series(&s, i)))
			expected[expected_count++] = store_series(&s, i);
	for (size_t i = 0; i < s.type_count && p->kind == EVENTER_QUERY_SERVER; i++)
		if (eventer_id_cmp(&s.types[i]->latest->id, &store_series(&s, 0)->id) < 0)
			expected[expected_count++] = s.types[i]->latest;
	ordered_by = p;
	qsort(expected, expected_count, sizeof(*expected), compare);
}

/* Reads in pages of so many. */
static void
read_all(struct eventer_query *p)
{
	size_t n = 0;

	expect(p);
	do {
		ck_assert_int_eq(query_run(&q, &s, p), 0);
		for (size_t i = 0; i < q.count; i++, n++) {
			ck_assert_uint_lt(n, expected_count);
			ck_assert_ptr_eq(q.results[i], expected[n]);
		}
		ck_assert_uint_eq(q.more, n < expected_count);
		ck_assert(q.count == PAGE || !q.more);
		if (q.count)
			p->last_id = q.results[q.count - 1]->id;
		p->has_last_id = true;
	} while (q.more);
	ck_assert_uint_eq(n, expected_count);
}

static struct eventer_query
some_query(void)
{
	struct eventer_query p = { .kind = EVENTER_QUERY_TIMESERIES,
		.from = some_time(900, 500),
		.to = some_time(900, 500),
		.order = rand() % 2 ? EVENTER_ASCENDING : EVENTER_DESCENDING,
		.order_by = rand() % 2 ? EVENTER_BY_TIMESTAMP : EVENTER_BY_SOURCE_TIMESTAMP,
		.has_max_results = true,
		.max_results = PAGE };

	if (rand() % 2) {
		p.source_from = some_time(500, 50);
		p.source_to = some_time(500, 50);
	}
	return p;
}

START_TEST(pages_are_what_is_kept)
{
	size_t found = 0;

	fill(_i);
	ck_assert_uint_eq(s.series.count, KEPT);
	for (int i = 0; i < QUERIES; i++) {
		struct eventer_query p = some_query();
		read_all(&p);
		found += expected_count;
	}
	ck_assert_uint_gt(found, QUERIES);
}
END_TEST

START_TEST(all_of_a_server_in_pages)
{
	struct eventer_query p = { .kind = EVENTER_QUERY_SERVER,
		.server_id = 1,
		.order = EVENTER_ASCENDING,
		.has_max_results = true,
		.max_results = PAGE };

	for (int i = 0; i < 3 * PAGE; i++)
		put(100 + i, NULL);
	fill(false);
	read_all(&p);
	ck_assert_uint_gt(expected_count, KEPT + 3 * PAGE - 1);
}
END_TEST

/* Asked in steps, while events are registered. */
START_TEST(a_walk_finds_what_a_query_finds)
{
	static const char *const patterns[] = { "?", "*", "t1", "t?", "" };
	struct query other = { 0 };
	struct timestamp now = { 1000, 0 }, before;

	store_begin_session(&s, now, &before);
	for (int i = 0; i < 3 * QUERY_SLICE; i++)
		put(i, NULL);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	struct eventer_query p = { .kind = EVENTER_QUERY_LATEST, .has_types = patterns[_i][0] };
	struct query_walk w = { 0 };
	struct buffer b;
	buffer_init(&b, 1000);
	eventer_put_type_text(&b, patterns[_i]);
	p.types = (struct eventer_types){ 1, { (const char *)buffer_data(&b), b.len } };
	ck_assert_int_eq(query_walk_begin(&w, &s, &p), 0);
	ck_assert_int_eq(query_walk_step(&w, &s), 1);
	store_begin_session(&s, now, &before);
	put(1, NULL); /* that the walk has passed */
	put(100000, NULL);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	while (query_walk_step(&w, &s))
		;
	ck_assert_int_eq(query_walk_end(&w, &q), 0);
	ck_assert_int_eq(query_run(&other, &s, &p), 0);
	ck_assert_uint_eq(q.count, other.count);
	ck_assert_uint_eq(q.bytes, other.bytes);
	ck_assert(!q.more);
	for (size_t i = 0; i < q.count; i++)
		ck_assert_ptr_eq(q.results[i], other.results[i]);
	query_walk_clear(&w);
	query_clear(&other);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, pages_are_what_is_kept, 0, 2);
	tcase_add_test(tc, all_of_a_server_in_pages);
	tcase_add_loop_test(tc, a_walk_finds_what_a_query_finds, 0, 5);
}

UNIT_MAIN("pages of queries")
