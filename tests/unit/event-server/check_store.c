#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "event-server/query.h"
#include "event-server/siphash.h"
#include "event-server/store.h"
#include "tests/unit/event-server/store_folder.h"
#include "tests/unit/suite.h"

static struct store s;
static struct query q;
static char err[200], folder[64];

static void
setup(void)
{
	store_folder_make(folder);
	ck_assert_int_eq(store_init(&s, NULL, 1, 5, err, sizeof(err)), 0);
	q = (struct query){ 0 };
}

static void
teardown(void)
{
	store_clear(&s);
	query_clear(&q);
	store_folder_remove(folder);
}

/* The store again, as after a restart. */
static void
reopen(size_t series)
{
	store_clear(&s);
	struct db *db = db_open(folder, true, err, sizeof(err));
	ck_assert_msg(db != NULL, "%s", err);
	ck_assert_msg(store_init(&s, db, 1, series, err, sizeof(err)) == 0, "%s", err);
}

static int
stage(const char *type, int64_t source)
{
	struct eventer_prefix none = { 0 };
	struct sbs_str segments[8];
	struct timestamp t = { source, 0 };
	struct eventer_events_iter it;
	struct eventer_event e;
	struct buffer b;
	size_t n = 0;

	for (const char *p = type; *p; n++) {
		size_t len = strcspn(p, "/");
		segments[n] = (struct sbs_str){ p, len };
		p += len + (p[len] == '/');
	}
	buffer_init(&b, 10000);
	sbs_put_int(&b, 1);
	eventer_put_register_event(&b, &none, segments, n, source ? &t : NULL, NULL);
	struct sbs_str data = { (const char *)buffer_data(&b), b.len };
	ck_assert_int_eq(eventer_register_req_decode(data, &it), DEC_OK);
	ck_assert(eventer_events_next(&it, &e));
	int r = store_stage(&s, &e);
	buffer_clear(&b);
	return r;
}

/* Whether time went back. */
static bool
begin(int64_t seconds, uint32_t us)
{
	struct timestamp before;

	return store_begin_session(&s, (struct timestamp){ seconds, us }, &before);
}

/* One session with one event. */
static void
put(const char *type, int64_t source)
{
	begin(1000 + s.state.session, 0);
	ck_assert_int_eq(stage(type, source), 0);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
}

/* The sessions of the results, as "3 2 1", with "+" where more follows. */
static const char *
ask(const struct eventer_query *params)
{
	static char text[400];
	size_t len = 0;

	ck_assert_int_eq(query_run(&q, &s, params), 0);
	text[0] = '\0';
	for (size_t i = 0; i < q.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld", i ? " " : "",
		    (long long)q.results[i]->id.session);
	if (q.more)
		snprintf(text + len, sizeof(text) - len, "+");
	return text;
}

static const struct eventer_query all_up = { .kind = EVENTER_QUERY_TIMESERIES,
	.order = EVENTER_ASCENDING };
static const struct eventer_query all_latest = { .kind = EVENTER_QUERY_LATEST };

static struct eventer_query
typed(struct eventer_query query, struct buffer *b, const char *types)
{
	char copy[200];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", types);
	buffer_init(b, 1000);
	query.has_types = true;
	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		eventer_put_type_text(b, t);
		query.types.count++;
	}
	query.types.bytes = (struct sbs_str){ (const char *)buffer_data(b), b->len };
	return query;
}

START_TEST(staged_events_are_not_seen)
{
	begin(1, 0);
	ck_assert_int_eq(stage("a", 0), 0);
	ck_assert_str_eq(ask(&all_latest), "");
	ck_assert_str_eq(ask(&all_up), "");
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_str_eq(ask(&all_latest), "1");
	ck_assert_str_eq(ask(&all_up), "1");
}
END_TEST

