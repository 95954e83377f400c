#include <asm/termbits.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device-runners/runtime/tty.h"
#include "tests/unit/parse.h"
#include "tests/unit/skip.h"
#include "tests/unit/suite.h"

static int master, slave;

static void
open_pair(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
	ck_assert_int_ge(slave, 0);
}

static void
close_pair(void)
{
	close(slave);
	close(master);
}

START_TEST(settings_reach_the_line)
{
	/* A pty keeps no parity and no character size; the rest it takes as a real line does. */
	static const struct {
		struct tty_params params;
		unsigned set, clear;
	} rows[] = {
		{ { .baud = 9600, .bits = 8 }, 0, CSTOPB | CRTSCTS },
		{ { .baud = 12345, .bits = 8, .stop = TTY_TWO }, CSTOPB, CRTSCTS },
		{ { .baud = 250000, .bits = 8, .rtscts = true, .parity = TTY_MARK }, CRTSCTS,
		    CSTOPB },
		{ { .baud = 300, .bits = 5, .stop = TTY_ONE_POINT_FIVE }, CSTOPB, CRTSCTS },
	};

	SKIP_WHERE(lacks_any_rate(slave), "the kernel has no rates of any number");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct termios2 t;
		ck_assert_int_eq(tty_setup(slave, &rows[i].params), 0);
		ck_assert_int_eq(ioctl(slave, TCGETS2, &t), 0);
		ck_assert_uint_eq(t.c_ospeed, rows[i].params.baud);
		ck_assert_uint_eq(t.c_ispeed, rows[i].params.baud);
		ck_assert_uint_eq(t.c_cflag & rows[i].set, rows[i].set);
		ck_assert_uint_eq(t.c_cflag & rows[i].clear, 0);
		ck_assert_uint_eq(t.c_lflag, 0);
		ck_assert_uint_eq(t.c_oflag, 0);
	}
}
END_TEST

START_TEST(every_byte_passes)
{
	struct tty_params p = { .baud = 9600, .bits = 8 };
	uint8_t all[256], got[512];
	size_t n = 0;

	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	SKIP_WHERE(lacks_any_rate(slave), "the kernel has no rates of any number");
	/* What lay in the buffers before belongs to nobody. */
	ck_assert_int_eq(write(master, "old\n", 4), 4);
	ck_assert_int_eq(tty_setup(slave, &p), 0);
	ck_assert_int_eq(write(master, all, sizeof(all)), sizeof(all));
	while (n < sizeof(all)) {
		ssize_t r = read(slave, got + n, sizeof(got) - n);
		ck_assert(r > 0 || (r < 0 && n < sizeof(all)));
		n += r > 0 ? (size_t)r : 0;
	}
	ck_assert_uint_eq(n, sizeof(all));
	ck_assert_mem_eq(got, all, sizeof(all));
}
END_TEST

START_TEST(no_tty_is_refused)
{
	struct tty_params p = { .baud = 9600, .bits = 8 };
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(tty_setup(fds[0], &p), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(keys_are_read)
{
	struct json_doc *doc =
	    parse("{\"port\": \"/dev/ttyS0\", \"baudrate\": 19200, "
		  "\"bytesize\": \"SEVENBITS\", \"parity\": \"SPACE\", \"stopbits\": \"TWO\", "
		  "\"flow_control\": {\"xonxoff\": true, \"rtscts\": false, \"dsrdtr\": true}}");
	struct tty_params p;

	tty_params_read(&p, json_root(doc));
	ck_assert_str_eq(p.path, "/dev/ttyS0");
	ck_assert_uint_eq(p.baud, 19200);
	ck_assert_uint_eq(p.bits, 7);
	ck_assert_int_eq(p.parity, TTY_SPACE);
	ck_assert_int_eq(p.stop, TTY_TWO);
	ck_assert(p.xonxoff && !p.rtscts && p.dsrdtr);
	/* 1 + 7 + 1 + 2 bits. */
	ck_assert_int_eq(tty_char_ns(&p), 11 * INT64_C(1000000000) / 19200);
	json_free(doc);
}
END_TEST

START_TEST(pace_counts_from_the_last_character)
{
	struct tty_pace p = { .char_ns = 1000, .silence_ns = 3500 };
	struct monotime t = { 1000000 };

	ck_assert_int_eq(tty_pace_free(&p).ns, 0);
	tty_pace_sent(&p, 8, t);
	ck_assert_int_eq(tty_pace_free(&p).ns, t.ns + 8000 + 3500);
	tty_pace_sent(&p, 2, t);
	ck_assert_int_eq(tty_pace_free(&p).ns, t.ns + 10000 + 3500);
	t.ns += 50000;
	tty_pace_received(&p, t);
	ck_assert_int_eq(tty_pace_free(&p).ns, t.ns + 3500);
}
END_TEST

static struct monotime fired;

static void
on_alarm(void *arg)
{
	fired = monotime_now();
	ev_break(arg, EVBREAK_ALL);
}

START_TEST(alarm_is_neither_early_nor_late)
{
	struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
	struct tty_alarm *a = tty_alarm_new(loop, on_alarm, loop);
	int64_t best = INT64_MAX;

	for (int i = 0; i < 20; i++) {
		struct monotime at = { monotime_now().ns + 1200000 };
		tty_alarm_set(a, monotime_add_ms(at, 500));
		tty_alarm_set(a, at);
		ev_run(loop, 0);
		ck_assert_int_ge(fired.ns, at.ns);
		if (fired.ns - at.ns < best)
			best = fired.ns - at.ns;
	}
	/* A loop's own timer would be up to a millisecond late. */
	ck_assert_int_lt(best, 500000);
	/* What is past fires at once. */
	tty_alarm_set(a, (struct monotime){ 1 });
	ev_run(loop, 0);
	tty_alarm_stop(a);
	tty_alarm_free(a);
	ev_loop_destroy(loop);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, open_pair, close_pair);
	tcase_add_test(tc, settings_reach_the_line);
	tcase_add_test(tc, every_byte_passes);
	tcase_add_test(tc, no_tty_is_refused);
	tcase_add_test(tc, keys_are_read);
	tcase_add_test(tc, pace_counts_from_the_last_character);
	tcase_add_test(tc, alarm_is_neither_early_nor_late);
}

UNIT_MAIN("tty")
