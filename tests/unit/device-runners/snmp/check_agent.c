/* A manager's session with a fake clock, and an agent that is played here. */
#include <stdio.h>
#include <string.h>

#include "device-runners/snmp/agent.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

#define SECOND INT64_C(1000000000)

static const uint8_t engine_a[] = { 0x80, 0, 0, 1, 'A', 'A' }, engine_b[] = { 0x80, 0, 0, 1, 'B' };

static struct agent s;
static struct agent_conf conf;
static struct monotime now;
static int owner_one, owner_two;

/* What the session sent last, and said. */
static uint8_t sent[SNMP_MAX_DATAGRAM];
static size_t sent_len;
static unsigned sends, ups, unknowns;
static struct snmp_message asked;
static struct snmp_pdu asked_pdu;
static char said[200];

static void
on_send(void *arg, const uint8_t *data, size_t len)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];

	(void)arg;
	expect(len > 0);
	memcpy(sent, data, len);
	sent_len = len;
	sends++;
	expect(snmp_message_decode(&asked, &asked_pdu, sent, len) == DEC_OK);
	if (!(asked.flags & SNMP_AUTH))
		return;
	struct usm_keys k;
	usm_keys_make(&k, &conf.user, asked.engine.data, asked.engine.len);
	expect(snmp_message_verify(&asked, sent, conf.user.auth, &k));
	if (asked.encrypted.data)
		expect(snmp_message_decrypt(&asked, &asked_pdu, conf.user.priv, &k, scratch) ==
		       DEC_OK);
}

static void
on_up(void *arg)
{
	(void)arg;
	ups++;
}

static void
on_unknown(void *arg)
{
	(void)arg;
	unknowns++;
}

static void
on_done(void *arg, void *owner, const struct agent_answer *a)
{
	static const char *const names[] = { "answer", "report", "timeout", "closed" };
	size_t used = strlen(said);

	(void)arg;
	snprintf(said + used, sizeof(said) - used, "%s%d %s", used ? ", " : "",
	    owner == &owner_one ? 1 : 2, names[a->result]);
	used = strlen(said);
	if (a->result == AGENT_REPORT)
		snprintf(said + used, sizeof(said) - used, " %d", a->report);
}

static const struct agent_ops ops = { on_send, on_up, on_unknown, on_done };

#define expect_said(text)                                                                          \
	do {                                                                                       \
		ck_assert_str_eq(said, text);                                                      \
		said[0] = '\0';                                                                    \
	} while (0)

static void
start(enum snmp_version version, enum usm_auth auth, enum usm_priv priv)
{
	conf = (struct agent_conf){ .version = version,
		.community = "public",
		.timeout_ns = SECOND,
		.retry_delay_ns = SECOND / 2,
		.retries = 2,
		.boots = 77 };
	memcpy(conf.user.name, "operator", sizeof("operator"));
	conf.user.auth = auth;
	conf.user.priv = priv;
	if (auth)
		usm_password_to_key(auth, "password1", 9, conf.user.auth_key);
	if (priv)
		usm_password_to_key(auth, "password2", 9, conf.user.priv_key);
	now = (struct monotime){ 1000 * SECOND };
	sends = ups = unknowns = 0;
	said[0] = '\0';
	agent_init(&s, &conf, &ops, NULL, UINT64_C(0x1122334455667788));
	agent_open(&s, now);
}

static void
ask(enum snmp_pdu_type type, void *owner)
{
	static const uint8_t binding[] = { 0x30, 7, 6, 3, 0x2b, 6, 1, 5, 0 };

	expect(agent_ask(&s, type, binding, sizeof(binding), owner, now));
}

/* The time passes until the session wants to be woken. */
static void
pass(void)
{
	struct monotime due = agent_deadline(&s);

	expect(due.ns != INT64_MAX && due.ns >= now.ns);
	now = due;
	agent_tick(&s, now);
}

/* An answer as an agent makes it, before it is changed. */
struct reply {
	struct snmp_message m;
	struct snmp_content content;
	uint8_t bindings[100];
	enum usm_auth auth;
	enum usm_priv priv;
	bool stranger; /* keys of another password */
};

