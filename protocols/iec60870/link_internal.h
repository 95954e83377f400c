/* Shared by the parts of the link machine: link.c (stations, actions, time), link_primary.c
 * (requests and their answers), link_secondary.c (answers). For these files only. */
#ifndef PROTOCOLS_IEC60870_LINK_INTERNAL_H
#define PROTOCOLS_IEC60870_LINK_INTERNAL_H

#include "protocols/iec60870/link.h"

/* link.c */
void link_act(struct link *l, struct link_action action);
void link_transmit(
    struct link *l, int station, const uint8_t *data, size_t len, struct monotime now);
struct monotime link_earlier(struct monotime a, struct monotime b);
int64_t link_gap_ns(const struct link *l);
struct link_station *link_station_of(struct link *l, int index);

void queue_init(struct link_queue *q);
void queue_clear(struct link_queue *q);
int queue_put(struct link_queue *q, const void *data, size_t len, uint64_t token, unsigned flags,
    struct monotime now);
void queue_push_front(struct link_queue *q, struct link_msg *m);
struct link_msg *queue_take(struct link_queue *q);

/* link_primary.c */
void primary_open(struct link *l, struct link_station *st, struct monotime now);
void primary_close(struct link *l, int index);
/* The station is lost, for that reason: it is connected again. */
void primary_lose(struct link *l, int index, const char *reason, struct monotime now);
/* Asks nothing for so long, ignores all answers. */
void primary_quiet(struct link *l, int64_t ms, struct monotime now);
/* An answer; true where it was waited for. */
bool primary_on_answer(struct link *l, const struct ft12_frame *f, struct monotime now);
/* Goes on with the request under way or begins the next; true where something happened. */
bool primary_step(struct link *l, struct monotime now);
struct monotime primary_deadline(const struct link *l);

/* link_secondary.c */
void secondary_reset(struct link_station *st);
void secondary_on_request(
    struct link *l, int index, const struct ft12_frame *f, struct monotime now);
bool secondary_step(struct link *l, struct monotime now);
struct monotime secondary_deadline(const struct link *l);

#endif
