/*
 * Devices by name, "plc1" or "type/plc1", hashed: one look-up costs the same
 * however many devices there are. In the supervisor.
 */
#ifndef SUPERVISOR_DEVICE_INDEX_H
#define SUPERVISOR_DEVICE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct engine_device;

struct device_index {
	struct device_slot *slots; /* owned; NULL: nothing is indexed */
	size_t size;		   /* a power of two, at least twice what it holds */
};

/* Indexes count devices, borrowed, in the place of those before. Returns 0, or -1 when out of
 * memory: then it is empty. */
int device_index_build(struct device_index *x, struct engine_device *const *devices, size_t count);
void device_index_clear(struct device_index *x);
/* NULL with errno: ENOENT, or ENOTUNIQ where several types share the name. */
struct engine_device *device_index_find(const struct device_index *x, const char *name);

#endif
