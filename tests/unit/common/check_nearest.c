#include <string.h>

#include "common/nearest.h"
#include "tests/unit/suite.h"

static const char *const names[] = { "name", "remote_devices", "response_timeout", "host", "port",
	"time_sync_delay", "iec104_master", "iec104_slave" };

static const struct {
	const char *word, *best;
} words[] = {
	{ "nmae", "name" },
	{ "nme", "name" },
	{ "Name", "name" },
	{ "names", "name" },
	{ "hots", "host" },
	{ "prot", "port" },
	{ "remote-devices", "remote_devices" },
	{ "remote_device", "remote_devices" },
	{ "responce_timeout", "response_timeout" },
	{ "response_time", "response_timeout" },
	{ "time_synch_delay", "time_sync_delay" },
	{ "iec104_mastre", "iec104_master" },
	{ "x", NULL },
	{ "", NULL },
	{ "bogus", NULL },
	{ "ab", NULL },
	{ "entirely_something_else", NULL },
	{ "remote_devices_remote_devices_remote_devices_remote_devices", NULL },
};

START_TEST(the_nearest_is_found_or_none)
{
	struct nearest n = nearest_begin(words[_i].word);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nearest_offer(&n, names[i]);
	if (words[_i].best)
		ck_assert_str_eq(n.best ? n.best : "none", words[_i].best);
	else
		ck_assert_ptr_null(n.best);
}
END_TEST

/* The same whatever stands for what; and a name of the longest that is compared. */
START_TEST(distances_are_symmetric)
{
	char longest[NEAREST_MAX_LENGTH + 1];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			struct nearest a = nearest_begin(names[i]), b = nearest_begin(names[j]);
			a.distance = b.distance = 1000;
			nearest_offer(&a, names[j]);
			nearest_offer(&b, names[i]);
			ck_assert_uint_eq(a.distance, b.distance);
			ck_assert_int_eq(a.distance == 0, i == j);
		}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	struct nearest n = nearest_begin(longest);
	nearest_offer(&n, longest);
	ck_assert_ptr_eq(n.best, longest);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, the_nearest_is_found_or_none, words);
	tcase_add_test(tc, distances_are_symmetric);
}

UNIT_MAIN("nearest")
