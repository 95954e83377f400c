/* The trap listener with a fake clock: what it hears, what it drops, what it answers. */
#include <stdio.h>
#include <string.h>

#include "device-runners/snmp/listener.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

#define SECOND INT64_C(1000000000)

static const uint8_t agent_engine[] = { 0x80, 0, 0, 1, 'A' },
		     named_engine[] = { 0x80, 0, 0, 1, 'N' };
static struct usm_user users[] = { { .name = "open" }, { .name = "auth", .auth = USM_SHA256 },
	{ .name = "priv", .auth = USM_SHA1, .priv = USM_AES128 } };
static struct listener_engine_id known[1];
static struct listener_conf conf = { .users = users,
	.user_count = 3,
	.boots = 1000,
	.known = known,
	.known_count = 1,
	.time_window = true };
static struct listener l;
static struct monotime now;

static unsigned heard, replies;
static size_t heard_bindings;
static struct snmp_text heard_community, heard_context;
static uint8_t replied[SNMP_MAX_DATAGRAM];
static size_t replied_len;

static void
on_heard(void *arg, const struct listener_heard *h)
{
	(void)arg;
	heard++;
	heard_bindings = h->count;
	heard_community = h->community;
	heard_context = h->context_name;
}

static void
on_reply(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	replies++;
	memcpy(replied, data, len);
	replied_len = len;
}

static const struct listener_ops ops = { on_heard, on_reply };

static void
start(void)
{
	static bool made;

	if (!made) {
		for (size_t i = 1; i < 3; i++) {
			usm_password_to_key(users[i].auth, "authpass1", 9, users[i].auth_key);
			usm_password_to_key(users[i].auth, "privpass1", 9, users[i].priv_key);
		}
		memcpy(conf.engine.id, "\x80\0\0\1US", 6);
		conf.engine.len = 6;
		memcpy(known[0].id, named_engine, sizeof(named_engine));
		known[0].len = sizeof(named_engine);
	}
	made = true;
	now = (struct monotime){ 5000 * SECOND };
	heard = replies = 0;
	conf.time_window = true;
	ck_assert_int_eq(listener_init(&l, &conf, &ops, NULL, now, 7), 0);
	now.ns += 100 * SECOND;
}

/* A message as a sender makes it. */
struct sender {
	struct snmp_message m;
	struct snmp_content content;
	const struct usm_user *user;
	uint8_t bindings[200];
	bool stranger; /* keys of another password */
};

static void
put(struct ber_writer *w, const char *oid, const void *value, size_t len)
{
	struct ber_oid name;

	expect(ber_oid_parse(&name, oid));
	snmp_binding_put(w, &name, value, len);
}

static void
sender_init(struct sender *s, enum snmp_pdu_type type, const struct usm_user *user,
    const uint8_t *engine, size_t len)
{
	static const uint8_t salt[USM_SALT] = { 1 };
	struct ber_writer w;

	*s = (struct sender){ .user = user };
	ber_writer_init(&w, s->bindings, sizeof(s->bindings));
	put(&w, "1.3.6.1.2.1.1.3.0", "\x43\x01\x05", 3);
	put(&w, "1.3.6.1.6.3.1.1.4.1.0", "\x06\x01\x2b", 3);
	put(&w, "1.3.6.1.4.1.1", "\x02\x01\x07", 3);
	s->content = (struct snmp_content){ type, 55, s->bindings, ber_writer_done(&w) };
	s->m = (struct snmp_message){ .version = SNMP_V3,
		.id = 44,
		.max_size = 65507,
		.engine = { engine, len },
		.boots = 3,
		.time = 1000,
		.salt = { salt, sizeof(salt) },
		.context_engine = { engine, len },
		.context_name = { (const uint8_t *)"ctx", 3 } };
	if (type == SNMP_INFORM)
		s->m.flags |= SNMP_REPORTABLE;
	if (!user)
		return;
	s->m.user = (struct snmp_text){ (const uint8_t *)user->name, strlen(user->name) };
	s->m.flags |= (uint8_t)((user->auth ? SNMP_AUTH : 0) | (user->priv ? SNMP_PRIV : 0));
}

