/*
 * A device for tests, of type "probe": no field protocol, every service of the runtime. Runs as a
 * runner process under gatewayd ("runner: PATH", "type: probe"). Its configuration, all optional:
 *
 *   interval_ms  registers gateway/value/<i> = a number that counts up, every so often
 *   values       how many values each time (default 1)
 *   payload      bytes of text in each value instead of the number
 *   connect, listen, udp, udp_listen  [{host, port}, ...], icmp [{host, port: 0}, ...]: its plan,
 *                opened at the start; files: that many files more, not opened
 *   remotes      remote ends, each up, with an answer after 2 ms at the start and at each interval
 *   link         the word that it reports as its link (default "connected")
 *   ready        false: never says that it is ready
 *   fault        a text: a configuration error
 *
 * Events: system/echo/... comes back as gateway/echo/... with the same payload, and a trace frame
 * in each direction; system/do with "crash", "exit", "hang", "config", "print TEXT" or "flood" does
 * that. With "send TEXT", "send_to PORT", "sendmsg PORT", "echo_request" it sends on the first
 * socket of its plan that opened: to its peer, or to that port of 127.0.0.1. What a datagram socket
 * hears comes as gateway/datagram with the bytes' number, or the error's name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/report/trace.h"

enum { MAX_OPEN = 16, MAX_REMOTES = 64, MAX_PAYLOAD = 60000, FLOOD_LINES = 10000 };

struct probe {
	struct runner *r;
	ev_timer tick;
	int64_t interval_ms, values, payload, count;
	int plan[MAX_OPEN], fds[MAX_OPEN];
	size_t plan_count, fd_count, datagrams; /* the last ones of the plan are datagram sockets */
	ev_io heard[MAX_OPEN];
	bool ready;
	char link[40];
	uint64_t *ticks, *echoes;
	struct trace trace;
	struct health_end *remotes[MAX_REMOTES];
	int64_t remote_count;
};

static void
decode(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *frame,
    size_t len)
{
	(void)arg, (void)dir;
	textbuf_quote(out, frame, len, 100);
}

static void
plan_all(struct probe *p, const struct json *list,
    int (*plan)(struct runner *r, const char *host, uint16_t port))
{
	int64_t port;

	if (!list)
		return;
	json_foreach (item, list) {
		const char *host = json_str(json_get(item, "host"));
		if (host && json_int(json_get(item, "port"), 0, 65535, &port) &&
		    p->plan_count < MAX_OPEN)
			p->plan[p->plan_count++] = plan(p->r, host, (uint16_t)port);
	}
}

static int
plan_icmp(struct runner *r, const char *host, uint16_t port)
{
	(void)port;
	return runner_plan_icmp(r, host);
}

static void
plan_files(struct runner *r, const struct json *count)
{
	char path[301];
	int64_t n = 0;

	json_int(count, 1, 2000, &n);
	snprintf(path, sizeof(path), "/nonexistent/%0280d", 0);
	for (int64_t i = 0; i < n && runner_plan_file(r, n > 1000 ? "/x" : path) >= 0; i++)
		;
}

