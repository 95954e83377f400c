/* Messages of all versions: frames that the reference made, both ways, and every shorter prefix. */
#include <stdio.h>
#include <stdlib.h>

#include "protocols/snmp/message.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static struct snmp_message m;
static struct snmp_pdu pdu;
static uint8_t out[2000];

static struct snmp_text
text_of(const void *data, size_t len)
{
	return (struct snmp_text){ data, len };
}

static void
expect_no_prefix(const uint8_t *frame, size_t size)
{
	struct snmp_message cut;

	for (size_t len = 0; len < size; len++) {
		uint8_t *copy = malloc(len + 1);
		memcpy(copy, frame, len);
		expect_msg(
		    snmp_message_decode(&cut, &pdu, copy, len) != DEC_OK, "taken at %zu", len);
		free(copy);
	}
}

static size_t
put_binding(uint8_t *list, size_t size, const char *oid, const char *value, size_t len)
{
	struct ber_writer w;
	struct ber_oid name;

	ber_writer_init(&w, list, size);
	expect(ber_oid_parse(&name, oid));
	snmp_binding_put(&w, &name, (const uint8_t *)value, len);
	return ber_writer_done(&w);
}

START_TEST(get_of_v1_and_v2c)
{
	static uint8_t frame[] = {
		0x30,
		0x26,
		0x02,
		0x01,
		0x00, /* version: v1 */
		0x04,
		0x06,
		0x70,
		0x75,
		0x62,
		0x6c,
		0x69,
		0x63, /* community: public */
		0xa0,
		0x19,
		0x02,
		0x01,
		0x01, /* GET, request-id 1 */
		0x02,
		0x01,
		0x00,
		0x02,
		0x01,
		0x00, /* status, index */
		0x30,
		0x0e,
		0x30,
		0x0c, /* bindings */
		0x06,
		0x08,
		0x2b,
		0x06,
		0x01,
		0x02,
		0x01,
		0x01,
		0x03,
		0x00, /* sysUpTime.0 */
		0x05,
		0x00,
	};
	uint8_t list[100];

	for (enum snmp_version v = SNMP_V1; v <= SNMP_V2C; v++) {
		frame[4] = (uint8_t)v;
		ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, sizeof(frame)), DEC_OK);
		ck_assert_int_eq(m.version, v);
		ck_assert(snmp_text_is(m.community, "public", 6));
		ck_assert_int_eq(pdu.type, SNMP_GET);
		ck_assert_int_eq(pdu.request_id, 1);
		ck_assert_uint_eq(pdu.count, 1);
		ck_assert_uint_eq(pdu.bindings[0].value.tag, BER_NULL);
		struct snmp_content content = { SNMP_GET, 1, list,
			put_binding(list, sizeof(list), "1.3.6.1.2.1.1.3.0", NULL, 0) };
		size_t len =
		    snmp_community_encode(out, sizeof(out), v, text_of("public", 6), &content);
		ck_assert_uint_eq(len, sizeof(frame));
		ck_assert_mem_eq(out, frame, len);
		for (size_t size = 0; size < len; size++)
			expect(snmp_community_encode(
				   out, size, v, text_of("public", 6), &content) == 0);
		expect_no_prefix(frame, sizeof(frame));
	}
}
END_TEST

START_TEST(bytes_behind_a_message_are_passed_over)
{
	static const uint8_t frame[] = { 0x30, 0x16, 0x02, 0x01, 0x01, 0x04, 0x01, 'p', 0xa2, 0x0e,
		0x02, 0x01, 0x01, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x03, 0x30, 0x01, 0x00,
		/* behind it */ 0x55, 0x55 };
	static const uint8_t empty[] = { 0x30, 0x13, 0x02, 0x01, 0x01, 0x04, 0x01, 'p', 0xa2, 0x0b,
		0x02, 0x01, 0x01, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01, 0x30, 0x00,
		/* behind it */ 0x55, 0x55 };

	/* A binding that is none. */
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, sizeof(frame)), DEC_BAD);
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, empty, sizeof(empty)), DEC_OK);
	ck_assert_uint_eq(m.size, sizeof(empty) - 2);
	ck_assert_int_eq(pdu.type, SNMP_RESPONSE);
	ck_assert_str_eq(snmp_error_name(pdu.error_status), "NO_SUCH_NAME");
	ck_assert_uint_eq(pdu.count, 0);
}
END_TEST

