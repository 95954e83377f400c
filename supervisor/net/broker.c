#include "supervisor/net/broker.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/net/icmp_socket.h"

enum { MAX_RESOLVER_SOCKETS = 16, LISTEN_BACKLOG = 128 };

static const char resolver_conf[] = "/etc/resolv.conf";

struct resolver_socket {
	ev_io io;
	ares_socket_t fd; /* ARES_SOCKET_BAD: free */
};

struct broker {
	struct ev_loop *loop;
	int limit_ms;
	ares_channel ares;
	struct stat resolver_conf; /* as it was when ares read it */
	struct resolver_socket sockets[MAX_RESOLVER_SOCKETS];
	ev_timer ares_timer;
	struct broker_request *requests;
};

struct broker_request {
	struct broker *broker;
	struct broker_request *next, **link;
	enum ipc_resource kind;
	char *target;
	uint16_t port;
	broker_cb *cb; /* NULL once cancelled while the resolver still holds the request */
	void *arg;
	bool resolving;
	ev_timer timer; /* answers from the loop, and ends what takes too long */
	ev_io io;	/* a connect under way */
	int fd, error;
	struct sockaddr_storage addresses[BROKER_MAX_ADDRESSES];
	socklen_t lengths[BROKER_MAX_ADDRESSES];
	size_t address_count, address_next;
	char why[256];
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
	/* The resolver's callback still points here: it frees the rest. */
	if (q->resolving) {
		q->cb = NULL;
		q->fd = -1;
		return;
	}
	free(q->target);
	free(q);
}

void
broker_cancel(struct broker_request *q)
{
	if (q)
		request_free(q);
}

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
	if (ev_is_active(&q->io) && q->address_next < q->address_count) {
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
		    q->broker->limit_ms / 1000, q->resolving ? ", still looking up the name" : "");
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
	if (ipc_resource_has_port(q->kind))
		snprintf(q->why, sizeof(q->why), "%s %.100s port %u: %s", what, q->target, q->port,
		    strerror(error));
	else
		snprintf(q->why, sizeof(q->why), "%s %.100s: %s%s", what, q->target,
		    strerror(error), q->kind == IPC_RESOURCE_ICMP ? icmp_socket_hint(error) : "");
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
	if (q->address_next == q->address_count) {
		fail(q, last_error, "connect to");
		return;
	}
	const struct sockaddr *a = (const struct sockaddr *)&q->addresses[q->address_next];
	socklen_t len = q->lengths[q->address_next++];
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
	double ms = (double)q->broker->limit_ms / (double)q->address_count;
	if (q->address_next < q->address_count && ms > BROKER_ADDRESS_MS)
		ms = BROKER_ADDRESS_MS;
	ev_timer_stop(q->broker->loop, &q->timer);
	ev_timer_set(&q->timer, ms / 1e3, 0.);
	ev_timer_start(q->broker->loop, &q->timer);
}

