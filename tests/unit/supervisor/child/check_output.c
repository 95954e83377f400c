#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/child/output.h"
#include "tests/unit/suite.h"

static struct ev_loop *loop;
static struct output o;
static int writer;
static char last[512], device[40];
static enum log_level level;
static unsigned lines;

static void
sink(enum log_level l, const char *d, const char *event, const char *text)
{
	(void)event;
	level = l;
	snprintf(device, sizeof(device), "%s", d ? d : "");
	snprintf(last, sizeof(last), "%s", text);
	lines++;
}

static void
begin(void)
{
	int pipes[2];

	log_set_sink(sink);
	lines = 0;
	last[0] = '\0';
	loop = ev_loop_new(EVFLAG_NOENV);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	writer = pipes[1];
	output_init(&o, loop, "");
	o.device = "plc1";
	output_open(&o, pipes[0]);
}

static void
end(void)
{
	output_close(&o);
	close(writer);
	ev_loop_destroy(loop);
}

static void
say(const char *text)
{
	ck_assert_int_eq(write(writer, text, strlen(text)), (ssize_t)strlen(text));
	ev_run(loop, EVRUN_NOWAIT);
}

START_TEST(lines_are_logged_under_the_device)
{
	say("hel");
	ck_assert_uint_eq(lines, 0);
	say("lo\n<4>careful\n");
	ck_assert_uint_eq(lines, 2);
	ck_assert_int_eq(level, LOG_LEVEL_WARNING);
	ck_assert_str_eq(last, "careful");
	ck_assert_str_eq(device, "plc1");
	ck_assert_str_eq(o.last, "careful");
	/* Not what a terminal is told of, and no control characters. */
	say("<0>\033[2Jhelp\n");
	ck_assert_int_eq(level, LOG_LEVEL_ERROR);
	ck_assert_ptr_null(strchr(last, '\033'));
}
END_TEST

START_TEST(what_is_above_its_level_is_kept_and_not_logged)
{
	o.level = LOG_LEVEL_WARNING;
	say("<7>detail\n");
	ck_assert_uint_eq(lines, 0);
	ck_assert_str_eq(o.last, "detail");
}
END_TEST

START_TEST(a_subject_stands_before_each_line)
{
	o.subject = "gateway-eventd: ";
	o.device = NULL;
	say("listening\n");
	ck_assert_str_eq(last, "gateway-eventd: listening");
	ck_assert_str_eq(device, "");
}
END_TEST

START_TEST(a_long_line_is_cut_into_several)
{
	char text[3 * OUTPUT_MAX_LINE];

	memset(text, 'x', sizeof(text) - 2);
	memcpy(text + sizeof(text) - 2, "\n", 2);
	say(text);
	ck_assert_uint_eq(lines, 4);
	ck_assert_uint_le(strlen(last), OUTPUT_MAX_LINE - 1);
}
END_TEST

START_TEST(lines_beyond_a_seconds_share_are_counted)
{
	for (int i = 0; i < OUTPUT_MAX_LINES + 30; i++)
		say("again\n");
	ck_assert_uint_eq(lines, OUTPUT_MAX_LINES);
	output_close(&o);
	ck_assert_uint_eq(lines, OUTPUT_MAX_LINES + 1);
	ck_assert_str_eq(last, "dropped 30 lines of output");
}
END_TEST

START_TEST(the_last_line_needs_no_end)
{
	ck_assert_int_eq(write(writer, "bye\nlast words", 14), 14);
	output_drain(&o);
	ck_assert_uint_eq(lines, 2);
	ck_assert_str_eq(o.last, "last words");
	/* A next process begins without them. */
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	output_open(&o, fd);
	ck_assert_str_eq(o.last, "");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, lines_are_logged_under_the_device);
	tcase_add_test(tc, what_is_above_its_level_is_kept_and_not_logged);
	tcase_add_test(tc, a_subject_stands_before_each_line);
	tcase_add_test(tc, a_long_line_is_cut_into_several);
	tcase_add_test(tc, lines_beyond_a_seconds_share_are_counted);
	tcase_add_test(tc, the_last_line_needs_no_end);
}

UNIT_MAIN("output of a process")
