#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"
#include "common/daemon/unix_socket.h"
#include "common/fdutil.h"
#include "common/log.h"

enum { BACKLOG = 64, FIRST_HANDED = 3 };

/* sd_listen_fds(3): -1 where there is none, -2 where there are several or it is not one that
 * listens. */
static int
take_handed(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (!pid || !count || strtol(pid, NULL, 10) != getpid())
		return -1;
	if (strcmp(count, "1") != 0 ||
	    getsockopt(FIRST_HANDED, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens ||
	    fd_set_cloexec(FIRST_HANDED, 1) < 0 || fd_set_nonblock(FIRST_HANDED) < 0)
		return -2;
	return FIRST_HANDED;
}

static bool
is_loopback(const struct sockaddr *a)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;

	if (a->sa_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static int
bind_to(int family, const struct sockaddr *address, socklen_t len)
{
	int one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	fd_close(fd);
	return -1;
}

static int
listen_tcp(const char *address, bool insecure, char *err, size_t err_size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char copy[128], *host, *port;
	int fd = -1;

	snprintf(copy, sizeof(copy), "%s", address);
	if (address_split(copy, &host, &port) < 0 || getaddrinfo(host, port, &hints, &list) != 0) {
		snprintf(
		    err, err_size, "--listen %s: expected ADDRESS:PORT, both as numbers", address);
		return -1;
	}
	if (!insecure && !is_loopback(list->ai_addr))
		snprintf(err, err_size,
		    "--listen %s: other machines reach that address, and nothing here asks them "
		    "who "
		    "they are: put a reverse proxy before a loopback address, or say --insecure",
		    address);
	else if ((fd = bind_to(list->ai_family, list->ai_addr, list->ai_addrlen)) < 0)
		snprintf(err, err_size, "--listen %s: %s", address, strerror(errno));
	freeaddrinfo(list);
	return fd;
}

static int
listen_unix(const char *path, char *err, size_t err_size)
{
	int fd = unix_socket_listen(path, BACKLOG);

	if (fd < 0)
		snprintf(err, err_size, "--unix %s: %s", path,
		    errno == ENAMETOOLONG ? "the path is too long for a socket" : strerror(errno));
	return fd;
}

int
listen_open(const char *address, const char *path, bool insecure, char *err, size_t err_size)
{
	int fd = take_handed();

	if (fd == -2)
		snprintf(err, err_size,
		    "systemd has handed over what is not one listening stream socket");
	if (fd != -1)
		return fd == -2 ? -1 : fd;
	return address ? listen_tcp(address, insecure, err, err_size)
		       : listen_unix(path, err, err_size);
}

void
listen_log(int fd)
{
	struct sockaddr_storage a = { 0 };
	const struct sockaddr_un *u = (const struct sockaddr_un *)&a;
	socklen_t len = sizeof(a);
	char host[64], port[8];

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return;
	if (a.ss_family == AF_UNIX)
		log_notice("listening on %s", u->sun_path);
	else if (getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
		     NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		log_notice("listening on http://%s%s%s:%s/", a.ss_family == AF_INET6 ? "[" : "",
		    host, a.ss_family == AF_INET6 ? "]" : "", port);
}
