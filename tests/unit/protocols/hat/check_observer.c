#include <stdio.h>
#include <stdlib.h>

#include "protocols/hat/observer.h"
#include "tests/unit/suite.h"

static const struct observer_token none = { 0 };

static struct observer_token
token(int64_t v)
{
	return (struct observer_token){ true, v };
}

/* A MsgServer as it is built up; we are cid 2, mid 0. */
static struct buffer b;
static struct observer o;
static size_t count;

static void
setup(void)
{
	buffer_init(&b, 100000);
	observer_init(&o, "event", NULL);
}

static void
teardown(void)
{
	buffer_clear(&b);
}

static void
begin(void)
{
	buffer_reset(&b);
	count = 0;
}

static void
add(int64_t cid, int64_t mid, const char *group, const char *data, struct observer_token req,
    struct observer_token res)
{
	struct observer_component c = {
		.cid = cid,
		.mid = mid,
		.has_group = group != NULL,
		.group = sbs_str(group ? group : ""),
		.data = sbs_str(data),
		.req_token = req,
		.res_token = res,
	};

	observer_put_component(&b, &c);
	count++;
}

static enum dec
update(bool *answer)
{
	struct buffer whole;

	buffer_init(&whole, 200000);
	sbs_put_int(&whole, 2);
	sbs_put_int(&whole, 0);
	sbs_put_int(&whole, (int64_t)count);
	buffer_append(&whole, buffer_data(&b), b.len);
	enum dec r = observer_update(
	    &o, (struct sbs_str){ (const char *)buffer_data(&whole), whole.len }, answer);
	buffer_clear(&whole);
	return r;
}

/* The server says so much about us; returns whether we answer. */
static bool
told(struct observer_token req, struct observer_token echo)
{
	bool answer;

	begin();
	add(1, 0, "gateway", "null", none, none);
	add(2, 0, "gateway", "null", req, echo);
	ck_assert_int_eq(update(&answer), DEC_OK);
	return answer;
}

START_TEST(a_blessing_goes_by_the_book)
{
	ck_assert(!told(none, none));
	ck_assert(observer_set_ready(&o, true));
	ck_assert(!observer_set_ready(&o, true));
	ck_assert(!told(none, none));
	ck_assert(o.known && !o.active);
	ck_assert(told(token(7), none)); /* requested: we answer */
	ck_assert(observer_token_agree(o.res_token, token(7)));
	ck_assert(!o.active); /* not before the server has heard it */
	ck_assert(!told(token(7), token(7)));
	ck_assert(o.active);
	ck_assert(!told(token(7), token(7)));
	ck_assert(o.active);
}
END_TEST

START_TEST(not_ready_is_never_blessed)
{
	ck_assert(!told(token(7), none));
	ck_assert(!o.active && !o.res_token.set);
	/* Ready later: the request stands. */
	ck_assert(observer_set_ready(&o, true));
	ck_assert(observer_token_agree(o.res_token, token(7)));
	told(token(7), token(7));
	ck_assert(o.active);
}
END_TEST

static void
become_active(void)
{
	observer_set_ready(&o, true);
	told(token(7), none);
	told(token(7), token(7));
	ck_assert(o.active);
}

START_TEST(a_lost_request_ends_activity)
{
	become_active();
	/* The token is given back when all has stopped, not before. */
	ck_assert(!told(none, token(7)));
	ck_assert(!o.active && o.releasing && o.res_token.set);
	ck_assert(!told(token(8), token(7)));
	ck_assert(!o.active && observer_token_agree(o.res_token, token(7)));
	ck_assert(observer_release(&o));
	ck_assert(!o.res_token.set);
	ck_assert(!observer_release(&o));
	ck_assert(told(token(8), none));
	ck_assert(!told(token(8), token(8)));
	ck_assert(o.active);
}
END_TEST

START_TEST(another_token_ends_activity_too)
{
	become_active();
	told(token(9), token(7));
	ck_assert(!o.active && o.releasing);
}
END_TEST

START_TEST(not_ready_ends_activity)
{
	become_active();
	ck_assert(observer_set_ready(&o, false));
	ck_assert(!o.active && o.releasing && o.res_token.set);
	ck_assert(observer_release(&o));
	ck_assert(!told(token(7), none));
	ck_assert(!o.res_token.set);
}
END_TEST

START_TEST(a_component_that_is_not_listed_is_not_active)
{
	bool answer;

	become_active();
	begin();
	add(3, 0, "gateway", "null", token(7), token(7));
	add(2, 1, "gateway", "null", token(7), token(7)); /* another monitor's */
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert(!o.known && !o.active);
}
END_TEST

START_TEST(the_first_of_two_with_our_identifiers_counts)
{
	bool answer;

	observer_set_ready(&o, true);
	begin();
	add(2, 0, "gateway", "null", token(7), none);
	add(2, 0, "gateway", "null", token(8), token(8));
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert(answer && o.res_token.v == 7 && !o.active);
}
END_TEST

