#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/schema/schema.h"
#include "tests/unit/suite.h"

static const char *const colours[] = { "RED", "GREEN", NULL };

static const struct schema_field inner_fields[] = {
	{ "id", true, { .kind = SCHEMA_INT, .min = -5, .max = 5 } },
	{ "deep", false,
	    { .kind = SCHEMA_ARRAY, .items = &(const struct schema){ .kind = SCHEMA_BOOL } } },
	{ 0 },
};

static const struct schema inner = { .kind = SCHEMA_OBJECT, .fields = inner_fields };

static const struct schema_field red_fields[] = {
	{ "heat", true, { .kind = SCHEMA_INT, .max = 9 } },
	{ "both", false, { .kind = SCHEMA_INT, .max = 1 } },
	{ 0 },
};
static const struct schema_field green_fields[] = {
	{ "leaves", false, { .kind = SCHEMA_BOOL } },
	{ "both", false, { .kind = SCHEMA_BOOL } },
	{ 0 },
};
static const struct schema_variant variants[] = {
	{ "RED", red_fields },
	{ "GREEN", green_fields },
	{ 0 },
};
static const struct schema_field tagged_fields[] = {
	{ "colour", true, { .kind = SCHEMA_ENUM, .names = colours } },
	{ "size", false, { .kind = SCHEMA_INT, .max = 9 } },
	{ 0 },
};
static const char *const levels[] = { "strict", "off", NULL };

static const struct schema_field fields[] = {
	{ "tagged", false,
	    { .kind = SCHEMA_OBJECT,
		.fields = tagged_fields,
		.tag = "colour",
		.variants = variants } },
	{ "level", false, { .kind = SCHEMA_ENUM, .names = levels } },
	{ "any", false, { .kind = SCHEMA_ANY } },
	{ "bool", false, { .kind = SCHEMA_BOOL } },
	{ "int", false, { .kind = SCHEMA_INT, .min = 0, .max = 1099511627776 } },
	{ "number", false, { .kind = SCHEMA_NUMBER, .min = 0.5, .max = 1e9 } },
	{ "string", false, { .kind = SCHEMA_STRING, .max = 3 } },
	{ "text", false, { .kind = SCHEMA_STRING } },
	{ "enum", false, { .kind = SCHEMA_ENUM, .names = colours } },
	{ "null_int", false, { .kind = SCHEMA_INT, .nullable = true, .min = 1, .max = 2 } },
	{ "null_enum", false, { .kind = SCHEMA_ENUM, .nullable = true, .names = colours } },
	{ "object", false, { .kind = SCHEMA_OBJECT, .fields = inner_fields } },
	{ "open", false, { .kind = SCHEMA_OBJECT, .open = true, .fields = inner_fields } },
	{ "count", false, { .kind = SCHEMA_INT, .max = 1000, .at_most = "1000" } },
	{ "delay", false, { .kind = SCHEMA_NUMBER, .max = 1e8, .at_most = "100000000" } },
	{ "list", false, { .kind = SCHEMA_ARRAY, .min = 1, .max = 2, .items = &inner } },
	{ "free", false, { .kind = SCHEMA_ARRAY } },
	{ 0 },
};

static const struct schema root = { .kind = SCHEMA_OBJECT, .fields = fields };

static void
on_fault(void *arg, enum schema_severity severity, const struct json *where, const char *path,
    const char *message)
{
	ck_assert_ptr_nonnull(where);
	buffer_printf(
	    arg, "%s%s: %s\n", severity == SCHEMA_WARNING ? "warning " : "", path, message);
}

