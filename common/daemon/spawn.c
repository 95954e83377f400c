#include "common/daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/kernel.h"
#include "common/sanitized.h"

enum {
	LOWEST = 8 /* above those that the child gives to its program */,
	STACK = 256 * 1024,
	CANNOT_UNSHARE = 121
};

static int null = -1; /* what is in a slot between two children */
static int slots[SPAWN_MAX_FDS];
static int end; /* above the slots */

void
spawn_prepare(void)
{
	int fd = null >= 0 ? -1 : open("/dev/null", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	null = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST);
	fd_close(fd);
	end = null + 1;
	for (size_t i = 0; null >= 0 && i < SPAWN_MAX_FDS; i++) {
		slots[i] = fcntl(null, F_DUPFD_CLOEXEC, LOWEST);
		end = slots[i] >= end ? slots[i] + 1 : end;
		if (slots[i] >= 0)
			continue;
		while (i > 0)
			fd_close(slots[--i]);
		fd_close(null);
		null = -1;
	}
}

struct child {
	int (*run)(void *arg);
	void *arg;
	volatile bool shared; /* the child could not get a table of descriptors of its own */
};

static int
run_apart(void *arg)
{
	struct child *c = arg;

	if (kernel_unshare_below(end) < 0) {
		c->shared = true;
		return CANNOT_UNSHARE;
	}
	return c->run(c->arg);
}

static pid_t
start(struct child *c)
{
	static char stack[STACK] __attribute__((aligned(64)));

	return clone(
	    run_apart, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, c);
}

/* As long as there was a kernel without it, or sanitizers, which know vfork(2). */
static __attribute__((noinline)) pid_t
start_by_vfork(int (*run)(void *arg), void *arg)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(run(arg));
	return pid;
}

/* Returns false where a descriptor cannot be moved. */
static bool
lend(int *const fds[], size_t count, int own[])
{
	bool done = true;

	for (size_t i = 0; i < count; i++) {
		own[i] = *fds[i];
		if (own[i] < 0)
			continue;
		done &= dup3(own[i], slots[i], O_CLOEXEC) >= 0;
		*fds[i] = slots[i];
	}
	return done;
}

/* Nothing of a child's may stay open here: its end would not be seen. */
static void
take_back(int *const fds[], size_t count, const int own[])
{
	for (size_t i = 0; i < count; i++) {
		if (own[i] >= 0)
			dup3(null, slots[i], O_CLOEXEC);
		*fds[i] = own[i];
	}
}

pid_t
spawn_child(int (*run)(void *arg), void *arg, int *const fds[], size_t count)
{
	static bool never;
	struct child c = { .run = run, .arg = arg };
	int own[SPAWN_MAX_FDS];

	spawn_prepare();
	if (SANITIZED || never || null < 0 || count > SPAWN_MAX_FDS)
		return start_by_vfork(run, arg);
	bool lent = lend(fds, count, own);
	pid_t pid = lent ? start(&c) : -1;
	int error = errno;
	take_back(fds, count, own);
	if (pid > 0 && !c.shared)
		return pid;
	if (pid > 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		never = true;
		return start_by_vfork(run, arg);
	}
	return errno = error, -1;
}
