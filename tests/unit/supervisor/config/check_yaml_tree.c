#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "supervisor/config/yaml_scalar.h"
#include "supervisor/config/yaml_tree.h"
#include "tests/unit/suite.h"

/* What PyYAML's safe loader makes of plain scalars. */
static const struct {
	const char *text;
	const char *json; /* strings are themselves, in quotes */
	bool is_float;
} scalars[] = {
	{ "", "null", false },
	{ "~", "null", false },
	{ "null", "null", false },
	{ "Null", "null", false },
	{ "NULL", "null", false },
	{ "nULL", "\"nULL\"", false },
	{ "true", "true", false },
	{ "TRUE", "true", false },
	{ "yes", "true", false },
	{ "On", "true", false },
	{ "no", "false", false },
	{ "OFF", "false", false },
	{ "False", "false", false },
	{ "y", "\"y\"", false },
	{ "n", "\"n\"", false },
	{ "tRue", "\"tRue\"", false },
	{ "trues", "\"trues\"", false },
	{ "0", "0", false },
	{ "-0", "-0", false },
	{ "12", "12", false },
	{ "+12", "12", false },
	{ "-12", "-12", false },
	{ "1_000", "1000", false },
	{ "-1__0_", "-10", false },
	{ "99999999999999999999", "99999999999999999999", false },
	{ "0x1F", "31", false },
	{ "-0x_1f", "-31", false },
	{ "+0xff", "255", false },
	{ "0xffffffffffffffff", "18446744073709551615", false },
	{ "0x", "\"0x\"", false },
	{ "0xg", "\"0xg\"", false },
	{ "0X1F", "\"0X1F\"", false },
	{ "017", "15", false },
	{ "00", "0", false },
	{ "08", "\"08\"", false },
	{ "0o17", "\"0o17\"", false },
	{ "0b101", "5", false },
	{ "0b", "\"0b\"", false },
	{ "0b2", "\"0b2\"", false },
	{ "190:20:30", "685230", false },
	{ "1:60", "\"1:60\"", false },
	{ "-1:30", "-90", false },
	{ "1:5", "65", false },
	{ "1:", "\"1:\"", false },
	{ "1::2", "\"1::2\"", false },
	{ "1:005", "\"1:005\"", false },
	{ "0:0", "\"0:0\"", false },
	{ "00:11:22", "\"00:11:22\"", false },
	{ "127.0.0.1", "\"127.0.0.1\"", false },
	{ "1.0", "1", true },
	{ "1.", "1", true },
	{ "-1.50", "-1.50", true },
	{ "+1.5", "1.5", true },
	{ "007.5", "7.5", true },
	{ "1_0.5_0", "10.50", true },
	{ ".5", "0.5", true },
	{ ".5_", "0.5", true },
	{ "-.5", "\"-.5\"", false },
	{ ".", "\".\"", false },
	{ "._", "\"._\"", false },
	{ "-.", "\"-.\"", false },
	{ "1e3", "\"1e3\"", false },
	{ "1e+3", "\"1e+3\"", false },
	{ "1.0e3", "\"1.0e3\"", false },
	{ "1.0e+3", "1000", true },
	{ "9600.00", "9600", true },
	{ "-7.", "-7", true },
	{ "-0.0", "-0.0", true },
	{ "1.0e+300", "1.0e+300", true },
	{ "1.E-3", "1.0E-3", true },
	{ "1.0e+", "\"1.0e+\"", false },
	{ ".5e+3", "500", true },
	{ ".5e-3", "0.5e-3", true },
	{ "190:20:30.15", "685230.150", true },
	{ "0:1.5", "1.50", true },
	{ "-", "\"-\"", false },
	{ "+", "\"+\"", false },
	{ "_1", "\"_1\"", false },
	{ "1a", "\"1a\"", false },
	{ "2001-01-01", "\"2001-01-01\"", false },
	{ "plain", "\"plain\"", false },
};

