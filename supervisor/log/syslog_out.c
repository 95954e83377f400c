#include "supervisor/log/syslog_out.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"

enum {
	FACILITY_DAEMON = 3 << 3, /* RFC 5424 table 1 */
};

static int
find_unix(struct syslog_out *s, const char *path)
{
	struct sockaddr_un *a = (struct sockaddr_un *)&s->address;

	if (strlen(path) >= sizeof(a->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, strlen(path) + 1);
	s->address_len = sizeof(*a);
	return 0;
}

/* Never asks the resolver, which would hold everything up. */
static void
find_inet(struct syslog_out *s, const char *host, uint16_t port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST }, *found;
	char service[8];

	hints.ai_socktype = s->transport == CONFIG_SYSLOG_TCP ? SOCK_STREAM : SOCK_DGRAM;
	snprintf(service, sizeof(service), "%u", port);
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return;
	syslog_out_found(s, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
}

void
syslog_out_found(struct syslog_out *s, const struct sockaddr *address, socklen_t len)
{
	if (len > sizeof(s->address))
		return;
	memcpy(&s->address, address, len);
	s->address_len = len;
	s->retry = (struct monotime){ 0 };
}

/* A socket that is connected, or (TCP) about to be. */
static void
connect_again(struct syslog_out *s, struct monotime now)
{
	int type = s->transport == CONFIG_SYSLOG_TCP ? SOCK_STREAM : SOCK_DGRAM;

	if (s->address_len == 0 || monotime_cmp(now, s->retry) < 0)
		return;
	s->retry = monotime_add_ms(now, SYSLOG_RETRY_MS);
	s->fd = socket(s->address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0 && connect(s->fd, (struct sockaddr *)&s->address, s->address_len) < 0 &&
	    errno != EINPROGRESS) {
		fd_close(s->fd);
		s->fd = -1;
	}
}

int
syslog_out_open(struct syslog_out *s, const struct config_log *conf)
{
	*s = (struct syslog_out){ .transport = conf->syslog_transport,
		.host = strdup(conf->syslog_host),
		.port = conf->syslog_port,
		.fd = -1 };
	buffer_init(&s->pending, SYSLOG_MAX_PENDING);
	if (gethostname(s->hostname, sizeof(s->hostname) - 1) < 0 || !s->hostname[0])
		memcpy(s->hostname, "-", 2);
	if (s->transport == CONFIG_SYSLOG_LOCAL)
		return find_unix(s, conf->syslog_host);
	find_inet(s, conf->syslog_host, conf->syslog_port);
	return 0;
}

bool
syslog_out_is(const struct syslog_out *s, const struct config_log *conf)
{
	return s->host && s->transport == conf->syslog_transport && s->port == conf->syslog_port &&
	       strcmp(s->host, conf->syslog_host) == 0;
}

void
syslog_out_close(struct syslog_out *s)
{
	free(s->host);
	s->host = NULL;
	if (s->fd >= 0)
		fd_close(s->fd);
	s->fd = -1;
	buffer_clear(&s->pending);
}

/* As syslog(3): "<30>Nov 22 13:05:01 gatewayd[123]: plc1: text". */
static int
format_local(char *line, size_t size, int priority, const char *device, const char *text)
{
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%b %e %H:%M:%S", localtime_r(&now, &tm));
	return snprintf(line, size, "<%d>%s gatewayd[%d]: %s%s%s", priority, when, (int)getpid(),
	    device ? device : "", device ? ": " : "", text);
}

/* RFC 5424 section 6: "<30>1 2026-11-22T13:05:01.000000Z host gatewayd 123 event - plc1: text". */
static int
format_5424(const struct syslog_out *s, char *line, size_t size, int priority, const char *device,
    const char *event, const char *text)
{
	struct timestamp now = timestamp_now();
	time_t seconds = (time_t)now.s;
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	return snprintf(line, size, "<%d>1 %s.%06uZ %s gatewayd %d %.32s - %s%s%s", priority, when,
	    (unsigned)now.us, s->hostname, (int)getpid(), event ? event : "-", device ? device : "",
	    device ? ": " : "", text);
}

/* Whether this error of send() means that the socket is unusable. */
static bool
is_lost(int error)
{
	return error != EAGAIN && error != EINTR && error != ENOBUFS && error != EMSGSIZE;
}

/* A line that went out in part is not sent again: its receiver counts octets. */
static void
lose(struct syslog_out *s)
{
	fd_close(s->fd);
	s->fd = -1;
	s->works = false;
	if (s->frame_left > 0) {
		buffer_consume(&s->pending, s->frame_left);
		s->frame_left = 0;
		s->dropped++;
	}
}

/* n bytes of the pending lines, "COUNT LINE" each, are sent. */
static void
consume(struct syslog_out *s, size_t n)
{
	while (n > 0) {
		const char *head = (const char *)buffer_data(&s->pending);
		if (s->frame_left == 0) {
			char *end;
			size_t len = strtoul(head, &end, 10);
			s->frame_left = (size_t)(end - head) + 1 + len;
		}
		size_t part = n < s->frame_left ? n : s->frame_left;
		buffer_consume(&s->pending, part);
		s->frame_left -= part;
		n -= part;
	}
}

void
syslog_out_flush(struct syslog_out *s, struct monotime now)
{
	if (s->fd < 0)
		connect_again(s, now);
	while (s->fd >= 0 && s->pending.len > 0) {
		ssize_t n = send(
		    s->fd, buffer_data(&s->pending), s->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && is_lost(errno))
			lose(s);
		if (n <= 0)
			return;
		s->works = true;
		consume(s, (size_t)n);
	}
}

static void
send_datagram(struct syslog_out *s, const char *line, size_t len, struct monotime now)
{
	/* A second attempt: the daemon may have restarted, or may not have listened before. */
	for (int attempt = 0; attempt < 2; attempt++) {
		if (s->fd < 0)
			connect_again(s, now);
		if (s->fd < 0)
			break;
		s->works = send(s->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
		if (s->works)
			return;
		if (!is_lost(errno))
			break;
		lose(s);
		s->retry = attempt == 0 ? now : s->retry;
	}
	s->dropped++;
}

uint64_t
syslog_out_lost(struct syslog_out *s)
{
	uint64_t lost = s->works ? s->dropped - s->told : 0;

	s->told += lost;
	return lost;
}

void
syslog_out_write(struct syslog_out *s, enum log_level level, const char *device, const char *event,
    const char *text)
{
	struct monotime now = monotime_now();
	int priority = FACILITY_DAEMON | (int)level, n;
	char line[SYSLOG_MAX_LINE], count[16];

	n = s->transport == CONFIG_SYSLOG_LOCAL
		? format_local(line, sizeof(line), priority, device, text)
		: format_5424(s, line, sizeof(line), priority, device, event, text);
	size_t len = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;
	if (s->transport != CONFIG_SYSLOG_TCP) {
		send_datagram(s, line, len, now);
		return;
	}
	int digits = snprintf(count, sizeof(count), "%zu ", len);
	if (s->pending.len + (size_t)digits + len > SYSLOG_MAX_PENDING) {
		s->dropped++;
	} else {
		buffer_append(&s->pending, count, (size_t)digits);
		buffer_append(&s->pending, line, len);
	}
	syslog_out_flush(s, now);
}
