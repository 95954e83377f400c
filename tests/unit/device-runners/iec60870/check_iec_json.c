#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/iec60870/iec_json.h"
#include "tests/unit/suite.h"

static struct iec_map master, slave;

static void
set_up(void)
{
	master = (struct iec_map){ .sizes = asdu_sizes_104, .command_times = true };
	iec_zone_init(&master.zone, "UTC");
	slave = master;
	slave.slave = true;
}

static const char *
written(bool of_slave, uint8_t type, const struct asdu_head *more, const struct iec_object *o)
{
	static char text[IEC_JSON_MAX + 1];
	struct asdu_head head = *more;

	head.type = iec_type_find(type);
	text[iec_json_write(text, of_slave, &head, o, of_slave ? 7 : -1)] = '\0';
	return text;
}

START_TEST(payloads)
{
	struct asdu_head head = { .cause = 3, .test = true };
	struct iec_object o = { .value = 1, .quality = 0x90 };

	ck_assert_str_eq(written(false, 1, &head, &o),
	    "{\"is_test\":true,\"cause\":\"SPONTANEOUS\",\"data\":{\"value\":\"ON\",\"quality\":"
	    "{\"invalid\":true,\"not_topical\":false,\"substituted\":false,\"blocked\":true}}}");
	o = (struct iec_object){ .real = NAN, .quality = 1 };
	head = (struct asdu_head){ .cause = 42 };
	ck_assert_str_eq(written(false, 13, &head, &o),
	    "{\"is_test\":false,\"cause\":42,\"data\":{\"value\":\"nan\",\"quality\":"
	    "{\"invalid\":false,\"not_topical\":false,\"substituted\":false,\"blocked\":false,"
	    "\"overflow\":true}}}");
	o = (struct iec_object){ .value = 2, .select = true, .qualifier = 31 };
	head = (struct asdu_head){ .cause = IEC_ACTIVATION, .negative = true };
	ck_assert_str_eq(written(true, 46, &head, &o),
	    "{\"connection_id\":7,\"is_test\":false,\"cause\":\"ACTIVATION\",\"command\":"
	    "{\"value\":\"ON\",\"select\":true,\"qualifier\":31}}");
	ck_assert_str_eq(written(false, 46, &head, &o),
	    "{\"is_test\":false,\"is_negative_confirm\":true,\"cause\":6,\"command\":"
	    "{\"value\":\"ON\",\"select\":true,\"qualifier\":31}}");
	o = (struct iec_object){ .qualifier = 5, .freeze = 2 };
	head = (struct asdu_head){ .cause = IEC_ACTIVATION_TERMINATION };
	ck_assert_str_eq(written(false, IEC_C_CI_NA_1, &head, &o),
	    "{\"is_test\":false,\"is_negative_confirm\":false,\"cause\":\"ACTIVATION_TERMINATION\","
	    "\"request\":5,\"freeze\":\"FREEZE_AND_RESET\"}");
	ck_assert_str_eq(written(false, IEC_C_RP_NA_1, &head, &o), "");
}
END_TEST

/* The longest of each class stays in its buffer. */
START_TEST(the_longest_fits)
{
	struct iec_object o = { .quality = 0, .real = -1.1754943508222875e-38f };
	struct asdu_head head = { .cause = 21 };
	size_t longest = 0;

	for (unsigned id = 0; id < 128; id++) {
		head.type = iec_type_find((uint8_t)id);
		if (!head.type)
			continue;
		char text[4096];
		o.value = head.type->kind == IEC_BITSTRING || head.type->kind == IEC_STATUS ? 0
			  : head.type->kind == IEC_SCALED || head.type->kind == IEC_NORMALIZED
			      ? -32767 / 3
			  : head.type->kind == IEC_BINARY_COUNTER ? INT32_MIN
								  : 1;
		size_t n = iec_json_write(text, true, &head, &o, INT64_MAX);
		longest = n > longest ? n : longest;
	}
	ck_assert_uint_gt(longest, 400);
	ck_assert_uint_le(longest, IEC_JSON_MAX);
}
END_TEST

