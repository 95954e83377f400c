/* reload.c over files: what is put in force, and that a fault changes nothing and is logged. */
#include "supervisor/reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/unit/suite.h"

#define GOOD "name: g\ndevices: []\n"

static struct ev_loop *loop;
static struct reload *reload;
static struct config *current;
static char path[64], fault[1024], failure[512], done[512];
static int applied, apply_error;
static bool may;

static void
sink(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device;
	if (event && strcmp(event, "reload_fault") == 0)
		snprintf(fault, sizeof(fault), "%s", text);
	if (event && strcmp(event, "reload_failed") == 0)
		snprintf(failure, sizeof(failure), "%s", text);
	if (event && strcmp(event, "reload") == 0)
		snprintf(done, sizeof(done), "%s", text);
}

static void
ignore_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *where, const char *message)
{
	(void)arg, (void)severity, (void)file, (void)line, (void)column, (void)where, (void)message;
}

static const struct config *
get_current(void *arg)
{
	(void)arg;
	return current;
}

static int
apply(void *arg, struct config *after, const struct config_diff *diff)
{
	(void)arg, (void)diff;
	if (apply_error) {
		errno = apply_error;
		return -1;
	}
	config_free(current);
	current = after;
	applied++;
	return 0;
}

static bool
may_begin(void *arg)
{
	(void)arg;
	return may;
}

static const struct reload_handler handler = { get_current, apply, may_begin };

static void
put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/check_reload.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	log_set_sink(sink);
	loop = ev_loop_new(EVFLAG_AUTO);
	current = config_load_text(GOOD, strlen(GOOD), "before", ignore_fault, NULL);
	ck_assert_ptr_nonnull(current);
	applied = apply_error = 0;
	may = true;
	fault[0] = failure[0] = done[0] = '\0';
	reload = reload_new(loop, path, "/nonexistent", "", NULL, &handler, NULL);
	ck_assert_ptr_nonnull(reload);
}

static void
teardown(void)
{
	reload_free(reload);
	config_free(current);
	ev_loop_destroy(loop);
	log_set_sink(NULL);
	unlink(path);
}

/* Runs until the reload has said how it ended. */
static void
run(bool diff)
{
	char err[128] = "";

	ck_assert_int_eq(reload_start(reload, diff, NULL, err, sizeof(err)), 0);
	ev_run(loop, 0);
}

static void
expect_unchanged(const struct config *before)
{
	ck_assert_ptr_eq(current, before);
	ck_assert_int_eq(applied, 0);
	ck_assert_str_eq(done, "");
	ck_assert_msg(strstr(failure, "; nothing has changed"), "'%s'", failure);
}

START_TEST(good_file)
{
	put_file("name: h\ndevices: []\n");
	run(false);
	ck_assert_int_eq(applied, 1);
	ck_assert_str_eq(failure, "");
	ck_assert_str_eq(fault, "");
	ck_assert_ptr_nonnull(strstr(done, path));
	ck_assert_ptr_nonnull(strstr(done, "0 removed, 0 changed, 0 added, 0 the same"));
}
END_TEST

static const struct {
	const char *text, *place, *why;
} faulty[] = {
	{ "name: [g\n", ":", "" },
	{ "devices: []\n", ":1:1", "name" },
	{ "name: g\ndevices: 7\n", ":2:10", "devices" },
	{ "name: g\ndevices: []\ncontrol: {group: no-such-group}\n", ":3:18", "expected a group" },
	{ "name: g\ndevices:\n- {module: no.such.module, name: x}\n", ":3:", "module" },
};

START_TEST(faulty_file)
{
	const struct config *before = current;
	char place[128];

	put_file(faulty[_i].text);
	run(false);
	expect_unchanged(before);
	ck_assert_str_eq(failure, "reload: the configuration is at fault; nothing has changed");
	snprintf(place, sizeof(place), "%s%s", path, faulty[_i].place);
	ck_assert_msg(strncmp(fault, place, strlen(place)) == 0, "'%s'", fault);
	ck_assert_msg(strstr(fault, faulty[_i].why), "'%s'", fault);
}
END_TEST

START_TEST(no_file)
{
	const struct config *before = current;

	ck_assert_int_eq(unlink(path), 0);
	run(false);
	expect_unchanged(before);
	ck_assert_ptr_nonnull(strstr(fault, path));
	ck_assert_ptr_nonnull(strstr(fault, "No such file"));
}
END_TEST

START_TEST(mended_file)
{
	put_file("devices: []\n");
	run(false);
	ck_assert_int_eq(applied, 0);
	put_file(GOOD);
	run(false);
	ck_assert_int_eq(applied, 1);
}
END_TEST

START_TEST(refused_by_the_handler)
{
	const struct config *before = current;

	put_file(GOOD);
	apply_error = ECANCELED;
	run(false);
	expect_unchanged(before);
	ck_assert_ptr_nonnull(strstr(failure, "the gateway stops"));
}
END_TEST

START_TEST(diff_only)
{
	const struct config *before = current;

	put_file("name: other\ndevices: []\n");
	run(true);
	put_file("devices: []\n");
	run(true);
	ck_assert_ptr_eq(current, before);
	ck_assert_int_eq(applied, 0);
	ck_assert_str_eq(done, "");
	ck_assert_str_eq(failure, "");
	ck_assert_str_eq(fault, "");
}
END_TEST

START_TEST(waits_until_it_may_begin)
{
	put_file(GOOD);
	may = false;
	run(false);
	ck_assert_int_eq(applied, 0);
	may = true;
	reload_resume(reload);
	ev_run(loop, 0);
	ck_assert_int_eq(applied, 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, good_file);
	tcase_add_table_test(tc, faulty_file, faulty);
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, mended_file);
	tcase_add_test(tc, refused_by_the_handler);
	tcase_add_test(tc, diff_only);
	tcase_add_test(tc, waits_until_it_may_begin);
}

UNIT_MAIN("reload")
