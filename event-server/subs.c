#include "event-server/subs.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 64 /* rows that are sooner compared one by one */ };

struct subs_row {
	const struct sbs_str *segments; /* behind the rows, their bytes behind them */
	size_t count;
};

static int
compare_rows(const void *a, const void *b)
{
	const struct subs_row *x = a, *y = b;

	for (size_t i = 0; i < x->count && i < y->count; i++) {
		int order = sbs_str_cmp(x->segments[i], y->segments[i]);
		if (order)
			return order;
	}
	return (x->count > y->count) - (x->count < y->count);
}

int
subs_init(struct subs *s, const struct eventer_types *types)
{
	struct eventer_types_iter it = eventer_types_begin(types);
	struct eventer_type type;
	size_t segments = 0, kept = 0;

	while (eventer_types_next(&it, &type))
		segments += type.count;
	s->rows = malloc(types->count * sizeof(*s->rows) + segments * sizeof(struct sbs_str) +
			 types->bytes.len + 1);
	if (!s->rows)
		return -1;
	struct sbs_str *next = (struct sbs_str *)(s->rows + types->count);
	char *bytes = (char *)(next + segments);
	if (types->bytes.len)
		memcpy(bytes, types->bytes.p, types->bytes.len);
	struct eventer_types copy = { types->count, { bytes, types->bytes.len } };
	it = eventer_types_begin(&copy);
	while (eventer_types_next(&it, &type)) {
		s->rows[s->count++] = (struct subs_row){ next, type.count };
		for (size_t i = 0; i < type.count; i++)
			*next++ = type.segments[i];
	}
	if (s->count)
		qsort(s->rows, s->count, sizeof(*s->rows), compare_rows);
	for (size_t i = 0; i < s->count; i++)
		if (kept == 0 || compare_rows(&s->rows[kept - 1], &s->rows[i]) != 0)
			s->rows[kept++] = s->rows[i];
	s->count = kept;
	return 0;
}

void
subs_clear(struct subs *s)
{
	free(s->rows);
	*s = (struct subs){ 0 };
}

/* The first of these rows, which have a segment there, whose segment is not less, or is greater. */
static const struct subs_row *
bound(const struct subs_row *from, const struct subs_row *to, size_t at, struct sbs_str segment,
    bool greater)
{
	while (from < to) {
		const struct subs_row *middle = from + (to - from) / 2;
		if (sbs_str_cmp(middle->segments[at], segment) < greater)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool match_rows(const struct subs_row *from, const struct subs_row *to,
    const struct eventer_type *type, size_t at);

/* Those that have this segment there. */
static bool
match_segment(const struct subs_row *from, const struct subs_row *to,
    const struct eventer_type *type, size_t at, struct sbs_str segment)
{
	return match_rows(
	    bound(from, to, at, segment, false), bound(from, to, at, segment, true), type, at + 1);
}

/* Rows that match the type before that segment. */
static bool
match_rows(const struct subs_row *from, const struct subs_row *to, const struct eventer_type *type,
    size_t at)
{
	static const struct sbs_str any = { "?", 1 }, rest = { "*", 1 };

	if (to - from <= FEW) {
		for (; from < to; from++)
			if (eventer_type_match(type->segments + at, type->count - at,
				from->segments + at, from->count - at))
				return true;
		return false;
	}
	if (from->count == at) {
		if (type->count == at)
			return true;
		from++; /* it stands once, and first */
	}
	const struct subs_row *star = bound(from, to, at, rest, false);
	if (star < to && star->count == at + 1 && sbs_str_eq(star->segments[at], rest))
		return true;
	return at < type->count && (match_segment(from, to, type, at, any) ||
				       match_segment(from, to, type, at, type->segments[at]));
}

bool
subs_match(const struct subs *s, const struct eventer_type *type)
{
	return s->count && match_rows(s->rows, s->rows + s->count, type, 0);
}
