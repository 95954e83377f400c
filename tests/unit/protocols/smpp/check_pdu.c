#include <string.h>

#include "protocols/smpp/pdu.h"
#include "tests/unit/suite.h"

/* Behind ours: it has macros of the same names. */
#include <libsmpp34/smpp34.h>
#include <libsmpp34/smpp34_structs.h>

static struct buffer out;

static void
setup(void)
{
	buffer_init(&out, SMPP_MAX_PDU);
}

static void
teardown(void)
{
	buffer_clear(&out);
}

static struct smpp_str
str(const char *s)
{
	return (struct smpp_str){ s, strlen(s) };
}

static void
expect_bytes(const uint8_t *p, size_t n)
{
	ck_assert(!buffer_failed(&out));
	ck_assert_uint_eq(out.len, n);
	ck_assert_mem_eq(buffer_data(&out), p, n);
}

/* No shorter beginning of it is a PDU, and none of its shorter bodies is well formed. */
static void
refuse_prefixes(const uint8_t *p, size_t n, size_t least_body)
{
	struct smpp_pdu pdu;
	uint8_t cut[256];
	uint32_t sequence;
	size_t size;

	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(smpp_frame(p, i, &size, &sequence), DEC_MORE);
		ck_assert_int_eq(smpp_decode(&pdu, p, i), DEC_BAD);
	}
	for (size_t i = SMPP_HEADER + 1; i < SMPP_HEADER + least_body; i++) {
		memcpy(cut, p, i);
		cut[3] = (uint8_t)i;
		ck_assert_int_eq(smpp_decode(&pdu, cut, i), DEC_OK);
		ck_assert_msg(pdu.malformed, "%zu octets", i);
	}
}

START_TEST(bind)
{
	static const uint8_t bytes[] = {
		0x00, 0x00, 0x00, 0x1c, /* length */
		0x00, 0x00, 0x00, 0x09, /* bind_transceiver */
		0x00, 0x00, 0x00, 0x00, /* status */
		0x00, 0x00, 0x00, 0x01, /* sequence */
		's', 'y', 's', 0,	/* system_id */
		'p', 'w', 0,		/* password */
		0,			/* system_type */
		0x34,			/* version */
		0, 0, 0,		/* TON, NPI, address range */
	};
	const struct smpp_bind b = {
		.system_id = str("sys"), .password = str("pw"), .version = SMPP_VERSION
	};

	smpp_encode_bind(&out, SMPP_BIND_TRANSCEIVER, 1, &b);
	expect_bytes(bytes, sizeof(bytes));
}
END_TEST

START_TEST(bind_answer)
{
	static const uint8_t bytes[] = {
		0x00, 0x00, 0x00, 0x1a, 0x80, 0x00, 0x00, 0x09, 0, 0, 0, 0, 0, 0, 0, 1, /* header */
		's', 'm', 's', 'c', 0,	      /* system_id */
		0x02, 0x10, 0x00, 0x01, 0x34, /* sc_interface_version */
	};
	struct smpp_pdu p;
	uint32_t sequence;
	size_t size;

	ck_assert_int_eq(smpp_frame(bytes, sizeof(bytes), &size, &sequence), DEC_OK);
	ck_assert_uint_eq(size, sizeof(bytes));
	ck_assert_uint_eq(sequence, 1);
	ck_assert_int_eq(smpp_decode(&p, bytes, size), DEC_OK);
	ck_assert(!p.malformed);
	ck_assert_mem_eq(p.id.p, "smsc", 5);
	refuse_prefixes(bytes, sizeof(bytes), 5);
}
END_TEST

START_TEST(submit)
{
	static const uint8_t bytes[] = {
		0x00, 0x00, 0x00, 0x30,				      /* length */
		0x00, 0x00, 0x00, 0x04,				      /* submit_sm */
		0x00, 0x00, 0x00, 0x00,				      /* status */
		0x00, 0x00, 0x00, 0x02,				      /* sequence */
		0,						      /* service_type */
		0, 0, 0,					      /* source */
		0, 0, '1', '2', '3', '4', '5', '6', '7', '8', '9', 0, /* destination */
		0,						      /* esm_class */
		0,						      /* protocol_id */
		2,						      /* priority */
		0, 0,						      /* schedule, validity */
		0, 0,			   /* registered_delivery, replace */
		8,			   /* data_coding UCS-2 */
		0,			   /* default message */
		6, 0, 'a', 0, 'b', 0, 'c', /* text */
	};
	const struct smpp_sm sm = {
		.destination = str("123456789"),
		.priority = 2,
		.data_coding = 8,
		.text = { "\0a\0b\0c", 6 },
	};

	smpp_encode_submit(&out, 2, &sm);
	expect_bytes(bytes, sizeof(bytes));
}
END_TEST

