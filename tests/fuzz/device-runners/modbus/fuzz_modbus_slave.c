/* A request as a slave takes it: byte 0 is the unit, the rest the PDU. What a write would make of
 * the data is a value that fits them. */
#include <stdlib.h>

#include "device-runners/modbus/cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf_data points[] = {
	{ .name = "a", .type = MODBUS_HOLDING_REGISTER, .unit = 1, .start = 0, .bits = 16 },
	{ .name = "b",
	    .type = MODBUS_HOLDING_REGISTER,
	    .unit = 1,
	    .start = 1,
	    .offset = 5,
	    .bits = 1999 },
	{ .name = "c", .type = MODBUS_HOLDING_REGISTER, .unit = 1, .start = 65535, .bits = 3 },
	{ .name = "d", .type = MODBUS_COIL, .unit = 1, .start = 8, .bits = 2000 },
	{ .name = "e", .type = MODBUS_QUEUE, .unit = 1, .start = 8, .bits = 100 },
	{ .name = "f", .type = MODBUS_INPUT_REGISTER, .unit = 1, .start = 0, .bits = 2000 },
	{ .name = "g", .type = MODBUS_DISCRETE_INPUT, .unit = 2, .start = 65535, .bits = 1 },
};
enum { COUNT = sizeof(points) / sizeof(points[0]) };

static void
on_touch(void *arg, const struct conf_data *d, const uint8_t *value)
{
	struct cache *c = arg;

	if (d->bits % 8 && value[0] >> d->bits % 8)
		abort();
	cache_set(c, (size_t)(d - points), value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cache cache;
	struct modbus_pdu req;
	uint8_t out[MODBUS_MAX_PDU], pdu[MODBUS_MAX_PDU];
	size_t len;

	if (!cache.data && cache_init(&cache, points, COUNT) < 0)
		abort();
	if (size < 1 || modbus_pdu_decode(MODBUS_REQUEST, data + 1, size - 1, &req) != DEC_OK ||
	    modbus_request_check(&req))
		return 0;
	if (req.fc > 4 && req.fc != MODBUS_READ_FIFO_QUEUE) {
		cache_write(&cache, data[0], &req, on_touch, &cache);
		return 0;
	}
	if (cache_read(&cache, data[0], &req, out, &len))
		return 0;
	struct modbus_pdu res = { .fc = req.fc, .data = out, .len = len };
	if (modbus_pdu_encode(MODBUS_RESPONSE, &res, pdu) == 0 || !modbus_response_fits(&req, &res))
		abort();
	return 0;
}
