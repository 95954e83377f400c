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
#include "tests/unit/device-runners/fake_runner.h"
#include "tests/unit/suite.h"

enum { MOST = 4, MAX_FDS = 64 };

static struct runner r;
static struct acceptor a;
static int far = -1, fds[MAX_FDS];
static size_t admitted, listened;
static uint16_t port;
static char last_host[64];

static int64_t
admit(void *arg, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	(void)arg;
	ck_assert_uint_eq(local->port, port);
	snprintf(last_host, sizeof(last_host), "%s", remote->host);
	fds[admitted++] = fd;
	return (int64_t)admitted;
}

static void
evict(void *arg, int64_t id)
{
	(void)arg;
	fd_close(fds[id - 1]);
	fds[id - 1] = -1;
	acceptor_left(&a, id);
}

static void
listening(void *arg)
{
	(void)arg;
	listened++;
}

static const struct acceptor_ops ops = {
	.listening = listening,
	.admit = admit,
	.evict = evict,
};

static void
setup(void)
{
	far = fake_runner_open(&r, NULL);
	admitted = listened = 0;
	acceptor_init(&a, &r, &ops, NULL);
}

static void
teardown(void)
{
	acceptor_clear(&a);
	for (size_t i = 0; i < admitted; i++)
		fd_close(fds[i]);
	fake_runner_close(&r, far);
}

/* A listener with more keys than its address, on ::, which hears both families. */
static int
listener(const char *more)
{
	char conf[256];
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(any);
	char err[64];
	snprintf(conf, sizeof(conf), "{\"local_host\": \"::\", \"local_port\": 0%s}", more);
	struct json_doc *doc = json_parse(conf, strlen(conf), 100, err, sizeof(err));
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(doc);
	acceptor_configure(&a, json_root(doc), "", MOST);
	json_free(doc);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	port = ntohs(any.sin6_port);
	return fd;
}

static void
listen_with(const char *more)
{
	acceptor_listen(&a, listener(more));
}

/* From 127.0.0.HOST. */
static int
call_from(int host)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (in_addr_t)host) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int
call(void)
{
	return call_from(1);
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
	listen_with(", \"remote_hosts\": null, \"max_connections\": null");
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
	listen_with(", \"remote_hosts\": [\"192.0.2.1\", \"2001:db8::1\"]");
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 0);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(who_is_named_is_taken_however_it_is_written)
{
	listen_with(", \"remote_hosts\": [\"192.0.2.1\", \"::ffff:127.0.0.1\"]");
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 1);
	close(fd);
}
END_TEST

START_TEST(a_name_is_no_address)
{
	listen_with(", \"remote_hosts\": [\"localhost\"]");
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

	listen_with(", \"max_connections\": 2");
	for (int i = 0; i < 3; i++) {
		calls[i] = call();
		turn();
		acceptor_engaged(&a, i + 1);
	}
	ck_assert_uint_eq(admitted, 2);
	ck_assert(!is_closed(calls[0]));
	ck_assert(!is_closed(calls[1]));
	ck_assert(is_closed(calls[2]));
	acceptor_left(&a, 1);
	int next = call();
	turn();
	ck_assert_uint_eq(admitted, 3);
	close(next);
	for (int i = 0; i < 3; i++)
		close(calls[i]);
}
END_TEST

/* A connection of the address that has most goes, whoever comes. */
START_TEST(the_oldest_that_is_not_engaged_gives_way)
{
	static const struct {
		const char *from;    /* hosts, in order; those in capitals are engaged */
		const char *evicted; /* places of those that are closed for the last one */
	} rows[] = {
		{ "aaaaa", "0" },
		{ "AaAaa", "1" },
		{ "baaaa", "1" },
		{ "bBaab", "0" },
		{ "AAABb", "" },
		{ "AAAAb", "3" },
		{ "AAAAa", "" },
		{ "AABBc", "" },
	};
	const char *from = rows[_i].from;
	int calls[5];

	listen_with(", \"max_connections\": 4");
	for (int i = 0; i < 5; i++) {
		calls[i] = call_from((from[i] | 0x20) - 'a' + 1);
		turn();
		if (from[i] < 'a')
			acceptor_engaged(&a, i + 1);
	}
	bool last = rows[_i].evicted[0] != '\0';
	for (int i = 0; i < 4; i++)
		ck_assert_msg(
		    is_closed(calls[i]) == (last && rows[_i].evicted[0] == '0' + i), "place %d", i);
	ck_assert_int_eq(is_closed(calls[4]), !last);
	ck_assert_uint_eq(a.count, 4);
	for (int i = 0; i < 5; i++)
		close(calls[i]);
}
END_TEST

START_TEST(no_more_than_the_device_can_hold)
{
	int calls[MOST + 1];

	listen_with(", \"max_connections\": 1000");
	ck_assert(warned("at most 4 connections are accepted"));
	for (int i = 0; i <= MOST; i++) {
		calls[i] = call();
		turn();
		acceptor_engaged(&a, i + 1);
	}
	ck_assert_uint_eq(admitted, MOST);
	for (int i = 0; i <= MOST; i++)
		close(calls[i]);
}
END_TEST

START_TEST(a_congested_device_takes_nobody_until_it_is_not)
{
	listen_with("");
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

	listen_with("");
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
	listen_with("");
	acceptor_stop(&a);
	acceptor_resume(&a);
	turn();
	ck_assert_uint_eq(admitted, 0);
	acceptor_stop(&a);
}
END_TEST

START_TEST(it_says_when_it_listens)
{
	int listening_fd = listener("");
	acceptor_start(&a);
	ck_assert_uint_eq(listened, 0);
	fake_runner_answer(&r, listening_fd, "");
	ck_assert_uint_eq(listened, 1);
	int fd = call();
	turn();
	ck_assert_uint_eq(admitted, 1);
	close(fd);
}
END_TEST

START_TEST(the_stop_gives_up_asking_for_the_socket)
{
	fd_close(listener(""));
	acceptor_start(&a);
	ck_assert_ptr_nonnull(fake_runner_asked(&r));
	acceptor_stop(&a);
	ck_assert_ptr_null(fake_runner_asked(&r));
	ck_assert_uint_eq(listened, 0);
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
	tcase_add_loop_test(tc, the_oldest_that_is_not_engaged_gives_way, 0, 8);
	tcase_add_test(tc, no_more_than_the_device_can_hold);
	tcase_add_test(tc, a_congested_device_takes_nobody_until_it_is_not);
	tcase_add_test(tc, without_descriptors_who_comes_is_kept_waiting);
	tcase_add_test(tc, nobody_is_taken_after_the_stop);
	tcase_add_test(tc, it_says_when_it_listens);
	tcase_add_test(tc, the_stop_gives_up_asking_for_the_socket);
}

UNIT_MAIN("acceptor")
