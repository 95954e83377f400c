#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/numbers.h"
#include "tests/unit/suite.h"

START_TEST(the_reader_sees_what_the_writer_wrote)
{
	int fd = numbers_create();
	uint64_t *page = numbers_map(fd, true);
	const uint64_t *seen = numbers_map(fd, false);

	ck_assert_ptr_nonnull(page);
	ck_assert_ptr_nonnull(seen);
	close(fd);
	for (int i = 0; i < NUMBER_COUNT; i++) {
		ck_assert_int_eq(number_read(seen, (enum number)i), 0);
		number_write(page, (enum number)i, (uint64_t)i + 1);
		ck_assert_int_eq(number_read(seen, (enum number)i), i + 1);
		ck_assert_ptr_nonnull(number_key((enum number)i));
	}
	number_write(page, NUMBER_TYPES, UINT64_MAX);
	ck_assert(number_read(seen, NUMBER_TYPES) == INT64_MAX);
	numbers_unmap(page);
	ck_assert_int_eq(number_read(seen, NUMBER_BYTES), NUMBER_BYTES + 1);
	numbers_unmap(seen);
	numbers_unmap(NULL);
}
END_TEST

/* A page that shrinks would end the reader by SIGBUS. */
START_TEST(the_writer_cannot_take_the_page_away)
{
	int fd = numbers_create();

	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(fd);
}
END_TEST

START_TEST(another_file_is_none)
{
	int fds[] = { memfd_create("a", MFD_CLOEXEC),
		memfd_create("b", MFD_CLOEXEC | MFD_ALLOW_SEALING),
		open("/dev/null", O_RDWR | O_CLOEXEC), -1 };

	ck_assert_int_eq(ftruncate(fds[0], 4096), 0);
	ck_assert_int_eq(fcntl(fds[1], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		ck_assert_ptr_null(numbers_map(fds[i], true));
		ck_assert_int_eq(errno, EINVAL);
		close(fds[i]);
	}
}
END_TEST

START_TEST(the_reader_cannot_write)
{
	int status, fd = numbers_create();
	uint64_t *page = (uint64_t *)numbers_map(fd, false);
	pid_t pid = fork();

	if (pid == 0) {
		number_write(page, NUMBER_TYPES, 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) != 0); /* a sanitizer exits */
	numbers_unmap(page);
	close(fd);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, the_reader_sees_what_the_writer_wrote);
	tcase_add_test(tc, the_writer_cannot_take_the_page_away);
	tcase_add_test(tc, another_file_is_none);
	tcase_add_test(tc, the_reader_cannot_write);
}

UNIT_MAIN("numbers")
