/*
 * Masters of IEC 60870-5-104 that cost next to nothing, for benchmarks.
 * "connect PORT COUNT": so many of them start data transfer there, and
 * acknowledge each eighth frame. A spontaneous bitstring is taken for a stamp in
 * units of 100 ns: its age is kept, of each master. "interrogate" has the first
 * one ask for everything.
 *
 * stat: {"started":..,"objects":..,"ended":..,"interrogations":..,
 * "interrogation":US,"age":{..}}; "count" is "stat" that leaves the ages alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/tool.h"

enum { W = 8, BITSTRING = 7, INTERROGATION = 100, SPONTANEOUS = 3, TERMINATION = 10 };

struct master {
	uint16_t sent, received, told;
	size_t len;
	uint8_t in[65536];
};

static struct master *masters[TOOL_MAX_FDS];
static int first = -1;
static uint64_t started, objects, ended, interrogations;
static int64_t asked, took;
static struct samples age;

static void
end(int fd)
{
	free(masters[fd]);
	masters[fd] = NULL;
	ended++;
	tool_drop(fd);
}

static void
take_asdu(const uint8_t *p, size_t len)
{
	size_t count = p[1] & 0x7f;

	if (p[0] == INTERROGATION && (p[2] & 0x3f) == TERMINATION) {
		took = tool_now_ns() - asked;
		interrogations++;
		return;
	}
	if (p[0] != BITSTRING || len < 6 + count * 8)
		return;
	objects += count;
	for (const uint8_t *o = p + 6; (p[2] & 0x3f) == SPONTANEOUS && count; count--, o += 8) {
		uint32_t v =
		    (uint32_t)o[3] << 24 | (uint32_t)o[4] << 16 | (uint32_t)o[5] << 8 | o[6];
		samples_add(&age, (int64_t)(uint32_t)((uint32_t)(tool_now_ns() / 100) - v) * 100);
	}
}

/* Bytes of the frames that were there whole. */
static size_t
take_frames(int fd, struct master *m)
{
	size_t done = 0, size;

	for (; m->len - done >= 6; done += size) {
		const uint8_t *p = m->in + done;
		size = p[1] + 2u;
		if (m->len - done < size)
			break;
		if (p[2] == 0x43)
			tool_write(fd, (uint8_t[]){ 0x68, 4, 0x83, 0, 0, 0 }, 6);
		started += p[2] == 0x0b;
		if (p[2] & 1 || size < 12)
			continue;
		m->received++;
		take_asdu(p + 6, size - 6);
	}
	return done;
}

static void
on_input(int fd)
{
	struct master *m = masters[fd];
	ssize_t n = m ? read(fd, m->in + m->len, sizeof(m->in) - m->len) : -1;

	if (!m || (n < 0 && errno == EAGAIN))
		return;
	if (n <= 0) {
		end(fd);
		return;
	}
	m->len += (size_t)n;
	size_t done = take_frames(fd, m);
	m->len -= done;
	memmove(m->in, m->in + done, m->len);
	if ((uint16_t)(m->received - m->told) < W)
		return;
	m->told = m->received;
	uint16_t number = (uint16_t)(m->told << 1);
	tool_write(fd, (uint8_t[]){ 0x68, 4, 1, 0, (uint8_t)number, (uint8_t)(number >> 8) }, 6);
}

static void
start(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct timeval patience = { 0, 1 };

	if (fd < 0 || fd >= TOOL_MAX_FDS || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		ended++;
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	masters[fd] = calloc(1, sizeof(struct master));
	first = first < 0 ? fd : first;
	tool_watch(fd, false);
	tool_write(fd, (uint8_t[]){ 0x68, 4, 7, 0, 0, 0 }, 6);
}

static void
interrogate(void)
{
	struct master *m = first >= 0 ? masters[first] : NULL;

	if (!m)
		return;
	uint16_t send = (uint16_t)(m->sent++ << 1), receive = (uint16_t)(m->received << 1);
	m->told = m->received;
	asked = tool_now_ns();
	tool_write(first,
	    (uint8_t[]){ 0x68, 14, (uint8_t)send, (uint8_t)(send >> 8), (uint8_t)receive,
		(uint8_t)(receive >> 8), INTERROGATION, 1, 6, 0, 1, 0, 0, 0, 0, 20 },
	    16);
}

static void
on_order(char *line)
{
	unsigned port, count;

	if (sscanf(line, "connect %u %u", &port, &count) == 2)
		while (count--)
			start((uint16_t)port);
	if (strcmp(line, "interrogate") == 0)
		interrogate();
	printf("{\"started\":%llu,\"objects\":%llu,\"ended\":%llu,\"interrogations\":%llu,"
	       "\"interrogation\":%.1f",
	    (unsigned long long)started, (unsigned long long)objects, (unsigned long long)ended,
	    (unsigned long long)interrogations, (double)took / 1e3);
	if (strcmp(line, "stat") == 0) {
		printf(",\"age\":");
		samples_print(&age);
	}
	printf("}\n");
}

static void
on_accept(int fd)
{
	tool_drop(fd);
}

int
main(void)
{
	static const struct tool tool = { on_accept, on_input, on_order, NULL };

	return tool_serve(&tool);
}
