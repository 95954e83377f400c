#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon/unix_socket.h"
#include "tests/unit/suite.h"

static char folder[64], path[96];

static void
set_up(void)
{
	snprintf(folder, sizeof(folder), "/tmp/check_unix_socket.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
}

static void
tear_down(void)
{
	unlink(path);
	rmdir(folder);
}

START_TEST(the_group_may_connect)
{
	struct stat st;
	int fd = unix_socket_listen(path, 4);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(only_a_dead_socket_is_replaced)
{
	int fd = unix_socket_listen(path, 4);

	ck_assert_int_eq(unix_socket_listen(path, 4), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	close(fd);
	fd = unix_socket_listen(path, 4);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

START_TEST(another_file_stays)
{
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(file, 0);
	close(file);
	ck_assert_int_eq(unix_socket_listen(path, 4), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_path_has_a_longest)
{
	char longest[200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(unix_socket_listen(longest, 4), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_group_may_connect);
	tcase_add_test(tc, only_a_dead_socket_is_replaced);
	tcase_add_test(tc, another_file_stays);
	tcase_add_test(tc, a_path_has_a_longest);
}

UNIT_MAIN("unix socket")
