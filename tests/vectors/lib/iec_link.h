/* What the vector programs of 101 and 103 share: a file of vectors, hex, enums by their names. */
#ifndef TESTS_VECTORS_LIB_IEC_LINK_H
#define TESTS_VECTORS_LIB_IEC_LINK_H

#include "common/json.h"
#include "protocols/iec60870/ft12.h"

/* The parsed file, or NULL where it can not be read (said on stderr). */
struct json_doc *veclink_load(const char *dir, const char *name);
/* The list of that name, or an empty one. */
const struct json *veclink_list(const struct json_doc *doc, const char *key);
/* Bytes of a hex string, at most max. */
size_t veclink_unhex(const struct json *hex, uint8_t *out, size_t max);
/* Whether o has the number, boolean (0, 1) or null (0). */
bool veclink_is(const struct json *o, const char *key, int64_t v);
/* Whether o has that string. */
bool veclink_text(const struct json *o, const char *key, const char *v);

#endif
