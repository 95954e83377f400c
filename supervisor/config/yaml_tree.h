/*
 * YAML text into a struct json tree, in the supervisor. libyaml's events are
 * counted and bounded before anything is built from them: bytes, values, depth,
 * anchors and aliases, so that no file costs more memory or time than its
 * budget. Scalars mean what yaml_scalar.h says; '<<' merges; tags other than
 * the core ones and a second document are faults; of duplicate keys the last
 * one counts, with a warning.
 */
#ifndef SUPERVISOR_YAML_TREE_H
#define SUPERVISOR_YAML_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/schema/schema.h"

enum {
	YAML_MAX_ANCHORS = 1000,  /* in a file: each alias looks through them */
	YAML_MAX_ALIASES = 10000, /* in a file */
	YAML_MAX_MERGED_KEYS =
	    1000,	     /* of an object with '<<', before and after: compared pairwise */
	YAML_MAX_PATH = 512, /* bytes of a path in a message */
};

/* One fault; line and column from 1 (0: of the whole file), path may be "". All borrowed. */
typedef void yaml_report(void *arg, enum schema_severity severity, uint32_t line, uint32_t column,
    const char *path, const char *message);

/* Parses len bytes that hold exactly one document, of at most max_nodes values where an alias
 * counts as much as what it stands for, nested at most JSON_MAX_DEPTH. A value's line and column
 * are its own, or its key's when it is a block below it. Subtrees named by aliases are shared, not
 * copied: the tree is for reading only. Returns a document for json_free() when the text could be
 * read to its end, though *faults (errors) may have been reported (it is still worth a check for
 * more of them); NULL after at least one report. */
struct json_doc *yaml_tree_parse(
    const char *text, size_t len, size_t max_nodes, yaml_report *report, void *arg, int *faults);

#endif
