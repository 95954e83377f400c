/*
 * The hosts of a ping device in the order of their deadlines: one timer for all of them. In the
 * ping runner.
 */
#ifndef DEVICE_RUNNERS_ICMP_HEAP_H
#define DEVICE_RUNNERS_ICMP_HEAP_H

#include <stddef.h>

#include "common/monotime.h"

/* Lies in what is in the heap. */
struct heap_entry {
	struct monotime at;
	size_t place;
};

struct heap {
	struct heap_entry **entries; /* owned; the first is the earliest */
	size_t count, size;
};

/* Room for size entries. -1 with ENOMEM. */
int heap_init(struct heap *h, size_t size);
void heap_clear(struct heap *h);
/* e is not in it; there is room. */
void heap_add(struct heap *h, struct heap_entry *e, struct monotime at);
/* e is in it. */
void heap_move(struct heap *h, struct heap_entry *e, struct monotime at);
/* NULL: empty. */
struct heap_entry *heap_first(const struct heap *h);

#endif