static const char *
give(const struct sender *s)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	struct usm_user u = s->user ? *s->user : (struct usm_user){ .auth = USM_NO_AUTH };
	struct usm_keys k;

	if (s->stranger)
		u.auth_key[0] ^= 1;
	usm_keys_make(&k, &u, s->m.engine.data, s->m.engine.len);
	size_t len = s->m.version == SNMP_V3
			 ? snmp_v3_encode(out, sizeof(out), &s->m, &s->content, u.auth, u.priv, &k)
			 : snmp_community_encode(
			       out, sizeof(out), s->m.version, s->m.community, &s->content);
	expect(len > 0);
	return listener_receive(&l, out, len, now);
}

/* The reply, decrypted where it is; expects its digest to be right. */
static void
read_reply(struct snmp_message *m, struct snmp_pdu *pdu, const struct usm_user *user)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];
	struct usm_keys k;

	expect(snmp_message_decode(m, pdu, replied, replied_len) == DEC_OK);
	if (!(m->flags & SNMP_AUTH))
		return;
	usm_keys_make(&k, user, m->engine.data, m->engine.len);
	expect(snmp_message_verify(m, replied, user->auth, &k));
	if (m->encrypted.data)
		expect(snmp_message_decrypt(m, pdu, user->priv, &k, scratch) == DEC_OK);
}

START_TEST(trap_and_inform_of_v2c)
{
	static struct snmp_pdu pdu;
	struct snmp_message m;
	struct sender s;

	start();
	sender_init(&s, SNMP_TRAP, NULL, NULL, 0);
	s.m.version = SNMP_V2C;
	s.m.community = (struct snmp_text){ (const uint8_t *)"public", 6 };
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(heard, 1);
	ck_assert_uint_eq(heard_bindings, 1); /* without time and name */
	ck_assert(snmp_text_is(heard_community, "public", 6));
	ck_assert_uint_eq(replies, 0);
	s.content.type = SNMP_INFORM;
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(heard_bindings, 3); /* with them */
	ck_assert_uint_eq(replies, 1);
	read_reply(&m, &pdu, NULL);
	ck_assert_int_eq(pdu.type, SNMP_RESPONSE);
	ck_assert_int_eq(pdu.request_id, 55);
	ck_assert_int_eq(pdu.error_status, 0);
	ck_assert_uint_eq(pdu.count, 3);
	ck_assert_uint_eq(l.counts.traps, 1);
	ck_assert_uint_eq(l.counts.informs, 1);
	listener_clear(&l);
}
END_TEST

START_TEST(trap_of_v1_and_what_is_none)
{
	static const uint8_t trap[] = { 0x30, 0x2f, 0x02, 0x01, 0x00, 0x04, 0x06, 0x70, 0x75, 0x62,
		0x6c, 0x69, 0x63, 0xa4, 0x22, 0x06, 0x06, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x09, 0x40,
		0x04, 0x0a, 0x00, 0x00, 0x01, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x43, 0x01, 0x05,
		0x30, 0x09, 0x30, 0x07, 0x06, 0x02, 0x2a, 0x01, 0x02, 0x01, 0x07 };
	struct sender s;

	start();
	ck_assert_ptr_null(listener_receive(&l, trap, sizeof(trap), now));
	ck_assert_uint_eq(heard_bindings, 1);
	sender_init(&s, SNMP_TRAP, NULL, NULL, 0);
	s.m.community = (struct snmp_text){ (const uint8_t *)"p", 1 };
	s.m.version = SNMP_V1; /* a PDU of version 2 */
	ck_assert_ptr_nonnull(give(&s));
	s.m.version = SNMP_V2C;
	s.content.type = SNMP_GET;
	ck_assert_ptr_nonnull(give(&s));
	s.content.type = SNMP_TRAP;
	s.content.len = 16; /* the time alone */
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_ptr_nonnull(listener_receive(&l, trap, sizeof(trap) - 1, now));
	ck_assert_uint_eq(heard, 1);
	ck_assert_uint_eq(l.counts.bad, 4);
	listener_clear(&l);
}
END_TEST

