#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "ipc/event.h"
#include "tests/unit/suite.h"

static struct ipc_text
text(const char *s)
{
	return (struct ipc_text){ s, strlen(s) };
}

static size_t
write_event(const struct ipc_event *e, uint8_t **out)
{
	size_t bound = ipc_event_bound(e);

	*out = malloc(bound);
	size_t len = (size_t)(ipc_event_write(e, *out) - *out);
	ck_assert_uint_le(len, bound);
	return len;
}

static const char *
read_copy(struct ipc_event *e, const void *bytes, size_t len, size_t *used)
{
	/* On the heap, so that a read past the end shows. */
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, bytes, len);
	struct cursor c = cursor_make(copy, len);
	struct ipc_text known = { 0 };
	const char *why = ipc_event_read(e, &c, &known);
	if (used)
		*used = len - cursor_left(&c);
	free(copy);
	return why;
}

START_TEST(writes_these_bytes)
{
	static const uint8_t json[] = "\x93"		/* three fields */
				      "\x92\xa7gateway" /* two segments */
				      "\xa1"
				      "a"
				      "\x92\xce\x00\x00\x00\x05" /* 5 s */
				      "\xce\x00\x00\x00\x06"	 /* 6 us */
				      "\xa4true";
	static const uint8_t bytes[] = "\x93"
				       "\x91\xa7gateway"
				       "\xc0" /* no source timestamp */
				       "\x92\xa1x\xc6\x00\x00\x00\x02\x01\xff";
	struct ipc_event e = { .count = 2,
		.segments = { text("gateway"), text("a") },
		.has_source = true,
		.source = { 5, 6 },
		.payload = IPC_PAYLOAD_JSON,
		.data = text("true") };
	uint8_t *p;
	size_t len = write_event(&e, &p);

	ck_assert_mem_eq(p, json, sizeof(json) - 1);
	ck_assert_uint_eq(len, sizeof(json) - 1);
	free(p);
	e.count = 1;
	e.has_source = false;
	e.payload = IPC_PAYLOAD_BINARY;
	e.payload_type = text("x");
	e.data = text("\x01\xff");
	len = write_event(&e, &p);
	ck_assert_mem_eq(p, bytes, sizeof(bytes) - 1);
	ck_assert_uint_eq(len, sizeof(bytes) - 1);
	free(p);
}
END_TEST

static void
compare(const struct ipc_event *a, const struct ipc_event *b)
{
	ck_assert_uint_eq(a->count, b->count);
	ck_assert_int_eq(a->has_source, b->has_source);
	ck_assert_int_eq(a->payload, b->payload);
	if (a->has_source) {
		ck_assert_int_eq(a->source.s, b->source.s);
		ck_assert_uint_eq(a->source.us, b->source.us);
	}
	for (size_t i = 0; i < a->count; i++)
		ck_assert_uint_eq(a->segments[i].len, b->segments[i].len);
	if (a->payload != IPC_PAYLOAD_NONE)
		ck_assert_uint_eq(a->data.len, b->data.len);
}

