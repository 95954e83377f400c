#include "gatewayctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SECONDS = 1000000, COLUMN = 27, MAX_LINE = 79, USAGE_INDENT = 17 };

/* Long options without a letter. */
enum {
	LONG_COLUMNS = 256,
	LONG_SORT,
	LONG_PCAPNG,
	LONG_FILTER,
	LONG_COLOUR,
	LONG_NO_PAGER,
	LONG_WATCH,
	LONG_ALL,
	LONG_SELECT,
	LONG_FORCE,
	LONG_SINCE,
	LONG_UNTIL,
	LONG_LIMIT,
	LONG_TYPE,
	LONG_CSV
};

static const struct option long_options[] = {
	{ .name = "json", .has_arg = no_argument, .val = 'j' },
	{ .name = "socket", .has_arg = required_argument, .val = 's' },
	{ .name = "help", .has_arg = no_argument, .val = 'h' },
	{ .name = "version", .has_arg = no_argument, .val = 'V' },
	{ .name = "color", .has_arg = required_argument, .val = LONG_COLOUR },
	{ .name = "no-pager", .has_arg = no_argument, .val = LONG_NO_PAGER },
	{ .name = "wait", .has_arg = no_argument, .val = 'w' },
	{ .name = "timeout", .has_arg = required_argument, .val = 't' },
	{ .name = "count", .has_arg = required_argument, .val = 'n' },
	{ .name = "diff", .has_arg = no_argument, .val = 'd' },
	{ .name = "columns", .has_arg = required_argument, .val = LONG_COLUMNS },
	{ .name = "sort", .has_arg = required_argument, .val = LONG_SORT },
	{ .name = "filter", .has_arg = required_argument, .val = LONG_FILTER },
	{ .name = "watch", .has_arg = no_argument, .val = LONG_WATCH },
	{ .name = "pcapng", .has_arg = required_argument, .val = LONG_PCAPNG },
	{ .name = "all", .has_arg = no_argument, .val = LONG_ALL },
	{ .name = "select", .has_arg = no_argument, .val = LONG_SELECT },
	{ .name = "force", .has_arg = no_argument, .val = LONG_FORCE },
	{ .name = "since", .has_arg = required_argument, .val = LONG_SINCE },
	{ .name = "until", .has_arg = required_argument, .val = LONG_UNTIL },
	{ .name = "limit", .has_arg = required_argument, .val = LONG_LIMIT },
	{ .name = "type", .has_arg = required_argument, .val = LONG_TYPE },
	{ .name = "csv", .has_arg = no_argument, .val = LONG_CSV },
	{ .name = "follow", .has_arg = no_argument, .val = 'f' },
	{ .name = NULL },
};

/* The flag that an option needs of its command, and its form in the command's usage. */
static const struct {
	int option;
	unsigned needs;
	const char *shown;
} command_options[] = {
	{ .option = 'w', .needs = OPTION_WAIT, .shown = "[--wait]" },
	{ .option = 'd', .needs = OPTION_DIFF, .shown = "[--diff]" },
	{ .option = 'n', .needs = OPTION_COUNT, .shown = "[--count N]" },
	{ .option = 't', .needs = OPTION_TIMEOUT, .shown = "[--timeout S]" },
	{ .option = LONG_WATCH, .needs = OPTION_AGAIN, .shown = "[--watch]" },
	{ .option = LONG_PCAPNG, .needs = OPTION_PCAPNG, .shown = "[--pcapng FILE]" },
	{ .option = LONG_ALL, .needs = OPTION_ALL, .shown = "[--all]" },
	{ .option = LONG_SELECT, .needs = OPTION_SELECT, .shown = "[--select]" },
	{ .option = LONG_FORCE, .needs = OPTION_FORCE, .shown = "[--force]" },
	{ .option = LONG_SINCE, .needs = OPTION_HISTORY, .shown = "[--since TIME]" },
	{ .option = LONG_UNTIL, .needs = OPTION_HISTORY, .shown = "[--until TIME]" },
	{ .option = LONG_LIMIT, .needs = OPTION_HISTORY, .shown = "[--limit N]" },
	{ .option = LONG_TYPE, .needs = OPTION_HISTORY, .shown = "[--type TYPE]" },
	{ .option = LONG_CSV, .needs = OPTION_HISTORY, .shown = "[--csv]" },
	{ .option = 'f', .needs = OPTION_HISTORY, .shown = "[--follow]" },
	{ .option = LONG_COLUMNS, .needs = OPTION_TABLE, .shown = "[--columns KEY,...]" },
	{ .option = LONG_SORT, .needs = OPTION_TABLE, .shown = "[--sort [-]KEY]" },
	{ .option = LONG_FILTER, .needs = OPTION_TABLE, .shown = "[--filter KEY=PATTERN]" },
};

