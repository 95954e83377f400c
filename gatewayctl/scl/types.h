/*
 * Data type templates of SCL (IEC 61850-6, clause 9.5) as value types of gateway-iec61850(7), and
 * ways into them. In gatewayctl.
 */
#ifndef GATEWAYCTL_SCL_TYPES_H
#define GATEWAYCTL_SCL_TYPES_H

#include <stdint.h>

#include "common/buffer.h"
#include "gatewayctl/scl/tree.h"

enum {
	SCL_MAX_NAME = 128,	 /* octets of a step, NUL included */
	SCL_MAX_STEPS = 24,	 /* of a reference */
	SCL_MAX_NESTING = 10,	 /* of types, as a client takes them */
	SCL_MAX_MEMBERS = 1000,	 /* of a structure */
	SCL_MAX_ARRAY = 65536,	 /* elements */
	SCL_MAX_WORK = 20000000, /* steps through templates: small files may describe huge types */
};

struct scl_step {
	const char *name; /* NULL: an index. Not ended by NUL */
	size_t len;
	unsigned index;
};

/* A way from a logical node to a data object, a part of it, or an attribute. */
struct scl_way {
	struct scl_step steps[SCL_MAX_STEPS];
	size_t count, object_count;	     /* those to the innermost data object */
	const struct scl_element *type;	     /* DOType of the innermost data object */
	const struct scl_element *first;     /* the DA that leads on from there; NULL: none */
	const struct scl_element *attribute; /* the DA or BDA at its end; NULL: a data object */
	bool array;			     /* it ends at all elements of an array */
};

struct scl_types {
	const struct scl_tree *tree;
	size_t work;
	const char *why; /* what the last function that failed found */
};

/* Follows names, separated by dots, of data objects from a logical node's type, then of attributes
 * with that functional constraint. index: into the first array; "": none. */
bool scl_way_find(struct scl_way *w, struct scl_types *t, const char *node_type,
    const char *objects, const char *attributes, const char *fc, const char *index);
/* A step further, to a DA, SDO or BDA by its name: false where there is none. */
bool scl_way_step(struct scl_way *w, struct scl_types *t, const char *name, const char *fc);

/* The attribute of the type of a data object; NULL: none. */
const struct scl_element *scl_attribute(
    const struct scl_element *object_type, const char *name, const char *fc);
/* Whether a data object has something with that constraint. */
bool scl_object_has(struct scl_types *t, const struct scl_element *object_type, const char *fc);
/* Appends the value type of what a data object has with that constraint; false: it has none. */
bool scl_put_object(
    struct buffer *b, struct scl_types *t, const struct scl_element *object_type, const char *fc);
/* Appends the value type of a DA or BDA. */
bool scl_put_attribute(struct buffer *b, struct scl_types *t, const struct scl_element *attribute);

/* Whether it can be a name in MMS: letters, digits and underlines. */
bool scl_is_name(const char *name, size_t len);
/* Appends a text as YAML has it. */
void scl_put_text(struct buffer *b, const char *text, size_t len);

#endif
