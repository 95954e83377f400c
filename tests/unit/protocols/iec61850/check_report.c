/* Reports and control objects as libiec61850 sends them, and every shorter prefix. */
#include "protocols/iec61850/control.h"
#include "protocols/iec61850/report.h"
#include "protocols/mms/pdu.h"
#include "tests/unit/suite.h"

/* The report of a general interrogation: all optional fields, two members included. */
static const uint8_t gi[] = { 0xa3, 0x81, 0xa6, 0xa0, 0x81, 0xa3, 0xa1, 0x05, 0x80, 0x03, 'R', 'P',
	'T', 0xa0, 0x81, 0x99, 0x8a, 0x06, 'b', 'r', 'c', 'b', '0', '1', /* RptID */
	0x84, 0x03, 0x06, 0x7f, 0x80,					 /* OptFlds */
	0x86, 0x01, 0x00,						 /* SqNum */
	0x8c, 0x06, 0x00, 0xaf, 0x5c, 0x9a, 0x3d, 0x38,			 /* TimeOfEntry */
	0x8a, 0x13, 't', 'e', 's', 't', 'L', 'D', '0', '/', 'L', 'L', 'N', '0', '$', 'e', 'v', 'e',
	'n', 't', 's',						    /* DatSet */
	0x83, 0x01, 0x00,					    /* BufOvfl */
	0x89, 0x08, 0x00, 0x00, 0x01, 0xa2, 0x20, 0x22, 0xf8, 0x9a, /* EntryID */
	0x86, 0x01, 0x01,					    /* ConfRev */
	0x84, 0x02, 0x06, 0xc0,					    /* inclusion */
	0x8a, 0x15, 't', 'e', 's', 't', 'L', 'D', '0', '/', 'G', 'G', 'I', 'O', '1', '$', 'S', 'T',
	'$', 'I', 'n', 'd', '1', 0x8a, 0x1c, 't', 'e', 's', 't', 'L', 'D', '0', '/', 'G', 'G', 'I',
	'O', '1', '$', 'M', 'X', '$', 'A', 'n', 'I', 'n', '1', '$', 'm', 'a', 'g', '$', 'f', 0xa2,
	0x12, 0x83, 0x01, 0x00, 0x84, 0x03, 0x03, 0x00, 0x00, 0x91, 0x08, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00,				  /* stVal, q, t */
	0x87, 0x05, 0x08, 0x00, 0x00, 0x00, 0x00,	  /* mag.f */
	0x84, 0x02, 0x02, 0x04, 0x84, 0x02, 0x02, 0x04 }; /* reasons */

static struct mms_pdu pdu;

static enum dec
decode(const uint8_t *data, size_t len, struct iec61850_report *r)
{
	enum dec rc = mms_pdu_decode(&pdu, data, len);

	return rc == DEC_OK && pdu.type == MMS_UNCONFIRMED
		   ? iec61850_report_decode(r, &pdu.u.report)
		   : DEC_BAD;
}

START_TEST(a_report_with_all_fields)
{
	static const uint8_t entry[] = { 0, 0, 1, 0xa2, 0x20, 0x22, 0xf8, 0x9a };
	struct iec61850_report r;
	struct iec61850_member m;

	ck_assert_int_eq(decode(gi, sizeof(gi), &r), DEC_OK);
	ck_assert(mms_str_equal(r.report_id, mms_str("brcb01")));
	ck_assert_uint_eq(r.sequence, 0);
	ck_assert(!r.overflow);
	ck_assert_uint_eq(r.entry_id_len, 8);
	ck_assert_mem_eq(r.entry_id, entry, 8);
	ck_assert_uint_eq(r.revision, 1);
	ck_assert_uint_eq(r.members, 2);
	ck_assert(iec61850_report_next(&r, &m));
	ck_assert_uint_eq(m.index, 0);
	ck_assert_int_eq(m.value.kind, MMS_STRUCTURE);
	ck_assert(mms_str_equal(m.reference, mms_str("testLD0/GGIO1$ST$Ind1")));
	ck_assert_uint_eq(m.reasons, 1 << 5);
	ck_assert_str_eq(iec61850_reason_names[5 - 1], "GENERAL_INTERROGATION");
	ck_assert(iec61850_report_next(&r, &m));
	ck_assert_int_eq(m.value.kind, MMS_FLOAT);
	ck_assert(!iec61850_report_next(&r, &m));
}
END_TEST

