/*
 * What growth_eventd and growth_slaves share: a table of what is measured, and its choice by KIND
 * of the command line. callgrind counts the instructions of measured() alone.
 */
#ifndef TESTS_BENCH_GROWTH_KIND_H
#define TESTS_BENCH_GROWTH_KIND_H

#include <stddef.h>
#include <string.h>

struct kind {
	const char *name;
	void (*prepare)(void);
	size_t (*measure)(void); /* how many things it did */
};

/* NULL where there is none of that name. */
static inline const struct kind *
kind_named(const struct kind *kinds, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, kinds[i].name) == 0)
			return &kinds[i];
	return NULL;
}

/* callgrind knows it by its name. */
__attribute__((noipa)) static size_t
measured(const struct kind *k)
{
	return k->measure();
}

#endif
