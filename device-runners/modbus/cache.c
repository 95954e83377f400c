#include "device-runners/modbus/cache.h"

#include <stdlib.h>
#include <string.h>

/* The begin and end of a data, in bits of its space. */
struct extent {
	uint32_t begin, end;
};

static struct extent
extent_of(const struct conf_data *d)
{
	uint32_t begin = d->start * modbus_register_bits(d->type) + d->offset;

	return (struct extent){ begin, begin + d->bits };
}

static int
by_place(const void *pa, const void *pb, void *arg)
{
	const struct conf_data *data = arg;
	const struct conf_data *a = &data[*(const uint32_t *)pa], *b = &data[*(const uint32_t *)pb];
	uint32_t x = extent_of(a).begin, y = extent_of(b).begin;

	return (x > y) - (x < y);
}

/* Joins the registers of the data into segments. */
static int
make_segments(struct cache_space *s, const struct conf_data *data)
{
	unsigned size = modbus_register_bits(data[s->data[0]].type);

	s->segments = calloc(s->data_count, sizeof(*s->segments));
	if (!s->segments)
		return -1;
	for (size_t i = 0; i < s->data_count; i++) {
		struct extent e = extent_of(&data[s->data[i]]);
		uint32_t start = e.begin / size, end = (e.end + size - 1) / size;
		struct cache_segment *g = &s->segments[s->segment_count];
		if (s->segment_count && start <= g[-1].start + g[-1].count) {
			if (end > g[-1].start + g[-1].count)
				g[-1].count = end - g[-1].start;
			continue;
		}
		*g = (struct cache_segment){ .start = start, .count = end - start };
		s->segment_count++;
	}
	for (size_t i = 0; i < s->segment_count; i++)
		if (!(s->segments[i].cells = calloc(s->segments[i].count, 2)))
			return -1;
	return 0;
}

static int
make_space(struct cache *c, struct cache_space *s)
{
	s->touched = calloc(s->data_count, sizeof(*s->touched));
	if (!s->touched)
		return -1;
	for (size_t i = 0; i < s->data_count; i++)
		if (c->data[s->data[i]].bits > s->longest)
			s->longest = c->data[s->data[i]].bits;
	qsort_r(s->data, s->data_count, sizeof(*s->data), by_place, (void *)c->data);
	return make_segments(s, c->data);
}

static int
count_data(struct cache *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct cache_space **s = &c->spaces[c->data[i].unit][c->data[i].type];
		if (!*s && !(*s = calloc(1, sizeof(**s))))
			return -1;
		(*s)->data_count++;
	}
	return 0;
}

static int
list_data(struct cache *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct cache_space *s = c->spaces[c->data[i].unit][c->data[i].type];
		if (!s->data) {
			s->data = calloc(s->data_count, sizeof(*s->data));
			s->data_count = 0;
		}
		if (!s->data)
			return -1;
		s->data[s->data_count++] = (uint32_t)i;
	}
	return 0;
}

int
cache_init(struct cache *c, const struct conf_data *data, size_t count)
{
	*c = (struct cache){ .data = data, .count = count };
	if (count_data(c) < 0 || list_data(c) < 0)
		goto fail;
	for (size_t u = 0; u < 256; u++)
		for (size_t t = 0; t < MODBUS_TYPES; t++)
			if (c->spaces[u][t] && make_space(c, c->spaces[u][t]) < 0)
				goto fail;
	return 0;
fail:
	cache_clear(c);
	return -1;
}

static void
free_space(struct cache_space *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->segment_count; i++)
		free(s->segments[i].cells);
	free(s->segments);
	free(s->data);
	free(s->touched);
	free(s);
}

void
cache_clear(struct cache *c)
{
	for (size_t u = 0; u < 256; u++)
		for (size_t t = 0; t < MODBUS_TYPES; t++)
			free_space(c->spaces[u][t]);
	*c = (struct cache){ 0 };
}

bool
cache_has_unit(const struct cache *c, uint8_t unit)
{
	for (size_t t = 0; t < MODBUS_TYPES; t++)
		if (c->spaces[unit][t])
			return true;
	return false;
}