enum { COMMAND_OPTIONS = sizeof(command_options) / sizeof(command_options[0]) };

void
options_summary(FILE *f)
{
	fprintf(
	    f, "usage: gatewayctl [--json] [--socket PATH] COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (const struct command *c = commands; c->arguments; c++) {
		const char *name = command_name(c);
		int n = fprintf(f, "  %s %s", name, c->arguments);
		fprintf(f, "%*s%s\n", n < COLUMN ? COLUMN - n : 1, "", c->about);
	}
	fprintf(f,
	    "  new TYPE NAME%*sprint a block of a configuration for a device, also\n"
	    "%*sof an SCL file\n",
	    COLUMN - 15, "", COLUMN, "");
	fprintf(f, "  help [COMMAND]%*sprint this text, or that of a command\n", COLUMN - 16, "");
	fprintf(f,
	    "\n"
	    "  -j, --json               JSON for scripts: an array, or an object a line\n"
	    "  -s, --socket PATH        gatewayd's socket (default: control in the folder\n"
	    "                           $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/gatewayd,\n"
	    "                           else /run/gatewayd)\n"
	    "      --color WHEN         auto, always or never\n"
	    "      --no-pager           print long output without a pager\n"
	    "  -h, --help               this text; after a command, the command's\n"
	    "  -V, --version            the version\n\n"
	    "Commands may be shortened. NAME may be a pattern with * and ?.\n"
	    "Exit code: 0 done, 1 refused or not running, 2 usage, 3 gatewayd not reachable.\n"
	    "See gatewayctl(1).\n");
}

/* A word of the usage, on a new line where it would not fit. */
static void
put_word(FILE *f, const char *word, int *column)
{
	int n = (int)strlen(word);

	if (n == 0)
		return;
	if (*column + 1 + n > MAX_LINE)
		*column = fprintf(f, "\n%*s", USAGE_INDENT, "") - 1;
	*column += fprintf(f, " %s", word);
}

void
options_usage(FILE *f, const struct command *c)
{
	int column = fprintf(f, "usage: gatewayctl %s", command_name(c));

	for (int i = 0; i < COMMAND_OPTIONS; i++)
		if (c->options & command_options[i].needs)
			put_word(f, command_options[i].shown, &column);
	put_word(f, c->arguments, &column);
	fprintf(f, "\n%s\n%s", c->about, c->help);
}

static bool
parse_seconds(const char *text, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end != text && *end == '\0' && *v > 0 && *v < MAX_SECONDS;
}

static bool
parse_count(const char *text, int64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoll(text, &end, 10);
	return end != text && *end == '\0' && errno == 0 && *v > 0;
}

static const char *
option_name(int option)
{
	const struct option *o = long_options;

	while (o->name && o->val != option)
		o++;
	return o->name;
}

/* The flag that it needs of its command; 0: none. */
static unsigned
needed(int option)
{
	for (int i = 0; i < COMMAND_OPTIONS; i++)
		if (command_options[i].option == option)
			return command_options[i].needs;
	return 0;
}

