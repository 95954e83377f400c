#include "common/daemon/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

static int
set_level(void *options, const char *arg)
{
	int level = log_level_parse(arg);

	(void)options;
	if (level < 0)
		return -1;
	log_set_level((enum log_level)level);
	return 0;
}

static int
set_prefix(void *options, const char *arg)
{
	(void)options, (void)arg;
	log_set_target(LOG_TARGET_PREFIX);
	return 0;
}

static const struct command_line_option common_options[] = {
	{ .name = "log-level",
	    .kind = COMMAND_LINE_CALL,
	    .take = set_level,
	    .argument = required_argument },
	{ .name = "log-prefix", .kind = COMMAND_LINE_CALL, .take = set_prefix },
	{ .name = NULL },
};

static int
parse_number(const struct command_line_option *o, long long *v, const char *text)
{
	char *end;

	errno = 0;
	*v = strtoll(text, &end, 10);
	return errno || end == text || *end || *v < o->min || *v > o->max ? -1 : 0;
}

static int
apply(const struct command_line_option *o, void *options, const char *arg)
{
	void *to = (char *)options + o->at;

	switch (o->kind) {
	case COMMAND_LINE_TEXT:
		*(const char **)to = arg;
		return 0;
	case COMMAND_LINE_FLAG:
		*(bool *)to = true;
		return 0;
	case COMMAND_LINE_NUMBER:
		return parse_number(o, to, arg);
	case COMMAND_LINE_CALL:
		return o->take(options, arg);
	}
	return -1;
}

static int
argument_of(const struct command_line_option *o)
{
	return o->kind == COMMAND_LINE_CALL   ? o->argument
	       : o->kind == COMMAND_LINE_FLAG ? no_argument
					      : required_argument;
}

/* getopt_long() returns an option's place in rows, from 1. */
static void
list_options(const struct command_line_option **rows, struct option *list,
    const struct command_line_option *const tables[], size_t count)
{
	int n = 0;

	for (size_t t = 0; t < count; t++)
		for (const struct command_line_option *o = tables[t];
		     o->name && n < COMMAND_LINE_MAX; o++) {
			rows[n] = o;
			list[n] = (struct option){
				.name = o->name, .has_arg = argument_of(o), .val = n + 1
			};
			n++;
		}
	list[n++] = (struct option){ .name = "help", .val = 'h' };
	list[n] = (struct option){ .name = "version", .val = 'v' };
}

static int
fail_usage(const struct command_line *c)
{
	fputs(c->usage, stderr);
	return COMMAND_LINE_USAGE;
}

int
command_line_read(const struct command_line *c, void *options, int argc, char **argv)
{
	const struct command_line_option *const tables[] = { c->options, common_options };
	const struct command_line_option *rows[COMMAND_LINE_MAX];
	struct option list[COMMAND_LINE_MAX + 3] = { 0 };

	list_options(rows, list, tables, 2);
	for (int opt; (opt = getopt_long(argc, argv, "", list, NULL)) >= 0;) {
		if (opt == 'h') {
			fputs(c->usage, stdout);
			return EXIT_SUCCESS;
		}
		if (opt == 'v') {
			printf("%s " GATEWAYD_VERSION "\n", c->program);
			return EXIT_SUCCESS;
		}
		if (opt == '?')
			return fail_usage(c);
		if (apply(rows[opt - 1], options, optarg) < 0) {
			fprintf(stderr, "%s: --%s: not usable\n", c->program, rows[opt - 1]->name);
			return COMMAND_LINE_USAGE;
		}
	}
	return optind < argc ? fail_usage(c) : -1;
}
