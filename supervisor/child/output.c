#include "supervisor/child/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fdutil.h"

/* How many lines the pipe had no room for, where the text says so; else 0. */
static uint32_t
lost_lines(const char *text)
{
	unsigned count = 0;
	int end = 0;

	return sscanf(text, LOG_LOST "%n", &count, &end) == 1 && end && !text[end] ? count : 0;
}

/* Takes a "<N>" off the text. A single process has no emergencies, which journald would print on
 * every terminal. */
static enum log_level
line_level(const char **text)
{
	const char *t = *text;

	if (t[0] != '<' || t[1] < '0' || t[1] > '7' || t[2] != '>')
		return LOG_LEVEL_INFO;
	*text += 3;
	return t[1] - '0' < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : (enum log_level)(t[1] - '0');
}

static void
relay_line(struct output *o)
{
	const char *text = o->line;

	o->line[o->len] = '\0';
	o->len = 0;
	log_clean(o->line);
	enum log_level level = line_level(&text);
	if (*text == '\0')
		return;
	snprintf(o->last, sizeof(o->last), "%s", text);
	if (level > o->level)
		return;
	uint32_t lost = lost_lines(text);
	if (lost || ++o->lines > OUTPUT_MAX_LINES) {
		o->suppressed += lost ? lost : 1;
		if (!ev_is_active(&o->paused))
			ev_timer_again(o->loop, &o->paused);
	} else {
		log_relay(
		    level, o->device, o->device ? "runner" : "eventd", "%s%s", o->subject, text);
	}
}

static void
report_suppressed(struct output *o)
{
	if (o->suppressed)
		log_write(LOG_LEVEL_WARNING, o->device, "log_suppressed",
		    "%sdropped %u lines of output", o->subject, o->suppressed);
	o->suppressed = 0;
}

static void
begin_second(struct output *o)
{
	report_suppressed(o);
	o->second = ev_now(o->loop);
	o->bytes = 0;
	o->lines = 0;
}

/* Reads once, so that a flood waits for its turn. Returns whether there may be more. */
static bool
read_once(struct output *o)
{
	char bytes[4096];
	ssize_t n = read(o->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		ev_io_stop(o->loop, &o->readable);
		return false;
	}
	if (ev_now(o->loop) - o->second >= 1.)
		begin_second(o);
	o->bytes += (uint32_t)n;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || o->len == sizeof(o->line) - 1)
			relay_line(o);
		if (bytes[i] != '\n')
			o->line[o->len++] = bytes[i] ? bytes[i] : '?';
	}
	return true;
}

/* A process that prints more than a second's share finds its pipe full until the next second. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct output *o = w->data;

	(void)revents;
	if (read_once(o) && o->bytes >= OUTPUT_MAX_BYTES) {
		ev_io_stop(loop, w);
		ev_timer_again(loop, &o->paused);
	}
}

/* A second is over. What it suppressed is reported now, also where nothing follows. */
static void
on_paused(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct output *o = w->data;

	(void)revents;
	ev_io_start(loop, &o->readable);
	if (ev_now(loop) - o->second >= 1.)
		begin_second(o);
	if (!o->suppressed)
		ev_timer_stop(loop, w);
}

void
output_init(struct output *o, struct ev_loop *loop, const char *subject)
{
	*o =
	    (struct output){ .loop = loop, .subject = subject, .level = LOG_LEVEL_DEBUG, .fd = -1 };
	ev_io_init(&o->readable, on_readable, -1, EV_READ);
	ev_timer_init(&o->paused, on_paused, 0., 1.);
	o->readable.data = o;
	o->paused.data = o;
}

void
output_open(struct output *o, int fd)
{
	output_close(o);
	o->len = 0;
	o->last[0] = '\0';
	o->fd = fd;
	ev_io_set(&o->readable, fd, EV_READ);
	ev_io_start(o->loop, &o->readable);
}

void
output_drain(struct output *o)
{
	if (o->fd < 0)
		return;
	for (int i = 0; i < OUTPUT_LAST_READS && read_once(o); i++)
		;
	if (o->len)
		relay_line(o);
}

void
output_close(struct output *o)
{
	ev_io_stop(o->loop, &o->readable);
	ev_timer_stop(o->loop, &o->paused);
	report_suppressed(o);
	fd_close(o->fd);
	o->fd = -1;
}
