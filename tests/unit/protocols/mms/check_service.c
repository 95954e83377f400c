/* Answers to services and reports: recorded ones, types, failures, and what is none. */
#include "protocols/mms/service.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

struct octets {
	const char *p;
	size_t len;
};
#define OCTETS(text)                                                                               \
	{                                                                                          \
		(text), sizeof(text) - 1                                                           \
	}

static enum dec
decode(struct mms_response *r, const void *p, size_t len)
{
	struct ber_reader reader;
	struct ber_element e;

	ber_reader_init(&reader, p, len, 1);
	return ber_next(&reader, &e) && !ber_more(&reader) ? mms_response_decode(r, &e) : DEC_BAD;
}

/* Decodes, and checks that no prefix is an answer. */
static struct mms_response
answer(const void *p, size_t len)
{
	struct mms_response r, other;

	ck_assert_int_eq(decode(&r, p, len), DEC_OK);
	for (size_t n = 0; n < len; n++)
		expect(decode(&other, p, n) != DEC_OK);
	return r;
}
#define answer_of(text) answer(text, sizeof(text) - 1)

START_TEST(statuses)
{
	struct mms_response r = answer_of("\xa0\6\x80\1\0\x81\1\2");

	ck_assert_int_eq(r.service, MMS_STATUS);
	ck_assert_int_eq(r.u.status.logical, 0);
	ck_assert_int_eq(r.u.status.physical, 2);
}
END_TEST

START_TEST(name_lists)
{
	struct mms_response r = answer_of("\xa1\x0a\xa0\5\x1a\1x\x1a\0\x81\1\0");
	struct mms_str s;

	ck_assert(!r.u.name_list.more_follows);
	ck_assert_uint_eq(mms_list_count(r.u.name_list.names), 2);
	ck_assert(mms_identifier_next(&r.u.name_list.names, &s) && mms_str_equal(s, mms_str("x")));
	ck_assert(mms_identifier_next(&r.u.name_list.names, &s) && s.len == 0);
	ck_assert(!mms_identifier_next(&r.u.name_list.names, &s));
	r = answer_of("\xa1\2\xa0\0");
	ck_assert(r.u.name_list.more_follows); /* the default */
	ck_assert(!mms_identifier_next(&r.u.name_list.names, &s));
}
END_TEST

START_TEST(identities)
{
	struct mms_response r = answer_of("\xa2\x09\x80\1v\x81\2mo\x82\0");

	ck_assert(mms_str_equal(r.u.identify.vendor, mms_str("v")));
	ck_assert(mms_str_equal(r.u.identify.model, mms_str("mo")));
	ck_assert_uint_eq(r.u.identify.revision.len, 0);
}
END_TEST

START_TEST(reads)
{
	struct mms_response r = answer_of("\xa4\x0c\xa1\x0a\x80\1\x0a\xa2\2\x8a\0\x83\1\1");
	struct mms_access a;
	bool b = false;

	ck_assert_uint_eq(mms_list_count(r.u.read), 3);
	ck_assert(mms_access_next(&r.u.read, &a));
	ck_assert(!a.success);
	ck_assert_int_eq(a.error, MMS_ACCESS_NON_EXISTENT);
	ck_assert(mms_access_next(&r.u.read, &a));
	ck_assert(a.success && a.value.kind == MMS_STRUCTURE);
	ck_assert(mms_access_next(&r.u.read, &a));
	ck_assert(mms_value_bool(&a.value, &b) && b);
	ck_assert(!mms_access_next(&r.u.read, &a));
	/* The specification may stand in front. */
	r = answer_of("\xa4\x0b\xa0\4\xa0\2\x80\0\xa1\3\x83\1\1");
	ck_assert_uint_eq(mms_list_count(r.u.read), 1);
}
END_TEST

START_TEST(writes)
{
	struct mms_response r = answer_of("\xa5\5\x81\0\x80\1\3");
	bool success;
	int64_t error;

	ck_assert(mms_written_next(&r.u.written, &success, &error) && success);
	ck_assert(mms_written_next(&r.u.written, &success, &error) && !success);
	ck_assert_int_eq(error, MMS_ACCESS_DENIED);
	ck_assert(!mms_written_next(&r.u.written, &success, &error));
}
END_TEST

