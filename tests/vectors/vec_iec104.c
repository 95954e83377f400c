/* iec104.json, the ASDUs of iec101.json, time.json: bytes of ASDUs both ways, the events that a
 * master makes of them, what a master sends for system events, CP56Time2a in several zones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "device-runners/iec60870/iec_json.h"
#include "protocols/iec60870/apci.h"
#include "protocols/iec60870/asdu.h"

enum { MAX_FILE = 64 << 20, MAX_NODES = 4 << 20 };

struct count {
	unsigned passed, failed, excepted;
};

enum verdict { FAILED, PASSED, EXCEPTED };

static struct json_doc *
load(const char *dir, const char *file)
{
	char path[4096], err[160] = "";
	char *text = malloc(MAX_FILE);

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "rb");
	if (!f || !text) {
		free(text);
		return NULL;
	}
	size_t len = fread(text, 1, MAX_FILE, f);
	fclose(f);
	struct json_doc *doc = json_parse(text, len, MAX_NODES, err, sizeof(err));
	free(text);
	if (!doc)
		fprintf(stderr, "%s: %s\n", path, err);
	return doc;
}

static size_t
unhex(const struct json *j, uint8_t out[512])
{
	size_t n = 0;
	const char *s = json_str(j);
	unsigned v;

	for (; s && s[0] && s[1] && n < 512 && sscanf(s, "%2x", &v) == 1; s += 2)
		out[n++] = (uint8_t)v;
	return n;
}

/* Numbers by value: 1 and 1.0 differ, 0.10 and 0.1 do not. */
static bool
same(const struct json *a, const struct json *b)
{
	double x, y;

	if (!a || !b || a->type != b->type || a->count != b->count)
		return false;
	switch (a->type) {
	case JSON_BOOL:
		return a->boolean == b->boolean;
	case JSON_NUMBER:
		return json_double(a, &x) && json_double(b, &y) && memcmp(&x, &y, sizeof(x)) == 0 &&
		       (strpbrk(a->text, ".e") != NULL) == (strpbrk(b->text, ".e") != NULL);
	case JSON_STRING:
		return strcmp(a->text, b->text) == 0;
	case JSON_ARRAY:
		for (const struct json *p = a->child, *q = b->child; p; p = p->next, q = q->next)
			if (!same(p, q))
				return false;
		return true;
	case JSON_OBJECT:
		json_foreach (m, a)
			if (!same(m, json_get(b, m->key)))
				return false;
		return true;
	default:
		return true;
	}
}

static bool
same_text(const char *text, size_t len, const struct json *want)
{
	char err[160];
	struct json_doc *doc = json_parse(text, len, 1000, err, sizeof(err));
	bool ok = doc && same(json_root(doc), want);

	json_free(doc);
	return ok;
}

static bool
same_timestamp(const struct json *want, bool has, struct timestamp ts)
{
	int64_t s, us;

	if (!has || !want || want->type == JSON_NULL)
		return !has && want && want->type == JSON_NULL;
	return json_int(json_get(want, "s"), INT64_MIN, INT64_MAX, &s) &&
	       json_int(json_get(want, "us"), 0, 999999, &us) && s == ts.s && us == ts.us;
}

static bool
int_is(const struct json *o, const char *key, int64_t v)
{
	int64_t want;

	return json_int(json_get(o, key), INT64_MIN, INT64_MAX, &want) && want == v;
}

static bool
bool_is(const struct json *o, const char *key, bool v)
{
	bool want;

	return !json_get(o, key) || (json_bool(json_get(o, key), &want) && want == v);
}

/* Type and payload. */
static bool
event_says(const struct iec_event *e, const struct json *want)
{
	const struct json *type = json_get(want, "type");
	const struct json *segment = type ? type->child : NULL;

	for (int i = 0; segment && i < 4; i++) /* gateway, device type, name, gateway */
		segment = segment->next;
	for (size_t i = 0; i < e->type_len; i++, segment = segment->next)
		if (!segment || strcmp(segment->text, e->type[i]) != 0)
			return false;
	return !segment && same_text(e->text, e->len, json_get(want, "payload"));
}

static bool
event_is(const struct iec_event *e, const struct json *want)
{
	return event_says(e, want) &&
	       same_timestamp(json_get(want, "source_timestamp"), e->has_timestamp, e->timestamp);
}

