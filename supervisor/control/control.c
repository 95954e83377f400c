#include "supervisor/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "common/remedy.h"
#include "common/trust.h"
#include "supervisor/control/control_client.h"

enum {
	FLUSH_AT =
	    24 * 1024, /* a packet this full leaves, so that any row fits beside what it holds */
	END_ROOM = 8 * CONTROL_MAX_ERROR, /* of a packet, kept for its end */
	MAX_GROUPS = 256,
};

static control_handler *const handlers[CONTROL_COMMAND_COUNT] = {
	[CONTROL_STATUS] = control_on_status,
	[CONTROL_TOP] = control_on_top,
	[CONTROL_SHOW] = control_on_show,
	[CONTROL_INFO] = control_on_info,
	[CONTROL_METRICS] = control_on_metrics,
	[CONTROL_HEALTH] = control_on_health,
	[CONTROL_DESCRIBE] = control_on_describe,
	[CONTROL_WATCH] = control_on_watch,
	[CONTROL_EVENTS] = control_on_events,
	[CONTROL_SEND] = control_on_send,
	[CONTROL_ENABLE] = control_on_enable,
	[CONTROL_DISABLE] = control_on_disable,
	[CONTROL_RESTART] = control_on_restart,
	[CONTROL_WAIT] = control_on_wait,
	[CONTROL_TRACE] = control_on_trace,
	[CONTROL_LOG] = control_on_log,
	[CONTROL_RELOAD] = control_on_reload,
};

/* --- a client --- */

static void
set_deadline(struct control_client *c, int64_t ms)
{
	ev_timer_stop(c->control->loop, &c->deadline);
	ev_timer_set(&c->deadline, (double)ms / 1e3, 0.);
	ev_timer_start(c->control->loop, &c->deadline);
}

static void
end_request(struct control_client *c)
{
	json_free(c->request);
	c->request = NULL;
	free(c->names);
	c->names = NULL;
	c->name_count = 0;
}

static void
client_free(struct control_client *c)
{
	struct control *control = c->control;
	size_t i = 0;

	ev_io_stop(control->loop, &c->readable);
	ev_io_stop(control->loop, &c->writable);
	ev_timer_stop(control->loop, &c->deadline);
	fd_close(c->fd);
	control_forget_request(c);
	end_request(c);
	control->waiting -= c->queue.len;
	buffer_clear(&c->queue);
	buffer_clear(&c->packet);
	while (control->clients[i] != c)
		i++;
	control->clients[i] = control->clients[--control->client_count];
	free(c);
	control_stream_update(control);
}

/* It ends at the next turn of the loop: callers may still use it until then. */
static void
kill_later(struct control_client *c)
{
	if (c->kill_pending)
		return;
	c->kill_pending = true;
	ev_io_stop(c->control->loop, &c->readable);
	ev_io_stop(c->control->loop, &c->writable);
	set_deadline(c, 0);
}

static bool
is_streaming(const struct control_client *c)
{
	return c->request && control_streams(c->command);
}

static void
enqueue(struct control_client *c, const void *packet, size_t len, bool end)
{
	struct control *control = c->control;
	size_t limit = is_streaming(c) ? CONTROL_MAX_BEHIND : CONTROL_MAX_WAITING;
	size_t slack = end ? 2 * CONTROL_MAX_REPLY : 0;

	if (c->queue.len + len > limit + slack ||
	    control->waiting + len > CONTROL_MAX_TOTAL + slack) {
		if (!is_streaming(c) && !end) {
			c->overrun = true;
			return;
		}
		log_write(LOG_LEVEL_WARNING, NULL, "control",
		    "control: client %d reads too slowly: disconnected", (int)c->pid);
		kill_later(c);
		return;
	}
	size_t before = c->queue.len;
	buffer_le(&c->queue, len, 4);
	buffer_append(&c->queue, packet, len);
	control->waiting += c->queue.len - before;
	if (buffer_failed(&c->queue)) {
		kill_later(c);
		return;
	}
	ev_io_start(control->loop, &c->writable);
}

