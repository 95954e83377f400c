#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/config.h"
#include "tests/unit/suite.h"
#include "tests/unit/supervisor/config/loading.h"

#define DEVICES(list) "name: g\ndevices: [" list "]\n"
#define DEVICE(name, rest) "{module: " MASTER ", name: " name rest "}"

static const struct {
	const char *a, *b;
	bool equal;
} pairs[] = {
	{ "", "", true },
	{ ", x: 1", ", x: 1", true },
	{ ", x: 1", ",  # a comment\n\n  x: 1", true },
	{ ", x: 1, y: {a: 1, b: 2}", ", y: {b: 2, a: 1}, x: 1", true },
	{ ", x: 0x10", ", x: 16", true },
	{ ", x: &a [1], y: *a", ", x: [1], y: [1]", true },
	{ ", limits: {files: 256}", "", true }, /* the default */
	{ ", sandbox: strict", "", true },
	{ ", x: 1", ", x: 2", false },
	{ ", x: 1", ", x: '1'", false },
	{ ", x: 1", ", y: 1", false },
	{ ", x: 1", "", false },
	{ "", ", x: null", false },
	{ ", x: [1, 2]", ", x: [2, 1]", false },
	{ ", x: [1, 2]", ", x: [1]", false },
	{ ", x: true", ", x: false", false },
	{ ", x: {type: a}", ", x: {type: b}", false },
	{ ", limits: {files: 255}", "", false },
	{ ", sandbox: off", "", false },
	{ ", runner: /a", ", runner: /b", false },
	{ ", runner: /a", "", false },
	{ ", runner: /a, type: t", ", runner: /a, type: u", false },
};

START_TEST(devices_compare_by_meaning)
{
	char text[512];

	snprintf(text, sizeof(text), DEVICES(DEVICE("a", "%s")), pairs[_i].a);
	struct config *a = load_good(text);
	snprintf(text, sizeof(text), DEVICES(DEVICE("a", "%s")), pairs[_i].b);
	struct config *b = load_good(text);
	ck_assert(config_device_equal(a->devices, b->devices) == pairs[_i].equal);
	ck_assert(config_device_equal(b->devices, a->devices) == pairs[_i].equal);
	config_settle(a);
	ck_assert_ptr_null(a->devices[0].conf);
	ck_assert(config_device_equal(a->devices, b->devices) == pairs[_i].equal);
	ck_assert_int_eq(config_keep_texts(b), 0);
	ck_assert(config_device_equal(a->devices, b->devices) == pairs[_i].equal);
	config_settle(b);
	ck_assert(config_device_equal(b->devices, a->devices) == pairs[_i].equal);
	config_free(a);
	config_free(b);
}
END_TEST

static const struct {
	const char *before, *after;
	const char *rows; /* "removed a, added b" */
	const char *also; /* of "server", "log", "control" */
} diffs[] = {
	{ DEVICES(""), DEVICES(""), "", "" },
	{ DEVICES(DEVICE("a", "")), DEVICES(DEVICE("a", "")), "same a", "" },
	{ DEVICES(""), DEVICES(DEVICE("b", "") "," DEVICE("a", "")), "added b, added a", "" },
	{ DEVICES(DEVICE("b", "") "," DEVICE("a", "")), DEVICES(""), "removed b, removed a", "" },
	{ DEVICES(DEVICE("a", "") "," DEVICE("b", "") "," DEVICE("c", "")),
	    DEVICES(DEVICE("d", "") "," DEVICE("c", "") "," DEVICE("b", ", x: 1")),
	    "removed a, changed b, added d, same c", "" },
	{ DEVICES(DEVICE("a", "")), DEVICES("{module: hat.gateway.devices.modbus.slave, name: a}"),
	    "removed a, added a", "" },
	{ DEVICES(DEVICE("a", "")), DEVICES(DEVICE("a", ", limits: {stop_ms: 700}, enabled: true")),
	    "changed a", "" },
	{ DEVICES(""), "name: h\ndevices: []\n", "", "name" },
	{ DEVICES(""), "gateway_name: g\ndevices: []\n", "", "name" },
	{ HEAD "event_server: {eventer_server: {host: h, port: 1}}\n",
	    HEAD "event_server: {eventer_server: {host: h, port: 2}}\n", "", "server" },
	{ HEAD "event_server_address: tcp+sbs://h:1\n",
	    HEAD "event_server: {eventer_server: {host: h, port: 1}}\n", "", "" },
	{ HEAD, HEAD "event_server: {built_in: {timeseries: 1}}\n", "", "server" },
	{ HEAD, HEAD "log: {root: {level: DEBUG}}\n", "", "log" },
	{ HEAD, HEAD "control: {group: ops}\n", "", "control" },
};

