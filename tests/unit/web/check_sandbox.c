/* What gateway-web's lock refuses, tried from inside it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sanitized.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"
#include "web/sandbox.h"

static int
open_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int
open_own_program(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static int
make_file(void)
{
	return open("/tmp/gateway-web-was-here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int
make_folder(void)
{
	return mkdir("/tmp/gateway-web-was-here", 0700);
}

static int
tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int
netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int
run_program(void)
{
	char *const argv[] = { "true", NULL };

	return execve("/bin/true", argv, argv + 1);
}

static int
new_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static int
signal_parent(void)
{
	return kill(getppid(), SIGUSR1);
}

static int
trace_parent(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int
run_memory(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static const struct {
	const char *what;
	int (*try)(void);
} tries[] = {
	{ .what = "open a file", .try = open_file },
	{ .what = "open its own program", .try = open_own_program },
	{ .what = "make a file", .try = make_file },
	{ .what = "make a folder", .try = make_folder },
	{ .what = "a TCP socket", .try = tcp_socket },
	{ .what = "a packet socket", .try = packet_socket },
	{ .what = "a netlink socket", .try = netlink_socket },
	{ .what = "run a program", .try = run_program },
	{ .what = "make a process", .try = new_process },
	{ .what = "signal its parent", .try = signal_parent },
	{ .what = "trace its parent", .try = trace_parent },
	{ .what = "make memory that runs", .try = run_memory },
};

/* In a process of its own: an exit code says what went wrong. */
static int
try_inside(int (*try)(void))
{
	char err[200];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (web_sandbox_lock(err, sizeof(err)) < 0)
			_exit(3);
		_exit(try() >= 0 ? 1 : errno == EPERM || errno == EACCES ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(it_is_refused)
{
	SKIP_WITHOUT_FILTERS;
	if (SANITIZED) /* it locks nothing */
		return;
	ck_assert_msg(try_inside(tries[_i].try) == 0, "%s", tries[_i].what);
}
END_TEST

static int
unix_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

/* Else the test above would pass where nothing at all is possible. */
START_TEST(what_it_needs_is_not)
{
	SKIP_WITHOUT_FILTERS;
	ck_assert_int_eq(try_inside(unix_socket), 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, it_is_refused, 0, sizeof(tries) / sizeof(tries[0]));
	tcase_add_test(tc, what_it_needs_is_not);
}

UNIT_MAIN("lock of gateway-web")
