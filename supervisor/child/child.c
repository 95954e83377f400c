#include "supervisor/child/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/usage.h"
#include "common/fdutil.h"
#include "supervisor/child/child_private.h"

enum { PATH_SIZE = 4096 };

static void
pack_bool(msgpack_packer *p, bool v)
{
	if (v)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
}

/* --- its start --- */

/* The device's configuration as JSON in a sealed memfd, or -1. */
static int
config_memfd(const struct child *c)
{
	struct buffer b;

	buffer_init(&b, CONFIG_MAX_FILE);
	config_device_json(c->conf, &b);
	int fd = buffer_failed(&b) ? -1 : memfd_create("config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 &&
	    /* Its position stays at the start, for those who read. */
	    (pwrite(fd, buffer_data(&b), b.len, 0) != (ssize_t)b.len ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
		    0)) {
		fd_close(fd);
		fd = -1;
	}
	buffer_clear(&b);
	return fd;
}

static int
send_init(struct child *c)
{
	int fd = config_memfd(c);

	if (fd < 0)
		return -1;
	msgpack_packer *p = channel_begin(&c->channel, IPC_INIT, 0);
	msgpack_pack_array(p, 10);
	msgpack_pack_uint32(p, IPC_VERSION);
	ipc_pack_str(p, c->conf->type);
	ipc_pack_str(p, c->conf->name);
	ipc_pack_str(p, c->host->zone);
	msgpack_pack_uint32(p, process_log_level(c->process));
	pack_bool(p, c->host->check_only);
	msgpack_pack_uint32(p, c->conf->sandbox);
	msgpack_pack_uint64(p, c->conf->limits.memory);
	msgpack_pack_uint32(p, c->conf->limits.files);
	msgpack_pack_uint32(p, uplink_begin(&c->uplink));
	return channel_send(&c->channel, fd);
}

static void
forget_last_life(struct child *c)
{
	c->gone = false;
	c->verified = false;
	c->link[0] = '\0';
	c->stats.registered_in_life = 0;
	c->faults = 0;
}

static void
on_violation(void *arg, const char *why, const void *packet, size_t len)
{
	child_violate(arg, why, packet, len);
}

static void
on_channel_close(void *arg)
{
	struct child *c = arg;

	c->gone = true;
	if (process_is_reaped(c->process))
		process_finish(c->process);
	else
		ev_timer_again(c->host->loop, &c->closed);
}

static const struct channel_handler channel_handler = {
	.on_message = child_on_message,
	.on_register = child_on_register,
	.on_violation = on_violation,
	.on_close = on_channel_close,
};

static void
begin_talk(struct child *c, int fd)
{
	channel_open(&c->channel, c->host->loop, fd, IPC_RUNNER, &channel_handler, c);
	if (send_init(c) < 0) {
		/* It never hears of its device: its deadline ends it. */
		log_write(LOG_LEVEL_ERROR, c->conf->label, "init_failed",
		    "cannot send its configuration: %s", strerror(errno));
	}
	if (c->tracing)
		child_set_trace(c, true);
}

static const enum lock_level lock_levels[] = {
	[IPC_SANDBOX_STRICT] = LOCK_STRICT,
	[IPC_SANDBOX_BEST_EFFORT] = LOCK_BEST_EFFORT,
	[IPC_SANDBOX_OFF] = LOCK_OFF,
	[IPC_SANDBOX_NAMESPACES] = LOCK_NAMESPACES,
};

static void
list_reads(const struct config_device *conf, const char *reads[CONFIG_MAX_READS + 1])
{
	size_t count = 0;

	if (conf->runner_reads)
		json_foreach (one, conf->runner_reads)
			reads[count++] = one->text;
	reads[count] = NULL;
}

static int
spawn(void *arg)
{
	struct child *c = arg;
	char path[PATH_SIZE], why[PROCESS_MAX_WORDS];
	int sockets[2];

	forget_last_life(c);
	if (c->conf->fault && !c->host->check_only) {
		snprintf(path, sizeof(path), "configuration: %s", c->conf->fault);
		process_refuse(c->process, path);
		return -1;
	}
	if (c->conf->runner)
		snprintf(path, sizeof(path), "%s", c->conf->runner);
	else
		snprintf(path, sizeof(path), "%s/%s", c->host->libexec, c->conf->family);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return -1;
	const char *const argv[] = { path, NULL };
	const char *reads[CONFIG_MAX_READS + 1];
	list_reads(c->conf, reads);
	const struct process_exec exec = { .path = path,
		.argv = argv,
		.fd = sockets[1],
		.memory = c->conf->limits.memory,
		.lock = { .level = lock_levels[c->conf->sandbox],
		    .own = !c->conf->runner,
		    .memory = c->conf->limits.memory,
		    .files = c->conf->limits.files + IPC_MAX_PLAN, /* one of each resource */
		    .reads = reads } };
	int result = process_exec(c->process, &exec);
	fd_close(sockets[1]);
	if (result < 0 && errno == EACCES && geteuid() == 0) {
		snprintf(why, sizeof(why),
		    "%.100s is not executable by user 65534 (nobody), as which a runner runs where "
		    "gatewayd is root",
		    path);
		process_set_last_words(c->process, why, false);
	}
	if (result < 0)
		fd_close(sockets[0]);
	else
		begin_talk(c, sockets[0]);
	return result;
}