/* Data and commands of any bytes: to a payload and back to the same object. */
START_TEST(payloads_read_back)
{
	uint64_t x = 88172645463325252u;

	for (unsigned id = 0; id < 128; id++) {
		const struct iec_type *type = iec_type_find((uint8_t)id);
		if (!type || (type->class != IEC_CLASS_DATA && type->class != IEC_CLASS_COMMAND) ||
		    type->time == IEC_TIME_CP24)
			continue;
		for (int turn = 0; turn < 300; turn++) {
			struct iec_object o = { .address = 5 };
			struct iec_event e;
			struct iec_request q;
			uint8_t bytes[32];
			char why[IEC_JSON_WHY] = "";
			bool data = type->class == IEC_CLASS_DATA;
			struct asdu_head head = {
				.type = type, .cause = data ? 3 : 7, .common = 9
			};
			for (size_t i = 0; i < sizeof(bytes); i++)
				x ^= x << 13, x ^= x >> 7, x ^= x << 17, bytes[i] = (uint8_t)x;
			struct cursor c = cursor_make(bytes, sizeof(bytes));
			iec_object_decode(&o, type, &c);
			if (type->time)
				o.time = (struct iec_time){ .size = 7,
					.day = 1 + turn % 28,
					.month = 3,
					.weekday = 0,
					.year = 24 };
			if (!data && type->size > 1)
				o.qualifier = 0; /* QL is not in the payload */
			/* -32768 / 32767 is below -1 and reads back; the sender made it */
			if (iec_event_make(&e, &master, &head, &o, -1, (struct timestamp){ 0 })) {
				ck_assert_ptr_nonnull(o.defect);
				continue;
			}
			ck_assert(json_valid(e.text, e.len));
			struct iec_map map = data ? slave : master;
			if (!data)
				head.cause = IEC_ACTIVATION;
			iec_event_make(
			    &e, data ? &master : &slave, &head, &o, -1, (struct timestamp){ 0 });
			int rc = iec_request_read(&q, &map, e.type, e.type_len,
			    e.has_timestamp ? &e.timestamp : NULL, e.text, e.len, why);
			ck_assert_msg(rc == 0, "%s: %s: %.*s", type->name, why, (int)e.len, e.text);
			ck_assert_ptr_eq(q.head.type, type);
			o.time.weekday = q.object.time.weekday;
			if (type->kind == IEC_FLOATING && isnan(o.real)) {
				ck_assert(isnan(q.object.real));
				o.real = q.object.real = 0;
			}
			ck_assert_msg(memcmp(&o, &q.object, sizeof(o)) == 0, "%s: %.*s", type->name,
			    (int)e.len, e.text);
		}
	}
}
END_TEST

struct row {
	const char *kind, *payload;
};

#define DATA(value, quality)                                                                       \
	"{\"is_test\":false,\"cause\":\"SPONTANEOUS\",\"data\":{\"value\":" value                  \
	",\"quality\":" quality "}}"
#define Q4 "{\"invalid\":false,\"not_topical\":false,\"substituted\":false,\"blocked\":false}"
#define Q5                                                                                         \
	"{\"invalid\":false,\"not_topical\":false,\"substituted\":false,\"blocked\":false,"        \
	"\"overflow\":false}"

START_TEST(bad_data_is_refused)
{
	static const struct row rows[] = {
		{ "single", "" },
		{ "single", "[]" },
		{ "single", "{}" },
		{ "single", DATA("\"MAYBE\"", Q4) },
		{ "single", DATA("1", Q4) },
		{ "single", DATA("\"ON\"", "{}") },
		{ "single", DATA("\"ON\"", "null") },
		{ "single",
		    "{\"is_test\":0,\"cause\":3,\"data\":{\"value\":\"ON\",\"quality\":" Q4 "}}" },
		{ "single",
		    "{\"is_test\":false,\"cause\":64,\"data\":{\"value\":\"ON\",\"quality\":" Q4
		    "}}" },
		{ "single", "{\"is_test\":false,\"cause\":\"ACTIVATION\",\"data\":{\"value\":"
			    "\"ON\",\"quality\":" Q4 "}}" },
		{ "step_position", DATA("{\"value\":64,\"transient\":false}", Q5) },
		{ "step_position", DATA("{\"value\":-65,\"transient\":false}", Q5) },
		{ "bitstring", DATA("[1,2,3]", Q5) },
		{ "bitstring", DATA("[1,2,3,256]", Q5) },
		{ "bitstring", DATA("[1,2,3,4,5]", Q5) },
		{ "normalized", DATA("1.1", Q5) },
		{ "normalized", DATA("-1.1", Q5) },
		{ "normalized", DATA("\"nan\"", Q5) },
		{ "scaled", DATA("32768", Q5) },
		{ "scaled", DATA("1.5", Q5) },
		{ "floating", DATA("3.5e38", Q5) },
		{ "floating", DATA("\"NaN\"", Q5) },
		{ "binary_counter", DATA("2147483648", "{\"invalid\":false,\"adjusted\":false,"
						       "\"overflow\":false,\"sequence\":0}") },
		{ "binary_counter", DATA("1", "{\"invalid\":false,\"adjusted\":false,\"overflow\":"
					      "false,\"sequence\":32}") },
		{ "status", DATA("{\"value\":[true],\"change\":[]}", Q5) },
		{ "protection",
		    DATA("\"ON\"", "{\"invalid\":false,\"not_topical\":false,\"substituted\":false,"
				   "\"blocked\":false,\"time_invalid\":false}") },
		{ "regulating", DATA("\"LOWER\"", Q4) },
		{ "nothing", DATA("1", Q4) },
	};
	struct iec_request q;
	char why[IEC_JSON_WHY];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *type[] = { "data", rows[i].kind, "1", "2" };
		memset(why, 0, sizeof(why));
		ck_assert_msg(iec_request_read(&q, &slave, type, 4, NULL, rows[i].payload,
				  strlen(rows[i].payload), why) == -1,
		    "row %zu", i);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_uint_gt(strlen(why), 0);
	}
}
END_TEST