/* Sends the packet that was built, or queues it. */
static void
transmit(struct control_client *c, bool end)
{
	const void *packet = buffer_data(&c->packet);
	size_t len = c->packet.len;

	if (!c->kill_pending && !buffer_failed(&c->packet)) {
		ssize_t n = -1;
		errno = EAGAIN;
		if (c->queue.len == 0)
			n = send(c->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
			enqueue(c, packet, len, end);
		else if (n < 0)
			kill_later(c);
	}
	buffer_reset(&c->packet);
}

void
control_flush(struct control_client *c)
{
	if (c->packet.len == 0)
		return;
	control_put_more(&c->writer);
	transmit(c, false);
}

static void
start_row(struct control_client *c)
{
	if (c->packet.len == 0)
		control_put_begin(&c->packet, &c->writer);
	c->row_start = c->packet.len;
	c->row_comma = c->writer.comma;
}

static bool
keep_row(struct control_client *c)
{
	if (c->overrun || buffer_failed(&c->packet) ||
	    c->packet.len > CONTROL_MAX_REPLY - END_ROOM) {
		c->packet.failed = false;
		buffer_truncate(&c->packet, c->row_start);
		c->writer.comma = c->row_comma;
		return false;
	}
	if (c->packet.len > FLUSH_AT)
		control_flush(c);
	return true;
}

struct json_writer *
control_begin_row(struct control_client *c)
{
	start_row(c);
	json_begin_object(&c->writer, NULL);
	return &c->writer;
}

bool
control_end_row(struct control_client *c)
{
	json_end_object(&c->writer);
	return keep_row(c);
}

bool
control_put_row(struct control_client *c, const struct buffer *row)
{
	start_row(c);
	json_put_raw(&c->writer, NULL, (const char *)buffer_data(row), row->len);
	return keep_row(c);
}

/* Stops reading from it. It ends when its answer is sent, or when its time is over. */
static void
close_later(struct control_client *c)
{
	if (c->kill_pending)
		return;
	c->closing = true;
	ev_io_stop(c->control->loop, &c->readable);
	if (c->queue.len == 0)
		kill_later(c);
	else
		set_deadline(c, CONTROL_IDLE_MS);
}

static void
finish(
    struct control_client *c, enum control_code code, enum control_reason reason, const char *error)
{
	if (c->packet.len == 0)
		control_put_begin(&c->packet, &c->writer);
	control_put_end(&c->writer, code, reason, error);
	transmit(c, true);
	bool streamed = is_streaming(c);
	end_request(c);
	c->overrun = false;
	if (streamed)
		control_stream_update(c->control);
	if (!c->kill_pending && !c->closing)
		set_deadline(c, CONTROL_IDLE_MS);
}

void
control_finish(struct control_client *c, enum control_code code)
{
	if (c->overrun && code == CONTROL_DONE)
		finish(c, CONTROL_REFUSED, REASON_TOO_LONG,
		    "the answer is too long: ask for less at once");
	else
		finish(c, code, REASON_NONE, NULL);
}

void
control_refuse(struct control_client *c, enum control_reason reason, const char *fmt, ...)
{
	char error[CONTROL_MAX_ERROR];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, sizeof(error), fmt, ap);
	va_end(ap);
	finish(c, reason == REASON_REQUEST ? CONTROL_USAGE : CONTROL_REFUSED, reason, error);
}

/* All clients share one budget, and observers a part of it. When it is used up, no request is read
 * until the second ends: of nobody, or of observers. */
static void
pause_reading(struct control *control, bool observers_only)
{
	if (!observers_only)
		ev_io_stop(control->loop, &control->socket.acceptable);
	ev_io_stop(control->loop, &control->observe.acceptable);
	for (size_t i = 0; i < control->client_count; i++)
		if (!observers_only || control->clients[i]->observes)
			ev_io_stop(control->loop, &control->clients[i]->readable);
	if (ev_is_active(&control->refill))
		return;
	ev_timer_set(&control->refill, 1., 0.);
	ev_timer_start(control->loop, &control->refill);
}

static void
start_accepting(struct control_socket *s)
{
	if (s->fd >= 0)
		ev_io_start(s->control->loop, &s->acceptable);
}

static void
refill(struct control *control, struct monotime now)
{
	control->budget = CONTROL_BUDGET;
	control->observer_budget = CONTROL_OBSERVER_BUDGET;
	control->budget_since = now;
}

static void
on_refill(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *control = w->data;

	(void)revents;
	refill(control, monotime_now());
	start_accepting(&control->socket);
	start_accepting(&control->observe);
	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (!c->kill_pending && !c->closing)
			ev_io_start(loop, &c->readable);
	}
}

static void
take_from(unsigned *budget, unsigned cost)
{
	*budget -= *budget < cost ? *budget : cost;
}

static void
spend(struct control *control, unsigned cost, bool observes)
{
	struct monotime now = monotime_now();

	if (monotime_diff_ms(now, control->budget_since) >= 1000)
		refill(control, now);
	take_from(&control->budget, cost);
	if (observes)
		take_from(&control->observer_budget, cost);
	if (control->budget == 0 || control->observer_budget == 0)
		pause_reading(control, control->budget != 0);
}

