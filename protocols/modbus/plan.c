#include "protocols/modbus/plan.h"

#include <stdlib.h>

/* The place of a point: the sort key of the final order. */
struct place {
	const struct plan_point *point;
	uint32_t index;
	uint32_t type_rank, interval_rank; /* index of the first of its type, of its interval */
};

static int
order_of(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int
by_class(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	int r = order_of(a->point->type, b->point->type);

	if (r == 0)
		r = order_of(a->point->interval_us, b->point->interval_us);
	return r ? r : order_of(a->index, b->index);
}

static int
by_place(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	int r = order_of(a->type_rank, b->type_rank);

	if (r == 0)
		r = order_of(a->interval_rank, b->interval_rank);
	if (r == 0)
		r = order_of(a->point->start, b->point->start);
	if (r == 0)
		r = order_of(a->point->quantity, b->point->quantity);
	return r ? r : order_of(a->index, b->index);
}

static void
rank(struct place *places, size_t n)
{
	uint32_t type_rank[MODBUS_TYPES];

	memset(type_rank, 0xff, sizeof(type_rank));
	for (size_t i = 0; i < n; i++) {
		uint32_t *t = &type_rank[places[i].point->type];
		bool same = i > 0 && places[i].point->type == places[i - 1].point->type &&
			    places[i].point->interval_us == places[i - 1].point->interval_us;
		places[i].interval_rank = same ? places[i - 1].interval_rank : places[i].index;
		if (places[i].index < *t)
			*t = places[i].index;
	}
	for (size_t i = 0; i < n; i++)
		places[i].type_rank = type_rank[places[i].point->type];
}

static uint32_t
limit_of(const struct plan_limits *l, enum modbus_type type)
{
	uint32_t set = modbus_register_bits(type) == 1 ? l->max_bits : l->max_registers;
	uint32_t max = modbus_max_quantity(type);

	/* A queue is read one pointer at a time, whatever it holds. */
	if (type == MODBUS_QUEUE)
		return 1;
	return set && set < max ? set : max;
}

/* Whether the point can join the range; then the range grows over it. */
static bool
join(struct plan_range *r, const struct plan_point *p, const struct plan_limits *l)
{
	uint32_t hole = modbus_register_bits(p->type) == 1 ? l->hole_bits : l->hole_registers;
	uint32_t quantity = p->start + p->quantity - r->start;

	if (l->one_each || p->type != r->type || p->interval_us != r->interval_us)
		return false;
	if (p->type == MODBUS_QUEUE)
		hole = 0;
	if (p->start > r->start + r->quantity + hole || quantity > limit_of(l, p->type))
		return false;
	if (quantity > r->quantity)
		r->quantity = quantity;
	r->count++;
	return true;
}

size_t
plan_make(const struct plan_point *points, size_t n, const struct plan_limits *limits,
    uint32_t *order, struct plan_range *ranges)
{
	struct place *places = calloc(n ? n : 1, sizeof(*places));
	size_t used = 0, count = 0;

	if (!places)
		return (size_t)-1;
	for (uint32_t i = 0; i < n; i++)
		if (points[i].interval_us != PLAN_NEVER)
			places[used++] = (struct place){ .point = &points[i], .index = i };
	qsort(places, used, sizeof(*places), by_class);
	rank(places, used);
	qsort(places, used, sizeof(*places), by_place);
	for (size_t i = 0; i < used; i++) {
		const struct plan_point *p = places[i].point;
		order[i] = places[i].index;
		if (count && join(&ranges[count - 1], p, limits))
			continue;
		ranges[count++] = (struct plan_range){ .type = p->type,
			.start = p->start,
			.quantity = p->quantity,
			.interval_us = p->interval_us,
			.first = i,
			.count = 1 };
	}
	free(places);
	return count;
}

void
plan_cover(const struct plan_point *points, const uint32_t *order, struct plan_range *range)
{
	uint32_t end = 0;

	range->start = points[order[range->first]].start;
	for (size_t i = range->first; i < range->first + range->count; i++) {
		const struct plan_point *p = &points[order[i]];
		if (p->start + p->quantity > end)
			end = p->start + p->quantity;
	}
	range->quantity = end - range->start;
}