START_TEST(good_data_is_taken)
{
	static const struct row rows[] = {
		{ "normalized", DATA("1", Q5) },
		{ "normalized", DATA("-1.0", "null") },
		{ "floating", DATA("3.4028234663852886e38", Q5) },
		{ "floating", DATA("\"-inf\"", Q5) },
		{ "binary_counter", DATA("-2147483648", "{\"invalid\":false,\"adjusted\":false,"
							"\"overflow\":false,\"sequence\":true}") },
		{ "double", DATA("\"FAULT\"", Q4) },
	};
	struct iec_request q;
	char why[IEC_JSON_WHY] = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *type[] = { "data", rows[i].kind, "65535", "16777215" };
		ck_assert_msg(iec_request_read(&q, &slave, type, 4, NULL, rows[i].payload,
				  strlen(rows[i].payload), why) == 0,
		    "row %zu: %s", i, why);
		ck_assert_uint_eq(q.head.common, 65535);
		ck_assert_uint_eq(q.object.address, 16777215);
	}
}
END_TEST

START_TEST(times_that_no_tag_holds_are_refused)
{
	static const char payload[] = "{\"is_test\":false,\"cause\":\"SPONTANEOUS\",\"data\":{"
				      "\"value\":1,\"quality\":{\"invalid\":false,"
				      "\"not_topical\":false,\"substituted\":false,"
				      "\"blocked\":false,\"overflow\":false}}}";
	static const char *const type[] = { "data", "scaled", "1", "2" };
	static const struct {
		int64_t s;
		int rc;
	} rows[] = { { INT64_MIN, -1 }, { -1, -1 }, { 0, 0 }, { INT64_C(3155673599), 0 },
		{ INT64_C(3155673600), -1 }, { INT64_MAX, -1 } };
	struct iec_request q;
	char why[IEC_JSON_WHY];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct timestamp ts = { rows[i].s, 999999 };
		int rc =
		    iec_request_read(&q, &slave, type, 4, &ts, payload, sizeof(payload) - 1, why);
		ck_assert_int_eq(rc, rows[i].rc);
		ck_assert(rc == 0 || strstr(why, "source timestamp"));
	}
}
END_TEST

START_TEST(bad_types_are_refused)
{
	static const char *const rows[][5] = {
		{ "data", "single", "1", "1", NULL }, /* not of a master */
		{ "command", "single", "1", NULL },
		{ "command", "status", "1", "1", NULL },
		{ "command", "single", "-1", "1", NULL },
		{ "command", "single", "65536", "1", NULL },
		{ "command", "single", "1", "16777216", NULL },
		{ "command", "single", "1", "99999999999999999999", NULL },
		{ "command", "single", "", "1", NULL },
		{ "command", "single", "1", "0x1", NULL },
		{ "interrogation", NULL },
		{ "interrogation", "1", "2", NULL },
		{ "enable", NULL },
	};
	static const char payload[] =
	    "{\"is_test\":false,\"cause\":\"ACTIVATION\",\"request\":20,"
	    "\"command\":{\"value\":\"ON\",\"select\":false,\"qualifier\":0}}";
	struct iec_request q;
	char why[IEC_JSON_WHY];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count = 0;
		while (rows[i][count])
			count++;
		ck_assert_msg(iec_request_read(&q, &master, rows[i], count, NULL, payload,
				  sizeof(payload) - 1, why) == -1,
		    "row %zu", i);
	}
	const char *good[] = { "command", "single", "65535", "16777215" };
	ck_assert_int_eq(
	    iec_request_read(&q, &master, good, 4, NULL, payload, sizeof(payload) - 1, why), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, payloads);
	tcase_add_test(tc, the_longest_fits);
	tcase_add_test(tc, payloads_read_back);
	tcase_add_test(tc, bad_data_is_refused);
	tcase_add_test(tc, good_data_is_taken);
	tcase_add_test(tc, times_that_no_tag_holds_are_refused);
	tcase_add_test(tc, bad_types_are_refused);
}

UNIT_MAIN("iec_json")