/* What is written is msgpack to msgpack-c, is read back, and no prefix of it is an event. */
START_TEST(round_trip)
{
	static const size_t lengths[] = { 0, 1, 31, 32, 255, 256, 512 };
	static const size_t payloads[] = { 0, 31, 32, 255, 256, 4000, 60000 };
	static const int64_t seconds[] = { 0, 1, UINT32_MAX, INT64_C(1) << 32, -1, INT64_MIN,
		INT64_MAX };
	static char filler[IPC_MAX_EVENT];
	struct ipc_event e = { .count = _i < 2 ? 1 : 16,
		.has_source = true,
		.source = { seconds[_i], 999999 },
		.payload = (enum ipc_payload)(_i % 3) };
	struct ipc_event back;
	size_t used, off = 0;
	uint8_t *p;

	memset(filler, '7', sizeof(filler)); /* JSON of any length */
	for (size_t i = 0; i < e.count; i++)
		e.segments[i] = (struct ipc_text){ filler, lengths[_i] };
	e.payload_type = e.segments[0];
	e.data = (struct ipc_text){ filler, payloads[_i] };
	size_t len = write_event(&e, &p);
	ck_assert_ptr_null(read_copy(&back, p, len, &used));
	ck_assert_uint_eq(used, len);
	compare(&e, &back);
	for (size_t n = 0; n < len && n < 300; n++)
		ck_assert_str_eq(read_copy(&back, p, n, NULL), "cut short");
	ck_assert_str_eq(read_copy(&back, p, len - 1, NULL), "cut short");
	msgpack_zone *zone = msgpack_zone_new(4096);
	msgpack_object o;
	ck_assert_int_eq(
	    msgpack_unpack((const char *)p, len, &off, zone, &o), MSGPACK_UNPACK_SUCCESS);
	ck_assert_uint_eq(off, len);
	ck_assert_int_eq(o.via.array.ptr[1].via.array.ptr[0].via.i64, seconds[_i]);
	msgpack_zone_free(zone);
	free(p);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	const char *why;
} wrong[] = {
#define WRONG(bytes, why)                                                                          \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, why                                                      \
	}
	WRONG("\x92\x91\xa1"
	      "a\xc0",
	    "wrong number of fields"),
	WRONG("\x81\x01\x02", "wrong number of fields"),
	WRONG("\x93\x90\xc0\xc0", "empty event type"),
	WRONG("\x93\xdc\x00\x11", "not an event type"),
	WRONG("\x93\xdd\xff\xff\xff\xff", "not an event type"),
	WRONG("\x93\xa1x", "not an event type"),
	WRONG("\x93\x91\x01\xc0\xc0", "not a text, or too long"),
	WRONG("\x93\x91\xda\x02\x01", "not a text, or too long"),
	WRONG("\x93\x91\xdb\xff\xff\xff\xff", "not a text, or too long"),
	WRONG("\x93\x91\xa0\x01\xc0", "not a timestamp"),
	WRONG("\x93\x91\xa0\x93\x01\x02\x03\xc0", "not a timestamp"),
	WRONG("\x93\x91\xa0\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x00\xc0", "not a timestamp"),
	WRONG("\x93\x91\xa0\x92\x01\xce\x00\x0f\x42\x40\xc0", "microseconds out of range"),
	WRONG("\x93\x91\xa0\x92\x01\xff\xc0", "microseconds out of range"),
	WRONG("\x93\x91\xa0\xc0\x01", "not a payload"),
	WRONG("\x93\x91\xa0\xc0\x93\xa0\xc4\x00\xc0", "not a payload"),
	WRONG("\x93\x91\xa0\xc0\x92\xa0\xa0", "not bytes"),
	WRONG("\x93\x91\xa0\xc0\xdb\x00\x00\xf0\x01", "not a text, or too long"),
	WRONG("\x93\x91\xa0\xc0\x92\xa0\xc6\x00\x00\xf0\x01", "not bytes"),
	WRONG("\x93\x91\xa0\xc0\xa5xxxx", "cut short"),
	WRONG("\x93\x91\xa1\xff\xc0\xc0", "not UTF-8"),
	WRONG("\x93\x91\xa0\xc0\x92\xa1\xff\xc4\x00", "not UTF-8"),
	WRONG("\x93\x91\xa0\xc0\xa3\"\xff\"", "a payload that is not JSON"),
	WRONG("\x93\x91\xa0\xc0\xa2[1", "a payload that is not JSON"),
};

START_TEST(refuses)
{
	struct ipc_event e;
	const char *why = read_copy(&e, wrong[_i].bytes, wrong[_i].len, NULL);

	ck_assert_ptr_nonnull(why);
	ck_assert_str_eq(why, wrong[_i].why);
}
END_TEST

START_TEST(reads_every_width_of_seconds)
{
	static const struct {
		const char *bytes;
		size_t len;
		int64_t s;
	} rows[] = {
		{ "\x93\x91\xa0\x92\xd0\x80\x00\xc0", 8, -128 },
		{ "\x93\x91\xa0\x92\xd1\x7f\xff\x00\xc0", 9, 32767 },
		{ "\x93\x91\xa0\x92\xd2\x80\x00\x00\x00\x00\xc0", 11, INT32_MIN },
		{ "\x93\x91\xa0\x92\xe0\x00\xc0", 7, -32 },
		{ "\x93\x91\xa0\x92\xcc\xff\x00\xc0", 8, 255 },
	};
	struct ipc_event e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_ptr_null(read_copy(&e, rows[i].bytes, rows[i].len, NULL));
		ck_assert_int_eq(e.source.s, rows[i].s);
	}
}
END_TEST

START_TEST(counts)
{
	struct cursor c = cursor_make("\xdc\x01\x00", 3), none = cursor_make("\xc0", 1);

	ck_assert_uint_eq(ipc_events_begin(&c), 256);
	ck_assert_uint_eq(ipc_events_begin(&none), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, writes_these_bytes);
	tcase_add_loop_test(tc, round_trip, 0, 7);
	tcase_add_table_test(tc, refuses, wrong);
	tcase_add_test(tc, reads_every_width_of_seconds);
	tcase_add_test(tc, counts);
}

UNIT_MAIN("ipc event")
