/*
 * The output of a process: its pipe, line by line into the log, with a share for
 * each second. The last line is kept. In the supervisor, for every process it
 * starts.
 */
#ifndef SUPERVISOR_OUTPUT_H
#define SUPERVISOR_OUTPUT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"

enum {
	OUTPUT_MAX_LINE = 256, /* bytes of a line that are kept */
	OUTPUT_MAX_LINES = 50, /* lines that are logged in one second */
	OUTPUT_MAX_BYTES =
	    64 * 1024,		 /* bytes that are read in one second; more waits in the pipe */
	OUTPUT_LAST_READS = 512, /* of 4 KiB, of a dead process' pipe: 1 MiB, twice */
};

struct output {
	struct ev_loop *loop;
	const char *device;  /* the lines are logged under its name; NULL: under none. Borrowed */
	const char *subject; /* stands before each line; "" for a device. Borrowed */
	enum log_level level;
	int fd; /* -1: closed */
	ev_io readable;
	ev_timer paused;
	ev_tstamp second; /* when the counts below began */
	uint32_t lines, bytes, suppressed;
	size_t len;
	char line[OUTPUT_MAX_LINE]; /* is being read */
	char last[OUTPUT_MAX_LINE]; /* was read; "" where none was */
};

void output_init(struct output *o, struct ev_loop *loop, const char *subject);
/* Forgets the lines of an earlier process and reads fd (non-blocking; taken) from now on. */
void output_open(struct output *o, int fd);
/* The process has ended: reads what is left, at most a pipe's content, as somebody else may still
 * hold the other end. */
void output_drain(struct output *o);
/* Logs how many lines were suppressed, and closes. May be called twice. */
void output_close(struct output *o);

#endif
