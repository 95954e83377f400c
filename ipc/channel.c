#include "ipc/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/utf8.h"

/* Bytes in which most messages are unpacked; for the others there is more until the next one. */
enum { ZONE = 2048 };

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* The kernel is short of memory, or of descriptors on their way (unix(7)): the peer is well. */
static bool
is_shortage(int error)
{
	return error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

static bool
is_for_later(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || is_shortage(error);
}

/* Takes the fd out of what came along; more than one is more than anybody asked for. */
static int
received_fd(struct msghdr *m, bool *bad)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int got;
			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			if (fd >= 0) {
				fd_close(got);
				*bad = true;
			} else {
				fd = got;
			}
		}
	}
	if (m->msg_flags & MSG_CTRUNC)
		*bad = true;
	return fd;
}

static void
violation(struct channel *c, const char *why, const void *packet, size_t len, int fd)
{
	fd_close(fd);
	ev_io_stop(c->loop, &c->readable);
	c->handler->on_violation(c->arg, why, packet, len);
}

static void
dispatch(struct channel *c, const uint8_t *packet, size_t len, int fd)
{
	static msgpack_zone *zone;
	struct ipc_header h;
	msgpack_object body;
	size_t off = 0;

	const char *why = ipc_check(packet, len, c->peer, c->phase, &h);
	if (!why && fd >= 0 && !ipc_rule_find(h.type)->fd)
		why = "an fd with a message that carries none";
	if (why) {
		violation(c, why, packet, len, fd);
		return;
	}
	c->heard = h.type;
	if (h.type == IPC_REGISTER) {
		c->handler->on_register(c->arg, packet + IPC_HEADER, len - IPC_HEADER);
		return;
	}
	if (!zone && !(zone = msgpack_zone_new(ZONE))) {
		violation(c, "out of memory", packet, len, fd);
		return;
	}
	msgpack_zone_clear(zone);
	if (msgpack_unpack((const char *)packet + IPC_HEADER, len - IPC_HEADER, &off, zone,
		&body) != MSGPACK_UNPACK_SUCCESS) {
		violation(c, "msgpack-c refused it", packet, len, fd);
		return;
	}
	c->packet = packet;
	c->handler->on_message(c->arg, &h, &body, fd, len);
	c->packet = NULL;
}

/* One packet. Returns false when there is nothing more for now. */
static bool
receive(struct channel *c)
{
	static uint8_t packet[IPC_MAX_MESSAGE + 1];
	union control control;
	struct iovec iov = { packet, sizeof(packet) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	bool bad = false;

	/* A runner never sends an fd: without room for one the kernel drops it, and says so. */
	if (c->peer == IPC_RUNNER)
		m.msg_control = NULL, m.msg_controllen = 0;
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0 && is_for_later(errno))
		return false;
	/* A dead peer's reset may come before its last packets: they follow. */
	if (n < 0 && errno == ECONNRESET)
		return true;
	int fd = n >= 0 ? received_fd(&m, &bad) : -1;
	if (n <= 0) {
		fd_close(fd);
		ev_io_stop(c->loop, &c->readable);
		c->handler->on_close(c->arg);
		return false;
	}
	if (bad)
		violation(c, "an fd that was not asked for", packet, (size_t)n, fd);
	else
		dispatch(c, packet, (size_t)n, fd);
	return true;
}

/* What a runner that is quiet otherwise says nothing behind: the kernel need not be asked. If there
 * is more, the next turn comes at once. */
static bool
is_mostly_last(uint16_t type)
{
	return type == IPC_PONG || type == IPC_REGISTER;
}

/*
 * Many runners that talk at once are read in several turns of the supervisor's loop: after
 * IPC_TURN_MS of a turn the others wait for the next one, in which those that were read already
 * have no second share.
 */
static bool
has_share(struct channel *c)
{
	static struct {
		unsigned iteration;
		uint32_t round;
		bool held; /* somebody waits for the next turn */
	} turn;
	unsigned iteration = ev_iteration(c->loop);

	if (iteration != turn.iteration) {
		turn.round += !turn.held;
		turn.iteration = iteration;
		turn.held = false;
	}
	bool late = ev_time() - ev_now(c->loop) > IPC_TURN_MS / 1e3;
	bool served = c->round == turn.round;
	bool read_now = c->read_now;
	c->read_now = false;
	if (!read_now && (served || late)) {
		turn.held |= !served;
		return false;
	}
	c->round = turn.round;
	return true;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct channel *c = w->data;
	unsigned turn = ev_iteration(loop);
	bool quiet = turn - c->turn > 1;

	(void)revents;
	if (c->peer == IPC_RUNNER && !has_share(c))
		return;
	c->turn = turn;
	for (int i = 0; i < IPC_READ_BURST && ev_is_active(&c->readable); i++)
		if (!receive(c) || (quiet && is_mostly_last(c->heard)))
			return;
}