START_TEST(submit_with_payload)
{
	static const uint8_t tail[] = {
		0,						/* sm_length */
		0x04, 0x24, 0x00, 0x06, 0, 'a', 0, 'b', 0, 'c', /* message_payload */
	};
	const struct smpp_sm sm = { .destination = str("1"), .payload = { "\0a\0b\0c", 6 } };

	smpp_encode_submit(&out, 2, &sm);
	ck_assert_mem_eq(buffer_data(&out) + out.len - sizeof(tail), tail, sizeof(tail));
	ck_assert_uint_eq(buffer_data(&out)[3], out.len);
}
END_TEST

START_TEST(deliver)
{
	static const uint8_t bytes[] = {
		0x00, 0x00, 0x00, 0x2d, 0x00, 0x00, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 9, /* header */
		0,				       /* service_type */
		1, 1, '4', '9', 0,		       /* source */
		0, 0, '1', 0,			       /* destination */
		0x04, 0, 0, 0, 0,		       /* esm_class: a receipt */
		0, 0, 0, 0,			       /* registered_delivery .. default message */
		2, 'o', 'k',			       /* text */
		0x14, 0x99, 0x00, 0x03, 'x', 'y', 'z', /* a vendor's parameter */
	};
	struct smpp_pdu p;

	ck_assert_int_eq(smpp_decode(&p, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(!p.malformed);
	ck_assert_uint_eq(p.sm.esm_class, 4);
	ck_assert_uint_eq(p.sm.source.len, 2);
	ck_assert_mem_eq(p.sm.source.p, "49", 3);
	ck_assert_uint_eq(p.sm.text.len, 2);
	ck_assert_mem_eq(p.sm.text.p, "ok", 2);
	refuse_prefixes(bytes, sizeof(bytes), sizeof(bytes) - SMPP_HEADER - 7);
}
END_TEST

START_TEST(answers)
{
	static const uint8_t acknowledged[] = { 0, 0, 0, 17, 0x80, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9,
		0 };
	static const uint8_t nack[] = { 0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7 };

	smpp_encode_answer(&out, SMPP_DELIVER_SM | SMPP_RESPONSE, SMPP_ROK, 9, "");
	expect_bytes(acknowledged, sizeof(acknowledged));
	buffer_reset(&out);
	smpp_encode_empty(&out, SMPP_GENERIC_NACK, SMPP_RINVCMDID, 7);
	expect_bytes(nack, sizeof(nack));
}
END_TEST

START_TEST(an_error_may_come_without_its_body)
{
	static const uint8_t bytes[] = { 0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0x58, 0, 0, 0, 2 };
	struct smpp_pdu p;

	ck_assert_int_eq(smpp_decode(&p, bytes, sizeof(bytes)), DEC_OK);
	ck_assert(!p.malformed);
	ck_assert_uint_eq(p.status, SMPP_RTHROTTLED);
	ck_assert_uint_eq(p.id.len, 0);
}
END_TEST

START_TEST(lengths_out_of_range)
{
	static const uint8_t lengths[][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 15 }, { 0, 1, 0, 1 },
		{ 0xff, 0xff, 0xff, 0xff } };
	uint32_t sequence;
	size_t size;

	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(smpp_frame(lengths[i], 4, &size, &sequence), DEC_BAD);
}
END_TEST

START_TEST(unknown_command)
{
	static const uint8_t bytes[] = { 0, 0, 0, 17, 0, 0, 0x77, 0x77, 0, 0, 0, 0, 0, 0, 0, 5, 1 };
	struct smpp_pdu p;

	ck_assert_int_eq(smpp_decode(&p, bytes, sizeof(bytes)), DEC_UNSUP);
	ck_assert_uint_eq(p.sequence, 5);
	ck_assert_ptr_null(smpp_command_name(0x7777));
	ck_assert_str_eq(smpp_command_name(0x80000004), "submit_sm_resp");
}
END_TEST

START_TEST(texts_that_are_too_long_for_their_field)
{
	const struct smpp_bind b = { .system_id = str("sixteen.letters.") };
	const struct smpp_sm sm = { .destination = str("123456789012345678901") };

	smpp_encode_bind(&out, SMPP_BIND_TRANSCEIVER, 1, &b);
	ck_assert(buffer_failed(&out));
	buffer_reset(&out);
	smpp_encode_submit(&out, 1, &sm);
	ck_assert(buffer_failed(&out));
}
END_TEST

START_TEST(names_of_statuses)
{
	char text[16];

	ck_assert_str_eq(smpp_status_name(0, text), "ROK");
	ck_assert_str_eq(smpp_status_name(0x58, text), "RTHROTTLED");
	ck_assert_str_eq(smpp_status_name(0x401, text), "0x00000401");
}
END_TEST

/* --- libsmpp34, which is not ours, packs the same octets and reads what we write --- */

static void
same_as_theirs(void *theirs)
{
	uint8_t packed[2048];
	int len = 0;

	ck_assert_msg(
	    smpp34_pack2(packed, sizeof(packed), &len, theirs) == 0, "%s", smpp34_strerror);
	expect_bytes(packed, (size_t)len);
}

#define FILL(field, text) memcpy((field), (text), sizeof(text))

START_TEST(bind_as_libsmpp34_packs_it)
{
	const struct smpp_bind b = { .system_id = str("gateway1"),
		.password = str("secret"),
		.system_type = str("ALARM"),
		.address_range = str("^38"),
		.version = SMPP_VERSION,
		.ton = 1,
		.npi = 1 };
	bind_transceiver_t t = { .command_id = BIND_TRANSCEIVER, .sequence_number = 77 };

	smpp_encode_bind(&out, SMPP_BIND_TRANSCEIVER, 77, &b);
	FILL(t.system_id, "gateway1");
	FILL(t.password, "secret");
	FILL(t.system_type, "ALARM");
	FILL(t.address_range, "^38");
	t.interface_version = SMPP_VERSION;
	t.addr_ton = 1;
	t.addr_npi = 1;
	same_as_theirs(&t);
}
END_TEST

START_TEST(submit_as_libsmpp34_packs_it)
{
	const struct smpp_sm sm = { .service_type = str("CMT"),
		.source = str("20"),
		.destination = str("385911234567"),
		.validity = str("000001000000000R"),
		.text = { "Feeder \xe9 7", 10 },
		.source_ton = 5,
		.source_npi = 0,
		.dest_ton = 1,
		.dest_npi = 1,
		.esm_class = 3,
		.priority = 2,
		.registered_delivery = 1,
		.data_coding = 3 };
	submit_sm_t t = { .command_id = SUBMIT_SM, .sequence_number = 0x7fffffff }, back = { 0 };

	smpp_encode_submit(&out, 0x7fffffff, &sm);
	FILL(t.service_type, "CMT");
	FILL(t.source_addr, "20");
	FILL(t.destination_addr, "385911234567");
	FILL(t.validity_period, "000001000000000R");
	memcpy(t.short_message, sm.text.p, sm.text.len);
	t.sm_length = (uint8_t)sm.text.len;
	t.source_addr_ton = 5;
	t.dest_addr_ton = t.dest_addr_npi = 1;
	t.esm_class = 3;
	t.priority_flag = 2;
	t.registered_delivery = 1;
	t.data_coding = 3;
	same_as_theirs(&t);
	ck_assert_msg(
	    smpp34_unpack2(&back, buffer_data(&out), (int)out.len) == 0, "%s", smpp34_strerror);
	ck_assert_str_eq((const char *)back.destination_addr, "385911234567");
	ck_assert_uint_eq(back.sm_length, sm.text.len);
	ck_assert_mem_eq(back.short_message, sm.text.p, sm.text.len);
}
END_TEST

/* And ours reads what it packs. */
START_TEST(deliver_of_libsmpp34)
{
	deliver_sm_t t = { .command_id = DELIVER_SM, .sequence_number = 9 };
	uint8_t packed[2048];
	struct smpp_pdu p;
	int len = 0;

	FILL(t.source_addr, "385911234567");
	FILL(t.destination_addr, "20");
	memcpy(t.short_message, "id:1 stat:DELIVRD", 17);
	t.sm_length = 17;
	t.esm_class = 4;
	ck_assert_msg(smpp34_pack2(packed, sizeof(packed), &len, &t) == 0, "%s", smpp34_strerror);
	ck_assert_int_eq(smpp_decode(&p, packed, (size_t)len), DEC_OK);
	ck_assert(!p.malformed);
	ck_assert_uint_eq(p.sequence, 9);
	ck_assert_uint_eq(p.sm.esm_class, 4);
	ck_assert_uint_eq(p.sm.source.len, 12);
	ck_assert_mem_eq(p.sm.source.p, "385911234567", 12);
	ck_assert_uint_eq(p.sm.text.len, 17);
	ck_assert_mem_eq(p.sm.text.p, "id:1 stat:DELIVRD", 17);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bind);
	tcase_add_test(tc, bind_answer);
	tcase_add_test(tc, submit);
	tcase_add_test(tc, submit_with_payload);
	tcase_add_test(tc, deliver);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, an_error_may_come_without_its_body);
	tcase_add_test(tc, lengths_out_of_range);
	tcase_add_test(tc, unknown_command);
	tcase_add_test(tc, texts_that_are_too_long_for_their_field);
	tcase_add_test(tc, names_of_statuses);
	tcase_add_test(tc, bind_as_libsmpp34_packs_it);
	tcase_add_test(tc, submit_as_libsmpp34_packs_it);
	tcase_add_test(tc, deliver_of_libsmpp34);
}

UNIT_MAIN("smpp pdu")