START_TEST(no_shorter_prefix_is_a_report)
{
	struct iec61850_report r;

	for (size_t len = 0; len < sizeof(gi); len++)
		ck_assert_int_ne(decode(gi, len, &r), DEC_OK);
}
END_TEST

/* A list of results RPT around these values. */
static enum dec
decode_values(const uint8_t *values, size_t len, struct iec61850_report *r)
{
	static const uint8_t name[] = { 0x80, 3, 'R', 'P', 'T' };
	static uint8_t frame[300];
	struct ber_writer w;

	ber_writer_init(&w, frame, sizeof(frame));
	ber_begin(&w, BER_CONTEXT_C(MMS_UNCONFIRMED));
	ber_begin(&w, BER_CONTEXT_C(0));
	ber_put_bytes(&w, BER_CONTEXT_C(1), name, sizeof(name));
	ber_put_bytes(&w, BER_CONTEXT_C(0), values, len);
	ber_end(&w);
	ber_end(&w);
	return decode(frame, ber_writer_done(&w), r);
}

START_TEST(a_segment)
{
	static const uint8_t values[] = { 0x8a, 1, 'r', 0x84, 3, 6, 0x40, 0x40, /* 1 and 9 */
		0x86, 1, 7, 0x86, 1, 2, 0x83, 1, 1, 0x84, 2, 4, 0x10, 0x83, 1, 1 };
	struct iec61850_report r;
	struct iec61850_member m;

	ck_assert_int_eq(decode_values(values, sizeof(values), &r), DEC_OK);
	ck_assert_uint_eq(r.sequence, 7);
	ck_assert_uint_eq(r.sub_sequence, 2);
	ck_assert(r.more);
	ck_assert(iec61850_report_next(&r, &m));
	ck_assert_uint_eq(m.index, 3);
	ck_assert_uint_eq(m.reasons, 0);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	/* a value too few, a value too many, no inclusion, sequence of another kind */
	static const uint8_t few[] = { 0x8a, 1, 'r', 0x84, 3, 6, 0, 0, 0x84, 2, 6, 0xc0, 0x83, 1,
		1 },
			     many[] = { 0x8a, 1, 'r', 0x84, 3, 6, 0, 0, 0x84, 2, 6, 0x40, 0x83, 1,
				     1, 0x83, 1, 1 },
			     no_inclusion[] = { 0x8a, 1, 'r', 0x84, 3, 6, 0, 0, 0x83, 1, 1 },
			     sequence[] = { 0x8a, 1, 'r', 0x84, 3, 6, 0x40, 0, 0x83, 1, 1, 0x84, 2,
				     6, 0x40, 0x83, 1, 1 };
	struct iec61850_report r;

	ck_assert_int_eq(decode_values(few, sizeof(few), &r), DEC_BAD);
	ck_assert_int_eq(decode_values(many, sizeof(many), &r), DEC_BAD);
	ck_assert_int_eq(decode_values(no_inclusion, sizeof(no_inclusion), &r), DEC_BAD);
	ck_assert_int_eq(decode_values(sequence, sizeof(sequence), &r), DEC_BAD);
}
END_TEST

/* --- Controls --- */