/* Sends one packet, with fd where it is >= 0. */
static int
send_packet(struct channel *c, const void *packet, size_t len, int fd)
{
	union control control = { 0 };
	struct iovec iov = { (void *)packet, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd < 0)
		return send(c->fd, packet, len, MSG_NOSIGNAL) < 0 ? -1 : 0;
	m.msg_control = control.bytes;
	m.msg_controllen = sizeof(control.bytes);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return sendmsg(c->fd, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Room for one fd more. */
static bool
has_room_for_fd(struct channel *c)
{
	if (!c->fds)
		c->fds = calloc(IPC_MAX_QUEUED_FDS, sizeof(*c->fds));
	return c->fds && c->fd_count < IPC_MAX_QUEUED_FDS;
}

static int
queue_packet(struct channel *c, int fd)
{
	if (c->queue.len + 4 + c->out.len > IPC_MAX_QUEUE + c->answers ||
	    (fd >= 0 && !has_room_for_fd(c))) {
		c->stalled = true;
		fd_close(fd);
		errno = ENOBUFS;
		return -1;
	}
	buffer_le(&c->queue, c->out.len, 4);
	buffer_append(&c->queue, buffer_data(&c->out), c->out.len);
	if (buffer_failed(&c->queue)) {
		c->stalled = true;
		fd_close(fd);
		errno = ENOBUFS;
		return -1;
	}
	if (fd >= 0)
		c->fds[c->fd_count++] = (struct queued_fd){ c->queued, fd };
	c->queued++;
	ev_io_start(c->loop, &c->writable);
	return 0;
}

static void
drop_first_fd(struct channel *c)
{
	fd_close(c->fds[0].fd);
	c->fd_count--;
	memmove(c->fds, c->fds + 1, c->fd_count * sizeof(c->fds[0]));
}

/* Sends what waits, as far as it goes. Returns false when the peer is gone. */
static bool
send_queue(struct channel *c)
{
	while (c->queue.len) {
		const uint8_t *p = buffer_data(&c->queue);
		uint32_t len = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			       (uint32_t)p[3] << 24;
		bool with_fd = c->fd_count && c->fds[0].packet == c->sent;
		if (send_packet(c, p + 4, len, with_fd ? c->fds[0].fd : -1) < 0)
			return is_for_later(errno);
		if (with_fd)
			drop_first_fd(c);
		c->sent++;
		buffer_consume(&c->queue, 4 + len);
	}
	/* A queue for answers is rarely needed again: its memory is freed. */
	if (c->answers)
		buffer_clear(&c->queue);
	c->answers = 0;
	return true;
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct channel *c = w->data;

	(void)revents;
	/* A peer that is gone shows itself to the reader; here its packets are just not sent. */
	bool alive = send_queue(c);
	if (alive && c->queue.len && is_shortage(errno)) {
		/* The socket may be writable all the same. */
		ev_io_stop(loop, &c->writable);
		ev_timer_again(loop, &c->retry);
	} else if (!alive || c->queue.len == 0) {
		ev_io_stop(loop, &c->writable);
		if (c->queue.len == 0 && c->handler->on_drained)
			c->handler->on_drained(c->arg);
	}
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct channel *c = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	ev_io_start(loop, &c->writable);
}

static int
pack_write(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0;
}

void
channel_open(struct channel *c, struct ev_loop *loop, int fd, enum ipc_sender peer,
    const struct channel_handler *handler, void *arg)
{
	*c = (struct channel){ .loop = loop,
		.fd = fd,
		.peer = peer,
		.phase = PHASE_INIT,
		.handler = handler,
		.arg = arg };
	buffer_init(&c->out, IPC_MAX_MESSAGE + IPC_MAX_EVENT);
	buffer_init(&c->queue, IPC_MAX_QUEUE + IPC_MAX_ANSWERS);
	msgpack_packer_init(&c->packer, &c->out, pack_write);
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->retry, on_retry, 0., IPC_RETRY_MS / 1e3);
	c->readable.data = c;
	c->writable.data = c;
	c->retry.data = c;
	ev_io_start(loop, &c->readable);
}

void
channel_come_first(struct channel *c)
{
	ev_io_stop(c->loop, &c->readable);
	ev_set_priority(&c->readable, EV_MAXPRI);
	ev_io_start(c->loop, &c->readable);
}

void
channel_read_now(struct channel *c)
{
	c->read_now = true;
	ev_feed_event(c->loop, &c->readable, EV_READ);
}

void
channel_close(struct channel *c)
{
	if (c->fd >= 0) {
		ev_io_stop(c->loop, &c->readable);
		ev_io_stop(c->loop, &c->writable);
		ev_timer_stop(c->loop, &c->retry);
	}
	fd_close(c->fd);
	c->fd = -1;
	while (c->fd_count)
		drop_first_fd(c);
	free(c->fds);
	c->fds = NULL;
	buffer_clear(&c->out);
	buffer_clear(&c->queue);
}

msgpack_packer *
channel_begin(struct channel *c, enum ipc_type type, uint32_t id)
{
	buffer_reset(&c->out);
	buffer_le(&c->out, type, 2);
	buffer_le(&c->out, 0, 2);
	buffer_le(&c->out, id, 4);
	return &c->packer;
}

size_t
channel_length(const struct channel *c)
{
	return c->out.len;
}

void
channel_is_answer(struct channel *c)
{
	size_t size = 4 + c->out.len;

	if (c->answers + size <= IPC_MAX_ANSWERS)
		c->answers += size;
}

int
channel_send(struct channel *c, int fd)
{
	if (c->fd < 0 || c->stalled) {
		fd_close(fd);
		errno = c->stalled ? ENOBUFS : EPIPE;
		return -1;
	}
	if (buffer_failed(&c->out) || c->out.len > IPC_MAX_MESSAGE) {
		fd_close(fd);
		errno = EMSGSIZE;
		return -1;
	}
	if (c->queue.len)
		return queue_packet(c, fd);
	if (send_packet(c, buffer_data(&c->out), c->out.len, fd) == 0) {
		c->answers = 0;
		c->sent++;
		c->queued++;
		fd_close(fd);
		return 0;
	}
	if (is_for_later(errno))
		return queue_packet(c, fd);
	fd_close(fd);
	errno = EPIPE;
	return -1;
}

int
channel_send_empty(struct channel *c, enum ipc_type type, uint32_t id)
{
	msgpack_pack_array(channel_begin(c, type, id), 0);
	return channel_send(c, -1);
}

void
channel_flush(struct channel *c, int ms)
{
	struct monotime end = monotime_add_ms(monotime_now(), ms);

	while (c->fd >= 0 && c->queue.len && send_queue(c) && c->queue.len) {
		int64_t left = monotime_diff_ms(end, monotime_now());
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };
		if (left <= 0 || poll(&p, 1, (int)left) < 0)
			return;
	}
}

