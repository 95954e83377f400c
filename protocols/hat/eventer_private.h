/* The parts of eventer_event.c of which eventer.c builds its messages. For eventer.c only. */
#ifndef PROTOCOLS_HAT_EVENTER_PRIVATE_H
#define PROTOCOLS_HAT_EVENTER_PRIVATE_H

#include "protocols/hat/eventer.h"

struct eventer_types eventer_get_types(struct cursor *c);
void eventer_put_types(struct buffer *b, const struct eventer_types *types);
struct eventer_time eventer_get_optional_time(struct cursor *c);
void eventer_put_optional_time(struct buffer *b, const struct eventer_time *t);
struct eventer_id eventer_get_id(struct cursor *c);
void eventer_put_id(struct buffer *b, const struct eventer_id *id);
/* Takes over what is left of c. */
struct eventer_events_iter eventer_get_events(struct cursor *c, bool registered);

#endif