static void
listen_first(struct broker_request *q)
{
	const struct sockaddr *a = (const struct sockaddr *)&q->addresses[0];

	/* Accepted sockets inherit the options. */
	q->fd = stream_socket(a->sa_family);
	if (q->fd < 0) {
		fail(q, errno, "listen on");
		return;
	}
	set_option(q->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(q->fd, a, q->lengths[0]) < 0 || listen(q->fd, LISTEN_BACKLOG) < 0) {
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
	const struct sockaddr *a = (const struct sockaddr *)&q->addresses[0];

	q->fd = datagram_socket(a->sa_family);
	if (q->fd < 0) {
		fail(q, errno, "listen on");
		return;
	}
	set_option(q->fd, SOL_SOCKET, SO_RCVBUF, BROKER_UDP_BUFFER);
	set_option(q->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (a->sa_family == AF_INET6)
		set_option(q->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(q->fd, a, q->lengths[0]) < 0) {
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

static void
add_address(struct broker_request *q, const struct sockaddr *a, socklen_t len)
{
	if (q->address_count == BROKER_MAX_ADDRESSES || len > sizeof(q->addresses[0]))
		return;
	memcpy(&q->addresses[q->address_count], a, len);
	q->lengths[q->address_count++] = len;
}

static void
on_resolved(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct broker_request *q = arg;

	(void)timeouts;
	q->resolving = false;
	if (!q->cb) {
		ares_freeaddrinfo(result);
		free(q->target);
		free(q);
		return;
	}
	for (struct ares_addrinfo_node *n = result ? result->nodes : NULL; n; n = n->ai_next)
		add_address(q, n->ai_addr, (socklen_t)n->ai_addrlen);
	ares_freeaddrinfo(result);
	if (status != ARES_SUCCESS || q->address_count == 0) {
		q->error = EHOSTUNREACH;
		snprintf(q->why, sizeof(q->why), "look up %.100s: %s", q->target,
		    status != ARES_SUCCESS ? ares_strerror(status) : "no address");
		answer_soon(q);
		return;
	}
	use_addresses(q);
}

/* Literal addresses and localhost need no resolver (RFC 6761 clause 6.3). Without /etc/hosts the
 * resolver would ask the name server for localhost. */
static bool
find_known(struct broker_request *q)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(q->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(q->port) };
	bool local = strcasecmp(q->target, "localhost") == 0;

	if (inet_pton(AF_INET, local ? "127.0.0.1" : q->target, &v4.sin_addr) == 1)
		add_address(q, (struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, local ? "::1" : q->target, &v6.sin6_addr) == 1)
		add_address(q, (struct sockaddr *)&v6, sizeof(v6));
	return q->address_count > 0;
}

static void schedule_ares(struct broker *b);
static int open_resolver(struct broker *b);

/* c-ares reads its name servers once, but the network may be configured later, or change. Pending
 * lookups end, and their callers ask again. */
static void
follow_resolver_conf(struct broker *b)
{
	const struct stat *before = &b->resolver_conf;
	struct stat now = { 0 };

	stat(resolver_conf, &now);
	if (now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
	    now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
		return;
	ares_channel old = b->ares;
	if (open_resolver(b) == 0)
		ares_destroy(old);
	else
		b->ares = old;
}

static void
resolve(struct broker_request *q)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char service[8];

	if (find_known(q)) {
		use_addresses(q);
		return;
	}
	snprintf(service, sizeof(service), "%u", q->port);
	hints.ai_flags = ARES_AI_NUMERICSERV;
	follow_resolver_conf(q->broker);
	q->resolving = true;
	ares_getaddrinfo(q->broker->ares, q->target, service, &hints, on_resolved, q);
	schedule_ares(q->broker);
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

static void
open_file(struct broker_request *q)
{
	struct stat st;

	q->fd = open(q->target, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (q->fd < 0 || fstat(q->fd, &st) < 0)
		fail(q, errno, "open");
	else if (!S_ISREG(st.st_mode))
		fail(q, EINVAL, "not a regular file:");
	else
		answer_soon(q);
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
	add_address(q, (struct sockaddr *)&a, sizeof(a));
	connect_next(q, ECONNREFUSED);
	return q;
}

/* c-ares' sockets and time-outs on our loop. */
static void
on_ares_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct broker *b = w->data;

	(void)loop;
	ares_process_fd(b->ares, revents & EV_READ ? w->fd : ARES_SOCKET_BAD,
	    revents & EV_WRITE ? w->fd : ARES_SOCKET_BAD);
	schedule_ares(b);
}

static void
on_ares_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct broker *b = w->data;

	(void)loop, (void)revents;
	ares_process_fd(b->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	schedule_ares(b);
}

static void
schedule_ares(struct broker *b)
{
	struct timeval max = { 1, 0 }, tv;
	struct timeval *t = ares_timeout(b->ares, NULL, &tv);

	ev_timer_stop(b->loop, &b->ares_timer);
	if (!t)
		return;
	t = ares_timeout(b->ares, &max, &tv);
	ev_timer_set(&b->ares_timer, (double)t->tv_sec + (double)t->tv_usec / 1e6, 0.);
	ev_timer_start(b->loop, &b->ares_timer);
}

static void
on_ares_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct broker *b = arg;
	struct resolver_socket *s = NULL;

	for (size_t i = 0; i < MAX_RESOLVER_SOCKETS && !(s && s->fd == fd); i++)
		if (b->sockets[i].fd == fd || (!s && b->sockets[i].fd == ARES_SOCKET_BAD))
			s = &b->sockets[i];
	/* Without a free slot the answer is not read, and the lookup times out. */
	if (!s)
		return;
	ev_io_stop(b->loop, &s->io);
	s->fd = readable || writable ? fd : ARES_SOCKET_BAD;
	if (s->fd == ARES_SOCKET_BAD)
		return;
	ev_io_set(&s->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	ev_io_start(b->loop, &s->io);
}

static int
open_resolver(struct broker *b)
{
	struct ares_options options = { .sock_state_cb = on_ares_socket, .sock_state_cb_data = b };
	struct stat conf = { 0 };

	stat(resolver_conf, &conf);
	if (ares_init_options(&b->ares, &options, ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		return -1;
	b->resolver_conf = conf;
	return 0;
}

struct broker *
broker_new(struct ev_loop *loop)
{
	struct broker *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->loop = loop;
	b->limit_ms = BROKER_CONNECT_MS;
	for (size_t i = 0; i < MAX_RESOLVER_SOCKETS; i++) {
		b->sockets[i].fd = ARES_SOCKET_BAD;
		ev_io_init(&b->sockets[i].io, on_ares_io, -1, EV_READ);
		b->sockets[i].io.data = b;
	}
	ev_timer_init(&b->ares_timer, on_ares_timer, 0., 0.);
	b->ares_timer.data = b;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || open_resolver(b) < 0) {
		log_error("cannot start the resolver");
		free(b);
		return NULL;
	}
	return b;
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
	ares_destroy(b->ares);
	ares_library_cleanup();
	ev_timer_stop(b->loop, &b->ares_timer);
	for (size_t i = 0; i < MAX_RESOLVER_SOCKETS; i++)
		ev_io_stop(b->loop, &b->sockets[i].io);
	free(b);
}
