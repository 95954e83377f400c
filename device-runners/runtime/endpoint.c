#include "device-runners/runtime/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/fdutil.h"
#include "common/remedy.h"
#include "device-runners/runtime/report/health.h"

static void open_address(struct endpoint *e);

static void
set_status(struct endpoint *e, enum connection_status status, int fd)
{
	if (e->status == status)
		return;
	e->status = status;
	e->ops->status(e->arg, status, fd);
}

static void
set_timer(struct endpoint *e, int64_t ns)
{
	struct ev_loop *loop = runner_loop(e->r);

	ev_timer_stop(loop, &e->timer);
	ev_timer_set(&e->timer, (double)ns * 1e-9, 0.);
	ev_timer_start(loop, &e->timer);
}

static void
stop_attempt(struct endpoint *e)
{
	runner_cancel(e->r, e->opening);
	e->opening = 0;
	e->beginning = false;
	ev_timer_stop(runner_loop(e->r), &e->timer);
}

static void
peer_is_down(struct endpoint *e, const char *why)
{
	if (e->conf.health)
		health_down_as_logged(e->conf.health, "%s", why);
}

/* This address failed: the next one, or a pause. */
static void
on_failure(struct endpoint *e, const char *why)
{
	stop_attempt(e);
	if (e->address + 1 < e->conf.addresses) {
		limit_notice(&e->losses, "%s; trying the next address", why);
		e->address++;
		open_address(e);
		return;
	}
	int64_t wait = reconnect_failed(&e->reconnect);
	if (!e->failing || strncmp(e->why, why, sizeof(e->why) - 1) != 0)
		limit_warning(&e->failures,
		    "%s; next attempt in %.3g s, the same failure is not logged again", why,
		    (double)wait * 1e-9);
	snprintf(e->why, sizeof(e->why), "%s", why);
	e->failing = true;
	set_timer(e, wait);
	peer_is_down(e, why);
	if (e->ops->failed)
		e->ops->failed(e->arg, why);
	if (!e->conf.stays_connecting)
		set_status(e, CONNECTION_DISCONNECTED, -1);
}

static void
on_usable(struct endpoint *e, int fd)
{
	if (e->failing)
		log_notice("connected");
	e->failing = false;
	reconnect_connected(&e->reconnect, monotime_now());
	if (e->conf.health)
		health_up(e->conf.health);
	set_status(e, CONNECTION_CONNECTED, fd);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct endpoint *e = arg;
	char text[512];

	(void)error; /* why has it in words */
	e->opening = 0;
	if (fd < 0 || !e->ops->late)
		ev_timer_stop(runner_loop(e->r), &e->timer);
	if (fd >= 0 && e->conf.tty && tty_setup(fd, e->conf.tty) < 0) {
		snprintf(text, sizeof(text), "set up %s: %s%s", e->conf.tty->path, strerror(errno),
		    remedy_text(REMEDY_TTY, errno));
		why = text;
		fd_close(fd);
		fd = -1;
	}
	if (fd < 0) {
		on_failure(e, why);
	} else if (e->ops->opened) {
		e->beginning = true;
		e->ops->opened(e->arg, e->address, fd);
	} else {
		on_usable(e, fd);
	}
}

static void
open_address(struct endpoint *e)
{
	e->opening = runner_open(e->r, e->conf.resource + e->address, on_opened, e);
	if (!e->opening)
		on_failure(e, "too many resources are being opened");
	else if (e->conf.timeout_ns)
		set_timer(e, e->conf.timeout_ns);
}

static void
try_open(struct endpoint *e)
{
	e->address = 0;
	e->status = CONNECTION_CONNECTING;
	e->ops->status(e->arg, e->status, -1);
	open_address(e);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct endpoint *e = w->data;
	char why[160];

	(void)loop, (void)revents;
	if (e->beginning) {
		e->ops->late(e->arg);
	} else if (e->opening) {
		snprintf(why, sizeof(why), "no connection within %.3g s%s",
		    (double)e->conf.timeout_ns * 1e-9, remedy_text(REMEDY_CONNECT, ETIMEDOUT));
		on_failure(e, why);
	} else {
		try_open(e);
	}
}

void
endpoint_init(struct endpoint *e, struct runner *r, const struct endpoint_conf *conf,
    const struct endpoint_ops *ops, void *arg)
{
	*e = (struct endpoint){
		.r = r,
		.ops = ops,
		.arg = arg,
		.conf = *conf,
		.status = CONNECTION_DISCONNECTED,
	};
	reconnect_init(&e->reconnect, conf->delay_ns, conf->lived_ns);
	ev_timer_init(&e->timer, on_timer, 0., 0.);
	e->timer.data = e;
}

void
endpoint_start(struct endpoint *e)
{
	try_open(e);
}

enum connection_status
endpoint_status(const struct endpoint *e)
{
	return e->status;
}

const char *
endpoint_why(const struct endpoint *e)
{
	return e->why;
}

void
endpoint_usable(struct endpoint *e)
{
	stop_attempt(e);
	on_usable(e, -1);
}

void
endpoint_lost(struct endpoint *e, bool answered, const char *why)
{
	if (e->beginning) {
		on_failure(e, why);
		return;
	}
	int64_t wait = reconnect_lost(&e->reconnect, answered, monotime_now());
	char next[32] = "now";

	snprintf(e->why, sizeof(e->why), "%s", why);
	peer_is_down(e, why);
	if (wait)
		snprintf(next, sizeof(next), "in %.3g s", (double)wait * 1e-9);
	limit_notice(&e->losses, "connection lost: %s; next attempt %s", why, next);
	set_timer(e, wait);
	set_status(e, CONNECTION_DISCONNECTED, -1);
}

void
endpoint_stop(struct endpoint *e)
{
	if (!e->r)
		return;
	stop_attempt(e);
	set_status(e, CONNECTION_DISCONNECTED, -1);
}
