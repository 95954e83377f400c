/*
 * The values that a Modbus slave answers with: the bits of its configured data, and the
 * registers that they lie in. A register that holds at least one bit of some data exists; its other
 * bits read as 0 and take no writes. Pure. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_CACHE_H
#define DEVICE_RUNNERS_MODBUS_CACHE_H

#include "device-runners/modbus/conf/conf.h"

struct cache_segment {
	uint32_t start, count; /* registers */
	uint8_t *cells;	       /* a byte a coil, two (big endian) a register; owned */
};

/* The registers of one unit and type. */
struct cache_space {
	struct cache_segment *segments; /* by start, apart from one another; owned */
	size_t segment_count;
	uint32_t *data; /* indices of its data, by where they begin; owned */
	size_t data_count;
	uint32_t longest;  /* bits of a data */
	uint32_t *touched; /* room for a write: the data that it overlaps; owned */
};

struct cache {
	const struct conf_data *data; /* borrowed */
	size_t count;
	struct cache_space *spaces[256][MODBUS_TYPES]; /* by unit; NULL: none */
};

/* Every bit 0. Returns 0, or -1 when out of memory. */
int cache_init(struct cache *c, const struct conf_data *data, size_t count);
void cache_clear(struct cache *c);

bool cache_has_unit(const struct cache *c, uint8_t unit);
/* Takes over a data's value (value.h). */
void cache_set(struct cache *c, size_t index, const uint8_t *value);

/* Answers a checked read request (fc 1 to 4, 24): 0 with the data of the answer, or the exception.
 */
uint8_t cache_read(const struct cache *c, uint8_t unit, const struct modbus_pdu *req,
    uint8_t out[MODBUS_MAX_PDU], size_t *len);

/* A data that a write touches, and the value that it would have. */
typedef void cache_touch_cb(void *arg, const struct conf_data *d, const uint8_t *value);
/* Works out a checked write request (fc 5, 6, 15, 16, 22) without doing it: 0 and a call for each
 * data, in the configuration's order; or the exception. A mask write touches only data of which its
 * and mask clears a bit. */
uint8_t cache_write(const struct cache *c, uint8_t unit, const struct modbus_pdu *req,
    cache_touch_cb *cb, void *arg);

#endif
