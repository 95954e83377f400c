#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/parse.h"
#include "tests/unit/suite.h"

static const struct {
	const char *text;
	size_t len;	   /* 0: strlen */
	const char *error; /* NULL: valid */
} texts[] = {
	{ "null", 0, NULL },
	{ " true ", 0, NULL },
	{ "-0.5e+3", 0, NULL },
	{ "123456789012345678901234567890", 0, NULL },
	{ "\"\"", 0, NULL },
	{ "\"\\u017e\\ud83d\\ude00\\n\\/\"", 0, NULL },
	{ "\"\xc5\xbe\"", 0, NULL },
	{ "\"\\u0000\"", 0, NULL },
	{ "[]", 0, NULL },
	{ "{}", 0, NULL },
	{ "\r\n\t [1, {\"a\": [null]}, \"x\"] ", 0, NULL },
	{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 0,
	    NULL }, /* 32 levels */
	{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 0,
	    "nested too deep" },
	{ "", 0, "the text ends too early" },
	{ " ", 0, "the text ends too early" },
	{ "1 2", 0, "" },
	{ "1 \"", 0, "" },
	{ "\"a\"\"", 0, "" },
	{ "[] \"a", 0, "" },
	{ "[] \"\\", 0, "" },
	{ "[] \"\\u1", 0, "" },
	{ "[] \"\xc5", 0, "" },
	{ "[] -", 0, "" },
	{ "[] t", 0, "" },
	{ "[] /", 0, "" },
	{ "{} {}", 0, "" },
	{ "[", 0, "" },
	{ "[1", 0, "" },
	{ "[1,]", 0, "" },
	{ "[1}", 0, "" },
	{ "{\"a\"}", 0, "" },
	{ "{\"a\":}", 0, "" },
	{ "{\"a\":1,}", 0, "" },
	{ "{a:1}", 0, "" },
	{ "{1:1}", 0, "" },
	{ "tru", 0, "" },
	{ "truee", 0, "" },
	{ "TRUE", 0, "" },
	{ "NaN", 0, "" },
	{ "Infinity", 0, "" },
	{ "01", 0, "" },
	{ "+1", 0, "" },
	{ ".5", 0, "" },
	{ "1.", 0, "" },
	{ "1e", 0, "" },
	{ "-", 0, "" },
	{ "0x10", 0, "" },
	{ "'a'", 0, "" },
	{ "\"a", 0, "" },
	{ "\"\\x41\"", 0, "" },
	{ "\"\\u12g4\"", 0, "" },
	{ "\"\n\"", 0, "" },
	{ "\"a\0b\"", 5, "" },
	{ "1\0", 2, "" },
	{ "\"\xff\"", 0, "" },
	{ "\"\xc0\x80\"", 0, "not UTF-8" },	    /* overlong */
	{ "\"\xed\xa0\x80\"", 0, "not UTF-8" },	    /* surrogate */
	{ "\"\xf4\x90\x80\x80\"", 0, "not UTF-8" }, /* above U+10FFFF */
	{ "\"\\udc00\"", 0, "no character behind \\u" },
	{ "\"\\ud800\"", 0, "" },
	{ "\"\\ud800x\"", 0, "" },
	{ "\"\\ud800\\u0041\"", 0, "" },
	{ "\"\\ud83d\\ude00\"", 0, NULL },
	{ "\"\\uFFFF \x7f\"", 0, NULL },
	{ "\v1", 0, "" },
	{ "[1,\f2]", 0, "" },
	{ "1\r\n", 0, NULL },
	{ "-0.0e+00", 0, NULL },
	{ "-01", 0, "" },
	{ "1e+", 0, "" },
	{ "{\"a\":[]}", 0, NULL },
	{ "{\"a\":{}]", 0, "" },
	{ "{\"a\":1 \"b\":2}", 0, "" },
	{ "{\"\xc0\x80\":1}", 0, "not UTF-8" },
	{ "{\"a\\u0000b\":1}", 0, "a NUL in a key" },
	{ "/* c */ 1", 0, "" },
	{ "1 // c", 0, "" },
	{ "\xef\xbb\xbf"
	  "1",
	    0, "" },
};