START_TEST(lists_with_elements_of_arrays)
{
	static const uint8_t bytes[] = { 0xac, 0x33, 0x80, 0x01, 0x01, 0xa1, 0x2e, 0x30, 0x0a, 0xa0,
		0x08, 0xa1, 0x06, 0x1a, 0x01, 0x6c, 0x1a, 0x01, 0x78, 0x30, 0x12, 0xa0, 0x03, 0x80,
		0x01, 0x76, 0xa5, 0x0b, 0xa0, 0x09, 0x81, 0x01, 0x07, 0x30, 0x04, 0x81, 0x02, 0x6d,
		0x61, 0x30, 0x0c, 0xa0, 0x03, 0x82, 0x01, 0x76, 0xa5, 0x05, 0x82, 0x03, 0x00, 0xff,
		0xff };
	struct mms_response r = answer(bytes, sizeof(bytes));
	struct mms_variable v;

	ck_assert(r.u.list.deletable);
	ck_assert(mms_variable_next(&r.u.list.variables, &v));
	ck_assert_int_eq(v.name.scope, MMS_DOMAIN);
	ck_assert(mms_str_equal(v.name.domain, mms_str("l")));
	ck_assert(mms_str_equal(v.name.item, mms_str("x")));
	ck_assert(!v.has_index);
	ck_assert(mms_variable_next(&r.u.list.variables, &v));
	ck_assert_int_eq(v.name.scope, MMS_VMD);
	ck_assert(v.has_index);
	ck_assert_uint_eq(v.index, 7);
	ck_assert(mms_str_equal(v.component, mms_str("ma")));
	ck_assert(mms_variable_next(&r.u.list.variables, &v));
	ck_assert_int_eq(v.name.scope, MMS_ASSOCIATION);
	ck_assert_uint_eq(v.index, 0xffff);
	ck_assert_ptr_null(v.component.p);
	ck_assert(!mms_variable_next(&r.u.list.variables, &v));
}
END_TEST

START_TEST(types)
{
	/* {a: boolean, b: array of 3 bit strings of at most 13, a float, a binary time with a date}
	 */
	static const uint8_t bytes[] = { 0xa6, 0x39, 0x80, 0x01, 0x00, 0xa2, 0x34, 0xa2, 0x32, 0x80,
		0x01, 0x00, 0xa1, 0x2d, 0x30, 0x07, 0x80, 0x01, 0x61, 0xa1, 0x02, 0x83, 0x00, 0x30,
		0x0f, 0x80, 0x01, 0x62, 0xa1, 0x0a, 0xa1, 0x08, 0x81, 0x01, 0x03, 0xa2, 0x03, 0x84,
		0x01, 0xf3, 0x30, 0x0a, 0xa1, 0x08, 0xa7, 0x06, 0x02, 0x01, 0x20, 0x02, 0x01, 0x08,
		0x30, 0x05, 0xa1, 0x03, 0x8c, 0x01, 0xff };
	struct mms_type type = answer(bytes, sizeof(bytes)).u.attributes.type, member, element;
	struct mms_str name;

	ck_assert_int_eq(type.kind, MMS_STRUCTURE);
	ck_assert_uint_eq(mms_list_count(type.members), 4);
	ck_assert(mms_type_next(&type.members, &name, &member));
	ck_assert(mms_str_equal(name, mms_str("a")));
	ck_assert_int_eq(member.kind, MMS_BOOLEAN);
	ck_assert(mms_type_next(&type.members, &name, &member));
	ck_assert(mms_str_equal(name, mms_str("b")));
	ck_assert_int_eq(member.kind, MMS_ARRAY);
	ck_assert_int_eq(member.size, 3);
	ck_assert(mms_type_next(&member.members, &name, &element));
	ck_assert_ptr_null(name.p);
	ck_assert_int_eq(element.kind, MMS_BIT_STRING);
	ck_assert_int_eq(element.size, -13);
	ck_assert(!mms_type_next(&member.members, &name, &element));
	ck_assert(mms_type_next(&type.members, &name, &member));
	ck_assert_ptr_null(name.p);
	ck_assert_int_eq(member.kind, MMS_FLOAT);
	ck_assert_int_eq(member.size, 32);
	ck_assert(mms_type_next(&type.members, &name, &member));
	ck_assert_int_eq(member.kind, MMS_BINARY_TIME);
	ck_assert_int_eq(member.size, 6);
	ck_assert(!mms_type_next(&type.members, &name, &member));
}
END_TEST

START_TEST(deletions)
{
	struct mms_response r = answer_of("\xad\6\x80\1\1\x81\1\0");

	ck_assert_uint_eq(r.u.deleted.matched, 1);
	ck_assert_uint_eq(r.u.deleted.deleted, 0);
	ck_assert_int_eq(answer_of("\x8b\0").service, MMS_DEFINE_LIST);
}
END_TEST

START_TEST(not_answers)
{
	static const struct {
		struct octets bytes;
		enum dec rc;
	} rows[] = {
		{ OCTETS("\x80\0"), DEC_UNSUP },		   /* status, primitive */
		{ OCTETS("\xa3\0"), DEC_UNSUP },		   /* rename */
		{ OCTETS("\xbf\x48\0"), DEC_UNSUP },		   /* fileOpen */
		{ OCTETS("\xab\0"), DEC_UNSUP },		   /* define, constructed */
		{ OCTETS("\xa0\3\x80\1\0"), DEC_BAD },		   /* half a status */
		{ OCTETS("\xa4\5\xa1\3\x88\1\0"), DEC_BAD },	   /* no kind of value */
		{ OCTETS("\xa4\6\xa1\4\xa2\2\x88\0"), DEC_BAD },   /* nor inside of one */
		{ OCTETS("\xa4\0"), DEC_BAD },			   /* a read without a list */
		{ OCTETS("\xa5\2\x82\0"), DEC_BAD },		   /* neither success nor failure */
		{ OCTETS("\xa5\3\x81\1\0"), DEC_BAD },		   /* success with content */
		{ OCTETS("\xa1\5\xa0\3\4\1x"), DEC_BAD },	   /* a name that is no name */
		{ OCTETS("\xac\7\x80\1\0\xa1\2\x30\0"), DEC_BAD }, /* a variable without a name */
		{ OCTETS("\xac\x0b\x80\1\0\xa1\6\x30\4\xa1\2\x80\0"), DEC_BAD }, /* an address */
		{ OCTETS("\xa6\7\x80\1\0\xa2\2\x88\0"), DEC_BAD },		 /* no type */
		{ OCTETS("\xa6\x0b\x80\1\0\xa2\6\xa2\4\xa1\2\x30\0"),
		    DEC_BAD }, /* nameless, typeless */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mms_response r;
		expect_msg(
		    decode(&r, rows[i].bytes.p, rows[i].bytes.len) == rows[i].rc, "row %zu", i);
	}
}
END_TEST