START_TEST(trap_of_v1)
{
	static const uint8_t frame[] = {
		0x30,
		0x2f,
		0x02,
		0x01,
		0x00,
		0x04,
		0x06,
		0x70,
		0x75,
		0x62,
		0x6c,
		0x69,
		0x63, /**/
		0xa4,
		0x22, /* Trap-PDU */
		0x06,
		0x06,
		0x2b,
		0x06,
		0x01,
		0x04,
		0x01,
		0x09, /* enterprise */
		0x40,
		0x04,
		0x0a,
		0x00,
		0x00,
		0x01, /* agent-addr */
		0x02,
		0x01,
		0x00,
		0x02,
		0x01,
		0x00, /* generic, specific */
		0x43,
		0x01,
		0x05, /* time-stamp */
		0x30,
		0x09,
		0x30,
		0x07,
		0x06,
		0x02,
		0x2a,
		0x01,
		0x02,
		0x01,
		0x07,
	};
	struct ber_oid name;

	ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, sizeof(frame)), DEC_OK);
	ck_assert_int_eq(pdu.type, SNMP_TRAP_V1);
	ck_assert_uint_eq(pdu.count, 1);
	ber_oid_parse(&name, "1.2.1");
	ck_assert_ptr_eq(snmp_pdu_find(&pdu, &name), &pdu.bindings[0]);
	ber_oid_parse(&name, "1.2.1.0");
	ck_assert_ptr_null(snmp_pdu_find(&pdu, &name));
	expect_no_prefix(frame, sizeof(frame));
}
END_TEST

START_TEST(discovery)
{
	static const uint8_t frame[] = {
		0x30,
		0x39,
		0x02,
		0x01,
		0x03, /* version: v3 */
		0x30,
		0x0f,
		0x02,
		0x01,
		0x01, /* msgID */
		0x02,
		0x04,
		0x7f,
		0xff,
		0xff,
		0xff, /* msgMaxSize */
		0x04,
		0x01,
		0x04, /* msgFlags: reportable */
		0x02,
		0x01,
		0x03, /* USM */
		0x04,
		0x10,
		0x30,
		0x0e,
		0x04,
		0x00, /* engine */
		0x02,
		0x01,
		0x00,
		0x02,
		0x01,
		0x00, /* boots, time */
		0x04,
		0x00,
		0x04,
		0x00,
		0x04,
		0x00, /* user, digest, salt */
		0x30,
		0x11,
		0x04,
		0x00,
		0x04,
		0x00, /* context */
		0xa0,
		0x0b,
		0x02,
		0x01,
		0x01,
		0x02,
		0x01,
		0x00,
		0x02,
		0x01,
		0x00,
		0x30,
		0x00,
	};
	struct snmp_content content = { .type = SNMP_GET, .request_id = 1 };
	struct snmp_message q = {
		.version = SNMP_V3, .id = 1, .max_size = INT32_MAX, .flags = SNMP_REPORTABLE
	};

	ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, sizeof(frame)), DEC_OK);
	ck_assert_int_eq(m.flags, SNMP_REPORTABLE);
	ck_assert_uint_eq(m.engine.len, 0);
	ck_assert_uint_eq(pdu.count, 0);
	size_t len = snmp_v3_encode(out, sizeof(out), &q, &content, USM_NO_AUTH, USM_NO_PRIV, NULL);
	ck_assert_uint_eq(len, sizeof(frame));
	ck_assert_mem_eq(out, frame, len);
	expect_no_prefix(frame, sizeof(frame));
}
END_TEST

static const uint8_t engine[] = { 0x80, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04 };

/* With MD5 and the password "maplesyrup". */
static const uint8_t get_md5[] = { 0x30, 0x68, 0x02, 0x01, 0x03, 0x30, 0x0f, 0x02, 0x01, 0x02, 0x02,
	0x04, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x01, 0x05, 0x02, 0x01, 0x03, 0x04, 0x29, 0x30, 0x27,
	0x04, 0x08, 0x80, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x02, 0x01, 0x03, 0x02, 0x02,
	0x03, 0xe8, 0x04, 0x04, 0x75, 0x73, 0x65, 0x72, 0x04, 0x0c, 0x39, 0xc7, 0x60, 0xac, 0x0e,
	0x93, 0x3d, 0x9d, 0x4f, 0x50, 0x03, 0x61, 0x04, 0x00, 0x30, 0x27, 0x04, 0x08, 0x80, 0x00,
	0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x04, 0x00, 0xa0, 0x19, 0x02, 0x01, 0x02, 0x02, 0x01,
	0x00, 0x02, 0x01, 0x00, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x02, 0x01,
	0x01, 0x03, 0x00, 0x05, 0x00 };

