/*
 * The floor of a command's way: a stamp over TCP to one process, over a
 * SOCK_SEQPACKET socket to a second, over TCP back, each with epoll_wait, read
 * and write and nothing else. OUTSIDE GATEWAY COUNT GAP: the cores of the two
 * ends and of the two processes between, how many stamps, us between them.
 * Prints {"n":..,"p50":..,"p99":..,"max":..} in us.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/bench/tool.h"

enum { ENDS = 2 };

/* A connected pair of TCP sockets on loopback. */
static bool
tcp_pair(int fds[ENDS])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0 ||
	    connect(fds[0], (struct sockaddr *)&a, sizeof(a)) < 0)
		return false;
	fds[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < ENDS; i++)
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(listener);
	return fds[1] >= 0;
}

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int
watch(int a, int b)
{
	int epoll_fd = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };

	e.data.fd = a;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, a, &e);
	e.data.fd = b;
	if (b >= 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, b, &e);
	return epoll_fd;
}

/* What comes from one goes to the other, in a process of its own, until ours ends. */
static void
start_relay(int from, int to, int core)
{
	struct epoll_event e;
	char bytes[256];
	ssize_t n;

	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(core);
	int epoll_fd = watch(from, -1);
	while (epoll_wait(epoll_fd, &e, 1, -1) == 1 && (n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n)
			break;
	_exit(0);
}

int
main(int argc, char **argv)
{
	static struct samples age;
	int out[ENDS], back[ENDS], between[ENDS], timer = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t ticks;
	struct epoll_event e;
	int64_t stamp;

	if (argc != 5 || timer < 0 || !tcp_pair(out) || !tcp_pair(back) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, between) < 0)
		return EXIT_FAILURE;
	start_relay(out[1], between[0], (int)strtol(argv[2], NULL, 10));
	start_relay(between[1], back[0], (int)strtol(argv[2], NULL, 10));
	pin((int)strtol(argv[1], NULL, 10));
	size_t count = strtoul(argv[3], NULL, 10);
	struct timespec gap = { 0, strtol(argv[4], NULL, 10) * 1000 };
	timerfd_settime(timer, 0, &(struct itimerspec){ gap, gap }, NULL);
	int epoll_fd = watch(timer, back[1]);
	while (age.count < count && epoll_wait(epoll_fd, &e, 1, -1) == 1) {
		if (e.data.fd == timer && read(timer, &ticks, sizeof(ticks)) > 0) {
			stamp = tool_now_ns();
			if (write(out[0], &stamp, sizeof(stamp)) < 0)
				return EXIT_FAILURE;
		} else if (read(back[1], &stamp, sizeof(stamp)) == sizeof(stamp)) {
			samples_add(&age, tool_now_ns() - stamp);
		}
	}
	samples_print(&age);
	putchar('\n');
	return EXIT_SUCCESS;
}
