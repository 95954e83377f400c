/*
 * The numbers of a gateway-eventd that gatewayd started: one page of memory,
 * which gateway-eventd writes and gatewayd only reads. Reading waits for
 * nobody and decodes nothing; the page is sealed, so that its writer can lie in
 * a number and do nothing else to the reader. Nothing is done while nobody
 * looks.
 */
#ifndef COMMON_DAEMON_NUMBERS_H
#define COMMON_DAEMON_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What it counts since its start, and the bounds of what it keeps. */
enum number {
	NUMBER_TYPES,
	NUMBER_TYPES_MAX,
	NUMBER_BYTES, /* of all events that it has in memory */
	NUMBER_BYTES_MAX,
	NUMBER_SERIES, /* events of the time series */
	NUMBER_SERIES_MAX,
	NUMBER_CLIENTS,
	NUMBER_EVENTS, /* registered */
	NUMBER_COMMITS,
	NUMBER_QUERIES,
	NUMBER_REFUSED_QUOTA, /* events: their device keeps too much */
	NUMBER_REFUSED_FULL,  /* events: the store does */
	NUMBER_UNSAVED,	      /* 1 while the disk lacks events that are in memory */
	NUMBER_COUNT,
};

/* The key of a number in the control socket's answers: "store_types". */
const char *number_key(enum number n);

/* A sealed page for them, all 0. Returns its descriptor, close-on-exec; -1 with errno. */
int numbers_create(void);
/* Maps it: to write, or only to read. Returns NULL with errno: EINVAL where it is no such page. */
uint64_t *numbers_map(int fd, bool write);
/* NULL is fine. */
void numbers_unmap(const uint64_t *page);

/* At once, and whole. What is above INT64_MAX is read as that: JSON's numbers end there. */
static inline int64_t
number_read(const uint64_t *page, enum number n)
{
	uint64_t v = __atomic_load_n(&page[n], __ATOMIC_RELAXED);

	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static inline void
number_write(uint64_t *page, enum number n, uint64_t v)
{
	__atomic_store_n(&page[n], v, __ATOMIC_RELAXED);
}

#endif
