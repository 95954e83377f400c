#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/spawn.h"
#include "common/sanitized.h"
#include "tests/unit/suite.h"

struct given {
	int out, none, high; /* high: one that the child is not to have */
	volatile int seen;
};

/* Says through the pipe whether it has what it needs, and nothing else. */
static int
look(void *arg)
{
	struct given *g = arg;
	bool right = g->none == -1 && g->out >= 0 &&
		     (SANITIZED || (fcntl(g->high, F_GETFD) < 0 && errno == EBADF));

	g->seen = right;
	return write(g->out, right ? "y" : "n", 1) == 1 ? 7 : 8;
}

static int
wait_for(pid_t pid)
{
	int status;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(a_child_has_its_descriptors_and_no_other)
{
	enum { TURNS = 20 };
	int ends[2];
	char c = 0;

	for (int i = 0; i < TURNS; i++) {
		ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
		struct given g = {
			.out = ends[1], .none = -1, .high = fcntl(ends[0], F_DUPFD_CLOEXEC, 200)
		};
		int *const fds[] = { &g.out, &g.none };
		ck_assert_int_ge(g.high, 200);
		ck_assert_int_eq(wait_for(spawn_child(look, &g, fds, 2)), 7);
		ck_assert(g.seen);
		ck_assert_int_eq(g.out, ends[1]);
		ck_assert_int_eq(g.none, -1);
		close(ends[1]);
		ck_assert_int_eq(read(ends[0], &c, 1), 1);
		ck_assert_int_eq(c, 'y');
		/* Nobody else holds the other end. */
		ck_assert_int_eq(read(ends[0], &c, 1), 0);
		ck_assert_int_ge(fcntl(g.high, F_GETFD), 0);
		close(g.high);
		close(ends[0]);
	}
}
END_TEST

static int
become_true(void *arg)
{
	char *const argv[] = { "true", NULL }, *const envp[] = { NULL };

	(void)arg;
	execve("/bin/true", argv, envp);
	return 9;
}

START_TEST(it_becomes_a_program)
{
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(wait_for(spawn_child(become_true, NULL, NULL, 0)), 0);
}
END_TEST

START_TEST(as_many_descriptors_remain)
{
	spawn_prepare();
	int before = dup(0);
	close(before);
	ck_assert_int_eq(wait_for(spawn_child(become_true, NULL, NULL, 0)), 0);
	int after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_child_has_its_descriptors_and_no_other);
	tcase_add_test(tc, it_becomes_a_program);
	tcase_add_test(tc, as_many_descriptors_remain);
}

UNIT_MAIN("spawn")