static void
expect_diff(int _i, bool settled)
{
	struct config *before = load_good(diffs[_i].before), *after = load_good(diffs[_i].after);
	struct buffer b;

	if (settled)
		config_settle(before);
	struct config_diff *d = config_diff(before, after);

	ck_assert_ptr_nonnull(d);
	buffer_init(&b, 4096);
	for (size_t i = 0; i < d->count; i++) {
		const struct config_diff_row *r = &d->rows[i];
		ck_assert((r->before == NULL) == (r->change == CONFIG_ADDED));
		ck_assert((r->after == NULL) == (r->change == CONFIG_REMOVED));
		buffer_printf(&b, "%s%s %s", i ? ", " : "", config_change_name(r->change),
		    r->after ? r->after->name : r->before->name);
	}
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b), diffs[_i].rows);
	ck_assert(d->name == (strcmp(diffs[_i].also, "name") == 0));
	ck_assert(d->elsewhere == (strcmp(diffs[_i].also, "server") == 0));
	ck_assert(d->server == (d->name || d->elsewhere));
	ck_assert(d->log == (strcmp(diffs[_i].also, "log") == 0));
	ck_assert(d->control == (strcmp(diffs[_i].also, "control") == 0));
	size_t sum = 0;
	for (int i = 0; i < CONFIG_CHANGES; i++)
		sum += d->counts[i];
	ck_assert_uint_eq(sum, d->count);
	buffer_clear(&b);
	free(d);
	config_free(before);
	config_free(after);
}

START_TEST(diff_says_what_a_reload_does)
{
	expect_diff(_i, false);
	expect_diff(_i, true);
}
END_TEST

/* What is wrong with a device is part of it, wherever it stands. */
START_TEST(faults_are_compared)
{
	struct config *good = load_good(DEVICES(DEVICE("a", "")));
	struct config *bad = load(DEVICES(DEVICE("a", ", limits: {files: 1}")));
	struct config *moved =
	    load(DEVICES(DEVICE("b", "") "," DEVICE("a", ", limits: {files: 1}")));
	struct config *other = load(DEVICES(DEVICE("a", ", limits: {files: 2}")));

	ck_assert(bad && moved && other);
	ck_assert(!config_device_equal(good->devices, bad->devices));
	ck_assert(config_device_equal(bad->devices, &moved->devices[1]));
	ck_assert(!config_device_equal(bad->devices, other->devices));
	config_free(good);
	config_free(bad);
	config_free(moved);
	config_free(other);
}
END_TEST

START_TEST(levels_are_counted)
{
	struct config *before = load_good(DEVICES(DEVICE("a", "") "," DEVICE("b", "")));
	struct config *after = load_good(DEVICES(DEVICE("a", "") "," DEVICE("b", "")) "log: {root: "
										      "{level: "
										      "DEBUG}}\n");
	struct config_diff *d = config_diff(before, after);

	ck_assert_uint_eq(d->levels, 2);
	ck_assert_uint_eq(d->counts[CONFIG_SAME], 2);
	free(d);
	config_free(before);
	config_free(after);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_table_test(tc, devices_compare_by_meaning, pairs);
	tcase_add_table_test(tc, diff_says_what_a_reload_does, diffs);
	tcase_add_test(tc, faults_are_compared);
	tcase_add_test(tc, levels_are_counted);
}

UNIT_MAIN("config_diff")
