#include "supervisor/engine/side_listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fdutil.h"
#include "common/log.h"

static void open_now(struct side_listener *l);

static void
try_again(struct side_listener *l, const char *why)
{
	if (strncmp(l->why, why, sizeof(l->why) - 1) != 0)
		log_write(LOG_LEVEL_WARNING, NULL, "side_listener",
		    "event_server.built_in.listen: %s; it is tried again every %d s, devices run "
		    "without it",
		    why, SIDE_LISTENER_RETRY_MS / 1000);
	snprintf(l->why, sizeof(l->why), "%s", why);
	ev_timer_stop(l->loop, &l->retry);
	ev_timer_set(&l->retry, SIDE_LISTENER_RETRY_MS / 1e3, 0.);
	ev_timer_start(l->loop, &l->retry);
}

/* Returns 0, or -1 with errno. */
static int
hand_over(int to, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = "" };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct side_listener *l = arg;

	(void)error; /* why has it in words */
	l->request = NULL;
	if (fd < 0) {
		try_again(l, why);
		return;
	}
	int sent = hand_over(l->to, fd);
	error = errno;
	fd_close(fd);
	if (sent < 0)
		try_again(l, strerror(error));
	else
		l->why[0] = '\0';
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	open_now(w->data);
}

static void
open_now(struct side_listener *l)
{
	l->request = broker_open(l->broker, IPC_RESOURCE_LISTEN, l->host, l->port, on_opened, l);
	if (!l->request)
		try_again(l, strerror(ENOMEM));
}

void
side_listener_init(struct side_listener *l, struct ev_loop *loop, struct broker *broker)
{
	*l = (struct side_listener){ .loop = loop, .broker = broker, .to = -1 };
	ev_timer_init(&l->retry, on_retry, 0., 0.);
	l->retry.data = l;
}

void
side_listener_start(struct side_listener *l, const char *host, uint16_t port, int to)
{
	side_listener_stop(l);
	l->host = host;
	l->port = port;
	l->to = to;
	if (host)
		open_now(l);
}

void
side_listener_stop(struct side_listener *l)
{
	broker_cancel(l->request);
	l->request = NULL;
	ev_timer_stop(l->loop, &l->retry);
	l->to = -1;
}

const char *
side_listener_why(const struct side_listener *l)
{
	return l->why;
}