/* The segment that holds all of these registers, or NULL. */
static const struct cache_segment *
find(const struct cache_space *s, uint32_t start, uint32_t count)
{
	size_t low = 0, high = s ? s->segment_count : 0;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct cache_segment *g = &s->segments[mid];
		if (start < g->start)
			high = mid;
		else if (start >= g->start + g->count)
			low = mid + 1;
		else
			return start + count <= g->start + g->count ? g : NULL;
	}
	return NULL;
}

static bool
get_bit(const struct cache_segment *g, unsigned size, uint32_t bit)
{
	uint32_t at = bit - g->start * size;

	return size == 1 ? g->cells[at] : g->cells[at / 8] >> (7 - at % 8) & 1;
}

static void
set_bit(const struct cache_segment *g, unsigned size, uint32_t bit, bool on)
{
	uint32_t at = bit - g->start * size;
	uint8_t mask = (uint8_t)(0x80 >> at % 8);

	if (size == 1)
		g->cells[at] = on;
	else if (on)
		g->cells[at / 8] |= mask;
	else
		g->cells[at / 8] &= (uint8_t)~mask;
}

/* All of a data lies in one segment. */
static const struct cache_segment *
segment_of(const struct cache *c, const struct conf_data *d)
{
	return find(
	    c->spaces[d->unit][d->type], extent_of(d).begin / modbus_register_bits(d->type), 1);
}

static bool
value_bit(const uint8_t *value, size_t bits, size_t i)
{
	size_t at = modbus_value_size(bits) * 8 - bits + i;

	return value[at / 8] >> (7 - at % 8) & 1;
}

void
cache_set(struct cache *c, size_t index, const uint8_t *value)
{
	const struct conf_data *d = &c->data[index];
	const struct cache_segment *g = segment_of(c, d);
	uint32_t begin = extent_of(d).begin;

	for (uint32_t i = 0; i < d->bits; i++)
		set_bit(g, modbus_register_bits(d->type), begin + i, value_bit(value, d->bits, i));
}

static enum modbus_type
type_of(uint8_t fc)
{
	static const enum modbus_type types[] = {
		[MODBUS_READ_COILS] = MODBUS_COIL,
		[MODBUS_READ_DISCRETE_INPUTS] = MODBUS_DISCRETE_INPUT,
		[MODBUS_READ_HOLDING_REGISTERS] = MODBUS_HOLDING_REGISTER,
		[MODBUS_READ_INPUT_REGISTERS] = MODBUS_INPUT_REGISTER,
		[MODBUS_WRITE_SINGLE_COIL] = MODBUS_COIL,
		[MODBUS_WRITE_SINGLE_REGISTER] = MODBUS_HOLDING_REGISTER,
		[MODBUS_WRITE_MULTIPLE_COILS] = MODBUS_COIL,
		[MODBUS_WRITE_MULTIPLE_REGISTERS] = MODBUS_HOLDING_REGISTER,
		[MODBUS_MASK_WRITE_REGISTER] = MODBUS_HOLDING_REGISTER,
		[MODBUS_READ_FIFO_QUEUE] = MODBUS_QUEUE,
	};

	return types[fc];
}

uint8_t
cache_read(const struct cache *c, uint8_t unit, const struct modbus_pdu *req,
    uint8_t out[MODBUS_MAX_PDU], size_t *len)
{
	enum modbus_type type = type_of(req->fc);
	uint32_t quantity = type == MODBUS_QUEUE ? 1 : req->quantity;
	const struct cache_segment *g = find(c->spaces[unit][type], req->address, quantity);

	if (!g)
		return MODBUS_ILLEGAL_DATA_ADDRESS;
	uint32_t at = req->address - g->start;
	if (type == MODBUS_QUEUE && g->count - at < MODBUS_MAX_FIFO_REGS)
		quantity = g->count - at;
	else if (type == MODBUS_QUEUE)
		quantity = MODBUS_MAX_FIFO_REGS;
	if (modbus_register_bits(type) == 16) {
		*len = 2 * (size_t)quantity;
		memcpy(out, g->cells + 2 * (size_t)at, *len);
		return 0;
	}
	*len = (quantity + 7) / 8;
	memset(out, 0, *len);
	for (uint32_t i = 0; i < quantity; i++)
		out[i / 8] |= (uint8_t)(g->cells[at + i] << i % 8);
	return 0;
}