static void *
probe_create(struct runner *r, const struct json *conf)
{
	const char *fault = json_str(json_get(conf, "fault"));
	const char *link = json_str(json_get(conf, "link"));
	struct probe *p = calloc(1, sizeof(*p));

	if (!p || fault) {
		runner_config_error(r, "fault", "%s", fault ? fault : "out of memory");
		free(p);
		return NULL;
	}
	p->r = r;
	p->values = 1;
	trace_init(&p->trace, r, "probe", false, decode, NULL);
	p->ready = true;
	json_int(json_get(conf, "interval_ms"), 1, 3600000, &p->interval_ms);
	json_int(json_get(conf, "values"), 1, 10000, &p->values);
	json_int(json_get(conf, "payload"), 0, MAX_PAYLOAD, &p->payload);
	json_bool(json_get(conf, "ready"), &p->ready);
	snprintf(p->link, sizeof(p->link), "%s", link ? link : "connected");
	plan_all(p, json_get(conf, "connect"), runner_plan_connect);
	plan_all(p, json_get(conf, "listen"), runner_plan_listen);
	size_t streams = p->plan_count;
	plan_all(p, json_get(conf, "udp"), runner_plan_udp);
	plan_all(p, json_get(conf, "udp_listen"), runner_plan_udp_listen);
	plan_all(p, json_get(conf, "icmp"), plan_icmp);
	p->datagrams = p->plan_count - streams;
	plan_files(r, json_get(conf, "files"));
	json_int(json_get(conf, "remotes"), 1, MAX_REMOTES, &p->remote_count);
	for (int64_t i = 0; i < p->remote_count; i++)
		p->remotes[i] = health_add(r, "remote %d", (int)i);
	p->ticks = runner_counter(r, "ticks");
	p->echoes = runner_counter(r, "echoes");
	return p;
}

static void
register_value(struct probe *p, int64_t index)
{
	char name[16], text[MAX_PAYLOAD + 32];
	const char *type[] = { "gateway", "value", name };
	struct timestamp now = timestamp_now();

	snprintf(name, sizeof(name), "%d", (int)index);
	int n = snprintf(text, sizeof(text), "%lld", (long long)p->count);
	if (p->payload) {
		text[0] = '"';
		memset(text + 1, 'x', (size_t)p->payload);
		text[p->payload + 1] = '"';
		n = (int)p->payload + 2;
	}
	runner_register(p->r, type, 3, &now, text, (size_t)n);
}

static void
hear_remotes(struct probe *p)
{
	for (int64_t i = 0; i < p->remote_count; i++) {
		health_sent(p->remotes[i], 12);
		health_answered(p->remotes[i], 2000000, 30);
	}
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct probe *p = w->data;

	(void)loop, (void)revents;
	++*p->ticks;
	p->count++;
	hear_remotes(p);
	for (int64_t i = 0; i < p->values && !runner_congested(p->r); i++)
		register_value(p, i);
}

static void
on_datagram(struct ev_loop *loop, ev_io *w, int revents)
{
	static const char *const type[] = { "gateway", "datagram" };
	struct probe *p = w->data;
	char bytes[2048], text[64];

	(void)loop, (void)revents;
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);
	if (n >= 0)
		snprintf(text, sizeof(text), "%zd", n);
	else
		snprintf(text, sizeof(text), "\"%s\"", strerrorname_np(errno));
	runner_register(p->r, type, 2, NULL, text, strlen(text));
}

/* The answers come in the order of the plan. */
static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct probe *p = arg;
	size_t i = p->fd_count;

	if (fd < 0) {
		log_warning("open: %d %s", error, why);
		return;
	}
	p->fds[p->fd_count++] = fd;
	if (i < p->plan_count - p->datagrams)
		return;
	ev_io_init(&p->heard[i], on_datagram, fd, EV_READ);
	p->heard[i].data = p;
	ev_io_start(runner_loop(p->r), &p->heard[i]);
}

static void
probe_start(void *device)
{
	struct probe *p = device;
	double interval = (double)p->interval_ms / 1e3;

	for (size_t i = 0; i < p->plan_count; i++)
		runner_open(p->r, p->plan[i], on_opened, p);
	ev_timer_init(&p->tick, on_tick, interval, interval);
	p->tick.data = p;
	if (p->interval_ms)
		ev_timer_start(runner_loop(p->r), &p->tick);
	runner_set_link(p->r, p->link);
	hear_remotes(p);
	if (p->ready)
		runner_ready(p->r);
}

static void
hang(void)
{
	for (;;)
		sleep(1);
}