static void
reply_init(struct reply *r, enum snmp_pdu_type type)
{
	static const uint8_t salt[USM_SALT] = { 9 };
	static const uint8_t binding[] = { 0x30, 8, 6, 3, 0x2b, 6, 1, 2, 1, 42 };

	*r = (struct reply){ .m = asked, .auth = conf.user.auth, .priv = conf.user.priv };
	r->m.flags &= SNMP_LEVEL;
	r->m.salt = (struct snmp_text){ salt, sizeof(salt) };
	memcpy(r->bindings, binding, sizeof(binding));
	r->content =
	    (struct snmp_content){ type, asked_pdu.request_id, r->bindings, sizeof(binding) };
}

/* A report of that counter, at that level. */
static void
report_init(struct reply *r, enum usm_report report, uint8_t level)
{
	struct ber_writer w;

	reply_init(r, SNMP_REPORT);
	ber_writer_init(&w, r->bindings, sizeof(r->bindings));
	usm_report_put(&w, report, 1);
	r->content.len = ber_writer_done(&w);
	r->m.flags = level;
}

static void
give(const struct reply *r)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	struct usm_user u = conf.user;
	struct usm_keys k;
	size_t len;

	if (r->stranger)
		u.auth_key[0] ^= 1;
	usm_keys_make(&k, &u, r->m.engine.data, r->m.engine.len);
	if (conf.version == SNMP_V3)
		len = snmp_v3_encode(out, sizeof(out), &r->m, &r->content, r->auth, r->priv, &k);
	else
		len = snmp_community_encode(
		    out, sizeof(out), r->m.version, r->m.community, &r->content);
	expect(len > 0);
	agent_receive(&s, out, len, now);
}

static void
answer(void)
{
	struct reply r;

	reply_init(&r, SNMP_RESPONSE);
	give(&r);
}

static void
discovered(const uint8_t *engine, size_t len, int32_t boots, int32_t time)
{
	struct reply r;

	report_init(&r, USM_REPORT_ENGINE, 0);
	r.m.engine = (struct snmp_text){ engine, len };
	r.m.boots = boots;
	r.m.time = time;
	give(&r);
}

START_TEST(v2c_asks_and_is_answered)
{
	start(SNMP_V2C, 0, 0);
	ck_assert_uint_eq(ups, 1);
	ask(SNMP_GET, &owner_one);
	ck_assert_int_eq(asked.version, SNMP_V2C);
	answer();
	expect_said("1 answer");
	answer(); /* doubled by the network */
	expect_said("");
	ck_assert_uint_eq(s.counts.strangers, 1);
	ck_assert_int_eq(agent_deadline(&s).ns, INT64_MAX);
}
END_TEST

START_TEST(silence_is_tried_again_and_then_told)
{
	start(SNMP_V1, 0, 0);
	int64_t begin = now.ns;
	ask(SNMP_GET, &owner_one);
	for (unsigned tries = 1; tries <= 3; tries++) {
		ck_assert_uint_eq(sends, tries);
		expect_said("");
		pass(); /* the time-out */
		pass(); /* the pause behind each try, the last too */
	}
	expect_said("1 timeout");
	ck_assert_uint_eq(sends, 3);
	ck_assert_int_eq(now.ns - begin, 3 * (SECOND + SECOND / 2));
	ck_assert_uint_eq(s.counts.timeouts, 3);
}
END_TEST

START_TEST(late_answer_to_an_earlier_try_is_the_answer)
{
	struct reply late;

	start(SNMP_V2C, 0, 0);
	ask(SNMP_GET, &owner_one);
	reply_init(&late, SNMP_RESPONSE);
	pass();
	pass();
	ck_assert_uint_eq(sends, 2);
	ck_assert_int_ne(asked_pdu.request_id, late.content.request_id);
	late.m.community = (struct snmp_text){ (const uint8_t *)"public", 6 };
	give(&late);
	expect_said("1 answer");
	answer(); /* and the one to the second try is nobody's */
	expect_said("");
	/* Also in the pause between two tries. */
	ask(SNMP_GET, &owner_two);
	pass();
	answer();
	expect_said("2 answer");
}
END_TEST