START_TEST(unstaged_events_are_gone)
{
	begin(1, 0);
	stage("a", 0);
	stage("b", 0);
	store_unstage(&s, 1);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_uint_eq(s.series.count, 1);
	store_release(&s);
	ck_assert_str_eq(ask(&all_latest), "1");
}
END_TEST

START_TEST(time_follows_the_clock)
{
	ck_assert(!begin(100, 5));
	/* A second back is no jump. */
	ck_assert(!begin(99, 5));
	ck_assert_int_eq(s.state.last.s, 100);
	ck_assert_int_eq(s.state.session, 2);
	ck_assert(!begin(100, 6));
	ck_assert_uint_eq(s.state.last.us, 6);
	ck_assert(begin(99, 5));
	ck_assert_int_eq(s.state.last.s, 99);
	ck_assert(!begin(99, 6));
	/* As after a boot in the wrong century. */
	ck_assert(!begin(4070908800, 0));
	ck_assert(begin(1000, 0));
	ck_assert(!begin(INT64_MAX, 0));
	ck_assert(begin(INT64_MIN, 0));
}
END_TEST

/* Events that came after the clock was set right are found by their time, in the order of ids. */
START_TEST(a_store_from_the_future)
{
	struct eventer_query p = all_up;

	reopen(5);
	begin(4070908800, 0);
	ck_assert_int_eq(stage("a", 0), 0);
	ck_assert_int_eq(store_commit(&s), 0);
	reopen(5);
	put("b", 0);
	put("c", 0);
	ck_assert_str_eq(ask(&p), "1 2 3");
	p.from = (struct eventer_time){ true, { 1001, 0 } };
	p.to = (struct eventer_time){ true, { 1002, 0 } };
	ck_assert_str_eq(ask(&p), "2 3");
	p.order = EVENTER_DESCENDING;
	ck_assert_str_eq(ask(&p), "3 2");
}
END_TEST

