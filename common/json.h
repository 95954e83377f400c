/*
 * JSON (RFC 8259) for configurations and event payloads, in any process: one
 * reader, bounded, checks a text or builds a tree of it; numbers stay text,
 * because Modbus values are integers of any length. Trees live in one document
 * and die with it.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

enum {
	JSON_MAX_DEPTH = 32, /* nesting that a document may have */
};

/* Up to here binary64 has every integer. */
#define JSON_MAX_EXACT 9007199254740991.0

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool boolean;
	uint16_t key_column;   /* of its key, where that stands in the same line; 0: not known */
	uint32_t line, column; /* where it stands in its file, from 1; 0: not known */
	const char *text;      /* string (UTF-8) or number as written; NUL-terminated */
	size_t len;	       /* of text; a string may hold NULs */
	const char *key;       /* name of a member, else NULL */
	struct json *child;    /* first element or member */
	struct json *last;     /* last element or member */
	struct json *next;     /* next element or member of the same parent */
	size_t count;	       /* elements or members */
};

struct json_doc;

#define json_foreach(item, parent)                                                                 \
	for (const struct json *item = (parent)->child; item; item = item->next)

/* Parses exactly one value of len bytes, of at most max_nodes nodes and JSON_MAX_DEPTH levels.
 * Copies what it keeps. Returns a document for json_free, or NULL with a message of one line in
 * err: what is wrong, and at which byte, from 1. */
struct json_doc *json_parse(
    const char *text, size_t len, size_t max_nodes, char *err, size_t err_size);
/* An empty document to build a tree in, at most max_nodes; NULL when out of memory. */
struct json_doc *json_doc_new(size_t max_nodes);
void json_free(struct json_doc *doc);
const struct json *json_root(const struct json_doc *doc);
/* A new node below parent (the root where parent is NULL); key and text are copied. NULL when out
 * of memory or over max_nodes. */
struct json *json_add(struct json_doc *doc, struct json *parent, enum json_type type,
    const char *key, const char *text, size_t len);

/* Exactly one valid JSON value in UTF-8 and nothing else, of bounded depth, without NUL in a key:
 * what json_parse() takes. For hot paths: one pass, allocates nothing. */
bool json_valid(const char *text, size_t len);
/* True: text is JSON as well as known, which json_valid() took (or which has no bytes: never true).
 * They differ in scalars only, of letters, digits and "+-._" and without space around them. False
 * says nothing of the text. Less than half of the cost of json_valid(), for events of one kind. */
bool json_valid_like(const char *text, size_t len, const char *known, size_t known_len);

/* The last member of that name, or NULL (also where o is NULL or no object). */
const struct json *json_get(const struct json *o, const char *key);
/* Whether j is a number that is an integer from min to max, also one written as 8.0; *v is set only
 * then. */
bool json_int(const struct json *j, int64_t min, int64_t max, int64_t *v);
bool json_double(const struct json *j, double *v);
/* The text of a string without NULs, or NULL. Borrowed from the document. */
const char *json_str(const struct json *j);
bool json_is_true(const struct json *j);
bool json_bool(const struct json *j, bool *v);
/* Index of the string in a NULL-terminated list of names, or -1. */
int json_enum(const struct json *j, const char *const names[]);

/* A short word for messages: "a string", "an object", ... */
const char *json_type_name(enum json_type type);

/* The writer: appends to a buffer it borrows, puts commas by itself. Keys are NULL in arrays. */
struct json_writer {
	struct buffer *b;
	bool comma;
};

void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_put_null(struct json_writer *w, const char *key);
void json_put_bool(struct json_writer *w, const char *key, bool v);
void json_put_int(struct json_writer *w, const char *key, int64_t v);
/* Shortest text that reads back as the same binary64; null for NaN and infinities, which JSON
 * cannot say. */
void json_put_double(struct json_writer *w, const char *key, double v);
/* Valid UTF-8 passes as it is, anything else becomes U+FFFD. NULL writes null. */
void json_put_str(struct json_writer *w, const char *key, const char *v);
void json_put_strn(struct json_writer *w, const char *key, const char *v, size_t len);
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, const char *key, const char *v, size_t len);
/* A whole tree. */
void json_put_tree(struct json_writer *w, const char *key, const struct json *j);

#endif
