#include "tests/bench/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int epoll_fd, timer_fd;

int64_t
tool_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

void
samples_add(struct samples *s, int64_t ns)
{
	if (s->count < TOOL_MAX_SAMPLES)
		s->ns[s->count++] = ns;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void
samples_print(struct samples *s)
{
	size_t n = s->count;

	qsort(s->ns, n, sizeof(s->ns[0]), compare);
	if (n)
		printf("{\"n\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", n,
		    (double)s->ns[n / 2] / 1e3, (double)s->ns[n * 99 / 100] / 1e3,
		    (double)s->ns[n - 1] / 1e3);
	else
		printf("null");
	s->count = 0;
}

void
samples_end_line(struct samples *s, const char *order)
{
	if (strcmp(order, "count") == 0)
		printf("null");
	else
		samples_print(s);
	printf("}\n");
}

uint64_t
tool_number(const char **p)
{
	uint64_t v = 0;

	for (; **p >= '0' && **p <= '9'; ++*p)
		v = v * 10 + (uint64_t)(**p - '0');
	return v;
}

void
tool_watch(int fd, bool writing)
{
	struct epoll_event e = { .events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0 && errno == ENOENT)
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

void
tool_drop(int fd)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

void
tool_tick(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };
	struct itimerspec its = { t, t };

	timerfd_settime(timer_fd, 0, &its, NULL);
}

size_t
tool_read(int fd, uint8_t *buffer, size_t *len, size_t size)
{
	ssize_t n = read(fd, buffer + *len, size - *len);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		tool_drop(fd);
	if (n <= 0)
		return 0;
	*len += (size_t)n;
	return (size_t)n;
}

bool
tool_write(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		struct pollfd w = { .fd = fd, .events = POLLOUT };
		if (n < 0 && errno == EAGAIN)
			poll(&w, 1, -1);
		else if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static int
listen_on(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	*port = ntohs(a.sin_port);
	return fd;
}

static void
accept_all(const struct tool *t, int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (fd >= TOOL_MAX_FDS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		tool_watch(fd, false);
		t->on_accept(fd);
	}
}

/* Returns false at the end of stdin. */
static bool
take_orders(const struct tool *t)
{
	static char line[4096];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof(line) - 1 - len);

	if (n <= 0)
		return false;
	len += (size_t)n;
	line[len] = '\0';
	for (char *end; (end = strchr(line, '\n'));) {
		*end = '\0';
		t->on_order(line);
		fflush(stdout);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
	return len < sizeof(line) - 1;
}

int
tool_serve(const struct tool *t)
{
	struct epoll_event events[64];
	int port, listener = listen_on(&port);
	uint64_t ticks;

	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (listener < 0 || epoll_fd < 0 || timer_fd < 0) {
		perror("bench tool");
		return EXIT_FAILURE;
	}
	tool_watch(listener, false);
	tool_watch(timer_fd, false);
	tool_watch(STDIN_FILENO, false);
	printf("%d\n", port);
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener)
				accept_all(t, listener);
			else if (fd == timer_fd && read(timer_fd, &ticks, sizeof(ticks)) > 0)
				t->on_tick();
			else if (fd == STDIN_FILENO && !take_orders(t))
				return EXIT_SUCCESS;
			else if (fd != timer_fd && fd != STDIN_FILENO)
				t->on_input(fd);
		}
	}
}
