/*
 * The bytes of one connection without TLS, in runner processes: a socket or a
 * tty in the loop. Writes what it is given, keeps what the kernel does not take
 * yet, and says when there is something to read or the other side is gone.
 */
#ifndef DEVICE_RUNNERS_LINE_H
#define DEVICE_RUNNERS_LINE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"

struct line_ops {
	/* There is something to read (or an end); call line_read() once. */
	void (*readable)(void *arg);
	/* All pending bytes were written. May be NULL. */
	void (*drained)(void *arg);
};

struct line {
	struct ev_loop *loop;
	int fd;	   /* -1: closed */
	int error; /* that a later write met; line_read() says it */
	const struct line_ops *ops;
	void *arg;
	ev_io in, out;
	struct buffer pending;
};

/* limit: bytes that may wait to be written. Borrows ops, arg. */
void line_init(
    struct line *l, struct ev_loop *loop, size_t limit, const struct line_ops *ops, void *arg);
/* Closes it and frees what it holds. */
void line_clear(struct line *l);
/* Takes fd, non-blocking. */
void line_open(struct line *l, int fd);
/* A closed one is fine, and one that was never initialised (all zeros). */
void line_close(struct line *l);
static inline bool
line_is_open(const struct line *l)
{
	return l->fd >= 0;
}
/* Whether something waits to be written. */
static inline bool
line_is_pending(const struct line *l)
{
	return l->pending.len > 0;
}

/* How many bytes came, 0 for none yet, or -1 with errno (0: the other side closed): the line is
 * lost and the caller closes it. */
ssize_t line_read(struct line *l, void *p, size_t size);
/* 0, or -1 with errno: lost, or more pending than fits (EAGAIN). */
int line_write(struct line *l, const void *p, size_t len);
/* Only for a tty: drops the pending bytes, here and in the driver. A part of a frame may have gone
 * out. */
void line_drop_output(struct line *l);
/* Stops and starts reading. */
void line_pause(struct line *l, bool pause);

#endif
