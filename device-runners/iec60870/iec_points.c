#include "device-runners/iec60870/iec_points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_SHIFT = 48, FIRST_CAPACITY = 16 };

/* One change as it will be sent. */
struct point_change {
	uint8_t len; /* 0: a master has it */
	bool confirmed;
	uint8_t data[POINTS_MAX_ASDU];
};

/* --- configuration --- */

static const struct schema_field buffer_fields[] = {
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "size",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, .min = 0, SCHEMA_UP_TO(POINTS_MAX_CHANGES) } },
	{ .key = NULL },
};
const struct schema points_buffers_schema = { .kind = SCHEMA_OBJECT, .fields = buffer_fields };
static const struct schema_field data_fields[] = {
	{ .key = "data_type",
	    .required = true,
	    .is = { .kind = SCHEMA_ENUM, .names = iec_kind_conf_names } },
	{ .key = "asdu_address",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, .min = 0, .max = 0xFFFE } },
	{ .key = "io_address",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, .min = 0, .max = 0xFFFFFF } },
	{ .key = "buffer", .required = true, .is = { .kind = SCHEMA_STRING, .nullable = true } },
	{ .key = "with_ack", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "freeze", .is = { .kind = SCHEMA_BOOL } },
	{ .key = NULL },
};
const struct schema points_data_schema = { .kind = SCHEMA_OBJECT, .fields = data_fields };

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
compare_addresses(const void *pa, const void *pb)
{
	const struct point *a = *(struct point *const *)pa, *b = *(struct point *const *)pb;

	if (a->common != b->common)
		return a->common < b->common ? -1 : 1;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->kind > b->kind) - (a->kind < b->kind);
}

/* Names of buffers while the configuration is read: a hash table with open addressing, twice as
 * large as what it can hold. */
enum { NAME_SLOTS = 2 * POINTS_MAX_BUFFERS };

struct names {
	struct {
		const char *name; /* NULL: free */
		int16_t buffer;
	} slots[NAME_SLOTS];
};

/* The slot of a name, or the free one where it belongs. */
static size_t
slot_of(const struct names *names, const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	size_t i = hash % NAME_SLOTS;
	while (names->slots[i].name && strcmp(names->slots[i].name, name) != 0)
		i = (i + 1) % NAME_SLOTS;
	return i;
}

/* As in hat-gateway, the last one of a name counts. */
static int
add_name(struct names *names, struct runner *r, const char *name, size_t index)
{
	char path[64];

	snprintf(path, sizeof(path), "buffers[%zu].name", index);
	if (!name) {
		runner_config_error(r, path, "expected a name without NUL");
		return 1;
	}
	size_t i = slot_of(names, name);
	if (names->slots[i].name)
		runner_config_warning(r, path, "buffers[%d] has the same name: the last one counts",
		    names->slots[i].buffer);
	names->slots[i].name = name;
	names->slots[i].buffer = (int16_t)index;
	return 0;
}

static int
read_buffers(struct points *p, struct runner *r, const struct json *list, struct names *names)
{
	int errors = 0;

	json_foreach (item, list) {
		int64_t size = 0;
		json_int(json_get(item, "size"), 0, POINTS_MAX_CHANGES, &size);
		errors += add_name(names, r, json_str(json_get(item, "name")), p->buffer_count);
		p->buffers[p->buffer_count++].size = (uint32_t)size;
	}
	return errors;
}

static int
read_point(struct points *p, struct runner *r, const struct json *item, const struct asdu_sizes *s,
    const struct names *names)
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
		.confirmed = true,
		.kind = (uint8_t)json_enum(json_get(item, "data_type"), iec_kind_conf_names) };
	json_bool(json_get(item, "with_ack"), &point->confirmed);
	json_bool(json_get(item, "freeze"), &point->freeze);
	snprintf(path, sizeof(path), "data[%zu]", p->count++);
	if (common >= asdu_max_common(s) || address > asdu_max_object(s)) {
		runner_config_error(r, path,
		    "expected addresses that fit their sizes, found %d and %d", (int)common,
		    (int)address);
		return 1;
	}
	if (!buffer || !buffer[0])
		return 0;
	size_t slot = slot_of(names, buffer);
	if (names->slots[slot].name) {
		point->buffer = names->slots[slot].buffer;
		return 0;
	}
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

