#include "device-runners/iec60870/iec101_points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_SHIFT = 48 };

static int
compare(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;

	if (a->common != b->common)
		return a->common < b->common ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

static int
compare_places(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;
	int r = compare(a, b);

	return r ? r : (a->place > b->place) - (a->place < b->place);
}

static int
buffer_find(const struct json *buffers, const char *name)
{
	int i = 0;

	json_foreach (item, buffers) {
		if (!strcmp(json_str(json_get(item, "name")), name))
			return i;
		i++;
	}
	return -1;
}

static int
init_buffers(struct points *p, struct runner *r, const struct json *list)
{
	int errors = 0;

	json_foreach (item, list) {
		struct point_buffer *b = &p->buffers[p->buffer_count];
		int64_t size = 0;
		char path[64];
		json_int(json_get(item, "size"), 0, INT32_MAX, &size);
		const char *name = json_str(json_get(item, "name"));
		snprintf(path, sizeof(path), "buffers[%zu].name", p->buffer_count);
		if (!name || buffer_find(list, name) != (int)p->buffer_count) {
			runner_config_error(r, path, "expected a name of its own");
			errors++;
		}
		b->size = (uint32_t)size;
		b->ring = size ? calloc((size_t)size, sizeof(*b->ring)) : NULL;
		if (size && !b->ring)
			runner_fail(r, "out of memory");
		p->buffer_count++;
	}
	return errors;
}

static int
read_point(struct points *p, struct runner *r, const struct json *conf, const struct json *item,
    const struct asdu_sizes *s)
{
	struct point *point = &p->list[p->count];
	const char *buffer = json_str(json_get(item, "buffer"));
	int64_t common = 0, address = 0;
	char path[64];

	json_int(json_get(item, "asdu_address"), 0, INT32_MAX, &common);
	json_int(json_get(item, "io_address"), 0, INT32_MAX, &address);
	*point = (struct point){ .common = (uint16_t)common,
		.address = (uint32_t)address,
		.place = (uint32_t)p->count,
		.buffer = -1,
		.kind = (uint8_t)json_enum(json_get(item, "data_type"), iec_kind_conf_names) };
	snprintf(path, sizeof(path), "data[%zu]", p->count++);
	if (common >= asdu_max_common(s) || address > asdu_max_object(s)) {
		runner_config_error(r, path,
		    "expected addresses that their sizes hold, found %d and %d", (int)common,
		    (int)address);
		return 1;
	}
	if (!buffer || !buffer[0])
		return 0;
	point->buffer = (int16_t)buffer_find(json_get(conf, "buffers"), buffer);
	if (point->buffer >= 0)
		return 0;
	snprintf(path, sizeof(path), "data[%zu].buffer", p->count - 1);
	runner_config_error(r, path, "expected the name of one of the buffers, found %s", buffer);
	return 1;
}

/* As in hat-gateway, the last one counts. */
static void
drop_earlier(struct points *p, struct runner *r)
{
	size_t kept = 0;
	char path[64];

	for (size_t i = 0; i < p->count; i++) {
		const struct point *a = &p->list[i];
		if (i + 1 == p->count || compare(a, a + 1) != 0) {
			p->list[kept++] = *a;
			continue;
		}
		snprintf(path, sizeof(path), "data[%u]", a[1].place);
		runner_config_warning(r, path, "%s %u %u again: this one counts, not data[%u]",
		    iec_kind_conf_names[a->kind], a->common, a->address, a->place);
	}
	p->count = kept;
}

int
points_init(struct points *p, struct runner *r, const struct json *conf, const struct asdu_sizes *s)
{
	const struct json *data = json_get(conf, "data"), *buffers = json_get(conf, "buffers");

	*p = (struct points){ .list = calloc(data->count + 1, sizeof(*p->list)),
		.buffers = calloc(buffers->count + 1, sizeof(*p->buffers)) };
	if (!p->list || !p->buffers)
		runner_fail(r, "out of memory");
	int errors = init_buffers(p, r, buffers);
	json_foreach (item, data)
		errors += read_point(p, r, conf, item, s);
	qsort(p->list, p->count, sizeof(*p->list), compare_places);
	drop_earlier(p, r);
	return errors ? -1 : 0;
}

void
points_clear(struct points *p)
{
	for (size_t i = 0; i < p->buffer_count; i++)
		free(p->buffers[i].ring);
	free(p->buffers);
	free(p->list);
	*p = (struct points){ 0 };
}

struct point *
points_find(struct points *p, uint16_t common, enum iec_kind kind, uint32_t address)
{
	struct point key = { .common = common, .kind = (uint8_t)kind, .address = address };

	return bsearch(&key, p->list, p->count, sizeof(*p->list), compare);
}

/* The oldest ones that were given leave the ring. */
static void
buffer_trim(struct point_buffer *b)
{
	while (b->count && b->ring[b->first % b->size].len == 0) {
		b->first++;
		b->count--;
	}
}

uint64_t
points_keep(struct points *p, const struct point *point, const void *asdu, size_t len)
{
	if (point->buffer < 0 || !p->buffers[point->buffer].size || len > POINTS_MAX_ASDU)
		return 0;
	struct point_buffer *b = &p->buffers[point->buffer];
	if (b->count == b->size) {
		b->first++;
		b->count--;
	}
	uint64_t number = b->first + b->count++;
	struct point_change *c = &b->ring[number % b->size];
	c->len = (uint8_t)len;
	memcpy(c->data, asdu, len);
	return (uint64_t)(point->buffer + 1) << TOKEN_SHIFT | number;
}

void
points_given(struct points *p, uint64_t token)
{
	uint64_t index = token >> TOKEN_SHIFT, number = token & ((UINT64_C(1) << TOKEN_SHIFT) - 1);

	if (!index || index > p->buffer_count)
		return;
	struct point_buffer *b = &p->buffers[index - 1];
	if (number < b->first || number >= b->first + b->count)
		return;
	b->ring[number % b->size].len = 0;
	buffer_trim(b);
}

int
points_reader_init(struct points_reader *r, const struct points *p)
{
	*r = (struct points_reader){ .next = calloc(p->buffer_count + 1, sizeof(*r->next)) };
	return r->next ? 0 : -1;
}

void
points_reader_rewind(struct points_reader *r, const struct points *p)
{
	memset(r->next, 0, p->buffer_count * sizeof(*r->next));
	r->behind = false;
}

void
points_reader_clear(struct points_reader *r)
{
	free(r->next);
	r->next = NULL;
}

void
points_read(const struct points *p, struct points_reader *r, points_read_cb *cb, void *arg)
{
	r->behind = false;
	for (size_t i = 0; i < p->buffer_count && !r->behind; i++) {
		const struct point_buffer *b = &p->buffers[i];
		uint64_t n = r->next[i] > b->first ? r->next[i] : b->first;
		for (; n < b->first + b->count && !r->behind; n += !r->behind) {
			const struct point_change *c = &b->ring[n % b->size];
			r->behind = c->len &&
				    !cb(arg, (uint64_t)(i + 1) << TOKEN_SHIFT | n, c->data, c->len);
		}
		r->next[i] = n;
	}
}
