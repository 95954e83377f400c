#include "supervisor/net/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/remedy.h"
#include "common/log.h"
#include "common/trust.h"
#include "supervisor/net/icmp_socket.h"
#include "supervisor/net/lookup.h"

enum { LISTEN_BACKLOG = 128 };

struct broker {
	struct ev_loop *loop;
	int limit_ms;
	struct lookups *lookups;
	struct broker_request *requests;
};

struct broker_request {
	struct broker *broker;
	struct broker_request *next, **link;
	enum ipc_resource kind;
	char *target;
	uint16_t port;
	broker_cb *cb;
	void *arg;
	struct lookup_wait *lookup; /* under way, or NULL */
	ev_timer timer;		    /* answers from the loop, and ends what takes too long */
	ev_io io;		    /* a connect under way */
	int fd, error;
	struct lookup_addresses addresses;
	size_t tried; /* of them, from the first on */
	char why[400];
};

static void
request_unlink(struct broker_request *q)
{
	if (!q->link)
		return;
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	q->link = NULL;
}

static void
request_free(struct broker_request *q)
{
	ev_timer_stop(q->broker->loop, &q->timer);
	ev_io_stop(q->broker->loop, &q->io);
	request_unlink(q);
	fd_close(q->fd);
	lookup_cancel(q->lookup);
	free(q->target);
	free(q);
}

/* The address that is under way has had its time: the next attempt begins with the next one. */
void
broker_cancel(struct broker_request *q)
{
	if (!q)
		return;
	if (ev_is_active(&q->io) && q->addresses.count > 1)
		lookup_try_first(q->broker->lookups, q->target,
		    (q->addresses.first + q->tried) % q->addresses.count);
	request_free(q);
}

static const enum remedy_of remedies[IPC_RESOURCE_COUNT] = {
	[IPC_RESOURCE_CONNECT] = REMEDY_CONNECT,
	[IPC_RESOURCE_LISTEN] = REMEDY_LISTEN,
	[IPC_RESOURCE_TTY] = REMEDY_TTY,
	[IPC_RESOURCE_FILE] = REMEDY_FILE,
	[IPC_RESOURCE_UDP] = REMEDY_CONNECT,
	[IPC_RESOURCE_UDP_LISTEN] = REMEDY_LISTEN,
	[IPC_RESOURCE_ICMP] = REMEDY_PING,
};

static void
answer(struct broker_request *q)
{
	broker_cb *cb = q->cb;
	void *arg = q->arg;
	int fd = q->fd, error = q->error;
	char why[sizeof(q->why)];

	memcpy(why, q->why, sizeof(why));
	q->fd = -1;
	request_free(q);
	cb(arg, fd, error, why);
}

static void connect_next(struct broker_request *q, int last_error);

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct broker_request *q = w->data;

	(void)revents;
	if (ev_is_active(&q->io) && q->tried < q->addresses.count) {
		ev_io_stop(loop, &q->io);
		fd_close(q->fd);
		q->fd = -1;
		connect_next(q, ETIMEDOUT);
		return;
	}
	/* A pending connect has an fd, which is not an answer yet. */
	if (ev_is_active(&q->io) || (q->fd < 0 && !q->error)) {
		fd_close(q->fd);
		q->fd = -1;
		q->error = ETIMEDOUT;
		snprintf(q->why, sizeof(q->why), "%.100s: no answer for %d s%s", q->target,
		    q->broker->limit_ms / 1000,
		    q->lookup ? ", still looking up the name"
			      : remedy_text(remedies[q->kind], ETIMEDOUT));
	}
	answer(q);
}

/* The answer goes out from the loop, never from within broker_open(). */
static void
answer_soon(struct broker_request *q)
{
	ev_io_stop(q->broker->loop, &q->io);
	ev_timer_stop(q->broker->loop, &q->timer);
	ev_timer_set(&q->timer, 0., 0.);
	ev_timer_start(q->broker->loop, &q->timer);
}

static void
fail(struct broker_request *q, int error, const char *what)
{
	fd_close(q->fd);
	q->fd = -1;
	q->error = error;
	const char *remedy = remedy_text(remedies[q->kind], error);
	if (ipc_resource_has_port(q->kind))
		snprintf(q->why, sizeof(q->why), "%s %.100s port %u: %s%s", what, q->target,
		    q->port, strerror(error), remedy);
	else
		snprintf(q->why, sizeof(q->why), "%s %.100s: %s%s", what, q->target,
		    strerror(error), remedy);
	answer_soon(q);
}

static void
set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* A dead peer shows within BROKER_USER_TIMEOUT_MS, busy or idle; small frames leave at once. */
static void
set_tcp_options(int fd)
{
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, BROKER_KEEPALIVE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, BROKER_USER_TIMEOUT_MS);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void
on_connected(struct ev_loop *loop, ev_io *w, int revents)
{
	struct broker_request *q = w->data;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)revents;
	ev_io_stop(loop, w);
	if (getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		fd_close(q->fd);
		q->fd = -1;
		connect_next(q, error);
		return;
	}
	if (q->addresses.count > 1)
		lookup_try_first(q->broker->lookups, q->target,
		    (q->addresses.first + q->tried - 1) % q->addresses.count);
	answer_soon(q);
}