static void
expect_get_md5(const struct usm_keys *k)
{
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, get_md5, sizeof(get_md5)), DEC_OK);
	ck_assert_int_eq(m.flags, SNMP_AUTH | SNMP_REPORTABLE);
	ck_assert(snmp_text_is(m.engine, engine, sizeof(engine)));
	ck_assert(snmp_text_is(m.user, "user", 4));
	ck_assert_int_eq(m.boots, 3);
	ck_assert_int_eq(m.time, 1000);
	ck_assert(snmp_message_verify(&m, get_md5, USM_MD5, k));
}

static void
user_keys(struct usm_keys *k, enum usm_auth auth, enum usm_priv priv)
{
	struct usm_user u = { .auth = auth, .priv = priv };

	usm_password_to_key(auth, "maplesyrup", 10, u.auth_key);
	usm_password_to_key(auth, "maplesyrup", 10, u.priv_key);
	usm_keys_make(k, &u, engine, sizeof(engine));
}

START_TEST(authenticated_get_both_ways)
{
	struct usm_keys k;
	uint8_t list[100];
	struct snmp_content content = { SNMP_GET, 2, list,
		put_binding(list, sizeof(list), "1.3.6.1.2.1.1.3.0", NULL, 0) };

	user_keys(&k, USM_MD5, USM_NO_PRIV);
	expect_get_md5(&k);
	ck_assert(!snmp_message_verify(&m, get_md5, USM_SHA1, &k));
	ck_assert(!snmp_message_verify(&m, get_md5, USM_SHA512, &k));
	ck_assert(!snmp_message_verify(&m, get_md5, USM_NO_AUTH, &k));
	size_t len = snmp_v3_encode(out, sizeof(out), &m, &content, USM_MD5, USM_NO_PRIV, &k);
	ck_assert_uint_eq(len, sizeof(get_md5));
	ck_assert_mem_eq(out, get_md5, len);
	expect_no_prefix(get_md5, sizeof(get_md5));
	/* Each bit counts, as far as the message still is one. */
	for (size_t i = 0; i < 8 * sizeof(get_md5); i++) {
		uint8_t copy[sizeof(get_md5)];
		memcpy(copy, get_md5, sizeof(copy));
		copy[i / 8] ^= (uint8_t)(1 << i % 8);
		expect_msg(snmp_message_decode(&m, &pdu, copy, sizeof(copy)) != DEC_OK ||
			       !(m.flags & SNMP_AUTH) ||
			       !snmp_message_verify(&m, copy, USM_MD5, &k),
		    "bit %zu", i);
	}
}
END_TEST

START_TEST(digest_is_that_of_the_bytes_that_came)
{
	/* The outer length in long form: another encoding would lose the digest. */
	uint8_t frame[sizeof(get_md5) + 2], mac[USM_MAX_MAC];
	struct usm_keys k;

	user_keys(&k, USM_MD5, USM_NO_PRIV);
	memcpy(frame + 2, get_md5, sizeof(get_md5));
	frame[0] = 0x30;
	frame[1] = 0x82;
	frame[2] = 0;
	frame[3] = (uint8_t)(sizeof(get_md5) - 2);
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, sizeof(frame)), DEC_OK);
	ck_assert(!snmp_message_verify(&m, frame, USM_MD5, &k));
	size_t hole = (size_t)(m.mac.data - frame);
	usm_mac(USM_MD5, &k, frame, sizeof(frame), hole, mac);
	memcpy(frame + hole, mac, 12);
	ck_assert(snmp_message_verify(&m, frame, USM_MD5, &k));
}
END_TEST