/* --- its end --- */

static void
stop(void *arg)
{
	struct child *c = arg;

	c->channel.phase = PHASE_STOP | (c->channel.phase & PHASE_INIT);
	if (child_is_alive(c))
		channel_send_empty(&c->channel, IPC_STOP, 0);
}

static void
ping(void *arg)
{
	channel_send_empty(&((struct child *)arg)->channel, IPC_PING, 1);
}

static void
on_running(void *arg, bool running)
{
	struct child *c = arg;

	c->host->ops->on_running(c->host->arg, c, running);
}

static void
on_state(void *arg, enum child_state before)
{
	struct child *c = arg;

	c->host->ops->on_state(c->host->arg, c, before);
}

/* The channel says the end when all that was sent before is read; one that is not read any more has
 * nothing to say. */
static bool
on_reaped(void *arg)
{
	struct child *c = arg;

	if (process_is_violating(c->process) || !ev_is_active(&c->channel.readable))
		c->gone = true;
	if (!c->gone)
		ev_timer_again(c->host->loop, &c->closed);
	return c->gone;
}

/* Only one of socket and process has ended: it closed the socket and lives on, or somebody who got
 * away holds it. */
static void
on_closed_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	if (process_is_reaped(c->process)) {
		c->gone = true;
		process_finish(c->process);
		return;
	}
	child_violate(c, "closed its socket or sent an empty packet, and did not exit", NULL, 0);
}

static void
forget_process(struct child *c)
{
	ev_timer_stop(c->host->loop, &c->closed);
	channel_close(&c->channel);
	requests_clear(&c->requests);
	remotes_clear(&c->remotes);
	child_describe_clear(c);
	for (struct child_query *q; (q = c->uplink.queries); uplink_end_query(q))
		if (q->sent)
			c->host->ops->forget_query(c->host->arg, c, q);
	uplink_drop_events(&c->uplink);
}

static void
on_ended(void *arg, struct process_obituary *o)
{
	struct child *c = arg;

	if (o)
		o->events = c->stats.registered_in_life;
	forget_process(c);
}

static const struct process_ops process_ops = {
	.spawn = spawn,
	.stop = stop,
	.ping = ping,
	.on_running = on_running,
	.on_state = on_state,
	.on_reaped = on_reaped,
	.on_ended = on_ended,
};

void
child_violate(struct child *c, const char *why, const void *packet, size_t len)
{
	char hex[65] = "", bytes[120] = "";
	const uint8_t *p = packet;

	for (size_t i = 0; i < len && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
	if (packet)
		snprintf(
		    bytes, sizeof(bytes), "; %zu bytes: %s%s", len, hex, len > 32 ? "..." : "");
	c->stats.violations++;
	process_set_violation(c->process, why);
	log_write(LOG_LEVEL_ERROR, c->conf->label, "protocol_violation",
	    "runner %d violated the protocol: %s%s; killing it", (int)process_pid(c->process), why,
	    bytes);
	ev_io_stop(c->host->loop, &c->channel.readable);
	c->gone = true;
	process_step(c->process, CHILD_VIOLATION);
}

bool
child_is_flood(struct child *c, size_t len)
{
	return requests_is_flood(&c->requests, ev_now(c->host->loop), len);
}

void
child_sent(struct child *c, int result)
{
	/* A runner that is gone shows itself to the reader. */
	if (result == 0 || errno == EPIPE || c->gone)
		return;
	child_violate(c, errno == ENOBUFS ? "does not read its socket" : strerror(errno), NULL, 0);
}

/* --- from one end to the other --- */

static struct child_deadlines
deadlines(const struct config_device *conf)
{
	return (struct child_deadlines){ conf->limits.start_ms, conf->limits.ping_ms,
		conf->limits.stop_ms };
}

static struct process *
new_process(struct child *c, enum log_level level)
{
	const struct process_options options = { .loop = c->host->loop,
		.ops = &process_ops,
		.arg = c,
		.name = "runner",
		.device = c->conf->label,
		.cgroup = c->host->cgroup,
		.limits = deadlines(c->conf),
		.once = c->host->check_only };
	struct process *p = process_new(&options);

	if (p)
		process_set_log_level(p, level);
	return p;
}

/* Returns 0 or -1. */
static int
set_prefix(struct child *c, const struct sbs_str *segments, size_t count)
{
	struct buffer prefix;

	buffer_init(&prefix, 4096);
	eventer_put_segments(&prefix, segments, count);
	if (buffer_failed(&prefix)) {
		buffer_clear(&prefix);
		return -1;
	}
	c->prefix =
	    (struct eventer_prefix){ count, { (const char *)buffer_data(&prefix), prefix.len } };
	return 0;
}

struct child *
child_new(const struct child_host *host, const struct config_device *conf,
    const struct sbs_str *segments, size_t count, enum log_level level, void *owner)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->host = host;
	c->conf = conf;
	c->owner = owner;
	c->channel.fd = -1;
	c->requests =
	    (struct requests){ .broker = host->broker, .on_opened = child_on_opened, .arg = c };
	ev_timer_init(&c->closed, on_closed_timer, 0., CHILD_CLOSED_MS / 1e3);
	c->closed.data = c;
	uplink_init(&c->uplink, &c->prefix, conf->limits.credit);
	uplink_set_types(&c->uplink, conf->limits.types);
	c->process = new_process(c, level);
	if (!c->process || set_prefix(c, segments, count) < 0) {
		child_free(c);
		return NULL;
	}
	return c;
}

