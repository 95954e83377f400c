#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/log/log_limit.h"
#include "supervisor/log/log_sink.h"
#include "supervisor/log/syslog_out.h"
#include "tests/unit/suite.h"

/* Standard error, read back. */
static int read_end, saved_stderr;

static void
catch_stderr(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	read_end = ends[0];
}

static void
release_stderr(void)
{
	log_sink_close();
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(read_end);
}

static const char *
caught(void)
{
	static char text[65536];
	ssize_t n = read(read_end, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int
count_lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static const struct config_log console = {
	.level = LOG_LEVEL_INFO,
	.console = { true, LOG_LEVEL_DEBUG },
};

START_TEST(people_read_time_level_device)
{
	int h, m, s, ms;

	catch_stderr();
	ck_assert_int_eq(log_sink_open(&console), 0);
	log_write(LOG_LEVEL_WARNING, "plc1", "runner_died", "it died\nof %s", "this");
	const char *text = caught();
	ck_assert_int_eq(sscanf(text, "%d:%d:%d.%d", &h, &m, &s, &ms), 4);
	ck_assert_str_eq(text + strlen("00:00:00.000 "), "warning plc1: it died?of this\n");
	log_debug("not asked for");
	ck_assert_str_eq(caught(), "");
	release_stderr();
}
END_TEST

START_TEST(levels_of_devices_change_at_run_time)
{
	catch_stderr();
	log_sink_open(&console);
	ck_assert_int_eq(log_sink_set_device_level("b", LOG_LEVEL_DEBUG), 0);
	ck_assert_int_eq(log_sink_set_device_level("a", LOG_LEVEL_ERROR), 0);
	ck_assert_int_eq(log_sink_set_device_level("c", LOG_LEVEL_WARNING), 0);
	ck_assert_int_eq(log_sink_device_level("a"), LOG_LEVEL_ERROR);
	ck_assert_int_eq(log_sink_device_level("b"), LOG_LEVEL_DEBUG);
	ck_assert_int_eq(log_sink_device_level("c"), LOG_LEVEL_WARNING);
	ck_assert_int_eq(log_sink_device_level("d"), LOG_LEVEL_INFO);
	log_write(LOG_LEVEL_DEBUG, "b", NULL, "1");
	log_write(LOG_LEVEL_DEBUG, "a", NULL, "not");
	log_write(LOG_LEVEL_DEBUG, NULL, NULL, "not");
	log_write(LOG_LEVEL_WARNING, "a", NULL, "not");
	log_write(LOG_LEVEL_ERROR, "a", NULL, "2");
	log_write(LOG_LEVEL_INFO, "d", NULL, "3");
	log_write(LOG_LEVEL_INFO, "c", NULL, "not");
	const char *text = caught();
	ck_assert_int_eq(count_lines(text), 3);
	ck_assert_ptr_null(strstr(text, "not"));
	/* A reload keeps them; they change; -1 takes one back. */
	log_sink_set_device_level("a", LOG_LEVEL_NOTICE);
	ck_assert_int_eq(log_sink_device_level("a"), LOG_LEVEL_NOTICE);
	log_sink_set_device_level("a", LOG_LEVEL_ERROR);
	log_sink_open(&console);
	ck_assert_int_eq(log_sink_device_level("b"), LOG_LEVEL_DEBUG);
	log_sink_set_device_level("b", -1);
	log_sink_set_device_level("nobody", -1);
	ck_assert_int_eq(log_sink_device_level("b"), LOG_LEVEL_INFO);
	ck_assert_int_eq(log_sink_device_level("a"), LOG_LEVEL_ERROR);
	ck_assert_int_eq(log_get_level(), LOG_LEVEL_INFO);
	release_stderr();
}
END_TEST

START_TEST(storms_are_cut_and_counted)
{
	catch_stderr();
	log_sink_open(&console);
	for (int i = 0; i < 500; i++)
		log_write(LOG_LEVEL_WARNING, "a", "storm", "line %d", i);
	log_write(LOG_LEVEL_WARNING, "b", "storm", "another device");
	const char *text = caught();
	/* A slow machine may see a few pass again in between, each time saying so. */
	ck_assert_int_ge(count_lines(text), LOG_LIMIT_BURST + 1);
	ck_assert_int_le(count_lines(text), LOG_LIMIT_BURST + 20);
	ck_assert_ptr_nonnull(strstr(text, "b: another device"));
	log_sink_tick(monotime_add_ms(monotime_now(), 60000));
	text = caught();
	ck_assert_int_eq(count_lines(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "warning a: "));
	ck_assert_ptr_nonnull(strstr(text, " lines of 'storm' were left out"));
	log_sink_tick(monotime_add_ms(monotime_now(), 120000));
	ck_assert_str_eq(caught(), "");
	release_stderr();
}
END_TEST

START_TEST(targets_have_levels)
{
	struct config_log conf = console;

	conf.level = LOG_LEVEL_DEBUG;
	conf.console.level = LOG_LEVEL_WARNING;
	catch_stderr();
	log_sink_open(&conf);
	log_write(LOG_LEVEL_INFO, NULL, NULL, "no");
	log_write(LOG_LEVEL_WARNING, NULL, NULL, "yes");
	ck_assert_int_eq(count_lines(caught()), 1);
	release_stderr();
}
END_TEST

START_TEST(journals_stream_gets_prefixes)
{
	char stream[64];
	struct stat st;

	if (access("/run/systemd/journal/socket", F_OK) == 0)
		return; /* the line would go to the journal of this machine */
	catch_stderr();
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_sink_open(&console);
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "text");
	ck_assert_str_eq(caught(), "<4>plc1: text\n");
	/* Not ours: standard error was redirected after systemd set it. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_sink_open(&console);
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "text");
	ck_assert_ptr_nonnull(strstr(caught(), "warning plc1: text\n"));
	unsetenv("JOURNAL_STREAM");
	release_stderr();
}
END_TEST

static const char *
receive(int fd)
{
	static char text[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	text[0] = '\0';
	if (poll(&p, 1, 2000) == 1) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		text[n > 0 ? n : 0] = '\0';
	}
	return text;
}

static struct config_log
syslog_to(enum config_syslog transport, const char *host, uint16_t port)
{
	return (struct config_log){
		.level = LOG_LEVEL_INFO,
		.syslog = { true, LOG_LEVEL_DEBUG },
		.syslog_transport = transport,
		.syslog_host = host,
		.syslog_port = port,
	};
}

START_TEST(local_syslog)
{
	char folder[] = "/tmp/check_log_XXXXXX", expected[64];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/log", folder);
	struct config_log conf = syslog_to(CONFIG_SYSLOG_LOCAL, a.sun_path, 0);
	catch_stderr();
	ck_assert_int_eq(log_sink_open(&conf), 0);
	log_write(LOG_LEVEL_INFO, NULL, NULL, "nobody listens yet");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(log_sink_open(&conf), 0);
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "text");
	const char *text = receive(fd);
	ck_assert(strncmp(text, "<28>", 4) == 0); /* daemon.warning */
	snprintf(expected, sizeof(expected), " gatewayd[%d]: plc1: text", (int)getpid());
	ck_assert_str_eq(text + strlen("<28>Nov 22 13:05:01"), expected);
	ck_assert_str_eq(caught(), ""); /* standard error was not asked for */
	release_stderr();
	close(fd);
	unlink(a.sun_path);
	rmdir(folder);
}
END_TEST

static int
listen_inet(int type, uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 1), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* "<28>1 TIME HOST gatewayd PID x - plc1: text" */
static void
check_5424(const char *text)
{
	char host[80], event[40], device[40], rest[80];
	int y, mo, d, h, mi, pid;
	double s;

	ck_assert_int_eq(
	    sscanf(text, "<28>1 %d-%d-%dT%d:%d:%lfZ %79s gatewayd %d %39s - %39[^:]: %79s", &y, &mo,
		&d, &h, &mi, &s, host, &pid, event, device, rest),
	    11);
	ck_assert_int_eq(pid, getpid());
	ck_assert_str_eq(event, "x");
	ck_assert_str_eq(device, "plc1");
	ck_assert_str_eq(rest, "text");
}

START_TEST(udp_syslog)
{
	uint16_t port;
	int fd = listen_inet(SOCK_DGRAM, &port);
	struct config_log conf = syslog_to(CONFIG_SYSLOG_UDP, "127.0.0.1", port);

	ck_assert_int_eq(log_sink_open(&conf), 0);
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "text");
	check_5424(receive(fd));
	log_sink_close();
	close(fd);
}
END_TEST