static const char good[] = "{\"server_id\": 3, \"eventer_server\": {\"host\": \"h\", \"port\": "
			   "23012}, \"server_token\": \"t\"}";

START_TEST(the_active_event_server_is_found)
{
	bool answer;

	begin();
	add(4, 0, NULL, good, token(1), token(1));
	add(5, 0, "event", good, token(1), none);
	add(6, 0, "event", good, token(1), token(2));
	add(7, 0, "other", good, token(1), token(1));
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert(!o.event_server.found && o.lack == OBSERVER_LACKS_SERVER);
	add(8, 0, "event", good, token(5), token(5));
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert_int_eq(o.lack, OBSERVER_LACKS_NOTHING);
	struct observer_event_server want = { .found = true,
		.server_id = 3,
		.port = 23012,
		.host = "h",
		.has_token = true,
		.token = "t" };
	ck_assert(observer_event_server_eq(&o.event_server, &want));
	want.port++;
	ck_assert(!observer_event_server_eq(&o.event_server, &want));
}
END_TEST

START_TEST(unusable_data_is_no_event_server)
{
	static const char *const rows[] = {
		"",
		"null",
		"[]",
		"{",
		"{\"server_id\": 3}",
		"{\"server_id\": \"3\", \"eventer_server\": {\"host\": \"h\", \"port\": 1}}",
		"{\"server_id\": 3, \"eventer_server\": {\"host\": \"h\", \"port\": 0}}",
		"{\"server_id\": 3, \"eventer_server\": {\"host\": \"h\", \"port\": 65536}}",
		"{\"server_id\": 3, \"eventer_server\": {\"host\": 1, \"port\": 1}}",
		"{\"server_id\": 3, \"eventer_server\": {\"host\": \"a\\u0000b\", \"port\": 1}}",
		("{\"server_id\": 3, \"eventer_server\": {\"host\": \"h\", \"port\": 1}, "
		 "\"server_token\": 5}"),
	};
	bool answer;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		add(5, 0, "event", rows[i], token(1), token(1));
		ck_assert_int_eq(update(&answer), DEC_OK);
		ck_assert_msg(!o.event_server.found, "row %zu", i);
		ck_assert_msg(o.lack == OBSERVER_LACKS_ADDRESS, "row %zu", i);
	}
	char large[OBSERVER_MAX_HOST + 200];
	snprintf(large, sizeof(large),
	    "{\"server_id\": 3, \"eventer_server\": {\"host\": \"%0*d\", \"port\": 1}}",
	    OBSERVER_MAX_HOST, 0);
	begin();
	add(5, 0, "event", large, token(1), token(1));
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert(!o.event_server.found);
}
END_TEST

START_TEST(the_client_token_must_be_the_servers)
{
	static const struct {
		const char *ours;
		bool found;
	} rows[] = { { "t", true }, { "u", false }, { "", false }, { NULL, true } };
	bool answer;

	for (size_t i = 0; i < 4; i++) {
		observer_init(&o, "event", rows[i].ours);
		begin();
		add(5, 0, "event", good, token(1), token(1));
		ck_assert_int_eq(update(&answer), DEC_OK);
		ck_assert_msg(o.event_server.found == rows[i].found, "row %zu", i);
		ck_assert_msg((o.lack == OBSERVER_LACKS_TOKEN) == !rows[i].found, "row %zu", i);
	}
	observer_init(&o, "event", "t");
	begin();
	add(5, 0, "event", "{\"server_id\": 1, \"eventer_server\": {\"host\": \"h\", \"port\": 1}}",
	    token(1), token(1));
	ck_assert_int_eq(update(&answer), DEC_OK);
	ck_assert(!o.event_server.found);
}
END_TEST

START_TEST(malformed_messages_change_nothing)
{
	bool answer;

	become_active();
	begin();
	add(2, 0, "gateway", "null", none, none);
	size_t whole = b.len;
	for (size_t n = 0; n < whole; n++) {
		buffer_truncate(&b, n);
		ck_assert_int_eq(update(&answer), DEC_BAD);
		ck_assert(o.active && !answer);
		begin();
		add(2, 0, "gateway", "null", none, none);
	}
	buffer_u8(&b, 0);
	ck_assert_int_eq(update(&answer), DEC_BAD);
	ck_assert(o.active);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_blessing_goes_by_the_book);
	tcase_add_test(tc, not_ready_is_never_blessed);
	tcase_add_test(tc, a_lost_request_ends_activity);
	tcase_add_test(tc, another_token_ends_activity_too);
	tcase_add_test(tc, not_ready_ends_activity);
	tcase_add_test(tc, a_component_that_is_not_listed_is_not_active);
	tcase_add_test(tc, the_first_of_two_with_our_identifiers_counts);
	tcase_add_test(tc, the_active_event_server_is_found);
	tcase_add_test(tc, unusable_data_is_no_event_server);
	tcase_add_test(tc, the_client_token_must_be_the_servers);
	tcase_add_test(tc, malformed_messages_change_nothing);
}

UNIT_MAIN("observer")
