#include "device-runners/iec60870/serial/iec_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device-runners/runtime/report/health.h"
#include "protocols/iec60870/asdu.h"

enum { READ_SIZE = 1024 };

int64_t
iec_line_ms(const struct json *conf, const char *key, int64_t otherwise)
{
	double seconds;

	return json_double(json_get(conf, key), &seconds) ? (int64_t)(seconds * 1000 + 0.5)
							  : otherwise;
}

/* --- bytes and actions --- */

static void
close_tty(struct iec_line *l)
{
	tty_alarm_stop(l->alarm);
	line_close(&l->bytes);
	iec_frames_close(&l->frames);
	link_line_lost(&l->link, monotime_now());
}

static void
lose_tty(struct iec_line *l)
{
	close_tty(l);
	endpoint_lost(&l->endpoint, true, l->why);
}

static void
mark_lost(struct iec_line *l, const char *why)
{
	if (!l->lost)
		snprintf(l->why, sizeof(l->why), "%s", why);
	l->lost = true;
}

static struct health_end *
health_of(const struct iec_line *l, int station)
{
	return station >= 0 && station < LINK_MAX_STATIONS ? l->health[station] : NULL;
}

void
iec_line_set_health(struct iec_line *l, int station, struct health_end *health)
{
	l->health[station] = health;
}

static void
transmit(struct iec_line *l, const struct link_action *a)
{
	struct health_end *health = health_of(l, a->station);

	if (health)
		health_sent(health, a->len);
	iec_frames_sent(&l->frames, a->data, a->len);
	if (line_write(&l->bytes, a->data, a->len) < 0)
		mark_lost(l, errno == EAGAIN ? "it takes no bytes" : strerror(errno));
}

static void
on_down(struct iec_line *l, const struct link_action *a)
{
	/* Bytes that flow control held back until the link was given up must not go out when it
	 * lets go: a command would be one of long ago. */
	line_drop_output(&l->bytes);
	if (health_of(l, a->station))
		health_down_as_logged(health_of(l, a->station), "%s", a->reason);
	limit_warning(&l->limit, "%s lost: %s%s", iec_line_name(l, a->station), a->reason,
	    l->link.conf.controlling ? "; connecting again" : "");
	l->ops->down(l->device, a->station);
}

static void
act(struct iec_line *l, const struct link_action *a)
{
	switch (a->type) {
	case LINK_TRANSMIT:
		transmit(l, a);
		break;
	case LINK_UP:
		log_info("%s connected", iec_line_name(l, a->station));
		if (health_of(l, a->station))
			health_up(health_of(l, a->station));
		l->ops->up(l->device, a->station);
		break;
	case LINK_DOWN:
		on_down(l, a);
		break;
	case LINK_DATA:
		if (health_of(l, a->station))
			health_received(health_of(l, a->station), a->len);
		l->ops->data(l->device, a->station, a->data, a->len);
		break;
	case LINK_DELIVERED:
		if (l->ops->delivered)
			l->ops->delivered(l->device, a->station, a->token);
		break;
	case LINK_REFUSED:
		limit_warning(
		    &l->limit, "%s refused a message: %s", iec_line_name(l, a->station), a->reason);
		break;
	}
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

	if (l->pumping || !line_is_open(&l->bytes))
		return;
	l->pumping = true;
	struct monotime now = monotime_now();
	link_pause(&l->link, runner_congested(l->r));
	while (!l->lost && link_next(&l->link, now, &a))
		act(l, &a);
	l->pumping = false;
	count(l);
	if (l->lost)
		lose_tty(l);
	else
		set_alarm(l);
}

static void
receive(void *arg)
{
	struct iec_line *l = arg;
	uint8_t bytes[READ_SIZE];

	ssize_t n = line_read(&l->bytes, bytes, sizeof(bytes));
	if (n == 0)
		return;
	if (n < 0)
		mark_lost(l, errno ? strerror(errno) : "hung up");
	else
		iec_frames_received(&l->frames, bytes, (size_t)n);
	for (size_t at = 0; n > 0 && at < (size_t)n;) {
		at += link_receive(&l->link, bytes + at, (size_t)n - at, monotime_now());
		pump(l);
		if (!line_is_open(&l->bytes))
			return;
	}
	if (n < 0)
		pump(l);
}

static const struct line_ops line_ops = { .readable = receive };