static bool
time_is(const struct iec_time *t, const struct json *want)
{
	if (!want || want->type == JSON_NULL)
		return t->size == IEC_TIME_NONE;
	bool ok = int_is(want, "milliseconds", t->ms) && int_is(want, "minutes", t->minute) &&
		  bool_is(want, "invalid", t->invalid) &&
		  bool_is(want, "substituted", t->substituted);
	return ok &&
	       (t->size == IEC_TIME_CP24 ||
		   (int_is(want, "hours", t->hour) && bool_is(want, "summer_time", t->summer) &&
		       int_is(want, "day_of_week", t->weekday) &&
		       int_is(want, "day_of_month", t->day) && int_is(want, "months", t->month) &&
		       int_is(want, "years", t->year)));
}

/* What all messages of the vectors have in common, and the numbers of those without events. */
static bool
msg_is(const struct asdu *a, const struct iec_object *o, const struct json *msg)
{
	const struct json *io = json_get(msg, "io_address"), *value;

	if (!bool_is(msg, "is_test", a->head.test) ||
	    !bool_is(msg, "is_negative_confirm", a->head.negative) ||
	    !int_is(msg, "originator_address", a->head.originator) ||
	    !int_is(msg, "asdu_address", a->head.common))
		return false;
	if (io && !int_is(msg, "io_address", o->address))
		return false;
	value = json_get(msg, "time");
	if (value && value->type == JSON_NUMBER)
		return int_is(msg, "time", o->elapsed);
	if (value && !time_is(&o->time, json_get(msg, "time")))
		return false;
	value = json_get(msg, "qualifier");
	if (value && !int_is(msg, "qualifier", o->qualifier))
		return false;
	value = json_get(msg, "counter");
	return !value || int_is(msg, "counter", o->value);
}

/* Bits of the first octets of an element that clause 7.2.6 reserves: read as nothing, written as 0.
 * By type, without or with a tag. */
static const struct {
	uint8_t types[3];
	uint8_t at, bits;
} reserved[] = {
	{ { 1, 2, 30 }, 0, 0x0e },  /* SIQ */
	{ { 3, 4, 31 }, 0, 0x0c },  /* DIQ */
	{ { 5, 6, 32 }, 1, 0x0e },  /* QDS behind VTI */
	{ { 7, 8, 33 }, 4, 0x0e },  /* behind BSI */
	{ { 9, 10, 34 }, 2, 0x0e }, /* behind NVA */
	{ { 11, 12, 35 }, 2, 0x0e }, { { 13, 14, 36 }, 4, 0x0e },
	{ { 20 }, 4, 0x0e },				  /* behind SCD */
	{ { 17, 38 }, 0, 0x04 },			  /* SEP */
	{ { 18, 39 }, 0, 0xc0 },			  /* SPE */
	{ { 18, 39 }, 1, 0x07 },			  /* QDP */
	{ { 19, 40 }, 0, 0xf0 },			  /* OCI */
	{ { 19, 40 }, 1, 0x07 }, { { 45, 58 }, 0, 0x02 }, /* SCO */
};

static void
clear_reserved(const struct iec_type *type, uint8_t *element)
{
	static const uint8_t unused[] = { 0, 0, 0, 0x60, 0, 0xf0, 0x80 };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (memchr(reserved[i].types, type->id, sizeof(reserved[i].types)))
			element[reserved[i].at] &= (uint8_t)~reserved[i].bits;
	for (size_t i = 0; i < type->time; i++)
		element[type->size + i] &= (uint8_t)~unused[i];
}

/* Bytes -> objects -> the same bytes but for reserved bits. A sequence with time tags is only read.
 */
static bool
reencodes(const struct asdu *decoded, const uint8_t *bytes, size_t len)
{
	struct asdu a = *decoded;
	const struct iec_type *type = a.head.type;
	struct asdu_writer w;
	struct iec_object o;
	uint8_t want[512];

	if (a.head.sequence && type->time)
		return true;
	memcpy(want, bytes, len);
	asdu_begin(&w, &a.sizes, &a.head, ASDU_MAX);
	for (const uint8_t *p = a.rest.p; asdu_next(&a, &o); p = a.rest.p) {
		size_t address = a.head.sequence ? 0 : a.sizes.object;
		clear_reserved(type, want + (p - bytes) + address);
		if (!asdu_add(&w, &o))
			return false;
	}
	return w.len == len && memcmp(asdu_end(&w), want, len) == 0;
}

