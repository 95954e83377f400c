/*
 * What a runner says, from the socket to the engine's queue: packets of two bytes of length and
 * their content, to a child that is starting. OPEN is left out: it would open. However it lies, its
 * window of credit holds, and what it registered can be taken.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/child/child_private.h"
#include "supervisor/child/process_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
no_sink(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device, (void)event, (void)text;
}

static void
on_child(void *arg, struct child *c)
{
	(void)arg, (void)c;
}

static void
on_running(void *arg, struct child *c, bool running)
{
	static const struct sbs_str suffix[] = { { "gateway", 7 }, { "running", 7 } };
	const struct timestamp t = { 1, 2 };

	(void)arg;
	child_register(c, suffix, 2, &t, running ? "true" : "false");
}

/* One is refused, one waits, one is sent and never answered. */
static void
on_query(void *arg, struct child *c)
{
	struct eventer_types types;
	struct child_query *q = child_peek_query(c, &types);

	(void)arg;
	if (!q)
		abort();
	if (types.count % 3 == 0)
		child_answer_query(q, NULL, "refused");
	else if (types.count % 3 == 1)
		child_sent_query(q);
}

static void
forget_query(void *arg, struct child *c, struct child_query *query)
{
	(void)arg, (void)c, (void)query;
}

static void
on_state(void *arg, struct child *c, enum child_state before)
{
	(void)arg, (void)c, (void)before;
}

static void
on_config_fault(void *arg, struct child *c, enum schema_severity severity, const char *path,
    const char *message)
{
	(void)arg, (void)c, (void)severity, (void)path, (void)message;
}

static void
on_note(void *arg, struct child *c, const char *note)
{
	(void)arg, (void)c, (void)note;
}

static const struct child_ops ops = {
	.on_pending = on_child,
	.on_running = on_running,
	.on_query = on_query,
	.forget_query = forget_query,
	.on_state = on_state,
	.on_config_fault = on_config_fault,
	.on_note = on_note,
};

/* As the engine does at each turn. */
static void
take(struct child *c)
{
	uint32_t count;
	const void *events;
	size_t len;

	while (child_peek(c, &count, &events, &len)) {
		if (count == 0 || len == 0)
			abort();
		child_took(c);
	}
}

static bool violated;

static void
on_page(void *arg, const msgpack_object_array *rows, uint32_t next)
{
	(void)arg, (void)next;
	for (uint32_t i = 0; rows && i < rows->size; i++)
		if (rows->ptr[i].via.array.size != 5 ||
		    rows->ptr[i].via.array.ptr[4].via.array.size > IPC_MAX_DESCRIBED_VERBS)
			abort();
}

static void
on_violation(void *arg, const char *why, const void *packet, size_t len)
{
	(void)arg, (void)why, (void)packet, (void)len;
	violated = true;
}

static const struct channel_handler handler = {
	.on_message = child_on_message,
	.on_register = child_on_register,
	.on_violation = on_violation,
};

static struct child *
start_child(const struct child_host *host, const struct config_device *conf, int fd)
{
	static const struct sbs_str segments[] = { { "gateway", 7 }, { "gw", 2 }, { "t", 1 },
		{ "d", 1 } };
	struct child *c = child_new(host, conf, segments, 4, LOG_LEVEL_INFO, NULL);

	c->process->fsm.state = CHILD_STARTING;
	c->process->fsm.wanted = true;
	c->process->pid = 0x3fffffff; /* nobody */
	uplink_begin(&c->uplink);
	channel_open(&c->channel, host->loop, fd, IPC_RUNNER, &handler, c);
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	const struct config_device conf = { .name = "d",
		.type = "t",
		.limits = { 1 << 28, 64, 10000, 2000, 5000, CONFIG_CREDIT_MIN, CONFIG_TYPES_MAX } };
	char answer[256];
	int fds[2];

	log_set_sink(no_sink);
	if (!loop)
		loop = ev_loop_new(EVFLAG_NOENV);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	const struct child_host host = { .loop = loop, .zone = "", .ops = &ops };
	struct child *c = start_child(&host, &conf, fds[0]);
	violated = false;
	while (size >= 2 && !violated && c->process->fsm.kill == CHILD_KILL_NONE) {
		size_t len = (size_t)(data[0] | data[1] << 8);
		len = len < size - 2 ? len : size - 2;
		if (len && data[2] != IPC_OPEN)
			send(fds[1], data + 2, len, 0);
		child_describe(c, len & 1, on_page, NULL);
		data += 2 + len;
		size -= 2 + len;
		ev_run(loop, EVRUN_NOWAIT);
		if (c->uplink.outstanding > conf.limits.credit ||
		    (c->uplink.credit < 0 && !c->stats.violations))
			abort();
		take(c);
		while (recv(fds[1], answer, sizeof(answer), 0) > 0)
			;
	}
	c->process->pid = 0;
	child_free(c);
	close(fds[1]);
	return 0;
}
