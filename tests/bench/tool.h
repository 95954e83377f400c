/*
 * What the tools of the benchmarks share: a loop over sockets, orders on stdin,
 * latencies. A tool prints its port, then one line of JSON for each "stat".
 * Time is CLOCK_MONOTONIC everywhere, so that a stamp made by one tool can be
 * compared by another.
 */
#ifndef TESTS_BENCH_TOOL_H
#define TESTS_BENCH_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOL_MAX_FDS = 2048,
	TOOL_MAX_SAMPLES = 1 << 20, /* of one series; more are left out */
};

int64_t tool_now_ns(void);

/* A series of latencies. */
struct samples {
	size_t count;
	int64_t ns[TOOL_MAX_SAMPLES];
};

void samples_add(struct samples *s, int64_t ns);
/* Prints {"n":..,"p50":..,"p99":..,"max":..} in microseconds, and empties it. */
void samples_print(struct samples *s);

/* The unsigned decimal number at *p, which moves behind it. */
uint64_t tool_number(const char **p);

/* A tool's own part. */
struct tool {
	void (*on_accept)(int fd);
	void (*on_input)(int fd);     /* readable, or closed: tool_drop() it then */
	void (*on_order)(char *line); /* a line of stdin; must print one line where it answers */
	void (*on_tick)(void);	      /* of the timer; may be NULL */
};

/* Listens on a free port of loopback, prints it, serves until stdin ends. */
int tool_serve(const struct tool *t);
/* Watches another fd for on_input, and for room to write as well. */
void tool_watch(int fd, bool writing);
void tool_drop(int fd);
/* on_tick every ns; 0 stops it. */
void tool_tick(int64_t ns);
/* Writes all, waiting where it must; false when the peer is gone. */
bool tool_write(int fd, const void *p, size_t len);

#endif
