#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "ipc/channel.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

/* What one end heard. */
struct ear {
	struct channel channel;
	int messages, violations, closes, drains;
	uint32_t last_id;
	bool in_order;
	int fd;
	char why[80];
	bool close_in_message;
};

static struct ev_loop *loop;
static struct ear supervisor, runner;

static void
on_message(void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	struct ear *e = arg;

	(void)body, (void)len;
	e->in_order = e->in_order && (h->id == 0 || h->id == e->last_id + 1);
	e->last_id = h->id;
	e->messages++;
	if (fd >= 0) {
		fd_close(e->fd);
		e->fd = fd;
	}
	if (e->close_in_message)
		channel_close(&e->channel);
}

static void
on_violation(void *arg, const char *why, const void *packet, size_t len)
{
	struct ear *e = arg;

	(void)packet, (void)len;
	e->violations++;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void
on_close(void *arg)
{
	((struct ear *)arg)->closes++;
}

static void
on_drained(void *arg)
{
	((struct ear *)arg)->drains++;
}

static const struct channel_handler handler = {
	.on_message = on_message,
	.on_violation = on_violation,
	.on_close = on_close,
	.on_drained = on_drained,
};

static void
open_ear(struct ear *e, int fd, enum ipc_sender peer)
{
	*e = (struct ear){ .in_order = true, .fd = -1 };
	channel_open(&e->channel, loop, fd, peer, &handler, e);
	e->channel.phase = PHASE_RUN;
}

static void
setup(void)
{
	int fds[2];

	loop = ev_loop_new(EVFLAG_NOENV);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	open_ear(&supervisor, fds[0], IPC_RUNNER);
	open_ear(&runner, fds[1], IPC_SUPERVISOR);
}

static void
teardown(void)
{
	channel_close(&supervisor.channel);
	channel_close(&runner.channel);
	ev_loop_destroy(loop);
	loop = NULL;
}

/* Stands in for libev's: no turn is late, however slow the machine is. */
ev_tstamp
ev_time(void)
{
	return loop ? ev_now(loop) : 0;
}

static void
turn(int times)
{
	while (times-- > 0)
		ev_run(loop, EVRUN_NOWAIT);
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
send_opened(uint32_t id, int fd)
{
	msgpack_packer *p = channel_begin(&supervisor.channel, IPC_OPENED, id);

	msgpack_pack_array(p, 2);
	msgpack_pack_uint32(p, 0);
	ipc_pack_str(p, "");
	ck_assert_int_eq(channel_send(&supervisor.channel, fd), 0);
}

/* LINK of `len` bytes of text, as many as a text may have. */
static int
send_link(struct channel *c, uint32_t id)
{
	static char text[IPC_MAX_TEXT];

	memset(text, 'x', sizeof(text));
	msgpack_packer *p = channel_begin(c, IPC_LINK, id);
	msgpack_pack_array(p, 1);
	ipc_pack_text(p, text, sizeof(text));
	return channel_send(c, -1);
}

START_TEST(order_is_kept_through_socket_and_queue)
{
	enum { COUNT = 5000 };

	for (uint32_t id = 1; id <= COUNT; id++)
		ck_assert_int_eq(send_link(&runner.channel, id), 0);
	ck_assert_uint_gt(runner.channel.queue.len, 0);
	turn(2 * COUNT / IPC_READ_BURST + 10);
	ck_assert_int_eq(supervisor.messages, COUNT);
	ck_assert(supervisor.in_order);
	ck_assert_uint_eq(runner.channel.queue.len, 0);
	ck_assert_int_ge(runner.drains, 1);
	ck_assert_int_eq(supervisor.violations, 0);
}
END_TEST

START_TEST(nobody_takes_more_than_a_burst_in_one_turn)
{
	for (uint32_t id = 1; id <= 3 * IPC_READ_BURST; id++)
		send_link(&runner.channel, id);
	turn(1);
	ck_assert_int_eq(supervisor.messages, IPC_READ_BURST);
}
END_TEST

/* Nobody asks the kernel for more behind the pong of a quiet runner; what is there all the same
 * comes in the next turn. */
START_TEST(behind_a_pong_there_is_mostly_nothing)
{
	turn(3);
	for (uint32_t id = 1; id <= 4; id++) {
		if (id == 2)
			channel_send_empty(&runner.channel, IPC_PONG, id);
		else
			send_link(&runner.channel, id);
	}
	turn(1);
	ck_assert_int_eq(supervisor.messages, 2);
	turn(1);
	ck_assert_int_eq(supervisor.messages, 4);
	ck_assert(supervisor.in_order);
}
END_TEST

START_TEST(an_fd_arrives_with_its_packet)
{
	int pipes[2], before = open_fds();
	char byte = 0;

	ck_assert_int_eq(pipe(pipes), 0);
	send_opened(1, pipes[0]);
	turn(2);
	ck_assert_int_eq(runner.messages, 1);
	ck_assert_int_ge(runner.fd, 0);
	ck_assert(fcntl(runner.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(write(pipes[1], "!", 1), 1);
	ck_assert_int_eq(read(runner.fd, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
	close(runner.fd);
	close(pipes[1]);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(fds_stay_with_their_packets_in_the_queue)
{
	int before = open_fds();
	uint32_t id = 0;

	while (supervisor.channel.queue.len == 0)
		send_opened(++id, -1);
	int mark = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	send_opened(++id, mark);
	uint32_t marked = id;
	send_opened(++id, -1);
	while (runner.last_id < marked)
		turn(1);
	ck_assert_int_ge(runner.fd, 0);
	turn(2);
	ck_assert_uint_eq(runner.last_id, id);
	ck_assert(runner.in_order);
	close(runner.fd);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_named)
{
	int before = open_fds(), sent = 0;

	while (send_link(&runner.channel, 0) == 0)
		sent++;
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_le(runner.channel.queue.len, IPC_MAX_QUEUE);
	ck_assert_int_gt(sent, IPC_MAX_QUEUE / (IPC_MAX_TEXT + 64));
	/* From then on nothing goes, so that nothing is missing in between; an fd is closed all the
	 * same. */
	msgpack_pack_array(channel_begin(&runner.channel, IPC_READY, 0), 0);
	ck_assert_int_eq(channel_send(&runner.channel, open("/dev/null", O_RDONLY)), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(more_fds_than_the_queue_holds_are_refused)
{
	int before = open_fds(), queued = 0;

	while (supervisor.channel.queue.len == 0)
		send_opened(0, -1);
	for (;;) {
		msgpack_packer *p = channel_begin(&supervisor.channel, IPC_OPENED, 0);
		msgpack_pack_array(p, 2);
		msgpack_pack_uint32(p, 0);
		ipc_pack_str(p, "");
		if (channel_send(&supervisor.channel, open("/dev/null", O_RDONLY)) < 0)
			break;
		queued++;
	}
	ck_assert_int_eq(queued, IPC_MAX_QUEUED_FDS);
	channel_close(&supervisor.channel);
	channel_close(&runner.channel);
	ck_assert_int_eq(open_fds(), before - 2);
}
END_TEST

/* unix(7): descriptors on their way are bounded by RLIMIT_NOFILE, for who has no privilege. Returns
 * 0, or what went wrong. */
static int
send_more_fds_than_may_be_on_their_way(void)
{
	enum { COUNT = 120, MAY = 64 };
	struct rlimit limit, before;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 10;
	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = MAY;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (uint32_t id = 1; id <= COUNT; id++) {
		msgpack_packer *p = channel_begin(&supervisor.channel, IPC_OPENED, id);
		msgpack_pack_array(p, 2);
		msgpack_pack_uint32(p, 0);
		ipc_pack_str(p, "");
		if (channel_send(&supervisor.channel, dup(STDERR_FILENO)) < 0)
			return 11;
	}
	if (supervisor.channel.queue.len == 0)
		return 12;
	ev_io_stop(loop, &runner.channel.readable);
	turn(2);
	/* The shortage is over: what waits goes out by itself. */
	setrlimit(RLIMIT_NOFILE, &before);
	ev_io_start(loop, &runner.channel.readable);
	for (int i = 0; i < 10000 && runner.messages < COUNT && runner.violations == 0; i++)
		ev_run(loop, EVRUN_ONCE);
	return runner.messages == COUNT && runner.in_order ? 0 : 13;
}

START_TEST(too_many_fds_on_their_way_are_no_end)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ev_loop_fork(loop);
		_exit(send_more_fds_than_may_be_on_their_way());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(what_was_sent_before_the_end_is_heard_before_it)
{
	for (uint32_t id = 1; id <= 100; id++)
		send_link(&runner.channel, id);
	/* Unread data at its end makes Linux report ECONNRESET first. */
	channel_send_empty(&supervisor.channel, IPC_PING, 1);
	channel_close(&runner.channel);
	turn(10);
	ck_assert_int_eq(supervisor.messages, 100);
	ck_assert(supervisor.in_order);
	ck_assert_int_eq(supervisor.closes, 1);
}
END_TEST

START_TEST(a_violation_ends_the_reading)
{
	ck_assert_int_eq(channel_send_empty(&runner.channel, IPC_PING, 0), 0);
	send_link(&runner.channel, 0);
	turn(5);
	ck_assert_int_eq(supervisor.violations, 1);
	ck_assert_str_eq(supervisor.why, "not this side's message");
	ck_assert_int_eq(supervisor.messages, 0);
}
END_TEST

/* A runner has nothing to give: the fd never enters the supervisor's table. */
START_TEST(an_fd_from_a_runner_is_a_violation)
{
	int before = open_fds();

	msgpack_pack_array(channel_begin(&runner.channel, IPC_READY, 0), 0);
	ck_assert_int_eq(channel_send(&runner.channel, open("/dev/null", O_RDONLY)), 0);
	turn(2);
	ck_assert_int_eq(supervisor.violations, 1);
	ck_assert_str_eq(supervisor.why, "an fd that was not asked for");
	ck_assert_int_eq(supervisor.messages, 0);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(an_fd_with_a_message_that_carries_none_is_a_violation)
{
	int before = open_fds();

	msgpack_pack_array(channel_begin(&supervisor.channel, IPC_PING, 0), 0);
	channel_send(&supervisor.channel, open("/dev/null", O_RDONLY));
	turn(2);
	ck_assert_int_eq(runner.violations, 1);
	ck_assert_str_eq(runner.why, "an fd with a message that carries none");
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(two_fds_are_a_violation)
{
	SKIP_WHERE(lacks_cut_mark(), "the kernel does not say that descriptors were cut off");
	int before = open_fds(),
	    fds[2] = { open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	/* OPENED 0 "" */
	uint8_t bytes[] = { 2, 0, 0, 0, 1, 0, 0, 0, 0x92, 0x00, 0xa0 };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };

	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	ck_assert_int_eq(sendmsg(supervisor.channel.fd, &m, 0), sizeof(bytes));
	close(fds[0]);
	close(fds[1]);
	turn(2);
	ck_assert_int_eq(runner.violations, 1);
	ck_assert_int_eq(runner.messages, 0);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(a_packet_over_the_limit_is_a_violation)
{
	static uint8_t bytes[IPC_MAX_MESSAGE + 100] = { IPC_LINK };

	ck_assert_int_eq(send(runner.channel.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	turn(2);
	ck_assert_int_eq(supervisor.violations, 1);
	ck_assert_str_eq(supervisor.why, "longer than a message may be");
}
END_TEST

START_TEST(a_message_over_the_limit_is_not_sent)
{
	static char bytes[IPC_MAX_MESSAGE];

	msgpack_packer *p = channel_begin(&runner.channel, IPC_TRACE_FRAME, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_bin(p, sizeof(bytes));
	msgpack_pack_bin_body(p, bytes, sizeof(bytes));
	ck_assert_int_eq(channel_send(&runner.channel, -1), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	/* The next one goes. */
	ck_assert_int_eq(channel_send_empty(&runner.channel, IPC_READY, 0), 0);
	turn(2);
	ck_assert_int_eq(supervisor.messages, 1);
}
END_TEST

START_TEST(it_may_be_closed_from_its_own_callback)
{
	supervisor.close_in_message = true;
	for (int i = 0; i < 3; i++)
		channel_send_empty(&runner.channel, IPC_READY, 0);
	turn(3);
	ck_assert_int_eq(supervisor.messages, 1);
	ck_assert_int_eq(supervisor.channel.fd, -1);
	ck_assert_int_eq(channel_send_empty(&supervisor.channel, IPC_PING, 0), -1);
	ck_assert_int_eq(errno, EPIPE);
	channel_close(&supervisor.channel);
}
END_TEST

START_TEST(flush_gives_up_in_time)
{
	while (runner.channel.queue.len == 0)
		send_link(&runner.channel, 0);
	struct monotime start = monotime_now();
	channel_flush(&runner.channel, 100);
	int64_t ms = monotime_diff_ms(monotime_now(), start);
	ck_assert_int_ge(ms, 90);
	ck_assert_int_lt(ms, 2000);
}
END_TEST

/* What ipc_pack_reason() makes of a text. */
static const char *
reason(const char *text)
{
	static char result[IPC_MAX_TEXT + 1];
	msgpack_sbuffer b;
	msgpack_packer p;
	msgpack_unpacked u;

	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
	ipc_pack_reason(&p, text);
	msgpack_unpacked_init(&u);
	ck_assert_int_eq(msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
	ck_assert_uint_le(u.data.via.str.size, IPC_MAX_TEXT);
	memcpy(result, u.data.via.str.ptr, u.data.via.str.size);
	result[u.data.via.str.size] = '\0';
	msgpack_unpacked_destroy(&u);
	msgpack_sbuffer_destroy(&b);
	return result;
}

START_TEST(a_reason_is_always_a_text)
{
	char text[IPC_MAX_TEXT + 10];

	ck_assert_str_eq(reason("connect to \xc5\xbeica"), "connect to \xc5\xbeica");
	ck_assert_str_eq(reason("cut \xc5"), "cut ?");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_uint_eq(strlen(reason(text)), IPC_MAX_TEXT);
	/* The euro sign's three bytes around the limit, at each of their places. */
	for (size_t at = IPC_MAX_TEXT - 3; at <= IPC_MAX_TEXT; at++) {
		memset(text, 'x', sizeof(text) - 1);
		memcpy(text + at, "\xe2\x82\xac", 3);
		ck_assert_uint_eq(strlen(reason(text)), at == IPC_MAX_TEXT - 3 ? IPC_MAX_TEXT : at);
	}
}
END_TEST

START_TEST(times_survive_the_way)
{
	static const struct timestamp times[] = { { 0, 0 }, { -1, 999999 }, { INT64_MIN, 1 },
		{ INT64_MAX, 0 } };
	msgpack_sbuffer b;
	msgpack_packer p;
	msgpack_unpacked u;

	for (size_t i = 0; i < 4; i++) {
		msgpack_sbuffer_init(&b);
		msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
		ipc_pack_timestamp(&p, &times[i]);
		msgpack_unpacked_init(&u);
		ck_assert_int_eq(
		    msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
		struct timestamp t = ipc_timestamp(&u.data);
		ck_assert_int_eq(t.s, times[i].s);
		ck_assert_uint_eq(t.us, times[i].us);
		msgpack_unpacked_destroy(&u);
		msgpack_sbuffer_destroy(&b);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, order_is_kept_through_socket_and_queue);
	tcase_add_test(tc, nobody_takes_more_than_a_burst_in_one_turn);
	tcase_add_test(tc, behind_a_pong_there_is_mostly_nothing);
	tcase_add_test(tc, an_fd_arrives_with_its_packet);
	tcase_add_test(tc, fds_stay_with_their_packets_in_the_queue);
	tcase_add_test(tc, a_peer_that_does_not_read_is_named);
	tcase_add_test(tc, more_fds_than_the_queue_holds_are_refused);
	tcase_add_test(tc, too_many_fds_on_their_way_are_no_end);
	tcase_add_test(tc, what_was_sent_before_the_end_is_heard_before_it);
	tcase_add_test(tc, a_violation_ends_the_reading);
	tcase_add_test(tc, an_fd_from_a_runner_is_a_violation);
	tcase_add_test(tc, an_fd_with_a_message_that_carries_none_is_a_violation);
	tcase_add_test(tc, two_fds_are_a_violation);
	tcase_add_test(tc, a_packet_over_the_limit_is_a_violation);
	tcase_add_test(tc, a_message_over_the_limit_is_not_sent);
	tcase_add_test(tc, it_may_be_closed_from_its_own_callback);
	tcase_add_test(tc, flush_gives_up_in_time);
	tcase_add_test(tc, a_reason_is_always_a_text);
	tcase_add_test(tc, times_survive_the_way);
}

UNIT_MAIN("ipc channel")
