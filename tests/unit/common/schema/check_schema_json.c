#include <string.h>

#include "common/buffer.h"
#include "common/schema/schema_json.h"
#include "tests/unit/suite.h"

static const char *const names[] = { "ONE", "off", NULL };
static const struct schema any = { .kind = SCHEMA_ANY };
static const struct schema_field a_fields[] = {
	{ "x", true, { .kind = SCHEMA_BOOL } },
	{ "y", false, { .kind = SCHEMA_ANY } },
	{ 0 },
};
static const struct schema_field b_fields[] = {
	{ "x", false, { .kind = SCHEMA_STRING, .max = 3 } },
	{ 0 },
};
static const struct schema_variant variants[] = { { "A", a_fields }, { "B", b_fields }, { 0 } };
static const char *const tags[] = { "A", "B", NULL };
static const struct schema_field tag_fields[] = {
	{ "t", true, { .kind = SCHEMA_ENUM, .names = tags } },
	{ 0 },
};

static const struct {
	struct schema schema;
	const char *text;
} rows[] = {
	{ { .kind = SCHEMA_ANY }, "{}" },
	{ { .kind = SCHEMA_BOOL }, "{'type':'boolean'}" },
	{ { .kind = SCHEMA_INT, .nullable = true, .min = -1, .max = 1099511627776 },
	    "{'type':['integer','null'],'minimum':-1,'maximum':1099511627776}" },
	{ { .kind = SCHEMA_NUMBER, .min = 0.001, .max = 1e300 },
	    "{'type':'number','minimum':0.001,'maximum':1e+300}" },
	{ { .kind = SCHEMA_STRING }, "{'type':'string'}" },
	{ { .kind = SCHEMA_ENUM, .nullable = true, .names = names },
	    "{'enum':['ONE','off',false,null]}" },
	{ { .kind = SCHEMA_ARRAY, .min = 1, .max = 2, .items = &any },
	    "{'type':'array','minItems':1,'maxItems':2,'items':{}}" },
	{ { .kind = SCHEMA_OBJECT, .open = true, .fields = a_fields },
	    "{'type':'object','required':['x'],'properties':{'x':{'type':'boolean'},'y':{}}}" },
	{ { .kind = SCHEMA_OBJECT, .fields = tag_fields, .tag = "t", .variants = variants },
	    "{'type':'object','required':['t'],'properties':{'t':{'enum':['A','B']},"
	    "'x':true,'y':true},'additionalProperties':false,'allOf':["
	    "{'if':{'properties':{'t':{'const':'A'}},'required':['t']},"
	    "'then':{'required':['x'],'properties':{'x':{'type':'boolean'},'y':{}}}},"
	    "{'if':{'properties':{'t':{'const':'B'}},'required':['t']},"
	    "'then':{'properties':{'x':{'type':'string','maxLength':3},'y':false}}}]}" },
};

START_TEST(each_kind_has_its_words)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, 1 << 16);
	schema_json_put(&w, NULL, &rows[_i].schema);
	buffer_u8(&b, 0);
	for (char *q = (char *)buffer_data(&b); (q = strchr(q, '"'));)
		*q = '\'';
	ck_assert_str_eq((const char *)buffer_data(&b), rows[_i].text);
	buffer_clear(&b);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, each_kind_has_its_words, rows);
}

UNIT_MAIN("schema_json")
