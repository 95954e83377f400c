/*
 * A table of common/schema/schema.h as JSON Schema (draft 7), for editors: what a check without a
 * warning takes, as far as a schema can say it. In runners and in gatewayd, when they are asked for
 * it.
 */
#ifndef COMMON_SCHEMA_JSON_H
#define COMMON_SCHEMA_JSON_H

#include "common/schema/schema.h"

void schema_json_put(struct json_writer *w, const char *key, const struct schema *s);
/* The members of it alone, for a caller who begins and ends the object and adds others. */
void schema_json_put_members(struct json_writer *w, const struct schema *s);
/* The properties of an object alone, as far as they are its own and no variant's. */
void schema_json_put_properties(struct json_writer *w, const struct schema_field *fields);

#endif
