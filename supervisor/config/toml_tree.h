/*
 * TOML 1.0 text into a struct json tree, in the supervisor, for sites whose
 * hat-gateway reads TOML. Written here because Debian's parsers are C++, take
 * the stack for each dot of a key, and abort at some. The grammar is that
 * of toml.io/en/v1.0.0; which tables may be extended is decided as Python's
 * tomllib does it, which hat-gateway uses. There is no null in TOML.
 */
#ifndef SUPERVISOR_TOML_TREE_H
#define SUPERVISOR_TOML_TREE_H

#include "supervisor/config/yaml_tree.h"

/* A key is compared with all of its table: a table may have 10000, or 2000 tables 220 each. */
enum { TOML_MAX_COMPARED = 50 * 1000 * 1000 };

/* As yaml_tree_parse(), but nothing is reported behind the first fault: then NULL. Dates, times,
 * infinity and NaN are faults: JSON has none. */
struct json_doc *toml_tree_parse(
    const char *text, size_t len, size_t max_nodes, yaml_report *report, void *arg);

#endif
