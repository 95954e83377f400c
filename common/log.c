#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/utf8.h"
#include "common/fdutil.h"

enum {
	LOG_MAX_TEXT = 1024, /* a line is cut here */
};

static enum log_level level_limit = LOG_LEVEL_INFO;
static enum log_target target = LOG_TARGET_STDERR;
static log_sink *sink;
static unsigned lost; /* lines that standard error did not take */

static const char *const level_names[] = { "emergency", "alert", "critical", "error", "warning",
	"notice", "info", "debug" };

void
log_set_target(enum log_target t)
{
	target = t;
}

void
log_set_sink(log_sink *s)
{
	sink = s;
}

void
log_set_level(enum log_level level)
{
	level_limit = level;
}

enum log_level
log_get_level(void)
{
	return level_limit;
}

int
log_level_parse(const char *name)
{
	for (int i = 0; i < 8; i++)
		if (strcmp(level_names[i], name) == 0)
			return i;
	return -1;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level & 7];
}

void
log_clean(char *text)
{
	unsigned char *p = (unsigned char *)text;
	bool valid = utf8_valid(text, strlen(text));

	for (; *p; p++) {
		bool c1 = valid && p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (c1)
			*p++ = '?';
		if (c1 || *p < 0x20 || *p == 0x7f || (!valid && *p >= 0x80))
			*p = *p == '\t' ? ' ' : '?';
	}
}

/* A terminal that was stopped may take a part of a line and block for the rest: it is opened once
 * more, for a flag that is ours alone. */
static int
stderr_fd(void)
{
	static int terminal = -1;

	if (!isatty(STDERR_FILENO))
		return STDERR_FILENO;
	if (terminal < 0)
		terminal = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return terminal < 0 ? STDERR_FILENO : terminal;
}

/* A log that cannot be written must not stop the work. Returns whether it took the line. */
static bool
put_stderr(enum log_target form, enum log_level level, const char *device, const char *text)
{
	char line[LOG_MAX_TEXT + 160];
	int n;

	if (form == LOG_TARGET_PREFIX) {
		n = snprintf(line, sizeof(line), "<%d>%s%s%s\n", (int)level, device ? device : "",
		    device ? ": " : "", text);
	} else {
		struct timespec ts;
		struct tm tm;
		clock_gettime(CLOCK_REALTIME, &ts);
		localtime_r(&ts.tv_sec, &tm);
		n = snprintf(line, sizeof(line), "%02d:%02d:%02d.%03ld %-7s %s%s%s\n", tm.tm_hour,
		    tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000, log_level_name(level),
		    device ? device : "", device ? ": " : "", text);
	}
	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	if (target == LOG_TARGET_STDERR)
		return fd_write_now(stderr_fd(), line, (size_t)n);
	/* A runner's pipe: it does not block, and its filter knows no poll. */
	return write(STDERR_FILENO, line, (size_t)n) > 0;
}

bool
log_report_lost(enum log_target form)
{
	char text[80];

	if (lost == 0)
		return true;
	snprintf(text, sizeof(text), LOG_LOST, lost);
	if (put_stderr(form, LOG_LEVEL_WARNING, NULL, text))
		lost = 0;
	return lost == 0;
}

void
log_write_stderr(enum log_target form, enum log_level level, const char *device, const char *text)
{
	if (!log_report_lost(form) || !put_stderr(form, level, device, text))
		lost++;
}

static void
write_line(enum log_level level, const char *device, const char *event, const char *fmt, va_list ap)
{
	char text[LOG_MAX_TEXT];
	int saved = errno;

	vsnprintf(text, sizeof(text), fmt, ap);
	log_clean(text);
	if (sink)
		sink(level, device, event, text);
	else
		log_write_stderr(target, level, device, text);
	errno = saved;
}

void
log_vwrite(enum log_level level, const char *device, const char *event, const char *fmt, va_list ap)
{
	if (level <= level_limit)
		write_line(level, device, event, fmt, ap);
}

void
log_write(enum log_level level, const char *device, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(level, device, event, fmt, ap);
	va_end(ap);
}

void
log_relay(enum log_level level, const char *device, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, device, event, fmt, ap);
	va_end(ap);
}