static int
stream_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && family != AF_UNIX)
		set_tcp_options(fd);
	return fd;
}

static int
datagram_socket(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* The kinds that connect. A datagram socket has no handshake: its address counts as the right one
 * unless the kernel has no way to it. */
static int
socket_to_connect(enum ipc_resource kind, int family)
{
	static int (*const makers[IPC_RESOURCE_COUNT])(int family) = {
		[IPC_RESOURCE_CONNECT] = stream_socket,
		[IPC_RESOURCE_UDP] = datagram_socket,
		[IPC_RESOURCE_ICMP] = icmp_socket,
	};

	return makers[kind](family);
}

/* Tries the addresses of a name one after another. */
static void
connect_next(struct broker_request *q, int last_error)
{
	struct lookup_addresses *all = &q->addresses;

	if (q->tried == all->count) {
		fail(q, last_error, "connect to");
		return;
	}
	size_t i = (all->first + q->tried++) % all->count;
	const struct sockaddr *a = (const struct sockaddr *)&all->address[i];
	socklen_t len = all->length[i];
	q->fd = socket_to_connect(q->kind, a->sa_family);
	if (q->fd >= 0 && connect(q->fd, a, len) == 0) {
		answer_soon(q);
		return;
	}
	if (errno != EINPROGRESS) {
		int error = errno;
		fd_close(q->fd);
		q->fd = -1;
		connect_next(q, error);
		return;
	}
	ev_io_set(&q->io, q->fd, EV_WRITE);
	ev_io_start(q->broker->loop, &q->io);
	/* Each address has its share of the time, so that a silent address leaves time for the next
	 * one, also when the caller waits for less time than the broker. */
	double ms = (double)q->broker->limit_ms / (double)q->addresses.count;
	if (q->tried < q->addresses.count && ms > BROKER_ADDRESS_MS)
		ms = BROKER_ADDRESS_MS;
	ev_timer_stop(q->broker->loop, &q->timer);
	ev_timer_set(&q->timer, ms / 1e3, 0.);
	ev_timer_start(q->broker->loop, &q->timer);
}

static void
listen_first(struct broker_request *q)
{
	const struct sockaddr *a = (const struct sockaddr *)&q->addresses.address[0];

	/* Accepted sockets inherit the options. */
	q->fd = stream_socket(a->sa_family);
	if (q->fd < 0) {
		fail(q, errno, "listen on");
		return;
	}
	set_option(q->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(q->fd, a, q->addresses.length[0]) < 0 || listen(q->fd, LISTEN_BACKLOG) < 0) {
		fail(q, errno, "listen on");
		return;
	}
	answer_soon(q);
}

/* Without SO_REUSEADDR: with it another process could take the port's datagrams. The unspecified
 * address of IPv6 receives IPv4 as well, whatever net.ipv6.bindv6only is. */
static void
bind_first(struct broker_request *q)
{
	const struct sockaddr *a = (const struct sockaddr *)&q->addresses.address[0];

	q->fd = datagram_socket(a->sa_family);
	if (q->fd < 0) {
		fail(q, errno, "listen on");
		return;
	}
	set_option(q->fd, SOL_SOCKET, SO_RCVBUF, BROKER_UDP_BUFFER);
	set_option(q->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (a->sa_family == AF_INET6)
		set_option(q->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(q->fd, a, q->addresses.length[0]) < 0) {
		fail(q, errno, "listen on");
		return;
	}
	answer_soon(q);
}

static void
use_addresses(struct broker_request *q)
{
	if (q->kind == IPC_RESOURCE_LISTEN)
		listen_first(q);
	else if (q->kind == IPC_RESOURCE_UDP_LISTEN)
		bind_first(q);
	else
		connect_next(q, EHOSTUNREACH);
}

/* The port is at the same place in both families. */
static void
set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET || a->ss_family == AF_INET6)
		((struct sockaddr_in *)a)->sin_port = htons(port);
}

static void
on_found(void *arg, const struct lookup_addresses *found, const char *why)
{
	struct broker_request *q = arg;

	q->lookup = NULL;
	if (!found) {
		q->error = EHOSTUNREACH;
		snprintf(q->why, sizeof(q->why), "%s", why);
		answer_soon(q);
		return;
	}
	q->addresses = *found;
	for (size_t i = 0; i < found->count; i++)
		set_port(&q->addresses.address[i], q->port);
	use_addresses(q);
}

static void
resolve(struct broker_request *q)
{
	q->lookup = lookup_ask(q->broker->lookups, q->target, on_found, q);
	if (!q->lookup)
		fail(q, ENOMEM, "look up");
}

