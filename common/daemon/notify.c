#include "common/daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdutil.h"

/* A path, or '@' and a name of the abstract namespace. Returns the address's length, or 0. */
static socklen_t
read_address(const char *text, struct sockaddr_un *a)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(a->sun_path))
		return 0;
	memcpy(a->sun_path, text, len + 1);
	if (text[0] == '@')
		a->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int
notify_manager(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len = path ? read_address(path, &address) : 0;

	if (!path || !*path)
		return 0;
	if (!len)
		return errno = EINVAL, -1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	ssize_t sent =
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
	fd_close(fd);
	return sent < 0 ? -1 : 0;
}

/* A number of decimal digits alone, or 0. */
static uint64_t
read_number(const char *name)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	return *end || errno ? 0 : n;
}

uint64_t
notify_watchdog_us(void)
{
	if (getenv("WATCHDOG_PID") && read_number("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return read_number("WATCHDOG_USEC");
}
