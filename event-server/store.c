#include "event-server/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/json.h"
#include "common/log.h"
#include "event-server/siphash.h"

enum {
	FIRST_TABLE = 1024,
	FIRST_STAGED = 256,
	SAVE_MAX = 8192, /* events of the series that store_save() writes at once */
};

static struct record *
record_new(struct store *s, struct store_type *type, struct sbs_str bytes)
{
	struct record *r = malloc(record_size(bytes.len));

	if (!r)
		return NULL;
	*r = (struct record){ .refs = 1, .len = (uint32_t)bytes.len, .type = type };
	memcpy(r->bytes, bytes.p, bytes.len);
	s->bytes += record_size(bytes.len);
	type->records++;
	return r;
}

void
store_record_unref(struct store *s, struct record *r)
{
	if (!r || --r->refs)
		return;
	s->bytes -= record_size(r->len);
	r->type->records--;
	free(r);
}

static void
record_describe(struct record *r, const struct eventer_event *e)
{
	r->id = e->id;
	r->timestamp = e->timestamp;
	r->source = e->source;
	r->rest = (uint32_t)e->rest.len;
}

/* SipHash-2-4 with a random key, so that no client can choose types that collide. */
static uint64_t
hash_bytes(const struct store *s, struct sbs_str raw)
{
	return siphash(s->seed, raw.p, raw.len);
}

static struct store_type **
find_place(struct store *s, struct sbs_str raw, uint64_t hash)
{
	size_t i = (size_t)hash & (s->table_size - 1);

	while (s->table[i] && (s->table[i]->hash != hash || !sbs_str_eq(s->table[i]->raw, raw)))
		i = (i + 1) & (s->table_size - 1);
	return &s->table[i];
}

static int
grow_types(struct store *s)
{
	if (s->type_count == s->type_size) {
		size_t size = s->type_size ? s->type_size * 2 : FIRST_TABLE / 2;
		struct store_type **types = realloc(s->types, size * sizeof(struct store_type *));
		if (!types)
			return -1;
		s->types = types;
		s->type_size = size;
	}
	if (s->type_count * 2 < s->table_size)
		return 0;
	struct store_type **old = s->table;
	size_t size = s->table_size * 2;
	struct store_type **table = calloc(size, sizeof(struct store_type *));
	if (!table)
		return -1;
	s->table = table;
	s->table_size = size;
	for (size_t i = 0; i < s->type_count; i++)
		*find_place(s, s->types[i]->raw, s->types[i]->hash) = s->types[i];
	free(old);
	return 0;
}

/* One type has one key: an encoding that is not the shortest is encoded again. */
static struct sbs_str
canonical(struct store *s, const struct eventer_type *type)
{
	size_t size = sbs_int_size((int64_t)type->count);

	for (size_t i = 0; i < type->count; i++)
		size += sbs_int_size((int64_t)type->segments[i].len) + type->segments[i].len;
	if (size == type->raw.len)
		return type->raw;
	buffer_reset(&s->scratch);
	eventer_put_type(&s->scratch, type->segments, type->count);
	return (struct sbs_str){ (const char *)buffer_data(&s->scratch), s->scratch.len };
}

/* Returns the type, new where it was not seen before and there are fewer than max; NULL with errno.
 */
static struct store_type *
type_get(struct store *s, const struct eventer_type *type, size_t max)
{
	struct sbs_str raw = canonical(s, type);
	uint64_t hash = hash_bytes(s, raw);
	struct store_type *t = *find_place(s, raw, hash);

	if (t)
		return t;
	struct quota *device = quotas_get(&s->quotas, type);
	if (!device && errno)
		return NULL;
	if (s->type_count >= max) {
		errno = ENOSPC;
		return NULL;
	}
	if (grow_types(s) < 0 || !(t = malloc(sizeof(*t) + raw.len)))
		return NULL;
	char *copy = (char *)(t + 1);
	memcpy(copy, raw.p, raw.len);
	*t = (struct store_type){
		.device = device,
		.rule = retention_find(&s->retention, type),
		.number = s->next_number++,
		.hash = hash,
		.raw = { copy, raw.len },
	};
	*find_place(s, raw, hash) = t;
	s->types[s->type_count++] = t;
	if (device)
		device->types++;
	return t;
}

/* Forgets the type where nothing is left of it. What is staged goes from its end, so that it is the
 * newest one then: no other was put behind it in the table. */
static void
type_drop(struct store *s, struct store_type *t)
{
	if (t->records || s->types[s->type_count - 1] != t)
		return;
	*find_place(s, t->raw, t->hash) = NULL;
	s->type_count--;
	if (t->device)
		t->device->types--;
	free(t);
}