static void
answer(struct control_client *c, const void *packet, size_t len)
{
	char err[CONTROL_MAX_ERROR];

	c->spoken = true;
	c->control->served++;
	struct json_doc *doc = control_request_decode(packet, len, &c->command, err, sizeof(err));
	if (!doc) {
		control_refuse(c, REASON_REQUEST, "request refused: %s", err);
		close_later(c);
		return;
	}
	if (c->observes && !control_command_looks(c->command)) {
		json_free(doc);
		control_refuse(c, REASON_DENIED,
		    "%s is refused: this client may look and not do (role observe)",
		    control_command_name(c->command));
		return;
	}
	c->request = doc;
	if (control_take_names(c) < 0) {
		control_refuse(c, REASON_SYSTEM, "out of memory");
		return;
	}
	ev_timer_stop(c->control->loop, &c->deadline);
	handlers[c->command](c, json_root(doc));
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	static uint8_t packet[CONTROL_MAX_REQUEST + 1];
	struct control_client *c = w->data;

	(void)loop, (void)revents;
	ssize_t n = recv(c->fd, packet, sizeof(packet), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(c);
		return;
	}
	struct control *control = c->control;
	bool observes = c->observes;
	if (c->request) {
		control_forget_request(c);
		control_refuse(c, REASON_REQUEST, "one request at a time");
		close_later(c);
	} else {
		answer(c, packet, (size_t)n);
	}
	spend(control, CONTROL_REQUEST_COST, observes);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct control_client *c = w->data;

	(void)revents;
	while (c->queue.len) {
		const uint8_t *p = buffer_data(&c->queue);
		size_t len = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
		ssize_t n = send(c->fd, p + 4, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
			return;
		if (n < 0) {
			client_free(c);
			return;
		}
		buffer_consume(&c->queue, len + 4);
		c->control->waiting -= len + 4;
	}
	ev_io_stop(loop, &c->writable);
	if (c->closing)
		client_free(c);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	client_free(w->data);
}

/* --- who may connect --- */

static bool
is_member(int fd, gid_t first, gid_t wanted)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);

	if (first == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/* The mode of the socket may say the same, may not: see give_to_group(). */
static bool
is_allowed(const struct control_socket *s, int fd, struct ucred *peer)
{
	return trust_peer(fd, geteuid(), peer) || is_member(fd, peer->gid, s->group);
}

static void
turn_away(struct control *control, int fd, enum control_reason reason, const char *why)
{
	struct buffer b;
	struct json_writer w;

	control->refused++;
	buffer_init(&b, CONTROL_MAX_REPLY);
	control_put_begin(&b, &w);
	control_put_end(&w, CONTROL_REFUSED, reason, why);
	if (!buffer_failed(&b) && send(fd, buffer_data(&b), b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control: %s", strerror(errno));
	buffer_clear(&b);
	fd_close(fd);
}

static bool
is_full(const struct control *control, bool observes)
{
	size_t observers = 0;

	for (size_t i = 0; i < control->client_count; i++)
		observers += control->clients[i]->observes;
	return control->client_count == CONTROL_MAX_CLIENTS ||
	       (observes && observers >= CONTROL_MAX_OBSERVERS);
}

/* Closes the client that has been silent for longest: of observers, for an observer. False when
 * each has asked something. */
static bool
make_room(struct control *control, bool observes)
{
	struct control_client *oldest = NULL;

	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (!c->spoken && !c->kill_pending && (c->observes || !observes) &&
		    (!oldest || ev_timer_remaining(control->loop, &c->deadline) <
				    ev_timer_remaining(control->loop, &oldest->deadline)))
			oldest = c;
	}
	if (oldest)
		client_free(oldest);
	return oldest != NULL;
}

static void
take_client(struct control *control, int fd, const struct ucred *peer, bool observes)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c) {
		turn_away(control, fd, REASON_SYSTEM, "out of memory");
		return;
	}
	c->control = control;
	c->fd = fd;
	c->pid = peer->pid;
	c->uid = peer->uid;
	c->observes = observes;
	buffer_init(&c->packet, CONTROL_MAX_REPLY);
	buffer_init(&c->queue, CONTROL_MAX_WAITING + 4 * CONTROL_MAX_REPLY);
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->deadline, on_deadline, 0., 0.);
	c->readable.data = c->writable.data = c->deadline.data = c;
	control->clients[control->client_count++] = c;
	ev_io_start(control->loop, &c->readable);
	set_deadline(c, CONTROL_IDLE_MS);
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct control_socket *s = w->data;
	struct control *control = s->control;
	struct ucred peer = { 0 };
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)loop, (void)revents;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			pause_reading(control, false);
		return;
	}
	if (!is_allowed(s, fd, &peer)) {
		log_write(LOG_LEVEL_WARNING, NULL, "control_denied",
		    "control: user %u (process %d) is denied: not root, not gatewayd's user, not "
		    "in its group",
		    peer.uid, (int)peer.pid);
		turn_away(control, fd, REASON_DENIED,
		    "not allowed: not root, not gatewayd's user, not in its group");
	} else if (is_full(control, s->observes) && !make_room(control, s->observes)) {
		turn_away(control, fd, REASON_BUSY, "too many clients: try again later");
	} else {
		take_client(control, fd, &peer, s->observes);
	}
	spend(control, CONTROL_CONNECT_COST, s->observes);
}

