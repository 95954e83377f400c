/*
 * A runner for unit tests of what devices are made of: its loop, its events and its channel, with
 * the test at the supervisor's end.
 */
#ifndef FAKE_RUNNER_H
#define FAKE_RUNNER_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-runners/runtime/runner_private.h"

static inline void
fake_runner_ignore(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	(void)arg, (void)h, (void)body, (void)fd, (void)len;
}

/* Returns the supervisor's end of the channel. */
static inline int
fake_runner_open(struct runner *r, const struct runner_device *device)
{
	static const struct channel_handler handler = { .on_message = fake_runner_ignore };
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	*r =
	    (struct runner){ .loop = ev_loop_new(EVFLAG_NOENV), .type = device, .credit = 1 << 20 };
	channel_open(&r->channel, r->loop, fds[0], IPC_SUPERVISOR, &handler, r);
	runner_events_init(r);
	return fds[1];
}

static inline void
fake_runner_close(struct runner *r, int far)
{
	for (size_t i = 0; i < r->plan_count; i++)
		free(r->plan[i].target);
	channel_close(&r->channel);
	runner_events_clear(r);
	ev_loop_destroy(r->loop);
	close(far);
}

/* A request to open something that waits for its answer; NULL: none. */
static inline struct open_request *
fake_runner_asked(struct runner *r)
{
	for (size_t i = 0; i < IPC_MAX_ASKED; i++)
		if (r->opens[i].id)
			return &r->opens[i];
	return NULL;
}

/* The supervisor's answer to it. */
static inline void
fake_runner_answer(struct runner *r, int fd, const char *why)
{
	struct open_request *o = fake_runner_asked(r), request;

	ck_assert_ptr_nonnull(o);
	request = *o;
	o->id = 0;
	request.cb(request.arg, fd, fd < 0 ? ENOENT : 0, why);
}

#endif
