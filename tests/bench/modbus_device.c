/*
 * A Modbus TCP slave that costs next to nothing, for benchmarks. How registers
 * read is an argument: "still" (always the same), "changing" (each differs each
 * time), "stamp" (each four registers hold the time of the answer in ns).
 * Writes of four registers are taken for a stamp, and their age is kept.
 *
 * "count" is "stat" that leaves the ages alone. stat:
 * {"requests":..,"writes":..,"age":{..},"gap":..,"polled":..,"polled_at":..}, gap being the longest
 * time in us between two requests of one connection since the last stat, polled how many
 * connections ever had a request, and polled_at when the last one had its first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/tool.h"

enum { MBAP = 7, MAX_FRAME = 260, READ_COILS = 1, WRITE_REGISTERS = 16 };
enum mode { STILL, CHANGING, STAMP };

struct peer {
	size_t len;
	int64_t last;
	uint8_t in[4096];
};

static struct peer *peers[TOOL_MAX_FDS];
static enum mode mode;
static uint64_t requests, writes, polled;
static uint16_t turn;
static int64_t gap, polled_at;
static struct samples age;

static void
put_be(uint8_t *p, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t
get_be(const uint8_t *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void
fill(uint8_t *p, size_t count)
{
	uint64_t now = mode == STAMP ? (uint64_t)tool_now_ns() : 0;

	turn++;
	for (size_t i = 0; i < count; i++) {
		uint16_t v = mode == STILL ? (uint16_t)(0x1234 + i) : (uint16_t)(turn + i);
		if (mode == STAMP)
			v = (uint16_t)(now >> (48 - 16 * (i % 4)));
		put_be(p + 2 * i, v, 2);
	}
}

/* The answer to one request: its length with the header. */
static size_t
answer(const uint8_t *q, uint8_t *r)
{
	size_t count = get_be(q + 10, 2), len = 5;

	memcpy(r, q, MBAP + 5);
	if (q[7] == WRITE_REGISTERS) {
		writes++;
		if (count == 4)
			samples_add(&age, tool_now_ns() - (int64_t)get_be(q + 13, 8));
	} else if (q[7] > READ_COILS + 1 && count <= 125) {
		r[8] = (uint8_t)(2 * count);
		fill(r + 9, count);
		len = 2 + 2 * count;
	} else {
		r[7] |= 0x80;
		r[8] = 1;
		len = 2;
	}
	put_be(r + 4, len + 1, 2);
	return MBAP + len;
}

static void
on_accept(int fd)
{
	if (!peers[fd])
		peers[fd] = malloc(sizeof(struct peer));
	peers[fd]->len = 0;
	peers[fd]->last = 0;
}

static void
note_gap(struct peer *p)
{
	int64_t now = tool_now_ns();

	if (p->last && now - p->last > gap)
		gap = now - p->last;
	if (!p->last) {
		polled++;
		polled_at = now;
	}
	p->last = now;
}

static void
on_input(int fd)
{
	struct peer *p = peers[fd];
	uint8_t r[MAX_FRAME];

	if (!tool_read(fd, p->in, &p->len, sizeof(p->in)))
		return;
	for (size_t size; p->len >= MBAP + 5 && p->len >= (size = 6 + get_be(p->in + 4, 2));) {
		if (size < MBAP + 5 || size > MAX_FRAME) {
			tool_drop(fd);
			return;
		}
		requests++;
		note_gap(p);
		tool_write(fd, r, answer(p->in, r));
		p->len -= size;
		memmove(p->in, p->in + size, p->len);
	}
}

static void
on_order(char *line)
{
	printf("{\"requests\":%llu,\"writes\":%llu,\"gap\":%.1f,\"polled\":%llu,\"polled_at\":%lld,"
	       "\"age\":",
	    (unsigned long long)requests, (unsigned long long)writes, (double)gap / 1e3,
	    (unsigned long long)polled, (long long)polled_at);
	samples_end_line(&age, line);
	gap = 0;
}

int
main(int argc, char **argv)
{
	static const struct tool tool = { on_accept, on_input, on_order, NULL };

	if (argc == 2 && strcmp(argv[1], "changing") == 0)
		mode = CHANGING;
	else if (argc == 2 && strcmp(argv[1], "stamp") == 0)
		mode = STAMP;
	return tool_serve(&tool);
}
