#include "supervisor/engine/eventd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/daemon/numbers.h"
#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/log/log_sink.h"

enum {
	MAX_ARGUMENTS = 24 + 2 * CONFIG_RETENTION_MAX,
	MAX_RULE = CONFIG_RETENTION_TYPE + 100,
};

struct eventd {
	struct ev_loop *loop;
	const char *program, *socket_path, *data;
	const struct config_built_in *conf;
	struct process *process;
	int ready_fd;		 /* it writes a line when it listens; -1: closed */
	const uint64_t *numbers; /* of this process or of the last one; NULL: none */
	ev_io ready;
	ev_timer stopped; /* the callback comes from the loop */
	eventd_ready_cb *on_ready;
	eventd_stopped_cb *on_stopped;
	void *arg, *stopped_arg;
};

static void
forget_ready(struct eventd *d)
{
	ev_io_stop(d->loop, &d->ready);
	fd_close(d->ready_fd);
	d->ready_fd = -1;
}

/* It wrote, or it died, which the pidfd tells as well. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct eventd *d = w->data;
	char line[16];
	bool ready = read(d->ready_fd, line, sizeof(line)) > 0;

	(void)loop, (void)revents;
	forget_ready(d);
	if (ready)
		process_step(d->process, CHILD_READY);
}

/* --- what its process asks for --- */

/* Each rule as an option's value, "TYPE:count=N,age=S,bytes=N". Returns how many arguments. */
static size_t
put_retention(const struct json *rules, const char **argv)
{
	static char texts[CONFIG_RETENTION_MAX][MAX_RULE];
	static const char *const bounds[] = { "count", "age", "bytes" };
	size_t n = 0, used;
	int64_t v;

	if (!rules || rules->count == 0)
		return 0;
	json_foreach (rule, rules) {
		char *text = texts[n / 2], sign = ':';
		used = (size_t)snprintf(text, MAX_RULE, "%s", json_str(json_get(rule, "type")));
		for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
			if (!json_int(json_get(rule, bounds[i]), 0, INT64_MAX, &v))
				continue;
			used += (size_t)snprintf(text + used, MAX_RULE - used, "%c%s=%lld", sign,
			    bounds[i], (long long)v);
			sign = ',';
		}
		argv[n++] = "--keep";
		argv[n++] = text;
	}
	return n;
}

static int
exec_with(struct eventd *d, int ready, int numbers)
{
	char series[16], address[300];
	const char *argv[MAX_ARGUMENTS];
	size_t n = 0;

	snprintf(series, sizeof(series), "%u", d->conf->timeseries);
	snprintf(address, sizeof(address), "%s:%u",
	    d->conf->listen_host ? d->conf->listen_host : "", d->conf->listen_port);
	argv[n++] = d->program;
	argv[n++] = "--unix";
	argv[n++] = d->socket_path;
	argv[n++] = "--data";
	argv[n++] = d->conf->data ? d->conf->data : d->data;
	argv[n++] = "--timeseries";
	argv[n++] = series;
	argv[n++] = "--ready-fd";
	argv[n++] = "3";
	argv[n++] = "--numbers-fd";
	argv[n++] = "4";
	argv[n++] = "--end-with-parent";
	if (d->conf->sandbox != IPC_SANDBOX_OFF)
		argv[n++] = d->conf->sandbox == IPC_SANDBOX_BEST_EFFORT ? "--sandbox=best-effort"
									: "--sandbox";
	argv[n++] = "--log-prefix";
	if (d->conf->listen_host) {
		argv[n++] = "--listen";
		argv[n++] = address;
	}
	if (d->conf->token_file) {
		argv[n++] = "--token-file";
		argv[n++] = d->conf->token_file;
	}
	if (d->conf->insecure)
		argv[n++] = "--insecure";
	n += put_retention(d->conf->retention, argv + n);
	argv[n] = NULL;
	const struct process_exec exec = {
		.path = d->program, .argv = argv, .fd = ready, .extra_fd = numbers
	};
	return process_exec(d->process, &exec);
}

/* A page of its own for each process: the next one begins with 0. Returns the descriptor, or -1. */
static int
new_numbers(struct eventd *d)
{
	int fd = numbers_create();

	numbers_unmap(d->numbers);
	d->numbers = fd < 0 ? NULL : numbers_map(fd, false);
	if (d->numbers)
		return fd;
	fd_close(fd);
	return -1;
}

