/* The process of a child: spawn, output, death. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/child/child.h"

enum { PATH_SIZE = 4096, RUNNER_FD = 3 };

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
	msgpack_pack_uint32(p, c->log_level);
	if (c->host->check_only)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	msgpack_pack_uint32(p, c->conf->sandbox);
	msgpack_pack_uint64(p, c->conf->limits.memory);
	msgpack_pack_uint32(p, c->conf->limits.files);
	/* What an earlier life left pending counts: the window is the device's, not the process'. A
	 * reload may have made it smaller than that. */
	c->credit = c->outstanding < c->conf->limits.credit
			? (int64_t)(c->conf->limits.credit - c->outstanding)
			: 0;
	msgpack_pack_uint32(p, (uint32_t)c->credit);
	c->to_return = 0;
	return channel_send(&c->channel, fd);
}

/* How many lines the runner's pipe had no room for, where the text says so; else 0. */
static uint32_t
lost_lines(const char *text)
{
	unsigned count = 0;
	int end = 0;

	return sscanf(text, LOG_LOST "%n", &count, &end) == 1 && end && !text[end] ? count : 0;
}

static void
relay_line(struct child *c)
{
	enum log_level level = LOG_LEVEL_INFO;
	const char *text = c->line;

	c->line[c->line_len] = '\0';
	c->line_len = 0;
	log_clean(c->line);
	if (text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
		level = (enum log_level)(text[1] - '0');
		text += 3;
	}
	/* Nothing that one device says is an emergency, which journald tells to every terminal. */
	if (level < LOG_LEVEL_ERROR)
		level = LOG_LEVEL_ERROR;
	if (*text == '\0')
		return;
	snprintf(c->last_line, sizeof(c->last_line), "%s", text);
	/* It was told its level; what it prints beyond it is not worth a place in the log. */
	if (level > c->log_level)
		return;
	uint32_t lost = lost_lines(text);
	if (lost || ++c->log_count > CHILD_LOG_BURST) {
		c->log_suppressed += lost ? lost : 1;
		if (!ev_is_active(&c->muted))
			ev_timer_again(c->host->loop, &c->muted);
	} else {
		log_relay(level, c->conf->label, "runner", "%s", text);
	}
}

static void
tell_suppressed(struct child *c)
{
	if (c->log_suppressed)
		log_write(LOG_LEVEL_WARNING, c->conf->label, "log_suppressed",
		    "%u lines of output were left out", c->log_suppressed);
	c->log_suppressed = 0;
}

static void
begin_log_second(struct child *c)
{
	tell_suppressed(c);
	c->log_second = ev_now(c->host->loop);
	c->log_bytes = 0;
	c->log_count = 0;
}

/* Reads what the runner printed; at most one burst, so that a flood waits for its turn. */
static bool
read_output(struct child *c)
{
	char bytes[4096];
	ssize_t n = read(c->output, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		ev_io_stop(c->host->loop, &c->printed);
		return false;
	}
	if (ev_now(c->host->loop) - c->log_second >= 1.)
		begin_log_second(c);
	c->log_bytes += (uint32_t)n;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || c->line_len == sizeof(c->line) - 1)
			relay_line(c);
		if (bytes[i] != '\n')
			c->line[c->line_len++] = bytes[i] ? bytes[i] : '?';
	}
	return true;
}

/* Who prints more than a second's share finds its pipe full until the next one. What is left out is
 * said then at the latest, also where nothing follows. */
static void
on_printed(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child *c = w->data;

	(void)revents;
	if (read_output(c) && c->log_bytes >= CHILD_LOG_BYTES) {
		ev_io_stop(loop, w);
		ev_timer_again(loop, &c->muted);
	}
}

static void
on_muted(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;

	(void)revents;
	ev_io_start(loop, &c->printed);
	if (ev_now(loop) - c->log_second >= 1.)
		begin_log_second(c);
	if (!c->log_suppressed)
		ev_timer_stop(loop, w);
}