START_TEST(v3_traps_of_every_level)
{
	struct sender s;

	start();
	sender_init(&s, SNMP_TRAP, &users[_i], agent_engine, sizeof(agent_engine));
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_ptr_null(give(&s));
		ck_assert_uint_eq(heard, i);
		s.m.time++;
	}
	ck_assert(snmp_text_is(heard_context, "ctx", 3));
	ck_assert_uint_eq(replies, 0);
	listener_clear(&l);
}
END_TEST

START_TEST(v3_strangers_are_dropped_and_counted)
{
	static const struct usm_user nobody = { .name = "nobody" }, low = { .name = "auth" },
				     open = { .name = "priv", .auth = USM_SHA1 };
	struct sender s;

	start();
	sender_init(&s, SNMP_TRAP, &nobody, agent_engine, sizeof(agent_engine));
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_uint_eq(l.counts.unknown_users, 1);
	sender_init(&s, SNMP_TRAP, &low, agent_engine, sizeof(agent_engine));
	ck_assert_ptr_nonnull(give(&s));
	sender_init(&s, SNMP_TRAP, &open, agent_engine, sizeof(agent_engine));
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_uint_eq(l.counts.wrong_levels, 2);
	sender_init(&s, SNMP_TRAP, &users[1], agent_engine, sizeof(agent_engine));
	s.stranger = true;
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_uint_eq(l.counts.wrong_digests, 1);
	ck_assert_uint_eq(heard, 0);
	ck_assert_uint_eq(replies, 0); /* traps do not ask for reports */
	listener_clear(&l);
}
END_TEST

START_TEST(random_engines_take_no_memory)
{
	struct sender s;
	uint8_t engine[8] = { 0x80 };

	start();
	for (unsigned i = 0; i < 3 * LISTENER_MAX_ENGINES; i++) {
		memcpy(engine + 4, &i, sizeof(i));
		sender_init(&s, SNMP_TRAP, &users[1], engine, sizeof(engine));
		s.stranger = true;
		give(&s);
	}
	for (size_t i = 0; i < LISTENER_MAX_ENGINES; i++)
		expect(l.peers[i].hash == 0);
	/* Those with the right keys take each other's places, and the rest goes on. */
	for (unsigned i = 0; i < LISTENER_MAX_ENGINES + 10; i++) {
		memcpy(engine + 4, &i, sizeof(i));
		now.ns += 1000;
		sender_init(&s, SNMP_TRAP, &users[1], engine, sizeof(engine));
		expect(give(&s) == NULL);
	}
	ck_assert_uint_eq(heard, LISTENER_MAX_ENGINES + 10);
	listener_clear(&l);
}
END_TEST

START_TEST(replayed_traps_are_dropped)
{
	struct sender s;

	start();
	sender_init(&s, SNMP_TRAP, &users[1], agent_engine, sizeof(agent_engine));
	ck_assert_ptr_null(give(&s));
	s.m.time = 900;
	ck_assert_ptr_null(give(&s)); /* within 150 s */
	s.m.time = 849;
	ck_assert_ptr_nonnull(give(&s));
	s.m.boots = 2;
	s.m.time = 1000;
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_uint_eq(l.counts.not_in_time, 2);
	s.m.boots = 4;
	s.m.time = 1;
	ck_assert_ptr_null(give(&s)); /* it restarted */
	/* The configuration says that agents forget their boots. */
	conf.time_window = false;
	s.m.boots = 3;
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(heard, 4);
	listener_clear(&l);
}
END_TEST