static const struct {
	const char *text;
	int errors;
	const char *faults;
} rows[] = {
	{ "{}", 0, "" },
	{ "{\"any\": {\"x\": 1}, \"bool\": true, \"int\": 0, \"number\": 1, \"string\": \"abc\",\n"
	  " \"text\": \"abcdef\", \"enum\": \"GREEN\", \"null_int\": null, \"null_enum\": null,\n"
	  " \"object\": {\"id\": -5, \"deep\": []}, \"open\": {\"id\": 5, \"more\": 1},\n"
	  " \"list\": [{\"id\": 0}], \"free\": [1, \"x\", {}]}",
	    0, "" },
	{ "{\"tagged\": {\"colour\": \"RED\", \"heat\": 1, \"both\": 0, \"size\": 1}}", 0, "" },
	{ "{\"tagged\": {\"colour\": \"GREEN\", \"both\": true}}", 0, "" },
	{ "{\"tagged\": {\"colour\": \"RED\", \"het\": 1, \"both\": 2, \"leaves\": true}}", 2,
	    "tagged.heat: is missing\n"
	    "tagged.both: expected an integer from 0 to 1, found 2\n"
	    "warning tagged.het: unknown key, ignored; did you mean 'heat'?\n"
	    "warning tagged.leaves: unknown key, ignored\n" },
	{ "{\"tagged\": {\"colour\": \"BLUE\", \"heat\": 100, \"what\": 1, \"size\": 10}}", 2,
	    "tagged.colour: expected one of RED, GREEN, found BLUE\n"
	    "tagged.size: expected an integer from 0 to 9, found 10\n" },
	{ "{\"tagged\": {}}", 1, "tagged.colour: is missing\n" },
	{ "{\"level\": false}", 0, "" },
	{ "{\"level\": true, \"null_enum\": false}", 2,
	    "level: expected one of strict, off, found a boolean\n"
	    "null_enum: expected one of RED, GREEN or null, found a boolean\n" },
	{ "5", 1, ": expected an object, found a number\n" },
	{ "{\"int\": 1099511627777}", 1,
	    "int: expected an integer from 0 to 1099511627776, found 1099511627777\n" },
	{ "{\"int\": -1}", 1, "int: expected an integer from 0 to 1099511627776, found -1\n" },
	{ "{\"int\": 1.5}", 1, "int: expected an integer from 0 to 1099511627776, found 1.5\n" },
	{ "{\"int\": 99999999999999999999}", 1,
	    "int: expected an integer from 0 to 1099511627776, found 99999999999999999999\n" },
	{ "{\"int\": \"1\"}", 1,
	    "int: expected an integer from 0 to 1099511627776, found a string\n" },
	{ "{\"int\": null}", 1, "int: expected an integer from 0 to 1099511627776, found null\n" },
	{ "{\"number\": 0.4}", 1, "number: expected a number from 0.5 to 1000000000, found 0.4\n" },
	{ "{\"number\": 1e999}", 1,
	    "number: expected a number from 0.5 to 1000000000, found 1e999\n" },
	{ "{\"int\": 8.0, \"count\": 1e3, \"delay\": 1e8}", 0, "" },
	{ "{\"count\": 1001, \"delay\": 1e999}", 0,
	    "warning count: 1001 is taken as 1000, the most that there is\n"
	    "warning delay: 1e999 is taken as 100000000, the most that there is\n" },
	{ "{\"count\": 99999999999999999999}", 0,
	    "warning count: 99999999999999999999 is taken as 1000, the most that there is\n" },
	{ "{\"count\": 1001.5, \"delay\": -1}", 2,
	    "count: expected an integer from 0 to 1000, found 1001.5\n"
	    "delay: expected a number from 0 to 100000000, found -1\n" },
	{ "{\"count\": -1e999, \"delay\": \"1\"}", 2,
	    "count: expected an integer from 0 to 1000, found -1e999\n"
	    "delay: expected a number from 0 to 100000000, found a string\n" },
	{ "{\"null_int\": 3}", 1, "null_int: expected an integer from 1 to 2 or null, found 3\n" },
	{ "{\"string\": \"abcd\", \"text\": 1}", 2,
	    "string: expected at most 3 bytes, found 4\n"
	    "text: expected a string, found a number\n" },
	{ "{\"string\": \"a\\u0000b\"}", 1, "string: a NUL in a string\n" },
	{ "{\"enum\": \"BLUE\", \"null_enum\": 1, \"bool\": 0}", 3,
	    "bool: expected a boolean, found a number\n"
	    "enum: expected one of RED, GREEN, found BLUE\n"
	    "null_enum: expected one of RED, GREEN or null, found 1\n" },
	{ "{\"enum\": [], \"object\": []}", 2,
	    "enum: expected one of RED, GREEN, found an array\n"
	    "object: expected an object, found an array\n" },
	{ "{\"object\": {}, \"bogus\": 1}", 1,
	    "object.id: is missing\n"
	    "warning bogus: unknown key, ignored\n" },
	{ "{\"Text\": 1, \"strnig\": 1, \"text\": \"\", \"enum\": \"gren\"}", 1,
	    "enum: expected one of RED, GREEN, found gren; did you mean 'GREEN'?\n"
	    "warning Text: unknown key, ignored\n"
	    "warning strnig: unknown key, ignored; did you mean 'string'?\n" },
	{ "{\"object\": {\"id\": 9, \"deep\": [true, 1, {}], \"more\": 1}}", 3,
	    "object.id: expected an integer from -5 to 5, found 9\n"
	    "object.deep[1]: expected a boolean, found a number\n"
	    "object.deep[2]: expected a boolean, found an object\n"
	    "warning object.more: unknown key, ignored\n" },
	{ "{\"list\": []}", 1, "list: expected at least 1 elements, found 0\n" },
	{ "{\"list\": {}}", 1, "list: expected an array, found an object\n" },
	{ "{\"list\": [{\"id\": 1}, 5, {}]}", 3,
	    "list: expected at most 2 elements, found 3\n"
	    "list[1]: expected an object, found a number\n"
	    "list[2].id: is missing\n" },
};

