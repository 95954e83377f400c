/* A runner whose supervisor is the test, which decodes what it is told. */
#ifndef TESTS_REPORT_HOST_H
#define TESTS_REPORT_HOST_H

#include <sys/socket.h>
#include <unistd.h>

#include "device-runners/runtime/runner_private.h"
#include "tests/unit/suite.h"

static struct runner r;
static int far = -1;
static msgpack_unpacked told;

static void
ignore_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	(void)arg, (void)h, (void)body, (void)fd, (void)len;
}

static void
begin(void)
{
	static const struct channel_handler handler = { .on_message = ignore_message };
	static const struct runner_device device = { .type = "test" };
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	far = fds[1];
	r = (struct runner){ .loop = ev_loop_new(EVFLAG_NOENV), .type = &device, .started = true };
	channel_open(&r.channel, r.loop, fds[0], IPC_SUPERVISOR, &handler, &r);
	r.channel.phase = PHASE_RUN;
	runner_events_init(&r);
	msgpack_unpacked_init(&told);
}

static void
end(void)
{
	msgpack_unpacked_destroy(&told);
	channel_close(&r.channel);
	runner_events_clear(&r);
	ev_loop_destroy(r.loop);
	close(far);
}

/* The next message as the supervisor would take it: checked. NULL: none. */
static const msgpack_object_array *
hear(enum ipc_type want, uint32_t id)
{
	static uint8_t packet[IPC_MAX_MESSAGE + 1];
	struct ipc_header h;
	ssize_t n = recv(far, packet, sizeof(packet), 0);

	if (n < 0)
		return NULL;
	const char *why = ipc_check(packet, (size_t)n, IPC_RUNNER, PHASE_RUN, &h);
	ck_assert_msg(!why, "%s", why);
	ck_assert_int_eq(h.type, want);
	ck_assert_uint_eq(h.id, id);
	ck_assert_int_eq(
	    msgpack_unpack_next(&told, (char *)packet + IPC_HEADER, (size_t)n - IPC_HEADER, NULL),
	    MSGPACK_UNPACK_SUCCESS);
	return &told.data.via.array;
}

static inline void
assert_text(const msgpack_object *o, const char *want)
{
	ck_assert_msg(
	    o->via.str.size == strlen(want) && memcmp(o->via.str.ptr, want, o->via.str.size) == 0,
	    "got \"%.*s\", want \"%s\"", (int)o->via.str.size, o->via.str.ptr, want);
}

#endif