static void
put_scalar(struct buffer *b, const struct yaml_scalar *s)
{
	static const char *const words[] = { "false", "true" };

	if (s->type == JSON_NULL)
		buffer_append_str(b, "null");
	else if (s->type == JSON_BOOL)
		buffer_append_str(b, words[s->boolean]);
	else
		buffer_printf(
		    b, s->type == JSON_STRING ? "\"%.*s\"" : "%.*s", (int)s->len, s->text);
	buffer_u8(b, 0);
}

static struct yaml_scalar
resolve(const char *text, bool json, struct buffer *scratch)
{
	buffer_init(scratch, strlen(text) + 64);
	return yaml_scalar_resolve(text, strlen(text), json, scratch);
}

START_TEST(scalars_mean_what_pyyaml_says)
{
	struct buffer scratch, b;
	struct yaml_scalar s = resolve(scalars[_i].text, false, &scratch);

	buffer_init(&b, 1000);
	put_scalar(&b, &s);
	ck_assert_ptr_null(s.error);
	ck_assert_str_eq((const char *)buffer_data(&b), scalars[_i].json);
	ck_assert(s.is_float == scalars[_i].is_float);
	ck_assert(json_valid((const char *)buffer_data(&b), b.len - 1));
	buffer_clear(&scratch);
	buffer_clear(&b);
}
END_TEST

START_TEST(json_numbers_are_numbers_in_json)
{
	static const char *const texts[] = { "1e3", "-1E5", "1.5e+3", "0e0", "-0.5E-7", "12" };
	static const char *const strings[] = { "1e", "1e+", "e3", "1e3x", "--1" };
	struct buffer scratch;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct yaml_scalar s = resolve(texts[i], true, &scratch);
		ck_assert_int_eq(s.type, JSON_NUMBER);
		ck_assert(json_valid(s.text, s.len));
		/* The text is not terminated. */
		char text[32];
		snprintf(text, sizeof(text), "%.*s", (int)s.len, s.text);
		ck_assert_double_eq(strtod(text, NULL), strtod(texts[i], NULL));
		buffer_clear(&scratch);
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		ck_assert_int_eq(resolve(strings[i], true, &scratch).type, JSON_STRING);
		buffer_clear(&scratch);
	}
}
END_TEST

START_TEST(what_json_cannot_say_is_an_error)
{
	static const char *const texts[] = { ".inf", "-.INF", "+.Inf", ".nan", ".NaN",
		"0x10000000000000000",
		("0b1"
		 "0000000000000000000000000000000000000000000000000000000000000000"),
		"07777777777777777777777777", "99999999999999999999:30",
		"9999999999999999999:59:59" };
	struct buffer scratch;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_msg(resolve(texts[i], false, &scratch).error != NULL, "%s", texts[i]);
		buffer_clear(&scratch);
	}
	ck_assert_int_eq(resolve("-.nan", false, &scratch).type, JSON_STRING);
	buffer_clear(&scratch);
}
END_TEST

static struct buffer faults;

static void
on_fault(void *arg, enum schema_severity severity, uint32_t line, uint32_t column, const char *path,
    const char *message)
{
	int *errors = arg;

	*errors += severity == SCHEMA_ERROR;
	buffer_printf(&faults, "%u:%u %s: %s%s\n", line, column, path,
	    severity == SCHEMA_WARNING ? "warning: " : "", message);
}

/* The tree's faults, and as JSON where there was no error. Caller's buffer_clear(b). */
static void
tree(const char *text, size_t len, size_t max_nodes, struct buffer *b)
{
	struct json_writer w = { .b = b };
	int count = 0, errors = 0;

	buffer_init(b, 32 << 20);
	buffer_init(&faults, 1 << 20);
	struct json_doc *doc = yaml_tree_parse(text, len, max_nodes, on_fault, &errors, &count);
	ck_assert_int_eq(count, errors);
	ck_assert(doc != NULL || count > 0);
	buffer_append(b, buffer_data(&faults), faults.len);
	if (count == 0)
		json_put_tree(&w, NULL, json_root(doc));
	buffer_u8(b, 0);
	json_free(doc);
	buffer_clear(&faults);
}

