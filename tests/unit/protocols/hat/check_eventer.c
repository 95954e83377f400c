#include <stdlib.h>

#include "protocols/hat/eventer.h"
#include "tests/unit/suite.h"

static struct sbs_str
view(const struct buffer *b)
{
	return (struct sbs_str){ (const char *)buffer_data(b), b->len };
}

static const uint8_t event_bytes[] = {
	0x81, 0x82, 0x83,		      /* id: server 1, session 2, instance 3 */
	0x82, 0x81, 'a', 0x81, 'b',	      /* type a/b */
	0x85, 0x86,			      /* timestamp 5 s 6 us */
	0x81, 0xff, 0x3d, 0x04, 0xbf,	      /* source timestamp -1 s 999999 us */
	0x81, 0x81, 0x84, 't', 'r', 'u', 'e', /* payload: JSON */
};

static const uint8_t register_bytes[] = {
	0x82, 0x81, 'a', 0x81, 'b',		 /* type a/b */
	0x81, 0xff, 0x3d, 0x04, 0xbf,		 /* source timestamp -1 s 999999 us */
	0x81, 0x80, 0x81, 't', 0x82, 0x00, 0xff, /* payload: binary of type t */
};

START_TEST(event_both_ways)
{
	struct sbs_str bytes = { (const char *)event_bytes, sizeof(event_bytes) };
	struct eventer_event e;
	struct buffer b;

	ck_assert_int_eq(eventer_event_decode(bytes, &e), DEC_OK);
	ck_assert(e.id.server == 1 && e.id.session == 2 && e.id.instance == 3);
	ck_assert_uint_eq(e.type.count, 2);
	ck_assert(!e.type.cut);
	ck_assert(sbs_str_eq(e.type.segments[1], sbs_str("b")));
	ck_assert_uint_eq(e.type.raw.len, 5);
	ck_assert(e.timestamp.s == 5 && e.timestamp.us == 6);
	ck_assert(e.source.set && e.source.t.s == -1 && e.source.t.us == 999999);
	ck_assert_int_eq(e.payload.kind, EVENTER_PAYLOAD_JSON);
	ck_assert(sbs_str_eq(e.payload.data, sbs_str("true")));
	ck_assert(sbs_str_eq(e.raw, bytes));
	buffer_init(&b, 1000);
	eventer_put_event(&b, &e.id, e.type.raw, &e.timestamp, e.rest);
	ck_assert(sbs_str_eq(view(&b), bytes));
	buffer_clear(&b);
	for (size_t n = 0; n < bytes.len; n++)
		ck_assert_int_eq(eventer_event_decode((struct sbs_str){ bytes.p, n }, &e), DEC_BAD);
}
END_TEST

START_TEST(register_event_both_ways)
{
	struct sbs_str segments[] = { sbs_str("a"), sbs_str("b") };
	struct timestamp source = { -1, 999999 };
	struct eventer_payload payload = { EVENTER_PAYLOAD_BINARY, sbs_str("t"), { "\0\xff", 2 } };
	struct buffer b, prefix_bytes;
	struct eventer_events_iter it;
	struct eventer_event e;

	buffer_init(&prefix_bytes, 100);
	for (size_t split = 0; split <= 2; split++) {
		buffer_init(&b, 1000);
		buffer_reset(&prefix_bytes);
		eventer_put_segments(&prefix_bytes, segments, split);
		struct eventer_prefix prefix = { split, view(&prefix_bytes) };
		eventer_put_register_event(
		    &b, &prefix, segments + split, 2 - split, &source, &payload);
		ck_assert_uint_eq(b.len, sizeof(register_bytes));
		ck_assert_mem_eq(buffer_data(&b), register_bytes, b.len);
		buffer_clear(&b);
	}
	buffer_clear(&prefix_bytes);
	uint8_t list[1 + 2 * sizeof(register_bytes)] = { 0x82 };
	memcpy(list + 1, register_bytes, sizeof(register_bytes));
	memcpy(list + 1 + sizeof(register_bytes), register_bytes, sizeof(register_bytes));
	struct sbs_str data = { (const char *)list, sizeof(list) };
	ck_assert_int_eq(eventer_register_req_decode(data, &it), DEC_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert(eventer_events_next(&it, &e));
		ck_assert_int_eq(e.payload.kind, EVENTER_PAYLOAD_BINARY);
		ck_assert(sbs_str_eq(e.payload.type, sbs_str("t")));
	}
	ck_assert(!eventer_events_next(&it, &e));
	ck_assert_int_eq(eventer_events_end(&it), DEC_OK);
	for (size_t n = 0; n < sizeof(list); n++) {
		enum dec r = eventer_register_req_decode((struct sbs_str){ data.p, n }, &it);
		while (r == DEC_OK && eventer_events_next(&it, &e))
			;
		ck_assert(r == DEC_BAD || eventer_events_end(&it) == DEC_BAD);
	}
}
END_TEST

