#include "supervisor/engine/eventd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon/numbers.h"
#include "common/fdutil.h"
#include "common/log.h"
#include "common/remedy.h"
#include "common/trust.h"
#include "supervisor/engine/side_listener.h"
#include "supervisor/log/log_sink.h"

/* What became of the folder that its events are in. */
enum folder_state {
	FOLDER_SAME,
	FOLDER_GONE,
	FOLDER_OTHER, /* in its place is one without events */
	FOLDER_KEPT,  /* in its place is one with events: a file system that was mounted late */
};

enum {
	MAX_ARGUMENTS = 24 + 2 * CONFIG_RETENTION_MAX,
	MAX_RULE = CONFIG_RETENTION_TYPE + 100,
	SOCKET_FOLDER = 4200,
};

struct eventd {
	struct ev_loop *loop;
	const char *program, *socket_path, *data;
	const struct config_built_in *conf;
	struct process *process;
	int ready_fd; /* our end of its socket: it writes a line when it listens; -1: closed */
	const uint64_t *numbers; /* of this process or of the last one; NULL: none */
	ev_io ready;
	bool listens; /* it wrote that line; ready_fd stays open for the side listener */
	struct side_listener side;
	struct stat folder; /* of its data, when it began to listen */
	enum folder_state folder_state;
	ev_timer stopped; /* the callback comes from the loop */
	eventd_ready_cb *on_ready;
	eventd_stopped_cb *on_stopped;
	void *arg, *stopped_arg;
};

static void
forget_ready(struct eventd *d)
{
	side_listener_stop(&d->side);
	ev_io_stop(d->loop, &d->ready);
	fd_close(d->ready_fd);
	d->ready_fd = -1;
}

static const char *
data_folder(const struct eventd *d)
{
	return d->conf->data ? d->conf->data : d->data;
}

static void
mark_folder(struct eventd *d)
{
	d->folder_state = FOLDER_SAME;
	if (stat(data_folder(d), &d->folder) < 0)
		d->folder = (struct stat){ 0 };
}

static enum folder_state
look_at_folder(const struct eventd *d)
{
	char path[4096];
	struct stat now;

	if (stat(data_folder(d), &now) < 0)
		return errno == ENOENT ? FOLDER_GONE : d->folder_state;
	if (now.st_dev == d->folder.st_dev && now.st_ino == d->folder.st_ino)
		return FOLDER_SAME;
	snprintf(path, sizeof(path), "%.4000s/data.mdb", data_folder(d));
	return access(path, F_OK) == 0 ? FOLDER_KEPT : FOLDER_OTHER;
}

/* It wrote, or it died, which the pidfd tells as well. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct eventd *d = w->data;
	char line[16];

	(void)loop, (void)revents;
	if (read(d->ready_fd, line, sizeof(line)) <= 0) {
		forget_ready(d);
		return;
	}
	if (d->listens)
		return;
	d->listens = true;
	mark_folder(d);
	side_listener_start(&d->side, d->conf->listen_host, d->conf->listen_port, d->ready_fd);
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

/* The folder is made here, as often as it is not there: what Landlock leaves gateway-eventd must be
 * there when that is started. */
static int
make_data_folder(struct eventd *d)
{
	char why[512], text[768];

	/* Events are nobody else's. What is wrong is said below. */
	if (d->conf->data && mkdir(d->conf->data, 0700) == 0)
		return 0;
	errno = 0;
	if (trust_make_folder(data_folder(d), why, sizeof(why)) == 0)
		return 0;
	int error = errno ? errno : EPERM;
	snprintf(text, sizeof(text), "%s%s", why, remedy_text(REMEDY_FOLDER, error));
	process_set_last_words(d->process, text, false);
	errno = error;
	return -1;
}

