#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/daemon/command_line.h"
#include "tests/unit/suite.h"

struct options {
	const char *text, *called;
	bool flag;
	long long number;
};

static int
take(void *options, const char *arg)
{
	((struct options *)options)->called = arg ? arg : "nothing";
	return arg && strcmp(arg, "wrong") == 0 ? -1 : 0;
}

static const struct command_line_option rows[] = {
	{ .name = "text", .kind = COMMAND_LINE_TEXT, .at = offsetof(struct options, text) },
	{ .name = "flag", .kind = COMMAND_LINE_FLAG, .at = offsetof(struct options, flag) },
	{ .name = "number",
	    .kind = COMMAND_LINE_NUMBER,
	    .at = offsetof(struct options, number),
	    .min = -1,
	    .max = 9 },
	{ .name = "call", .kind = COMMAND_LINE_CALL, .take = take, .argument = optional_argument },
	{ .name = NULL },
};
static const struct command_line command_line = {
	.program = "program",
	.usage = "usage: program\n",
	.options = rows,
};

static const struct {
	const char *argv[3];
	int code;
	struct options set;
} lines[] = {
	{ .argv = { "p" }, .code = -1 },
	{ .argv = { "p", "--text", "a" }, .code = -1, .set = { .text = "a" } },
	{ .argv = { "p", "--flag" }, .code = -1, .set = { .flag = true } },
	{ .argv = { "p", "--flag=1" }, .code = 2 },
	{ .argv = { "p", "--number=9" }, .code = -1, .set = { .number = 9 } },
	{ .argv = { "p", "--number=-1" }, .code = -1, .set = { .number = -1 } },
	{ .argv = { "p", "--number=10" }, .code = 2, .set = { .number = 10 } },
	{ .argv = { "p", "--number=1x" }, .code = 2, .set = { .number = 1 } },
	{ .argv = { "p", "--number=" }, .code = 2 },
	{ .argv = { "p", "--call" }, .code = -1, .set = { .called = "nothing" } },
	{ .argv = { "p", "--call=x" }, .code = -1, .set = { .called = "x" } },
	{ .argv = { "p", "--call=wrong" }, .code = 2, .set = { .called = "wrong" } },
	{ .argv = { "p", "--text" }, .code = 2 },
	{ .argv = { "p", "--unknown" }, .code = 2 },
	{ .argv = { "p", "argument" }, .code = 2 },
	{ .argv = { "p", "--log-level", "debug" }, .code = -1 },
	{ .argv = { "p", "--log-level", "loud" }, .code = 2 },
	{ .argv = { "p", "--help" }, .code = 0 },
	{ .argv = { "p", "--version" }, .code = 0 },
};

START_TEST(options_are_set_by_the_table)
{
	const struct options *want = &lines[_i].set;
	struct options got = { 0 };
	char words[3][32], *argv[4] = { 0 };
	int argc = 0;

	for (; argc < 3 && lines[_i].argv[argc]; argc++) {
		snprintf(words[argc], sizeof(words[argc]), "%s", lines[_i].argv[argc]);
		argv[argc] = words[argc];
	}
	ck_assert_int_eq(command_line_read(&command_line, &got, argc, argv), lines[_i].code);
	ck_assert_pstr_eq(got.text, want->text);
	ck_assert_pstr_eq(got.called, want->called);
	ck_assert_int_eq(got.flag, want->flag);
	ck_assert_int_eq(got.number, want->number);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, options_are_set_by_the_table, lines);
}

UNIT_MAIN("command line")