static const struct {
	const char *text, *result;
} trees[] = {
	{ "a: 1\nb:\n  - x\n  - {c: null}\n", "{\"a\":1,\"b\":[\"x\",{\"c\":null}]}" },
	{ "- 'yes'\n- \"1\"\n- |\n  1\n- >-\n  2\n- !!str 3\n- ! 4\n",
	    "[\"yes\",\"1\",\"1\\u000a\",\"2\",\"3\",4]" },
	{ "[!!int 017, !!float 1.5, !!bool yes, !!null ~, !!seq [], !!map {}]",
	    "[15,1.5,true,null,[],{}]" },
	{ "%YAML 1.1\n---\na: b\n...\n", "{\"a\":\"b\"}" },
	{ "\xef\xbb\xbf"
	  "a: \xc5\xbe\n",
	    "{\"a\":\"\xc5\xbe\"}" },
	{ "{\"a\": 1e3, \"b\": \"\\u017e\\/\", \"c\":[true,false,null,-0.5]}",
	    "{\"a\":1000,\"b\":\"\xc5\xbe/\",\"c\":[true,false,null,-0.5]}" },
	{ "a: 1e3\n", "{\"a\":\"1e3\"}" },
	{ "yes: 1\n'2': 3\n? x\n",
	    "1:1 : warning: YAML reads no text in this key; it is taken as text: write it in "
	    "quotes\n"
	    "{\"yes\":1,\"2\":3,\"x\":null}" },
	{ "a: &x [1, {b: 2}]\nc: *x\nd: [*x, *x]\n",
	    "{\"a\":[1,{\"b\":2}],\"c\":[1,{\"b\":2}],\"d\":[[1,{\"b\":2}],[1,{\"b\":2}]]}" },
	{ "a: &x 5\nb: &x 6\nc: *x\n",
	    "2:4 b: warning: the anchor 'x' is here again: an alias means the last one before it\n"
	    "{\"a\":5,\"b\":6,\"c\":6}" },
	{ "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: {q: 3, <<: *x}\n",
	    "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1},\"c\":{\"q\":3,\"p\":1}}" },
	{ "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n",
	    "3:14 c: warning: 'p' is merged twice: that in line 1 counts, not that in line 2\n"
	    "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2}}" },
	{ "a: &x {p: 1, q: 1}\nb: &y {p: 2}\nc: {<<: *x, <<: *y}\n",
	    "3:9 c: warning: 'p' is merged twice: that in line 2 counts, not that in line 1\n"
	    "{\"a\":{\"p\":1,\"q\":1},\"b\":{\"p\":2},\"c\":{\"p\":2,\"q\":1}}" },
	{ "a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}\n",
	    "{\"a\":{\"p\":1},\"b\":{\"q\":2,\"p\":1},\"c\":{\"q\":2,\"p\":1}}" },
	{ "a: {'<<': 1}\n", "{\"a\":{\"<<\":1}}" },
	{ "{<<: {a: 1}, '<<': {b: 2}}\n", "{\"<<\":{\"b\":2},\"a\":1}" },
	{ "a: &x {p: 1}\nb: {<<: [*x, *x]}\n", "{\"a\":{\"p\":1},\"b\":{\"p\":1}}" },
	{ "[! '5', ! , ! ~]", "[5,\"\",null]" },
	{ "a: ! ''\nb: ! |-\n", "{\"a\":null,\"b\":null}" },
	{ "{a: 08, b: 1e3}", "{\"a\":\"08\",\"b\":1000}" },
	{ "a: 2001-1-2\n",
	    "1:4 a: warning: YAML reads a date here; it is taken as text: write it in quotes\n"
	    "{\"a\":\"2001-1-2\"}" },
	{ "a: '2001-01-02'\nb: 2001-01\n", "{\"a\":\"2001-01-02\",\"b\":\"2001-01\"}" },
	{ "a: <<\nb: =\n", "1:4 a: '<<' alone is no text in YAML: write it in quotes\n"
			   "2:4 b: '=' alone is no text in YAML: write it in quotes\n" },
	{ "a: 1.0e+999\n", "1:4 a: a number that no 64-bit floating point number can hold\n" },
	{ "5", "5" },

	{ "a: 1\nb: 2\na: 3\na: 4\n",
	    "3:4 : warning: duplicate key 'a': this one counts, not that in line 1\n"
	    "4:4 : warning: duplicate key 'a': this one counts, not that in line 3\n"
	    "{\"b\":2,\"a\":4}" },
	{ "a: &x {p: 1, p: 2}\nb: {<<: *x, q: 1, q: 3}\n",
	    "1:17 a: warning: duplicate key 'p': this one counts, not that in line 1\n"
	    "2:22 b: warning: duplicate key 'q': this one counts, not that in line 2\n"
	    "{\"a\":{\"p\":2},\"b\":{\"q\":3,\"p\":2}}" },
	{ "x:\n  - y:\n      a: 1\n      a: .inf\n",
	    "4:10 x[0].y.a: infinity and NaN can not be used in a configuration\n"
	    "4:10 x[0].y: warning: duplicate key 'a': this one counts, not that in line 3\n" },
	{ "{a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1,\n"
	  " j: 1, k: 1, l: 1, m: 1, n: 1, o: 1, p: 1, q: 1, b: 2}\n",
	    "2:53 : warning: duplicate key 'b': this one counts, not that in line 1\n"
	    "{\"a\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
	    "\"l\":1,"
	    "\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"b\":2}" },
	{ "a: {<<: [5]}\n",
	    "1:10 a: '<<' expects an object or an array of objects, found a number\n" },
	{ "*a : 1\n", "1:1 : an alias of an anchor that was not given before it\n" },
	{ "&a b: 1\n", "1:1 : an anchor on a key is not supported\n" },
	{ "x: &a b\n*a : 1\n", "2:1 : expected a plain key, found an alias\n" },
	{ "\"a\\0b\": 1\n", "1:1 : a NUL in a key\n" },
	{ "!!binary aGk=\n", "1:1 : the tag 'tag:yaml.org,2002:binary' is not supported\n" },
	{ "!!float x\n", "1:1 : the value is not what its tag says\n" },
	{ "!!int 1.5\n", "1:1 : the value is not what its tag says\n" },
	{ "!!python/object:os.system {}\n",
	    "1:1 : tags other than the core ones are not supported\n" },
	{ "a: \"\\ud83d\\ude00\"\n",
	    "1:7 : not YAML: while parsing a quoted scalar, found invalid Unicode character escape "
	    "code\n" },
};

