/* What a runner prints, through its pipe, the log and the journal's socket: each datagram has the
 * fields that gatewayd writes, once each, and none of the runner's. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/child/output.h"

/* Stands for sendto() to journald. */
static ssize_t take_datagram(const void *p, size_t len);
#define sendto(fd, p, len, flags, to, to_len) ((void)(to), take_datagram(p, len))
#include "supervisor/log/log_sink.c"
#undef sendto

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t
take_datagram(const void *p, size_t len)
{
	static const char *const fields[] = { "PRIORITY=", "SYSLOG_IDENTIFIER=gatewayd",
		"MESSAGE=", "DEVICE=plc1", "EVENT=" };
	const char *at = p, *end = at + len;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && at < end; i++) {
		size_t n = strlen(fields[i]);
		const char *line = memchr(at, '\n', (size_t)(end - at));
		if (!line || (size_t)(line - at) < n || memcmp(at, fields[i], n) != 0)
			abort();
		at = line + 1;
	}
	if (at != end || memchr(p, '\0', len))
		abort();
	return (ssize_t)len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_log conf = { .level = LOG_LEVEL_DEBUG,
		.journal = { .on = true, .level = LOG_LEVEL_DEBUG } };
	static struct ev_loop *loop;
	struct output o;
	int pipes[2];

	if (!loop && (!(loop = ev_loop_new(EVFLAG_NOENV)) || log_sink_open(&conf) < 0))
		abort();
	if (size > 60000 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return 0;
	output_init(&o, loop, "");
	o.device = "plc1";
	output_open(&o, pipes[0]);
	if (write(pipes[1], data, size) < 0)
		abort();
	close(pipes[1]);
	output_drain(&o);
	if (strlen(o.last) >= sizeof(o.last))
		abort();
	output_close(&o);
	return 0;
}