START_TEST(oper_as_the_reference_writes_it)
{
	/* ctlVal true, origin 1 "&wx", ctlNum 2, T 2026-01-01, Test false, Check 00 */
	static const uint8_t oper[] = { 0xa2, 0x22, 0x83, 1, 1, 0xa2, 8, 0x85, 1, 1, 0x89, 3, '&',
		'w', 'x', 0x86, 1, 2, 0x91, 8, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0x1f, 0x83, 1, 0, 0x84,
		2, 6, 0 };
	const struct iec61850_type type = { .kind = IEC61850_BOOLEAN };
	const struct json value = { .type = JSON_BOOL, .boolean = true };
	struct iec61850_control c = { .value = &value,
		.type = &type,
		.category = 1,
		.ident = "&wx",
		.number = 2,
		.time = { .seconds = 0x6955b900, .quality = 0x1f } };
	uint8_t out[200];
	struct ber_writer w;

	ber_writer_init(&w, out, sizeof(out));
	ck_assert(iec61850_control_put(&w, &c, false));
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(oper));
	ck_assert_mem_eq(out + 2, oper + 2, sizeof(oper) - 2);
	c.operate_time = true;
	ber_writer_init(&w, out, sizeof(out));
	ck_assert(iec61850_control_put(&w, &c, true));
	ck_assert_uint_eq(ber_writer_done(&w), sizeof(oper) + 10 - 4);
}
END_TEST

/* [LastApplError, Oper] as one report. */
START_TEST(a_negative_termination)
{
	static const uint8_t report[] = { 0xa3, 0x54, 0xa0, 0x52, 0xa0, 0x24, /* names */
		0x30, 0x11, 0xa0, 0x0f, 0x80, 0x0d, 'L', 'a', 's', 't', 'A', 'p', 'p', 'l', 'E',
		'r', 'r', 'o', 'r', 0x30, 0x0f, 0xa0, 0x0d, 0xa1, 0x0b, 0x1a, 0x01, 'd', 0x1a, 0x06,
		'x', '$', 'O', 'p', 'e', 'r', 0xa0, 0x2a, /* values */
		0xa2, 0x16, 0x8a, 0x06, 'd', '/', 'x', '$', 'C', 'O', 0x85, 1, 0, 0xa2, 3, 0x85, 1,
		1, 0x86, 1, 9, 0x85, 1, 0x12, 0xa2, 0x10, 0x83, 1, 1, 0xa2, 0, 0x86, 1, 9, 0x8a, 0,
		0x83, 1, 0, 0x83, 1, 0 };
	struct iec61850_termination t;

	ck_assert_int_eq(mms_pdu_decode(&pdu, report, sizeof(report)), DEC_OK);
	ck_assert_int_eq(iec61850_termination_decode(&t, &pdu.u.report), DEC_OK);
	ck_assert(t.has_error && t.terminated);
	ck_assert_str_eq(iec61850_cause_name(t.error.cause), "OBJECT_NOT_SELECTED");
	ck_assert_uint_eq(t.number, 9);
	ck_assert(mms_str_equal(t.object.item, mms_str("x$Oper")));
	ck_assert(iec61850_error_is_of(&t.error, "d", "x$CO", 9));
	ck_assert(!iec61850_error_is_of(&t.error, "d", "x$CO", 8));
	ck_assert(!iec61850_error_is_of(&t.error, "e", "x$CO", 9));
	for (size_t len = 0; len < sizeof(report); len++)
		ck_assert_int_ne(mms_pdu_decode(&pdu, report, len), DEC_OK);
}
END_TEST

START_TEST(errors_have_names)
{
	ck_assert_str_eq(iec61850_service_error_name(3), "ACCESS_VIOLATION");
	ck_assert_str_eq(iec61850_service_error_name(9), "FAILED_DUE_TO_COMMUNICATIONS_CONSTRAINT");
	ck_assert_str_eq(iec61850_cause_name(27), "LOCKED_BY_OTHER_CLIENT");
	ck_assert_str_eq(iec61850_cause_name(28), "UNKNOWN");
	ck_assert_str_eq(iec61850_cause_name(-1), "UNKNOWN");
	ck_assert_str_eq(iec61850_test_error_name(3), "OPERATOR_TEST_NOT_OK");
	ck_assert_str_eq(iec61850_test_error_name(4), "UNKNOWN");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_report_with_all_fields);
	tcase_add_test(tc, no_shorter_prefix_is_a_report);
	tcase_add_test(tc, a_segment);
	tcase_add_test(tc, what_does_not_fit_is_refused);
	tcase_add_test(tc, oper_as_the_reference_writes_it);
	tcase_add_test(tc, a_negative_termination);
	tcase_add_test(tc, errors_have_names);
}

UNIT_MAIN("iec61850 report")