/* Bytes that are there came in time: it may be us who are late, on a busy machine. */
static void
on_alarm(void *arg)
{
	struct iec_line *l = arg;

	if (line_is_open(&l->bytes))
		receive(l);
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
on_status(void *arg, enum connection_status status, int fd)
{
	struct iec_line *l = arg;
	bool connected = status == CONNECTION_CONNECTED;

	if (connected) {
		line_open(&l->bytes, fd);
		l->lost = false;
		l->link.conf.char_ns = char_ns(fd, &l->tty);
		link_line_opened(&l->link, RECONNECT_QUIET_MAX_MS, monotime_now());
	}
	connection_set_link(l->r, status);
	l->ops->status(l->device, status);
	if (connected)
		pump(l);
}

static void
on_failed(void *arg, const char *why)
{
	struct iec_line *l = arg;

	if (l->ops->failed)
		l->ops->failed(l->device, why);
}

static const struct endpoint_ops endpoint_ops = { .status = on_status, .failed = on_failed };

/* --- for the device --- */

void
iec_line_init(struct iec_line *l, struct runner *r, const struct json *conf,
    const struct link_conf *link, int64_t reconnect_ms, const struct iec_line_ops *ops,
    void *device)
{
	struct link_conf link_conf = *link;
	double silence = 0;

	*l = (struct iec_line){ .r = r, .ops = ops, .device = device };
	tty_params_read(&l->tty, conf);
	l->tty.path = strdup(l->tty.path);
	l->alarm = tty_alarm_new(runner_loop(r), on_alarm, l);
	if (!l->tty.path || !l->alarm)
		runner_fail(r, "out of memory");
	json_double(json_get(conf, "silent_interval"), &silence);
	link_conf.silent_ns = (int64_t)(silence * 1e9);
	link_conf.char_ns = tty_char_ns(&l->tty);
	link_init(&l->link, &link_conf);
	iec_frames_init(&l->frames, r, link, l->tty.path);
	line_init(&l->bytes, runner_loop(r), IEC_LINE_MAX_OUT, &line_ops, l);
	const struct endpoint_conf endpoint = {
		.resource = runner_plan_tty(r, l->tty.path),
		.tty = &l->tty,
		.delay_ns = reconnect_ms * INT64_C(1000000),
		.lived_ns = IEC_LINE_LIVED_MS * INT64_C(1000000),
	};
	endpoint_init(&l->endpoint, r, &endpoint, &endpoint_ops, l);
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

void
iec_line_set_sizes(struct iec_line *l, const struct asdu_sizes *sizes)
{
	iec_frames_set_sizes(&l->frames, sizes);
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

struct link_station_conf
iec_line_remote(const struct json *item)
{
	int64_t retries = 0;

	json_int(json_get(item, "send_retry_count"), 0, IEC_LINE_MAX_RETRIES, &retries);
	return (struct link_station_conf){
		.retries = (unsigned)retries,
		.response_ms = iec_line_ms(item, "response_timeout", 1),
		.poll_ms = { iec_line_ms(item, "poll_class1_delay", -1),
		    iec_line_ms(item, "poll_class2_delay", -1) },
		.reconnect_ms = iec_line_ms(item, "reconnect_delay", 0),
	};
}

int
iec_line_add(struct iec_line *l, const struct link_station_conf *conf, const struct json *item,
    const char *list, int i)
{
	char path[64];

	snprintf(path, sizeof(path), "%s[%d].address", list, i);
	/* Events name a device by its address alone, whatever its direction. */
	if (l->link.conf.controlling && iec_line_superseded(item)) {
		runner_config_warning(
		    l->r, path, "a later device has the same address: that one counts");
		return 0;
	}
	if (link_add(&l->link, conf) >= 0)
		return 0;
	if (errno == EINVAL)
		runner_config_error(l->r, path,
		    "expected an address of its own that device_address_size holds%s, found %u",
		    l->link.conf.mode == LINK_BALANCED ? ""
						       : " and that is not the broadcast address",
		    conf->address);
	else
		runner_config_error(
		    l->r, path, "expected at most %d devices on a line", LINK_MAX_STATIONS);
	return -1;
}

void
iec_line_clear(struct iec_line *l)
{
	link_clear(&l->link);
	line_clear(&l->bytes);
	iec_frames_close(&l->frames);
	tty_alarm_free(l->alarm);
	free((char *)l->tty.path);
}

void
iec_line_start(struct iec_line *l)
{
	endpoint_start(&l->endpoint);
}

void
iec_line_stop(struct iec_line *l)
{
	if (line_is_open(&l->bytes))
		close_tty(l);
	endpoint_stop(&l->endpoint);
}

struct limit *
iec_line_limit(struct iec_line *l)
{
	return &l->limit;
}

bool
iec_line_is_open(const struct iec_line *l)
{
	return line_is_open(&l->bytes);
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

const char *
iec_line_name(const struct iec_line *l, int station)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s %u", l->ops->noun, iec_line_address(l, station));
	return name;
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
	int rc = link_send(&l->link, station, flags, data, len, token, monotime_now());

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
