#include "supervisor/net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"

enum { HELD_MS = 1000 /* until the timer looks again */ };

static void
finish(struct conn *c, const char *why)
{
	char copy[160];

	snprintf(copy, sizeof(copy), "%s", why);
	conn_close(c);
	c->handler->on_closed(c->arg, copy);
}

/* The timer follows the chatter's deadline; it is looked at when it fires, not moved at each
 * message. */
static void
schedule(struct conn *c)
{
	struct monotime deadline = chatter_deadline(&c->chatter);

	if (deadline.ns == 0)
		return;
	int64_t ms = c->held ? HELD_MS : monotime_diff_ms(deadline, monotime_now());
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_set(&c->timer, (double)(ms < 0 ? 0 : ms + 1) / 1e3, 0.);
	ev_timer_start(c->loop, &c->timer);
}

/* Hands out the messages that are complete. Returns false when the connection is over. */
static bool
pull_messages(struct conn *c)
{
	struct chatter_msg msg;

	while (!c->held) {
		switch (chatter_next(&c->chatter, &msg)) {
		case DEC_OK:
			c->handler->on_message(c->arg, &msg);
			if (c->fd < 0)
				return false;
			break;
		case DEC_MORE:
			return true;
		default:
			finish(c, "the peer sent a malformed chatter frame");
			return false;
		}
	}
	return true;
}

/* Returns false when the connection is over. */
static bool
read_messages(struct conn *c)
{
	for (int i = 0; i < CONN_BURST && !c->held; i++) {
		size_t size;
		uint8_t *room = chatter_room(&c->chatter, CONN_READ, &size);
		if (!room) {
			finish(c, "out of memory");
			return false;
		}
		ssize_t n = recv(c->fd, room, size, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			finish(c, n == 0 ? "the peer closed the connection" : strerror(errno));
			return false;
		}
		if (c->ended)
			continue;
		c->bytes_in += (uint64_t)n;
		c->heard = monotime_now();
		chatter_fed(&c->chatter, (size_t)n, c->heard);
		if (!pull_messages(c))
			return false;
		if ((size_t)n < size)
			break;
	}
	return true;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;

	(void)loop, (void)revents;
	if (read_messages(c))
		conn_flush(c);
}

/* Bytes that arrived while this process was stopped count as a sign of life. */
static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct conn *c = w->data;

	(void)loop, (void)revents;
	if (!read_messages(c))
		return;
	if (!c->held && !chatter_tick(&c->chatter, monotime_now())) {
		finish(c, "the peer is silent: no answer to a ping");
		return;
	}
	schedule(c);
	conn_flush(c);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;

	(void)loop, (void)revents;
	conn_flush(c);
}

void
conn_flush(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->ended)
		buffer_reset(&c->out);
	if (buffer_failed(&c->out)) {
		finish(c, "the peer does not read what is sent to it");
		return;
	}
	while (c->out.len) {
		ssize_t n = send(c->fd, buffer_data(&c->out), c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(c->loop, &c->writable);
			return;
		}
		if (n < 0) {
			finish(c, strerror(errno));
			return;
		}
		c->bytes_out += (uint64_t)n;
		buffer_consume(&c->out, (size_t)n);
		/* Bytes appended in the callback are written here: the next write would be a turn
		 * later. */
		if (c->out.len == 0 && c->handler->on_drained) {
			c->handler->on_drained(c->arg);
			if (c->fd < 0)
				return;
		}
	}
	ev_io_stop(c->loop, &c->writable);
}

void
conn_init(struct conn *c, struct ev_loop *loop, const struct conn_handler *handler, void *arg)
{
	*c = (struct conn){ .loop = loop, .fd = -1, .handler = handler, .arg = arg };
	ev_io_init(&c->readable, on_readable, -1, EV_READ);
	ev_io_init(&c->writable, on_writable, -1, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->readable.data = c;
	c->writable.data = c;
	c->timer.data = c;
}

void
conn_open(struct conn *c, int fd)
{
	c->fd = fd;
	buffer_init(&c->out, CONN_MAX_OUT);
	chatter_init(&c->chatter, &c->out, CHATTER_MAX_FRAME, monotime_now());
	c->chatter.skip_large = true;
	ev_io_set(&c->readable, fd, EV_READ);
	ev_io_set(&c->writable, fd, EV_WRITE);
	ev_io_start(c->loop, &c->readable);
	schedule(c);
}

void
conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	ev_io_stop(c->loop, &c->readable);
	ev_io_stop(c->loop, &c->writable);
	ev_timer_stop(c->loop, &c->timer);
	fd_close(c->fd);
	c->fd = -1;
	c->ended = false;
	c->held = false;
	chatter_clear(&c->chatter);
	buffer_clear(&c->out);
}

void
conn_end(struct conn *c)
{
	c->ended = true;
	c->held = false;
	ev_io_start(c->loop, &c->readable);
	shutdown(c->fd, SHUT_WR);
}

void
conn_hold(struct conn *c)
{
	c->held = true;
	ev_io_stop(c->loop, &c->readable);
}

void
conn_resume(struct conn *c)
{
	if (!c->held)
		return;
	c->held = false;
	ev_io_start(c->loop, &c->readable);
	if (pull_messages(c))
		conn_flush(c);
}

bool
conn_is_open(const struct conn *c)
{
	return c->fd >= 0;
}

size_t
conn_unsent(const struct conn *c)
{
	return c->out.len;
}
