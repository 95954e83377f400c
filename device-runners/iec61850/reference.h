/*
 * References of IEC 61850 as the configuration has them, and as MMS names them (IEC 61850-8-1,
 * clause 7): "LD0" and "GGIO1$MX$AnIn1$mag$f"; and the types of what they name. In the iec61850
 * runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_REFERENCE_H
#define DEVICE_RUNNERS_IEC61850_REFERENCE_H

#include "protocols/iec61850/type.h"
#include "protocols/mms/service.h"

struct runner;

enum {
	REFERENCE_MAX_DOMAIN = 64, /* characters; IEC 61850-8-1, clause 7 */
	REFERENCE_MAX_ITEM = 129,
	REFERENCE_MAX_NAMES = 24,
};

/* All that it points to belongs to the types. */
struct reference {
	const char *domain, *item;	   /* NULL: there is none */
	const struct iec61850_step *steps; /* what leads into the type of the data object */
	size_t count;
	const struct iec61850_type *type; /* of what is named */
	const char *object;		  /* LN$FC$name, what the type belongs to */
};

/* The value types of a configuration, by data object, and its names. */
struct types;
struct types *types_new(void);
void types_free(struct types *t);
/* Reports what is wrong to the runner; returns the number of errors. */
int types_load(struct types *t, struct runner *r, const struct json *value_types);
/* object: "GGIO1$MX$AnIn1". NULL: there is none. */
const struct iec61850_type *types_find(
    const struct types *t, const char *domain, const char *object);

/* A text that lives as long as the types. */
const char *types_text(struct types *t, struct runner *r, const char *text, size_t len);
/* The configuration is loaded: frees what looks for texts that are there. */
void types_seal(struct types *t);

/* A value ref: {logical_device, logical_node, fc, names}. Reports what is wrong with it, path its
 * place, and returns the number of errors. */
int reference_load(struct reference *ref, struct types *types, struct runner *r, const char *path,
    const struct json *conf);

enum reference_relation {
	REFERENCE_APART,
	REFERENCE_INSIDE, /* a is b, or a part of it */
	REFERENCE_AROUND, /* b is a part of a */
};
enum reference_relation reference_relate(const struct reference *a, const struct reference *b);
/* The same of texts of items. */
bool reference_is_around(const char *outer, const char *item);
int reference_compare(const struct reference *a, const struct reference *b);

/* Variable of MMS of it; borrows. */
struct mms_variable reference_variable(const struct reference *ref);

/* A new text; out of memory ends the runner. */
char *reference_text(struct runner *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
