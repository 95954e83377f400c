/* What the vector programs of the Event Server's protocols share: reading the files' values. */
#ifndef TESTS_VECTORS_LIB_HAT_H
#define TESTS_VECTORS_LIB_HAT_H

#include "common/buffer.h"
#include "common/json.h"
#include "protocols/hat/sbs.h"

enum { MAX_BYTES = 32 << 20 };

extern struct vec_tally {
	unsigned passed, failed, excepted;
} vec_tally;

/* Counts, and names a failure. */
void vec_count(bool good, const char *file, const char *what);
struct json_doc *vec_load(const char *dir, const char *file);
/* The list of that name, or an empty one. */
const struct json *vec_list(const struct json_doc *doc, const char *key);

void vec_put_hex(struct buffer *b, const char *hex);
struct buffer vec_from_hex(const struct json *j);
struct sbs_str vec_view(const struct buffer *b);
bool vec_same(const struct buffer *a, const struct buffer *b);
/* False for what is beyond 64 bits. */
bool vec_as_int(const struct json *j, int64_t *v);
int64_t vec_int(const struct json *j);
struct sbs_str vec_str(const struct json *j);
double vec_float(const struct json *j);
/* The value of an Optional, or NULL for none. */
const struct json *vec_optional(const struct json *j);

#endif
