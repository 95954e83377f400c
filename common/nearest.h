/*
 * "did you mean": of the names that are offered the one that a misspelt word
 * most likely stands for. Used by every process; allocates nothing.
 */
#ifndef COMMON_NEAREST_H
#define COMMON_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX_LENGTH = 48 }; /* longer words and names are not compared */

struct nearest {
	const char *word; /* borrowed */
	const char *best; /* the nearest so far, borrowed; NULL: none is near enough */
	size_t distance;
};

struct nearest nearest_begin(const char *word);
/* Offers a name. Edits are counted: a letter more, less, another, or two swapped. Up to one edit in
 * three letters is near; letters' case, and '-' for '_', are no edits. */
void nearest_offer(struct nearest *n, const char *name);

#endif
