#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/daemon/notify.h"
#include "tests/unit/suite.h"

/* A manager's socket at the address, of which '@' begins an abstract name. */
static int
listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(a.sun_path, path, len + 1);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] != '@'))),
	    0);
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void
expect_told(const char *path)
{
	char text[64] = "";
	int fd = listen_at(path);

	ck_assert_int_eq(notify_manager("READY=1"), 0);
	ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, 0), 7);
	ck_assert_str_eq(text, "READY=1");
	close(fd);
}

START_TEST(the_manager_is_told_by_path_and_by_name)
{
	char path[64];

	snprintf(path, sizeof(path), "@gatewayd-check-%d", (int)getpid());
	expect_told(path);
	snprintf(path, sizeof(path), "/tmp/gatewayd-check-%d", (int)getpid());
	expect_told(path);
	unlink(path);
	ck_assert_int_eq(notify_manager("READY=1"), -1); /* nobody has bound it */
}
END_TEST

START_TEST(without_a_manager_nothing_is_sent)
{
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_manager("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(notify_manager("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert_int_eq(notify_manager("READY=1"), -1);
	char far[200] = "/";
	memset(far + 1, 'x', sizeof(far) - 2);
	setenv("NOTIFY_SOCKET", far, 1);
	ck_assert_int_eq(notify_manager("READY=1"), -1);
}
END_TEST

static void
set_or_unset(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

START_TEST(the_watchdog_is_that_of_this_process)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	const struct {
		const char *pid, *us;
		uint64_t found;
	} rows[] = {
		{ .pid = NULL, .us = NULL, .found = 0 },
		{ .pid = NULL, .us = "30000000", .found = 30000000 },
		{ .pid = own, .us = "30000000", .found = 30000000 },
		{ .pid = "1", .us = "30000000", .found = 0 },
		{ .pid = "", .us = "30000000", .found = 0 },
		{ .pid = own, .us = "30 s", .found = 0 },
		{ .pid = own, .us = "-1", .found = 0 },
		{ .pid = own, .us = "99999999999999999999", .found = 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_or_unset("WATCHDOG_PID", rows[i].pid);
		set_or_unset("WATCHDOG_USEC", rows[i].us);
		ck_assert_uint_eq(notify_watchdog_us(), rows[i].found);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, the_manager_is_told_by_path_and_by_name);
	tcase_add_test(tc, without_a_manager_nothing_is_sent);
	tcase_add_test(tc, the_watchdog_is_that_of_this_process);
}
UNIT_MAIN("notify")
