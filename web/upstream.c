#include "web/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fdutil.h"

int
upstreams_init(struct upstreams *l, const char *path)
{
	*l = (struct upstreams){ .path = path, .packet = malloc(CONTROL_MAX_REPLY + 1) };
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		l->all[i].fd = -1;
	return l->packet ? 0 : -1;
}

void
upstreams_clear(struct upstreams *l)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		upstream_close(&l->all[i]);
	free(l->packet);
}

void
upstream_close(struct upstream *k)
{
	if (!k || k->fd < 0)
		return;
	fd_close(k->fd);
	*k = (struct upstream){ .fd = -1 };
}

void
upstream_pause(struct upstream *k, bool paused)
{
	k->paused = paused;
}

static struct upstream *
find_free(struct upstreams *l)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		if (l->all[i].fd < 0)
			return &l->all[i];
	return NULL;
}

/* A connected socket, or -1 with errno. */
static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return errno = ENAMETOOLONG, -1;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

struct upstream *
upstream_open(struct upstreams *l, const char *request, size_t len, bool streams,
    upstream_reply *on_reply, void *arg, char *why, size_t why_size)
{
	struct upstream *k = find_free(l);

	if (!k) {
		snprintf(why, why_size, "too many requests at once: try again later");
		return NULL;
	}
	int fd = connect_to(l->path);
	/* gatewayd may have turned us away already; its words are to be read then. */
	if (fd < 0 || (send(fd, request, len, MSG_NOSIGNAL) < 0 && errno != EPIPE)) {
		snprintf(why, why_size, "gatewayd is not reachable: %s", strerror(errno));
		fd_close(fd);
		return NULL;
	}
	*k = (struct upstream){ .fd = fd, .streams = streams, .on_reply = on_reply, .arg = arg };
	k->deadline = monotime_add_ms(monotime_now(), UPSTREAM_ANSWER_MS);
	return k;
}

static void
lose(struct upstream *k, const char *why)
{
	struct upstream was = *k;

	upstream_close(k);
	was.on_reply(was.arg, NULL, why);
}

/* One packet. False: there is none, or the link is gone. */
static bool
receive(struct upstreams *l, struct upstream *k)
{
	struct control_reply reply;
	ssize_t n = recv(k->fd, l->packet, CONTROL_MAX_REPLY + 1, MSG_DONTWAIT);

	/* Linux tells of a close before the words that came ahead of it. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(k->fd, l->packet, CONTROL_MAX_REPLY + 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || control_reply_decode(l->packet, (size_t)n, &reply) < 0) {
		lose(k, n < 0	 ? strerror(errno)
			: n == 0 ? "gatewayd closed the connection"
				 : "the answer of gatewayd is not understood: another version?");
		return false;
	}
	struct upstream was = *k;
	bool more = !reply.end;
	k->deadline = monotime_add_ms(monotime_now(), UPSTREAM_ANSWER_MS);
	if (reply.end)
		upstream_close(k);
	was.on_reply(was.arg, &reply, NULL);
	json_free(reply.doc);
	/* The function may have closed it, and opened another one in its place. */
	return more && k->fd == was.fd && k->arg == was.arg && !k->paused;
}

void
upstreams_fill(const struct upstreams *l, struct pollfd *p)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		p[i].fd = l->all[i].paused ? -1 : l->all[i].fd;
		p[i].events = POLLIN;
		p[i].revents = 0;
	}
}

void
upstreams_serve(struct upstreams *l, const struct pollfd *p)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		struct upstream *k = &l->all[i];
		int n = 0;
		/* Packets that have come are read before a time-out is believed. */
		if (k->fd >= 0 && k->fd == p[i].fd && p[i].revents)
			while (n++ < UPSTREAM_PACKETS_A_TURN && receive(l, k))
				;
		else if (k->fd >= 0 && !k->streams && !k->paused &&
			 monotime_cmp(monotime_now(), k->deadline) >= 0)
			lose(k, "gatewayd does not answer in time");
	}
}

int
upstreams_timeout_ms(const struct upstreams *l)
{
	struct monotime now = monotime_now();
	int64_t least = -1;

	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		const struct upstream *k = &l->all[i];
		if (k->fd < 0 || k->streams || k->paused)
			continue;
		int64_t ms = monotime_diff_ms(k->deadline, now) + 1;
		ms = ms < 0 ? 0 : ms;
		least = least < 0 || ms < least ? ms : least;
	}
	return (int)least;
}