/* The last words of the runtime's handler of SIGSYS, or what is known without them. */
static void
describe_denial(const struct child *c, char *cause, size_t size)
{
	bool named = strncmp(c->last_line, "denied system call ", 19) == 0;

	snprintf(cause, size, "%.100s", named ? c->last_line : "SIGSYS: denied system call");
}

void
child_note_fault(struct child *c, bool is_error, const char *path, const char *message)
{
	if (is_error && c->closing_words[0] == '\0')
		snprintf(c->closing_words, sizeof(c->closing_words), "configuration: %.50s%s%.90s",
		    path, *path ? ": " : "", message);
}

static void
describe_signal(int signum, char *cause, size_t size)
{
	const char *name = sigabbrev_np(signum);

	if (name)
		snprintf(cause, size, "SIG%s", name);
	else
		snprintf(cause, size, "signal %d", signum);
}

static void
describe_death(const struct child *c, char *cause, size_t size)
{
	int status = c->status;

	if (c->fsm.kill == CHILD_KILL_VIOLATION)
		snprintf(cause, size, "protocol violation: %s", c->violation);
	else if (c->fsm.kill != CHILD_KILL_NONE)
		snprintf(cause, size, "%s", child_kill_name(c->fsm.kill));
	else if (c->out_of_memory)
		snprintf(cause, size, "out of memory: killed by the kernel at its limit");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		describe_denial(c, cause, size);
	else if (WIFSIGNALED(status))
		describe_signal(WTERMSIG(status), cause, size);
	else if (c->closing_words[0])
		snprintf(cause, size, "%s", c->closing_words);
	else if (WEXITSTATUS(status) == EX_CONFIG)
		snprintf(cause, size, "exit code 78 (configuration)");
	else
		snprintf(cause, size, "exit code %d", WEXITSTATUS(status));
}

static void
write_obituary(struct child *c)
{
	struct child_obituary *o = &c->obituaries[c->deaths++ % CHILD_MAX_OBITUARIES];

	*o = (struct child_obituary){ .when = timestamp_now(),
		.uptime_ms = monotime_diff_ms(monotime_now(), c->spawned),
		.pid = c->pid,
		.events = c->events_since_spawn };
	describe_death(c, o->cause, sizeof(o->cause));
	snprintf(o->last_line, sizeof(o->last_line), "%s", c->last_line);
	/* A check says itself what is wrong. */
	log_write(c->host->check_only ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, c->conf->label,
	    "runner_died", "runner %d died after %.1f s: %s%s%s", (int)c->pid,
	    (double)o->uptime_ms / 1e3, o->cause, o->last_line[0] ? "; last line: " : "",
	    o->last_line);
}

const struct child_obituary *
child_obituary(const struct child *c, size_t index)
{
	if (index >= c->deaths || index >= CHILD_MAX_OBITUARIES)
		return NULL;
	return &c->obituaries[(c->deaths - 1 - index) % CHILD_MAX_OBITUARIES];
}

static bool
is_orderly(const struct child *c)
{
	return WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0 &&
	       c->fsm.kill == CHILD_KILL_NONE &&
	       (c->fsm.state == CHILD_STOPPING || c->host->check_only);
}

/* Both are known: how the process ended, and that nothing more comes from it. */
static void
end_if_complete(struct child *c)
{
	if (!c->reaped || !c->gone)
		return;
	/* At most a pipe's content: nobody is left who could go on printing, or ought to be heard.
	 */
	for (int i = 0; i < CHILD_LAST_READS && read_output(c); i++)
		;
	if (c->line_len)
		relay_line(c);
	if (!is_orderly(c))
		write_obituary(c);
	bool config = WIFEXITED(c->status) && WEXITSTATUS(c->status) == EX_CONFIG &&
		      c->fsm.kill == CHILD_KILL_NONE;
	child_end(c);
	/* A check is one life. */
	if (c->host->check_only)
		child_step(c, CHILD_DISABLE);
	child_step(c, config ? CHILD_DIED_CONFIG : CHILD_DIED);
}

