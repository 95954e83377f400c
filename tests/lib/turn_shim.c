/*
 * For valgrind, under which a program is 50 times as slow: is preloaded, and slows the monotonic
 * clock down as much between two waits of a loop, so that a turn does what it does by itself in the
 * time that it may take.
 */
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOWER = 50 };

static int64_t waited; /* ns, when the last wait ended */

static int64_t
now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int n = (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);

	waited = now();
	return n;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC || !waited)
		return (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ns = waited + (now() - waited) / SLOWER;
	*ts = (struct timespec){ ns / 1000000000, ns % 1000000000 };
	return 0;
}
