/*
 * Checks a tree against a table: what keys, of what type and range. Used by
 * the supervisor for its own keys and by runners for their devices'. Reports
 * everything that is wrong, not the first only.
 */
#ifndef COMMON_SCHEMA_H
#define COMMON_SCHEMA_H

#include "common/json.h"

enum schema_kind {
	SCHEMA_ANY,
	SCHEMA_BOOL,
	SCHEMA_INT,    /* min..max */
	SCHEMA_NUMBER, /* min..max, integers included */
	SCHEMA_STRING, /* at most max bytes where max is not 0 */
	SCHEMA_ENUM,   /* one of names */
	SCHEMA_OBJECT, /* fields */
	SCHEMA_ARRAY,  /* of items, at least min, at most max where max is not 0 */
};

struct schema_field;
struct schema_variant;

struct schema {
	enum schema_kind kind;
	bool nullable; /* null will do as well */
	bool open;     /* an object with keys that others check: unknown ones are not reported */
	double min, max;
	/* SCHEMA_INT and SCHEMA_NUMBER: the text of max, which a number above it becomes in the
	 * tree, with a warning; NULL: it is a fault. */
	const char *at_most;
	const char *const *names;	   /* SCHEMA_ENUM: ends with NULL */
	const struct schema_field *fields; /* SCHEMA_OBJECT: ends with key NULL */
	const struct schema *items;	   /* SCHEMA_ARRAY */
	/* SCHEMA_OBJECT: the key (of a SCHEMA_ENUM among fields) whose value says which variant's
	 * fields come in addition; NULL: none. If it has none of their names, they are not
	 * checked. */
	const char *tag;
	const struct schema_variant *variants; /* ends with name NULL */
};

struct schema_variant {
	const char *name;
	const struct schema_field *fields; /* ends with key NULL */
};

struct schema_field {
	const char *key;
	bool required;
	struct schema is;
};

/* A port number of TCP or UDP. */
#define SCHEMA_PORT                                                                                \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = 1, .max = 65535                                         \
	}
/* Part of a field: a number above n, a macro of digits, becomes n. */
#define SCHEMA_UP_TO(n) .max = (n), .at_most = SCHEMA_DIGITS(n)
#define SCHEMA_DIGITS(n) SCHEMA_DIGITS_OF(n)
#define SCHEMA_DIGITS_OF(n) #n

/* Among the names of a SCHEMA_ENUM it also stands for false, which a plain off is in YAML 1.1. */
#define SCHEMA_OFF "off"

/* How the message of a key that the table has not begins: it is about the key, not the value. */
#define SCHEMA_UNKNOWN_KEY "unknown key"

enum schema_severity { SCHEMA_WARNING, SCHEMA_ERROR };

/* where: the node (for its line and column); path: "devices[3].connection.port"; both borrowed. */
typedef void schema_report(void *arg, enum schema_severity severity, const struct json *where,
    const char *path, const char *message);

/* Returns the number of errors. An unknown key is a warning. The tree changes where at_most says
 * so. */
int schema_check(const struct json *j, const struct schema *s, const char *path,
    schema_report *report, void *arg);

#endif