static void
on_exited(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child *c = w->data;
	siginfo_t info = { 0 };

	(void)revents;
	/* It leads a session of its own; while it is a zombie its number is nobody else's. What it
	 * left behind would hold its socket open. */
	kill(-c->pid, SIGKILL);
	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) < 0) {
		log_write(LOG_LEVEL_ERROR, c->conf->label, "wait_failed", "wait for %d: %s",
		    (int)c->pid, strerror(errno));
		info.si_code = CLD_EXITED;
		info.si_status = EX_SOFTWARE;
	} else if (info.si_pid == 0) {
		return;
	}
	ev_io_stop(loop, &c->exited);
	c->out_of_memory = cgroup_remove(c->host->cgroup, c->conf->name, c->pid);
	c->reaped = true;
	c->status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
					       : W_EXITCODE(0, info.si_status);
	/* The channel says the end when all that was sent before is read; one that is not read any
	 * more has nothing to say. */
	if (!c->gone &&
	    (c->fsm.kill == CHILD_KILL_VIOLATION || !ev_is_active(&c->channel.readable)))
		c->gone = true;
	if (!c->gone)
		ev_timer_again(loop, &c->closed);
	end_if_complete(c);
}

static void
on_channel_close(void *arg)
{
	struct child *c = arg;

	c->gone = true;
	if (!c->reaped)
		ev_timer_again(c->host->loop, &c->closed);
	end_if_complete(c);
}

/* Of socket and process only one has ended: it closed the socket and lives on, or somebody who got
 * away holds it. */
static void
on_closed_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	if (c->reaped) {
		c->gone = true;
		end_if_complete(c);
		return;
	}
	child_violate(c, "closed its socket, or sent nothing in a packet, and went on", NULL, 0);
}

