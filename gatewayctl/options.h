/* gatewayctl's options, and what --help prints. */
#ifndef GATEWAYCTL_OPTIONS_H
#define GATEWAYCTL_OPTIONS_H

#include "gatewayctl/command.h"

/* Options from getopt's optind on; c: NULL before the command is known. Returns false on wrong
 * usage, having said what. --version prints it and exits. */
bool options_parse(struct options *o, const struct command *c, int argc, char **argv);
/* All commands and options. */
void options_summary(FILE *f);
/* Each long option, without its dashes, that a command takes (NULL: none is known yet). */
void options_each(const struct command *c, void (*each)(void *arg, const char *name), void *arg);
/* The long name of the option that a word is, "-s" or "--socket", if a value follows it; or NULL.
 */
const char *options_with_value(const char *word);
/* One command. */
void options_usage(FILE *f, const struct command *c);

#endif