/* A write request as bits: what it wants them to be, and which of them it cares for. */
struct wish {
	unsigned size; /* of a register */
	uint32_t begin, end;
	const struct modbus_pdu *req;
	uint16_t masked; /* fc 22: the register as it would be */
};

static bool
wish_bit(const struct wish *w, uint32_t bit)
{
	uint32_t i = bit - w->begin;

	switch (w->req->fc) {
	case MODBUS_WRITE_SINGLE_COIL:
		return w->req->value != 0;
	case MODBUS_WRITE_MULTIPLE_COILS:
		return modbus_bit(w->req->data, i);
	case MODBUS_WRITE_MULTIPLE_REGISTERS:
		return w->req->data[i / 8] >> (7 - i % 8) & 1;
	case MODBUS_MASK_WRITE_REGISTER:
		return w->masked >> (15 - i) & 1;
	default:
		return w->req->value >> (15 - i) & 1;
	}
}

static bool
cares(const struct wish *w, uint32_t from, uint32_t to)
{
	if (w->req->fc != MODBUS_MASK_WRITE_REGISTER)
		return true;
	for (uint32_t bit = from; bit < to; bit++)
		if (!(w->req->and_mask >> (15 - (bit - w->begin)) & 1))
			return true;
	return false;
}

static void
touch(const struct cache_segment *g, const struct conf_data *d, const struct wish *w,
    cache_touch_cb *cb, void *arg)
{
	uint8_t value[MODBUS_MAX_VALUE] = { 0 };
	struct extent e = extent_of(d);
	uint32_t from = e.begin > w->begin ? e.begin : w->begin;
	uint32_t to = e.end < w->end ? e.end : w->end;
	size_t lead = modbus_value_size(d->bits) * 8 - d->bits;

	if (from >= to || !cares(w, from, to))
		return;
	for (uint32_t i = 0; i < d->bits; i++) {
		uint32_t bit = e.begin + i;
		bool on = bit >= from && bit < to ? wish_bit(w, bit) : get_bit(g, w->size, bit);
		value[(lead + i) / 8] |= (uint8_t)(on << (7 - (lead + i) % 8));
	}
	cb(arg, d, value);
}

static int
by_index(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* Fills s->touched, in the configuration's order. Only what begins within the longest data's length
 * before the request can reach into it, so that the cost is that of the request, not of the space.
 */
static size_t
find_touched(const struct cache *c, const struct cache_space *s, const struct wish *w)
{
	size_t low = 0, high = s->data_count, n = 0;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (extent_of(&c->data[s->data[mid]]).begin + s->longest > w->begin)
			high = mid;
		else
			low = mid + 1;
	}
	for (; low < s->data_count; low++) {
		struct extent e = extent_of(&c->data[s->data[low]]);
		if (e.begin >= w->end)
			break;
		if (e.end > w->begin)
			s->touched[n++] = s->data[low];
	}
	qsort(s->touched, n, sizeof(*s->touched), by_index);
	return n;
}

uint8_t
cache_write(const struct cache *c, uint8_t unit, const struct modbus_pdu *req, cache_touch_cb *cb,
    void *arg)
{
	enum modbus_type type = type_of(req->fc);
	const struct cache_space *s = c->spaces[unit][type];
	unsigned size = modbus_register_bits(type);
	const struct cache_segment *g = find(s, req->address, req->quantity);
	struct wish w = { .size = size,
		.begin = req->address * size,
		.end = (req->address + (uint32_t)req->quantity) * size,
		.req = req };

	if (!g)
		return MODBUS_ILLEGAL_DATA_ADDRESS;
	if (req->fc == MODBUS_MASK_WRITE_REGISTER) {
		const uint8_t *cell = g->cells + 2 * (req->address - g->start);
		w.masked = (uint16_t)(((cell[0] << 8 | cell[1]) & req->and_mask) |
				      (req->or_mask & ~req->and_mask));
	}
	size_t n = find_touched(c, s, &w);
	for (size_t i = 0; i < n; i++)
		touch(g, &c->data[s->touched[i]], &w, cb, arg);
	return 0;
}
