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
/* Ends a line of JSON with the age: null where the order was "count", which does not empty it. */
void samples_end_line(struct samples *s, const char *order);

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
/* Reads what there is behind the *len bytes in a buffer of that size; 0: nothing, or the peer is
 * gone and dropped. */
size_t tool_read(int fd, uint8_t *buffer, size_t *len, size_t size);
/* Writes all, waiting where it must; false when the peer is gone. */
bool tool_write(int fd, const void *p, size_t len);

#endif
