#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/iec_points.h"
#include "tests/unit/suite.h"

static struct points points;

static void
setup(void)
{
	static const char conf[] =
	    "{\"buffers\":[{\"name\":\"a\",\"size\":3},{\"name\":\"b\",\"size\":0}],\"data\":["
	    "{\"data_type\":\"SINGLE\",\"asdu_address\":2,\"io_address\":7,\"buffer\":\"a\"},"
	    "{\"data_type\":\"SINGLE\",\"asdu_address\":1,\"io_address\":7,\"buffer\":\"b\"},"
	    "{\"data_type\":\"STATUS\",\"asdu_address\":1,\"io_address\":7,\"buffer\":null}]}";
	static const struct asdu_sizes sizes = { 2, 2, 3 };
	char err[100];
	struct json_doc *doc = json_parse(conf, strlen(conf), 100, err, sizeof(err));

	ck_assert_ptr_nonnull(doc);
	ck_assert_int_eq(points_init(&points, NULL, json_root(doc), &sizes), 0);
	json_free(doc);
}

static void
teardown(void)
{
	points_clear(&points);
}

/* A queue with room for that many. */
static size_t room;

static bool
describe(void *arg, uint64_t token, const void *asdu, size_t len, bool confirmed)
{
	(void)token, (void)confirmed;
	ck_assert_uint_eq(len, 1);
	if (!room)
		return false;
	room--;
	strncat(arg, asdu, 1);
	return true;
}

static void
read_more(struct points_reader *r, size_t more, const char *changes, bool behind)
{
	char text[20] = "";

	room = more;
	points_read(&points, r, describe, text);
	ck_assert_str_eq(text, changes);
	ck_assert_int_eq(r->behind, behind);
}

static void
expect(const char *changes)
{
	struct points_reader r;

	ck_assert_int_eq(points_reader_init(&r, &points), 0);
	read_more(&r, SIZE_MAX, changes, false);
	points_reader_clear(&r);
}

START_TEST(points_are_found)
{
	ck_assert_uint_eq(points.count, 3);
	ck_assert_ptr_nonnull(points_find(&points, 2, IEC_SINGLE, 7));
	ck_assert_ptr_nonnull(points_find(&points, 1, IEC_STATUS, 7));
	ck_assert_ptr_null(points_find(&points, 2, IEC_STATUS, 7));
	ck_assert_ptr_null(points_find(&points, 3, IEC_SINGLE, 7));
	/* In the order of an interrogation: one common address after another. */
	ck_assert_int_eq(points.list[0].common, 1);
	ck_assert_int_eq(points.list[2].common, 2);
}
END_TEST

START_TEST(points_are_found_by_address)
{
	struct point *status = points_find(&points, 1, IEC_STATUS, 7);
	size_t count;

	ck_assert_ptr_null(points_at(&points, 1, 7)); /* nothing is known of it */
	status->known = true;
	ck_assert_ptr_eq(points_at(&points, 1, 7), status);
	ck_assert_ptr_null(points_at(&points, 1, 8));
	ck_assert_ptr_null(points_at(&points, 3, 7));
	ck_assert_ptr_eq(points_of(&points, 1, &count), points.list);
	ck_assert_uint_eq(count, 2);
	points_of(&points, 9, &count);
	ck_assert_uint_eq(count, 0);
	points_of(&points, 0, &count);
	ck_assert_uint_eq(count, 0);
}
END_TEST