/* Whether a value of ours says what the reference's message says: octets are an array, a value in a
 * tuple of its own is bare, integers may be written as floats. */
static bool
says(const struct json *ours, const struct json *theirs)
{
	const char *hex = json_str(json_get(theirs, "$hex"));
	const char *special = json_str(json_get(theirs, "$float"));
	uint8_t bytes[512];
	double x, y;
	size_t i = 0;

	if (!ours || !theirs)
		return false;
	if (hex) {
		bool good = unhex(json_get(theirs, "$hex"), bytes) == ours->count;
		json_foreach (item, ours)
			good = good && json_double(item, &x) && x == bytes[i++];
		return good;
	}
	if (special)
		return ours->type == JSON_STRING || ours->type == JSON_NULL;
	if (theirs->type == JSON_OBJECT && ours->type != JSON_OBJECT)
		return says(ours, json_get(theirs, "value"));
	if (theirs->type == JSON_NUMBER)
		return json_double(ours, &x) && json_double(theirs, &y) && (float)x == (float)y;
	if (ours->type != JSON_OBJECT)
		return same(ours, theirs);
	json_foreach (member, ours)
		if (!says(member, json_get(theirs, member->key)))
			return false;
	return true;
}

static bool
payload_says(const struct iec_event *e, const struct json *msg)
{
	static const char *const keys[] = { "data", "command", "is_test" };
	char err[160];
	struct json_doc *doc = json_parse(e->text, e->len, 1000, err, sizeof(err));
	bool good = doc;

	for (size_t i = 0; good && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_get(msg, keys[i]))
			good = says(json_get(json_root(doc), keys[i]), json_get(msg, keys[i]));
	json_free(doc);
	return good;
}

/* The data that an event's payload holds, back to an object of the same bytes. */
static bool
payload_encodes(struct iec_map *map, const struct iec_event *e, const struct asdu *a,
    const struct iec_object *o)
{
	struct iec_request q = { .kind = a->head.type->kind, .connection = -1 };
	char why[IEC_JSON_WHY], err[160];
	struct iec_map slave = *map;
	uint8_t want[64], got[64];

	if (a->head.type->class != IEC_CLASS_DATA || a->head.type->time == IEC_TIME_CP24 ||
	    (a->head.type->time && !e->has_timestamp))
		return true;
	slave.slave = true;
	struct json_doc *doc = json_parse(e->text, e->len, 1000, err, sizeof(err));
	int rc = iec_request_fill(&q, &slave, IEC_CLASS_DATA,
	    e->has_timestamp ? &e->timestamp : NULL, json_root(doc), why);
	json_free(doc);
	if (rc < 0 || q.head.type != a->head.type || q.head.cause != a->head.cause)
		return false;
	q.object.time = o->time; /* its flags and weekday are not in the event */
	size_t n = (size_t)(iec_object_encode(o, a->head.type, want) - want);
	return (size_t)(iec_object_encode(&q.object, q.head.type, got) - got) == n &&
	       (memcmp(want, got, n) == 0 || (o->real != o->real));
}

/* A value outlives its time tag: where the tag is impossible the reference drops the value, where
 * it says that it is invalid the reference believes it. */
static bool
outlives_tag(const struct json *event, const struct iec_event *e, const struct iec_object *o)
{
	if (e->has_timestamp)
		return false;
	return json_get(event, "error") || (o->time.invalid && event_says(e, event));
}

static enum verdict
objects_are(struct iec_map *map, const struct asdu *decoded, const struct json *v)
{
	const struct json *msgs = json_get(v, "msgs"), *events = json_get(v, "master_events");
	const struct json *msg = msgs ? msgs->child : NULL, *event = events ? events->child : NULL;
	struct asdu a = *decoded;
	enum verdict good = PASSED;
	struct iec_object o;
	struct iec_event e;

	for (; asdu_next(&a, &o); msg = msg ? msg->next : NULL) {
		if (msgs && (!msg || !msg_is(&a, &o, msg)))
			return FAILED;
		const char *none =
		    iec_event_make(&e, map, &a.head, &o, -1, (struct timestamp){ 1700000000, 0 });
		if (!none && ((msg && !payload_says(&e, msg)) || !payload_encodes(map, &e, &a, &o)))
			return FAILED;
		if (!events)
			continue;
		bool want_none = !event || event->type == JSON_NULL || json_get(event, "error");
		if (!none && outlives_tag(event, &e, &o))
			good = EXCEPTED;
		else if (want_none ? !none : none || !event_is(&e, event))
			return FAILED;
		event = event ? event->next : NULL;
	}
	return !msg && !event ? good : FAILED;
}