struct store_type *
store_find_type(struct store *s, const struct eventer_type *type)
{
	struct sbs_str raw = canonical(s, type);

	return *find_place(s, raw, hash_bytes(s, raw));
}

/* A device pays for its events while they are staged, and while they are the latest of a type. */
static void
charge(struct record *r)
{
	if (r->type->device)
		r->type->device->bytes += record_size(r->len);
}

static void
credit(struct record *r)
{
	if (r->type->device)
		r->type->device->bytes -= record_size(r->len);
}

static void
drop_latest(struct store *s, struct store_type *t)
{
	if (!t->latest)
		return;
	credit(t->latest);
	store_record_unref(s, t->latest);
	t->latest = NULL;
}

/* Loading. */
struct load {
	struct store *s;
	size_t skipped;
	bool no_memory;
};

static struct record *
load_record(struct load *l, struct sbs_str value, struct eventer_event *e)
{
	struct store *s = l->s;

	if (eventer_event_decode(value, e) != DEC_OK || e->type.cut ||
	    (e->payload.kind == EVENTER_PAYLOAD_JSON &&
		!json_valid(e->payload.data.p, e->payload.data.len))) {
		l->skipped++;
		return NULL;
	}
	struct store_type *t = type_get(s, &e->type, STORE_MAX_TYPES);
	if (!t) {
		l->no_memory = true;
		return NULL;
	}
	if (t->latest && eventer_id_cmp(&t->latest->id, &e->id) == 0) {
		t->latest->refs++;
		return t->latest;
	}
	struct record *r = record_new(s, t, value);
	if (!r)
		l->no_memory = true;
	else
		record_describe(r, e);
	return r;
}

static bool
load_latest(void *arg, uint64_t number, struct sbs_str value)
{
	struct load *l = arg;
	struct eventer_event e;
	struct record *r = load_record(l, value, &e);

	if (r) {
		r->type->number = number;
		drop_latest(l->s, r->type); /* two of one type: tampered with */
		r->type->latest = r;
		charge(r);
	}
	if (number >= l->s->next_number)
		l->s->next_number = number + 1;
	return !l->no_memory;
}

static bool
load_series(void *arg, uint64_t seq, struct sbs_str value)
{
	struct load *l = arg;
	struct store *s = l->s;
	struct eventer_event e;

	if (series_reserve(s, 1) < 0)
		l->no_memory = true;
	struct record *r = l->no_memory ? NULL : load_record(l, value, &e);
	if (r)
		series_push(s, r, seq);
	else if (!l->no_memory)
		series_note_gone(s, seq);
	s->series.next = seq + 1;
	return !l->no_memory;
}

static int
load(struct store *s, int64_t server_id, char *err, size_t err_size)
{
	struct load l = { .s = s };

	if (db_load(s->db, load_latest, load_series, &l, &s->state) < 0) {
		snprintf(err, err_size, "reading the events: %s", db_error(s->db));
		return -1;
	}
	if (l.no_memory) {
		snprintf(err, err_size, "reading the events: out of memory");
		return -1;
	}
	if (s->state.session && s->state.server != server_id) {
		snprintf(err, err_size, "the store belongs to server id %lld, not %lld",
		    (long long)s->state.server, (long long)server_id);
		return -1;
	}
	if (l.skipped)
		log_error("skipped %zu damaged events of the store", l.skipped);
	return 0;
}

int
store_init(struct store *s, struct db *db, int64_t server_id, size_t series_max, char *err,
    size_t err_size)
{
	*s = (struct store){
		.db = db,
		.table = calloc(FIRST_TABLE, sizeof(struct store_type *)),
		.table_size = FIRST_TABLE,
		.next_number = 1,
		.series.max = series_max,
	};
	buffer_init(&s->scratch, 2 * STORE_MAX_EVENT);
	if (!s->table || getrandom(s->seed, sizeof(s->seed), 0) != sizeof(s->seed)) {
		snprintf(err, err_size, "out of memory");
		store_clear(s);
		return -1;
	}
	quotas_init(&s->quotas, QUOTA_DEFAULT_TYPES, QUOTA_DEFAULT_BYTES, s->seed);
	if (db && load(s, server_id, err, err_size) < 0) {
		store_clear(s);
		return -1;
	}
	s->state.server = server_id;
	s->kept = s->state;
	s->series.saved = s->series.next;
	return 0;
}

void
store_set_quotas(struct store *s, size_t max_types, size_t max_bytes)
{
	s->quotas.max_types = max_types;
	s->quotas.max_bytes = max_bytes;
}