/* A ring is as large as what it had to hold, up to its size. */
START_TEST(rings_grow)
{
	static const char conf[] =
	    "{\"buffers\":[{\"name\":\"\",\"size\":1},{\"name\":\"a\",\"size\":10000000}],\"data\":"
	    "["
	    "{\"data_type\":\"SINGLE\",\"asdu_address\":2,\"io_address\":7,\"buffer\":\"a\"}]}";
	static const struct asdu_sizes sizes = { 2, 2, 3 };
	char err[100];
	struct json_doc *doc = json_parse(conf, strlen(conf), 100, err, sizeof(err));
	struct points_reader r;
	uint64_t last = 0;

	points_clear(&points);
	ck_assert_int_eq(points_init(&points, NULL, json_root(doc), &sizes), 0);
	json_free(doc);
	ck_assert_uint_eq(points.buffers[1].capacity, 0);
	for (int i = 0; i < 100; i++) {
		last = points_keep(&points, &points.list[0], i % 2 ? "b" : "a", 1);
		ck_assert_uint_ne(last, 0);
		if (i < 90)
			points_given(&points, last);
	}
	ck_assert_uint_eq(points.buffers[1].capacity, 16);
	for (int i = 0; i < 40; i++)
		points_keep(&points, &points.list[0], "c", 1);
	ck_assert_uint_eq(points.buffers[1].capacity, 64);
	points_given(&points, last);
	ck_assert_int_eq(points_reader_init(&r, &points), 0);
	read_more(&r, 12, "ababababaccc", true);
	points_reader_clear(&r);
}
END_TEST

START_TEST(oldest_changes_give_way)
{
	const struct point *p = points_find(&points, 2, IEC_SINGLE, 7);

	for (const char *c = "abcde"; *c; c++)
		ck_assert_uint_ne(points_keep(&points, p, c, 1), 0);
	expect("cde");
}
END_TEST

START_TEST(given_changes_leave)
{
	const struct point *p = points_find(&points, 2, IEC_SINGLE, 7);
	uint64_t a = points_keep(&points, p, "a", 1), b = points_keep(&points, p, "b", 1);
	uint64_t c = points_keep(&points, p, "c", 1);

	points_given(&points, b);
	expect("ac");
	points_given(&points, b);
	points_given(&points, a);
	expect("c");
	points_keep(&points, p, "d", 1);
	points_keep(&points, p, "e", 1);
	expect("cde");
	points_keep(&points, p, "f", 1);
	points_given(&points, c); /* overwritten already: another's place */
	expect("def");
	points_given(&points, 0);
	points_given(&points, UINT64_MAX);
	expect("def");
}
END_TEST

START_TEST(no_buffer_keeps_nothing)
{
	char big[POINTS_MAX_ASDU + 1] = { 0 };

	ck_assert_uint_eq(points_keep(&points, points_find(&points, 1, IEC_SINGLE, 7), "a", 1), 0);
	ck_assert_uint_eq(points_keep(&points, points_find(&points, 1, IEC_STATUS, 7), "a", 1), 0);
	ck_assert_uint_eq(
	    points_keep(&points, points_find(&points, 2, IEC_SINGLE, 7), big, sizeof(big)), 0);
	expect("");
}
END_TEST

/* What a full queue did not take comes when there is room: nothing twice, nothing out of order. */
START_TEST(readers_go_on)
{
	const struct point *p = points_find(&points, 2, IEC_SINGLE, 7);
	struct points_reader r;

	ck_assert_int_eq(points_reader_init(&r, &points), 0);
	uint64_t a = points_keep(&points, p, "a", 1);
	points_keep(&points, p, "b", 1);
	uint64_t c = points_keep(&points, p, "c", 1);
	read_more(&r, 1, "a", true);
	read_more(&r, 0, "", true);
	points_given(&points, a);
	read_more(&r, 1, "b", true);
	points_keep(&points, p, "d", 1);
	points_given(&points, c); /* to another master */
	read_more(&r, 9, "d", false);
	read_more(&r, 9, "", false);
	points_keep(&points, p, "e", 1);
	read_more(&r, 0, "", true);
	for (const char *more = "fgh"; *more; more++) /* overwrite it */
		points_keep(&points, p, more, 1);
	read_more(&r, 9, "fgh", false);
	points_reader_rewind(&r, &points);
	read_more(&r, 9, "fgh", false);
	points_reader_clear(&r);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, points_are_found);
	tcase_add_test(tc, points_are_found_by_address);
	tcase_add_test(tc, rings_grow);
	tcase_add_test(tc, oldest_changes_give_way);
	tcase_add_test(tc, given_changes_leave);
	tcase_add_test(tc, readers_go_on);
	tcase_add_test(tc, no_buffer_keeps_nothing);
}

UNIT_MAIN("iec_points")