/* An element that the reference takes apart but does not serve (files). */
static bool
unserved(const struct json *v)
{
	const char *error = json_str(json_get(v, "error"));

	return error && strcmp(error, "ValueError: unsupported asdu type") == 0;
}

/* An object that is not of the standard costs itself; the reference drops the whole ASDU for it. */
static bool
has_defect(const struct asdu *decoded)
{
	struct asdu a = *decoded;
	struct iec_object o;

	while (asdu_next(&a, &o))
		if (o.defect)
			return true;
	return false;
}

/* The reference leaves octets behind what an ASDU announces; ours refuses it. */
static bool
has_rest(const struct json *v)
{
	const char *rest = json_str(json_get(v, "rest_hex"));

	return rest && rest[0];
}

static enum verdict
asdu_passes(struct iec_map *map, const struct json *v)
{
	uint8_t bytes[512];
	size_t len = unhex(json_get(v, "asdu_hex"), bytes);
	const struct json *want = json_get(v, "asdu");
	struct asdu a;
	enum dec rc = asdu_decode(&a, &map->sizes, bytes, len);

	if (json_get(v, "error") && !unserved(v))
		return rc != DEC_OK || has_defect(&a) ? PASSED : FAILED;
	if (has_rest(v) && rc == DEC_BAD)
		return EXCEPTED;
	if (rc != DEC_OK || !reencodes(&a, bytes, len))
		return FAILED;
	if (want &&
	    (!int_is(want, "type_id", a.head.type_id) || !int_is(want, "cause", a.head.cause) ||
		strncmp(json_str(json_get(want, "type")), a.head.type->name, 7) != 0))
		return FAILED;
	return unserved(v) ? PASSED : objects_are(map, &a, v);
}

static bool
apci_passes(const struct json *v)
{
	static const struct {
		const char *name;
		enum apci_u u;
	} functions[] = { { "STARTDT_ACT", APCI_STARTDT_ACT }, { "STARTDT_CON", APCI_STARTDT_CON },
		{ "STOPDT_ACT", APCI_STOPDT_ACT }, { "STOPDT_CON", APCI_STOPDT_CON },
		{ "TESTFR_ACT", APCI_TESTFR_ACT }, { "TESTFR_CON", APCI_TESTFR_CON } };
	uint8_t bytes[512], again[APCI_MAX];
	size_t len = unhex(json_get(v, "apdu_hex"), bytes), used;
	const struct json *want = json_get(v, "apdu");
	struct apdu apdu;
	enum dec rc = apci_decode(&apdu, bytes, len, &used);

	if (!want)
		return rc != DEC_OK;
	if (rc != DEC_OK || used != len || apci_encode(&apdu, again) != len ||
	    memcmp(again, bytes, len) != 0)
		return false;
	if (apdu.format == APCI_U) {
		const char *name = json_str(json_get(want, "function"));
		for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
			if (functions[i].u == apdu.function)
				return strcmp(functions[i].name, name) == 0;
		return false;
	}
	return int_is(want, "rsn", apdu.receive) &&
	       (apdu.format == APCI_S || int_is(want, "ssn", apdu.send));
}

static bool
system_event_passes(struct iec_map *map, const struct json *v)
{
	const struct json *event = json_get(v, "event"), *ts = json_get(event, "source_timestamp");
	const struct json *segment = json_get(event, "type")->child;
	const char *segments[8];
	size_t count = 0, n = 0, len;
	uint8_t want[512];
	char why[IEC_JSON_WHY];
	struct iec_request q;
	struct asdu_writer w;
	struct buffer b;
	struct json_writer jw = { .b = &b };
	int64_t s = 0, us = 0;

	for (; segment; segment = segment->next)
		if (++n > 4)
			segments[count++] = segment->text;
	json_int(json_get(ts, "s"), INT64_MIN, INT64_MAX, &s);
	json_int(json_get(ts, "us"), 0, 999999, &us);
	struct timestamp stamp = { s, (uint32_t)us };
	buffer_init(&b, 4096);
	json_put_tree(&jw, NULL, json_get(event, "payload"));
	int rc = iec_request_read(&q, map, segments, count,
	    ts && ts->type == JSON_OBJECT ? &stamp : NULL, (const char *)buffer_data(&b), b.len,
	    why);
	buffer_clear(&b);
	if (!json_get(v, "asdu_hex") || json_get(v, "asdu_hex")->type == JSON_NULL)
		return rc < 0;
	if (rc < 0)
		return false;
	asdu_begin(&w, &map->sizes, &q.head, ASDU_MAX_104);
	if (!asdu_add(&w, &q.object))
		return false;
	len = unhex(json_get(v, "asdu_hex"), want);
	return w.len == len && memcmp(asdu_end(&w), want, len) == 0;
}

