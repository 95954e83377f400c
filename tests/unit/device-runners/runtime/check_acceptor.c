/* Masters on loopback that are taken, or closed. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/acceptor.h"
#include "device-runners/runtime/runner_private.h"
#include "tests/unit/suite.h"

enum { MOST = 4, MAX_FDS = 64 };

static struct runner r;
static struct acceptor a;
static int far = -1, fds[MAX_FDS];
static size_t admitted;
static uint16_t port;
static char last_host[64];

static size_t
count(void *arg)
{
	(void)arg;
	return admitted;
}

static void
admit(void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	(void)arg;
	ck_assert_uint_eq(local->port, port);
	snprintf(last_host, sizeof(last_host), "%s", remote->host);
	fds[admitted++] = fd;
}

static const struct acceptor_ops ops = { .count = count, .admit = admit };

static void
ignore_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	(void)arg, (void)h, (void)body, (void)fd, (void)len;
}

static void
setup(void)
{
	static const struct channel_handler handler = { .on_message = ignore_message };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	far = pair[1];
	r = (struct runner){ .loop = ev_loop_new(EVFLAG_NOENV), .credit = 1 << 20 };
	channel_open(&r.channel, r.loop, pair[0], IPC_SUPERVISOR, &handler, &r);
	runner_events_init(&r);
	admitted = 0;
	acceptor_init(&a, &r, &ops, NULL);
}

static void
teardown(void)
{
	acceptor_clear(&a);
	for (size_t i = 0; i < admitted; i++)
		fd_close(fds[i]);
	channel_close(&r.channel);
	runner_events_clear(&r);
	ev_loop_destroy(r.loop);
	close(far);
}

/* A listener of that configuration on ::, which hears both families. */
static void
listen_with(const char *conf)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(any);
	char err[64];
	struct json_doc *doc = json_parse(conf, strlen(conf), 100, err, sizeof(err));
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(doc);
	acceptor_configure(&a, json_root(doc), "", MOST);
	json_free(doc);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	port = ntohs(any.sin6_port);
	acceptor_listen(&a, fd);
}

static int
call(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void
turn(void)
{
	ev_run(r.loop, EVRUN_NOWAIT);
}

/* Whether the other side has closed it; looked at once. */
static bool
is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* What it reported of the configuration, as text. */
static bool
warned(const char *what)
{
	char packet[1024] = "";
	ssize_t n = recv(far, packet, sizeof(packet) - 1, MSG_DONTWAIT);

	return n > 0 && memmem(packet, (size_t)n, what, strlen(what));
}

START_TEST(all_hosts_are_taken_where_none_is_named)
{
	listen_with("{\"remote_hosts\": null, \"max_connections\": null}");
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 1);
	/* IPv4, as it is written by people. */
	ck_assert_str_eq(last_host, "127.0.0.1");
	ck_assert(!is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(who_is_not_named_is_closed)
{
	listen_with("{\"remote_hosts\": [\"192.0.2.1\", \"2001:db8::1\"]}");
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 0);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(who_is_named_is_taken_however_it_is_written)
{
	listen_with("{\"remote_hosts\": [\"192.0.2.1\", \"::ffff:127.0.0.1\"]}");
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 1);
	close(fd);
}
END_TEST

START_TEST(a_name_is_no_address)
{
	listen_with("{\"remote_hosts\": [\"localhost\"]}");
	ck_assert(warned("localhost is not an address"));
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 0);
	close(fd);
}
END_TEST

START_TEST(more_than_max_connections_are_closed)
{
	int calls[3];

	listen_with("{\"max_connections\": 2}");
	for (int i = 0; i < 3; i++)
		calls[i] = call();
	turn();
	ck_assert_uint_eq(admitted, 2);
	ck_assert(!is_closed(calls[0]));
	ck_assert(!is_closed(calls[1]));
	ck_assert(is_closed(calls[2]));
	for (int i = 0; i < 3; i++)
		close(calls[i]);
}
END_TEST

START_TEST(no_more_than_the_device_can_hold)
{
	int calls[MOST + 1];

	listen_with("{\"max_connections\": 1000}");
	ck_assert(warned("at most 4 connections are accepted"));
	for (int i = 0; i <= MOST; i++)
		calls[i] = call();
	turn();
	ck_assert_uint_eq(admitted, MOST);
	for (int i = 0; i <= MOST; i++)
		close(calls[i]);
}
END_TEST

START_TEST(a_congested_device_takes_nobody_until_it_is_not)
{
	listen_with("{}");
	r.credit = 0;
	runner_register(&r, (const char *[]){ "gateway", "x" }, 2, NULL, "1", 1);
	runner_events_flush(&r);
	ck_assert(runner_congested(&r));
	int fd = call();
	turn();
	turn();
	ck_assert_uint_eq(admitted, 0);
	r.waiting.len = 0;
	ck_assert(!runner_congested(&r));
	turn();
	ck_assert_uint_eq(admitted, 0);
	acceptor_resume(&a);
	turn();
	ck_assert_uint_eq(admitted, 1);
	close(fd);
}
END_TEST

START_TEST(without_descriptors_who_comes_is_kept_waiting)
{
	struct rlimit old, low;

	listen_with("{}");
	int fd = call();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ (rlim_t)fd + 1, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	/* Fills what is free below. */
	int fill[MAX_FDS];
	size_t n = 0;
	while (n < MAX_FDS && (fill[n] = dup(fd)) >= 0)
		n++;
	turn();
	ck_assert_uint_eq(admitted, 0);
	ck_assert(!is_closed(fd));
	/* It rests: the loop does not spin. */
	ck_assert(!ev_is_active(&a.acceptable));
	while (n)
		close(fill[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	while (admitted == 0) /* the test has a time-out */
		ev_run(r.loop, EVRUN_ONCE);
	close(fd);
}
END_TEST

START_TEST(nobody_is_taken_after_the_stop)
{
	listen_with("{}");
	acceptor_stop(&a);
	acceptor_resume(&a);
	turn();
	ck_assert_uint_eq(admitted, 0);
	acceptor_stop(&a);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_hosts_are_taken_where_none_is_named);
	tcase_add_test(tc, who_is_not_named_is_closed);
	tcase_add_test(tc, who_is_named_is_taken_however_it_is_written);
	tcase_add_test(tc, a_name_is_no_address);
	tcase_add_test(tc, more_than_max_connections_are_closed);
	tcase_add_test(tc, no_more_than_the_device_can_hold);
	tcase_add_test(tc, a_congested_device_takes_nobody_until_it_is_not);
	tcase_add_test(tc, without_descriptors_who_comes_is_kept_waiting);
	tcase_add_test(tc, nobody_is_taken_after_the_stop);
}

UNIT_MAIN("acceptor")