START_TEST(types_nest_in_bounds)
{
	/* arrays of one array ... of a boolean: 8 octets a level */
	uint8_t bytes[512];

	for (unsigned levels = MMS_MAX_NESTING; levels <= MMS_MAX_NESTING + 1; levels++) {
		struct mms_response r;
		size_t len = 2;
		memcpy(bytes + sizeof(bytes) - 2, "\x83\0", 2);
		for (unsigned i = 0; i < levels; i++) {
			uint8_t head[] = { 0xa1, 0x81, (uint8_t)(len + 6), 0x81, 1, 1, 0xa2, 0x81,
				(uint8_t)len };
			len += sizeof(head);
			memcpy(bytes + sizeof(bytes) - len, head, sizeof(head));
		}
		uint8_t head[] = { 0xa6, 0x81, (uint8_t)(len + 6), 0x80, 1, 0, 0xa2, 0x81,
			(uint8_t)len };
		len += sizeof(head);
		memcpy(bytes + sizeof(bytes) - len, head, sizeof(head));
		ck_assert_int_eq(decode(&r, bytes + sizeof(bytes) - len, len),
		    levels == MMS_MAX_NESTING ? DEC_OK : DEC_BAD);
	}
}
END_TEST

static enum dec
report(struct mms_report *r, const void *p, size_t len)
{
	struct ber_reader reader;

	ber_reader_init(&reader, p, len, 8);
	return mms_report_decode(r, &reader);
}

START_TEST(reports)
{
	static const char named[] = "\xa0\x0c\xa1\5\x80\3RPT\xa0\3\x83\1\1",
			  variables[] = "\xa0\x10\xa0\x09\x30\7\xa0\5\x80\3"
					"err\xa0\3\x83\1\1";
	struct mms_report r;
	struct mms_variable v;
	struct mms_access a;

	ck_assert_int_eq(report(&r, named, sizeof(named) - 1), DEC_OK);
	ck_assert(r.is_list);
	ck_assert_int_eq(r.list.scope, MMS_VMD);
	ck_assert(mms_str_equal(r.list.item, mms_str("RPT")));
	ck_assert(mms_access_next(&r.results, &a) && a.success);
	ck_assert_int_eq(report(&r, variables, sizeof(variables) - 1), DEC_OK);
	ck_assert(!r.is_list);
	ck_assert(mms_variable_next(&r.variables, &v));
	ck_assert(mms_str_equal(v.name.item, mms_str("err")));
	for (size_t n = 0; n < sizeof(named) - 1; n++)
		expect(report(&r, named, n) == DEC_BAD);
	for (size_t n = 0; n < sizeof(variables) - 1; n++)
		expect(report(&r, variables, n) == DEC_BAD);
}
END_TEST

START_TEST(texts)
{
	char text[64];

	ck_assert_str_eq(mms_service_name(MMS_DEFINE_LIST), "defineNamedVariableList");
	ck_assert_str_eq(mms_service_name((enum mms_service)3), "unknown");
	ck_assert_str_eq(mms_access_error_name(3), "object-access-denied");
	ck_assert_str_eq(mms_access_error_name(-1), "unknown");
	ck_assert_str_eq(mms_access_error_name(12), "unknown");
	ck_assert_str_eq(
	    mms_error_text((struct mms_error){ 2, 1 }, text), "definition: object-undefined");
	ck_assert_str_eq(mms_error_text((struct mms_error){ 8, 1 }, text), "initiate: code 1");
	ck_assert_str_eq(mms_error_text((struct mms_error){ 2, 99 }, text), "definition: code 99");
	ck_assert_str_eq(mms_error_text((struct mms_error){ -1, -1 }, text), "class -1, code -1");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, name_lists);
	tcase_add_test(tc, identities);
	tcase_add_test(tc, reads);
	tcase_add_test(tc, writes);
	tcase_add_test(tc, lists_with_elements_of_arrays);
	tcase_add_test(tc, types);
	tcase_add_test(tc, deletions);
	tcase_add_test(tc, not_answers);
	tcase_add_test(tc, types_nest_in_bounds);
	tcase_add_test(tc, reports);
	tcase_add_test(tc, texts);
}

UNIT_MAIN("mms_service")
