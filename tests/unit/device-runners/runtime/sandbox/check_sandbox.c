#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <netinet/in.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/monotime.h"
#include "common/sanitized.h"
#include "device-runners/runtime/filter/filter.h"
#include "device-runners/runtime/sandbox/sandbox.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

static char said[512];

/* Runs act() in a process of its own, locked in; returns its wait status. said: its last words. */
static int
in_box(enum ipc_sandbox level, bool tty, bool addresses, void (*act)(void))
{
	const struct sandbox s = {
		.level = level,
		.tty = tty,
		.addresses = addresses,
		.memory = UINT64_C(256) << 20,
		.files = 64,
	};
	const char *why = "";
	int pipes[2], status;

	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDERR_FILENO);
		if (sandbox_lock(&s, &why) < 0) {
			dprintf(STDERR_FILENO, "%s: %s", why, strerror(errno));
			_exit(99);
		}
		act();
		_exit(0);
	}
	close(pipes[1]);
	size_t used = 0;
	ssize_t n;
	/* Each line is a write of its own: of the steps that this kernel has not, and of the end.
	 */
	while (used < sizeof(said) - 1 &&
	       (n = read(pipes[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return status;
}

static int
in_sandbox(enum ipc_sandbox level, bool tty, void (*act)(void))
{
	return in_box(level, tty, false, act);
}

static void
open_a_file(void)
{
	_exit(open("/dev/null", O_RDONLY) >= 0 ? 7 : errno);
}

static void
do_ordinary_things(void)
{
	char *p = malloc(8 << 20), text[32];
	struct timespec ts = { 0, 1000 };
	struct rlimit r;

	memset(p, 1, 8 << 20);
	p = realloc(p, 16 << 20);
	free(p);
	time_t now = time(NULL);
	struct tm tm;
	localtime_r(&now, &tm);
	nanosleep(&ts, NULL);
	snprintf(text, sizeof(text), "%d %f", tm.tm_year, sqrt(2));
	/* Through a buffer, whose size the C library asks the kernel for, in vain. */
	printf("%s", "");
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur != 64 || getpid() < 1)
		_exit(1);
	_exit(42);
}

static void
raise_abort(void)
{
	abort();
}

static int tty_fd = -1;

static void
set_termios(void)
{
	struct termios t;

	if (tcgetattr(tty_fd, &t) < 0)
		_exit(1);
	cfsetspeed(&t, B19200);
	_exit(tcsetattr(tty_fd, TCSANOW, &t) == 0 ? 42 : 2);
}

static void
fill_terminal_input(void)
{
	_exit(ioctl(tty_fd, TIOCSTI, "x") == 0 ? 7 : 8);
}

static void
use_memory(void)
{
	_exit(malloc((size_t)512 << 20) ? 7 : 42);
}

static void
tell_who(void)
{
	bool plain = prctl(PR_SET_NAME, "x") == 0;

	_exit(plain && getuid() != 0 ? 42 : 1);
}

static bool
died_denied(int status, const char *name)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && strstr(said, name);
}

START_TEST(ordinary_work_goes_on)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(
	    WEXITSTATUS(in_sandbox(IPC_SANDBOX_STRICT, false, do_ordinary_things)), 42);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(a_denied_call_kills_and_is_named)
{
	SKIP_WITHOUT_FILTERS;
	if (SANITIZED)
		return;
	char line[64];
	snprintf(line, sizeof(line), "<2>denied system call openat (%d)\n", SYS_openat);
	ck_assert(died_denied(in_sandbox(IPC_SANDBOX_STRICT, false, open_a_file), line));
	ck_assert(died_denied(in_sandbox(IPC_SANDBOX_BEST_EFFORT, true, open_a_file), "openat"));
}
END_TEST

START_TEST(abort_is_an_abort)
{
	SKIP_WITHOUT_FILTERS;
	int status = in_sandbox(IPC_SANDBOX_STRICT, false, raise_abort);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}
END_TEST

START_TEST(a_tty_is_for_those_who_planned_one)
{
	SKIP_WITHOUT_FILTERS;
	int other;

	ck_assert_int_eq(openpty(&tty_fd, &other, NULL, NULL, NULL), 0);
	ck_assert_int_eq(WEXITSTATUS(in_sandbox(IPC_SANDBOX_STRICT, true, set_termios)), 42);
	if (!SANITIZED) {
		ck_assert(died_denied(in_sandbox(IPC_SANDBOX_STRICT, false, set_termios), "ioctl"));
		ck_assert(died_denied(
		    in_sandbox(IPC_SANDBOX_STRICT, true, fill_terminal_input), "ioctl"));
	}
	close(tty_fd);
	close(other);
}
END_TEST

/* Two sockets that hear: connected to the one, the other is a stranger. */
static int udp_fd, peer_fd, stranger_fd;
static struct sockaddr_in stranger;

static int
bound_socket(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, (struct sockaddr *)a, sizeof(*a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)a, &len), 0);
	return fd;
}

static void
send_to_peer(void)
{
	_exit(send(udp_fd, "x", 1, MSG_NOSIGNAL) == 1 ? 42 : 1);
}

static void
send_to_stranger(void)
{
	ssize_t n = sendto(udp_fd, "x", 1, 0, (const struct sockaddr *)&stranger, sizeof(stranger));

	_exit(n == 1 ? 42 : 1);
}

