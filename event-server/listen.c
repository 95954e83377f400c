/* gateway-eventd's listening sockets. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/daemon/unix_socket.h"
#include "common/fdutil.h"
#include "common/log.h"
#include "event-server/peer.h"
#include "event-server/server.h"

enum {
	BACKLOG = 256,
	ACCEPTS_A_TURN = 64,
	ACCEPT_PAUSE_S = 1, /* after running out of descriptors or memory */
};

static void
watch_listeners(struct server *s, bool on)
{
	for (size_t i = 0; i < s->listeners.count; i++) {
		if (on)
			ev_io_start(s->loop, &s->listeners.io[i]);
		else
			ev_io_stop(s->loop, &s->listeners.io[i]);
	}
}

static void
on_accept_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	watch_listeners(w->data, true);
}

/* A stranger who holds connections does not keep others out: the oldest connection goes. */
static void
make_room_for_stranger(struct server *s)
{
	struct peer *oldest = NULL;
	size_t count = 0;

	for (struct peer *c = s->clients; c; c = c->next) {
		if (c->who.trusted || c->state == PEER_READY || c->state == PEER_DEAD)
			continue;
		oldest = c;
		count++;
	}
	if (count >= SERVER_MAX_STRANGERS)
		peer_close(oldest, NULL);
}

static void
take(struct server *s, int fd)
{
	struct access_client who;
	int one = 1;

	access_look(&s->access, fd, &who);
	if (!who.trusted)
		make_room_for_stranger(s);
	if (s->client_count == SERVER_MAX_CLIENTS) {
		server_warn(
		    s, "refused a connection: %d clients are connected", SERVER_MAX_CLIENTS);
		fd_close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on a Unix socket */
	struct peer *c = peer_new(s, fd, &who);
	if (!c)
		return;
	c->next = s->clients;
	s->clients = c;
	s->client_count++;
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct server *s = w->data;

	(void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			server_warn(s, "cannot accept connections: %s", strerror(errno));
			watch_listeners(s, false);
			ev_timer_set(&s->listeners.again, ACCEPT_PAUSE_S, 0);
			ev_timer_start(loop, &s->listeners.again);
		}
		return;
	}
}

static void
add_listener(struct server *s, int fd)
{
	ev_io *w = &s->listeners.io[s->listeners.count++];

	ev_timer_init(&s->listeners.again, on_accept_again, 0, 0);
	s->listeners.again.data = s;
	ev_io_init(w, on_acceptable, fd, EV_READ);
	w->data = s;
	ev_io_start(s->loop, w);
}

static int
port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

/* --- sockets that another process opened --- */

/* Returns the descriptor that came, -1 for none yet, -2 at the end. */
static int
receive_fd(int from)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(from, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return -2;
	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

/* NULL, or what is wrong with it. */
static const char *
check_handed(const struct server *s, int fd, char *err, size_t err_size)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a), size = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return "it does not listen";
	if (a.ss_family != AF_INET && a.ss_family != AF_INET6)
		return "it is not of TCP";
	if (s->listeners.count == SERVER_MAX_LISTENERS)
		return "there are listeners enough";
	return access_check_listen(&s->access, (struct sockaddr *)&a, err, err_size) < 0 ? err
											 : NULL;
}

static void
on_handed(struct ev_loop *loop, ev_io *w, int revents)
{
	struct server *s = w->data;
	char err[256];
	int fd = receive_fd(w->fd);

	(void)revents;
	if (fd == -2) {
		ev_io_stop(loop, w);
		return;
	}
	if (fd < 0)
		return;
	const char *why = check_handed(s, fd, err, sizeof(err));
	if (why) {
		log_error("refused a listening socket: %s", why);
		fd_close(fd);
		return;
	}
	add_listener(s, fd);
	log_notice("listening on TCP port %d", port_of(fd));
}

void
server_take_listeners(struct server *s, int fd)
{
	fd_set_cloexec(fd, 1);
	ev_io_init(&s->listeners.handed, on_handed, fd, EV_READ);
	s->listeners.handed.data = s;
	ev_io_start(s->loop, &s->listeners.handed);
}

/* --- sockets of its own --- */

/* -1: err or errno says why. */
static int
bind_first(const struct access *access, const struct addrinfo *list, char *err, size_t err_size)
{
	int one = 1, fd = -1;

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		fd_close(fd);
		fd = -1;
		if (access_check_listen(access, a->ai_addr, err, err_size) < 0)
			return -1;
		fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
	}
	fd_close(fd);
	return -1;
}

int
server_listen_tcp(struct server *s, const char *address, char *err, size_t err_size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE },
			*list = NULL;
	char *copy = strdup(address), *host, *port;
	int fd = -1, r;

	if (!copy || address_split(copy, &host, &port) < 0) {
		snprintf(err, err_size, "%s: not HOST:PORT", address);
		goto out;
	}
	r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
	if (r) {
		snprintf(err, err_size, "%s: %s", address, gai_strerror(r));
		goto out;
	}
	err[0] = '\0';
	fd = bind_first(&s->access, list, err, err_size);
	if (fd < 0 && !err[0])
		snprintf(err, err_size, "%s: %s", address, strerror(errno));
	if (fd < 0)
		goto out;
	add_listener(s, fd);
out:
	if (list)
		freeaddrinfo(list);
	if (fd >= 0)
		log_notice("listening on %s%s%s:%d", strchr(host, ':') ? "[" : "", host,
		    strchr(host, ':') ? "]" : "", port_of(fd));
	free(copy);
	return fd < 0 ? -1 : port_of(fd);
}

int
server_listen_unix(struct server *s, const char *path, char *err, size_t err_size)
{
	int fd = unix_socket_listen(path, BACKLOG);

	if (fd < 0) {
		snprintf(err, err_size, "%s: %s", path,
		    errno == ENAMETOOLONG ? "too long for a socket" : strerror(errno));
		return -1;
	}
	s->unix_path = path;
	add_listener(s, fd);
	log_notice("listening on %s", path);
	return 0;
}
