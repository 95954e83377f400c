#include "event-server/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/trust.h"

static int
take_token(struct access *a, const char *line)
{
	size_t len = strcspn(line, "\r\n");

	if (len == 0 || len > ACCESS_MAX_TOKEN)
		return -1;
	memcpy(a->token, line, len);
	a->token[len] = '\0';
	if (len < ACCESS_MIN_TOKEN)
		log_warning("the token is short: use at least %d characters", ACCESS_MIN_TOKEN);
	return 0;
}

int
access_read_token(struct access *a, const char *path, char *err, size_t err_size)
{
	char line[ACCESS_MAX_TOKEN + 3], why[512];
	enum trust t = trust_path(path, TRUST_SECRET, why, sizeof(why));
	int r = -1;

	if (t == TRUST_WRITABLE) {
		snprintf(err, err_size, "token file refused: %s", why);
		return -1;
	}
	if (t == TRUST_READABLE)
		log_warning("the token is no secret: %s", why);
	FILE *f = fopen(path, "re");
	if (!f) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return -1;
	}
	if (fgets(line, sizeof(line), f))
		r = take_token(a, line);
	fclose(f);
	if (r < 0)
		snprintf(err, err_size, "%s: expected a token of 1 to %d bytes in the first line",
		    path, ACCESS_MAX_TOKEN);
	return r;
}

static bool
is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a;
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)a;
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
			   in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	}
	return false;
}

int
access_check_listen(
    const struct access *a, const struct sockaddr *address, char *err, size_t err_size)
{
	if (a->token[0] || (a->insecure && is_loopback(address)))
		return 0;
	snprintf(err, err_size, "%s",
	    a->insecure ? "--insecure is for loopback addresses: other addresses need --token-file"
			: "TCP needs --token-file, or --insecure on a loopback address");
	return -1;
}

static void
look_at_user(const struct access *a, int fd, struct access_client *c)
{
	struct ucred user;

	c->trusted = trust_peer(fd, a->own, &user);
	snprintf(
	    c->from, sizeof(c->from), "user id %u, process %d", (unsigned)user.uid, (int)user.pid);
}

static void
write_address(const struct sockaddr_storage *a, char *text, size_t size)
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	bool six = a->ss_family == AF_INET6;
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(
	    a->ss_family, six ? (const void *)&in6->sin6_addr : &in->sin_addr, host, sizeof(host));
	snprintf(text, size, six ? "[%s]:%d" : "%s:%d", host,
	    ntohs(six ? in6->sin6_port : in->sin_port));
}

void
access_look(const struct access *a, int fd, struct access_client *c)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	*c = (struct access_client){ 0 };
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0) {
		snprintf(c->from, sizeof(c->from), "an unknown address");
		return;
	}
	if (peer.ss_family == AF_UNIX) {
		look_at_user(a, fd, c);
		return;
	}
	c->trusted = a->insecure && is_loopback((struct sockaddr *)&peer);
	write_address(&peer, c->from, sizeof(c->from));
}

/* The time does not tell where the first difference is. */
static bool
is_token(const struct access *a, struct sbs_str given)
{
	size_t len = strlen(a->token);
	unsigned char differ = 0;

	if (len == 0 || given.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(a->token[i] ^ given.p[i]);
	return differ == 0;
}

static void
say_refused(struct access *a, const struct access_client *c, const char *why, double now)
{
	a->refused++;
	if (now - a->said < 1) {
		a->unsaid++;
		return;
	}
	log_warning("refused a client from %s: %s (%lu refused since the start, %lu of them not "
		    "logged)",
	    c->from, why, a->refused, a->unsaid);
	a->said = now;
}

bool
access_admit(
    struct access *a, const struct access_client *c, const struct eventer_init_req *req, double now)
{
	if (c->trusted || (req->has_token && is_token(a, req->token)))
		return true;
	say_refused(a, c, req->has_token ? "wrong token" : "no token", now);
	return false;
}
