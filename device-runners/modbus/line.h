/*
 * The byte stream of one connection: a socket or a tty in the loop. Writes what it is given, keeps
 * what the kernel does not take yet, and says when there is something to read or the other side is
 * gone. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_LINE_H
#define DEVICE_RUNNERS_MODBUS_LINE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocols/modbus/frame.h"

enum {
	LINE_MAX_PENDING = 2 * MODBUS_MAX_FRAME, /* bytes that the kernel has not taken */
};

struct line_ops {
	/* There is something to read (or an end); call line_read() once. */
	void (*readable)(void *arg);
	/* What was pending went out. May be NULL. */
	void (*drained)(void *arg);
};

struct line {
	struct ev_loop *loop;
	int fd;	   /* -1: closed */
	int error; /* that a later write met; line_read() says it */
	const struct line_ops *ops;
	void *arg;
	ev_io in, out;
	size_t pending_len;
	uint8_t pending[LINE_MAX_PENDING];
};

void line_init(struct line *l, struct ev_loop *loop, const struct line_ops *ops, void *arg);
/* Takes fd, non-blocking. */
void line_open(struct line *l, int fd);
void line_close(struct line *l);
static inline bool
line_is_open(const struct line *l)
{
	return l->fd >= 0;
}

/* How many bytes came, 0 for none yet, or -1 with errno (0: the other side closed): the line is
 * lost and the caller closes it. */
ssize_t line_read(struct line *l, void *p, size_t size);
/* 0, or -1 with errno: lost, or more pending than fits (EAGAIN). */
int line_write(struct line *l, const void *p, size_t len);
/* Drops what is pending. Of a frame a part may have gone out. */
void line_drop_pending(struct line *l);
/* Stops and starts reading. */
void line_pause(struct line *l, bool pause);

#endif