void
child_free(struct child *c)
{
	if (!c)
		return;
	forget_process(c);
	process_free(c->process, SIGKILL);
	uplink_clear(&c->uplink);
	free((void *)c->prefix.bytes.p);
	free(c);
}

void
child_enable(struct child *c, bool enabled)
{
	process_step(c->process, enabled ? CHILD_ENABLE : CHILD_DISABLE);
}

void
child_restart(struct child *c)
{
	process_step(c->process, CHILD_RESTART);
}

void
child_move(struct child *c, const struct config_device *conf)
{
	c->conf = conf;
	process_set_device(c->process, conf->label);
}

void
child_tune(struct child *c, const struct config_device *conf)
{
	const struct child_deadlines limits = deadlines(conf);

	child_move(c, conf);
	uplink_set_window(&c->uplink, conf->limits.credit);
	uplink_set_types(&c->uplink, conf->limits.types);
	process_set_limits(c->process, &limits);
}

void
child_reconfigure(struct child *c, const struct config_device *conf)
{
	child_tune(c, conf);
	process_step(c->process, CHILD_RESTART);
}

void
child_kill(struct child *c)
{
	process_kill(c->process);
}

void
child_set_log_level(struct child *c, enum log_level level)
{
	process_set_log_level(c->process, level);
	if (!child_is_alive(c))
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_SET_LOG_LEVEL, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, level);
	channel_send(&c->channel, -1);
}

void
child_set_trace(struct child *c, bool on)
{
	c->tracing = on;
	if (!child_is_alive(c))
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_TRACE, 0);
	msgpack_pack_array(p, 1);
	pack_bool(p, on);
	channel_send(&c->channel, -1);
}

/* --- what is known of it --- */

void *
child_owner(const struct child *c)
{
	return c->owner;
}

const struct config_device *
child_conf(const struct child *c)
{
	return c->conf;
}

const struct eventer_prefix *
child_prefix(const struct child *c)
{
	return &c->prefix;
}

const struct process *
child_process(const struct child *c)
{
	return c->process;
}

int64_t
child_memory(struct child *c, unsigned each)
{
	pid_t pid = process_pid(c->process);

	if (pid != c->memory.pid || ((unsigned)pid + c->memory.asked++) % each == 0) {
		c->memory.pid = pid;
		c->memory.bytes = usage_memory(pid);
	}
	return c->memory.bytes;
}

enum child_state
child_state(const struct child *c)
{
	return process_state(c->process);
}

bool
child_is_wanted(const struct child *c)
{
	return process_is_wanted(c->process);
}

bool
child_is_alive(const struct child *c)
{
	return process_pid(c->process) != 0;
}

bool
child_is_traced(const struct child *c)
{
	return c->tracing;
}

enum log_level
child_log_level(const struct child *c)
{
	return process_log_level(c->process);
}

const char *
child_link(const struct child *c)
{
	return c->link;
}

const struct remotes *
child_remotes(const struct child *c)
{
	return &c->remotes;
}

const struct stats *
child_stats(const struct child *c)
{
	return &c->stats;
}

void
child_sample(struct child *c, struct monotime now)
{
	stats_sample(&c->stats, now);
}

double
child_event_rate(const struct child *c, struct monotime now)
{
	return stats_rate(&c->stats, process_spawned(c->process), now);
}

struct child_types
child_types(const struct child *c)
{
	return (struct child_types){ c->uplink.types.count, c->uplink.types.refused };
}

struct child_queues
child_queues(const struct child *c)
{
	return (struct child_queues){
		.to_event_server = c->uplink.pending.len,
		.to_runner = c->channel.queue.len + c->uplink.events.len,
		.credit = child_is_alive(c) ? c->uplink.credit : 0,
		.credit_outstanding = c->uplink.outstanding,
	};
}

const struct plan_row *
child_plan(const struct child *c, size_t *count)
{
	*count = c->requests.plan_count;
	return c->requests.plan;
}
