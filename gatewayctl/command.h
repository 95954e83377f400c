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
};

struct options {
	const char *socket; /* or NULL */
	bool json, help, wait, diff;
	bool has_timeout;
	double timeout_s;
	int64_t count; /* 0: no end */
};

struct command {
	enum control_id id;
	const char *arguments; /* for people */
	const char *about;     /* one line */
	const char *help;      /* the rest */
	unsigned options;      /* enum command_option */
	int min, max;	       /* arguments */
	const struct view_format *view;
	/* Puts the members of the request; false: usage. */
	bool (*request)(struct json_writer *w, const struct options *o, int argc, char **argv);
	const char *wait_for; /* the state of --wait, or NULL */
};

/* Ends with arguments NULL. */
extern const struct command commands[];
const struct command *command_find(const char *name);

#endif