START_TEST(trees_and_faults)
{
	struct buffer b;

	tree(trees[_i].text, strlen(trees[_i].text), 1000, &b);
	ck_assert_str_eq((const char *)buffer_data(&b), trees[_i].result);
	buffer_clear(&b);
}
END_TEST

/* Text from a pattern: before, n times middle, after. */
static void
check_bound(const char *before, const char *middle, size_t n, const char *after, const char *result)
{
	struct buffer text, b;
	clock_t start;

	buffer_init(&text, 64 << 20);
	buffer_append_str(&text, before);
	for (size_t i = 0; i < n; i++)
		buffer_append_str(&text, middle);
	buffer_append_str(&text, after);
	ck_assert(!buffer_failed(&text));
	start = clock();
	tree((const char *)buffer_data(&text), text.len, 100000, &b);
	ck_assert_int_lt(clock() - start, 3 * CLOCKS_PER_SEC);
	if (strncmp((const char *)buffer_data(&b), result, strlen(result)) != 0)
		ck_abort_msg("%.200s", (const char *)buffer_data(&b));
	buffer_clear(&text);
	buffer_clear(&b);
}

static void
check_anchors(unsigned n, const char *result)
{
	struct buffer text;

	buffer_init(&text, 1 << 20);
	for (unsigned i = 0; i < n; i++)
		buffer_printf(&text, "- &a%u 1\n", i);
	buffer_u8(&text, 0);
	check_bound((const char *)buffer_data(&text), "", 0, "", result);
	buffer_clear(&text);
}

