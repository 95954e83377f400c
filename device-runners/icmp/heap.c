#include "device-runners/icmp/heap.h"

#include <stdlib.h>

int
heap_init(struct heap *h, size_t size)
{
	*h = (struct heap){ .size = size };
	h->entries = calloc(size ? size : 1, sizeof(*h->entries));
	return h->entries ? 0 : -1;
}

void
heap_clear(struct heap *h)
{
	free(h->entries);
	*h = (struct heap){ .entries = NULL };
}

static void
put(struct heap *h, size_t place, struct heap_entry *e)
{
	h->entries[place] = e;
	e->place = place;
}

static void
move_up(struct heap *h, struct heap_entry *e)
{
	size_t i = e->place;

	while (i && monotime_cmp(e->at, h->entries[(i - 1) / 2]->at) < 0) {
		put(h, i, h->entries[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, e);
}

static void
move_down(struct heap *h, struct heap_entry *e)
{
	size_t i = e->place;

	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < h->count &&
		    monotime_cmp(h->entries[child + 1]->at, h->entries[child]->at) < 0)
			child++;
		if (child >= h->count || monotime_cmp(e->at, h->entries[child]->at) <= 0)
			break;
		put(h, i, h->entries[child]);
		i = child;
	}
	put(h, i, e);
}

void
heap_add(struct heap *h, struct heap_entry *e, struct monotime at)
{
	e->at = at;
	put(h, h->count++, e);
	move_up(h, e);
}

void
heap_move(struct heap *h, struct heap_entry *e, struct monotime at)
{
	e->at = at;
	move_up(h, e);
	move_down(h, e);
}

struct heap_entry *
heap_first(const struct heap *h)
{
	return h->count ? h->entries[0] : NULL;
}