START_TEST(parser_and_validator_agree)
{
	char err[128] = "";
	const char *text = texts[_i].text;
	size_t len = texts[_i].len ? texts[_i].len : strlen(text);
	struct json_doc *doc = json_parse(text, len, 1000, err, sizeof(err));

	ck_assert_msg((doc != NULL) == (texts[_i].error == NULL), "'%s': %s", text, err);
	ck_assert_msg(json_valid(text, len) == (doc != NULL), "'%s'", text);
	/* The validator goes on after whatever it saw. */
	ck_assert(json_valid("[1]", 3));
	ck_assert(!json_valid("[1", 2));
	ck_assert(json_valid("[1]", 3));
	if (!doc) {
		ck_assert(err[0] != '\0' && !strchr(err, '\n'));
		if (texts[_i].error[0])
			ck_assert_msg(strncmp(err, texts[_i].error, strlen(texts[_i].error)) == 0,
			    "'%s': %s", text, err);
	}
	json_free(doc);
}
END_TEST

static const struct {
	const char *known, *text;
	bool like;
} pairs[] = {
	{ "{\"value\":41,\"cause\":\"CHANGE\"}", "{\"value\":-1.5e+30,\"cause\":\"CHANGE\"}",
	    true },
	{ "[1,22,333,4444]", "[1,2,3,4]", true },
	{ "[1,2,3,4]", "[10,20,30,40]", true },
	{ "{\"a\":true,\"b\":[0]}", "{\"a\":true,\"b\":[0]}", true },
	{ "[\"a:1,b\",1]", "[\"a:2,b\",3]", true },
	{ "[\"a:1.1.1,b\"]", "[\"a:2,b\"]", true },
	{ "[1]", "[01]", false },
	{ "[10]", "[00]", false },
	{ "[1]", "[1.]", false },
	{ "[1]", "[-]", false },
	{ "[1]", "[]", false },
	{ "[1,2]", "[,2]", false },
	{ "[1]", "[1", false },
	{ "[1]", "[1]]", false },
	{ "[1]", "[2", false },
	{ "[1]", "[1}", false },
	{ "[1,2]", "[1:2]", false },
	{ "[1,2]", "[3]2]", false },
	{ "[\"1\"]", "[\"2\"]", true },
	{ "{\"a\":\"ON\",\"b\":1}", "{\"a\":\"OFF\",\"b\":2}", true },
	{ "[true,null,false]", "[false,true,null]", true },
	{ "[true]", "[0.5]", true },
	{ "[\"a\"]", "[\"\"]", true },
	{ "[\"\"]", "[\"a\"]", false },
	{ "[\"a:\",\",b\"]", "[\"a:\"x\",b\"]", false },
	{ "[\"a\"]", "[\"b\\\"]", false },
	{ "[\"a\"]", "[\"b]", false },
	{ "[\"a\"]", "[\"b", false },
	{ "[1]", "[nul]", false },
	{ "[1]", "[\"a\"]", false },
	{ "[\"a\"]", "[1]", false },
	{ "{\"a\":1}", "{\"b\":1}", false },
	{ "[1,{\"a\":1}]", "[1,{\"b\":1}]", false },
	{ "[\"\\u0041\"]", "[\"\\u004\"]", false },
	{ "[true]", "[truE]", false },
	{ "1", "2", false },
	{ "", "", false },
	{ "", "1", false },
	{ "1", "", false },
};

START_TEST(like_a_text_that_is_valid)
{
	size_t known_len = strlen(pairs[_i].known), len = strlen(pairs[_i].text);
	/* On the heap, so that a read past the end shows. */
	char *known = malloc(known_len + !known_len), *text = malloc(len + !len);

	memcpy(known, pairs[_i].known, known_len);
	memcpy(text, pairs[_i].text, len);
	ck_assert(known_len == 0 || json_valid(known, known_len));
	ck_assert_msg(json_valid_like(text, len, known, known_len) == pairs[_i].like, "'%s', '%s'",
	    pairs[_i].known, pairs[_i].text);
	ck_assert(!pairs[_i].like || json_valid(text, len));
	free(known);
	free(text);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
	static const char text[] =
	    "{\"a\": [1, -2.5e3, \"\\u017e\xc5\xbe\", {\"b\": null}], \"c\": true}";
	char err[128];

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		/* On the heap, so that a read past the end shows. */
		char *copy = malloc(len ? len : 1);
		memcpy(copy, text, len);
		ck_assert_ptr_null(json_parse(copy, len, 1000, err, sizeof(err)));
		ck_assert(!json_valid(copy, len));
		free(copy);
	}
	json_free(parse(text));
}
END_TEST

