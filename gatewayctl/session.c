#include "gatewayctl/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdutil.h"

static void
describe(struct session *c, int error)
{
	const char *hint = "Is gatewayd running (systemctl status gatewayd)? "
			   "Another socket is named by --socket PATH.";

	if (error == EACCES || error == EPERM)
		hint = "Be root, or in the group that the configuration names (control: {group: "
		       "...}).";
	snprintf(c->error, sizeof(c->error), "gatewayd is not reachable at %s: %s\n%s", c->path,
	    error == ECONNREFUSED ? "no process listens there any more" : strerror(error), hint);
}

static int
connect_socket(struct session *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = CLIENT_ANSWER_MS / 1000 };

	if (strlen(c->path) >= sizeof(address.sun_path))
		return errno = ENAMETOOLONG, -1;
	strncpy(address.sun_path, c->path, sizeof(address.sun_path) - 1);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return connect(c->fd, (struct sockaddr *)&address, sizeof(address));
}

int
session_open(struct session *c, const char *path)
{
	*c = (struct session){ .fd = -1, .packet = malloc(CONTROL_MAX_REPLY + 1) };
	int result = 0;

	if (path)
		snprintf(c->path, sizeof(c->path), "%s", path);
	else
		result = control_find_socket(c->path, sizeof(c->path));
	if (!c->packet || result < 0 || connect_socket(c) < 0) {
		describe(c, errno);
		session_close(c);
		return -1;
	}
	return 0;
}

void
session_close(struct session *c)
{
	fd_close(c->fd);
	free(c->packet);
	c->fd = -1;
	c->packet = NULL;
}

int
session_send(struct session *c, const void *request, size_t len)
{
	/* It may have turned us away already; its words are to be read then. */
	if (send(c->fd, request, len, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
		describe(c, errno);
		return -1;
	}
	return 0;
}

static enum session_event
lose(struct session *c, const char *why)
{
	snprintf(c->error, sizeof(c->error), "gatewayd at %s: %s", c->path, why);
	return SESSION_LOST;
}

enum session_event
session_receive(struct session *c, struct monotime deadline, struct control_reply *reply)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int wait = -1;

	if (deadline.ns) {
		int64_t ms = monotime_diff_ms(deadline, monotime_now());
		wait = ms < 0 ? 0 : ms > 1000000000 ? 1000000000 : (int)ms + 1;
	}
	int ready = poll(&p, 1, wait);
	if (ready == 0)
		return SESSION_TIMEOUT;
	if (ready < 0)
		return errno == EINTR ? SESSION_INTERRUPTED : lose(c, strerror(errno));
	ssize_t n = recv(c->fd, c->packet, CONTROL_MAX_REPLY + 1, 0);
	/* Linux tells of a close before the words that came ahead of it. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(c->fd, c->packet, CONTROL_MAX_REPLY + 1, 0);
	if (n < 0)
		return errno == EINTR ? SESSION_INTERRUPTED : lose(c, strerror(errno));
	if (n == 0)
		return lose(
		    c, "it closed the connection: it ended, or it was not read fast enough");
	if (control_reply_decode(c->packet, (size_t)n, reply) < 0)
		return lose(c, "its answer is not understood: another version?");
	return SESSION_REPLY;
}
