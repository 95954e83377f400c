#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/child/process.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct process *p;
static const char *script;
static int fd, extra_fd;
static enum child_state wanted;
static int running, ended, ended_well;

static void
no_sink(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device, (void)event, (void)text;
}

static int
spawn(void *arg)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct process_exec exec = {
		.path = "/bin/sh", .argv = argv, .fd = fd, .extra_fd = extra_fd
	};

	(void)arg;
	return process_exec(p, &exec);
}

static void
on_running(void *arg, bool is)
{
	(void)arg;
	running += is ? 1 : -1;
}

static void
on_state(void *arg, enum child_state before)
{
	(void)arg, (void)before;
	if (process_state(p) == wanted)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_ended(void *arg, struct process_obituary *o)
{
	(void)arg;
	ended++;
	ended_well += !o;
	if (o)
		o->events = 7;
}

static const struct process_ops ops = {
	.spawn = spawn, .on_running = on_running, .on_state = on_state, .on_ended = on_ended
};

static void
begin(void)
{
	const struct process_options options = { .loop = loop = ev_loop_new(EVFLAG_NOENV),
		.ops = &ops,
		.name = "test",
		.limits = { .stop_ms = 200 } };

	log_set_sink(no_sink);
	fd = -1;
	extra_fd = 0;
	wanted = CHILD_STATE_COUNT;
	running = ended = ended_well = 0;
	p = process_new(&options);
	ck_assert_ptr_nonnull(p);
}

static void
end(void)
{
	process_free(p, SIGKILL);
	process_reap_freed(0);
	/* None is left, not even as a zombie. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	ev_loop_destroy(loop);
}

static void
run_until(enum child_state state)
{
	wanted = state;
	if (process_state(p) != state)
		ev_run(loop, 0);
	wanted = CHILD_STATE_COUNT;
	ck_assert_int_eq(process_state(p), state);
}

/* Pings of many that are due together. */

enum { MANY = 3 * PROCESS_DEADLINES_A_TURN, DUE_MS = 200 };
static struct {
	unsigned turn, in_turn, most, all;
} pings;

static int
spawn_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void
on_any_state(void *arg, enum child_state before)
{
	(void)arg, (void)before;
}

static void
count_ping(void *arg)
{
	(void)arg;
	if (pings.turn != ev_iteration(loop))
		pings.in_turn = 0;
	pings.turn = ev_iteration(loop);
	pings.in_turn++;
	if (pings.in_turn > pings.most)
		pings.most = pings.in_turn;
	if (++pings.all == MANY)
		ev_break(loop, EVBREAK_ALL);
}

START_TEST(pings_of_many_take_several_turns)
{
	static const struct process_ops many_ops = { .spawn = spawn_nothing,
		.on_running = on_running,
		.on_state = on_any_state,
		.on_ended = on_ended,
		.ping = count_ping };
	const struct process_options options = { .loop = loop,
		.ops = &many_ops,
		.name = "test",
		.limits = { .start_ms = 60000, .stop_ms = 200, .ping_ms = DUE_MS } };
	struct process *many[MANY];

	for (size_t i = 0; i < MANY; i++) {
		many[i] = process_new(&options);
		process_step(many[i], CHILD_ENABLE);
		process_step(many[i], CHILD_READY);
		process_step(many[i], CHILD_PONG);
	}
	pings.all = pings.most = 0;
	usleep(2 * DUE_MS * 1000);
	ev_run(loop, 0);
	ck_assert_uint_eq(pings.all, MANY);
	ck_assert_uint_le(pings.most, PROCESS_DEADLINES_A_TURN);
	for (size_t i = 0; i < MANY; i++)
		process_free(many[i], SIGKILL);
}
END_TEST

START_TEST(how_it_died)
{
	static const struct {
		const char *script, *cause, *last_line;
	} rows[] = {
		{ "echo out >&1; echo oops >&2; exit 3", "exit code 3", "oops" },
		{ "kill -SEGV $$", "SIGSEGV", "" },
		{ "exit 0", "exit code 0", "" },
		/* It is told once. */
		{ "echo denied system call socket; kill -SYS $$", "denied system call socket", "" },
	};

	script = rows[_i].script;
	process_step(p, CHILD_ENABLE);
	run_until(CHILD_BACKOFF);
	ck_assert_int_eq(process_pid(p), 0);
	ck_assert_uint_eq(process_deaths(p), 2);
	ck_assert_uint_eq(process_restarts(p), 1);
	for (size_t i = 0; i < 2; i++) {
		const struct process_obituary *o = process_obituary(p, i);
		ck_assert_str_eq(o->cause, rows[_i].cause);
		ck_assert_str_eq(o->last_line, rows[_i].last_line);
		ck_assert_uint_eq(o->events, 7);
		ck_assert_int_gt(o->pid, 0);
	}
	ck_assert_ptr_null(process_obituary(p, 2));
}
END_TEST

START_TEST(a_fault_of_the_configuration_is_not_tried_again)
{
	script = "exit 78";
	process_step(p, CHILD_ENABLE);
	run_until(CHILD_FAILED);
	ck_assert_uint_eq(process_deaths(p), 1);
	ck_assert_str_eq(process_obituary(p, 0)->cause, "exit code 78 (configuration)");
}
END_TEST

START_TEST(it_is_asked_to_stop)
{
	script = "trap 'exit 0' TERM; echo started; while :; do sleep 1 & wait; done";
	process_step(p, CHILD_ENABLE);
	while (process_last_line(p)[0] == '\0')
		ev_run(loop, EVRUN_ONCE);
	process_step(p, CHILD_READY);
	ck_assert_int_eq(running, 1);
	process_step(p, CHILD_DISABLE);
	run_until(CHILD_DISABLED);
	ck_assert_int_eq(running, 0);
	ck_assert_int_eq(ended_well, 1);
	ck_assert_uint_eq(process_deaths(p), 0);
}
END_TEST

START_TEST(it_is_killed_when_it_does_not_stop)
{
	script = "trap '' TERM; echo started; while :; do sleep 1; done";
	process_step(p, CHILD_ENABLE);
	while (process_last_line(p)[0] == '\0')
		ev_run(loop, EVRUN_ONCE);
	process_step(p, CHILD_DISABLE);
	run_until(CHILD_DISABLED);
	ck_assert_str_eq(process_obituary(p, 0)->cause, "never stopped");
}
END_TEST

START_TEST(one_that_hangs_is_started_again)
{
	script = "exec sleep 100";
	process_step(p, CHILD_ENABLE);
	process_step(p, CHILD_READY);
	pid_t first = process_pid(p);
	process_step(p, CHILD_HUNG);
	run_until(CHILD_STARTING);
	ck_assert_int_ne(process_pid(p), first);
	ck_assert_str_eq(process_obituary(p, 0)->cause, "does not answer");
}
END_TEST

START_TEST(a_violation_is_the_cause)
{
	script = "exec sleep 100";
	process_step(p, CHILD_ENABLE);
	process_set_violation(p, "sang");
	process_step(p, CHILD_VIOLATION);
	ck_assert(process_is_violating(p));
	while (ended == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_str_eq(process_obituary(p, 0)->cause, "protocol violation: sang");
}
END_TEST

static int
count_descriptors(pid_t pid)
{
	char path[64];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	ck_assert_ptr_nonnull(d);
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

START_TEST(it_has_one_descriptor_more_and_no_environment)
{
	siginfo_t info;
	int pipes[2];
	char text[256] = "";

	/* The process that started us may have left some of its own. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	fd = pipes[1];
	setenv("SECRET", "x", 1);
	script = "echo \"secret $SECRET\" >&3; kill -STOP $$";
	process_step(p, CHILD_ENABLE);
	ck_assert_int_gt(read(pipes[0], text, sizeof(text) - 1), 0);
	close(pipes[0]);
	close(pipes[1]);
	ck_assert_str_eq(text, "secret \n");
	ck_assert_int_eq(waitid(P_PID, (id_t)process_pid(p), &info, WSTOPPED), 0);
	ck_assert_int_eq(count_descriptors(process_pid(p)), 4);
	ck_assert_int_eq(getsid(process_pid(p)), process_pid(p));
}
END_TEST

START_TEST(it_has_both_descriptors)
{
	int one[2], two[2];
	char text[8];

	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	ck_assert_int_eq(pipe2(one, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(two, O_CLOEXEC), 0);
	/* Whichever of them has the lower number. */
	fd = _i ? one[1] : two[1];
	extra_fd = _i ? two[1] : one[1];
	script = _i ? "echo 1 >&3; echo 2 >&4" : "echo 1 >&4; echo 2 >&3";
	process_step(p, CHILD_ENABLE);
	ck_assert_int_eq(read(one[0], text, sizeof(text)), 2);
	ck_assert_int_eq(text[0], '1');
	ck_assert_int_eq(read(two[0], text, sizeof(text)), 2);
	ck_assert_int_eq(text[0], '2');
}
END_TEST

/* Without its descriptor it would start, and be of no use. */
START_TEST(a_descriptor_that_cannot_be_handed_over_stops_the_start)
{
	SKIP_WHERE(
	    lacks_vfork(), "the kernel has no vfork, by which a start that fails is heard of");
	fd = INT_MAX;
	script = "exit 0";
	errno = 0;
	ck_assert_int_eq(spawn(NULL), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(process_pid(p), 0);
}
END_TEST

START_TEST(one_that_is_freed_is_reaped_by_the_loop)
{
	script = "exec sleep 100";
	process_step(p, CHILD_ENABLE);
	pid_t pid = process_pid(p);
	struct monotime before = monotime_now();
	process_free(p, SIGKILL);
	p = NULL;
	ck_assert_int_lt(monotime_diff_ms(monotime_now(), before), 50);
	while (kill(pid, 0) == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(ended, 0);
}
END_TEST

START_TEST(the_last_wait_is_bounded)
{
	script = "trap '' TERM; echo started; while :; do sleep 1; done";
	process_step(p, CHILD_ENABLE);
	while (process_last_line(p)[0] == '\0')
		ev_run(loop, EVRUN_ONCE);
	pid_t pid = process_pid(p);
	struct monotime before = monotime_now();
	process_free(p, SIGTERM);
	p = NULL;
	process_reap_freed(100);
	ck_assert_int_lt(monotime_diff_ms(monotime_now(), before), 1000);
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, pings_of_many_take_several_turns);
	tcase_add_loop_test(tc, how_it_died, 0, 4);
	tcase_add_test(tc, a_fault_of_the_configuration_is_not_tried_again);
	tcase_add_test(tc, it_is_asked_to_stop);
	tcase_add_test(tc, it_is_killed_when_it_does_not_stop);
	tcase_add_test(tc, one_that_hangs_is_started_again);
	tcase_add_test(tc, a_violation_is_the_cause);
	tcase_add_test(tc, it_has_one_descriptor_more_and_no_environment);
	tcase_add_loop_test(tc, it_has_both_descriptors, 0, 2);
	tcase_add_test(tc, a_descriptor_that_cannot_be_handed_over_stops_the_start);
	tcase_add_test(tc, one_that_is_freed_is_reaped_by_the_loop);
	tcase_add_test(tc, the_last_wait_is_bounded);
}

UNIT_MAIN("processes")