START_TEST(nothing_is_unbounded)
{
	static const char many[] = ": more than 100000 values (aliases counted in full)\n";
	char result[256];

	check_bound("", "[", 32, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "[[[[");
	check_bound("", "[", 33, "", "1:33 [0][0][0]");
	check_bound("", "[", 10 << 20, "", "1:33 [0][0][0]");
	check_bound("", "- ", 10 << 20, "", "1:65 [0][0][0]");
	check_bound("", "{a: ", 1 << 20, "", "1:129 a.a.a");
	check_bound("", "? ", 1 << 20, "", "1:3 : expected a plain key");
	snprintf(result, sizeof(result), "100000:3 [99999]%s", many);
	check_bound("", "- 1\n", 99999, "", "[1,1");
	check_bound("", "- 1\n", 100000, "", result);
	check_bound("", "- 1\n", 5 << 20, "", result);
	/* A billion laughs, and a quadratic giggle. */
	check_bound(
	    "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
	    "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
	    "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
	    "", 0, "", "5:29 e[7]: more than 100000 values");
	check_bound("- &a [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n", "- *a\n", 10000, "",
	    "5883:3 [5882]: more than 100000 values");
	check_bound("- &a 1\n", "- *a\n", YAML_MAX_ALIASES, "", "[1,1");
	check_bound(
	    "- &a 1\n", "- *a\n", YAML_MAX_ALIASES + 1, "", "10002:3 [10001]: too many aliases");
	check_anchors(YAML_MAX_ANCHORS, "[1,1");
	check_anchors(YAML_MAX_ANCHORS + 1, "1001:3 [1000]: too many anchors");
	check_bound("a: &a [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]\n",
	    "", 0, "", "{\"a\":[[[[");
	check_bound(
	    "a: &a [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]\n", "",
	    0, "", "2:20 b[0]");
	/* Long texts: one scalar, one key, one comment. */
	check_bound("a: ", "x", 10 << 20, "\n", "{\"a\":\"xxxx");
	check_bound("a: 1.", "0", 10 << 20, "\n", "{\"a\":1}");
	check_bound("a: 1.", "3", 10 << 20, "\n", "{\"a\":1.3333");
	check_bound("a: 1", "_", 10 << 20, "\n", "{\"a\":1}");
	check_bound("? ", "x", 10 << 20, "\n: 1\n", "{\"xxxx");
	check_bound("# ", "x", 10 << 20, "\na: 1\n", "{\"a\":1}");
	check_bound("a: \"", "\\\n", 5 << 20, "\"\n", "{\"a\":\"\"}");
	check_bound("", "\xc5\xbe\n", 5 << 20, "\xff", "5242881:1 : expected UTF-8");
}
END_TEST

START_TEST(many_keys_are_compared_fast)
{
	struct buffer text, b;

	buffer_init(&text, 64 << 20);
	for (int i = 0; i < 90000; i++)
		buffer_printf(&text, "key%d: 1\n", i);
	buffer_append_str(&text, "key5: 2\n");
	clock_t start = clock();
	tree((const char *)buffer_data(&text), text.len, 100000, &b);
	ck_assert_int_lt(clock() - start, 3 * CLOCKS_PER_SEC);
	static const char warning[] =
	    "90001:7 : warning: duplicate key 'key5': this one counts, not that in line 6\n{";
	ck_assert(strncmp((const char *)buffer_data(&b), warning, strlen(warning)) == 0);
	ck_assert_ptr_null(strstr((const char *)buffer_data(&b), "\"key5\":1"));
	buffer_clear(&text);
	buffer_clear(&b);

	buffer_init(&text, 64 << 20);
	buffer_append_str(&text, "a: &a\n");
	for (int i = 0; i < YAML_MAX_MERGED_KEYS; i++)
		buffer_printf(&text, "  key%d: 1\n", i);
	buffer_append_str(&text, "b: {<<: *a, c: 1}\n");
	tree((const char *)buffer_data(&text), text.len, 100000, &b);
	ck_assert_str_eq((const char *)buffer_data(&b), "1002:9 b: too many keys to merge\n");
	buffer_clear(&text);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_table_test(tc, scalars_mean_what_pyyaml_says, scalars);
	tcase_add_test(tc, json_numbers_are_numbers_in_json);
	tcase_add_test(tc, what_json_cannot_say_is_an_error);
	tcase_add_table_test(tc, trees_and_faults, trees);
	tcase_add_test(tc, nothing_is_unbounded);
	tcase_add_test(tc, many_keys_are_compared_fast);
}

UNIT_MAIN("yaml")
