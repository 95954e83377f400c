#include "device-runners/iec60870/iec_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "protocols/iec60870/asdu.h"

enum { READ_SIZE = 1024 };

bool
iec_line_may_log(struct iec_line *l)
{
	struct monotime now = monotime_now();

	if (monotime_diff_ms(now, l->log_since) >= IEC_LINE_LOG_MS) {
		if (l->logged > IEC_LINE_LOG_LINES)
			log_warning("%u more lines of that kind in the last %d s",
			    l->logged - IEC_LINE_LOG_LINES, IEC_LINE_LOG_MS / 1000);
		l->log_since = now;
		l->logged = 0;
	}
	return ++l->logged <= IEC_LINE_LOG_LINES;
}

int64_t
iec_line_ms(const struct json *conf, const char *key, int64_t otherwise)
{
	double seconds;

	return json_double(json_get(conf, key), &seconds) ? (int64_t)(seconds * 1000 + 0.5)
							  : otherwise;
}

void
iec_line_register_status(
    struct runner *r, const char *const type[], size_t type_len, enum iec_line_status status)
{
	static const char *const texts[] = { "\"CONNECTING\"", "\"CONNECTED\"",
		"\"DISCONNECTED\"" };

	runner_register(r, type, type_len, NULL, texts[status], strlen(texts[status]));
}

static void
say(struct iec_line *l, enum iec_line_status status)
{
	static const char *const words[] = { "connecting", "connected", "disconnected" };

	runner_set_link(l->r, words[status]);
	l->ops->status(l->device, status);
}

/* --- the tty, lost and found --- */

static void on_opened(void *arg, int fd, int error, const char *why);

static void
try_open(struct iec_line *l)
{
	say(l, IEC_LINE_CONNECTING);
	l->opening = runner_open(l->r, l->plan, on_opened, l);
}

static void
on_reopen(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop, (void)events;
	try_open(w->data);
}

static void
open_later(struct iec_line *l, int64_t ns)
{
	ev_timer_set(&l->reopen, (double)ns * 1e-9, 0);
	ev_timer_start(runner_loop(l->r), &l->reopen);
}

static void
close_tty(struct iec_line *l)
{
	ev_io_stop(runner_loop(l->r), &l->readable);
	ev_io_stop(runner_loop(l->r), &l->writable);
	tty_alarm_stop(l->alarm);
	buffer_reset(&l->out);
	fd_close(l->fd);
	l->fd = -1;
	link_line_lost(&l->link, monotime_now());
}

static void
lose_tty(struct iec_line *l)
{
	close_tty(l);
	say(l, IEC_LINE_DISCONNECTED);
	open_later(l, reconnect_lost(&l->reconnect, true, monotime_now()));
}

/* --- bytes and actions --- */

static void
mark_lost(struct iec_line *l, const char *what)
{
	if (!l->lost)
		log_warning("%s: %s, to be opened again", l->tty.path, what);
	l->lost = true;
}

static void
flush(struct iec_line *l)
{
	while (l->out.len) {
		ssize_t n = write(l->fd, buffer_data(&l->out), l->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			mark_lost(l, strerror(errno));
			return;
		}
		if (n < 0)
			break;
		buffer_consume(&l->out, (size_t)n);
	}
	if (l->out.len)
		ev_io_start(runner_loop(l->r), &l->writable);
	else
		ev_io_stop(runner_loop(l->r), &l->writable);
}

static void
transmit(struct iec_line *l, const struct link_action *a)
{
	runner_trace(l->r, RUNNER_TX, a->data, a->len);
	buffer_append(&l->out, a->data, a->len);
	if (buffer_failed(&l->out))
		mark_lost(l, "it takes no bytes");
	else
		flush(l);
}

/* What flow control has held back until the link was given up must not go out when it lets go: a
 * command would be one of long ago. */
static void
drop_output(struct iec_line *l)
{
	buffer_reset(&l->out);
	ev_io_stop(runner_loop(l->r), &l->writable);
	tty_drop_output(l->fd);
}

static void
count(struct iec_line *l)
{
	*l->counters.sent = l->link.counters.sent;
	*l->counters.received = l->link.counters.received;
	*l->counters.repeated = l->link.counters.repeated;
	*l->counters.timeouts = l->link.counters.timeouts;
	*l->counters.strays = l->link.counters.strays;
	*l->counters.garbage = l->link.rx.garbage;
}