START_TEST(malformed_events)
{
	static const struct {
		size_t len;
		uint8_t bytes[16];
	} rows[] = {
		{ 9, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 } }, /* a byte more */
		{ 10, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x3d, 0x04, 0xc0, 0x80, 0x80 } }, /* 1e6 us */
		{ 8, { 0x80, 0x80, 0x80, 0x80, 0x80, 0xff, 0x80, 0x80 } },		/* -1 us */
		{ 8, { 0x80, 0x80, 0x80, 0xff, 0x80, 0x80, 0x80, 0x80 } },	 /* -1 segments */
		{ 8, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x82, 0x80 } },	 /* optional 2 */
		{ 9, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x82 } }, /* payload 2 */
		{ 11, { 0x80, 0x80, 0x80, 0x81, 0x81, 0xff, 0x80, 0x80, 0x80, 0x80, 0x80 } },
	};
	static const uint8_t shortest[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 };
	struct eventer_event e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sbs_str bytes = { (const char *)rows[i].bytes, rows[i].len };
		ck_assert_msg(eventer_event_decode(bytes, &e) == DEC_BAD, "row %zu", i);
	}
	struct sbs_str bytes = { (const char *)shortest, sizeof(shortest) };
	ck_assert_int_eq(eventer_event_decode(bytes, &e), DEC_OK);
	ck_assert_int_eq(e.payload.kind, EVENTER_PAYLOAD_NONE);
}
END_TEST

START_TEST(types_with_too_many_segments_are_cut)
{
	struct sbs_str segments[EVENTER_MAX_SEGMENTS + 1];
	struct eventer_types_iter it;
	struct eventer_type t;
	struct buffer b;

	buffer_init(&b, 10000);
	for (size_t i = 0; i <= EVENTER_MAX_SEGMENTS; i++)
		segments[i] = sbs_str("s");
	eventer_put_type(&b, segments, EVENTER_MAX_SEGMENTS + 1);
	eventer_put_type(&b, segments, EVENTER_MAX_SEGMENTS);
	struct eventer_types types = { 2, view(&b) };
	it = eventer_types_begin(&types);
	ck_assert(eventer_types_next(&it, &t));
	ck_assert(t.cut);
	ck_assert_uint_eq(t.count, EVENTER_MAX_SEGMENTS);
	ck_assert(eventer_types_next(&it, &t));
	ck_assert(!t.cut);
	ck_assert_uint_eq(t.count, EVENTER_MAX_SEGMENTS);
	ck_assert(!eventer_types_next(&it, &t));
	buffer_clear(&b);
}
END_TEST

static size_t
split(const char *text, struct eventer_type *t, struct buffer *b)
{
	buffer_init(b, 1000);
	eventer_put_type_text(b, text);
	struct eventer_types one = { 1, view(b) };
	struct eventer_types_iter it = eventer_types_begin(&one);
	ck_assert(eventer_types_next(&it, t));
	ck_assert(cursor_done(&it.c));
	return t->count;
}

