/*
 * A Modbus RTU slave at the far end of a paced serial line, for benchmarks: a
 * pseudo-terminal has no speed, so that each byte takes its time here. BAUD
 * BITS (of a character) REGISTERS (of an answer). Prints the number of the
 * pseudo-terminal in the place of a port, answers each request after 3.5
 * characters, and looks at the silence before each request.
 *
 * stat: {"requests":..,"silence":CHARACTERS}, the shortest since the last one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/tool.h"

enum { REQUEST = 8, SPIN_NS = 60000, WATCH_NS = 8000000, MAX_ANSWER = 256 };

struct line {
	int fd;
	int64_t character; /* ns */
	int64_t free_at;   /* when the last byte, either way, has left the wire */
	int64_t shortest;  /* silence, ns */
	uint64_t requests;
	size_t len;
	uint8_t in[REQUEST];
	size_t answer_len;
	uint8_t answer[MAX_ANSWER];
};

/* The last part of it on the processor, which a sleep would overshoot. */
static void
wait_until(int64_t at)
{
	int64_t until = at - SPIN_NS;
	struct timespec t = { until / 1000000000, until % 1000000000 };

	if (until > tool_now_ns())
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	while (tool_now_ns() < at)
		continue;
}

static uint16_t
crc16(const uint8_t *p, size_t len)
{
	uint16_t crc = 0xffff;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
	}
	return crc;
}

static void
make_answer(struct line *l, unsigned registers)
{
	uint8_t *p = l->answer;

	l->answer_len = 5 + 2 * (size_t)registers;
	p[0] = 1;
	p[1] = 3;
	p[2] = (uint8_t)(2 * registers);
	uint16_t crc = crc16(p, l->answer_len - 2);
	p[l->answer_len - 2] = (uint8_t)crc;
	p[l->answer_len - 1] = (uint8_t)(crc >> 8);
}

static void
put_answer(struct line *l)
{
	wait_until(l->free_at + l->character * 7 / 2);
	l->free_at = tool_now_ns();
	for (size_t i = 0; i < l->answer_len; i++) {
		l->free_at += l->character;
		wait_until(l->free_at);
		if (write(l->fd, l->answer + i, 1) != 1)
			exit(EXIT_FAILURE);
	}
	l->requests++;
	l->len = 0;
}

/* Returns false when nothing was there. What one write of the gateway brings takes its time on the
 * wire from now. */
static bool
take_request(struct line *l)
{
	ssize_t n = read(l->fd, l->in + l->len, REQUEST - l->len);
	int64_t now = tool_now_ns();

	if (n <= 0)
		return false;
	if (l->len == 0 && l->requests && now - l->free_at < l->shortest)
		l->shortest = now - l->free_at;
	l->free_at = (now > l->free_at ? now : l->free_at) + n * l->character;
	l->len += (size_t)n;
	if (l->len == REQUEST)
		put_answer(l);
	return true;
}

static bool
take_order(struct line *l)
{
	char bytes[64];

	if (read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0)
		return false;
	printf("{\"requests\":%llu,\"silence\":%.2f}\n", (unsigned long long)l->requests,
	    (double)l->shortest / (double)l->character);
	fflush(stdout);
	l->shortest = INT64_MAX;
	return true;
}

static int
open_line(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), number = 0;
	struct termios t;

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 ||
	    sscanf(ptsname(fd), "/dev/pts/%d", &number) != 1)
		exit(EXIT_FAILURE);
	/* Held open: without it a pseudo-terminal says hang-up until the gateway comes. */
	int other = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other < 0 || tcgetattr(other, &t) < 0)
		exit(EXIT_FAILURE);
	cfmakeraw(&t);
	tcsetattr(other, TCSANOW, &t);
	printf("%d\n", number);
	fflush(stdout);
	return fd;
}

int
main(int argc, char **argv)
{
	static struct line line = { .shortest = INT64_MAX };

	if (argc < 4)
		return EXIT_FAILURE;
	line.character = strtol(argv[2], NULL, 10) * 1000000000 / strtol(argv[1], NULL, 10);
	make_answer(&line, (unsigned)strtoul(argv[3], NULL, 10));
	line.fd = open_line();
	for (;;) {
		struct pollfd w[2] = { { .fd = line.fd, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN } };
		int64_t end = line.requests ? line.free_at + WATCH_NS : 0;
		/* The moment of a request is wanted, not that of a wake-up. */
		while (!take_request(&line) && tool_now_ns() < end)
			continue;
		poll(w, 2, line.requests ? 0 : -1);
		if (w[1].revents && !take_order(&line))
			return EXIT_SUCCESS;
	}
}