void
store_clear(struct store *s)
{
	store_release(s);
	while (s->series.count)
		series_drop_oldest(s);
	free(s->series.gone);
	for (size_t i = 0; i < s->type_count; i++) {
		store_record_unref(s, s->types[i]->latest);
		free(s->types[i]);
	}
	free(s->types);
	free(s->table);
	free(s->series.ring);
	free(s->staged);
	buffer_clear(&s->scratch);
	quotas_clear(&s->quotas);
	db_close(s->db);
	*s = (struct store){ 0 };
}

static int64_t
microseconds_between(struct timestamp a, struct timestamp b)
{
	int64_t s;

	if (__builtin_sub_overflow(b.s, a.s, &s) || s > INT32_MAX || s < INT32_MIN)
		return b.s > a.s ? INT64_MAX : INT64_MIN;
	return s * 1000000 + ((int64_t)b.us - (int64_t)a.us);
}

bool
store_begin_session(struct store *s, struct timestamp now, struct timestamp *before)
{
	int64_t behind = microseconds_between(now, s->state.last);
	bool back = behind > STORE_BACK_US;

	*before = s->state.last;
	s->state.session++;
	s->instance = 0;
	if (behind < 0 || back)
		s->state.last = now;
	return back;
}

static int
stage_record(struct store *s, struct record *r)
{
	if (s->staged_count == s->staged_size) {
		size_t size = s->staged_size ? s->staged_size * 2 : FIRST_STAGED;
		struct record **staged = realloc(s->staged, size * sizeof(struct record *));
		if (!staged)
			return -1;
		s->staged = staged;
		s->staged_size = size;
	}
	s->staged[s->staged_count++] = r;
	s->staged_bytes += record_size(r->len);
	charge(r);
	return 0;
}

/* system/... or gateway/running, from place i of the type on. */
static bool
is_state(const struct eventer_type *t, size_t i)
{
	return t->count >= i + 2 && (sbs_str_eq(t->segments[i], sbs_str("system")) ||
					(sbs_str_eq(t->segments[i], sbs_str("gateway")) &&
					    sbs_str_eq(t->segments[i + 1], sbs_str("running"))));
}

/* Whether the type is one that says what the gateway itself needs to know of a device, below
 * gateway/<type>/<device> or gateway/<gateway>/<type>/<device>. No device registers such types. */
static bool
is_own(const struct eventer_type *t)
{
	return t->count >= 5 && sbs_str_eq(t->segments[0], sbs_str("gateway")) &&
	       (is_state(t, 3) || is_state(t, 4));
}

/* Whether it leaves its device within its bounds. A replaced event makes room for its successor. */
static int
check_quota(
    struct store *s, const struct store_type *t, const struct eventer_event *event, size_t size)
{
	const struct quota *device = t ? t->device : quotas_get(&s->quotas, &event->type);

	if (!t && !device && errno)
		return -1;
	if (is_own(&event->type) || (t && t->latest && event->rest.len <= t->latest->rest) ||
	    quota_has_room(&s->quotas, device, t ? 0 : 1, size))
		return 0;
	errno = EDQUOT;
	return -1;
}

/* A replaced event makes room for its successor. New types leave room for known ones. */
static bool
has_room(const struct store *s, const struct store_type *t, const struct eventer_event *event,
    size_t size)
{
	size_t max = STORE_NEW_BYTES;

	if (t && t->latest && event->rest.len <= t->latest->rest)
		return true;
	if (t && t->latest)
		max = STORE_MAX_BYTES;
	else if (is_own(&event->type))
		max = STORE_NEW_BYTES + STORE_OWN_BYTES;
	return s->bytes + size <= max;
}

int
store_stage(struct store *s, const struct eventer_event *event)
{
	struct eventer_id id = { s->state.server, s->state.session, s->instance + 1 };

	if (event->type.cut || event->raw.len > STORE_MAX_EVENT - 5 * SBS_MAX_INT) {
		errno = EMSGSIZE;
		return -1;
	}
	struct store_type *t = store_find_type(s, &event->type);
	size_t size = record_size(event->raw.len);
	if (!has_room(s, t, event, size)) {
		errno = ENOSPC;
		return -1;
	}
	if (check_quota(s, t, event, size) < 0)
		return -1;
	if (!t)
		t = type_get(s, &event->type,
		    is_own(&event->type) ? STORE_MAX_TYPES : STORE_MAX_TYPES - STORE_OWN_TYPES);
	if (!t)
		return -1;
	buffer_reset(&s->scratch);
	eventer_put_event(&s->scratch, &id, t->raw, &s->state.last, event->rest);
	struct sbs_str bytes = { (const char *)buffer_data(&s->scratch), s->scratch.len };
	struct record *r = record_new(s, t, bytes);
	if (!r || stage_record(s, r) < 0) {
		store_record_unref(s, r);
		type_drop(s, t);
		errno = ENOMEM;
		return -1;
	}
	r->id = id;
	r->timestamp = s->state.last;
	r->source = event->source;
	r->rest = (uint32_t)event->rest.len;
	s->instance++;
	return 0;
}

