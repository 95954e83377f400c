/* supervisor/broker.c on loopback, files and a pseudo-terminal. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/net/broker.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct broker *broker;
static int answers, got_fd, got_error;
static char got_why[256];
static char folder[] = "/tmp/check-broker-XXXXXX";

static void
on_answer(void *arg, int fd, int error, const char *why)
{
	(void)arg;
	answers++;
	got_fd = fd;
	got_error = error;
	snprintf(got_why, sizeof(got_why), "%s", why);
	ev_break(loop, EVBREAK_ALL);
}

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	broker = broker_new(loop, NULL);
	ck_assert_ptr_nonnull(broker);
	answers = 0;
	got_fd = -1;
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
teardown(void)
{
	fd_close(got_fd);
	broker_free(broker);
	ev_loop_destroy(loop);
	rmdir(folder);
}

static void
on_limit(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	ev_break(l, EVBREAK_ALL);
}

/* Until the answer comes, ms at most. */
static void
wait_answer(int ms)
{
	ev_timer limit;

	ev_timer_init(&limit, on_limit, ms / 1e3, 0.);
	ev_timer_start(loop, &limit);
	ev_run(loop, 0);
	ev_timer_stop(loop, &limit);
}

static struct broker_request *
ask(enum ipc_resource kind, const char *target, uint16_t port)
{
	struct broker_request *q = broker_open(broker, kind, target, port, on_answer, NULL);

	ck_assert_ptr_nonnull(q);
	ck_assert_int_eq(answers, 0); /* never from within */
	return q;
}

