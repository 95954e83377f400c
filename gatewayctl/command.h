/* gatewayctl's commands: one table of what each takes, asks and shows. */
#ifndef GATEWAYCTL_COMMAND_H
#define GATEWAYCTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "gatewayctl/view.h"
#include "ipc/control.h"

enum command_option {
	OPTION_WAIT = 1,
	OPTION_TIMEOUT = 2,
	OPTION_COUNT = 4,
	OPTION_DIFF = 8,
	OPTION_ORDERED = 16, /* options come before the arguments: those may begin with '-' */
	OPTION_TABLE = 32,   /* --columns, --sort, --filter */
	OPTION_AGAIN = 64,   /* --watch */
	OPTION_ALL = 128,
	OPTION_PCAPNG = 256,
	OPTION_SELECT = 512,
	OPTION_FORCE = 1024,
	OPTION_HISTORY = 2048, /* --since, --until, --limit, --type, --csv, --follow */
};

enum { HISTORY_MAX_TYPES = 64, HISTORY_MAX_LIMIT = 100000 };

struct history_options {
	const char *since, *until; /* or NULL */
	int64_t limit;		   /* 0: none */
	bool follow, csv;
	const char *type[HISTORY_MAX_TYPES];
	size_t types;
};

/* Which arguments name devices, so that '*', '?' and '[' in them stand for others. NAMES_FIRST: it
 * names just one. NAMES_TYPES: what stands before a '/' in each. */
enum command_names { NAMES_NONE, NAMES_ALL, NAMES_FIRST, NAMES_BUT_LAST, NAMES_TYPES };

struct options {
	const char *socket; /* or NULL */
	const char *colour; /* "auto", "always", "never", or NULL */
	bool help, wait, diff, again, all, select, force, no_pager;
	bool has_timeout;
	double timeout_s;
	int64_t count;	    /* 0: no end */
	const char *pcapng; /* the file for frames, or NULL */
	struct history_options history;
	struct view_options view;
};

struct command;
struct session;
/* Does the whole of a command; returns its exit code. */
typedef int command_run(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv);

/* verbs.c, verbs_read.c: built on the description that a device gives of its data. */
command_run verbs_describe, verbs_read, verbs_write, verbs_command, verbs_interrogate;

struct command {
	enum control_id id;
	const char *name;      /* of one that is no request of the control socket; else NULL */
	command_run *run;      /* in place of request, or NULL */
	const char *arguments; /* for people */
	const char *about;     /* one line */
	const char *help;      /* the rest */
	unsigned options;      /* enum command_option */
	int min, max;	       /* arguments */
	const struct view_format *view;
	/* Puts the members of the request; false: usage. */
	bool (*request)(struct json_writer *w, const struct options *o, int argc, char **argv);
	const char *wait_for; /* the state of --wait, or NULL */
	enum command_names names;
};

/* Ends with arguments NULL. */
extern const struct command commands[];
const char *command_name(const struct command *c);
const struct command *command_find(const char *name);
/* By its name or the beginning of just one name; NULL with why in text. */
const struct command *command_match(const char *name, char *text, size_t size);

#endif
