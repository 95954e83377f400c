/* The JSON of a unit test. */
#ifndef PARSE_H
#define PARSE_H

#include <check.h>
#include <string.h>

#include "common/json.h"

/* For json_free(). Fails the test where the text is none. */
static inline struct json_doc *
parse(const char *text)
{
	char err[100];
	struct json_doc *doc = json_parse(text, strlen(text), 10000, err, sizeof(err));

	ck_assert_msg(doc != NULL, "'%s': %s", text, err);
	return doc;
}

#endif