START_TEST(set_is_sent_once)
{
	start(SNMP_V2C, 0, 0);
	int64_t begin = now.ns;
	ask(SNMP_SET, &owner_one);
	pass();
	expect_said("1 timeout");
	ck_assert_uint_eq(sends, 1);
	ck_assert_int_eq(now.ns - begin, SECOND);
}
END_TEST

START_TEST(answers_of_others_are_not_taken)
{
	struct reply r;

	start(SNMP_V2C, 0, 0);
	ask(SNMP_GET, &owner_one);
	reply_init(&r, SNMP_RESPONSE);
	r.m.community = (struct snmp_text){ (const uint8_t *)"private", 7 };
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.m.version = SNMP_V1;
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.content.request_id++;
	give(&r);
	reply_init(&r, SNMP_GET); /* our own, reflected */
	give(&r);
	agent_receive(&s, (const uint8_t *)"garbage", 7, now);
	agent_receive(&s, NULL, 0, now);
	expect_said("");
	ck_assert_uint_eq(s.counts.strangers, 4);
	ck_assert_uint_eq(s.counts.bad, 2);
	answer();
	expect_said("1 answer");
}
END_TEST

START_TEST(room_is_bounded_and_closing_answers_all)
{
	static const uint8_t binding[] = { 0x30, 7, 6, 3, 0x2b, 6, 1, 5, 0 };

	start(SNMP_V2C, 0, 0);
	for (size_t i = 0; i < AGENT_MAX_REQUESTS; i++)
		ask(SNMP_GET, i == 0 ? &owner_one : &owner_two);
	ck_assert(!agent_ask(&s, SNMP_GET, binding, sizeof(binding), &owner_one, now));
	agent_close(&s);
	ck_assert(strncmp(said, "1 closed, 2 closed", 18) == 0);
	ck_assert(!agent_ask(&s, SNMP_GET, binding, sizeof(binding), &owner_one, now));
	answer(); /* too late for a session that is closed */
	ck_assert_uint_eq(s.counts.strangers, 0);
}
END_TEST

START_TEST(request_that_no_datagram_holds_is_refused)
{
	static uint8_t large[SNMP_MAX_DATAGRAM];

	start(SNMP_V2C, 0, 0);
	ck_assert(!agent_ask(&s, SNMP_SET, large, sizeof(large), &owner_one, now));
	ck_assert_uint_eq(sends, 0);
	ck_assert_int_eq(agent_deadline(&s).ns, INT64_MAX);
}
END_TEST

/* --- Version 3 --- */

static const struct {
	enum usm_auth auth;
	enum usm_priv priv;
} levels[] = { { USM_NO_AUTH, USM_NO_PRIV }, { USM_MD5, USM_NO_PRIV }, { USM_SHA1, USM_DES },
	{ USM_SHA512, USM_AES256 } };

static void
start_v3(int level, int32_t boots, int32_t time)
{
	start(SNMP_V3, levels[level].auth, levels[level].priv);
	ck_assert_uint_eq(asked.engine.len, 0);
	ck_assert_uint_eq(asked.user.len, 0);
	ck_assert_uint_eq(asked_pdu.count, 0);
	discovered(engine_a, sizeof(engine_a), boots, time);
	ck_assert_uint_eq(ups, 1);
}

START_TEST(v3_at_every_level)
{
	start_v3(_i, 5, 100);
	now.ns += 20 * SECOND;
	ask(SNMP_GET, &owner_one);
	ck_assert_int_eq(asked.boots, levels[_i].auth ? 5 : 0);
	ck_assert_int_eq(asked.time, levels[_i].auth ? 120 : 0);
	ck_assert(snmp_text_is(asked.context_engine, engine_a, sizeof(engine_a)));
	ck_assert_int_eq(asked.id, asked_pdu.request_id);
	answer();
	expect_said("1 answer");
}
END_TEST

START_TEST(engine_that_does_not_answer)
{
	start(SNMP_V3, USM_MD5, USM_NO_PRIV);
	int64_t begin = now.ns;
	pass();
	ck_assert_uint_eq(unknowns, 1);
	ck_assert_int_eq(now.ns - begin, SECOND);
	ck_assert_uint_eq(sends, 1);
}
END_TEST

