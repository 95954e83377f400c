#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/kernel.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

enum { FIRST = 100, LAST = 150 };

/* In a process of its own: fewer below `first` than from it on. 0 when all is as it should be. */
static int
close_some(void)
{
	for (int fd = FIRST; fd <= LAST; fd += 10)
		if (dup2(STDERR_FILENO, fd) < 0)
			return 1;
	if (kernel_close_from(FIRST + 10) < 0)
		return 2;
	for (int fd = FIRST + 10; fd <= LAST; fd += 10)
		if (fcntl(fd, F_GETFD) >= 0)
			return 3;
	return fcntl(FIRST, F_GETFD) < 0 ? 4 : 0;
}

static bool
deny(const char *name, int error)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	return ctx &&
	       seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error),
		   seccomp_syscall_resolve_name(name), 0) == 0 &&
	       seccomp_load(ctx) == 0;
}

static int
in_child(int denied_with)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (denied_with && !deny("close_range", denied_with))
			_exit(9);
		_exit(close_some());
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

START_TEST(descriptors_are_closed)
{
	ck_assert_int_eq(in_child(0), 0);
}
END_TEST

START_TEST(a_kernel_without_close_range)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(in_child(ENOSYS), 0);
	/* What is refused is an error. */
	ck_assert_int_eq(in_child(EPERM), 2);
}
END_TEST

START_TEST(landlock_is_there_or_says_so)
{
	int abi = kernel_landlock_abi();

	if (abi < 0) {
		ck_assert(errno == ENOSYS || errno == EOPNOTSUPP);
		return;
	}
	ck_assert_int_ge(abi, 1);
	int (*const open_rules[])(void) = { kernel_landlock_open, kernel_landlock_open_writes,
		kernel_landlock_open_writes_and_execute };
	for (size_t i = 0; i < sizeof(open_rules) / sizeof(open_rules[0]); i++) {
		int rules = open_rules[i]();
		ck_assert_int_ge(rules, 0);
		ck_assert_int_eq(fcntl(rules, F_GETFD), FD_CLOEXEC);
		close(rules);
	}
	ck_assert_int_eq(kernel_landlock_restrict(-1), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, descriptors_are_closed);
	tcase_add_test(tc, a_kernel_without_close_range);
	tcase_add_test(tc, landlock_is_there_or_says_so);
}

UNIT_MAIN("kernel")
