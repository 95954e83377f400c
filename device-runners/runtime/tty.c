#include "device-runners/runtime/tty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/fdutil.h"

const char *const tty_bytesize_names[] = { "FIVEBITS", "SIXBITS", "SEVENBITS", "EIGHTBITS", NULL };
const char *const tty_parity_names[] = { "NONE", "EVEN", "ODD", "MARK", "SPACE", NULL };
const char *const tty_stop_names[] = { "ONE", "ONE_POINT_FIVE", "TWO", NULL };

const struct schema_field tty_flow_fields[] = {
	{ .key = "xonxoff", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = "rtscts", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = "dsrdtr", .required = true, .is = { .kind = SCHEMA_BOOL } },
	{ .key = NULL },
};

void
tty_params_read(struct tty_params *p, const struct json *transport)
{
	const struct json *flow = json_get(transport, "flow_control");
	int64_t baud = TTY_MIN_BAUD;

	json_int(json_get(transport, "baudrate"), TTY_MIN_BAUD, TTY_MAX_BAUD, &baud);
	*p = (struct tty_params){
		.path = json_str(json_get(transport, "port")),
		.baud = (uint32_t)baud,
		.bits =
		    (uint8_t)(5 + json_enum(json_get(transport, "bytesize"), tty_bytesize_names)),
		.parity =
		    (enum tty_parity)json_enum(json_get(transport, "parity"), tty_parity_names),
		.stop = (enum tty_stop)json_enum(json_get(transport, "stopbits"), tty_stop_names),
		.xonxoff = json_is_true(json_get(flow, "xonxoff")),
		.rtscts = json_is_true(json_get(flow, "rtscts")),
		.dsrdtr = json_is_true(json_get(flow, "dsrdtr")),
	};
}

static unsigned
control_flags(const struct tty_params *p)
{
	static const unsigned sizes[] = { CS5, CS6, CS7, CS8 };
	static const unsigned parities[] = { 0, PARENB, PARENB | PARODD, PARENB | CMSPAR | PARODD,
		PARENB | CMSPAR };

	/* With five data bits the driver makes one and a half of two. */
	return CREAD | CLOCAL | BOTHER | BOTHER << IBSHIFT | sizes[p->bits - 5] |
	       parities[p->parity] | (p->stop == TTY_ONE ? 0 : CSTOPB) | (p->rtscts ? CRTSCTS : 0);
}

int
tty_setup(int fd, const struct tty_params *p)
{
	struct termios2 t;
	int dtr = TIOCM_DTR | (p->rtscts ? 0 : TIOCM_RTS);

	if (ioctl(fd, TCGETS2, &t) < 0)
		return -1;
	t.c_iflag = IGNBRK | IGNPAR | (p->xonxoff ? IXON | IXOFF : 0);
	/* A character with a wrong parity bit is left out, so that a checksum sees the hole. */
	if (p->parity != TTY_NONE)
		t.c_iflag |= INPCK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag = control_flags(p);
	t.c_ispeed = p->baud;
	t.c_ospeed = p->baud;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (ioctl(fd, TCSETS2, &t) < 0)
		return -1;
	/* Lines without modem signals (ptys) say so here; that is no fault. */
	ioctl(fd, TIOCMBIS, &dtr);
	ioctl(fd, TCFLSH, TCIOFLUSH);
	return 0;
}

void
tty_drop_output(int fd)
{
	ioctl(fd, TCFLSH, TCOFLUSH);
}

int64_t
tty_char_ns(const struct tty_params *p)
{
	static const int half_stops[] = { 2, 3, 4 };
	int halves = 2 * (1 + p->bits + (p->parity != TTY_NONE)) + half_stops[p->stop];

	return halves * INT64_C(500000000) / p->baud;
}

void
tty_pace_sent(struct tty_pace *p, size_t n, struct monotime now)
{
	if (monotime_cmp(p->busy_until, now) < 0)
		p->busy_until = now;
	p->busy_until.ns += (int64_t)n * p->char_ns;
}

void
tty_pace_received(struct tty_pace *p, struct monotime now)
{
	if (monotime_cmp(p->busy_until, now) < 0)
		p->busy_until = now;
}

struct monotime
tty_pace_free(const struct tty_pace *p)
{
	return (struct monotime){ p->busy_until.ns ? p->busy_until.ns + p->silence_ns : 0 };
}

struct tty_alarm {
	struct ev_loop *loop;
	tty_alarm_cb *cb;
	void *arg;
	int fd; /* timerfd, or -1 */
	ev_io io;
	ev_timer timer;
};

static void
on_timerfd(struct ev_loop *loop, ev_io *w, int events)
{
	struct tty_alarm *a = w->data;
	uint64_t times;

	(void)loop, (void)events;
	if (read(a->fd, &times, sizeof(times)) == sizeof(times))
		a->cb(a->arg);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct tty_alarm *a = w->data;

	(void)loop, (void)events;
	a->cb(a->arg);
}

struct tty_alarm *
tty_alarm_new(struct ev_loop *loop, tty_alarm_cb *cb, void *arg)
{
	struct tty_alarm *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct tty_alarm){ .loop = loop, .cb = cb, .arg = arg };
	a->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	ev_init(&a->timer, on_timer);
	a->timer.data = a;
	if (a->fd >= 0) {
		ev_io_init(&a->io, on_timerfd, a->fd, EV_READ);
		a->io.data = a;
		ev_io_start(loop, &a->io);
	}
	return a;
}

static struct itimerspec
spec_of(struct monotime at)
{
	/* All zeros would stop it. */
	int64_t ns = at.ns > 0 ? at.ns : 1;

	return (struct itimerspec){ .it_value = { ns / 1000000000, ns % 1000000000 } };
}

void
tty_alarm_set(struct tty_alarm *a, struct monotime at)
{
	if (a->fd >= 0) {
		struct itimerspec spec = spec_of(at);
		timerfd_settime(a->fd, TFD_TIMER_ABSTIME, &spec, NULL);
		return;
	}
	double after = (double)(at.ns - monotime_now().ns) * 1e-9;
	ev_timer_stop(a->loop, &a->timer);
	ev_timer_set(&a->timer, after > 0 ? after : 0, 0);
	ev_timer_start(a->loop, &a->timer);
}

void
tty_alarm_stop(struct tty_alarm *a)
{
	if (a->fd >= 0)
		timerfd_settime(a->fd, 0, &(struct itimerspec){ 0 }, NULL);
	else
		ev_timer_stop(a->loop, &a->timer);
}

void
tty_alarm_free(struct tty_alarm *a)
{
	if (!a)
		return;
	ev_timer_stop(a->loop, &a->timer);
	if (a->fd >= 0)
		ev_io_stop(a->loop, &a->io);
	fd_close(a->fd);
	free(a);
}