static void
is_ours(int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* A listening socket on a port of the kernel's choice. */
static int
listen_any(uint16_t *port, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

START_TEST(connects)
{
	uint16_t port;
	int value = 0, fd = listen_any(&port, 5);
	socklen_t len = sizeof(value);

	ask(IPC_RESOURCE_CONNECT, "127.0.0.1", port);
	wait_answer(5000);
	ck_assert_int_eq(answers, 1);
	is_ours(got_fd);
	ck_assert_int_eq(getsockopt(got_fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
	ck_assert_int_eq(value, 1);
	fd_close(fd);
}
END_TEST

START_TEST(connects_to_a_name)
{
	uint16_t port;
	int fd = listen_any(&port, 5);

	ask(IPC_RESOURCE_CONNECT, "localhost", port);
	wait_answer(5000);
	ck_assert_int_eq(answers, 1);
	is_ours(got_fd);
	fd_close(fd);
}
END_TEST

START_TEST(says_why_there_is_no_connection)
{
	uint16_t port;

	fd_close(listen_any(&port, 5));
	ask(IPC_RESOURCE_CONNECT, "127.0.0.1", port);
	wait_answer(5000);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(got_fd, -1);
	ck_assert_int_eq(got_error, ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(got_why, "127.0.0.1"));
}
END_TEST

START_TEST(names_that_there_are_not)
{
	static const char *const names[] = { "no-such-host.invalid", "", "a..b", "999.1.1.1", "-",
		":", "%n%s" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		answers = 0;
		struct broker_request *q = ask(IPC_RESOURCE_CONNECT, names[i], 1);
		wait_answer(3000);
		ck_assert_int_eq(got_fd, -1);
		if (answers == 0) /* a resolver that does not answer */
			broker_cancel(q);
	}
}
END_TEST

START_TEST(listens)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	ask(IPC_RESOURCE_LISTEN, "127.0.0.1", 0);
	wait_answer(5000);
	is_ours(got_fd);
	ck_assert_int_eq(getsockname(got_fd, (struct sockaddr *)&a, &len), 0);
	int first = got_fd;
	answers = 0;
	ask(IPC_RESOURCE_LISTEN, "127.0.0.1", ntohs(a.sin_port));
	wait_answer(5000);
	ck_assert_int_eq(got_fd, -1);
	ck_assert_int_eq(got_error, EADDRINUSE);
	fd_close(first);
}
END_TEST

static int
option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* A socket of udp-listen; its port. */
static int
listen_udp(const char *host, uint16_t *port)
{
	struct sockaddr_in6 a; /* the port is where that of IPv4 is */
	socklen_t len = sizeof(a);

	answers = 0;
	ask(IPC_RESOURCE_UDP_LISTEN, host, *port);
	wait_answer(5000);
	ck_assert_msg(got_fd >= 0, "%s", got_why);
	is_ours(got_fd);
	ck_assert_int_eq(getsockname(got_fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin6_port);
	int fd = got_fd;
	got_fd = -1;
	return fd;
}

START_TEST(what_a_full_socket_lost_is_counted)
{
	uint16_t port = 0;

	SKIP_WHERE(lacks_socket_option(SOL_SOCKET, SO_RXQ_OVFL),
	    "the kernel does not count what a full socket lost");
	int bound = listen_udp("127.0.0.1", &port);
	ck_assert_int_eq(option_of(bound, SOL_SOCKET, SO_RXQ_OVFL), 1);
	fd_close(bound);
}
END_TEST

START_TEST(datagram_sockets_connect_and_listen)
{
	uint16_t port = 0;
	char text[8];
	int bound = listen_udp("127.0.0.1", &port);

	ck_assert_int_eq(option_of(bound, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	ck_assert_int_eq(option_of(bound, SOL_SOCKET, SO_REUSEADDR), 0);
	answers = 0;
	ask(IPC_RESOURCE_UDP, "localhost", port);
	wait_answer(5000);
	is_ours(got_fd);
	ck_assert_int_eq(send(got_fd, "trap", 4, 0), 4);
	ck_assert_int_eq(recv(bound, text, sizeof(text), 0), 4);
	/* Another one on that port, and then nobody on it. */
	fd_close(got_fd);
	answers = 0;
	ask(IPC_RESOURCE_UDP_LISTEN, "127.0.0.1", port);
	wait_answer(5000);
	ck_assert_int_eq(got_error, EADDRINUSE);
	fd_close(bound);
	answers = 0;
	ask(IPC_RESOURCE_UDP, "127.0.0.1", port);
	wait_answer(5000);
	is_ours(got_fd);
	ck_assert_int_eq(send(got_fd, "trap", 4, 0), 4);
	ck_assert_int_eq(recv(got_fd, text, sizeof(text), 0), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	/* The socket lives on. */
	ck_assert_int_eq(send(got_fd, "trap", 4, 0), 4);
}
END_TEST

START_TEST(a_socket_of_any_address_hears_both_families)
{
	uint16_t port = 0;
	char text[8];
	int bound = listen_udp("::", &port);

	ck_assert_int_eq(option_of(bound, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	answers = 0;
	ask(IPC_RESOURCE_UDP, "127.0.0.1", port);
	wait_answer(5000);
	ck_assert_int_eq(send(got_fd, "trap", 4, 0), 4);
	ck_assert_int_eq(recv(bound, text, sizeof(text), 0), 4);
	fd_close(bound);
}
END_TEST

/* If the kernel has no way to the first address of a name, the second is taken; a way to nobody
 * is an error, and names no port. */
START_TEST(a_datagram_socket_without_a_way_is_an_error)
{
	ask(IPC_RESOURCE_UDP, "255.255.255.255", 9);
	wait_answer(5000);
	ck_assert_int_eq(got_fd, -1);
	ck_assert_int_ne(got_error, 0);
	ck_assert_ptr_nonnull(strstr(got_why, "port 9"));
}
END_TEST

/* One echo request of each family to ourselves, where the machine lets us. */
static void
ping(const char *host, const void *request, uint8_t reply)
{
	uint8_t heard[128];
	struct pollfd p;

	answers = 0;
	ask(IPC_RESOURCE_ICMP, host, 7);
	wait_answer(5000);
	if (got_fd < 0) {
		ck_assert_msg(strstr(got_why, "ping_group_range") != NULL, "%s", got_why);
		ck_assert_ptr_null(strstr(got_why, "port"));
		return;
	}
	is_ours(got_fd);
	bool raw = option_of(got_fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW;
	ck_assert_int_eq(send(got_fd, request, 8, 0), 8);
	p = (struct pollfd){ got_fd, POLLIN, 0 };
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	size_t head = raw && strchr(host, '.') ? 20 : 0;
	ck_assert_int_eq(recv(got_fd, heard, sizeof(heard), 0), (ssize_t)(head + 8));
	ck_assert_uint_eq(heard[head], reply);
	fd_close(got_fd);
	got_fd = -1;
}

START_TEST(echo_sockets_of_both_families)
{
	static const uint8_t v4[8] = { 8, 0, 0xf7, 0xff }, v6[8] = { 128 };

	ping("127.0.0.1", v4, 0);
	if (access("/proc/net/if_inet6", R_OK) == 0)
		ping("::1", v6, 129);
}
END_TEST

START_TEST(files)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/key", folder);
	fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ask(IPC_RESOURCE_FILE, path, 0);
	wait_answer(5000);
	is_ours(got_fd);
	ck_assert_int_eq(fcntl(got_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	fd_close(got_fd);
	unlink(path);
	mkfifo(path, 0600);
	const char *const wrong[] = { path, folder, "/dev/zero", "/nonexistent", "" };
	const int errors[] = { EINVAL, EINVAL, EINVAL, ENOENT, ENOENT };
	for (size_t i = 0; i < 5; i++) {
		answers = 0;
		ask(IPC_RESOURCE_FILE, wrong[i], 0);
		wait_answer(5000);
		ck_assert_int_eq(got_fd, -1);
		ck_assert_int_eq(got_error, errors[i]);
	}
	unlink(path);
}
END_TEST

START_TEST(a_tty_is_one_runners)
{
	int master, slave;
	char name[128];

	ck_assert_int_eq(openpty(&master, &slave, name, NULL, NULL), 0);
	ask(IPC_RESOURCE_TTY, name, 0);
	wait_answer(5000);
	is_ours(got_fd);
	int first = got_fd;
	answers = 0;
	ask(IPC_RESOURCE_TTY, name, 0);
	wait_answer(5000);
	ck_assert_int_eq(got_fd, -1);
	ck_assert_int_eq(got_error, EBUSY);
	fd_close(first);
	answers = 0;
	ask(IPC_RESOURCE_TTY, "/dev/null", 0);
	wait_answer(5000);
	ck_assert_int_eq(got_error, ENOTTY);
	fd_close(master);
	fd_close(slave);
}
END_TEST

START_TEST(what_was_cancelled_is_not_answered)
{
	uint16_t port;
	int fd = listen_any(&port, 5);

	broker_cancel(ask(IPC_RESOURCE_CONNECT, "127.0.0.1", port));
	broker_cancel(ask(IPC_RESOURCE_CONNECT, "no-such-host.invalid", port));
	broker_cancel(ask(IPC_RESOURCE_LISTEN, "127.0.0.1", 0));
	broker_cancel(ask(IPC_RESOURCE_FILE, "/etc/passwd", 0));
	broker_cancel(NULL);
	wait_answer(300);
	ck_assert_int_eq(answers, 0);
	/* and some are under way when the broker goes */
	ask(IPC_RESOURCE_CONNECT, "other-host.invalid", port);
	ask(IPC_RESOURCE_FILE, "/etc/passwd", 0);
	fd_close(fd);
}
END_TEST

START_TEST(a_unix_path_too_long_is_refused)
{
	char path[300];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_ptr_nonnull(broker_connect_unix(broker, path, on_answer, NULL));
	wait_answer(5000);
	ck_assert_int_eq(got_error, ENAMETOOLONG);
	answers = 0;
	ck_assert_ptr_nonnull(broker_connect_unix(broker, "/nonexistent", on_answer, NULL));
	wait_answer(5000);
	ck_assert_int_eq(got_error, ENOENT);
}
END_TEST

/* A listener whose queue is full drops what comes: the connect stays under way. A request ends in
 * time, and then with an error, not with the socket. */
START_TEST(a_connect_without_answer_ends_with_an_error)
{
	uint16_t port;
	int fd = listen_any(&port, 0), fill[4];
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };

	for (size_t i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	broker_set_limit(broker, 100);
	ask(IPC_RESOURCE_CONNECT, "127.0.0.1", port);
	wait_answer(5000);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(got_fd, -1);
	ck_assert_int_eq(got_error, ETIMEDOUT);
	for (size_t i = 0; i < 4; i++)
		fd_close(fill[i]);
	fd_close(fd);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, connects);
	tcase_add_test(tc, connects_to_a_name);
	tcase_add_test(tc, says_why_there_is_no_connection);
	tcase_add_test(tc, names_that_there_are_not);
	tcase_add_test(tc, listens);
	tcase_add_test(tc, datagram_sockets_connect_and_listen);
	tcase_add_test(tc, what_a_full_socket_lost_is_counted);
	tcase_add_test(tc, a_socket_of_any_address_hears_both_families);
	tcase_add_test(tc, a_datagram_socket_without_a_way_is_an_error);
	tcase_add_test(tc, echo_sockets_of_both_families);
	tcase_add_test(tc, files);
	tcase_add_test(tc, a_tty_is_one_runners);
	tcase_add_test(tc, what_was_cancelled_is_not_answered);
	tcase_add_test(tc, a_unix_path_too_long_is_refused);
	tcase_add_test(tc, a_connect_without_answer_ends_with_an_error);
}

UNIT_MAIN("broker")