START_TEST(tcp_syslog_keeps_lines_until_it_is_connected)
{
	uint16_t port;
	int fd = listen_inet(SOCK_STREAM, &port);
	struct config_log conf = syslog_to(CONFIG_SYSLOG_TCP, "localhost", port);

	ck_assert_int_eq(log_sink_open(&conf), 0);
	for (int i = 0; i < 3; i++)
		log_write(LOG_LEVEL_WARNING, "plc1", "x", "text");
	int peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	log_sink_tick(monotime_now());
	const char *text = receive(peer);
	for (int i = 0; i < 3; i++) {
		char *line;
		size_t len = strtoul(text, &line, 10);
		char copy[256];
		ck_assert_int_eq(*line, ' ');
		ck_assert_uint_le(len, strlen(line + 1));
		ck_assert_uint_lt(len, sizeof(copy));
		memcpy(copy, line + 1, len);
		copy[len] = '\0';
		check_5424(copy);
		text = line + 1 + len;
	}
	ck_assert_str_eq(text, "");
	/* A daemon that goes and comes back. */
	close(peer);
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "lost");
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "lost too");
	log_write(LOG_LEVEL_WARNING, "plc1", "x", "kept");
	log_sink_tick(monotime_add_ms(monotime_now(), 6000));
	peer = accept(fd, NULL, NULL);
	log_sink_tick(monotime_add_ms(monotime_now(), 12000));
	text = receive(peer);
	ck_assert(text[0] >= '1' && text[0] <= '9'); /* at a line's beginning */
	ck_assert_ptr_nonnull(strstr(text, "plc1: kept"));
	log_sink_close();
	close(peer);
	close(fd);
}
END_TEST