static int
spawn(void *arg)
{
	struct eventd *d = arg;
	int pipes[2];

	process_set_log_level(d->process, log_sink_device_level(NULL));
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	int numbers = new_numbers(d);
	int result = numbers < 0 ? -1 : exec_with(d, pipes[1], numbers);
	fd_close(numbers);
	fd_close(pipes[1]);
	if (result < 0) {
		fd_close(pipes[0]);
		return -1;
	}
	d->ready_fd = pipes[0];
	ev_io_set(&d->ready, d->ready_fd, EV_READ);
	ev_io_start(d->loop, &d->ready);
	return 0;
}

static void
on_running(void *arg, bool running)
{
	struct eventd *d = arg;

	if (running)
		d->on_ready(d->arg);
}

static void
on_state(void *arg, enum child_state before)
{
	struct eventd *d = arg;

	(void)before;
	if (process_state(d->process) == CHILD_DISABLED && d->on_stopped)
		ev_timer_start(d->loop, &d->stopped);
}

static void
on_ended(void *arg, struct process_obituary *o)
{
	(void)o;
	forget_ready(arg);
}

static const struct process_ops process_ops = {
	.spawn = spawn,
	.on_running = on_running,
	.on_state = on_state,
	.on_ended = on_ended,
};

static void
on_stopped(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct eventd *d = w->data;

	(void)loop, (void)revents;
	d->on_stopped(d->stopped_arg);
}

/* --- from one end to the other --- */

static void
init_watchers(struct eventd *d)
{
	ev_io_init(&d->ready, on_readable, -1, EV_READ);
	ev_timer_init(&d->stopped, on_stopped, 0., 0.);
	d->ready.data = d;
	d->stopped.data = d;
}

struct eventd *
eventd_start(struct ev_loop *loop, const char *program, const struct config_built_in *conf,
    const char *socket_path, const char *data, eventd_ready_cb *on_ready, void *arg)
{
	struct eventd *d = calloc(1, sizeof(*d));
	const struct process_options options = { .loop = loop,
		.ops = &process_ops,
		.arg = d,
		.name = "gateway-eventd",
		.limits = { .start_ms = EVENTD_START_MS, .stop_ms = EVENTD_STOP_MS } };

	if (!d)
		return NULL;
	*d = (struct eventd){ .loop = loop,
		.program = program,
		.socket_path = socket_path,
		.data = data,
		.conf = conf,
		.process = process_new(&options),
		.ready_fd = -1,
		.on_ready = on_ready,
		.arg = arg };
	if (!d->process) {
		free(d);
		return NULL;
	}
	init_watchers(d);
	process_step(d->process, CHILD_ENABLE);
	return d;
}

void
eventd_stop(struct eventd *d, eventd_stopped_cb *cb, void *arg)
{
	d->on_stopped = cb;
	d->stopped_arg = arg;
	process_step(d->process, CHILD_DISABLE);
	if (process_state(d->process) == CHILD_DISABLED)
		ev_timer_start(d->loop, &d->stopped);
}

void
eventd_free(struct eventd *d)
{
	if (!d)
		return;
	forget_ready(d);
	ev_timer_stop(d->loop, &d->stopped);
	process_free(d->process, SIGTERM);
	numbers_unmap(d->numbers);
	free(d);
}

void
eventd_kill(struct eventd *d, const char *why)
{
	log_write(LOG_LEVEL_ERROR, NULL, "eventd_hung",
	    "gateway-eventd %d %s: it is killed, and started again", (int)process_pid(d->process),
	    why);
	process_step(d->process, CHILD_HUNG);
}

bool
eventd_is_lost(const struct eventd *d)
{
	return process_state(d->process) == CHILD_RUNNING && access(d->socket_path, F_OK) < 0 &&
	       errno == ENOENT;
}

void
eventd_move(struct eventd *d, const struct config_built_in *conf)
{
	if (d)
		d->conf = conf;
}

const struct process *
eventd_process(const struct eventd *d)
{
	return d->process;
}

const uint64_t *
eventd_numbers(const struct eventd *d)
{
	return process_state(d->process) == CHILD_RUNNING ? d->numbers : NULL;
}
