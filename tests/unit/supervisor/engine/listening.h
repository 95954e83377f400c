/* A server's Unix socket in a folder of its own, on the test's loop. */
#ifndef LISTENING_H
#define LISTENING_H

#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct listening {
	char folder[64], path[80];
	ev_io accepting;
};

/* cb is called where somebody connects; it accepts on w->fd. */
static inline void
listening_open(
    struct listening *l, struct ev_loop *loop, void (*cb)(struct ev_loop *, ev_io *, int))
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(l->folder, sizeof(l->folder), "/tmp/check-listening-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/s", l->folder);
	memcpy(a.sun_path, l->path, sizeof(l->path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ev_io_init(&l->accepting, cb, fd, EV_READ);
	ev_io_start(loop, &l->accepting);
}

static inline void
listening_close(struct listening *l, struct ev_loop *loop)
{
	ev_io_stop(loop, &l->accepting);
	close(l->accepting.fd);
	unlink(l->path);
	rmdir(l->folder);
}

#endif