static bool
time_passes(const struct json *v)
{
	int64_t s = 0, us = 0;
	uint8_t want[512], got[8];
	struct iec_zone zone;
	struct iec_time t;
	struct timestamp back;

	if (iec_zone_init(&zone, json_str(json_get(v, "tz"))) < 0)
		return false;
	json_int(json_get(json_get(v, "timestamp"), "s"), INT64_MIN, INT64_MAX, &s);
	json_int(json_get(json_get(v, "timestamp"), "us"), 0, 999999, &us);
	struct timestamp ts = { s, (uint32_t)us };
	iec_time_from_timestamp(&t, &zone, ts);
	size_t len = unhex(json_get(v, "cp56_hex"), want);
	if ((size_t)(iec_time_encode(&t, got) - got) != len || memcmp(got, want, len) != 0)
		return false;
	struct cursor c = cursor_make(want, len);
	iec_time_decode(&t, &c, IEC_TIME_CP56);
	return time_is(&t, json_get(v, "time")) &&
	       iec_time_to_timestamp(&t, &zone, ts, &back) == 0 &&
	       same_timestamp(json_get(v, "back"), true, back);
}

static void
tally(struct count *c, const char *file, const struct json *v, enum verdict verdict)
{
	const char *name = json_str(json_get(v, "name"));

	c->passed += verdict == PASSED;
	c->failed += verdict == FAILED;
	c->excepted += verdict == EXCEPTED;
	if (verdict == FAILED)
		printf("%s: failed: %s %s\n", file, name ? name : "",
		    name				? ""
		    : json_str(json_get(v, "cp56_hex")) ? json_str(json_get(v, "cp56_hex"))
							: json_str(json_get(v, "asdu_hex")));
}

static void
set_sizes(struct iec_map *map, const struct json *v)
{
	int64_t n;

	map->sizes = asdu_sizes_104;
	if (json_int(json_get(v, "cause_size"), 1, 2, &n))
		map->sizes.cause = (uint8_t)n;
	if (json_int(json_get(v, "asdu_address_size"), 1, 2, &n))
		map->sizes.common = (uint8_t)n;
	if (json_int(json_get(v, "io_address_size"), 1, 3, &n))
		map->sizes.object = (uint8_t)n;
}

static bool
run_file(const char *dir, const char *file)
{
	struct json_doc *doc = load(dir, file);
	struct iec_map map = { .command_times = true };
	struct count c = { 0 };

	if (!doc) {
		printf("%s: 0 passed, 1 failed, 0 excepted (not readable)\n", file);
		return false;
	}
	iec_zone_init(&map.zone, "UTC");
	const struct json *root = json_root(doc), *list;
	if ((list = json_get(root, "apci")))
		json_foreach (v, list)
			tally(&c, file, v, apci_passes(v) ? PASSED : FAILED);
	if ((list = json_get(root, "asdus")))
		json_foreach (v, list) {
			set_sizes(&map, v);
			tally(&c, file, v, asdu_passes(&map, v));
		}
	map.sizes = asdu_sizes_104;
	if ((list = json_get(root, "master_system_events")))
		json_foreach (v, list)
			tally(&c, file, v, system_event_passes(&map, v) ? PASSED : FAILED);
	if ((list = json_get(root, "vectors")))
		json_foreach (v, list)
			tally(&c, file, v, time_passes(v) ? PASSED : FAILED);
	printf("%s: %u passed, %u failed, %u excepted\n", file, c.passed, c.failed, c.excepted);
	json_free(doc);
	return c.failed == 0 && c.passed > 0;
}

int
main(int argc, char **argv)
{
	static const char *const files[] = { "iec104.json", "iec101.json", "time.json" };
	bool ok = argc == 2;

	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		ok = run_file(argv[1], files[i]) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
