/*
 * What one thing costs the slaves where there are N points: growth_slaves KIND N, as growth_eventd.
 * write, read: a request for one register of a Modbus slave; find: a point of an IEC 60870-5
 * station, by its address and by its object address; start: a point of a configuration that has N
 * of them, and a buffer for every tenth, as many as are allowed at most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/iec_points.h"
#include "device-runners/modbus/cache.h"
#include "tests/bench/growth_kind.h"

enum { TIMES = 1000, STEP = 7919, MOST_TEXT = 128 };

static size_t wanted, touched; /* N; calls for written data */
static struct conf_data *data;
static struct cache cache;
static struct json_doc *doc;
static struct points points;

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "growth_slaves: %s\n", what);
	exit(EXIT_FAILURE);
}

/* Scattered over all of them. */
static size_t
choose(size_t i)
{
	return i * STEP % wanted;
}

/* --- Modbus --- */

static void
prepare_cache(void)
{
	data = calloc(wanted, sizeof(*data));
	for (size_t i = 0; data && i < wanted; i++)
		data[i] = (struct conf_data){ .name = "d",
			.type = MODBUS_HOLDING_REGISTER,
			.unit = 1,
			.start = (uint32_t)i,
			.bits = 16 };
	if (!data || cache_init(&cache, data, wanted) < 0)
		fail("no memory");
}

static void
on_touch(void *arg, const struct conf_data *d, const uint8_t *value)
{
	(void)arg, (void)d, (void)value;
	touched++;
}

static size_t
measure_write(void)
{
	for (size_t i = 0; i < TIMES; i++) {
		const struct modbus_pdu req = { .fc = MODBUS_WRITE_SINGLE_REGISTER,
			.address = (uint16_t)choose(i),
			.quantity = 1,
			.value = 5 };
		if (cache_write(&cache, 1, &req, on_touch, NULL))
			fail("a write is refused");
	}
	if (touched != TIMES)
		fail("not every write touched one data");
	return TIMES;
}

static size_t
measure_read(void)
{
	uint8_t out[MODBUS_MAX_PDU];
	size_t len;

	for (size_t i = 0; i < TIMES; i++) {
		const struct modbus_pdu req = { .fc = MODBUS_READ_HOLDING_REGISTERS,
			.address = (uint16_t)choose(i),
			.quantity = 1 };
		if (cache_read(&cache, 1, &req, out, &len) || len != 2)
			fail("a read is refused");
	}
	return TIMES;
}

/* --- IEC 60870-5 --- */

static size_t
count_buffers(void)
{
	size_t n = wanted / 10;

	return n < POINTS_MAX_BUFFERS ? n : POINTS_MAX_BUFFERS;
}

static void
prepare_station(void)
{
	size_t size = MOST_TEXT * (wanted + count_buffers() + 1), n = 0;
	char *text = malloc(size), err[200];

	if (!text)
		fail("no memory");
	n += (size_t)snprintf(text + n, size - n, "{\"buffers\":[");
	for (size_t i = 0; i < count_buffers(); i++)
		n += (size_t)snprintf(
		    text + n, size - n, "%s{\"name\":\"buffer %zu\",\"size\":10}", i ? "," : "", i);
	n += (size_t)snprintf(text + n, size - n, "],\"data\":[");
	for (size_t i = 0; i < wanted; i++)
		n += (size_t)snprintf(text + n, size - n,
		    "%s{\"data_type\":\"SINGLE\",\"asdu_address\":1,\"io_address\":%zu,"
		    "\"buffer\":\"buffer %zu\"}",
		    i ? "," : "", i, choose(i) % count_buffers());
	n += (size_t)snprintf(text + n, size - n, "]}");
	doc = json_parse(text, n, 16 * (wanted + 10), err, sizeof(err));
	if (!doc)
		fail(err);
	free(text);
}

static size_t
measure_start(void)
{
	static const struct asdu_sizes sizes = { 2, 2, 3 };

	if (points_init(&points, NULL, json_root(doc), &sizes) < 0)
		fail("no points");
	return wanted;
}

static void
prepare_find(void)
{
	prepare_station();
	measure_start();
}

static size_t
measure_find(void)
{
	for (size_t i = 0; i < TIMES; i++) {
		uint32_t address = (uint32_t)choose(i);
		points_at(&points, 1, address);
		if (!points_find(&points, 1, IEC_SINGLE, address))
			fail("a point is not found");
	}
	return TIMES;
}

static const struct kind kinds[] = {
	{ .name = "write", .prepare = prepare_cache, .measure = measure_write },
	{ .name = "read", .prepare = prepare_cache, .measure = measure_read },
	{ .name = "find", .prepare = prepare_find, .measure = measure_find },
	{ .name = "start", .prepare = prepare_station, .measure = measure_start },
};

int
main(int argc, char **argv)
{
	const struct kind *k =
	    argc == 3 ? kind_named(kinds, sizeof(kinds) / sizeof(kinds[0]), argv[1]) : NULL;
	wanted = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (!k || wanted < 10)
		fail("KIND N");
	k->prepare();
	printf("%zu\n", measured(k));
	cache_clear(&cache);
	free(data);
	points_clear(&points);
	json_free(doc);
	return 0;
}
