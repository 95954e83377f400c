#include "event-server/quota.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "event-server/siphash.h"

enum { FIRST_TABLE = 64, MAX_PREFIX = 2 << 20 /* bytes: an event has fewer */ };

void
quotas_init(struct quotas *q, size_t max_types, size_t max_bytes, const uint64_t seed[2])
{
	*q = (struct quotas){
		.max_types = max_types, .max_bytes = max_bytes, .seed = { seed[0], seed[1] }
	};
	buffer_init(&q->scratch, MAX_PREFIX);
}

void
quotas_clear(struct quotas *q)
{
	for (size_t i = 0; i < q->size; i++)
		free(q->table[i]);
	free(q->table);
	buffer_clear(&q->scratch);
	*q = (struct quotas){ 0 };
}

static struct quota **
find_place(const struct quotas *q, struct sbs_str prefix, uint64_t hash)
{
	size_t i = (size_t)hash & (q->size - 1);

	while (q->table[i] &&
	       (q->table[i]->hash != hash ||
		   !sbs_str_eq((struct sbs_str){ q->table[i]->prefix, q->table[i]->len }, prefix)))
		i = (i + 1) & (q->size - 1);
	return &q->table[i];
}

static int
grow(struct quotas *q)
{
	size_t size = q->size ? 2 * q->size : FIRST_TABLE;
	struct quotas larger = *q;

	if (2 * q->count < q->size)
		return 0;
	larger.size = size;
	larger.table = calloc(size, sizeof(struct quota *));
	if (!larger.table)
		return -1;
	for (size_t i = 0; i < q->size; i++) {
		struct quota *d = q->table[i];
		if (d)
			*find_place(&larger, (struct sbs_str){ d->prefix, d->len }, d->hash) = d;
	}
	free(q->table);
	*q = larger;
	return 0;
}

struct quota *
quotas_get(struct quotas *q, const struct eventer_type *type)
{
	errno = 0;
	if (type->count <= QUOTA_SEGMENTS)
		return NULL;
	/* Encoded here: a client has more than one way to write the same. */
	buffer_reset(&q->scratch);
	eventer_put_segments(&q->scratch, type->segments, QUOTA_SEGMENTS);
	if (buffer_failed(&q->scratch)) {
		errno = ENOMEM;
		return NULL;
	}
	struct sbs_str prefix = { (const char *)buffer_data(&q->scratch), q->scratch.len };
	uint64_t hash = siphash(q->seed, prefix.p, prefix.len);
	struct quota **place = q->size ? find_place(q, prefix, hash) : NULL;
	if (place && *place)
		return *place;
	struct quota *d = calloc(1, sizeof(*d) + prefix.len);
	if (!d || grow(q) < 0) {
		free(d);
		errno = ENOMEM;
		return NULL;
	}
	d->hash = hash;
	d->len = prefix.len;
	memcpy(d->prefix, prefix.p, prefix.len);
	*find_place(q, prefix, hash) = d;
	q->count++;
	return d;
}

bool
quota_has_room(const struct quotas *q, const struct quota *device, size_t types, size_t bytes)
{
	return !device ||
	       (device->types + types <= q->max_types && device->bytes + bytes <= q->max_bytes);
}

void
quota_name(const struct quota *device, char *text, size_t size)
{
	struct cursor c = cursor_make(device->prefix, device->len);
	size_t at = 0;

	for (int i = 0; i < QUOTA_SEGMENTS && at < size; i++) {
		struct sbs_str s = sbs_get_str(&c);
		at +=
		    (size_t)snprintf(text + at, size - at, "%s%.*s", i ? "/" : "", (int)s.len, s.p);
	}
}
