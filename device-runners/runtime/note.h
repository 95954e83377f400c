/*
 * Parts of the lines that say what a device will do (runner_note()), from its checked
 * configuration. In runner processes, where somebody asks.
 */
#ifndef DEVICE_RUNNERS_NOTE_H
#define DEVICE_RUNNERS_NOTE_H

#include <stddef.h>

#include "common/json.h"

struct runner;

enum { NOTE_MAX_LIST = 300 }; /* bytes of a list, so that it fits a note */

/* The text or the number as it is configured; "null" where it is neither. Borrowed from conf. */
const char *note_value(const struct json *conf, const char *key);
/* "every 5 s", or "never" where it is null. Returns text. */
const char *note_period(char *text, size_t size, const struct json *conf, const char *key);
/* "1, 7, 9 and 250 more": of each item its key, or itself where key is NULL. Returns text. */
const char *note_list(char *text, size_t size, const struct json *list, const char *key);
/* The settings of a serial line: what TTY_SCHEMA_FIELDS and silent_interval say. */
void note_line(struct runner *r, const struct json *line);

#endif