static void
send_to(int fd, const char *port, bool by_message)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	struct iovec iov = { "x", 1 };
	struct msghdr m = {
		.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n = by_message ? sendmsg(fd, &m, MSG_NOSIGNAL)
			       : sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a));

	log_warning("sent %zd", n);
}

/* RFC 792; of a raw socket the sum is ours: that of these bytes. */
static void
send_echo_request(int fd)
{
	static const unsigned char request[8] = { 8, 0, 0xf7, 0xff };
	ssize_t n = send(fd, request, sizeof(request), MSG_NOSIGNAL);

	log_warning("sent %zd", n);
}

static void
obey_sending(int fd, const char *what)
{
	if (strncmp(what, "send ", 5) == 0)
		log_warning("sent %zd", send(fd, what + 5, strlen(what + 5), MSG_NOSIGNAL));
	else if (strncmp(what, "send_to ", 8) == 0)
		send_to(fd, what + 8, false);
	else if (strncmp(what, "sendmsg ", 8) == 0)
		send_to(fd, what + 8, true);
	else if (strcmp(what, "echo_request") == 0)
		send_echo_request(fd);
}

static void
obey(struct probe *p, const char *what)
{
	if (p->fd_count)
		obey_sending(p->fds[0], what);
	if (strcmp(what, "crash") == 0)
		__builtin_trap();
	else if (strcmp(what, "exit") == 0)
		exit(EXIT_FAILURE);
	else if (strcmp(what, "config") == 0)
		exit(EX_CONFIG);
	else if (strcmp(what, "hang") == 0)
		hang();
	else if (strncmp(what, "print ", 6) == 0)
		log_warning("%s", what + 6);
	else if (strcmp(what, "debug") == 0)
		log_debug("a line at debug");
	else if (strcmp(what, "flood") == 0)
		for (int i = 0; i < FLOOD_LINES; i++)
			log_warning("line %d", i);
}

static void
echo(struct probe *p, const struct runner_event *event)
{
	const char *type[RUNNER_MAX_SEGMENTS] = { "gateway" };
	struct timestamp now = timestamp_now();

	for (size_t i = 1; i < event->type_len; i++)
		type[i] = event->type[i];
	++*p->echoes;
	trace_frame(&p->trace, TRACE_RX, event->data, event->len);
	runner_register(p->r, type, event->type_len, &now,
	    event->payload == RUNNER_PAYLOAD_JSON ? event->data : NULL, event->len);
	trace_frame(&p->trace, TRACE_TX, event->data, event->len);
}

static void
probe_on_event(void *device, const struct runner_event *event)
{
	char err[64];

	if (event->type_len < 2 || strcmp(event->type[0], "system") != 0)
		return;
	if (strcmp(event->type[1], "echo") == 0)
		echo(device, event);
	if (strcmp(event->type[1], "do") != 0 || event->payload != RUNNER_PAYLOAD_JSON)
		return;
	struct json_doc *doc = json_parse(event->data, event->len, 1, err, sizeof(err));
	if (doc && json_str(json_root(doc)))
		obey(device, json_str(json_root(doc)));
	json_free(doc);
}

static void
probe_stop(void *device)
{
	struct probe *p = device;
	const char *type[] = { "gateway", "stopped" };

	ev_timer_stop(runner_loop(p->r), &p->tick);
	runner_register(p->r, type, 2, NULL, "true", 4);
}

static void
probe_free(void *device)
{
	struct probe *p = device;

	while (p->fd_count) {
		ev_io_stop(runner_loop(p->r), &p->heard[--p->fd_count]);
		fd_close(p->fds[p->fd_count]);
	}
	free(p);
}

int
main(int argc, char **argv)
{
	static const struct runner_device device = {
		.type = "probe",
		.create = probe_create,
		.start = probe_start,
		.on_event = probe_on_event,
		.stop = probe_stop,
		.free = probe_free,
	};
	static const struct runner_device *const types[] = { &device, NULL };

	return runner_main(argc, argv, types);
}
