#include "device-runners/runtime/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/limit.h"

static struct limit tls_limit, name_limit;

bool
stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}

struct buffer *
stream_out(struct stream *s)
{
	return &s->out;
}

static void
release(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	ev_io_stop(s->loop, &s->in);
	ev_io_stop(s->loop, &s->out_io);
	if (s->tls)
		s->tls_ops->close(s->tls);
	s->tls = NULL;
	fd_close(s->fd);
	s->fd = -1;
	buffer_clear(&s->out);
}

void
stream_close(struct stream *s)
{
	release(s);
	ev_timer_stop(s->loop, &s->closing);
}

void
stream_break(struct stream *s, const char *why)
{
	if (!stream_is_open(s))
		return;
	snprintf(s->why, sizeof(s->why), "%s", why);
	release(s);
	ev_timer_set(&s->closing, 0., 0.);
	ev_timer_start(s->loop, &s->closing);
}

static void
on_closing(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct stream *s = w->data;

	(void)loop, (void)revents;
	s->ops->closed(s->arg, s->why);
}

static void
lose_tls(struct stream *s, enum tls_want want)
{
	stream_break(s, want == TLS_CLOSED ? "closed by the peer" : s->tls_ops->why(s->tls));
}

/* One write. Returns bytes written, 0 when it would block, -1 when the connection is lost. */
static ssize_t
put_bytes(struct stream *s)
{
	size_t n = 0;

	if (!s->tls) {
		ssize_t rc = write(s->fd, buffer_data(&s->out), s->out.len);
		if (rc >= 0 || errno == EAGAIN || errno == EINTR)
			return rc < 0 ? 0 : rc;
		stream_break(s, strerror(errno));
		return -1;
	}
	enum tls_want want = s->tls_ops->write(s->tls, buffer_data(&s->out), s->out.len, &n);
	s->write_waits = want == TLS_WANTS_READ;
	if (want == TLS_DONE)
		return (ssize_t)n;
	if (want == TLS_WANTS_READ || want == TLS_WANTS_WRITE)
		return 0;
	lose_tls(s, want);
	return -1;
}

void
stream_flush(struct stream *s)
{
	if (!stream_is_open(s) || s->handshaking)
		return;
	if (buffer_failed(&s->out)) {
		stream_break(s, "the peer does not read what it is sent");
		return;
	}
	while (s->out.len) {
		ssize_t n = put_bytes(s);
		if (n < 0)
			return;
		if (n == 0) {
			if (!s->write_waits)
				ev_io_start(s->loop, &s->out_io);
			return;
		}
		buffer_consume(&s->out, (size_t)n);
	}
	ev_io_stop(s->loop, &s->out_io);
}

static void
settle_handshake(struct stream *s)
{
	char text[TLS_WHY];
	const char *host = s->tls_ops->misnamed(s->tls);

	s->tls_ops->describe(s->tls, text);
	limit_info(&tls_limit, "TLS: %s", text);
	if (host)
		limit_warning(&name_limit, "TLS: the peer's certificate does not name %s", host);
	s->handshaking = false;
	ev_io_stop(s->loop, &s->out_io);
	s->ops->ready(s->arg);
	/* Data that came with the end of the handshake are in OpenSSL's buffer already. */
	if (stream_is_open(s))
		s->ops->readable(s->arg);
}

static void
shake_hands(struct stream *s)
{
	char text[TLS_WHY];

	switch (s->tls_ops->handshake(s->tls)) {
	case TLS_DONE:
		settle_handshake(s);
		break;
	case TLS_WANTS_READ:
		ev_io_stop(s->loop, &s->out_io);
		break;
	case TLS_WANTS_WRITE:
		ev_io_start(s->loop, &s->out_io);
		break;
	case TLS_CLOSED:
		stream_break(s, "the peer closed during the TLS handshake");
		break;
	default:
		snprintf(text, sizeof(text), "TLS handshake: %.200s", s->tls_ops->why(s->tls));
		stream_break(s, text);
	}
}

/* Whether data may be read and written. Without TLS there is nothing to wait for but the loop, and
 * the first event of either kind begins: a peer that speaks at once makes the connection readable
 * with the same turn that it can be written. */
static bool
may_go_on(struct stream *s)
{
	if (s->handshaking && s->tls) {
		shake_hands(s);
		return false;
	}
	if (s->handshaking) {
		s->handshaking = false;
		ev_io_stop(s->loop, &s->out_io);
		s->ops->ready(s->arg);
	}
	return true;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct stream *s = w->data;

	(void)loop, (void)revents;
	if (!may_go_on(s))
		return;
	if (stream_is_open(s))
		s->ops->readable(s->arg);
	if (s->write_waits)
		stream_flush(s);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct stream *s = w->data;

	(void)loop, (void)revents;
	if (may_go_on(s))
		stream_flush(s);
}

void
stream_init(
    struct stream *s, struct runner *r, size_t limit, const struct stream_ops *ops, void *arg)
{
	*s = (struct stream){
		.runner = r, .loop = runner_loop(r), .ops = ops, .arg = arg, .fd = -1
	};
	buffer_init(&s->out, limit);
	ev_init(&s->in, on_readable);
	ev_init(&s->out_io, on_writable);
	ev_timer_init(&s->closing, on_closing, 0., 0.);
	s->in.data = s;
	s->out_io.data = s;
	s->closing.data = s;
}

void
stream_open(struct stream *s, int fd, const struct tls_ops *tls_ops, struct tls *tls)
{
	s->fd = fd;
	s->tls_ops = tls_ops;
	s->tls = tls;
	s->handshaking = true;
	s->write_waits = false;
	buffer_reset(&s->out);
	ev_io_set(&s->in, fd, EV_READ);
	ev_io_set(&s->out_io, fd, EV_WRITE);
	ev_io_start(s->loop, &s->in);
	/* A connected socket can be written: ready() comes from the loop at once. */
	ev_io_start(s->loop, &s->out_io);
}

size_t
stream_read(struct stream *s, void *p, size_t size)
{
	size_t got = 0;

	if (!stream_is_open(s) || s->handshaking)
		return 0;
	if (!s->tls) {
		ssize_t n = read(s->fd, p, size);
		if (n > 0)
			return (size_t)n;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			stream_break(s, n == 0 ? "closed by the peer" : strerror(errno));
		return 0;
	}
	enum tls_want want = s->tls_ops->read(s->tls, p, size, &got);
	if (s->tls_ops->renewed(s->tls))
		limit_info(&tls_limit, "TLS: new keys");
	if (want == TLS_DONE)
		return got;
	if (want == TLS_WANTS_WRITE)
		ev_io_start(s->loop, &s->out_io);
	else if (want != TLS_WANTS_READ)
		lose_tls(s, want);
	return 0;
}

size_t
stream_read_buffer(struct stream *s, struct buffer *in, size_t size)
{
	uint8_t *room = buffer_reserve(in, size);

	if (!room)
		runner_fail(s->runner, "out of memory");
	size_t n = stream_read(s, room, size);
	buffer_commit(in, n);
	return n;
}

void
stream_pause(struct stream *s, bool pause)
{
	if (!stream_is_open(s))
		return;
	if (pause)
		ev_io_stop(s->loop, &s->in);
	else
		ev_io_start(s->loop, &s->in);
}

void
stream_check(struct stream *s, struct tls_context *context)
{
	if (stream_is_open(s) && s->tls && !s->handshaking &&
	    !s->tls_ops->still_valid(s->tls, context))
		stream_break(s, s->tls_ops->why(s->tls));
}