START_TEST(patterns)
{
	static const struct {
		const char *type, *pattern;
		bool match;
	} rows[] = {
		{ "a/b", "a/b", true },
		{ "a/b", "a/c", false },
		{ "a/b", "a", false },
		{ "a", "a/b", false },
		{ "a/b", "?/b", true },
		{ "a/b", "?/?", true },
		{ "a/b", "?", false },
		{ "a", "?/?", false },
		{ "a/b/c", "*", true },
		{ "", "*", true },
		{ "a", "a/*", true },
		{ "a/b/c", "a/*", true },
		{ "b", "a/*", false },
		{ "", "a/*", false },
		{ "a/b/c", "a/?/*", true },
		{ "a", "a/?/*", false },
		{ "a/b/c", "*/c", false },
		{ "*/c", "*/c", true },
		{ "", "", true },
		{ "a", "", false },
		{ "a//c", "a/?/c", true },
		{ "a/?", "a/?", true },
		{ "a/bb", "a/b", false },
		{ "gateway/gw/modbus_master/plc/system/enable", "gateway/gw/?/?/system/*", true },
		{ "gateway/gw/modbus_master/plc/gateway/running", "gateway/gw/?/?/system/*",
		    false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eventer_type type, pattern;
		struct buffer a, b;
		split(rows[i].type, &type, &a);
		split(rows[i].pattern, &pattern, &b);
		ck_assert_msg(eventer_type_match(type.segments, type.count, pattern.segments,
				  pattern.count) == rows[i].match,
		    "row %zu", i);
		buffer_clear(&a);
		buffer_clear(&b);
	}
}
END_TEST

START_TEST(texts_become_segments)
{
	struct eventer_type t;
	struct buffer b;

	ck_assert_uint_eq(split("", &t, &b), 0);
	buffer_clear(&b);
	ck_assert_uint_eq(split("a/", &t, &b), 2);
	ck_assert_uint_eq(t.segments[1].len, 0);
	buffer_clear(&b);
	ck_assert_uint_eq(split("/", &t, &b), 2);
	buffer_reset(&b);
	ck_assert_uint_eq(eventer_put_segments_text(&b, "x/y/z"), 3);
	ck_assert_uint_eq(b.len, 6);
	buffer_clear(&b);
}
END_TEST

START_TEST(requests_and_answers)
{
	struct eventer_query q = { .kind = EVENTER_QUERY_SERVER,
		.server_id = 4,
		.persisted = true,
		.has_last_id = true,
		.last_id = { 4, 5, 6 } },
			     again;
	struct eventer_init_res res;
	enum eventer_status status;
	struct buffer b;

	buffer_init(&b, 1000);
	eventer_put_query_req(&b, &q);
	ck_assert_int_eq(eventer_query_req_decode(view(&b), &again), DEC_OK);
	ck_assert(again.kind == q.kind && again.server_id == 4 && again.persisted);
	ck_assert(!again.has_max_results && again.has_last_id);
	ck_assert_int_eq(eventer_id_cmp(&again.last_id, &q.last_id), 0);
	for (size_t n = 0; n < b.len; n++)
		ck_assert_int_eq(
		    eventer_query_req_decode((struct sbs_str){ view(&b).p, n }, &again), DEC_BAD);
	buffer_clear(&b);
	ck_assert_int_eq(eventer_init_res_decode(sbs_str("\x80\x82"), &res), DEC_OK);
	ck_assert(res.success && res.status == EVENTER_OPERATIONAL);
	ck_assert_int_eq(eventer_init_res_decode(sbs_str("\x81\x82no"), &res), DEC_OK);
	ck_assert(!res.success && sbs_str_eq(res.error, sbs_str("no")));
	ck_assert_int_eq(eventer_init_res_decode(sbs_str("\x80\x84"), &res), DEC_BAD);
	ck_assert_int_eq(eventer_status_decode(sbs_str("\x83"), &status), DEC_OK);
	ck_assert_str_eq(eventer_status_name(status), "stopping");
	ck_assert_int_eq(eventer_status_decode(sbs_str("\x83\x80"), &status), DEC_BAD);
}
END_TEST

START_TEST(query_results)
{
	uint8_t data[1 + sizeof(event_bytes) + 1] = { 0x81 };
	struct sbs_str whole = { (const char *)data, sizeof(data) };
	struct eventer_events_iter it;
	struct eventer_event e;
	bool more = false;

	memcpy(data + 1, event_bytes, sizeof(event_bytes));
	data[sizeof(data) - 1] = 1;
	ck_assert_int_eq(eventer_query_res_decode(whole, &it), DEC_OK);
	ck_assert_int_eq(eventer_query_res_end(&it, &more), DEC_BAD); /* not yet */
	ck_assert(eventer_events_next(&it, &e));
	ck_assert(!eventer_events_next(&it, &e));
	ck_assert_int_eq(eventer_query_res_end(&it, &more), DEC_OK);
	ck_assert(more);
	data[sizeof(data) - 1] = 2;
	ck_assert_int_eq(eventer_query_res_decode(whole, &it), DEC_BAD);
	for (size_t n = 0; n < sizeof(data) - 1; n++) {
		enum dec r = eventer_query_res_decode((struct sbs_str){ whole.p, n }, &it);
		while (r == DEC_OK && eventer_events_next(&it, &e))
			;
		ck_assert(r == DEC_BAD || eventer_query_res_end(&it, &more) == DEC_BAD);
	}
}
END_TEST

START_TEST(orders)
{
	struct eventer_id a = { 1, 2, 3 }, b = { 1, 2, 4 }, c = { 1, 3, 0 }, d = { 2, 0, 0 };
	struct timestamp s = { -1, 5 }, t = { -1, 6 }, u = { 0, 0 };

	ck_assert(eventer_id_cmp(&a, &b) < 0 && eventer_id_cmp(&b, &c) < 0);
	ck_assert(eventer_id_cmp(&d, &c) > 0 && eventer_id_cmp(&a, &a) == 0);
	ck_assert(eventer_time_cmp(&s, &t) < 0 && eventer_time_cmp(&u, &t) > 0);
	ck_assert(eventer_time_cmp(&t, &t) == 0);
	for (int i = 0; i < EVENTER_MSG_COUNT; i++)
		ck_assert_int_eq(
		    eventer_msg_parse(sbs_str(eventer_msg_name((enum eventer_msg)i))), i);
	ck_assert_int_eq(eventer_msg_parse(sbs_str("HatEventer.Msg")), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, event_both_ways);
	tcase_add_test(tc, register_event_both_ways);
	tcase_add_test(tc, malformed_events);
	tcase_add_test(tc, types_with_too_many_segments_are_cut);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, texts_become_segments);
	tcase_add_test(tc, requests_and_answers);
	tcase_add_test(tc, query_results);
	tcase_add_test(tc, orders);
}

UNIT_MAIN("eventer")