START_TEST(encrypted_both_ways_in_every_pair)
{
	static const uint8_t salt[USM_SALT] = { 0, 0, 0, 9, 1, 2, 3, 4 };
	uint8_t list[300], scratch[sizeof(out)];
	struct usm_keys k;
	struct snmp_content content = { SNMP_SET, 77, list,
		put_binding(list, sizeof(list), "1.3.6.1.4.1.2021.7", "\x04\x03xyz", 5) };
	struct snmp_message q = { .version = SNMP_V3,
		.id = 9,
		.max_size = SNMP_MAX_DATAGRAM,
		.flags = SNMP_AUTH | SNMP_PRIV | SNMP_REPORTABLE,
		.engine = text_of(engine, sizeof(engine)),
		.boots = 12,
		.time = 3456,
		.user = text_of("operator", 8),
		.salt = text_of(salt, sizeof(salt)),
		.context_engine = text_of(engine, sizeof(engine)),
		.context_name = text_of("ctx", 3) };

	for (enum usm_auth auth = USM_MD5; auth <= USM_SHA512; auth++)
		for (enum usm_priv priv = USM_DES; priv <= USM_AES256; priv++) {
			user_keys(&k, auth, priv);
			size_t len = snmp_v3_encode(out, sizeof(out), &q, &content, auth, priv, &k);
			expect(len > 0);
			expect(snmp_message_decode(&m, &pdu, out, len) == DEC_OK);
			expect(m.size == len && m.encrypted.data);
			expect(snmp_message_verify(&m, out, auth, &k));
			expect(snmp_message_decrypt(&m, &pdu, priv, &k, scratch) == DEC_OK);
			expect(snmp_text_is(m.context_name, "ctx", 3));
			expect(pdu.type == SNMP_SET && pdu.request_id == 77 && pdu.count == 1);
			expect(pdu.bindings[0].value.len == 3 &&
			       memcmp(pdu.bindings[0].value.data, "xyz", 3) == 0);
			uint8_t *small = malloc(len);
			for (size_t size = 0; size < len; size++)
				expect(
				    snmp_v3_encode(small, size, &q, &content, auth, priv, &k) == 0);
			free(small);
		}
	expect_no_prefix(out, m.size);
}
END_TEST

START_TEST(what_is_not_ours)
{
	static const uint8_t v4[] = { 0x30, 0x03, 0x02, 0x01, 0x04 };
	uint8_t copy[sizeof(get_md5)];

	ck_assert_int_eq(snmp_message_decode(&m, &pdu, v4, sizeof(v4)), DEC_UNSUP);
	memcpy(copy, get_md5, sizeof(copy));
	copy[21] = 4; /* another security model */
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, copy, sizeof(copy)), DEC_UNSUP);
	copy[21] = 3;
	copy[18] = SNMP_PRIV; /* privacy without authentication */
	ck_assert_int_eq(snmp_message_decode(&m, &pdu, copy, sizeof(copy)), DEC_BAD);
}
END_TEST

START_TEST(bindings_are_limited)
{
	static uint8_t list[8 * 1024], frame[10 * 1024];
	struct ber_writer w;
	struct ber_oid name;

	ber_oid_parse(&name, "1.3.6");
	for (size_t n = SNMP_MAX_BINDINGS; n <= SNMP_MAX_BINDINGS + 1; n++) {
		ber_writer_init(&w, list, sizeof(list));
		for (size_t i = 0; i < n; i++)
			snmp_binding_put(&w, &name, NULL, 0);
		struct snmp_content content = { SNMP_TRAP, 1, list, ber_writer_done(&w) };
		size_t len = snmp_community_encode(
		    frame, sizeof(frame), SNMP_V2C, text_of("p", 1), &content);
		ck_assert_uint_gt(len, 0);
		ck_assert_int_eq(snmp_message_decode(&m, &pdu, frame, len),
		    n > SNMP_MAX_BINDINGS ? DEC_BAD : DEC_OK);
	}
}
END_TEST

START_TEST(reports_are_known_with_and_without_instance)
{
	uint8_t list[100];
	struct ber_writer w;
	struct ber_reader r;
	struct snmp_binding b;

	ber_writer_init(&w, list, sizeof(list));
	usm_report_put(&w, USM_REPORT_ENGINE, 5);
	ber_reader_init(&r, list, ber_writer_done(&w), 8);
	ber_enter(&r, BER_SEQUENCE);
	ber_next(&r, &b.name);
	ck_assert_int_eq(usm_report_of(&b), USM_REPORT_ENGINE);
	b.name.len--;
	ck_assert_int_eq(usm_report_of(&b), USM_REPORT_ENGINE);
	b.name.len--;
	ck_assert_int_eq(usm_report_of(&b), USM_REPORT_NONE);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, get_of_v1_and_v2c);
	tcase_add_test(tc, bytes_behind_a_message_are_passed_over);
	tcase_add_test(tc, trap_of_v1);
	tcase_add_test(tc, discovery);
	tcase_add_test(tc, authenticated_get_both_ways);
	tcase_add_test(tc, digest_is_that_of_the_bytes_that_came);
	tcase_add_test(tc, encrypted_both_ways_in_every_pair);
	tcase_add_test(tc, what_is_not_ours);
	tcase_add_test(tc, bindings_are_limited);
	tcase_add_test(tc, reports_are_known_with_and_without_instance);
}

UNIT_MAIN("snmp message")
