/* Packets of the supervisor, each behind two octets of its length, to the runtime's events: what a
 * device is told of each is whole, and its answers to queries end once. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-runners/runtime/runner_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int queries;

static void
on_event(void *device, const struct runner_event *e)
{
	(void)device;
	if (e->type_len > RUNNER_MAX_SEGMENTS || (e->payload != RUNNER_PAYLOAD_NONE && !e->data))
		abort();
	for (size_t i = 0; i < e->type_len; i++)
		if (strlen(e->type[i]) > IPC_MAX_EVENT)
			abort();
}

static void
on_answer(void *arg, const struct runner_event *e)
{
	if (e)
		on_event(arg, e);
	else
		queries--;
}

static void
on_failed(void *arg, const char *why)
{
	(void)arg;
	if (!memchr(why, '\0', IPC_MAX_TEXT + 1))
		abort();
	queries--;
}

static void
deliver(void *arg, const struct runner_event *e)
{
	on_event(arg, e);
}

static void
take(struct runner *r, const struct ipc_header *h, const msgpack_object *body)
{
	if (h->type == IPC_EVENTS)
		runner_each_event(body, deliver, r);
	else if (h->type == IPC_QUERY_RESULT)
		runner_on_query_result(r, h->id, body);
	else if (h->type == IPC_CREDIT)
		runner_on_credit(r, (uint32_t)body->via.array.ptr[0].via.u64);
}

static void
take_packet(struct runner *r, const uint8_t *packet, size_t len)
{
	struct ipc_header h;
	msgpack_unpacked u;

	if (ipc_check(packet, len, IPC_SUPERVISOR, PHASE_RUN, &h))
		return;
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, (const char *)packet + IPC_HEADER, len - IPC_HEADER, NULL) ==
	    MSGPACK_UNPACK_SUCCESS)
		take(r, &h, &u.data);
	msgpack_unpacked_destroy(&u);
}

static void
ignore(void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	(void)arg, (void)h, (void)body, (void)fd, (void)len;
}

/* Returns the supervisor's end. */
static int
open_runner(struct runner *r, const struct runner_device *device)
{
	static const struct channel_handler handler = { .on_message = ignore };
	static struct ev_loop *loop;
	int fds[2];

	if (!loop)
		loop = ev_loop_new(EVFLAG_NOENV);
	if (!loop || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	*r = (struct runner){ .loop = loop, .type = device };
	channel_open(&r->channel, loop, fds[0], IPC_SUPERVISOR, &handler, r);
	runner_events_init(r);
	r->channel.phase = PHASE_RUN;
	return fds[1];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct runner_device device = { .type = "test", .on_event = on_event };
	static const struct runner_type every = { { "*" }, 1 };
	static struct runner r;
	int far = open_runner(&r, &device);

	queries = 2;
	for (int i = 0; i < 2; i++)
		runner_query_or(&r, &every, 1, on_answer, on_failed, NULL);
	for (size_t at = 0; at + 2 <= size;) {
		size_t len = (size_t)(data[at] | data[at + 1] << 8);
		at += 2;
		len = len < size - at ? len : size - at;
		take_packet(&r, data + at, len);
		at += len;
	}
	if (queries < 0)
		abort();
	channel_close(&r.channel);
	runner_events_clear(&r);
	close(far);
	return 0;
}
