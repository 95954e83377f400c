#include "device-runners/modbus/line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/fdutil.h"

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct line *l = w->data;

	(void)loop, (void)events;
	l->ops->readable(l->arg);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct line *l = w->data;
	ssize_t n = write(l->fd, l->pending, l->pending_len);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* The reader is told, paused or not. */
		l->error = errno;
		ev_io_stop(loop, &l->out);
		ev_feed_event(loop, &l->in, EV_READ);
		return;
	}
	memmove(l->pending, l->pending + n, l->pending_len - (size_t)n);
	l->pending_len -= (size_t)n;
	if (l->pending_len)
		return;
	ev_io_stop(loop, &l->out);
	if (l->ops->drained)
		l->ops->drained(l->arg);
}

void
line_init(struct line *l, struct ev_loop *loop, const struct line_ops *ops, void *arg)
{
	*l = (struct line){ .loop = loop, .fd = -1, .ops = ops, .arg = arg };
	ev_init(&l->in, on_readable);
	ev_init(&l->out, on_writable);
	l->in.data = l;
	l->out.data = l;
}

void
line_open(struct line *l, int fd)
{
	l->fd = fd;
	l->error = 0;
	l->pending_len = 0;
	ev_io_set(&l->in, fd, EV_READ);
	ev_io_set(&l->out, fd, EV_WRITE);
	ev_io_start(l->loop, &l->in);
}

void
line_close(struct line *l)
{
	ev_io_stop(l->loop, &l->in);
	ev_io_stop(l->loop, &l->out);
	fd_close(l->fd);
	l->fd = -1;
	l->pending_len = 0;
}

ssize_t
line_read(struct line *l, void *p, size_t size)
{
	ssize_t n = l->error ? -1 : read(l->fd, p, size);

	if (l->error)
		errno = l->error;
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		errno = 0;
	return -1;
}

int
line_write(struct line *l, const void *p, size_t len)
{
	ssize_t n = 0;

	if (l->pending_len == 0)
		n = write(l->fd, p, len);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return 0;
	if (l->pending_len + len - (size_t)n > sizeof(l->pending)) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(l->pending + l->pending_len, (const uint8_t *)p + n, len - (size_t)n);
	l->pending_len += len - (size_t)n;
	ev_io_start(l->loop, &l->out);
	return 0;
}

void
line_drop_pending(struct line *l)
{
	ev_io_stop(l->loop, &l->out);
	l->pending_len = 0;
}

void
line_pause(struct line *l, bool pause)
{
	if (pause)
		ev_io_stop(l->loop, &l->in);
	else
		ev_io_start(l->loop, &l->in);
}
