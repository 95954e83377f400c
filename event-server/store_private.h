/* What the files of the store share. */
#ifndef EVENT_SERVER_STORE_PRIVATE_H
#define EVENT_SERVER_STORE_PRIVATE_H

#include "event-server/store.h"

static inline size_t
record_size(size_t len)
{
	return sizeof(struct record) + len;
}

void store_record_unref(struct store *s, struct record *r);

/* series.c */
/* The key of an event that left the series: the next commit deletes it from the db. */
void series_note_gone(struct store *s, uint64_t seq);
void series_drop_oldest(struct store *s);
/* Room for n more. 0 or -1. */
int series_reserve(struct store *s, size_t n);
/* Takes over a reference; the room is reserved. seq: above that of the newest. */
void series_push(struct store *s, struct record *r, uint64_t seq);
/* Drops what has to go for what is staged. */
void series_make_room(struct store *s);
/* The first event of the series whose key is not less than seq, or their count. */
size_t series_find(const struct store *s, uint64_t seq);

#endif
