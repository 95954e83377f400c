/*
 * A file of the system configuration language (SCL, IEC 61850-6) as a tree of the elements that a
 * configuration is made of; all others are skipped. In gatewayctl.
 */
#ifndef GATEWAYCTL_SCL_TREE_H
#define GATEWAYCTL_SCL_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	SCL_MAX_FILE = 64 << 20,    /* octets */
	SCL_MAX_ELEMENTS = 2000000, /* that are kept */
	SCL_MAX_DEPTH = 32,	    /* of all elements */
	SCL_MAX_TEXT = 4096,	    /* octets of the text of an element */
	SCL_WHY = 300,
};

enum scl_tag {
	SCL_SCL,
	SCL_COMMUNICATION,
	SCL_SUB_NETWORK,
	SCL_CONNECTED_AP,
	SCL_ADDRESS,
	SCL_P,
	SCL_IED,
	SCL_ACCESS_POINT,
	SCL_SERVER,
	SCL_LDEVICE,
	SCL_LN0,
	SCL_LN,
	SCL_DATA_SET,
	SCL_FCDA,
	SCL_REPORT_CONTROL,
	SCL_TRG_OPS,
	SCL_OPT_FIELDS,
	SCL_RPT_ENABLED,
	SCL_DOI,
	SCL_DAI,
	SCL_VAL,
	SCL_DATA_TYPE_TEMPLATES,
	SCL_LNODE_TYPE,
	SCL_DO,
	SCL_DO_TYPE,
	SCL_SDO,
	SCL_DA,
	SCL_DA_TYPE,
	SCL_BDA,
	SCL_TAGS,
};

struct scl_element {
	enum scl_tag tag;
	unsigned line;
	struct scl_element *child, *next; /* in the order of the file */
	struct scl_element *last;	  /* child */
	const char **attributes;	  /* names and values in turn, NULL behind them */
	const char *text;		  /* of Val and P, without blanks around it; else "" */
};

struct scl_tree;

/* Reads the octets of a file: UTF-8, UTF-16, ISO 8859-1 or ASCII, without a document type, so
 * without entities of its own. NULL: why, SCL_WHY octets, names the line and what is wrong. */
struct scl_tree *scl_tree_new(const char *data, size_t len, char *why);
void scl_tree_free(struct scl_tree *t);
const struct scl_element *scl_root(const struct scl_tree *t);

/* An attribute, "" where there is none. */
const char *scl_get(const struct scl_element *e, const char *name);
/* Whether an attribute is "true" or "1". */
bool scl_is(const struct scl_element *e, const char *name, bool otherwise);
/* The first of that kind at or behind e; the first child with that attribute. NULL: none. */
const struct scl_element *scl_next(const struct scl_element *e, enum scl_tag tag);
const struct scl_element *scl_child(
    const struct scl_element *e, enum scl_tag tag, const char *name, const char *value);
/* The template (LNodeType, DOType, DAType) of that id; NULL: none. */
const struct scl_element *scl_template(const struct scl_tree *t, enum scl_tag tag, const char *id);

#define scl_foreach(var, parent, kind)                                                             \
	for (const struct scl_element *var = scl_next((parent)->child, kind); var;                 \
	     var = scl_next(var->next, kind))

#endif
