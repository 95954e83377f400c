/* An Event Server of the test's own: a Unix socket in a folder of its own, and the latest
 * connection to it, on the test's loop. */
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

#include "supervisor/net/conn.h"

struct listening {
	struct ev_loop *loop;
	char folder[64], path[80];
	ev_io accepting;
	const struct conn_handler *handler; /* of the connection */
	struct conn server;
	int accepts;
};

static inline void
listening_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct listening *l = w->data;
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd < 0)
		return;
	l->accepts++;
	conn_close(&l->server);
	conn_init(&l->server, loop, l->handler, NULL);
	conn_open(&l->server, fd);
}

static inline void
listening_open(struct listening *l, struct ev_loop *loop, const struct conn_handler *handler)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*l = (struct listening){ .loop = loop, .handler = handler };
	snprintf(l->folder, sizeof(l->folder), "/tmp/check-listening-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/s", l->folder);
	memcpy(a.sun_path, l->path, sizeof(l->path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ev_io_init(&l->accepting, listening_accept, fd, EV_READ);
	l->accepting.data = l;
	ev_io_start(loop, &l->accepting);
	conn_init(&l->server, loop, handler, NULL);
}

/* Nobody can connect any more. */
static inline void
listening_close(struct listening *l)
{
	conn_close(&l->server);
	if (!ev_is_active(&l->accepting))
		return;
	ev_io_stop(l->loop, &l->accepting);
	close(l->accepting.fd);
	unlink(l->path);
	rmdir(l->folder);
}

#endif
