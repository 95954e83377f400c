/*
 * The quota of each device in gateway-eventd: event types, and bytes of their
 * latest events, so that one that invents types leaves room for the others. A
 * device is the first four segments of an event type that has more. Pure; the
 * store counts, and asks.
 */
#ifndef EVENT_SERVER_QUOTA_H
#define EVENT_SERVER_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/hat/eventer.h"

enum {
	QUOTA_SEGMENTS = 4,
	QUOTA_DEFAULT_TYPES = 1 << 18,	/* a quarter of all */
	QUOTA_DEFAULT_BYTES = 64 << 20, /* a third of what new types may take */
};

/* The use of one device. */
struct quota {
	uint64_t hash;
	size_t types, bytes;
	bool told; /* that it is full */
	size_t len;
	char prefix[]; /* its encoded segments */
};

struct quotas {
	size_t max_types, max_bytes; /* of a device */
	uint64_t seed[2];
	struct quota **table; /* by hash, open addressing; owned, entries too */
	size_t size, count;   /* size is a power of 2, or 0 */
	struct buffer scratch;
};

void quotas_init(struct quotas *q, size_t max_types, size_t max_bytes, const uint64_t seed[2]);
void quotas_clear(struct quotas *q);
/* The device of a type, new where it was not seen. Returns NULL with errno 0 where the type is of
 * no device, with ENOMEM when out of memory. Lives as long as q. */
struct quota *quotas_get(struct quotas *q, const struct eventer_type *type);
/* Writes the segments for people, "a/b/c/d"; cut where they do not fit. */
void quota_name(const struct quota *device, char *text, size_t size);
/* Whether so many more types and bytes fit. NULL has no bounds. */
bool quota_has_room(const struct quotas *q, const struct quota *device, size_t types, size_t bytes);

#endif
