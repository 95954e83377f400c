/*
 * Structured log lines, in any process. A line says what, where, what was
 * expected and what happens next; control characters in it are escaped.
 * The supervisor writes to journal, syslog or stderr; a runner writes to its
 * stderr, a pipe that the supervisor relays under the device's name.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* syslog's severities (RFC 5424), so that "<N>" prefixes mean what systemd takes them for. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_target {
	LOG_TARGET_STDERR, /* "HH:MM:SS.mmm level device: text" for people */
	LOG_TARGET_PREFIX, /* "<N>text", read by a supervisor or by systemd */
};

/* A sink other than stderr; device and event may be NULL, text is one clean line. */
typedef void log_sink(
    enum log_level level, const char *device, const char *event, const char *text);

void log_set_target(enum log_target target);
void log_set_sink(log_sink *sink);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* 0..7 for "error", "warning", ..., else -1. */
int log_level_parse(const char *name);
const char *log_level_name(enum log_level level);

/* device: the device that the line is about, or NULL. event: a stable short word for scripts
 * ("runner_died"), or NULL. */
void log_write(enum log_level level, const char *device, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same whatever our own level is: the device's level let it through. */
void log_relay(enum log_level level, const char *device, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void log_vwrite(
    enum log_level level, const char *device, const char *event, const char *fmt, va_list ap);

/* Writes a line to standard error, or drops it where that would wait. The next line that can be
 * written is preceded by the number of those that were dropped. */
void log_write_stderr(
    enum log_target form, enum log_level level, const char *device, const char *text);
/* Writes that number now: no line may follow for a while. Returns whether none is left to report.
 */
bool log_report_lost(enum log_target form);
#define LOG_LOST "dropped %u lines: nobody read them"

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, NULL, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_get_level() >= LOG_LEVEL_DEBUG)                                            \
			log_write(LOG_LEVEL_DEBUG, NULL, NULL, __VA_ARGS__);                       \
	} while (0)

/* The plural ending of a noun after a count. */
#define LOG_PLURAL(n) ((n) == 1 ? "" : "s")

/* Makes text plain, in place: what a terminal or a log reader might take for more than text
 * (control characters, bytes that are not UTF-8) becomes '?'. Lines that are logged are made so
 * anyway. */
void log_clean(char *text);

#endif