START_TEST(nodes_are_bounded)
{
	char err[128];
	struct json_doc *doc = json_parse("[1, 2]", 6, 3, err, sizeof(err));

	ck_assert_ptr_nonnull(doc);
	json_free(doc);
	ck_assert_ptr_null(json_parse("[1, 2, 3]", 9, 3, err, sizeof(err)));
	ck_assert_str_eq(err, "too many values (byte 8)");
	doc = json_doc_new(1);
	ck_assert_ptr_nonnull(json_add(doc, NULL, JSON_ARRAY, NULL, NULL, 0));
	ck_assert_ptr_null(json_add(doc, NULL, JSON_ARRAY, NULL, NULL, 0));
	json_free(doc);
	json_free(NULL);
}
END_TEST

START_TEST(tree_is_what_was_written)
{
	struct json_doc *doc =
	    parse("{\"a\": [1, \"x\\u0000y\", null], \"b\": false, \"b\": true}");
	const struct json *root = json_root(doc), *a = json_get(root, "a");

	ck_assert_int_eq(root->type, JSON_OBJECT);
	ck_assert_uint_eq(root->count, 3);
	ck_assert_uint_eq(a->count, 3);
	ck_assert_str_eq(a->key, "a");
	ck_assert_str_eq(a->child->text, "1");
	ck_assert_uint_eq(a->child->next->len, 3);
	ck_assert_ptr_null(json_str(a->child->next)); /* it holds a NUL */
	ck_assert_int_eq(a->last->type, JSON_NULL);
	ck_assert(json_is_true(json_get(root, "b"))); /* the last one wins */
	ck_assert_ptr_null(json_get(root, "c"));
	ck_assert_ptr_null(json_get(a, "a"));
	ck_assert_ptr_null(json_get(NULL, "a"));
	json_free(doc);
}
END_TEST

