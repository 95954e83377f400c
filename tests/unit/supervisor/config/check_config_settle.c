#include <stdlib.h>
#include <string.h>

#include "supervisor/config/config.h"
#include "tests/unit/suite.h"
#include "tests/unit/supervisor/config/loading.h"

static const char full[] = "name: g\n"
			   "event_server:\n"
			   "  built_in:\n"
			   "    data: /var/data\n"
			   "    timeseries: 7\n"
			   "    listen: {host: h, port: 9, token_file: /t}\n"
			   "    retention: [{type: a/b, count: 3}]\n"
			   "control: {group: ops, observe_group: all}\n"
			   "log: {version: 1, root: {level: DEBUG}}\n"
			   "devices:\n"
			   "- {module: " MASTER ", name: a, x: [1, {y: 2}], enabled: true}\n"
			   "- {module: " MASTER ", name: b, limits: {files: 99}}\n"
			   "- {module: hat.gateway.devices.modbus.slave, name: a}\n"
			   "- {runner: /r, type: own, name: c, runner_reads: [/p, /q], z: 5}\n";

static void
on_change(void *arg, const char *text)
{
	struct buffer *b = arg;

	buffer_printf(b, "%s;", text);
}

static void
expect_same(const struct config *a, const struct config *b)
{
	struct config_diff *d = config_diff(a, b);
	struct buffer changes;

	buffer_init(&changes, 4096);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->counts[CONFIG_SAME], a->device_count);
	ck_assert_uint_eq(d->count, a->device_count);
	ck_assert(!d->server && !d->log && !d->control);
	for (int part = 0; part < CONFIG_PARTS; part++)
		config_gateway_changes(a, b, (enum config_part)part, on_change, &changes);
	for (size_t i = 0; i < a->device_count; i++) {
		ck_assert_str_eq(a->devices[i].label, b->devices[i].label);
		config_device_changes(&a->devices[i], &b->devices[i], on_change, &changes);
	}
	ck_assert_uint_eq(changes.len, 0);
	buffer_clear(&changes);
	free(d);
}

START_TEST(everything_but_the_trees_stays)
{
	struct config *c = load_good(full), *fresh = load_good(full);
	const struct config_device *devices = c->devices;

	config_settle(c);
	ck_assert_ptr_eq(c->devices, devices);
	for (size_t i = 0; i < c->device_count; i++)
		ck_assert_ptr_null(c->devices[i].conf);
	expect_same(c, fresh);
	config_settle(c);
	config_settle(fresh);
	expect_same(fresh, c);
	ck_assert_str_eq(c->devices[3].runner, "/r");
	ck_assert_str_eq(c->devices[3].runner_reads->child->next->text, "/q");
	ck_assert_str_eq(c->built_in.retention->child->child->text, "a/b");
	config_free(c);
	config_free(fresh);
}
END_TEST

static void
expect_json(const struct config_device *d, const char *json)
{
	struct buffer b;

	buffer_init(&b, 4096);
	config_device_json(d, &b);
	buffer_u8(&b, 0);
	ck_assert(!buffer_failed(&b));
	ck_assert_str_eq((const char *)buffer_data(&b), json);
	buffer_clear(&b);
}

START_TEST(runners_get_the_same_text)
{
	static const char text[] = "{\"module\":\"" MASTER "\",\"name\":\"a\",\"x\":[1,{\"y\":2}]}";
	struct config *c = load_good(full);
	struct json_doc *doc;

	expect_json(c->devices, text);
	config_settle(c);
	expect_json(c->devices, text);
	expect_json(&c->devices[3], "{\"type\":\"own\",\"name\":\"c\",\"z\":5}");
	const struct json *tree = config_device_tree(&c->devices[3], &doc);
	ck_assert_str_eq(json_get(tree, "z")->text, "5");
	json_free(doc);
	config_free(c);
}
END_TEST

START_TEST(changes_are_told_by_key)
{
	struct config *before =
	    load_good("name: g\ndevices: [{module: " MASTER ", name: a, x: [1, 2]}]\n");
	struct config *after =
	    load_good("name: g\ndevices: [{module: " MASTER ", name: a, x: [1, 3]}]\n");
	struct buffer b;

	config_settle(before);
	buffer_init(&b, 4096);
	config_device_changes(before->devices, after->devices, on_change, &b);
	buffer_u8(&b, 0);
	ck_assert_str_eq((const char *)buffer_data(&b), "x[1]: 2 -> 3;");
	buffer_clear(&b);
	config_free(before);
	config_free(after);
}
END_TEST

START_TEST(its_texts_are_found_without_a_tree)
{
	static const char text[] =
	    "name: g\n"
	    "devices:\n"
	    "- {module: " MASTER
	    ", name: a, /key: [{b: /file, c: '/quo\"ted'}, 'x\"/in\"x', '/end\\']}\n";
	static const struct {
		const char *text;
		bool found;
	} rows[] = {
		{ .text = "/file", .found = true },
		{ .text = "/quo\"ted", .found = true },
		{ .text = "/end\\", .found = true },
		{ .text = "x\"/in\"x", .found = true },
		{ .text = "/in" },
		{ .text = "/key" },
		{ .text = "/fil" },
		{ .text = "file" },
		{ .text = "/end" },
		{ .text = "" },
		{ .text = "," },
	};
	struct config *c = load_good(text);

	for (int settled = 0; settled < 2; settled++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			ck_assert_msg(
			    config_device_names(c->devices, rows[i].text) == rows[i].found, "%s",
			    rows[i].text);
		config_settle(c);
	}
	config_free(c);
}
END_TEST

/* More than is read at once. */
START_TEST(long_texts_are_compared_to_their_end)
{
	enum { POINTS = 20000 };
	struct buffer b;
	struct config *c[3];

	for (int i = 0; i < 3; i++) {
		buffer_init(&b, 1 << 20);
		buffer_printf(&b, "name: g\ndevices: [{module: " MASTER ", name: a, x: [");
		for (int k = 0; k < POINTS; k++)
			buffer_printf(&b, "%d, ", k);
		buffer_printf(&b, "%d]}]\n", i == 2);
		c[i] = config_load_text((const char *)buffer_data(&b), b.len, "f", on_fault, NULL);
		ck_assert_ptr_nonnull(c[i]);
		config_settle(c[i]);
		buffer_clear(&b);
	}
	ck_assert(config_device_equal(c[0]->devices, c[1]->devices));
	ck_assert(!config_device_equal(c[0]->devices, c[2]->devices));
	for (int i = 0; i < 3; i++)
		config_free(c[i]);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, everything_but_the_trees_stays);
	tcase_add_test(tc, runners_get_the_same_text);
	tcase_add_test(tc, its_texts_are_found_without_a_tree);
	tcase_add_test(tc, changes_are_told_by_key);
	tcase_add_test(tc, long_texts_are_compared_to_their_end);
}

UNIT_MAIN("config_settle")
