#include "supervisor/engine/eventd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "common/monotime.h"
#include "supervisor/log/log_sink.h"

enum {
	FIRST_DELAY_MS = 100,
	MAX_DELAY_MS = 10000,
	SETTLED_MS = 10000,
	STOP_MS = 2000,
	READY_FD = 3
};

struct eventd {
	struct ev_loop *loop;
	const char *program, *socket_path, *data;
	const struct config_built_in *conf;
	pid_t pid;
	int pidfd, ready_fd;
	eventd_ready_cb *on_ready;
	void *arg;
	ev_io exited, ready;
	ev_timer restart;
	struct monotime started;
	int64_t delay_ms;
};

static int
spawn(struct eventd *d, int ready)
{
	char series[16], address[300];
	const char *argv[16];
	char *envp[] = { NULL };
	size_t n = 0;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;

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
	argv[n++] = "--end-with-parent";
	argv[n++] = "--sandbox";
	if (log_stderr_is_journal())
		argv[n++] = "--log-prefix";
	if (d->conf->listen_host) {
		argv[n++] = "--listen";
		argv[n++] = address;
	}
	argv[n] = NULL;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ready, READY_FD);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int error = posix_spawn(&d->pid, d->program, &actions, &attr, (char **)argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (error) {
		d->pid = 0;
		errno = error;
		return -1;
	}
	return 0;
}

static void
restart_later(struct eventd *d)
{
	if (monotime_diff_ms(monotime_now(), d->started) >= SETTLED_MS)
		d->delay_ms = FIRST_DELAY_MS;
	ev_timer_stop(d->loop, &d->restart);
	ev_timer_set(&d->restart, (double)d->delay_ms / 1e3, 0.);
	ev_timer_start(d->loop, &d->restart);
	d->delay_ms = d->delay_ms * 2 < MAX_DELAY_MS ? d->delay_ms * 2 : MAX_DELAY_MS;
}

static void
forget_ready(struct eventd *d)
{
	ev_io_stop(d->loop, &d->ready);
	fd_close(d->ready_fd);
	d->ready_fd = -1;
}

/* It wrote, or died, which the pidfd tells as well. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct eventd *d = w->data;
	char line[16];
	bool ready = read(d->ready_fd, line, sizeof(line)) > 0;

	(void)loop, (void)revents;
	forget_ready(d);
	if (ready)
		d->on_ready(d->arg);
}

static void
start(struct eventd *d)
{
	int pipes[2] = { -1, -1 };

	d->started = monotime_now();
	int result = pipe2(pipes, O_CLOEXEC | O_NONBLOCK);
	if (result == 0) {
		result = spawn(d, pipes[1]);
		fd_close(pipes[1]);
		d->ready_fd = pipes[0];
		ev_io_set(&d->ready, d->ready_fd, EV_READ);
		ev_io_start(d->loop, &d->ready);
	}
	if (result < 0 || (d->pidfd = pidfd_open(d->pid, 0)) < 0) {
		int error = errno;
		if (d->pid) {
			kill(d->pid, SIGKILL);
			waitpid(d->pid, NULL, 0);
			d->pid = 0;
		}
		forget_ready(d);
		log_write(LOG_LEVEL_ERROR, NULL, "eventd_failed", "start of %s: %s", d->program,
		    strerror(error));
		restart_later(d);
		return;
	}
	ev_io_set(&d->exited, d->pidfd, EV_READ);
	ev_io_start(d->loop, &d->exited);
}

static void
reap(struct eventd *d)
{
	int status;

	waitpid(d->pid, &status, 0);
	forget_ready(d);
	ev_io_stop(d->loop, &d->exited);
	fd_close(d->pidfd);
	d->pidfd = -1;
	d->pid = 0;
}

static void
on_exited(struct ev_loop *loop, ev_io *w, int revents)
{
	struct eventd *d = w->data;

	(void)loop, (void)revents;
	log_write(LOG_LEVEL_ERROR, NULL, "eventd_died",
	    "the built-in Event Server %d ended; again in %d ms", (int)d->pid, (int)d->delay_ms);
	reap(d);
	restart_later(d);
}

static void
on_restart(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	start(w->data);
}

struct eventd *
eventd_start(struct ev_loop *loop, const char *program, const struct config_built_in *conf,
    const char *socket_path, const char *data, eventd_ready_cb *on_ready, void *arg)
{
	struct eventd *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	*d = (struct eventd){ .loop = loop,
		.program = program,
		.socket_path = socket_path,
		.data = data,
		.conf = conf,
		.pidfd = -1,
		.ready_fd = -1,
		.on_ready = on_ready,
		.arg = arg,
		.delay_ms = FIRST_DELAY_MS };
	ev_io_init(&d->exited, on_exited, -1, EV_READ);
	ev_io_init(&d->ready, on_readable, -1, EV_READ);
	ev_timer_init(&d->restart, on_restart, 0., 0.);
	d->ready.data = d;
	d->exited.data = d;
	d->restart.data = d;
	start(d);
	return d;
}

void
eventd_stop(struct eventd *d)
{
	if (!d)
		return;
	ev_timer_stop(d->loop, &d->restart);
	if (d->pid) {
		struct pollfd p = { .fd = d->pidfd, .events = POLLIN };
		pidfd_send_signal(d->pidfd, SIGTERM, NULL, 0);
		if (poll(&p, 1, STOP_MS) <= 0)
			pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
		reap(d);
	}
	free(d);
}

void
eventd_kill(struct eventd *d)
{
	if (!d || !d->pid)
		return;
	log_write(LOG_LEVEL_ERROR, NULL, "eventd_hung",
	    "the built-in Event Server %d takes connections and says nothing; it is killed",
	    (int)d->pid);
	pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
}

void
eventd_move(struct eventd *d, const struct config_built_in *conf)
{
	if (d)
		d->conf = conf;
}

pid_t
eventd_pid(const struct eventd *d)
{
	return d ? d->pid : 0;
}
