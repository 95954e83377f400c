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
#include "tests/unit/skip.h"
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

/* An endpoint of two steps. */
static void
on_status_alone(void *arg, enum connection_status status, int fd)
{
	ck_assert_ptr_eq(arg, &e);
	ck_assert_int_eq(fd, -1);
	strncat(seen, &"g\0C\0d"[2 * status], 1);
}

static void
on_opened(void *arg, int address, int fd)
{
	ck_assert_ptr_eq(arg, &e);
	got_fd = fd;
	strncat(seen, &"0\0001\0002"[2 * address], 1);
}

static void
on_late(void *arg)
{
	ck_assert_ptr_eq(arg, &e);
	strncat(seen, "l", 2);
}

static const struct endpoint_ops two_steps = { .status = on_status_alone, .opened = on_opened };
static const struct endpoint_ops two_timed_steps = {
	.status = on_status_alone,
	.opened = on_opened,
	.late = on_late,
};

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
start_two_steps(
    const struct endpoint_ops *steps, int addresses, int64_t timeout_ms, bool stays_connecting)
{
	struct endpoint_conf conf = {
		.addresses = addresses,
		.delay_ns = DELAY_MS * INT64_C(1000000),
		.lived_ns = 1,
		.timeout_ns = timeout_ms * INT64_C(1000000),
		.stays_connecting = stays_connecting,
	};

	for (int i = 0; i < addresses; i++)
		runner_plan_connect(&r, "127.0.0.1", 502);
	endpoint_init(&e, &r, &conf, steps, &e);
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
	SKIP_WHERE(lacks_any_rate(slave), "the kernel has no rates of any number");
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

START_TEST(what_is_open_is_connected_when_it_is_usable)
{
	start_two_steps(&two_steps, 1, DELAY_MS, false);
	fake_runner_answer(&r, any_fd(), "");
	ck_assert_str_eq(seen, "g0");
	/* The time-out was for opening it. */
	run(2 * DELAY_MS);
	ck_assert_str_eq(seen, "g0");
	endpoint_usable(&e);
	ck_assert_str_eq(seen, "g0C");
	ck_assert_int_eq(endpoint_status(&e), CONNECTION_CONNECTED);
	lose(true);
	run(SOON_MS);
	ck_assert_str_eq(seen, "g0Cdg");
}
END_TEST

START_TEST(what_never_became_usable_is_a_failure)
{
	start_two_steps(&two_steps, 1, 0, false);
	fake_runner_answer(&r, any_fd(), "");
	lose(true);
	ck_assert_str_eq(seen, "g0d");
	run(SOON_MS);
	ck_assert_ptr_null(fake_runner_asked(&r));
	run(DELAY_MS);
	ck_assert_ptr_nonnull(fake_runner_asked(&r));
	ck_assert_str_eq(seen, "g0dg");
}
END_TEST

START_TEST(an_attempt_tries_each_address)
{
	start_two_steps(&two_steps, 3, 0, false);
	fake_runner_answer(&r, -1, "refused");
	fake_runner_answer(&r, -1, "refused");
	fake_runner_answer(&r, any_fd(), "");
	ck_assert_str_eq(seen, "g2");
	lose(true);
	ck_assert_str_eq(seen, "g2d");
	run(DELAY_MS + SOON_MS);
	fake_runner_answer(&r, any_fd(), "");
	ck_assert_str_eq(seen, "g2dg0");
}
END_TEST

START_TEST(the_time_out_may_be_for_both_steps)
{
	start_two_steps(&two_timed_steps, 1, SOON_MS, false);
	fake_runner_answer(&r, any_fd(), "");
	run(2 * SOON_MS);
	ck_assert_str_eq(seen, "g0l");
	endpoint_usable(&e);
	run(2 * SOON_MS);
	ck_assert_str_eq(seen, "g0lC");
}
END_TEST

START_TEST(failures_may_leave_it_connecting)
{
	start_two_steps(&two_steps, 1, 0, true);
	fake_runner_answer(&r, -1, "refused");
	ck_assert_str_eq(seen, "g");
	run(DELAY_MS + SOON_MS);
	ck_assert_str_eq(seen, "gg");
	fake_runner_answer(&r, any_fd(), "");
	endpoint_usable(&e);
	lose(true);
	ck_assert_str_eq(seen, "gg0Cd");
}
END_TEST

START_TEST(nothing_goes_on_between_the_steps_after_the_stop)
{
	start_two_steps(&two_timed_steps, 1, SOON_MS, false);
	fake_runner_answer(&r, any_fd(), "");
	endpoint_stop(&e);
	run(2 * SOON_MS);
	ck_assert_str_eq(seen, "g0d");
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
	tcase_add_test(tc, what_is_open_is_connected_when_it_is_usable);
	tcase_add_test(tc, what_never_became_usable_is_a_failure);
	tcase_add_test(tc, an_attempt_tries_each_address);
	tcase_add_test(tc, the_time_out_may_be_for_both_steps);
	tcase_add_test(tc, failures_may_leave_it_connecting);
	tcase_add_test(tc, nothing_goes_on_between_the_steps_after_the_stop);
}

UNIT_MAIN("endpoint")
