/* device_index.c over children that are a configuration and nothing else. */
#include "supervisor/engine/device_index.h"

#include <errno.h>
#include <stdio.h>

#include "supervisor/engine/engine_device.h"
#include "tests/unit/suite.h"

enum { MANY = 4096 };

struct child {
	struct config_device conf;
};

static struct child children[MANY];
static struct engine_device devices[MANY], *pointers[MANY];
static char names[MANY][16];
static struct device_index names_index;

const struct config_device *
child_conf(const struct child *c)
{
	return &c->conf;
}

static void
set(size_t i, char *type, char *name)
{
	children[i].conf = (struct config_device){ .type = type, .name = name };
	devices[i].child = &children[i];
	pointers[i] = &devices[i];
}

static void
build(size_t count)
{
	ck_assert_int_eq(device_index_build(&names_index, pointers, count), 0);
}

static void
expect(const char *name, const struct engine_device *device)
{
	errno = 0;
	ck_assert_msg(device_index_find(&names_index, name) == device, "%s", name);
	ck_assert_int_eq(errno, 0);
}

static void
expect_error(const char *name, int error)
{
	errno = 0;
	ck_assert_msg(!device_index_find(&names_index, name), "%s", name);
	ck_assert_msg(errno == error, "%s: errno %d", name, errno);
}

static void
teardown(void)
{
	device_index_clear(&names_index);
}

START_TEST(by_name_and_by_type)
{
	set(0, "modbus_master", "plc1");
	set(1, "iec104_slave", "rtu3");
	build(2);
	expect("plc1", &devices[0]);
	expect("modbus_master/plc1", &devices[0]);
	expect("rtu3", &devices[1]);
	expect("iec104_slave/rtu3", &devices[1]);
}
END_TEST

START_TEST(absent_names)
{
	static const char *const absent[] = { "", "/", "plc", "plc11", "PLC1", "modbus_master",
		"modbus_master/", "/plc1", "iec104_slave/plc1", "modbus_master/rtu3",
		"modbus_master/plc1/", "modbus_masterplc1" };

	set(0, "modbus_master", "plc1");
	set(1, "iec104_slave", "rtu3");
	build(2);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		expect_error(absent[i], ENOENT);
}
END_TEST

START_TEST(ambiguous)
{
	set(0, "modbus_master", "plc1");
	set(1, "iec104_slave", "plc1");
	set(2, "ping", "plc1");
	set(3, "ping", "plc2");
	build(4);
	expect_error("plc1", ENOTUNIQ);
	expect("modbus_master/plc1", &devices[0]);
	expect("iec104_slave/plc1", &devices[1]);
	expect("ping/plc1", &devices[2]);
	expect("plc2", &devices[3]);
}
END_TEST

START_TEST(built_again)
{
	set(0, "ping", "old");
	build(1);
	set(0, "ping", "new");
	build(1);
	expect("new", &devices[0]);
	expect_error("old", ENOENT);
	expect_error("ping/old", ENOENT);
}
END_TEST

START_TEST(empty)
{
	expect_error("plc1", ENOENT); /* not built yet */
	build(0);
	expect_error("plc1", ENOENT);
	device_index_clear(&names_index);
	expect_error("plc1", ENOENT);
}
END_TEST

START_TEST(many)
{
	char whole[96];

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "d%zu", i);
		set(i, i % 2 ? "ping" : "modbus_slave", names[i]);
	}
	build(MANY);
	for (size_t i = 0; i < MANY; i++) {
		expect(names[i], &devices[i]);
		snprintf(whole, sizeof(whole), "%.31s/%.31s", children[i].conf.type, names[i]);
		expect(whole, &devices[i]);
		snprintf(
		    whole, sizeof(whole), "%.31s/%.31s", i % 2 ? "modbus_slave" : "ping", names[i]);
		expect_error(whole, ENOENT);
	}
	expect_error("d4096", ENOENT);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, by_name_and_by_type);
	tcase_add_test(tc, absent_names);
	tcase_add_test(tc, ambiguous);
	tcase_add_test(tc, built_again);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, many);
}

UNIT_MAIN("device_index")
