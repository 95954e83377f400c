/* The long options of a program that serves, as a table. Every such program has --log-level,
 * --log-prefix, --help and --version as well. */
#ifndef COMMON_DAEMON_COMMAND_LINE_H
#define COMMON_DAEMON_COMMAND_LINE_H

#include <stddef.h>

enum {
	COMMAND_LINE_USAGE = 2, /* exit code */
	COMMAND_LINE_MAX = 28,	/* options of a table */
};

enum command_line_kind {
	COMMAND_LINE_TEXT,   /* a const char *, borrowed */
	COMMAND_LINE_FLAG,   /* a bool that becomes true; no argument */
	COMMAND_LINE_NUMBER, /* a long long from min to max */
	COMMAND_LINE_CALL,   /* take() */
};

struct command_line_option {
	const char *name;
	enum command_line_kind kind;
	size_t at; /* offset in the program's struct of options */
	long long min, max;
	int (*take)(void *options, const char *arg); /* 0, or -1: not usable */
	int argument; /* of take(): no_argument, required_argument or optional_argument */
};

struct command_line {
	const char *program, *usage;		   /* usage: whole lines */
	const struct command_line_option *options; /* the last one has no name */
};

/* Sets what options points to. Returns -1 to go on, or the code to exit with: the usage, the
 * version or a message has been written. */
int command_line_read(const struct command_line *c, void *options, int argc, char **argv);

#endif
