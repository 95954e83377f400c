/*
 * The meaning of a plain YAML scalar, in the supervisor: the rules of YAML 1.1 as
 * PyYAML's safe loader has them (hat-gateway reads its configuration with it),
 * so that no file changes its meaning. Numbers come out as JSON writes them.
 */
#ifndef SUPERVISOR_YAML_SCALAR_H
#define SUPERVISOR_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"
#include "common/json.h"

struct yaml_scalar {
	enum json_type type; /* null, boolean, number or string */
	bool boolean;
	bool is_float;	  /* a number that YAML calls a float */
	const char *text; /* of a number, in JSON's form; borrowed from the input or from scratch */
	size_t len;
	const char *error;   /* else NULL: what JSON cannot say, for people */
	const char *warning; /* else NULL: text here, and something else in YAML, for people */
};

/* Resolves len bytes of text. json: 1e3 and -1E5 are numbers too, as JSON has it (YAML 1.1 wants a
 * point and a sign). scratch is emptied; its limit must be above len + 32. */
struct yaml_scalar yaml_scalar_resolve(
    const char *text, size_t len, bool json, struct buffer *scratch);

#endif
