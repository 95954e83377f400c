#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "web/top.h"

static struct top *top;
static struct buffer out;

static void
give(const char *text, void (*use)(const struct json *row))
{
	char err[80];
	struct json_doc *doc = json_parse(text, strlen(text), 100, err, sizeof(err));

	ck_assert_msg(doc != NULL, "%s", err);
	use(json_root(doc));
	json_free(doc);
}

static void
remember(const struct json *row)
{
	ck_assert(top_remember(top, row));
}

static void
put(const struct json *row)
{
	struct json_writer w = { .b = &out };

	buffer_reset(&out);
	top_put(top, &w, row, (struct monotime){ 3000000000 });
	buffer_u8(&out, '\0');
}

static void
shows(const char *row, const char *part)
{
	give(row, put);
	ck_assert_msg(strstr((const char *)buffer_data(&out), part) != NULL, "%s: %s",
	    (const char *)buffer_data(&out), part);
}

#define ROW(name, pid, cpu, errors)                                                                \
	"{\"name\":\"" name "\",\"type\":\"t\",\"pid\":" pid ",\"cpu_us\":" cpu                    \
	",\"errors\":" errors "}"

START_TEST(rates_are_of_two_looks_at_one_process)
{
	top = top_new();
	buffer_init(&out, 4096);
	give(ROW("a", "1", "1000", "5"), remember);
	give(ROW("b", "2", "1000", "5"), remember);
	give("{}", remember);
	ck_assert(!top_looks_again(top));
	top_look_again(top, (struct monotime){ 1000000000 });
	ck_assert(!top_is_due(top, (struct monotime){ 1999000000 }));
	ck_assert(top_is_due(top, (struct monotime){ 2000000000 }));
	shows(ROW("b", "2", "21000", "9"), "\"cpu\":1.0,");
	shows(ROW("b", "2", "21000", "9"), "\"errors\":9,\"errors_per_s\":2.0,");
	shows(ROW("a", "7", "21000", "9"), "\"cpu\":null,");		/* another process */
	shows(ROW("new", "7", "21000", "9"), "\"errors_per_s\":null,"); /* a new device */
	shows(ROW("a", "1", "500", "1"), "\"cpu\":null,");		/* it went back */
	shows(ROW("a", "null", "null", "0"), "\"cpu\":null,");
	shows("[1]", "\"name\":null");
	shows("{\"remotes\":{\"up\":3,\"all\":4,\"x\":5}}", "\"remotes\":{\"up\":3,\"all\":4}");
	top_free(top);
	top_free(NULL);
	buffer_clear(&out);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, rates_are_of_two_looks_at_one_process);
}

UNIT_MAIN("top")
