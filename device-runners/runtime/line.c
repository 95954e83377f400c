#include "device-runners/runtime/line.h"

#include <errno.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/tty.h"

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
	ssize_t n = write(l->fd, buffer_data(&l->pending), l->pending.len);

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
	buffer_consume(&l->pending, (size_t)n);
	if (l->pending.len)
		return;
	ev_io_stop(loop, &l->out);
	if (l->ops->drained)
		l->ops->drained(l->arg);
}

void
line_init(struct line *l, struct ev_loop *loop, size_t limit, const struct line_ops *ops, void *arg)
{
	*l = (struct line){ .loop = loop, .fd = -1, .ops = ops, .arg = arg };
	ev_init(&l->in, on_readable);
	ev_init(&l->out, on_writable);
	l->in.data = l;
	l->out.data = l;
	buffer_init(&l->pending, limit);
}

void
line_clear(struct line *l)
{
	line_close(l);
	buffer_clear(&l->pending);
}

void
line_open(struct line *l, int fd)
{
	l->fd = fd;
	l->error = 0;
	buffer_reset(&l->pending);
	ev_io_set(&l->in, fd, EV_READ);
	ev_io_set(&l->out, fd, EV_WRITE);
	ev_io_start(l->loop, &l->in);
}

void
line_close(struct line *l)
{
	if (!l->loop || l->fd < 0)
		return;
	ev_io_stop(l->loop, &l->in);
	ev_io_stop(l->loop, &l->out);
	fd_close(l->fd);
	l->fd = -1;
	buffer_reset(&l->pending);
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

	if (l->pending.len == 0)
		n = write(l->fd, p, len);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return 0;
	if (l->pending.len + len - (size_t)n > l->pending.limit) {
		errno = EAGAIN;
		return -1;
	}
	buffer_append(&l->pending, (const uint8_t *)p + n, len - (size_t)n);
	if (buffer_failed(&l->pending)) {
		errno = ENOMEM;
		return -1;
	}
	ev_io_start(l->loop, &l->out);
	return 0;
}

void
line_drop_output(struct line *l)
{
	ev_io_stop(l->loop, &l->out);
	buffer_reset(&l->pending);
	tty_drop_output(l->fd);
}

void
line_pause(struct line *l, bool pause)
{
	if (pause)
		ev_io_stop(l->loop, &l->in);
	else
		ev_io_start(l->loop, &l->in);
}
