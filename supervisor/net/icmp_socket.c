#include "supervisor/net/icmp_socket.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/fdutil.h"

enum { NONBLOCK = SOCK_NONBLOCK | SOCK_CLOEXEC };

static int
filter_v4(int fd)
{
	const struct icmp_filter filter = { ~(1u << ICMP_ECHOREPLY) };

	return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
}

static int
filter_v6(int fd)
{
	struct icmp6_filter filter;

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

static bool
is_not_allowed(int error)
{
	return error == EACCES || error == EPERM;
}

int
icmp_socket(int family)
{
	int protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int fd = socket(family, SOCK_DGRAM | NONBLOCK, protocol);

	if (fd >= 0 || !is_not_allowed(errno))
		return fd;
	fd = socket(family, SOCK_RAW | NONBLOCK, protocol);
	if (fd < 0 || (family == AF_INET6 ? filter_v6(fd) : filter_v4(fd)) == 0)
		return fd;
	int error = errno;
	fd_close(fd);
	errno = error;
	return -1;
}