/* --- the socket --- */

static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct control *control = w->data;

	(void)loop, (void)revents;
	for (size_t i = 0; i < control->client_count; i++)
		if (is_streaming(control->clients[i]))
			control_flush(control->clients[i]);
}

/* Two samples of every device's count, so that a rate is of CONTROL_RATE_MS to twice that. */
static void
on_rates(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *control = w->data;
	struct monotime now = monotime_now();

	(void)loop, (void)revents;
	for (size_t i = 0; i < control->engine->device_count; i++)
		child_sample(control->engine->devices[i]->child, now);
	control_socket_keep(&control->socket);
	control_socket_keep(&control->observe);
}

static void
watch_socket(struct control_socket *s)
{
	ev_io_init(&s->acceptable, on_acceptable, s->fd, EV_READ);
	s->acceptable.data = s;
	start_accepting(s);
}

static void
watch(struct control *control)
{
	watch_socket(&control->socket);
	watch_socket(&control->observe);
	ev_timer_init(&control->refill, on_refill, 0., 0.);
	ev_timer_init(&control->rates, on_rates, CONTROL_RATE_MS / 1e3, CONTROL_RATE_MS / 1e3);
	ev_timer_init(&control->walk, control_on_walk, 0., 0.);
	ev_timer_init(&control->retrace, control_on_retrace, 0., 0.);
	ev_prepare_init(&control->before_wait, on_before_wait);
	/* After the engine's, which sends the turn's events. */
	ev_set_priority(&control->before_wait, -1);
	control->walk.data = control->retrace.data = control->refill.data = control->rates.data =
	    control->before_wait.data = control;
	ev_timer_start(control->loop, &control->rates);
	ev_prepare_start(control->loop, &control->before_wait);
	control_stream_update(control);
}

static void
clear_socket(struct control_socket *s)
{
	if (s->path && s->fd >= 0)
		unlink(s->path);
	control_socket_close(s);
	free(s->path);
}

static void
control_free(struct control *control)
{
	clear_socket(&control->socket);
	clear_socket(&control->observe);
	buffer_clear(&control->row);
	free(control);
}

/* 0, or -1 with a message in err. */
static int
open_socket(struct control_socket *s, const char *group, char *err, size_t err_size)
{
	errno = 0;
	const char *why = s->path ? control_socket_open(s, group) : "out of memory";

	if (!why)
		return 0;
	snprintf(err, err_size, "control socket %s%s%s: %s%s", s->path ? s->path : "",
	    group ? ", group " : "", group ? group : "", why, remedy_text(REMEDY_FOLDER, errno));
	return -1;
}

/* The path of the observers' socket, in the same folder; NULL when out of memory. */
static char *
observe_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *text;
	int n = asprintf(
	    &text, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, CONTROL_OBSERVE_NAME);

	return n < 0 ? NULL : text;
}

static int
open_sockets(struct control *control, const char *path, const struct config *config, char *err,
    size_t err_size)
{
	control->socket.path = strdup(path);
	if (open_socket(&control->socket, config->control_group, err, err_size) < 0)
		return -1;
	if (!config->observe_group)
		return 0;
	control->observe.path = observe_path(path);
	return open_socket(&control->observe, config->observe_group, err, err_size);
}

struct control *
control_open(struct ev_loop *loop, struct engine *engine, const char *path,
    const struct config *config, const struct control_hooks *hooks, char *err, size_t err_size)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	control->loop = loop;
	control->engine = engine;
	control->hooks = *hooks;
	control->socket = (struct control_socket){ .control = control, .fd = -1, .lock = -1 };
	control->observe =
	    (struct control_socket){ .control = control, .fd = -1, .lock = -1, .observes = true };
	control->started = monotime_now();
	refill(control, control->started);
	buffer_init(&control->row, CONTROL_MAX_REPLY);
	if (open_sockets(control, path, config, err, err_size) < 0) {
		control_free(control);
		return NULL;
	}
	watch(control);
	return control;
}

void
control_close(struct control *control)
{
	if (!control)
		return;
	while (control->client_count)
		client_free(control->clients[0]);
	ev_io_stop(control->loop, &control->socket.acceptable);
	ev_io_stop(control->loop, &control->observe.acceptable);
	ev_timer_stop(control->loop, &control->refill);
	ev_timer_stop(control->loop, &control->rates);
	ev_timer_stop(control->loop, &control->walk);
	ev_timer_stop(control->loop, &control->retrace);
	ev_prepare_stop(control->loop, &control->before_wait);
	control->engine->watch = (struct engine_watch){ 0 };
	control_free(control);
}

size_t
control_client_count(const struct control *control)
{
	return control->client_count;
}