START_TEST(answer_below_the_level_is_not_taken)
{
	struct reply r;

	start_v3(_i, 5, 100);
	ask(SNMP_GET, &owner_one);
	for (uint8_t flags = 0; flags < (levels[_i].priv ? SNMP_LEVEL : SNMP_AUTH); flags++) {
		reply_init(&r, SNMP_RESPONSE);
		r.m.flags = flags == SNMP_PRIV ? 0 : flags;
		give(&r);
	}
	reply_init(&r, SNMP_RESPONSE);
	r.stranger = true;
	give(&r);
	expect_said("");
	ck_assert_uint_eq(s.counts.wrong_digests, 1);
	answer();
	expect_said("1 answer");
}
END_TEST

START_TEST(context_and_engine_must_be_those_asked)
{
	struct reply r;

	start_v3(1, 5, 100);
	ask(SNMP_GET, &owner_one);
	reply_init(&r, SNMP_RESPONSE);
	r.m.context_name = (struct snmp_text){ (const uint8_t *)"other", 5 };
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.m.context_engine = (struct snmp_text){ engine_b, sizeof(engine_b) };
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.m.engine = (struct snmp_text){ engine_b, sizeof(engine_b) };
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.m.user = (struct snmp_text){ (const uint8_t *)"other", 5 };
	give(&r);
	expect_said("");
	answer();
	expect_said("1 answer");
}
END_TEST

START_TEST(report_about_time_is_obeyed_once)
{
	struct reply r;

	start_v3(2, 0, 0);
	ask(SNMP_SET, &owner_one);
	ck_assert_uint_eq(sends, 2);
	report_init(&r, USM_REPORT_TIME_WINDOW, SNMP_AUTH);
	r.m.boots = 12;
	r.m.time = 3456;
	give(&r);
	ck_assert_uint_eq(sends, 3); /* at once */
	ck_assert_int_eq(asked.boots, 12);
	ck_assert_int_eq(asked.time, 3456);
	answer();
	expect_said("1 answer");
	/* An agent that says it for ever gets two messages. */
	ask(SNMP_GET, &owner_one);
	for (int i = 0; i < 2; i++) {
		report_init(&r, USM_REPORT_TIME_WINDOW, SNMP_AUTH);
		give(&r);
	}
	expect_said("1 report 2");
	ck_assert_uint_eq(sends, 5);
}
END_TEST

START_TEST(agent_that_restarts_is_followed)
{
	struct reply r;

	start_v3(1, 5, 100000);
	ask(SNMP_GET, &owner_one);
	answer();
	expect_said("1 answer");
	/* Boots grew, as they should; and an agent without a memory whose boots stay. */
	for (int32_t boots = 6; boots >= 5; boots--) {
		ask(SNMP_GET, &owner_one);
		report_init(&r, USM_REPORT_TIME_WINDOW, SNMP_AUTH);
		r.m.boots = boots;
		r.m.time = 3;
		give(&r);
		ck_assert_int_eq(asked.boots, boots);
		ck_assert_int_eq(asked.time, 3);
		answer();
		expect_said("1 answer");
	}
}
END_TEST

START_TEST(old_messages_are_not_taken)
{
	struct reply r;

	start_v3(1, 5, 1200);
	ask(SNMP_GET, &owner_one);
	answer();
	expect_said("1 answer");
	ask(SNMP_GET, &owner_one);
	reply_init(&r, SNMP_RESPONSE);
	r.m.time = 1049; /* 151 s behind the agent's clock */
	give(&r);
	reply_init(&r, SNMP_RESPONSE);
	r.m.boots = 4;
	give(&r);
	expect_said("");
	ck_assert_uint_eq(s.counts.not_in_time, 2);
	reply_init(&r, SNMP_RESPONSE);
	r.m.time = 1050;
	give(&r);
	expect_said("1 answer");
}
END_TEST

START_TEST(forged_report_does_not_beat_the_answer)
{
	struct reply r;

	start_v3(2, 5, 100);
	ask(SNMP_GET, &owner_one);
	for (enum usm_report report = USM_REPORT_SECURITY_LEVEL; report <= USM_REPORT_DECRYPTION;
	     report++) {
		report_init(&r, report, 0);
		r.m.boots = 99;
		give(&r);
	}
	expect_said("");
	answer();
	expect_said("1 answer");
	ck_assert_int_eq(s.engine.boots, 5);
	/* If nothing better comes, it is the answer. */
	ask(SNMP_GET, &owner_one);
	report_init(&r, USM_REPORT_DIGEST, 0);
	give(&r);
	pass();
	expect_said("1 report 5");
	/* But time is not believed. */
	ask(SNMP_GET, &owner_one);
	report_init(&r, USM_REPORT_TIME_WINDOW, 0);
	give(&r);
	pass();
	expect_said("");
	ck_assert_int_eq(s.engine.boots, 5);
}
END_TEST