START_TEST(inform_finds_our_engine_and_its_time)
{
	static struct snmp_pdu pdu;
	const struct usm_user *user = &users[_i];
	struct snmp_message m;
	struct sender s;

	start();
	sender_init(&s, SNMP_INFORM, NULL, NULL, 0); /* discovery */
	s.content.type = SNMP_GET;
	s.content.len = 0;
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(replies, 1);
	read_reply(&m, &pdu, NULL);
	ck_assert_int_eq(pdu.type, SNMP_REPORT);
	ck_assert_int_eq(usm_report_of(&pdu.bindings[0]), USM_REPORT_ENGINE);
	ck_assert_int_eq(m.id, 44);
	ck_assert_int_eq(pdu.request_id, 55);
	ck_assert(snmp_text_is(m.engine, conf.engine.id, conf.engine.len));
	ck_assert_int_eq(m.boots, 1000);
	ck_assert_int_eq(m.time, 100);

	sender_init(&s, SNMP_INFORM, user, conf.engine.id, conf.engine.len);
	s.m.boots = s.m.time = 0;
	if (user->auth) {
		ck_assert_ptr_nonnull(give(&s));
		ck_assert_uint_eq(replies, 2);
		read_reply(&m, &pdu, user);
		ck_assert_int_eq(m.flags, SNMP_AUTH);
		ck_assert_int_eq(usm_report_of(&pdu.bindings[0]), USM_REPORT_TIME_WINDOW);
		ck_assert_uint_eq(heard, 0);
	}
	s.m.boots = m.boots;
	s.m.time = m.time;
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(heard, 1);
	ck_assert_uint_eq(heard_bindings, 3);
	read_reply(&m, &pdu, user);
	ck_assert_int_eq(pdu.type, SNMP_RESPONSE);
	ck_assert_int_eq(pdu.request_id, 55);
	ck_assert_uint_eq(pdu.count, 3);
	ck_assert_int_eq(m.flags, s.m.flags & SNMP_LEVEL);
	listener_clear(&l);
}
END_TEST

START_TEST(informs_for_named_engines_only)
{
	static struct snmp_pdu pdu;
	struct snmp_message m;
	struct sender s;

	start();
	sender_init(&s, SNMP_INFORM, &users[2], named_engine, sizeof(named_engine));
	ck_assert_ptr_null(give(&s));
	ck_assert_uint_eq(heard, 1);
	read_reply(&m, &pdu, &users[2]);
	ck_assert_int_eq(pdu.type, SNMP_RESPONSE);
	ck_assert_int_eq(m.boots, 3);
	sender_init(&s, SNMP_INFORM, &users[2], agent_engine, sizeof(agent_engine));
	ck_assert_ptr_nonnull(give(&s));
	ck_assert_uint_eq(heard, 1);
	read_reply(&m, &pdu, &users[2]);
	ck_assert_int_eq(usm_report_of(&pdu.bindings[0]), USM_REPORT_ENGINE);
	ck_assert(snmp_text_is(m.engine, conf.engine.id, conf.engine.len));
	listener_clear(&l);
}
END_TEST

START_TEST(reports_are_limited)
{
	struct sender s;

	start();
	sender_init(&s, SNMP_INFORM, NULL, NULL, 0);
	for (unsigned i = 0; i < LISTENER_REPORTS + 50; i++)
		give(&s);
	ck_assert_uint_eq(replies, LISTENER_REPORTS);
	ck_assert_uint_eq(l.counts.reports_left_out, 50);
	now.ns += SECOND;
	give(&s);
	ck_assert_uint_eq(replies, LISTENER_REPORTS + 1);
	listener_clear(&l);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, trap_and_inform_of_v2c);
	tcase_add_test(tc, trap_of_v1_and_what_is_none);
	tcase_add_table_test(tc, v3_traps_of_every_level, users);
	tcase_add_test(tc, v3_strangers_are_dropped_and_counted);
	tcase_add_test(tc, random_engines_take_no_memory);
	tcase_add_test(tc, replayed_traps_are_dropped);
	tcase_add_table_test(tc, inform_finds_our_engine_and_its_time, users);
	tcase_add_test(tc, informs_for_named_engines_only);
	tcase_add_test(tc, reports_are_limited);
}

UNIT_MAIN("snmp listener")
