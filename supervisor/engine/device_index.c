#include "supervisor/engine/device_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/engine/engine_device.h"

struct device_slot {
	struct engine_device *device; /* NULL: free */
	uint64_t hash;
	bool whole;	/* the key is TYPE/NAME */
	bool ambiguous; /* another type has that name too */
};

enum { LEAST_SLOTS = 16 };

/* FNV-1a over a text and, behind a '/', another one. */
static uint64_t
hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h;
}

static uint64_t
hash_of(const char *type, const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	return hash_text(type ? hash_text(hash_text(h, type), "/") : h, name);
}

static bool
is_key(const struct device_slot *s, const char *name)
{
	const struct config_device *d = child_conf(s->device->child);
	size_t len = strlen(d->type);

	if (!s->whole)
		return strcmp(d->name, name) == 0;
	return strncmp(d->type, name, len) == 0 && name[len] == '/' &&
	       strcmp(d->name, name + len + 1) == 0;
}

static void
put(struct device_index *x, struct engine_device *device, bool whole)
{
	const struct config_device *d = child_conf(device->child);
	uint64_t hash = hash_of(whole ? d->type : NULL, d->name);
	size_t i = hash & (x->size - 1);

	for (; x->slots[i].device; i = (i + 1) & (x->size - 1)) {
		struct device_slot *s = &x->slots[i];
		if (!whole && !s->whole && s->hash == hash && is_key(s, d->name)) {
			s->ambiguous = true;
			return;
		}
	}
	x->slots[i] = (struct device_slot){ .device = device, .hash = hash, .whole = whole };
}

int
device_index_build(struct device_index *x, struct engine_device *const *devices, size_t count)
{
	size_t size = LEAST_SLOTS;

	while (size < 4 * count)
		size *= 2;
	free(x->slots);
	*x = (struct device_index){ .slots = calloc(size, sizeof(*x->slots)), .size = size };
	if (!x->slots)
		return -1;
	for (size_t i = 0; i < count; i++) {
		put(x, devices[i], false);
		put(x, devices[i], true);
	}
	return 0;
}

void
device_index_clear(struct device_index *x)
{
	free(x->slots);
	*x = (struct device_index){ 0 };
}

static const struct device_slot *
find(const struct device_index *x, const char *name, bool whole)
{
	uint64_t hash = hash_of(NULL, name);

	if (!x->slots)
		return NULL;
	for (size_t i = hash & (x->size - 1); x->slots[i].device; i = (i + 1) & (x->size - 1)) {
		const struct device_slot *s = &x->slots[i];
		if (s->hash == hash && s->whole == whole && is_key(s, name))
			return s;
	}
	return NULL;
}

struct engine_device *
device_index_find(const struct device_index *x, const char *name)
{
	const struct device_slot *s = find(x, name, false);

	if (!s)
		s = find(x, name, true);
	if (s && !s->ambiguous)
		return s->device;
	errno = s ? ENOTUNIQ : ENOENT;
	return NULL;
}