/* What is known is replaced, and what a gateway needs is taken, where nothing else is. */
START_TEST(a_full_store_replaces)
{
	static char data[1 << 19];
	static const char *const running = "gateway/g/modbus_master/d/gateway/running";
	char name[16];
	struct buffer b;

	begin(1, 0);
	ck_assert_int_eq(stage("known", 0), 0);
	buffer_init(&b, 100);
	for (int i = 0;; i++) {
		snprintf(name, sizeof(name), "%d", i);
		buffer_reset(&b);
		eventer_put_type_text(&b, name);
		struct eventer_types one = { 1, { (const char *)buffer_data(&b), b.len } };
		struct eventer_types_iter it = eventer_types_begin(&one);
		struct eventer_event e = { .raw = { data, sizeof(data) },
			.rest = { data, sizeof(data) } };
		ck_assert(eventer_types_next(&it, &e.type));
		if (store_stage(&s, &e) < 0)
			break;
	}
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	s.bytes = STORE_NEW_BYTES; /* to the last byte */
	begin(2, 0);
	ck_assert_int_eq(stage("new", 0), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(stage("known", 0), 0);
	ck_assert_int_eq(stage(running, 0), 0);
	ck_assert_int_eq(stage("gateway/g/modbus_master/d/system/enable", 0), 0);
	ck_assert_int_eq(stage("gateway/g/modbus_master/d/gateway/data/1", 0), -1);
	store_unstage(&s, 0);
	s.bytes = 2 * (size_t)STORE_MAX_BYTES;
	ck_assert_int_eq(stage("known", 0), 0);
	ck_assert_int_eq(stage(running, 0), -1);
	buffer_clear(&b);
}
END_TEST

START_TEST(a_device_has_a_quota)
{
	static const char *const forms[] = { "gateway/g/t/d/gateway/%s", "gateway/t/d/gateway/%s" };
	static const char *const others[] = { "gateway/g/t/e/gateway/1", "gateway/t/e/gateway/1" };
	static const char *const running[] = { "gateway/g/t/d/gateway/running",
		"gateway/t/d/gateway/running" };
	char type[64];

	reopen(5);
	store_set_quotas(&s, 3, 10000);
	for (int round = 0; round < 2; round++) {
		begin(1 + round, 0);
		for (int i = 0; i < 3; i++) {
			snprintf(
			    type, sizeof(type), forms[_i], (const char *[]){ "a", "b", "c" }[i]);
			ck_assert_int_eq(stage(type, 0), 0);
			ck_assert_int_eq(stage(type, 0), 0);
		}
		snprintf(type, sizeof(type), forms[_i], "d");
		ck_assert_int_eq(stage(type, 0), -1);
		ck_assert_int_eq(errno, EDQUOT);
		ck_assert_int_eq(stage(others[_i], 0), 0);
		ck_assert_int_eq(stage("short/type", 0), 0);
		ck_assert_int_eq(stage(running[_i], 0), 0);
		ck_assert_int_eq(store_commit(&s), 0);
		store_release(&s);
		/* As it counts the types that are of the gateway's own. */
		store_set_quotas(&s, 4, 10000);
	}
	reopen(5);
	store_set_quotas(&s, 4, 10000);
	begin(5, 0);
	ck_assert_int_eq(stage(type, 0), -1);
	store_unstage(&s, 0);
	store_set_quotas(&s, 5, 10000);
	ck_assert_int_eq(stage(type, 0), 0);
}
END_TEST

/* What is replaced pays no more, whether it was committed or staged. */
START_TEST(a_devices_bytes_are_those_of_its_latest_events)
{
	static const char *const type = "gateway/g/t/d/gateway/a";
	size_t one = 0;

	for (int i = 0; i < 100; i++) {
		put(type, 0);
		struct quota *d = s.types[0]->device;
		one = i == 0 ? d->bytes : one;
		/* An id may take more bytes than the one before. */
		ck_assert_uint_le(d->bytes - one, 8);
		one = d->bytes;
		begin(5000 + i, 0);
		ck_assert_int_eq(stage(type, 0), 0);
		ck_assert_int_eq(stage(type, 0), 0);
		ck_assert_uint_le(d->bytes - 3 * one, 16);
		if (i % 2)
			store_unstage(&s, 0);
		else
			ck_assert_int_eq(store_commit(&s), 0);
		store_release(&s);
		ck_assert_uint_le(d->bytes - one, 8);
	}
	store_set_quotas(&s, 100, one);
	begin(9000, 0);
	ck_assert_int_eq(stage("gateway/g/t/d/gateway/b", 0), -1);
	ck_assert_int_eq(errno, EDQUOT);
	ck_assert_int_eq(stage(type, 0), 0);
	/* With a source time it is larger. */
	ck_assert_int_eq(stage(type, 1), -1);
}
END_TEST

/* The key and the text of the paper's example. */
START_TEST(hash_is_siphash)
{
	static const uint64_t key[2] = { UINT64_C(0x0706050403020100),
		UINT64_C(0x0f0e0d0c0b0a0908) };
	uint8_t text[15];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	ck_assert_uint_eq(siphash(key, text, sizeof(text)), UINT64_C(0xa129ca6149be45e5));
	ck_assert_uint_eq(siphash(key, text, 0), UINT64_C(0x726fdb47dd0e0e31));
}
END_TEST

START_TEST(series_keeps_the_last)
{
	for (int i = 0; i < 9; i++)
		put(i % 2 ? "a" : "b", 0);
	ck_assert_str_eq(ask(&all_up), "5 6 7 8 9");
	/* More in one commit than it holds. */
	begin(2000, 0);
	for (int i = 0; i < 12; i++)
		stage("c", 0);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_uint_eq(s.series.count, 5);
	ck_assert_int_eq(store_series(&s, 0)->id.instance, 8);
	ck_assert_int_eq(store_series(&s, 4)->id.instance, 12);
}
END_TEST

START_TEST(latest_queries)
{
	static const struct {
		const char *types, *want;
	} rows[] = { { "a", "3" }, { "?", "3 2" }, { "x/*", "4 5" }, { "x/?", "4" },
		{ "*", "3 2 4 5" }, { "nothing", "" }, { "a a ? a", "3 2" }, { "x/y/z b", "2 5" } };
	struct buffer b;

	put("a", 0);
	put("b", 0);
	put("a", 0);
	put("x/y", 0);
	put("x/y/z", 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eventer_query p = typed(all_latest, &b, rows[i].types);
		ck_assert_str_eq(ask(&p), rows[i].want);
		buffer_clear(&b);
	}
}
END_TEST

/* Each of many patterns counts, wherever it stands among them. */
START_TEST(many_patterns)
{
	static const size_t counts[] = { 1, 63, 64, 65, 128, 200 };
	struct buffer b;

	put("a/b", 0);
	put("c/d", 0);
	put("e", 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (size_t hit = 0; hit < counts[i]; hit++) {
			buffer_init(&b, 1 << 16);
			for (size_t k = 0; k < counts[i]; k++)
				eventer_put_type_text(&b, k == hit ? "c/?" : "nothing/*");
			struct eventer_query p = all_latest;
			p.has_types = true;
			p.types = (struct eventer_types){ counts[i],
				{ (const char *)buffer_data(&b), b.len } };
			ck_assert_str_eq(ask(&p), "2");
			buffer_clear(&b);
		}
}
END_TEST

START_TEST(timeseries_queries)
{
	struct eventer_query p = all_up;
	struct buffer b;

	for (int i = 1; i <= 5; i++)
		put(i % 2 ? "odd" : "even",
		    i == 3 ? 0 : 100 - i); /* sessions 1 .. 5 at 1000 .. 1004 s */
	p.order = EVENTER_DESCENDING;
	ck_assert_str_eq(ask(&p), "5 4 3 2 1");
	p = all_up;
	p.has_max_results = true;
	p.max_results = 2;
	ck_assert_str_eq(ask(&p), "1 2+");
	p.has_last_id = true;
	p.last_id = (struct eventer_id){ 1, 3, 1 };
	ck_assert_str_eq(ask(&p), "4 5");
	p.order = EVENTER_DESCENDING;
	ck_assert_str_eq(ask(&p), "2 1");
	p.max_results = -7;
	ck_assert_str_eq(ask(&p), "+");
	p = all_up;
	p.from = (struct eventer_time){ true, { 1001, 0 } };
	p.to = (struct eventer_time){ true, { 1003, 0 } };
	ck_assert_str_eq(ask(&p), "2 3 4");
	p = all_up;
	p.order_by = EVENTER_BY_SOURCE_TIMESTAMP;
	ck_assert_str_eq(ask(&p), "5 4 2 1");
	p.source_to = (struct eventer_time){ true, { 98, 0 } };
	ck_assert_str_eq(ask(&p), "5 4 2");
	p.has_last_id = true;
	p.last_id = (struct eventer_id){ 1, 4, 1 };
	ck_assert_str_eq(ask(&p), "2");
	p.last_id.session = 77;
	ck_assert_str_eq(ask(&p), "");
	p = typed(all_up, &b, "odd");
	ck_assert_str_eq(ask(&p), "1 3 5");
	buffer_clear(&b);
}
END_TEST

START_TEST(server_queries)
{
	struct eventer_query p = { .kind = EVENTER_QUERY_SERVER, .server_id = 1 };

	put("old", 0);
	for (int i = 0; i < 7; i++)
		put("a", 0);
	ck_assert_str_eq(ask(&p), "1 4 5 6 7 8");
	p.has_last_id = true;
	p.last_id = (struct eventer_id){ 1, 2, 1 };
	p.has_max_results = true;
	p.max_results = 3;
	ck_assert_str_eq(ask(&p), "4 5 6+");
	p.server_id = 2;
	ck_assert_str_eq(ask(&p), "");
}
END_TEST

START_TEST(everything_is_there_after_a_restart)
{
	reopen(5);
	for (int i = 0; i < 8; i++)
		put(i ? "a" : "b", 10);
	for (int i = 0; i < 2; i++) {
		reopen(5);
		ck_assert_str_eq(ask(&all_up), "4 5 6 7 8");
		ck_assert_str_eq(ask(&all_latest), "1 8");
		ck_assert_int_eq(s.state.session, 8);
	}
	put("c", 0);
	reopen(2);
	ck_assert_str_eq(ask(&all_latest), "1 8 9");
	put("d", 0);
	ck_assert_str_eq(ask(&all_up), "9 10");
	reopen(100);
	ck_assert_str_eq(ask(&all_up), "9 10");
	reopen(0);
	put("e", 0);
	ck_assert_str_eq(ask(&all_up), "");
	reopen(5);
	put("f", 0);
	ck_assert_str_eq(ask(&all_up), "12");
	ck_assert_str_eq(ask(&all_latest), "1 8 9 10 11 12");
}
END_TEST

START_TEST(numbers_of_types_are_never_given_twice)
{
	reopen(5);
	begin(1, 0);
	stage("never kept", 0);
	store_unstage(&s, 0);
	put("a", 0);
	reopen(5);
	put("b", 0);
	put("c", 0);
	reopen(5);
	ck_assert_str_eq(ask(&all_latest), "2 3 4");
}
END_TEST

START_TEST(types_of_which_nothing_was_kept_are_forgotten)
{
	char type[32];

	put("a", 0);
	begin(2000, 0);
	ck_assert_int_eq(stage("b", 0), 0);
	/* So many that the table grows. */
	for (int i = 0; i < 3000; i++) {
		snprintf(type, sizeof(type), "lost/%d", i % 2000);
		ck_assert_int_eq(stage(type, 0), 0);
	}
	ck_assert_int_eq(stage("a", 0), 0);
	ck_assert_int_eq(stage("b", 0), 0);
	ck_assert_uint_eq(s.type_count, 2002);
	store_unstage(&s, 1);
	ck_assert_uint_eq(s.type_count, 2);
	ck_assert_int_eq(stage("c", 0), 0);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_uint_eq(s.type_count, 3);
	ck_assert_str_eq(ask(&all_latest), "1 2 2");
	put("lost/7", 0);
	put("b", 0);
	ck_assert_str_eq(ask(&all_latest), "1 4 2 3");
}
END_TEST

START_TEST(one_type_whatever_its_encoding)
{
	/* a, with its counts in longer forms. */
	static const uint8_t odd[] = { 0x81, 0x00, 0x81, 0x00, 0x81, 'a', 0x80, 0x80 };
	struct eventer_events_iter it;
	struct eventer_event e;

	put("a", 0);
	ck_assert_int_eq(
	    eventer_register_req_decode((struct sbs_str){ (const char *)odd, sizeof(odd) }, &it),
	    DEC_OK);
	ck_assert(eventer_events_next(&it, &e));
	begin(2000, 0);
	ck_assert_int_eq(store_stage(&s, &e), 0);
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_str_eq(ask(&all_latest), "2");
}
END_TEST

START_TEST(limits)
{
	static char data[STORE_MAX_EVENT];
	struct eventer_event e = { .type = { .count = 0, .raw = { "\x80", 1 } } };

	e.raw = (struct sbs_str){ data, sizeof(data) };
	e.rest = e.raw;
	ck_assert_int_eq(store_stage(&s, &e), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	e.raw.len = e.rest.len = sizeof(data) - 1000;
	int staged = 0;
	while (store_stage(&s, &e) == 0)
		staged++;
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_ge(staged, STORE_NEW_BYTES / STORE_MAX_EVENT - 1);
	ck_assert_int_le(staged, STORE_NEW_BYTES / STORE_MAX_EVENT + 1);
	store_release(&s);
	ck_assert_uint_eq(s.bytes, 0);
	e.raw.len = e.rest.len = 10;
	e.type.cut = true;
	ck_assert_int_eq(store_stage(&s, &e), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
}
END_TEST

START_TEST(many_types)
{
	char type[32];
	struct buffer b;

	begin(1, 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(type, sizeof(type), "many/%d", i);
		ck_assert_int_eq(stage(type, 0), 0);
	}
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	ck_assert_uint_eq(s.type_count, 20000);
	ck_assert_int_eq(query_run(&q, &s, &all_latest), 0);
	ck_assert_uint_eq(q.count, 20000);
	struct eventer_query p = typed(all_latest, &b, "many/19999 many/0 many/20000");
	ck_assert_int_eq(query_run(&q, &s, &p), 0);
	ck_assert_uint_eq(q.count, 2);
	buffer_clear(&b);
	/* So many patterns cost too much. */
	buffer_init(&b, 1 << 20);
	for (size_t i = 0; i <= QUERY_MAX_WORK / 20000; i++)
		eventer_put_type_text(&b, "many/?");
	p.types = (struct eventer_types){ QUERY_MAX_WORK / 20000 + 1,
		{ (const char *)buffer_data(&b), b.len } };
	ck_assert_int_eq(query_run(&q, &s, &p), -1);
	ck_assert_int_eq(errno, E2BIG);
	buffer_clear(&b);
}
END_TEST

/* Neither query looks at all that is kept: the list of types is hidden from the first, and the
 * second collects no more than it answers with. */
START_TEST(small_queries_stay_small)
{
	struct eventer_query p = all_up;
	char type[32];
	struct buffer b;

	store_clear(&s);
	ck_assert_int_eq(store_init(&s, NULL, 1, 5000, err, sizeof(err)), 0);
	begin(1, 0);
	for (int i = 0; i < 5000; i++) {
		snprintf(type, sizeof(type), "many/%d", i);
		ck_assert_int_eq(stage(type, 0), 0);
	}
	ck_assert_int_eq(store_commit(&s), 0);
	store_release(&s);
	p.order = EVENTER_DESCENDING;
	p.has_max_results = true;
	p.max_results = 1;
	ck_assert_str_eq(ask(&p), "1+");
	ck_assert_int_eq(q.results[0]->id.instance, 5000);
	ck_assert_uint_le(q.size, 256);
	size_t count = s.type_count;
	s.type_count = 0;
	p = typed(all_latest, &b, "many/4999");
	ck_assert_str_eq(ask(&p), "1");
	s.type_count = count;
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, staged_events_are_not_seen);
	tcase_add_test(tc, unstaged_events_are_gone);
	tcase_add_test(tc, time_follows_the_clock);
	tcase_add_test(tc, a_store_from_the_future);
	tcase_add_test(tc, a_full_store_replaces);
	tcase_add_loop_test(tc, a_device_has_a_quota, 0, 2);
	tcase_add_test(tc, a_devices_bytes_are_those_of_its_latest_events);
	tcase_add_test(tc, hash_is_siphash);
	tcase_add_test(tc, series_keeps_the_last);
	tcase_add_test(tc, latest_queries);
	tcase_add_test(tc, many_patterns);
	tcase_add_test(tc, timeseries_queries);
	tcase_add_test(tc, server_queries);
	tcase_add_test(tc, everything_is_there_after_a_restart);
	tcase_add_test(tc, numbers_of_types_are_never_given_twice);
	tcase_add_test(tc, types_of_which_nothing_was_kept_are_forgotten);
	tcase_add_test(tc, one_type_whatever_its_encoding);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, many_types);
	tcase_add_test(tc, small_queries_stay_small);
}

UNIT_MAIN("store, query")