/* The outer lock: it reads its token, and writes its data and the folder of its socket. */
static int
exec_locked(struct eventd *d, const char *const argv[], int ready, int numbers)
{
	static const enum lock_level levels[] = { [IPC_SANDBOX_STRICT] = LOCK_STRICT,
		[IPC_SANDBOX_BEST_EFFORT] = LOCK_BEST_EFFORT,
		[IPC_SANDBOX_OFF] = LOCK_OFF,
		[IPC_SANDBOX_NAMESPACES] = LOCK_STRICT };
	char folder[SOCKET_FOLDER];
	const char *const writes[] = { data_folder(d), folder, NULL };
	const char *const reads[] = { d->conf->token_file, NULL };
	const struct process_exec exec = { .path = d->program,
		.argv = argv,
		.fd = ready,
		.extra_fd = numbers,
		.lock = { .level = levels[d->conf->sandbox], .reads = reads, .writes = writes } };

	snprintf(folder, sizeof(folder), "%s", d->socket_path);
	*strrchr(folder, '/') = '\0';
	return process_exec(d->process, &exec);
}

static int
exec_with(struct eventd *d, int ready, int numbers)
{
	char series[16];
	const char *argv[MAX_ARGUMENTS];
	size_t n = 0;

	snprintf(series, sizeof(series), "%u", d->conf->timeseries);
	argv[n++] = d->program;
	argv[n++] = "--unix";
	argv[n++] = d->socket_path;
	argv[n++] = "--data";
	argv[n++] = data_folder(d);
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
	if (d->conf->listen_host)
		argv[n++] = "--listeners";
	if (d->conf->token_file) {
		argv[n++] = "--token-file";
		argv[n++] = d->conf->token_file;
	}
	if (d->conf->insecure)
		argv[n++] = "--insecure";
	n += put_retention(d->conf->retention, argv + n);
	argv[n] = NULL;
	return exec_locked(d, argv, ready, numbers);
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
	int ends[2];

	process_set_log_level(d->process, log_sink_device_level(NULL));
	if (make_data_folder(d) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	int numbers = new_numbers(d);
	int result = numbers < 0 ? -1 : exec_with(d, ends[1], numbers);
	fd_close(numbers);
	fd_close(ends[1]);
	if (result < 0) {
		fd_close(ends[0]);
		return -1;
	}
	d->ready_fd = ends[0];
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
	struct eventd *d = arg;

	(void)o;
	forget_ready(d);
	d->listens = false;
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
eventd_start(struct ev_loop *loop, struct broker *broker, const char *program,
    const struct config_built_in *conf, const char *socket_path, const char *data,
    eventd_ready_cb *on_ready, void *arg)
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
	side_listener_init(&d->side, loop, broker);
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
eventd_look_at_folder(struct eventd *d)
{
	enum folder_state state = d->listens ? look_at_folder(d) : d->folder_state;
	const char *folder = data_folder(d);

	if (state == d->folder_state)
		return;
	d->folder_state = state;
	if (state == FOLDER_GONE)
		log_write(LOG_LEVEL_ERROR, NULL, "data_folder",
		    "folder %s was removed: its events are lost when gateway-eventd ends; "
		    "'gateway-eventd --backup' saves them",
		    folder);
	else if (state == FOLDER_OTHER)
		log_write(LOG_LEVEL_ERROR, NULL, "data_folder",
		    "folder %s is another one now, without events: gateway-eventd goes on with the "
		    "one that it began with; 'gateway-eventd --backup' copies its events",
		    folder);
	else if (state == FOLDER_SAME)
		log_write(LOG_LEVEL_NOTICE, NULL, "data_folder",
		    "folder %s is there again, as it was", folder);
	if (state != FOLDER_KEPT)
		return;
	log_write(LOG_LEVEL_NOTICE, NULL, "data_folder",
	    "folder %s is another one now, with events: gateway-eventd starts again with them",
	    folder);
	process_step(d->process, CHILD_RESTART);
}

const char *
eventd_listener_fault(const struct eventd *d)
{
	return side_listener_why(&d->side);
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