/* Returns NULL, or what was expected. */
static const char *
take_value(struct options *o, int option, const char *value)
{
	static const char number[] = "a positive number";

	switch (option) {
	case 's':
		o->socket = value;
		return NULL;
	case 't':
		o->has_timeout = true;
		return parse_seconds(value, &o->timeout_s) ? NULL : number;
	case 'n':
		return parse_count(value, &o->count) ? NULL : number;
	case LONG_SINCE:
		o->history.since = value;
		return NULL;
	case LONG_UNTIL:
		o->history.until = value;
		return NULL;
	case LONG_LIMIT:
		return parse_count(value, &o->history.limit) &&
			       o->history.limit <= HISTORY_MAX_LIMIT
			   ? NULL
			   : "a number from 1 to 100000";
	case LONG_TYPE:
		if (o->history.types == HISTORY_MAX_TYPES)
			return "at most 64 types";
		o->history.type[o->history.types++] = value;
		return NULL;
	case LONG_COLUMNS:
		o->view.columns = value;
		return NULL;
	case LONG_PCAPNG:
		o->pcapng = value;
		return NULL;
	case LONG_SORT:
		o->view.sort = value;
		return NULL;
	case LONG_FILTER:
		if (o->view.filters == VIEW_MAX_FILTERS || !strchr(value, '='))
			return "KEY=PATTERN, at most 8 times";
		o->view.filter[o->view.filters++] = value;
		return NULL;
	default: /* LONG_COLOUR */
		o->colour = value;
		return strcmp(value, "auto") && strcmp(value, "always") && strcmp(value, "never")
			   ? "auto, always or never"
			   : NULL;
	}
}

static bool *
flag_of(struct options *o, int option)
{
	switch (option) {
	case 'j':
		return &o->view.json;
	case 'h':
		return &o->help;
	case 'w':
		return &o->wait;
	case 'd':
		return &o->diff;
	case LONG_WATCH:
		return &o->again;
	case LONG_ALL:
		return &o->all;
	case LONG_SELECT:
		return &o->select;
	case LONG_FORCE:
		return &o->force;
	case LONG_CSV:
		return &o->history.csv;
	case 'f':
		return &o->history.follow;
	case LONG_NO_PAGER:
		return &o->no_pager;
	default:
		return NULL;
	}
}

void
options_each(const struct command *c, void (*each)(void *arg, const char *name), void *arg)
{
	for (const struct option *o = long_options; o->name; o++) {
		unsigned need = needed(o->val);
		if (!need || (c && c->options & need))
			each(arg, o->name);
	}
}

const char *
options_with_value(const char *word)
{
	for (const struct option *o = long_options; o->name; o++) {
		bool is_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0;
		bool is_short = word[0] == '-' && word[1] == o->val && !word[2];
		if (o->has_arg && (is_long || is_short))
			return o->name;
	}
	return NULL;
}

static bool
take_option(struct options *o, const struct command *c, int option)
{
	unsigned need = needed(option);

	if (option == '?') /* getopt said what */
		return false;
	if (need && (!c || !(c->options & need))) {
		fprintf(stderr, "gatewayctl: --%s is %s%s\n", option_name(option),
		    c ? "no option of " : "an option of some commands, and goes behind them",
		    c ? command_name(c) : "");
		return false;
	}
	bool *flag = flag_of(o, option);
	if (flag)
		return *flag = true;
	const char *expected = take_value(o, option, optarg);
	if (expected)
		fprintf(stderr, "gatewayctl: --%s: expected %s, found '%s'\n", option_name(option),
		    expected, optarg);
	return !expected;
}

bool
options_parse(struct options *o, const struct command *c, int argc, char **argv)
{
	bool ordered = !c || c->options & OPTION_ORDERED;

	for (int option;
	     (option = getopt_long(argc, argv, ordered ? "+js:hVwt:n:df" : "js:hVwt:n:df",
		  long_options, NULL)) != -1;) {
		if (option == 'V') {
			printf("gatewayctl %s\n", GATEWAYD_VERSION);
			exit(CONTROL_DONE);
		}
		if (!take_option(o, c, option)) {
			fprintf(stderr, "'gatewayctl help%s%s' says what there is\n", c ? " " : "",
			    c ? command_name(c) : "");
			return false;
		}
	}
	return true;
}