static void
set_alarm(struct iec_line *l)
{
	struct monotime at = link_deadline(&l->link);

	if (at.ns)
		tty_alarm_set(l->alarm, at);
	else
		tty_alarm_stop(l->alarm);
}

/* Everything that can happen now happens; ends with the alarm set, or with the tty lost. */
static void
pump(struct iec_line *l)
{
	struct link_action a;

	if (l->pumping || l->fd < 0)
		return;
	l->pumping = true;
	struct monotime now = monotime_now();
	link_pause(&l->link, runner_congested(l->r));
	while (!l->lost && link_next(&l->link, now, &a)) {
		if (a.type == LINK_DOWN)
			drop_output(l);
		if (a.type == LINK_TRANSMIT)
			transmit(l, &a);
		else
			l->ops->action(l->device, &a);
	}
	l->pumping = false;
	count(l);
	if (l->lost)
		lose_tty(l);
	else
		set_alarm(l);
}

static void
receive(struct iec_line *l)
{
	uint8_t bytes[READ_SIZE];

	ssize_t n = read(l->fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		mark_lost(l, n ? strerror(errno) : "hung up");
	else
		runner_trace(l->r, RUNNER_RX, bytes, (size_t)n);
	for (size_t at = 0; n > 0 && at < (size_t)n;) {
		at += link_receive(&l->link, bytes + at, (size_t)n - at, monotime_now());
		pump(l);
		if (l->fd < 0)
			return;
	}
	if (n <= 0)
		pump(l);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	receive(w->data);
}

/* What is there came in time: it may be us who came late, on a busy machine. */
static void
on_alarm(void *arg)
{
	struct iec_line *l = arg;

	if (ev_is_active(&l->readable))
		receive(l);
	pump(l);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct iec_line *l = w->data;

	(void)loop, (void)events;
	flush(l);
	if (l->lost)
		pump(l);
}

/* A pseudo-terminal has no speed: bytes are there as soon as they are written. It is what has no
 * modem signals either. */
static int64_t
char_ns(int fd, const struct tty_params *tty)
{
	int signals;

	return ioctl(fd, TIOCMGET, &signals) < 0 ? 0 : tty_char_ns(tty);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct iec_line *l = arg;
	struct ev_loop *loop = runner_loop(l->r);

	(void)error; /* why has it in words */
	l->opening = 0;
	if (fd >= 0 && tty_setup(fd, &l->tty) < 0) {
		why = strerror(errno);
		fd_close(fd);
		fd = -1;
	}
	if (fd < 0) {
		int64_t wait = reconnect_failed(&l->reconnect);
		if (iec_line_may_log(l))
			log_warning("%s does not open: %s, next attempt in %.3f s", l->tty.path,
			    why, (double)wait * 1e-9);
		say(l, IEC_LINE_DISCONNECTED);
		open_later(l, wait);
		return;
	}
	l->fd = fd;
	l->lost = false;
	l->link.conf.char_ns = char_ns(fd, &l->tty);
	reconnect_connected(&l->reconnect, monotime_now());
	link_line_opened(&l->link, RECONNECT_QUIET_MAX_MS, monotime_now());
	ev_io_set(&l->readable, fd, EV_READ);
	ev_io_set(&l->writable, fd, EV_WRITE);
	ev_io_start(loop, &l->readable);
	say(l, IEC_LINE_CONNECTED);
	pump(l);
}

/* --- for the device --- */

void
iec_line_init(struct iec_line *l, struct runner *r, const struct json *conf,
    const struct link_conf *link, int64_t reconnect_ms, const struct iec_line_ops *ops,
    void *device)
{
	struct link_conf link_conf = *link;
	double silence = 0;

	*l = (struct iec_line){ .r = r, .ops = ops, .device = device, .fd = -1 };
	reconnect_init(
	    &l->reconnect, reconnect_ms * INT64_C(1000000), IEC_LINE_LIVED_MS * INT64_C(1000000));
	tty_params_read(&l->tty, conf);
	l->tty.path = strdup(l->tty.path);
	l->alarm = tty_alarm_new(runner_loop(r), on_alarm, l);
	if (!l->tty.path || !l->alarm)
		runner_fail(r, "out of memory");
	json_double(json_get(conf, "silent_interval"), &silence);
	link_conf.silent_ns = (int64_t)(silence * 1e9);
	link_conf.char_ns = tty_char_ns(&l->tty);
	link_init(&l->link, &link_conf);
	buffer_init(&l->out, IEC_LINE_MAX_OUT);
	ev_init(&l->readable, on_readable);
	ev_init(&l->writable, on_writable);
	ev_init(&l->reopen, on_reopen);
	l->readable.data = l->writable.data = l->reopen.data = l;
	l->plan = runner_plan_tty(r, l->tty.path);
	if (l->tty.dsrdtr)
		runner_config_warning(r, "flow_control.dsrdtr",
		    "Linux has no DSR/DTR flow control: DTR is raised and DSR not looked at");
	l->counters.sent = runner_counter(r, "frames_sent");
	l->counters.received = runner_counter(r, "frames_received");
	l->counters.repeated = runner_counter(r, "frames_repeated");
	l->counters.timeouts = runner_counter(r, "timeouts");
	l->counters.strays = runner_counter(r, "frames_not_expected");
	l->counters.garbage = runner_counter(r, "bytes_skipped");
}

bool
iec_line_superseded(const struct json *item)
{
	int64_t address = -1, later;

	json_int(json_get(item, "address"), 0, 0xFFFF, &address);
	for (const struct json *j = item->next; j; j = j->next)
		if (json_int(json_get(j, "address"), 0, 0xFFFF, &later) && later == address)
			return true;
	return false;
}

void
iec_line_warn_superseded(const struct iec_line *l, const char *path)
{
	runner_config_warning(l->r, path, "a later device has the same address: that one counts");
}

int
iec_line_add(struct iec_line *l, const struct link_station_conf *conf, const char *path)
{
	int i = link_add(&l->link, conf);

	if (i < 0 && errno == EINVAL)
		runner_config_error(l->r, path,
		    "expected an address of its own that device_address_size holds%s, found %u",
		    l->link.conf.mode == LINK_BALANCED ? ""
						       : " and that is not the broadcast address",
		    conf->address);
	else if (i < 0)
		runner_config_error(
		    l->r, path, "expected at most %d devices on a line", LINK_MAX_STATIONS);
	return i;
}

void
iec_line_clear(struct iec_line *l)
{
	link_clear(&l->link);
	buffer_clear(&l->out);
	tty_alarm_free(l->alarm);
	free((char *)l->tty.path);
}

void
iec_line_start(struct iec_line *l)
{
	try_open(l);
}

void
iec_line_stop(struct iec_line *l)
{
	runner_cancel(l->r, l->opening);
	ev_timer_stop(runner_loop(l->r), &l->reopen);
	if (l->fd >= 0)
		close_tty(l);
	say(l, IEC_LINE_DISCONNECTED);
}

bool
iec_line_is_open(const struct iec_line *l)
{
	return l->fd >= 0;
}

void
iec_line_set_stamp(
    struct iec_line *l, void (*stamp)(void *arg, uint8_t *data, size_t len), void *arg)
{
	link_set_stamp(&l->link, stamp, arg);
}

int
iec_line_stations(const struct iec_line *l)
{
	return link_stations(&l->link);
}

uint16_t
iec_line_address(const struct iec_line *l, int station)
{
	return link_address(&l->link, station);
}

size_t
iec_line_max_asdu(const struct iec_line *l)
{
	size_t max = link_max_data(&l->link);

	return max < ASDU_MAX ? max : ASDU_MAX;
}

bool
iec_line_has_room(const struct iec_line *l, int station)
{
	return link_has_room(&l->link, station);
}

void
iec_line_open_station(struct iec_line *l, int station)
{
	link_open(&l->link, station, monotime_now());
	pump(l);
}

void
iec_line_close_station(struct iec_line *l, int station)
{
	link_close(&l->link, station);
	pump(l);
}

int
iec_line_send(
    struct iec_line *l, int station, unsigned flags, const void *data, size_t len, uint64_t token)
{
	int rc = link_send(&l->link, station, flags, data, len, token);

	if (rc == 0)
		pump(l);
	return rc;
}

void
iec_line_on_credit(void *device)
{
	pump(device);
}

void
iec_line_on_stop(void *device)
{
	iec_line_stop(device);
}
