/*
 * A simulated Modbus TCP slave on libmodbus, for the demo, tests and benchmarks: any number of
 * masters, values that move. Lower half: holding registers 0 counts, 1 is a sine, 2 walks at
 * random, others are slow sines; coils blink. Upper half: what masters write stays. Input registers
 * and discrete inputs move as well.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <modbus/modbus.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1024 };

struct options {
	const char *host;
	int port, unit, registers, period_ms, ready_fd;
};

static volatile sig_atomic_t ended;

static void
on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static _Noreturn void
usage(const char *name, int code)
{
	fprintf(code ? stderr : stdout,
	    "usage: %s [--host ADDRESS] [--port N] [--unit N] [--registers N] [--period MS] "
	    "[--ready-fd FD]\n"
	    "A simulated Modbus TCP slave. Prints its port (port 0: any free one), to FD where "
	    "given.\n"
	    "--unit 0 answers every unit, --period 0 keeps all values still.\n",
	    name);
	exit(code);
}

static int
number(const char *text, int min, int max, const char *name)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*text == '\0' || *end || v < min || v > max)
		usage(name, 2);
	return (int)v;
}

static struct options
parse(int argc, char **argv)
{
	static const struct option longs[] = { { "host", 1, NULL, 'a' }, { "port", 1, NULL, 'p' },
		{ "unit", 1, NULL, 'u' }, { "registers", 1, NULL, 'r' }, { "period", 1, NULL, 't' },
		{ "ready-fd", 1, NULL, 'f' }, { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct options o = { "127.0.0.1", 0, 0, 100, 500, -1 };

	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) >= 0;) {
		if (c == 'a')
			o.host = optarg;
		else if (c == 'p')
			o.port = number(optarg, 0, 65535, argv[0]);
		else if (c == 'u')
			o.unit = number(optarg, 0, 255, argv[0]);
		else if (c == 'r')
			o.registers = number(optarg, 4, 65536, argv[0]);
		else if (c == 't')
			o.period_ms = number(optarg, 0, 1000000, argv[0]);
		else if (c == 'f')
			o.ready_fd = number(optarg, 0, 65535, argv[0]);
		else
			usage(argv[0], c == 'h' ? 0 : 2);
	}
	return o;
}

static int
listen_on(const struct options *o, int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, o->host, &a.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	*port = ntohs(a.sin_port);
	return fd;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static uint16_t
moving(int i, unsigned step, uint16_t before)
{
	if (i == 0)
		return (uint16_t)step;
	if (i == 2)
		return (uint16_t)(before + rand() % 21 - 10);
	return (uint16_t)(1000 + 1000 * sin(step * 0.1 / (i ? i : 1)));
}

static void
move(modbus_mapping_t *m, unsigned step)
{
	int half = m->nb_registers / 2;

	for (int i = 0; i < m->nb_registers; i++) {
		m->tab_input_registers[i] = moving(i, step, m->tab_input_registers[i]);
		m->tab_input_bits[i] = (step >> i % 8) & 1;
		if (i >= half)
			continue;
		m->tab_registers[i] = moving(i, step, m->tab_registers[i]);
		m->tab_bits[i] = (step >> i % 8) & 1;
	}
}

static void
serve(modbus_t *ctx, modbus_mapping_t *m, const struct options *o, struct pollfd *p)
{
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];

	modbus_set_socket(ctx, p->fd);
	int n = modbus_receive(ctx, query);
	if (n < 0) {
		close(p->fd);
		p->fd = -1;
	} else if (n > 0 && o->unit && query[6] != o->unit) {
		modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_GATEWAY_TARGET);
	} else if (n > 0) {
		modbus_reply(ctx, query, n, m);
	}
}

static void
admit(struct pollfd *fds, nfds_t *count)
{
	int fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC), on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (nfds_t i = 1; i < MAX_CLIENTS; i++) {
		if (i < *count && fds[i].fd >= 0)
			continue;
		fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (i == *count)
			++*count;
		return;
	}
	close(fd);
}

static void
run(modbus_t *ctx, modbus_mapping_t *m, const struct options *o, int listener)
{
	static struct pollfd fds[MAX_CLIENTS];
	nfds_t count = 1;
	int64_t next = now_ms();

	fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (unsigned step = 0; !ended;) {
		int wait = o->period_ms ? (int)(next - now_ms()) : -1;
		if (o->period_ms && wait <= 0) {
			move(m, step++);
			next += o->period_ms;
			continue;
		}
		if (poll(fds, count, wait) < 0 && errno != EINTR)
			return;
		for (nfds_t i = 1; i < count; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				serve(ctx, m, o, &fds[i]);
		if (fds[0].revents)
			admit(fds, &count);
	}
}

int
main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	struct sigaction end = { .sa_handler = on_signal };
	int port = 0;

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	signal(SIGPIPE, SIG_IGN);
	int listener = listen_on(&o, &port);
	modbus_t *ctx = modbus_new_tcp(o.host, port);
	int n = o.registers;
	modbus_mapping_t *m = modbus_mapping_new(n, n, n, n);
	if (listener < 0 || !ctx || !m) {
		fprintf(stderr, "%s: %s:%d: %s\n", argv[0], o.host, o.port, strerror(errno));
		return 1;
	}
	move(m, 0);
	dprintf(o.ready_fd >= 0 ? o.ready_fd : STDOUT_FILENO, "%d\n", port);
	if (o.ready_fd >= 0)
		close(o.ready_fd);
	run(ctx, m, &o, listener);
	modbus_mapping_free(m);
	modbus_set_socket(ctx, -1);
	modbus_free(ctx);
	return 0;
}