START_TEST(tcp_syslog_that_never_reads_is_not_waited_for)
{
	uint16_t port;
	int fd = listen_inet(SOCK_STREAM, &port);
	struct config_log conf = syslog_to(CONFIG_SYSLOG_TCP, "127.0.0.1", port);
	struct monotime start = monotime_now();
	struct syslog_out out;
	char text[900];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(syslog_out_open(&out, &conf), 0);
	for (int i = 0; i < 20000; i++)
		syslog_out_write(&out, LOG_LEVEL_INFO, NULL, NULL, text);
	/* As slow as Check is told that the machine is. */
	const char *times = getenv("CK_TIMEOUT_MULTIPLIER");
	ck_assert_int_lt(
	    monotime_diff_ms(monotime_now(), start), 3000 * (times ? strtol(times, NULL, 10) : 1));
	ck_assert(!buffer_failed(&out.pending));
	ck_assert_uint_le(out.pending.len, SYSLOG_MAX_PENDING);
	/* It was full; the kernel may have taken some since. */
	ck_assert_uint_gt(out.dropped, 0);
	syslog_out_close(&out);
	close(fd);
}
END_TEST

/* A name is not looked up here: until it is, lines go to standard error. */
START_TEST(unknown_host_leaves_standard_error)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct config_log conf = syslog_to(CONFIG_SYSLOG_UDP, "syslog.invalid", 514);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	catch_stderr();
	ck_assert_int_eq(log_sink_open(&conf), 0);
	ck_assert(log_sink_wants_address());
	log_write(LOG_LEVEL_WARNING, NULL, NULL, "early");
	ck_assert_ptr_nonnull(strstr(caught(), "warning early\n"));
	log_sink_found((struct sockaddr *)&a, len);
	ck_assert(!log_sink_wants_address());
	log_write(LOG_LEVEL_WARNING, NULL, NULL, "late");
	ck_assert_ptr_null(strstr(caught(), "late"));
	ck_assert_ptr_nonnull(strstr(receive(fd), " late"));
	log_sink_close();
	release_stderr();
	close(fd);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, people_read_time_level_device);
	tcase_add_test(tc, levels_of_devices_change_at_run_time);
	tcase_add_test(tc, storms_are_cut_and_counted);
	tcase_add_test(tc, targets_have_levels);
	tcase_add_test(tc, journals_stream_gets_prefixes);
	tcase_add_test(tc, local_syslog);
	tcase_add_test(tc, udp_syslog);
	tcase_add_test(tc, tcp_syslog_keeps_lines_until_it_is_connected);
	tcase_add_test(tc, tcp_syslog_that_never_reads_is_not_waited_for);
	tcase_add_test(tc, unknown_host_leaves_standard_error);
}

UNIT_MAIN("log sink")
