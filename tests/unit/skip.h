/*
 * What a kernel may lack, or an emulator that plays one: a test that needs it asks for the kernel's
 * answer, and is skipped with the reason, in a line that run-unit counts.
 */
#ifndef SKIP_H
#define SKIP_H

#include <linux/seccomp.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP_WHERE(lacks, reason)                                                                  \
	do {                                                                                       \
		if (lacks) {                                                                       \
			printf("SKIPPED %s: %s\n", __func__, reason);                              \
			fflush(stdout);                                                            \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define SKIP_WITHOUT_FILTERS SKIP_WHERE(lacks_filters(), "the kernel has no system call filters")

static inline bool
lacks_filters(void)
{
	uint32_t action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0;
}

/* Whether a terminal does not have rates of any number: TCGETS2, with room for its struct termios2,
 * whose header excludes termios.h. */
static inline bool
lacks_any_rate(int tty)
{
	char settings[64];

	return ioctl(tty, _IOC(_IOC_READ, 'T', 0x2a, 44), settings) < 0;
}

static inline bool
lacks_socket_option(int level, int option)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), value = 1;
	socklen_t len = sizeof(value);
	bool lacks = setsockopt(fd, level, option, &value, sizeof(value)) < 0 ||
		     getsockopt(fd, level, option, &value, &len) < 0 || value != 1;

	close(fd);
	return lacks;
}

/* Whether a process that shares its parent's memory until it executes is one that does not: the
 * parent then does not hear why it could not. */
static inline bool
lacks_vfork(void)
{
	char *const argv[] = { (char *)"none", NULL };
	pid_t pid;
	bool lacks = posix_spawn(&pid, "/no-such-program", NULL, NULL, argv, argv + 1) == 0;

	if (lacks)
		waitpid(pid, NULL, 0);
	return lacks;
}

/* Whether two descriptors arrive as one without a word where there is room for one. */
static inline bool
lacks_cut_mark(void)
{
	int pair[2], fds[2] = { STDOUT_FILENO, STDERR_FILENO };
	char byte = 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return true;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	bool sent = sendmsg(pair[0], &m, 0) == 1;
	m.msg_controllen = CMSG_SPACE(sizeof(int));
	bool got = sent && recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1;
	bool whole = got && (h = CMSG_FIRSTHDR(&m)) && h->cmsg_len == CMSG_LEN(sizeof(fds));
	close(pair[0]);
	close(pair[1]);
	/* What came stays open: a process that asks this is a test's. */
	return !whole && !(m.msg_flags & MSG_CTRUNC);
}

#endif