/* Root ignores TIOCEXCL, and flock is advisory: the two together keep out other processes. */
static void
open_tty(struct broker_request *q)
{
	q->fd = open(q->target, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (q->fd < 0)
		fail(q, errno, "open");
	else if (!isatty(q->fd))
		fail(q, ENOTTY, "open");
	else if (flock(q->fd, LOCK_EX | LOCK_NB) < 0)
		fail(q, errno == EWOULDBLOCK ? EBUSY : errno, "lock");
	else if (ioctl(q->fd, TIOCEXCL) < 0)
		fail(q, errno, "take exclusively");
	else
		answer_soon(q);
}

/* Something that looks like a file there is the kernel, or another process. */
static bool
is_of_the_kernel(int fd)
{
	static const unsigned kinds[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC,
		TRACEFS_MAGIC, SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		BPF_FS_MAGIC, PSTOREFS_MAGIC, EFIVARFS_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((unsigned)fs.f_type == kinds[i])
			return true;
	return false;
}

/* Without the links of /proc that lead to what another process has open. */
static int
open_to_read(const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		fd = open(path, (int)how.flags);
	return fd;
}

static void
open_file(struct broker_request *q)
{
	char why[sizeof(q->why)];
	enum trust trust = TRUST_OK;
	struct stat st;

	q->fd = open_to_read(q->target);
	if (q->fd < 0 || fstat(q->fd, &st) < 0)
		fail(q, errno, "open");
	else if (!S_ISREG(st.st_mode) || is_of_the_kernel(q->fd))
		fail(q, EINVAL, "not a regular file:");
	else if ((trust = trust_path(q->target, TRUST_SECRET, why, sizeof(why))) == TRUST_WRITABLE)
		fail(q, EPERM, "other users can change");
	else
		answer_soon(q);
	/* The runner knows whether the file is a secret. */
	if (trust == TRUST_READABLE)
		memcpy(q->why, why, sizeof(why));
}

static struct broker_request *
request_new(struct broker *b, enum ipc_resource kind, const char *target, broker_cb *cb, void *arg)
{
	struct broker_request *q = calloc(1, sizeof(*q));

	if (!q || !(q->target = strdup(target))) {
		free(q);
		return NULL;
	}
	q->broker = b;
	q->kind = kind;
	q->cb = cb;
	q->arg = arg;
	q->fd = -1;
	q->next = b->requests;
	q->link = &b->requests;
	if (q->next)
		q->next->link = &q->next;
	b->requests = q;
	ev_timer_init(&q->timer, on_timer, b->limit_ms / 1e3, 0.);
	ev_io_init(&q->io, on_connected, -1, EV_WRITE);
	q->timer.data = q;
	q->io.data = q;
	ev_timer_start(b->loop, &q->timer);
	return q;
}

struct broker_request *
broker_open(struct broker *b, enum ipc_resource kind, const char *target, uint16_t port,
    broker_cb *cb, void *arg)
{
	static void (*const openers[IPC_RESOURCE_COUNT])(struct broker_request *) = {
		[IPC_RESOURCE_CONNECT] = resolve,
		[IPC_RESOURCE_LISTEN] = resolve,
		[IPC_RESOURCE_TTY] = open_tty,
		[IPC_RESOURCE_FILE] = open_file,
		[IPC_RESOURCE_UDP] = resolve,
		[IPC_RESOURCE_UDP_LISTEN] = resolve,
		[IPC_RESOURCE_ICMP] = resolve,
	};
	struct broker_request *q = request_new(b, kind, target, cb, arg);

	if (!q)
		return NULL;
	q->port = ipc_resource_has_port(kind) ? port : 0;
	openers[kind](q);
	return q;
}

struct broker_request *
broker_connect_unix(struct broker *b, const char *path, broker_cb *cb, void *arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct broker_request *q = request_new(b, IPC_RESOURCE_CONNECT, path, cb, arg);

	if (!q)
		return NULL;
	if (strlen(path) >= sizeof(a.sun_path)) {
		fail(q, ENAMETOOLONG, "connect to");
		return q;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	memcpy(&q->addresses.address[0], &a, sizeof(a));
	q->addresses.length[0] = sizeof(a);
	q->addresses.count = 1;
	connect_next(q, ECONNREFUSED);
	return q;
}

struct broker *
broker_new(struct ev_loop *loop, const char *resolver)
{
	struct broker *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->loop = loop;
	b->limit_ms = BROKER_CONNECT_MS;
	b->lookups = lookups_new(loop, resolver);
	if (b->lookups)
		return b;
	free(b);
	return NULL;
}

void
broker_set_limit(struct broker *b, int ms)
{
	b->limit_ms = ms;
}

void
broker_free(struct broker *b)
{
	if (!b)
		return;
	while (b->requests)
		request_free(b->requests);
	lookups_free(b->lookups);
	free(b);
}