static void
message_to_stranger(void)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_name = &stranger,
		.msg_namelen = sizeof(stranger),
		.msg_iov = &iov,
		.msg_iovlen = 1 };

	_exit(sendmsg(udp_fd, &m, 0) == 1 ? 42 : 1);
}

static bool
hears(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 1;
}

/* A connected datagram socket takes another destination with each call, as far as the kernel goes.
 */
START_TEST(a_connected_datagram_socket_reaches_nobody_else)
{
	SKIP_WITHOUT_FILTERS;
	struct sockaddr_in peer;

	peer_fd = bound_socket(&peer);
	stranger_fd = bound_socket(&stranger);
	udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(udp_fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	ck_assert_int_eq(WEXITSTATUS(in_sandbox(IPC_SANDBOX_STRICT, false, send_to_peer)), 42);
	ck_assert(hears(peer_fd));
	for (int tty = 0; tty < 2 && !SANITIZED; tty++) {
		ck_assert(died_denied(in_box(IPC_SANDBOX_STRICT, tty, false, send_to_stranger),
		    "denied system call sendto"));
		ck_assert(died_denied(in_box(IPC_SANDBOX_STRICT, tty, false, message_to_stranger),
		    "denied system call sendmsg"));
		ck_assert(!hears(stranger_fd));
	}
	for (int tty = 0; tty < 2; tty++) {
		ck_assert_int_eq(
		    WEXITSTATUS(in_box(IPC_SANDBOX_STRICT, tty, true, send_to_stranger)), 42);
		ck_assert(hears(stranger_fd));
		ck_assert_int_eq(
		    WEXITSTATUS(in_box(IPC_SANDBOX_STRICT, tty, true, message_to_stranger)), 42);
		ck_assert(hears(stranger_fd));
	}
	close(udp_fd);
	close(peer_fd);
	close(stranger_fd);
}
END_TEST

START_TEST(memory_has_a_limit)
{
	SKIP_WITHOUT_FILTERS;
	if (!SANITIZED)
		ck_assert_int_eq(
		    WEXITSTATUS(in_sandbox(IPC_SANDBOX_STRICT, false, use_memory)), 42);
}
END_TEST

/* Not in a chroot, nor where a container forbids them. */
static bool
namespaces_are_to_be_had(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(root_becomes_nobody)
{
	SKIP_WITHOUT_FILTERS;
	if (getuid() != 0)
		return;
	ck_assert_int_eq(WEXITSTATUS(in_sandbox(IPC_SANDBOX_STRICT, false, tell_who)), 42);
	if (!namespaces_are_to_be_had())
		return;
	int status = in_sandbox(IPC_SANDBOX_NAMESPACES, false, tell_who);
	ck_assert_msg(WEXITSTATUS(status) == 42, "%s", said);
}
END_TEST

START_TEST(off_is_off)
{
	ck_assert_int_eq(WEXITSTATUS(in_sandbox(IPC_SANDBOX_OFF, false, open_a_file)), 7);
}
END_TEST

/* Microseconds that locking took in a process of its own. */
static int
lock_cost(void)
{
	const struct sandbox s = {
		.level = IPC_SANDBOX_STRICT,
		.memory = UINT64_C(256) << 20,
		.files = 64,
	};
	const char *why;
	int pipes[2], us = -1;

	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct monotime start = monotime_now();
		us = sandbox_lock(&s, &why) < 0 ? -1 : (int)((monotime_now().ns - start.ns) / 1000);
		_exit(write(pipes[1], &us, sizeof(us)) != sizeof(us));
	}
	ck_assert_int_eq(read(pipes[0], &us, sizeof(us)), sizeof(us));
	close(pipes[0]);
	close(pipes[1]);
	waitpid(pid, NULL, 0);
	return us;
}

START_TEST(it_costs_less_than_a_millisecond)
{
	SKIP_WITHOUT_FILTERS;
	enum { TIMES = 25 };
	int best = INT_MAX;

	/* The best of several: the others are what else the machine does. */
	for (int i = 0; i < TIMES; i++) {
		int us = lock_cost();
		best = us < best ? us : best;
	}
	printf("sandbox: %d us a start\n", best);
	ck_assert_int_ge(best, 0);
	if (!SANITIZED)
		ck_assert_int_lt(best, 1000);
}
END_TEST

START_TEST(names_are_those_of_this_machine)
{
	ck_assert_uint_gt(filter_call_count, 300);
	ck_assert_str_eq(filter_call_names[SYS_read], "read");
	ck_assert_uint_gt(filters[FILTER_TTY].count, filters[0].count);
}
END_TEST

static void
add_tests(TCase *tc)
{
	/* As the runtime does before it locks. */
	setenv("TZ", ":/etc/localtime", 1);
	tzset();
	tcase_add_test(tc, ordinary_work_goes_on);
	tcase_add_test(tc, a_denied_call_kills_and_is_named);
	tcase_add_test(tc, abort_is_an_abort);
	tcase_add_test(tc, a_tty_is_for_those_who_planned_one);
	tcase_add_test(tc, a_connected_datagram_socket_reaches_nobody_else);
	tcase_add_test(tc, memory_has_a_limit);
	tcase_add_test(tc, root_becomes_nobody);
	tcase_add_test(tc, off_is_off);
	tcase_add_test(tc, it_costs_less_than_a_millisecond);
	tcase_add_test(tc, names_are_those_of_this_machine);
}

UNIT_MAIN("sandbox")
