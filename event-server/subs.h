/*
 * The subscriptions of one client, in gateway-eventd: whether an event type is
 * among them costs about the logarithm of their number.
 */
#ifndef EVENT_SERVER_SUBS_H
#define EVENT_SERVER_SUBS_H

#include "protocols/hat/eventer.h"

struct subs {
	struct subs_row *rows; /* owned, sorted segment by segment, none twice */
	size_t count;
};

/* Copies types, none of which is cut. s: zeroed. Returns 0, or -1 with errno ENOMEM. */
int subs_init(struct subs *s, const struct eventer_types *types);
void subs_clear(struct subs *s);
/* Whether eventer_type_match() is true of any of them. */
bool subs_match(const struct subs *s, const struct eventer_type *type);

#endif