void
ipc_pack_text(msgpack_packer *p, const char *text, size_t len)
{
	msgpack_pack_str(p, len);
	msgpack_pack_str_body(p, text, len);
}

void
ipc_pack_str(msgpack_packer *p, const char *text)
{
	ipc_pack_text(p, text, strlen(text));
}

void
ipc_pack_reason(msgpack_packer *p, const char *text)
{
	char copy[IPC_MAX_TEXT] = "";
	size_t len = strnlen(text, sizeof(copy));

	/* A continuation byte after the end: the character before it is cut. */
	if (len == sizeof(copy))
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	memcpy(copy, text, len);
	if (!utf8_valid(copy, len))
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)copy[i] >= 0x80)
				copy[i] = '?';
	ipc_pack_text(p, copy, len);
}

void
ipc_pack_timestamp(msgpack_packer *p, const struct timestamp *t)
{
	if (!t) {
		msgpack_pack_nil(p);
		return;
	}
	msgpack_pack_array(p, 2);
	msgpack_pack_int64(p, t->s);
	msgpack_pack_uint32(p, t->us);
}

void
ipc_copy_text(char *to, size_t size, const msgpack_object_str *s)
{
	size_t n = s->size < size ? s->size : size - 1;

	if (n)
		memcpy(to, s->ptr, n);
	to[n] = '\0';
}

struct timestamp
ipc_timestamp(const msgpack_object *o)
{
	const msgpack_object *f = o->via.array.ptr;

	return (struct timestamp){ f[0].via.i64, (uint32_t)f[1].via.u64 };
}