static int
check_text(const char *text, const char *path, struct buffer *b)
{
	char err[128];
	struct json_doc *doc = json_parse(text, strlen(text), 1000, err, sizeof(err));

	ck_assert_msg(doc != NULL, "%s: %s", text, err);
	buffer_init(b, 1 << 16);
	int errors = schema_check(json_root(doc), &root, path, on_fault, b);
	buffer_u8(b, 0);
	json_free(doc);
	return errors;
}

START_TEST(every_fault_is_named)
{
	struct buffer b;

	ck_assert_int_eq(check_text(rows[_i].text, "", &b), rows[_i].errors);
	ck_assert_str_eq((const char *)buffer_data(&b), rows[_i].faults);
	buffer_clear(&b);
}
END_TEST

START_TEST(a_missing_key_of_an_open_object_may_be_misspelt)
{
	static const struct schema_field own[] = {
		{ "name", true, { .kind = SCHEMA_STRING } },
		{ "module", true, { .kind = SCHEMA_STRING } },
		{ 0 },
	};
	static const struct schema open = { .kind = SCHEMA_OBJECT, .open = true, .fields = own };
	static const char text[] = "{\"nmae\": 1, \"host\": 1}";
	char err[128];
	struct json_doc *doc = json_parse(text, strlen(text), 10, err, sizeof(err));
	struct buffer b;

	buffer_init(&b, 1 << 16);
	ck_assert_int_eq(schema_check(json_root(doc), &open, "", on_fault, &b), 2);
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b),
	    "name: is missing; is 'nmae' meant?\nmodule: is missing\n");
	buffer_clear(&b);
	json_free(doc);
}
END_TEST

START_TEST(paths_begin_with_the_callers)
{
	struct buffer b;

	ck_assert_int_eq(check_text("{\"list\": [{}], \"x\": 1}", "devices[3].conf", &b), 1);
	ck_assert_str_eq((const char *)buffer_data(&b),
	    "devices[3].conf.list[0].id: is missing\n"
	    "warning devices[3].conf.x: unknown key, ignored\n");
	buffer_clear(&b);
}
END_TEST

START_TEST(what_is_above_becomes_the_most)
{
	static const char text[] = "{\"count\": 1e30}";
	char err[128];
	struct json_doc *doc = json_parse(text, strlen(text), 10, err, sizeof(err));
	struct buffer b;
	int64_t count;

	buffer_init(&b, 1 << 16);
	ck_assert_int_eq(schema_check(json_root(doc), &root, "", on_fault, &b), 0);
	ck_assert(json_int(json_get(json_root(doc), "count"), 0, INT64_MAX, &count));
	ck_assert_int_eq(count, 1000);
	buffer_clear(&b);
	json_free(doc);
}
END_TEST

START_TEST(long_paths_are_cut)
{
	char key[1001], text[1100];
	struct buffer b;

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	snprintf(text, sizeof(text), "{\"%s\": 1}", key);
	ck_assert_int_eq(check_text(text, "", &b), 0);
	ck_assert_uint_lt(b.len, 600);
	ck_assert(strncmp((const char *)buffer_data(&b), "warning kkkk", 12) == 0);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, every_fault_is_named, rows);
	tcase_add_test(tc, a_missing_key_of_an_open_object_may_be_misspelt);
	tcase_add_test(tc, paths_begin_with_the_callers);
	tcase_add_test(tc, what_is_above_becomes_the_most);
	tcase_add_test(tc, long_paths_are_cut);
}

UNIT_MAIN("schema")
