/*
 * A whole device of a serial line: the runtime, the link machine and the device, with a line whose
 * other end says what the input has. Each step of the input is a frame, whose check sum is right,
 * or raw bytes, or an event of the Event Server. The supervisor takes what is registered.
 *
 * The time of the line is the input's as well: what is due comes when the device says nothing.
 *
 * A step: what it is (bit 7: raw bytes, bit 6: an event, else the control field of a frame), its
 * length, its bytes. A frame without bytes is one of fixed length.
 */
#ifndef FUZZ_SERIAL_H
#define FUZZ_SERIAL_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "device-runners/runtime/runner_private.h"
#include "protocols/iec60870/ft12.h"

static struct monotime fuzz_now;
#define monotime_now() fuzz_now
#define iec_line_init fuzz_line_init
#include "device-runners/iec60870/serial/iec_line.c"
#undef iec_line_init
#undef monotime_now

enum { FUZZ_STEPS = 64, FUZZ_NODES = 400, FUZZ_WAITS = 4 };

#define FUZZ_TTY                                                                                   \
	"\"name\":\"d\",\"port\":\"/dev/null\",\"baudrate\":9600,\"bytesize\":\"EIGHTBITS\","      \
	"\"parity\":\"EVEN\",\"stopbits\":\"ONE\",\"flow_control\":{\"xonxoff\":false,"            \
	"\"rtscts\":false,\"dsrdtr\":false},\"silent_interval\":0.001,"
#define FUZZ_POLLED                                                                                \
	"{\"address\":1,\"response_timeout\":0.001,\"send_retry_count\":1,\"poll_class1_delay\":"  \
	"0,"                                                                                       \
	"\"poll_class2_delay\":0,\"reconnect_delay\":0,\"time_sync_delay\":0}"

/* The device's own line. */
static struct iec_line *fuzz_line;
void iec_line_init(struct iec_line *l, struct runner *r, const struct json *conf,
    const struct link_conf *link, int64_t reconnect_ms, const struct iec_line_ops *ops,
    void *device);
void
iec_line_init(struct iec_line *l, struct runner *r, const struct json *conf,
    const struct link_conf *link, int64_t reconnect_ms, const struct iec_line_ops *ops,
    void *device)
{
	fuzz_line = l;
	fuzz_line_init(l, r, conf, link, reconnect_ms, ops, device);
}

struct fuzz_serial {
	struct runner r;
	int supervisor, far; /* the other ends; -1: not open yet */
};

static void
fuzz_ignore(void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	(void)arg, (void)h, (void)body, (void)fd, (void)len;
}

static void
fuzz_forget_line(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device, (void)event, (void)text;
}

/* Returns whether there was something. */
static bool
fuzz_take_all(int fd)
{
	static char bytes[IPC_MAX_MESSAGE];
	bool any = false;

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		any = true;
	return any;
}

/* Until the device says something on the line, or has nothing to wait for. */
static void
fuzz_turn(struct fuzz_serial *s)
{
	for (int i = 0; i < FUZZ_WAITS; i++) {
		for (int j = 0; j < 2; j++)
			ev_run(s->r.loop, EVRUN_NOWAIT);
		runner_events_flush(&s->r);
		fuzz_take_all(s->supervisor);
		s->r.credit = UINT32_MAX;
		if (s->far < 0 || fuzz_take_all(s->far))
			return;
		struct monotime due = link_deadline(&fuzz_line->link);
		if (monotime_cmp(fuzz_now, due) < 0)
			fuzz_now = due;
	}
}

/* Creates the device and starts it; its queries find nothing. */
static void
fuzz_serial_start(struct fuzz_serial *s, const struct runner_device *type, const char *conf)
{
	static const struct channel_handler handler = { .on_message = fuzz_ignore };
	char err[200];
	int ipc[2];

	log_set_sink(fuzz_forget_line);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ipc) < 0)
		abort();
	s->r = (struct runner){ .loop = ev_loop_new(EVFLAG_NOENV),
		.type = type,
		.started = true,
		.credit = UINT32_MAX };
	s->far = -1;
	s->supervisor = ipc[1];
	fuzz_now = (struct monotime){ 1000000000 };
	channel_open(&s->r.channel, s->r.loop, ipc[0], IPC_SUPERVISOR, &handler, &s->r);
	runner_events_init(&s->r);
	struct json_doc *doc = json_parse(conf, strlen(conf), FUZZ_NODES, err, sizeof(err));
	s->r.device = doc ? type->create(&s->r, json_root(doc)) : NULL;
	json_free(doc);
	if (!s->r.device || s->r.config_errors)
		abort();
	s->r.channel.phase = PHASE_RUN;
	type->start(s->r.device);
	for (size_t i = 0; i < IPC_MAX_ASKED; i++)
		if (s->r.queries[i].id) {
			s->r.queries[i].id = 0;
			s->r.queries[i].cb(s->r.queries[i].arg, NULL);
		}
	fuzz_turn(s);
}