int
store_restore(struct store *s, const struct eventer_event *event)
{
	struct store_type *t = type_get(s, &event->type, STORE_MAX_TYPES);
	struct record *r = t ? record_new(s, t, event->raw) : NULL;

	if (!r || stage_record(s, r) < 0) {
		if (r)
			store_record_unref(s, r);
		if (t)
			type_drop(s, t);
		errno = ENOMEM;
		return -1;
	}
	record_describe(r, event);
	s->state.session = event->id.session;
	s->state.last = event->timestamp;
	return 0;
}

void
store_unstage(struct store *s, size_t count)
{
	while (s->staged_count > count) {
		struct record *r = s->staged[--s->staged_count];
		struct store_type *t = r->type;
		s->staged_bytes -= record_size(r->len);
		/* The committed event is credited, as the latest of its type. */
		if (!s->staged_kept)
			credit(r);
		store_record_unref(s, r);
		type_drop(s, t);
	}
}

void
store_release(struct store *s)
{
	store_unstage(s, 0);
	s->staged_kept = false;
}

/* The staged events; skip: so many of the first ones are more than the series may have. */
static int
write_staged(struct store *s, size_t skip)
{
	uint64_t seq = s->series.next;

	db_begin(s->db);
	db_drop_series(s->db, s->series.gone, s->series.gone_count);
	for (size_t i = 0; i < s->staged_count; i++) {
		const struct record *r = s->staged[i];
		db_put_latest(s->db, r->type->number, record_bytes(r));
		if (i >= skip)
			db_put_series(s->db, seq++, record_bytes(r));
	}
	db_put_state(s->db, &s->state);
	return db_commit(s->db);
}

static void
take_staged(struct store *s, size_t skip)
{
	s->kept = s->state;
	s->staged_kept = true;
	for (size_t i = 0; i < s->staged_count; i++) {
		struct record *r = s->staged[i];
		drop_latest(s, r->type);
		r->type->latest = r;
		r->type->unsaved = s->behind;
		r->refs++;
		if (i >= skip) {
			r->refs++;
			series_push(s, r, s->series.next);
		}
	}
}

int
store_commit(struct store *s)
{
	if (s->staged_count == 0)
		return 0;
	series_make_room(s);
	size_t skip = s->staged_count > s->series.max ? s->staged_count - s->series.max : 0;
	bool reserved = series_reserve(s, s->staged_count - skip) == 0;
	bool saved = reserved && (!s->db || (!s->behind && write_staged(s, skip) == 0));

	if (!reserved || (!saved && db_is_broken(s->db))) {
		s->state = s->kept;
		return -1;
	}
	s->behind = !saved;
	take_staged(s, skip);
	if (saved) {
		s->series.gone_count = 0;
		s->series.saved = s->series.next;
	}
	return saved ? 0 : 1;
}

/* What the db lacks: first the latest events, then the series from where it ends. max: of the
 * series. Returns how many of it, or -1. */
static int64_t
write_missing(struct store *s, size_t max)
{
	size_t i = series_find(s, s->series.saved), n = 0;

	db_begin(s->db);
	db_drop_series(s->db, s->series.gone, s->series.gone_count);
	for (size_t k = 0; k < s->type_count; k++)
		if (s->types[k]->unsaved && s->types[k]->latest)
			db_put_latest(
			    s->db, s->types[k]->number, record_bytes(s->types[k]->latest));
	for (; i < s->series.count && n < max; i++, n++)
		db_put_series(s->db, store_series(s, i)->seq, record_bytes(store_series(s, i)));
	db_put_state(s->db, &s->kept);
	if (db_commit(s->db) < 0)
		return -1;
	s->series.gone_count = 0;
	for (size_t k = 0; k < s->type_count; k++)
		s->types[k]->unsaved = false;
	if (n)
		s->series.saved = store_series(s, i - 1)->seq + 1;
	s->behind = i < s->series.count;
	return (int64_t)n;
}

bool
store_save(struct store *s)
{
	if (!s->behind || write_missing(s, SAVE_MAX) >= 0)
		return true;
	if (db_is_broken(s->db) || write_missing(s, 0) >= 0)
		return false;
	/* Not even the latest events have room: the oldest of the series give way. */
	if (db_is_full(s->db))
		for (size_t n = s->series.count / 8; n > 0; n--)
			series_drop_oldest(s);
	return false;
}