START_TEST(report_of_an_authentic_agent_is_an_answer)
{
	struct reply r;

	start_v3(1, 5, 100);
	ask(SNMP_GET, &owner_one);
	report_init(&r, USM_REPORT_SECURITY_LEVEL, SNMP_AUTH);
	give(&r);
	expect_said("1 report 1");
	start_v3(0, 0, 0);
	ask(SNMP_GET, &owner_one);
	report_init(&r, USM_REPORT_USER, 0);
	give(&r);
	expect_said("1 report 3");
}
END_TEST

START_TEST(discovery_wants_its_own_answer)
{
	struct reply r;

	start(SNMP_V3, USM_MD5, USM_NO_PRIV);
	report_init(&r, USM_REPORT_ENGINE, 0);
	give(&r); /* names no engine */
	report_init(&r, USM_REPORT_ENGINE, 0);
	r.m.engine = (struct snmp_text){ engine_a, sizeof(engine_a) };
	r.m.id++;
	give(&r); /* answers another message */
	ck_assert_uint_eq(ups, 0);
	reply_init(&r, SNMP_RESPONSE); /* some agents answer so */
	r.m.engine = (struct snmp_text){ engine_a, sizeof(engine_a) };
	give(&r);
	ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(salts_are_never_the_same)
{
	uint8_t salts[20][USM_SALT];

	start_v3(2, 5, 100);
	for (size_t i = 0; i < 20; i++) {
		ask(SNMP_GET, &owner_one);
		memcpy(salts[i], asked.salt.data, USM_SALT);
		for (size_t k = 0; k < i; k++)
			expect(memcmp(salts[i], salts[k], USM_SALT) != 0);
		answer();
		said[0] = '\0';
	}
	ck_assert_uint_eq(salts[0][3], 77); /* our boots come first */
}
END_TEST

START_TEST(configured_context_is_sent)
{
	start_v3(0, 0, 0);
	conf.own_context = true;
	memcpy(conf.context_engine, engine_b, sizeof(engine_b));
	conf.context_engine_len = sizeof(engine_b);
	conf.context_name = "bay1";
	ask(SNMP_GET, &owner_one);
	ck_assert(snmp_text_is(asked.context_engine, engine_b, sizeof(engine_b)));
	ck_assert(snmp_text_is(asked.context_name, "bay1", 4));
	answer();
	expect_said("1 answer");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, v2c_asks_and_is_answered);
	tcase_add_test(tc, silence_is_tried_again_and_then_told);
	tcase_add_test(tc, late_answer_to_an_earlier_try_is_the_answer);
	tcase_add_test(tc, set_is_sent_once);
	tcase_add_test(tc, answers_of_others_are_not_taken);
	tcase_add_test(tc, room_is_bounded_and_closing_answers_all);
	tcase_add_test(tc, request_that_no_datagram_holds_is_refused);
	tcase_add_table_test(tc, v3_at_every_level, levels);
	tcase_add_test(tc, engine_that_does_not_answer);
	tcase_add_loop_test(tc, answer_below_the_level_is_not_taken, 1, 4);
	tcase_add_test(tc, context_and_engine_must_be_those_asked);
	tcase_add_test(tc, report_about_time_is_obeyed_once);
	tcase_add_test(tc, agent_that_restarts_is_followed);
	tcase_add_test(tc, old_messages_are_not_taken);
	tcase_add_test(tc, forged_report_does_not_beat_the_answer);
	tcase_add_test(tc, report_of_an_authentic_agent_is_an_answer);
	tcase_add_test(tc, discovery_wants_its_own_answer);
	tcase_add_test(tc, salts_are_never_the_same);
	tcase_add_test(tc, configured_context_is_sent);
}

UNIT_MAIN("snmp agent")