static const struct {
	const char *text;
	int64_t min, max;
	bool ok;
	int64_t v;
} ints[] = {
	{ "5", 0, 10, true, 5 },
	{ "-5", -5, 10, true, -5 },
	{ "10", 0, 10, true, 10 },
	{ "11", 0, 10, false, 0 },
	{ "-1", 0, 10, false, 0 },
	{ "9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX },
	{ "-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN },
	{ "9223372036854775808", INT64_MIN, INT64_MAX, false, 0 },
	{ "1.0", 0, 10, true, 1 },
	{ "-8.00", -10, 10, true, -8 },
	{ "8e0", 0, 10, true, 8 },
	{ "80e-1", 0, 10, true, 8 },
	{ "8.5", 0, 10, false, 0 },
	{ "1e300", INT64_MIN, INT64_MAX, false, 0 },
	{ "9007199254740991.0", 0, INT64_MAX, true, 9007199254740991 },
	{ "9007199254740993.0", 0, INT64_MAX, false, 0 },
	{ "1e1", 0, 10, true, 10 },
	{ "\"5\"", 0, 10, false, 0 },
	{ "true", 0, 10, false, 0 },
	{ "null", 0, 10, false, 0 },
};

START_TEST(integers_have_a_range)
{
	struct json_doc *doc = parse(ints[_i].text);
	int64_t v = 77;

	ck_assert(json_int(json_root(doc), ints[_i].min, ints[_i].max, &v) == ints[_i].ok);
	ck_assert_int_eq(v, ints[_i].ok ? ints[_i].v : 77);
	json_free(doc);
}
END_TEST

START_TEST(other_readers)
{
	static const char *const names[] = { "ONE", "TWO", NULL };
	struct json_doc *doc = parse("[\"TWO\", \"THREE\", 2, 1.5, 1e999, false]");
	const struct json *j = json_root(doc)->child;
	double d = 0;
	bool b = true;

	ck_assert_int_eq(json_enum(j, names), 1);
	ck_assert(!json_double(j, &d));
	j = j->next;
	ck_assert_int_eq(json_enum(j, names), -1);
	j = j->next;
	ck_assert_int_eq(json_enum(j, names), -1);
	ck_assert(json_double(j, &d) && d == 2);
	j = j->next;
	ck_assert(json_double(j, &d) && d == 1.5);
	j = j->next;
	ck_assert(!json_double(j, &d)); /* infinite */
	j = j->next;
	ck_assert(json_bool(j, &b) && !b);
	ck_assert(!json_is_true(j));
	ck_assert(!json_int(NULL, 0, 1, NULL) && !json_bool(NULL, &b) && !json_double(NULL, &d));
	ck_assert_ptr_null(json_str(NULL));
	json_free(doc);
}
END_TEST

static const struct {
	double v;
	const char *text;
} doubles[] = {
	{ 0, "0.0" },
	{ -0.0, "-0.0" },
	{ 1, "1.0" },
	{ -5, "-5.0" },
	{ 0.1, "0.1" },
	{ 2.5, "2.5" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 1e300, "1e+300" },
	{ 1e15, "1e+15" },
	{ 123456789012345, "123456789012345.0" },
	{ DBL_MAX, "1.7976931348623157e+308" },
	{ DBL_TRUE_MIN, "4.94065645841247e-324" },
	{ INFINITY, "null" },
	{ NAN, "null" },
};

START_TEST(doubles_read_back)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, 100);
	json_put_double(&w, NULL, doubles[_i].v);
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b), doubles[_i].text);
	if (isfinite(doubles[_i].v))
		ck_assert_double_eq(strtod((const char *)buffer_data(&b), NULL), doubles[_i].v);
	buffer_clear(&b);
}
END_TEST

START_TEST(writer_writes_json)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, 1000);
	json_begin_object(&w, NULL);
	json_put_null(&w, "n");
	json_put_bool(&w, "b", true);
	json_put_int(&w, "min", INT64_MIN);
	json_put_int(&w, "zero", 0);
	json_put_str(&w, "s\"", "\x01\x7f\\\xc5\xbe");
	json_put_str(&w, "null", NULL);
	json_put_strn(&w, "bad", "a\xff\xc5", 3);
	json_begin_array(&w, "a");
	json_begin_array(&w, NULL);
	json_end_array(&w);
	json_put_raw(&w, NULL, "1e5", 3);
	json_begin_object(&w, NULL);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	ck_assert(!buffer_failed(&b));
	ck_assert(json_valid((const char *)buffer_data(&b), b.len));
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b),
	    "{\"n\":null,\"b\":true,\"min\":-9223372036854775808,\"zero\":0,"
	    "\"s\\\"\":\"\\u0001\\u007f\\\\\xc5\xbe\",\"null\":null,"
	    "\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\",\"a\":[[],1e5,{}]}");
	buffer_clear(&b);
}
END_TEST

START_TEST(tree_is_written_back)
{
	static const char text[] =
	    "{\"a\":[1,-2.50e3,\"x\",null,true,[],{}],\"b\":123456789012345678901234567890}";
	struct json_doc *doc = parse(text);
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, 1000);
	json_put_tree(&w, NULL, json_root(doc));
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b), text);
	buffer_clear(&b);
	json_free(doc);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, parser_and_validator_agree, texts);
	tcase_add_table_test(tc, like_a_text_that_is_valid, pairs);
	tcase_add_test(tc, every_prefix_is_refused);
	tcase_add_test(tc, nodes_are_bounded);
	tcase_add_test(tc, tree_is_what_was_written);
	tcase_add_table_test(tc, integers_have_a_range, ints);
	tcase_add_test(tc, other_readers);
	tcase_add_table_test(tc, doubles_read_back, doubles);
	tcase_add_test(tc, writer_writes_json);
	tcase_add_test(tc, tree_is_written_back);
}

UNIT_MAIN("json")