static void
sort(struct points *p, struct runner *r)
{
	qsort(p->list, p->count, sizeof(*p->list), compare_places);
	drop_earlier(p, r);
	for (size_t i = 0; i < p->count; i++)
		p->by_address[i] = &p->list[i];
	qsort(p->by_address, p->count, sizeof(struct point *), compare_addresses);
}

int
points_init(struct points *p, struct runner *r, const struct json *conf, const struct asdu_sizes *s)
{
	const struct json *data = json_get(conf, "data"), *buffers = json_get(conf, "buffers");
	struct names *names = calloc(1, sizeof(*names));

	*p = (struct points){ .list = calloc(data->count + 1, sizeof(*p->list)),
		.by_address = calloc(data->count + 1, sizeof(struct point *)),
		.buffers = calloc(buffers->count + 1, sizeof(*p->buffers)) };
	if (!names || !p->list || !p->by_address || !p->buffers)
		runner_fail(r, "out of memory");
	int errors = read_buffers(p, r, buffers, names);
	json_foreach (item, data)
		errors += read_point(p, r, item, s, names);
	free(names);
	sort(p, r);
	return errors ? -1 : 0;
}

void
points_clear(struct points *p)
{
	for (size_t i = 0; i < p->buffer_count; i++)
		free(p->buffers[i].ring);
	free(p->buffers);
	free(p->by_address);
	free(p->list);
	*p = (struct points){ 0 };
}

/* --- looking up --- */

struct point *
points_find(struct points *p, uint16_t common, enum iec_kind kind, uint32_t address)
{
	struct point key = { .common = common, .kind = (uint8_t)kind, .address = address };

	return bsearch(&key, p->list, p->count, sizeof(*p->list), compare);
}

/* The first place in the list whose common address is not below. */
static size_t
lower_bound(const struct points *p, uint32_t common)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->list[mid].common < common)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct point *
points_of(const struct points *p, uint16_t common, size_t *count)
{
	size_t low = lower_bound(p, common);

	*count = lower_bound(p, common + 1u) - low;
	return p->list + low;
}

const struct point *
points_at(const struct points *p, uint16_t common, uint32_t address)
{
	struct point key = { .common = common, .address = address }, *pkey = &key;
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_addresses(&p->by_address[mid], &pkey) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < p->count; low++) {
		const struct point *found = p->by_address[low];
		if (found->common != common || found->address != address)
			return NULL;
		if (found->known)
			return found;
	}
	return NULL;
}

/* --- buffers --- */

/* The oldest ones that were given leave the ring. */
static void
buffer_trim(struct point_buffer *b)
{
	while (b->count && b->ring[b->first % b->capacity].len == 0) {
		b->first++;
		b->count--;
	}
}

/* Doubles the ring, up to the configured size. Without memory it stays as it is, and the oldest
 * give way sooner. */
static void
buffer_grow(struct point_buffer *b)
{
	uint32_t capacity = b->capacity ? 2 * b->capacity : FIRST_CAPACITY;

	if (capacity > b->size)
		capacity = b->size;
	struct point_change *ring = malloc(capacity * sizeof(*ring));
	if (!ring)
		return;
	for (uint64_t n = b->first; n < b->first + b->count; n++)
		ring[n % capacity] = b->ring[n % b->capacity];
	free(b->ring);
	b->ring = ring;
	b->capacity = capacity;
}

uint64_t
points_keep(struct points *p, const struct point *point, const void *asdu, size_t len)
{
	if (point->buffer < 0 || !p->buffers[point->buffer].size || len > POINTS_MAX_ASDU)
		return 0;
	struct point_buffer *b = &p->buffers[point->buffer];
	if (b->count == b->capacity && b->capacity < b->size)
		buffer_grow(b);
	if (b->capacity == 0)
		return 0;
	if (b->count == b->capacity) {
		b->first++;
		b->count--;
	}
	uint64_t number = b->first + b->count++;
	struct point_change *c = &b->ring[number % b->capacity];
	c->len = (uint8_t)len;
	c->confirmed = point->confirmed;
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
	b->ring[number % b->capacity].len = 0;
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
			const struct point_change *c = &b->ring[n % b->capacity];
			r->behind = c->len && !cb(arg, (uint64_t)(i + 1) << TOKEN_SHIFT | n,
						  c->data, c->len, c->confirmed);
		}
		r->next[i] = n;
	}
}