void
child_violate(struct child *c, const char *why, const void *packet, size_t len)
{
	char hex[65] = "";
	const uint8_t *bytes = packet;

	for (size_t i = 0; i < len && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	c->violations++;
	snprintf(c->violation, sizeof(c->violation), "%s", why);
	log_write(LOG_LEVEL_ERROR, c->conf->label, "protocol_violation",
	    "runner %d broke the contract: %s; %zu bytes: %s%s; it is killed", (int)c->pid, why,
	    len, hex, len > 32 ? "..." : "");
	/* Nothing that it says after this counts. */
	ev_io_stop(c->host->loop, &c->channel.readable);
	c->gone = true;
	child_step(c, CHILD_VIOLATION);
}

bool
child_is_flood(struct child *c, size_t len)
{
	ev_tstamp now = ev_now(c->host->loop);

	if (now - c->free_second >= 1.) {
		c->free_second = now;
		c->free_messages = 0;
		c->free_bytes = 0;
		c->free_opens = 0;
	}
	c->free_messages++;
	c->free_bytes += (uint32_t)len;
	return c->free_messages > CHILD_FREE_MESSAGES || c->free_bytes > CHILD_FREE_BYTES;
}

static void
on_channel_violation(void *arg, const char *why, const void *packet, size_t len)
{
	child_violate(arg, why, packet, len);
}

static const struct channel_handler handler = {
	.on_message = child_on_message,
	.on_register = child_on_register,
	.on_violation = on_channel_violation,
	.on_close = on_channel_close,
};

/* Starts path with fd 3 as its socket and its output in a pipe; nothing else is inherited. */
static int
spawn_process(struct child *c, const char *path, int socket, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char *argv[] = { (char *)path, NULL }, *envp[] = { NULL };

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, socket, RUNNER_FD);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int error = posix_spawn(&c->pid, path, &actions, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (error) {
		c->pid = 0;
		errno = error;
		return -1;
	}
	return 0;
}

static void
watch_process(struct child *c)
{
	struct ev_loop *loop = c->host->loop;

	ev_io_init(&c->exited, on_exited, c->pidfd, EV_READ);
	ev_io_init(&c->printed, on_printed, c->output, EV_READ);
	ev_timer_init(&c->closed, on_closed_timer, 0., CHILD_CLOSED_MS / 1e3);
	ev_timer_init(&c->muted, on_muted, 0., 1.);
	c->exited.data = c;
	c->printed.data = c;
	c->closed.data = c;
	c->muted.data = c;
	ev_io_start(loop, &c->exited);
	ev_io_start(loop, &c->printed);
}

static void
forget_last_life(struct child *c)
{
	c->out_of_memory = false;
	c->reaped = false;
	c->gone = false;
	c->violation[0] = '\0';
	c->closing_words[0] = '\0';
	c->last_line[0] = '\0';
	c->line_len = 0;
	c->link[0] = '\0';
	c->events_since_spawn = 0;
	c->free_messages = 0;
	c->free_bytes = 0;
	c->free_opens = 0;
	c->faults = 0;
	c->spawned = monotime_now();
}

void
child_refuse(struct child *c)
{
	struct child_obituary *o = &c->obituaries[c->deaths++ % CHILD_MAX_OBITUARIES];

	forget_last_life(c);
	*o = (struct child_obituary){ .when = timestamp_now() };
	snprintf(o->cause, sizeof(o->cause), "configuration: %s", c->conf->fault);
	log_write(LOG_LEVEL_ERROR, c->conf->label, "not_started", "not started: %s", o->cause);
}

int
child_spawn(struct child *c)
{
	char path[PATH_SIZE];
	int sockets[2] = { -1, -1 }, pipes[2] = { -1, -1 };

	forget_last_life(c);
	if (c->conf->runner)
		snprintf(path, sizeof(path), "%s", c->conf->runner);
	else
		snprintf(path, sizeof(path), "%s/%s", c->host->libexec, c->conf->family);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0 ||
	    pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    spawn_process(c, path, sockets[1], pipes[1]) < 0)
		goto fail;
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
		goto fail;
	}
	cgroup_add(c->host->cgroup, c->conf->name, c->pid, c->conf->limits.memory);
	fd_close(sockets[1]);
	fd_close(pipes[1]);
	c->output = pipes[0];
	fd_set_cloexec(c->pidfd, 1);
	channel_open(&c->channel, c->host->loop, sockets[0], IPC_RUNNER, &handler, c);
	watch_process(c);
	c->exec_ns = (uint64_t)(monotime_now().ns - c->spawned.ns);
	if (send_init(c) < 0) {
		/* It never hears of its device: its deadline ends it. */
		log_write(LOG_LEVEL_ERROR, c->conf->label, "init_failed",
		    "no configuration for it: %s", strerror(errno));
	}
	if (c->tracing)
		child_set_trace(c, true);
	return 0;
fail:
	log_write(LOG_LEVEL_ERROR, c->conf->label, "spawn_failed", "start of %s: %s", path,
	    strerror(errno));
	for (int i = 0; i < 2; i++) {
		fd_close(sockets[i]);
		fd_close(pipes[i]);
	}
	return -1;
}

void
child_kill(struct child *c)
{
	if (c->pid && !c->reaped && pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0) < 0)
		log_write(LOG_LEVEL_ERROR, c->conf->label, "kill_failed", "kill %d: %s",
		    (int)c->pid, strerror(errno));
}

void
child_end(struct child *c)
{
	struct ev_loop *loop = c->host->loop;

	ev_io_stop(loop, &c->exited);
	ev_io_stop(loop, &c->printed);
	ev_timer_stop(loop, &c->closed);
	ev_timer_stop(loop, &c->muted);
	tell_suppressed(c);
	channel_close(&c->channel);
	fd_close(c->pidfd);
	fd_close(c->output);
	c->pidfd = -1;
	c->output = -1;
	c->pid = 0;
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (c->opens[i].child)
			broker_cancel(c->opens[i].request);
		if (c->queries[i].child)
			c->host->ops->forget_query(c->host->arg, &c->queries[i]);
		c->opens[i].child = NULL;
		c->queries[i].child = NULL;
	}
	for (size_t i = 0; i < c->plan_count; i++)
		free(c->plan[i].target);
	free(c->plan);
	c->plan = NULL;
	c->plan_count = 0;
	buffer_reset(&c->events);
	c->events_count = 0;
}