/* The supervisor has opened the tty: a socket stands for it, as only its settings are of a tty. */
static void
fuzz_serial_open(struct fuzz_serial *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	s->far = pair[1];
	fuzz_line->endpoint.status = CONNECTION_CONNECTED;
	fuzz_line->endpoint.ops->status(fuzz_line->endpoint.arg, CONNECTION_CONNECTED, pair[0]);
	fuzz_turn(s);
}

static void
fuzz_say(struct fuzz_serial *s, unsigned control, struct cursor *c, size_t n)
{
	const struct ft12_params *p = &fuzz_line->link.rx.params;
	struct ft12_frame f = { .kind = control & 0x40 ? FT12_PRIMARY : FT12_SECONDARY,
		.dir = p->direction && control & 0x80,
		.function = control & 0x0f,
		.address = 1,
		.len = n };
	uint8_t frame[FT12_MAX_FRAME];

	f.fcb = f.acd = control & 0x20;
	f.fcv = f.dfc = control & 0x10;
	f.data = cursor_bytes(c, n);
	int len = ft12_encode(p, &f, frame);
	if (len > 0 && send(s->far, frame, (size_t)len, MSG_NOSIGNAL) < 0)
		return;
}

/* "SEGMENT/SEGMENT...=PAYLOAD" behind {"system", "remote_device", "1"} or {"system"}. */
static void
fuzz_event(
    struct fuzz_serial *s, const char *const first[], size_t count, const char *text, size_t n)
{
	char copy[256], *rest = copy, *word;
	const char *type[RUNNER_MAX_SEGMENTS];
	struct runner_event e = { .type = type, .type_len = count, .payload = RUNNER_PAYLOAD_JSON };

	memcpy(copy, text, n);
	copy[n] = '\0';
	char *payload = strchr(copy, '=');
	if (payload)
		*payload++ = '\0';
	e.data = payload ? payload : "null";
	e.len = strlen(e.data);
	memcpy(type, first, count * sizeof(first[0]));
	while ((word = strsep(&rest, "/")) && e.type_len < RUNNER_MAX_SEGMENTS)
		type[e.type_len++] = word;
	if (json_valid(e.data, e.len))
		s->r.type->on_event(s->r.device, &e);
}

static void
fuzz_serial_run(struct fuzz_serial *s, const char *const first[], size_t count, const uint8_t *data,
    size_t size)
{
	struct cursor c = cursor_make(data, size);

	for (int step = 0; step < FUZZ_STEPS && cursor_left(&c) >= 3; step++) {
		unsigned kind = cursor_u8(&c), control = cursor_u8(&c);
		size_t n = cursor_u8(&c);
		n = n < cursor_left(&c) ? n : cursor_left(&c);
		if (kind & 0x80 && n)
			(void)!send(s->far, cursor_bytes(&c, n), n, MSG_NOSIGNAL);
		else if (kind & 0x40)
			fuzz_event(s, first, count, (const char *)cursor_bytes(&c, n), n);
		else
			fuzz_say(s, control, &c, n);
		fuzz_turn(s);
	}
}

static void
fuzz_serial_stop(struct fuzz_serial *s)
{
	s->r.stopping = true;
	s->r.type->stop(s->r.device);
	s->r.type->free(s->r.device);
	runner_health_clear(&s->r);
	for (size_t i = 0; i < s->r.plan_count; i++)
		free(s->r.plan[i].target);
	channel_close(&s->r.channel);
	runner_events_clear(&s->r);
	ev_loop_destroy(s->r.loop);
	close(s->supervisor);
	close(s->far);
}

#endif
