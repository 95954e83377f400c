/* A resource that is kept open, with the test in the supervisor's place. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "device-runners/runtime/endpoint.h"
#include "tests/unit/device-runners/fake_runner.h"
#include "tests/unit/suite.h"

enum { SOON_MS = 30, DELAY_MS = 200 };

static struct runner r;
static struct endpoint e;
static int far = -1, got_fd;
static char
    seen[64]; /* first letters of what was told: g connecting, C connected, d disconnected */

static void
on_status(void *arg, enum connection_status status, int fd)
{
	ck_assert_ptr_eq(arg, &e);
	ck_assert_int_eq(fd >= 0, status == CONNECTION_CONNECTED);
	got_fd = fd >= 0 ? fd : got_fd;
	strncat(seen, &"g\0C\0d"[2 * status], 1);
}

static const struct endpoint_ops ops = { .status = on_status };

static void
setup(void)
{
	far = fake_runner_open(&r, NULL);
	seen[0] = '\0';
	got_fd = -1;
}

static void
teardown(void)
{
	endpoint_stop(&e);
	fd_close(got_fd);
	fake_runner_close(&r, far);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
run(int ms)
{
	ev_timer limit;

	ev_now_update(r.loop);
	ev_timer_init(&limit, on_limit, ms / 1e3, 0.);
	ev_timer_start(r.loop, &limit);
	ev_run(r.loop, 0);
	ev_timer_stop(r.loop, &limit);
}

static int
any_fd(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void
start(const struct tty_params *tty, int64_t timeout_ms)
{
	const struct endpoint_conf conf = {
		.resource = runner_plan_connect(&r, "127.0.0.1", 502),
		.tty = tty,
		.delay_ns = DELAY_MS * INT64_C(1000000),
		.lived_ns = 1,
		.timeout_ns = timeout_ms * INT64_C(1000000),
	};

	endpoint_init(&e, &r, &conf, &ops, &e);
	endpoint_start(&e);
}

static void
lose(bool answered)
{
	fd_close(got_fd);
	got_fd = -1;
	endpoint_lost(&e, answered, "gone");
}

START_TEST(the_first_attempt_after_a_loss_is_at_once)
{
	start(NULL, 0);
	fake_runner_answer(&r, any_fd(), "");
	ck_assert_str_eq(seen, "gC");
	lose(true);
	ck_assert_str_eq(seen, "gCd");
	run(SOON_MS);
	ck_assert_str_eq(seen, "gCdg");
	/* It did nothing that it is for: the next one waits. */
	fake_runner_answer(&r, any_fd(), "");
	lose(false);
	run(SOON_MS);
	ck_assert_ptr_null(fake_runner_asked(&r));
	run(DELAY_MS);
	ck_assert_ptr_nonnull(fake_runner_asked(&r));
	ck_assert_str_eq(seen, "gCdgCdg");
}
END_TEST

START_TEST(a_failure_is_tried_again_after_the_delay)
{
	start(NULL, 0);
	fake_runner_answer(&r, -1, "connect to 127.0.0.1 port 502: Connection refused");
	ck_assert_str_eq(seen, "gd");
	run(SOON_MS);
	ck_assert_ptr_null(fake_runner_asked(&r));
	run(DELAY_MS);
	ck_assert_ptr_nonnull(fake_runner_asked(&r));
}
END_TEST

START_TEST(an_attempt_has_a_time_out)
{
	start(NULL, SOON_MS);
	run(2 * SOON_MS);
	ck_assert_ptr_null(fake_runner_asked(&r));
	ck_assert_str_eq(seen, "gd");
}
END_TEST

START_TEST(nothing_is_opened_after_the_stop)
{
	start(NULL, 0);
	endpoint_stop(&e);
	ck_assert_ptr_null(fake_runner_asked(&r));
	ck_assert_str_eq(seen, "gd");
	endpoint_stop(&e);
	run(DELAY_MS + SOON_MS);
	ck_assert_ptr_null(fake_runner_asked(&r));
	ck_assert_str_eq(seen, "gd");
}
END_TEST

START_TEST(a_tty_is_set_up)
{
	const struct tty_params tty = { .path = "/dev/ttyS9", .baud = 9600, .bits = 8 };
	struct termios t;
	int master, slave;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	start(&tty, 0);
	fake_runner_answer(&r, slave, "");
	ck_assert_str_eq(seen, "gC");
	ck_assert_int_eq(tcgetattr(got_fd, &t), 0);
	ck_assert_uint_eq(t.c_lflag & (ICANON | ECHO), 0);
	lose(true);
	run(SOON_MS);
	/* What is no tty is a failure, and is closed. */
	int fd = any_fd();
	fake_runner_answer(&r, fd, "");
	ck_assert_str_eq(seen, "gCdgd");
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	close(master);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_first_attempt_after_a_loss_is_at_once);
	tcase_add_test(tc, a_failure_is_tried_again_after_the_delay);
	tcase_add_test(tc, an_attempt_has_a_time_out);
	tcase_add_test(tc, nothing_is_opened_after_the_stop);
	tcase_add_test(tc, a_tty_is_set_up);
}

UNIT_MAIN("endpoint")
